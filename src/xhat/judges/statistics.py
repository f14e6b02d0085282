"""What a judge keeps of its calibration samples: the part of it that takes time to compute."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from xhat.judges.axes import ManifoldAxis
from xhat.judges.families import State

__all__ = ["CalibrationStatistics"]


@dataclass(frozen=True)
class CalibrationStatistics:
    """Statistics of the calibration samples: the part of a judge that takes time to compute.

    Attributes:
        weights: of the jury's members.
        scores: ``(b, axes)``, of the calibration samples.
        unread: the jury sees no class where its probability of "none" exceeds this; 1 without a
            jury.
        fars: by representation, the distance to the nearest real sample from which on a sample is
            far from every class.
        others: ``(b, classes)``, how surely the jury sees in them each class that they are not;
            None without a jury.
        crossed: whether all of them set the scale of the axes and give p-values; else every other
            sample does the one, the rest the other.
    """

    weights: tuple[float, ...]
    scores: Tensor
    unread: float
    fars: dict[str, float]
    others: Tensor | None = None
    crossed: bool = False

    @property
    def halves(self) -> tuple[Tensor, Tensor]:
        """The scores that set the scale, and those that give p-values."""
        if self.crossed:
            return self.scores, self.scores
        return self.scores[::2], self.scores[1::2]

    def as_tensors(self) -> dict[str, Tensor]:
        """Return the same as tensors by name, for a file."""
        others = {} if self.others is None else {"usual.others": self.others}
        return others | {
            "usual.weights": torch.tensor(self.weights, dtype=torch.double),
            "usual.scores": self.scores,
            "usual.unread": torch.tensor([self.unread], dtype=torch.double),
            "usual.fars": torch.tensor(list(self.fars.values()), dtype=torch.double),
            "usual.crossed": torch.tensor([self.crossed]),
        }

    @classmethod
    def of(cls, known: State, axes: Sequence[ManifoldAxis]) -> "CalibrationStatistics":
        """Return what ``as_tensors`` has made of one, for a judge with these axes."""
        names = [axis.names[0] for axis in axes if axis.neighbours is not None]
        return cls(
            tuple(known["usual.weights"].tolist()),
            known["usual.scores"],
            float(known["usual.unread"]),
            dict(zip(names, known["usual.fars"].tolist(), strict=True)),
            known["usual.others"] if len(known["usual.weights"]) else None,
            bool(known["usual.crossed"]),
        )
