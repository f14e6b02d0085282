"""The way of one search, frame by frame: is every state on it real, and how long is the way?"""

from dataclasses import dataclass

import torch
from torch import Tensor

from xhat.domain import Domain
from xhat.engine import Trajectory
from xhat.judges import Outcome
from xhat.metrics import path_shape, straight

__all__ = ["PathReport", "path_report"]


@dataclass(frozen=True)
class PathReport:
    """What is said of the states that one search went through.

    Attributes:
        steps: the recorded step numbers, the start first and the result last.
        on_manifold: ``(frames,)``, whether nothing about a state is unusual among real samples, of
            whatever class.
        blended: ``(frames,)``, the same of straight blends between start and result.
        seen: the class that the judges see first in each state; empty without classes.
        length: of the way, in the units of the domain.
        detour: the length over the distance from start to result, 1 or more.
    """

    steps: tuple[int, ...]
    on_manifold: Tensor
    blended: Tensor
    seen: tuple[str, ...]
    length: float
    detour: float

    def __str__(self) -> str:
        """Return it as lines of text."""
        both, alone = (float(each.float().mean()) for each in (self.on_manifold, self.blended))
        lines = [
            f"{both:.0%} of {len(self.steps)} states on the manifold (straight blends: "
            f"{alone:.0%}); length {self.length:.3g}, {self.detour:.2f} of the straight way"
        ]
        for k, (step, on) in enumerate(zip(self.steps, self.on_manifold.tolist(), strict=True)):
            read = f", seen as {self.seen[k]}" if self.seen else ""
            lines.append(f"  step {step}: {'on' if on else 'off'} the manifold{read}")
        return "\n".join(lines)


def path_report(path: Trajectory, index: int, domain: Domain, alpha: float = 0.05) -> PathReport:
    """Return what is said of the way of one candidate.

    Args:
        path: the recorded states of a search.
        index: of the candidate.
        domain: its judge looks at every state.
        alpha: the probability, in (0, 1), with which a real sample is called off the manifold.
    """
    frames, judge = path.x[:, index], domain.judge(alpha)
    blends = straight(frames[:1], frames[-1:], len(frames))[0]
    alone = judge.without_jury()
    on, blended = (
        torch.tensor([each == Outcome.GENUINE for each in alone.judge(x).outcomes])
        for x in (frames, blends)
    )
    seen: tuple[str, ...] = ()
    if judge.jury is not None:
        votes = judge.jury.together(judge.jury.probabilities(frames))
        names = [*domain.classes, "none of them"]
        seen = tuple(names[k] for k in votes.argmax(dim=1).tolist())
    shape = path_shape((frames / domain.scale)[None].flatten(2))
    return PathReport(path.steps, on, blended, seen, float(shape.length), float(shape.detour))
