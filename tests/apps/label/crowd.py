"""Votes for tests: from tables of published examples, and as arrays."""

import numpy as np

from xhat.apps.label import Votes

# Krippendorff, "Computing Krippendorff's Alpha-Reliability", 2011: sections A, B and C; a row is an
# observer, a column a unit, a dot is missing
TWO_BINARY = ("0100000010", "1110010000")
TWO_NOMINAL = ("aabbdcccedda", "babbbccceddd")
FOUR_MISSING = ("123321412...", "12332241 25.3".replace(" ", ""), ".33323422 51.".replace(" ", ""))
FOUR_MISSING = (*FOUR_MISSING, "12332441251.")


def votes_of(rows, outcomes=None):
    """Return the votes of a table: a row for each person, a letter for each image."""
    kinds = sorted({letter for row in rows for letter in row} - {"."})
    eye = np.eye(outcomes or len(kinds))
    said = [
        (image, person, kinds.index(letter))
        for person, row in enumerate(rows)
        for image, letter in enumerate(row)
        if letter != "."
    ]
    image, person, kind = (np.array(column) for column in zip(*said, strict=True))
    return votes(image, person, eye[kind], images=len(rows[0]), annotators=len(rows))


def votes(image, annotator, shares, *, repeat=None, seconds=None, images=None, annotators=None):
    """Return votes; what is left out is the least that fits."""
    image, annotator = np.asarray(image), np.asarray(annotator)
    return Votes(
        image=image,
        annotator=annotator,
        shares=np.asarray(shares, dtype=float),
        repeat=np.zeros(len(image), bool) if repeat is None else np.asarray(repeat, bool),
        seconds=np.full(len(image), np.nan) if seconds is None else np.asarray(seconds, float),
        images=int(image.max()) + 1 if images is None else images,
        annotators=int(annotator.max()) + 1 if annotators is None else annotators,
    )


def drawn(images=40, people=6, outcomes=4, *, seed=0, sure=False, missing=0.3):
    """Return votes at random, of fractional ballots or of sure ones."""
    random = np.random.default_rng(seed)
    truth = random.dirichlet(np.full(outcomes, 0.4), images)
    keep = random.random((images, people)) > missing
    image, annotator = keep.nonzero()
    shares = np.array([random.dirichlet(5 * truth[i] + 0.05) for i in image])
    if sure:
        shares = np.eye(outcomes)[shares.argmax(1)]
    return votes(image, annotator, shares, images=images, annotators=people)
