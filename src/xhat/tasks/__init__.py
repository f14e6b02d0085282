"""Tasks: data, reference samples and default models of one domain each.

A task knows its data and ships trained models; it knows nothing of the search.
"""
