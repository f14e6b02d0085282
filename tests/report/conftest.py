from collections.abc import Callable

import numpy as np
import pytest

from xhat.core import numpy_generator
from xhat.report import JudgedSamples, MethodGrid, SelfTestRow, Summary, SummaryRow

OUTCOMES = [["genuine", "adversarial", "off_manifold"], ["unreached", "genuine", "adversarial"]]


@pytest.fixture
def make_grid() -> Callable[..., MethodGrid]:
    """A grid of two starts ("0", "1") and three targets ("0", "1", "2"), with overrides."""

    def make(method: str = "plain", **changed: object) -> MethodGrid:
        random = numpy_generator(0, method)
        starts = random.random((2, 6, 5))
        images = random.random((2, 3, 6, 5))
        moments = np.linspace(0, 1, 9)[:, None, None, None, None]
        fields: dict[str, object] = {
            "caption": "Adam on pixels",
            "starts": starts,
            "images": images,
            "outcomes": OUTCOMES,
            "evidence": [[f"cell {i} {j}\nsecond line" for j in range(3)] for i in range(2)],
            "row_labels": ["0", "1"],
            "column_labels": ["0", "1", "2"],
            "frames": (1 - moments) * starts[:, None] + moments * images,
        }
        return MethodGrid(method=method, **(fields | changed))  # pyright: ignore[reportArgumentType]

    return make


@pytest.fixture
def summary() -> Summary:
    words = ["adversarial", "adversarial", "genuine", "unreached"]
    rows = [
        SummaryRow.tally(
            "plain", words, reached=0.75, confidence=0.2, seconds=1.25, evaluations=1234
        ),
        SummaryRow.tally("latent", ["genuine"] * 4),
    ]
    targets = {str(t): [SummaryRow.tally(m, words) for m in ("plain", "latent")] for t in range(3)}
    return Summary(rows, [SummaryRow.tally("plain", ["genuine"] * 2)], targets)


@pytest.fixture
def make_samples() -> Callable[..., JudgedSamples]:
    """Five judged samples with pictures of 6×5, two judges and three axes, with overrides."""

    def make(**changed: object) -> JudgedSamples:
        random = numpy_generator(0, "judged")
        fields: dict[str, object] = {
            "outcomes": ["genuine", "genuine", "adversarial", "off_manifold", "genuine"],
            "rules": [f"rule {i} decides" for i in range(5)],
            "evidence": [f"the judges see {i}\nsecond line {i}" for i in range(5)],
            "targets": ["7", "10", "7", "9", "10"],
            "axes": ["likelihood", "pixels", "features"],
            "p_values": np.array([[0.5, 0.2, 1.0]] * 2 + [[0.0002, 0.01, 0.3]] * 3),
            "alpha": 0.01,
            "level": 0.005,
            "members": ["residual", "mlp"],
            "classes": ["7", "9", "10", "none"],
            "votes": np.tile([0.9, 0.1, 0.0, 0.0], (5, 2, 1)),
            "pictures": random.random((5, 6, 5)),
            "nearest": random.random((5, 2, 6, 5)),
            "nearest_names": [[f"real {i}{q}" for q in range(2)] for i in range(5)],
            "starts": random.random((5, 6, 5)),
        }
        return JudgedSamples(**(fields | changed))  # pyright: ignore[reportArgumentType]

    return make


@pytest.fixture
def make_row() -> Callable[..., SelfTestRow]:
    """What judges said of 200 attacks, with overrides."""

    def make(**changed: object) -> SelfTestRow:
        fields: dict[str, object] = {
            "kind": "FGSM",
            "group": "attacks",
            "n": 200,
            "counts": {"adversarial": 190, "genuine": 2, "off_manifold": 8},
            "wanted": "not genuine",
            "asked": 0.95,
            "share": 0.99,
            "interval": (0.964, 0.997),
            "pictures": numpy_generator(0, "row").random((3, 7, 7)),
        }
        return SelfTestRow(**(fields | changed))  # pyright: ignore[reportArgumentType]

    return make
