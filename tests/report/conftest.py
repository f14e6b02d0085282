from collections.abc import Callable

import numpy as np
import pytest

from xhat.core import numpy_generator
from xhat.report import JudgedRecord


@pytest.fixture
def make_samples() -> Callable[..., JudgedRecord]:
    """Five judged samples with pictures of 6×5, two judges and three axes, with overrides."""

    def make(**changed: object) -> JudgedRecord:
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
        return JudgedRecord(**(fields | changed))  # pyright: ignore[reportArgumentType]

    return make
