"""The front door: the verbs of the library, and what they return.

``optimize`` searches and judges, ``audit`` judges what any tool has found, ``verify`` asks the
truth about every candidate of a search, and ``refine`` searches with a surrogate that the truth
teaches until the two agree. Each is ``xhat.`` away; here each stands in a module of its own.
"""
