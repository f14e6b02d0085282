"""Whether our Dawid-Skene estimate is that of `crowd-kit`, and what smoothing its matrices buys.

    python benchmarks/crowd_check.py

*The same estimate*: both are given the same sure votes, begin from the share of each answer, and
are run for the same number of steps, theirs with a tolerance at which it never stops before. It
keeps probabilities above 1e-10; ours are not held. What is compared is the posterior of every
image. A row that is wrong on purpose, with one vote in a hundred changed, says how large a
difference would be if there were one. Fractional ballots are ours alone.

*What smoothing buys*: simulated annotators, most of them careful, answer images whose class is
known, with three to ten votes an image. The posterior is measured by its accuracy and by how sure
it was of the right class (nats); the mean ballot stands beside it.
"""

from typing import Any

import numpy as np
import pandas as pd
from crowdkit.aggregation.classification import DawidSkene as Theirs
from record import provenance, table, write

from xhat.apps.label import Votes, dawid_skene, draw_annotator, mean_shares

SEED, STEPS, TOLERANCE = 0, (1, 5, 20), 1e-6
SMOOTHINGS = (0.0, 0.01, 0.03, 0.1, 0.3, 1.0)
SIZES = ((60, 5, 3), (300, 8, 4), (1_000, 20, 11))  # images, people, outcomes
EACH = (3, 5, 10)  # votes an image
_LEAST = 1e-12


def drawn(
    images: int, people: int, outcomes: int, each: int, seed: int, *, sure: bool
) -> tuple[Votes, np.ndarray]:
    """Return votes of simulated annotators, and the true classes (never "none of them")."""
    random = np.random.default_rng(seed)
    crowd = [draw_annotator(outcomes, random) for _ in range(people)]
    truth = random.integers(0, outcomes - 1, images)
    rival = (truth + random.integers(1, outcomes - 1, images)) % (outcomes - 1)
    share = np.where(random.random(images) < 0.3, random.uniform(0.3, 0.5, images), 0.02)
    seen = np.zeros((images, outcomes))
    seen[np.arange(images), truth] = 1 - share
    seen[np.arange(images), rival] += share
    image, annotator, shares = [], [], []
    for k in range(images):
        for person in random.choice(people, min(each, people), replace=False):
            ballot, _ = crowd[person].answer(seen[k], random)
            if ballot.unsure:
                continue
            said = np.array(ballot.shares)
            image.append(k)
            annotator.append(person)
            shares.append(np.eye(outcomes)[said.argmax()] if sure else said)
    m = len(image)
    votes = Votes(
        np.array(image),
        np.array(annotator),
        np.array(shares),
        np.zeros(m, dtype=bool),
        np.full(m, np.nan),
        images,
        people,
    )
    return votes, truth


def theirs(votes: Votes, steps: int) -> np.ndarray:
    """Return their posterior, ``(images, outcomes)``; NaN for images without votes."""
    told = {"task": votes.image, "worker": votes.annotator, "label": votes.shares.argmax(1)}
    found = Theirs(n_iter=steps, tol=-np.inf).fit_predict_proba(pd.DataFrame(told))
    whole = np.full((votes.images, votes.outcomes), np.nan)
    known = found.reindex(columns=range(votes.outcomes), fill_value=0.0)
    whole[known.index.to_numpy()] = known.to_numpy()
    return whole


def changed(votes: Votes, seed: int) -> Votes:
    """Return the votes with one in a hundred, at least one, turned into another answer."""
    random = np.random.default_rng(seed)
    shares = votes.shares.copy()
    rows = random.choice(len(votes), max(1, len(votes) // 100), replace=False)
    shares[rows] = np.roll(shares[rows], 1, axis=1)
    return Votes(
        votes.image,
        votes.annotator,
        shares,
        votes.repeat,
        votes.seconds,
        votes.images,
        votes.annotators,
    )


def compared() -> list[dict[str, Any]]:
    """Return the largest difference of a posterior for each size and number of steps."""
    rows = []
    for images, people, outcomes in SIZES:
        votes, _ = drawn(images, people, outcomes, 5, SEED, sure=True)
        for wrong in (False, True):
            for steps in STEPS:
                ours = dawid_skene(votes, max_steps=steps, tolerance=1e-300)
                other = theirs(changed(votes, SEED) if wrong else votes, steps)
                gap = np.nanmax(np.abs(ours.posterior - other)) if ours else np.nan
                rows.append(
                    {
                        "images": images,
                        "people": people,
                        "outcomes": outcomes,
                        "votes": len(votes),
                        "steps": steps,
                        "wrong": wrong,
                        "largest": float(gap),
                    }
                )
                print(rows[-1], flush=True)
    return rows


def smoothed() -> list[dict[str, Any]]:
    """Return how right and how sure the posterior is, for each smoothing and number of votes."""
    rows = []
    for each in EACH:
        sets = [drawn(600, 12, 11, each, SEED + k, sure=False) for k in range(5)]
        scores = [_score(mean_shares(votes), truth) for votes, truth in sets]
        rows.append({"each": each, "smoothing": None} | _means(scores))
        for smoothing in SMOOTHINGS:
            scores = []
            for votes, truth in sets:
                found = dawid_skene(votes, smoothing=smoothing)
                if found is not None:
                    scores.append(_score(found.posterior, truth))
            rows.append({"each": each, "smoothing": smoothing} | _means(scores))
            print(rows[-1], flush=True)
    return rows


def _score(p: np.ndarray, truth: np.ndarray) -> dict[str, float]:
    known = np.isfinite(p).all(1)
    p, truth = p[known], truth[known]
    right = p[np.arange(len(p)), truth]
    return {
        "accuracy": float((p.argmax(1) == truth).mean()),
        "nll": float(-np.log(np.maximum(right, _LEAST)).mean()),
    }


def _means(scores: list[dict[str, float]]) -> dict[str, float]:
    return {name: float(np.mean([each[name] for each in scores])) for name in scores[0]}


def main() -> None:
    """Compare, write ``crowd.json`` and ``crowd.md``, and fail if they differ."""
    rows, more = compared(), smoothed()
    first = table(
        ("votes", "people", "outcomes", "steps", "largest difference"),
        [
            (
                f"{row['votes']} on {row['images']} images"
                + (", one in a hundred changed for theirs" if row["wrong"] else ""),
                row["people"],
                row["outcomes"],
                row["steps"],
                f"{row['largest']:.1e}",
            )
            for row in rows
        ],
    )
    second = table(
        ("estimate", "votes an image", "accuracy %", "nats for the right class"),
        [
            (
                "mean ballot" if row["smoothing"] is None else f"smoothing {row['smoothing']:g}",
                row["each"],
                f"{100 * row['accuracy']:.1f}",
                f"{row['nll']:.3f}",
            )
            for row in more
        ],
    )
    record = {"provenance": provenance(SEED, ("numpy", "crowd-kit")), "compared": rows}
    write("crowd", record | {"smoothed": more, "tolerance": TOLERANCE}, f"{first}\n{second}")
    apart = [row for row in rows if (row["largest"] > TOLERANCE) != row["wrong"]]
    if apart:
        raise SystemExit(f"not as expected: {apart}")


if __name__ == "__main__":
    main()
