from collections.abc import Callable

import numpy as np
import pytest

from xhat.core import numpy_generator
from xhat_zoo.digits.report import MethodGrid, SelfTestRow, Summary, SummaryRow

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
