"""``xhat.robustness``: how much change a classifier withstands, by norm and radius.

An input counts as robust at a radius if the model is right on it, and no attack finds a point
within that distance, and within the limits, that it misreads. An attack that finds nothing proves
nothing: every share is an upper bound.
"""

import time
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from xhat.attacks import apgd, distances, minimum_norm, square
from xhat.core import (
    InputWarning,
    Model,
    check_choice,
    check_kind,
    check_positive,
    check_range,
    check_tensor,
    evaluation_mode,
    modules_of,
)
from xhat.door.robust import Curve, Robust
from xhat.engine import Compute, Result

__all__ = ["robustness"]

BUDGETS = {"quick": (20, 0, 100), "standard": (40, 3, 300), "thorough": (100, 9, 2000)}
"""By name: steps of APGD, rivals that it is led towards, and queries of Square."""

_RADII = 8  # of a curve whose radii were left open
_BEYOND = 1.3  # of the distance by which nine in ten are misread: the largest of these radii
_TOLERANCE = 1e-5  # a point this far outside its ball is taken for inside, as in ``Problem``
_MASKED = 0.05  # of the inputs: so many more by a weaker attack, and gradients look masked
_AT_ONCE = 256  # inputs that a model is asked about, where nothing else is said
_ASKED = 200  # inputs that are attacked without gradients
Told = Callable[[str, int, int], None]


def robustness(
    model: Callable[..., Any],
    x: Tensor,
    labels: Any,
    *,
    norms: Sequence[str] = ("linf", "l2"),
    radii: Sequence[float] | None = None,
    attack: str = "standard",
    limits: tuple[Any, Any] | None = None,
    compute: Compute | None = None,
    on_progress: Told | None = None,
) -> Robust:
    """Attack a classifier at every input: minimum norms, and robust accuracy over radii.

    In each norm the nearest misread input is searched; at each radius what is left is attacked by
    APGD (on the cross-entropy, then towards rivals) within the ball. Whoever falls at one radius
    has fallen at the larger ones. Where gradients look masked, ``warnings`` of the answer says so.

    Source: Croce, Hein, ICML 2020 (APGD); Pintor et al., NeurIPS 2021, and Rony et al., CVPR 2019
    (minimum norms); Andriushchenko et al., ECCV 2020 (Square); Athalye, Carlini, Wagner,
    "Obfuscated Gradients Give a False Sense of Security", ICML 2018 (what to be wary of).

    Args:
        model: differentiable, ``(n, *x_shape) -> (n, classes)`` logits; probabilities are noticed.
        x: ``(n, *x_shape)``.
        labels: ``(n,)`` right classes.
        norms: of ``linf``, ``l2``, ``l1`` and ``l0``; the last has minimum norms only.
        radii: above 0; None chooses them from the minimum norms, for each norm.
        attack: the budget: ``quick``, ``standard`` or ``thorough``.
        limits: ``(low, high)`` of the features, numbers or one for each feature. None is 0 and 1
            where all inputs lie there; else the least and the most of each feature, and distances
            then count in shares of each feature's range.
        compute: chunk size, precision, device, seed.
        on_progress: called with what is done, and how much of it of how much.

    Returns:
        A ``Robust``: ``curves`` by norm, ``table()``, ``to_dict()``, ``report(folder)``.

    Raises:
        TypeError: inputs or labels of another kind, or a model that cannot be differentiated.
        ValueError: an unknown norm or budget, radii that are not above 0, labels that do not fit.

    Example:
        >>> x = torch.tensor([[0.6, 0.5], [0.2, 0.9]])
        >>> found = robustness(lambda x: 9 * x, x, [0, 1], norms=["linf"], radii=[0.04, 0.2])
        >>> found.curves["linf"].shares, round(found.curves["linf"].median, 2)
        ((1.0, 0.5), 0.35)
    """
    began = time.perf_counter()
    check_choice("attack", attack, BUDGETS)
    if isinstance(norms, str) or not len(norms):
        raise ValueError(f"norms must be a list such as ['linf', 'l2'], but are {norms!r}.")
    for norm in norms:
        check_choice("a norm", norm, ("linf", "l2", "l1", "l0"))
    given = None if radii is None else _ascending(radii)
    compute = Compute.of(compute)
    x, labels = _checked(x, labels)
    low, unit, ranged = _limits(x, limits)
    asked = _InUnits(Model.of(model, "logits"), low, unit) if ranged else Model.of(model, "logits")
    scaled = ((x - low) / unit).clamp(0, 1) if ranged else x
    bounds = (0.0, 1.0) if ranged or limits is None else limits
    said = _classes(asked, scaled, compute.chunk or _AT_ONCE)
    check_range("the labels", labels, 0, said.shape[1] - 1)
    right = said.argmax(dim=1) == labels
    tell = on_progress or (lambda *_: None)
    search = _Search(asked, scaled, labels, right, bounds, attack, compute, tell)
    curves = {norm: search.curve(norm, given) for norm in dict.fromkeys(norms)}
    return Robust(
        x=scaled.cpu(),
        labels=labels.cpu(),
        right=right.cpu(),
        curves=curves,
        warnings=tuple(dict.fromkeys(search.warnings)),
        notes=tuple(dict.fromkeys(search.notes)),
        attack=attack,
        ranged=ranged,
        seed=compute.seed,
        seconds=time.perf_counter() - began,
    )


class _InUnits:
    """A model of inputs in shares of each feature's range."""

    def __init__(self, model: Model, low: Tensor, unit: Tensor) -> None:
        self.model, self.low, self.unit = model, low, unit

    def __call__(self, u: Tensor) -> Tensor:
        return self.model(self.low.to(u) + u * self.unit.to(u))


class _Search:
    """The attacks on one set of inputs, and what was noticed of them."""

    def __init__(
        self,
        model: Any,
        x: Tensor,
        labels: Tensor,
        right: Tensor,
        bounds: tuple[Any, Any],
        attack: str,
        compute: Compute,
        tell: Told,
    ) -> None:
        self.model, self.x, self.labels, self.right = model, x, labels, right
        self.bounds, self.budget, self.compute, self.tell = bounds, BUDGETS[attack], compute, tell
        self.warnings: list[str] = []
        self.notes: list[str] = []

    def curve(self, norm: str, radii: list[float] | None) -> Curve:
        """Return the minimum norms, and the robust accuracy at each radius."""
        rows = self.right.nonzero()[:, 0]
        self.tell(f"{norm}: nearest", 0, 1)
        nearest = self._run(minimum_norm, self.x, label=self.labels, norm=norm, bounds=self.bounds)
        self.tell(f"{norm}: nearest", 1, 1)
        far = distances(nearest, norm).where(self.right.cpu(), 0.0)  # type: ignore[arg-type]
        radii = _chosen(far[self.right.cpu()], norm) if radii is None else radii
        if norm != "l0":
            far = self._within(norm, radii, far, rows)
        self._doubt(norm, nearest, far, radii)
        shares = [float((far > radius + _TOLERANCE).double().mean()) for radius in radii]
        return Curve(norm, tuple(radii), tuple(shares), far, nearest)

    def _within(self, norm: str, radii: list[float], far: Tensor, rows: Tensor) -> Tensor:
        """Return the distances, none more than a radius within which an attack succeeds."""
        steps, rivals, _ = self.budget
        for number, radius in enumerate(radii):
            self.tell(f"{norm}: radii", number, len(radii))
            for options in ({}, {"loss": "dlr", "rivals": rivals} if rivals else None):
                left = rows[(far[rows.cpu()] > radius + _TOLERANCE).to(rows.device)]
                if options is None or not len(left):
                    continue
                found = self._run(
                    apgd, self.x[left], label=self.labels[left], radius=radius, steps=steps,
                    norm=norm, bounds=self.bounds, **options,
                )  # fmt: skip
                fell = left.cpu()[found.reached & found.feasible]
                far[fell] = far[fell].clamp_max(radius)
        self.tell(f"{norm}: radii", len(radii), len(radii))
        return far

    def _doubt(self, norm: str, nearest: Result, far: Tensor, radii: list[float]) -> None:
        """Say what speaks for gradients that are masked."""
        from xhat.engine import Status

        flat = sum(status in (Status.FLAT_START, Status.FLAT) for status in nearest.status)
        if flat > _MASKED * len(nearest):
            self.warnings.append(
                f"in {norm} the gradient is zero at {flat} of {len(nearest)} inputs, where attacks "
                f"by gradients find nothing whatever the model withstands"
            )
        never = int((far.isinf() & self.right.cpu()).sum())
        if never > _MASKED * len(far):
            self.warnings.append(
                f"in {norm} no misread input was found for {never} of {len(far)}, however far: a "
                f"robust accuracy that stays above 0 at large radii speaks for masked gradients"
            )
        if norm == "linf" and len(radii):
            self._without_gradients(far, radii[len(radii) // 2])

    def _without_gradients(self, far: Tensor, radius: float) -> None:
        """Attack what is left at a radius by Square, which must not do better than gradients."""
        left = (far > radius + _TOLERANCE).nonzero()[:, 0][:_ASKED]
        if not len(left):
            return
        self.tell("without gradients", 0, 1)
        rows = left.to(self.x.device)
        found = self._run(
            square, self.x[rows], label=self.labels[rows], radius=radius, steps=self.budget[2],
            bounds=self.bounds,
        )  # fmt: skip
        fell = left[found.reached & found.feasible]
        far[fell] = far[fell].clamp_max(radius)
        self.tell("without gradients", 1, 1)
        if len(fell) > _MASKED * len(left):
            self.warnings.append(
                f"within Linf {radius:g}, random squares fool {len(fell)} of {len(left)} inputs "
                f"that gradients did not: the model masks its gradients, and its true robust "
                f"accuracy is lower"
            )

    def _run(self, attack: Callable[..., Result], x: Tensor, **options: Any) -> Result:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always", InputWarning)
            found = attack(self.model, x, compute=self.compute, **options).finished()
        self.notes += [str(each.message).rstrip(".") for each in caught]
        self.notes += found.notes
        return found


def _chosen(far: Tensor, norm: str) -> list[float]:
    """Return round radii from 0 to where nearly all are misread."""
    finite = far[far.isfinite() & (far > 0)]
    if not len(finite):
        return [1.0]
    top = float(finite.double().quantile(0.9)) * _BEYOND
    if norm == "l0":
        return sorted({float(max(1, round(top * k / _RADII))) for k in range(1, _RADII + 1)})
    return [float(f"{top * k / _RADII:.2g}") for k in range(1, _RADII + 1)]


def _ascending(radii: Sequence[float]) -> list[float]:
    if isinstance(radii, int | float) or not len(radii):
        raise ValueError(f"radii must be a list of at least one, such as [0.1], but are {radii!r}.")
    return sorted({float(check_positive("a radius", radius)) for radius in radii})


def _checked(x: Any, labels: Any) -> tuple[Tensor, Tensor]:
    x = check_tensor("the inputs", torch.as_tensor(x)).detach()
    if x.ndim < 2:
        raise ValueError(f"the inputs must be (n, *x_shape), but have shape {tuple(x.shape)}.")
    labels = check_tensor("the labels", torch.as_tensor(labels), floating=False).to(x.device)
    if labels.is_floating_point() or labels.is_complex() or labels.dtype == torch.bool:
        raise TypeError(f"the labels must be class indices, not {str(labels.dtype)[6:]}.")
    if labels.shape != x.shape[:1]:
        raise ValueError(
            f"there must be one label for each input, shape ({len(x)},), but {tuple(labels.shape)} "
            f"came."
        )
    return x, labels.long()


def _limits(x: Tensor, limits: Any) -> tuple[Tensor, Tensor, bool]:
    """Return the lower end and the range of each feature, and whether inputs count in it."""
    if limits is None and float(x.min()) >= 0 and float(x.max()) <= 1:
        return x.new_zeros(1), x.new_ones(1), False
    if limits is None:
        low, high = x.amin(dim=0, keepdim=True), x.amax(dim=0, keepdim=True)
        return low, torch.where(high > low, high - low, 1.0), True
    check_kind("limits", limits, tuple)
    low, high = (torch.as_tensor(end).to(x) for end in limits)
    check_range("the inputs", x, float(low.min()), float(high.max()))
    if low.numel() == high.numel() == 1:
        return low, high - low, False
    low, high = (end.expand(x.shape[1:])[None] for end in (low, high))
    return low, torch.where(high > low, high - low, 1.0), True


def _classes(model: Any, x: Tensor, chunk: int) -> Tensor:
    with evaluation_mode(*modules_of(model)), torch.no_grad():
        logits = torch.cat([model(part) for part in x.split(chunk)])
    if logits.ndim != 2 or logits.shape[1] < 2:
        raise ValueError(
            f"the model must return logits (n, classes) of 2 classes or more, but for {len(x)} "
            f"inputs it returned {tuple(logits.shape)}."
        )
    return logits
