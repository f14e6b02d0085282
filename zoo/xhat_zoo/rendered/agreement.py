"""Does a judge say what the truth says? Every kind of control, and what searches find."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

import xhat
from xhat.domain import Domain
from xhat.judges import Outcome
from xhat_zoo.rendered.controls import CONTROLS, Control, Material
from xhat_zoo.rendered.truth import read

__all__ = ["Row", "agree", "confusion"]


@dataclass(frozen=True, eq=False)
class Row:
    """What truth and judge say of one kind of control.

    Attributes:
        name: of the kind.
        true: ``n`` outcomes by the truth.
        said: ``n`` outcomes by the judge.
        images: ``(n, 3, SIDE, SIDE)``.
        nearest: likewise, the nearest rendered image of each.
    """

    name: str
    true: tuple[Outcome, ...]
    said: tuple[Outcome, ...]
    images: Tensor
    nearest: Tensor

    def __len__(self) -> int:
        return len(self.true)

    @property
    def right(self) -> int:
        """How often the judge says what the truth says."""
        return sum(a == b for a, b in zip(self.true, self.said, strict=True))

    @property
    def overclaimed(self) -> int:
        """How often the judge says genuine, and the truth does not."""
        pairs = zip(self.true, self.said, strict=True)
        return sum(a != b == Outcome.GENUINE for a, b in pairs)


def agree(
    domain: Domain,
    of: Material,
    *,
    kinds: Iterable[str] = tuple(CONTROLS),
    methods: Iterable[str] = ("plain", "proximal"),
    on_progress: Callable[[str, int, int], None] | None = None,
) -> list[Row]:
    """Return a row for every kind of control, and for what every method of ``xhat`` found.

    Where a surrogate was searched, only what it takes for the target counts.

    Args:
        domain: whose judge is asked.
        of: what controls are made from.
        kinds: names in ``CONTROLS``.
        methods: names of methods of ``xhat.optimize``.
        on_progress: called with the name of a kind, and how many are done.
    """
    tell = on_progress or (lambda *_: None)
    makers: dict[str, Callable[[], Control]] = {n: partial(CONTROLS[n], of) for n in kinds}
    makers |= {f"search: {n}": partial(_searched, domain, of, n) for n in methods}
    rows = []
    for done, (name, make) in enumerate(makers.items()):
        tell(name, done, len(makers))
        if len((control := make()).images):
            rows.append(_row(domain, name, control))
    tell("done", len(makers), len(makers))
    return rows


def confusion(rows: Iterable[Row]) -> Tensor:
    """Return how often the truth says one outcome and the judge another, ``(true, said)``."""
    names, counts = list(Outcome), torch.zeros(len(Outcome), len(Outcome), dtype=torch.long)
    for row in rows:
        for a, b in zip(row.true, row.said, strict=True):
            counts[names.index(a), names.index(b)] += 1
    return counts


def _searched(domain: Domain, of: Material, name: str) -> Control:
    found = xhat.optimize(
        of.model, of.real.images, of.target, domain=domain, method=name, seed=of.seed
    )
    return Control(found.x, of.target, of.real.images, of.model).at(found.reached)


def _row(domain: Domain, name: str, control: Control) -> Row:
    told = read(control.images)
    said = xhat.audit(
        control.model, control.images, control.target, domain=domain, x0=control.start
    )
    if said.verdicts is None:
        raise ValueError("the domain has no judge.")
    true = told.outcomes(control.target, control.model)
    return Row(name, true, said.verdicts.outcomes, control.images, told.near)
