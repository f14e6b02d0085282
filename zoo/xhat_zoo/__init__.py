"""Example tasks of xhat, one folder each: data, truth, networks, searches, figures, demo.

``digits`` turns handwritten digits into one another, ``shapes`` searches signed distances,
``rendered`` knows the true verdict of any image of its kind, ``conjunction`` avoids collisions of
satellites, ``airfoil`` designs airfoils. Every task is found by its name, too:
``xhat.task.task("shapes")``.
"""
