"""Table 1 of Dawid, Skene, "Maximum Likelihood Estimation of Observer Error-Rates", 1979.

Five anaesthetists rate the fitness of 45 patients from 1 to 4; the first did so three times.
"""

import numpy as np

from tests.apps.label.crowd import votes

RATINGS = """
111-1-1-1-1 333-4-3-3-4 112-2-1-2-2 222-3-1-2-1 222-3-2-2-2 222-3-3-2-2 122-2-1-1-1 333-3-4-3-3
222-2-2-2-3 232-2-2-2-3 444-4-4-4-4 222-3-3-4-3 111-1-1-1-1 222-3-2-1-2 121-1-1-1-1 111-2-1-1-1
111-1-1-1-1 111-1-1-1-1 222-2-2-2-1 222-1-3-2-2 222-2-2-2-2 222-2-2-2-1 222-3-2-2-2 221-2-2-2-2
111-1-1-1-1 111-1-1-1-1 232-2-2-2-2 111-1-1-1-1 111-1-1-1-1 112-1-1-2-1 111-1-1-1-1 333-3-2-3-3
111-1-1-1-1 222-2-2-2-2 222-3-2-3-2 433-4-3-4-3 221-2-2-3-2 232-3-2-3-3 333-3-4-3-2 111-1-1-1-1
111-1-1-1-1 121-2-1-1-1 232-2-2-2-2 121-1-1-1-1 222-2-2-2-2
"""
PRIOR = (0.40, 0.42, 0.11, 0.07)  # as published
FIRST = ((0.89, 0.11, 0, 0), (0.07, 0.88, 0.05, 0), (0, 0.34, 0.66, 0), (0, 0, 0.56, 0.44))


def anaesthetists():
    """Return all 315 ratings as votes."""
    said = [
        (patient, person, int(rating) - 1)
        for patient, ratings in enumerate(RATINGS.split())
        for person, each in enumerate(ratings.split("-"))
        for rating in each
    ]
    image, annotator, kind = (np.array(column) for column in zip(*said, strict=True))
    return votes(image, annotator, np.eye(4)[kind])
