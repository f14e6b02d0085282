"""Truth: what the simulator or closed form says of ``x``, where there is one.

A search follows the surrogate; the truth ``f`` may overrule it. ``ask`` asks it of the candidates
that were found. ``gap_along`` looks back along a search for the place where surrogate and truth
part. ``audit_gradient`` asks whether the surrogate's input gradient points where the truth goes.

The truth is any callable on a batch. It needs no gradient, may be slow, may be written in numpy,
and answers NaN where it fails. Of a function that takes one candidate, raises, hangs or crashes,
``Simulator`` makes such a callable. All evidence is float64, on the CPU.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from xhat.core import check_count, check_positive, check_tensor, evaluation_mode, modules_of, short
from xhat.judges.answers import answers, as_tensor, dtype_of, finite, flat

__all__ = [
    "CHUNK",
    "Truth",
    "TruthEvidence",
    "ask",
    "check_truth",
    "checked_inputs",
    "disagreement",
    "gap_between",
    "mean_absolute",
    "of_truth",
]

CHUNK = 1024  # inputs asked together


@dataclass(frozen=True)
class Truth:
    """The ground truth of a domain, and the rule by which its output counts as the target.

    Args:
        f: ``(n, *x_shape) -> (n, ...)`` tensor or array: outputs, or integer classes ``(n,)``. It
            gets float64 (see ``dtype``) on the device of the candidates; NaN says that it failed.
        error: ``(y, target) -> (n,)``, how far the outputs are from the target, 0 or more;
            ``target`` is what ``ask`` was given. By default ``disagreement`` for an integer target
            where ``f`` gives classes or their scores, else ``mean_absolute``.
        tolerance: the target counts as met where the error is at most this, in the error's unit;
            use 0 for classes.
        name: what messages call it, such as ``"XFoil"``.
        dtype: the floating-point type of the inputs of ``f``; a network may need float32.

    Raises:
        TypeError: ``f`` or ``error`` cannot be called, or the dtype is not floating point.
        ValueError: a tolerance below 0, or an empty name.

    Example:
        >>> disc = Truth(lambda x: x.norm(dim=1) - 1, tolerance=0.01, name="distance to the disc")
        >>> ask(disc, torch.tensor([[1.0, 0.0], [3.0, 4.0]]), 0.0).holds.tolist()
        [True, False]
    """

    f: Callable[[Tensor], Any]
    error: Callable[[Tensor, Any], Any] | None = None
    tolerance: float = 0.0
    name: str = "truth"
    dtype: torch.dtype = torch.float64

    def __post_init__(self) -> None:
        """Check the parts."""
        parts = {"f": self.f} if self.error is None else {"f": self.f, "error": self.error}
        for part, value in parts.items():
            if not callable(value) or isinstance(value, type):
                raise TypeError(f"the truth's {part} must be a function, not {value!r}.")
        check_positive("the truth's tolerance", self.tolerance, zero=True)
        if not isinstance(self.name, str) or not self.name:
            raise ValueError(f"the truth's name must be some text, but is {self.name!r}.")
        if not isinstance(self.dtype, torch.dtype) or not self.dtype.is_floating_point:
            raise TypeError(f"the truth's dtype must be floating point, but is {self.dtype}.")


def mean_absolute(y: Tensor, target: Any) -> Tensor:
    """Return the mean over outputs of ``|y - target|``, ``(n,)`` float64, in the outputs' unit.

    Args:
        y: ``(n, ...)`` outputs.
        target: a number for all, ``(n, ...)``, or one row ``(1, ...)`` for all.

    Raises:
        ValueError: the target does not fit the outputs.

    Example:
        >>> mean_absolute(torch.tensor([[1.0, 2.0], [0.0, 0.0]]), torch.tensor([[1.0, 1.0]]))
        tensor([0.5000, 1.0000], dtype=torch.float64)
    """
    outputs = flat(y)
    wanted = check_tensor("the target", target, floating=False)
    wanted = flat(wanted if wanted.ndim else wanted[None])
    fits = len(wanted) in (1, len(outputs)) and wanted.shape[1] == outputs.shape[1]
    if not fits and wanted.numel() != 1:
        raise ValueError(
            f"the target must be a number or have shape (n, ...) or (1, ...) like the truth's "
            f"outputs {tuple(y.shape)}, but has {tuple(torch.as_tensor(target).shape)}."
        )
    return (outputs - wanted).abs().mean(dim=1)


def disagreement(y: Tensor, target: Any) -> Tensor:
    """Return 1 where the class is not the target, else 0: ``(n,)`` float64; NaN stays NaN.

    Args:
        y: ``(n,)`` or ``(n, 1)`` classes, or ``(n, classes)`` scores, the highest of which counts.
        target: one class for all, or ``(n,)`` of them.

    Raises:
        ValueError: shapes that do not fit, or a class beyond the scores.

    Example:
        >>> disagreement(torch.tensor([3, 8]), 8).tolist()
        [1.0, 0.0]
    """
    wanted = check_tensor("the target", target, floating=False).to("cpu").reshape(-1)
    outputs = flat(y)
    if y.ndim > 2 or len(wanted) not in (1, len(outputs)):
        raise ValueError(
            f"classes are compared as (n,) or (n, classes) with a target of (n,), but the outputs "
            f"are {tuple(y.shape)} and the target has {len(wanted)} values."
        )
    classes = outputs.shape[1]
    if classes > 1 and not 0 <= int(wanted.min()) <= int(wanted.max()) < classes:
        raise ValueError(
            f"the target must be a class from 0 to {classes - 1}, but goes from "
            f"{int(wanted.min())} to {int(wanted.max())}."
        )
    seen = outputs.argmax(dim=1) if classes > 1 else outputs[:, 0]
    differ = (seen != wanted).double()
    return torch.where(outputs.isnan().any(dim=1), torch.nan, differ)


@dataclass(frozen=True, eq=False)
class TruthEvidence:
    """What the truth says of ``n`` candidates.

    Attributes:
        name: the name of the truth.
        tolerance: the error up to which the truth gives the target.
        error: ``(n,)`` float64, in the unit of the truth's ``error``; NaN where it failed.
        holds: ``(n,)`` booleans, whether the truth gives the target; false where it failed.
        failed: ``(n,)`` booleans, where the truth gave no finite output or its error is NaN.
        gap: ``(n,)`` float64, how far surrogate and truth are apart: root mean square over the
            outputs, or 0 and 1 where the truth gives classes and the surrogate scores; NaN where
            either failed. None without a surrogate.
        y: ``(n, ...)``, what the truth gave, on the CPU.
    """

    name: str
    tolerance: float
    error: Tensor
    holds: Tensor
    failed: Tensor
    gap: Tensor | None
    y: Tensor

    def explain(self, i: int) -> str:
        """Return the evidence on candidate ``i`` in one or two sentences."""
        who, error = f"The {_subject(self.name)}", short(float(self.error[i]))
        if bool(self.failed[i]):
            return f"{who} failed on this candidate, so it does not confirm the target."
        does = "gives" if bool(self.holds[i]) else "does not give"
        said = f"{who} {does} the target: error {error} (tolerance {short(self.tolerance)})."
        if self.gap is None:
            return said
        gap = float(self.gap[i])
        if gap != gap:
            return f"{said} The surrogate gives no finite output there."
        return f"{said} Surrogate and truth are {short(gap)} apart there."


def ask(
    truth: Truth,
    x: Tensor,
    target: Any,
    surrogate: Callable[[Tensor], Any] | None = None,
    *,
    chunk: int = CHUNK,
) -> TruthEvidence:
    """Ask the truth whether candidates give the target, and how far the surrogate was off.

    The surrogate is evaluated without gradients, in evaluation mode, and left as it was.

    Args:
        truth: what is asked.
        x: ``(n, *x_shape)``, floating point.
        target: what the outputs should be, as the truth's ``error`` takes it.
        surrogate: ``(n, *x_shape) -> (n, ...)``, outputs like the truth's; or None.
        chunk: how many candidates are asked together.

    Raises:
        TypeError: the truth is no ``Truth``, or something gives no numbers.
        ValueError: ``x`` is not finite, the truth or the surrogate cannot take it or gives a wrong
            shape, or the target does not fit.

    Example:
        >>> truth = Truth(lambda x: x.log().sum(dim=1), tolerance=0.1)
        >>> found = ask(truth, torch.tensor([[1.0], [-1.0]]), 0.0, lambda x: x[:, 0] - 1)
        >>> print(found.explain(0))
        The truth gives the target: error 0 (tolerance 0.1). Surrogate and truth are 0 apart there.
        >>> print(found.explain(1))
        The truth failed on this candidate, so it does not confirm the target.
    """
    x = checked_inputs(truth, x, chunk)
    y = of_truth(truth, x, chunk).cpu()
    error = _error(truth, y, target)
    failed = ~finite(y) | error.isnan()
    error = torch.where(failed, torch.nan, error)
    gap = None if surrogate is None else _distance(_of_surrogate(surrogate, x, chunk), y)
    holds = error <= truth.tolerance
    return TruthEvidence(truth.name, truth.tolerance, error, holds, failed, gap, y)


def check_truth(truth: Truth, chunk: int) -> None:
    """Raise unless there is a truth, and a number of inputs that are asked together."""
    if not isinstance(truth, Truth):
        kind = type(truth).__name__
        raise TypeError(f"the truth must be a Truth, not {kind}; wrap it: Truth(f).")
    check_count("chunk", chunk)


def checked_inputs(truth: Truth, x: Tensor, chunk: int) -> Tensor:
    """Return inputs ``(n, *x_shape)`` that a truth can be asked of, without a gradient."""
    check_truth(truth, chunk)
    x = check_tensor("the inputs", x)
    if x.ndim == 0:
        raise ValueError("the inputs must have shape (n, *x_shape), but are one number.")
    return x.detach()


def gap_between(truth: Truth, surrogate: Callable[[Tensor], Any], x: Tensor, chunk: int) -> Tensor:
    """Return how far surrogate and truth are apart, ``(n,)``; NaN where either failed."""
    return _distance(_of_surrogate(surrogate, x, chunk), of_truth(truth, x, chunk))


def of_truth(truth: Truth, x: Tensor, chunk: int) -> Tensor:
    """Return what the truth gives, ``(n, ...)``, in its own precision and without gradients."""
    with torch.no_grad(), evaluation_mode(*modules_of(truth.f)):
        return answers(f"the {_subject(truth.name)}", truth.f, x, truth.dtype, chunk)


def _of_surrogate(surrogate: Callable[[Tensor], Any], x: Tensor, chunk: int) -> Tensor:
    modules = modules_of(surrogate)
    with torch.no_grad(), evaluation_mode(*modules):
        return answers("the surrogate", surrogate, x, dtype_of(modules, x), chunk)


def _distance(seen: Tensor, y: Tensor) -> Tensor:
    """Return how far the surrogate's outputs are from the truth's, ``(n,)``."""
    fine = finite(seen) & finite(y)
    if not bool(fine.any()):  # where all failed, a simulator does not know its outputs' shape
        gap = torch.full((len(y),), torch.nan, dtype=torch.float64)
    elif _are_classes(y) and seen.ndim == 2 and seen.shape[1] > 1:
        gap = (seen.argmax(dim=1).cpu() != y.cpu()).double()
    elif flat(seen).shape != flat(y).shape:
        raise ValueError(
            f"surrogate and truth must give outputs of one shape, but the surrogate's are "
            f"{tuple(seen.shape)} and the truth's {tuple(y.shape)}."
        )
    else:
        gap = (flat(seen) - flat(y)).square().mean(dim=1).sqrt()
    return gap.where(fine, torch.nan)


def _are_classes(y: Tensor) -> bool:
    whole = not y.dtype.is_floating_point or bool((y.isnan() | (y == y.round())).all())
    return y.ndim == 1 and whole  # whole floats: classes, and NaN where the truth failed


def _error(truth: Truth, y: Tensor, target: Any) -> Tensor:
    if truth.error is None and target is None:
        raise ValueError("the truth needs a target to compare with; pass one, or an error of y.")
    if not bool(finite(y).any()):
        return torch.full((len(y),), torch.nan, dtype=torch.float64)
    measure = _default_error(y, target) if truth.error is None else truth.error
    error = as_tensor("the truth's error", measure(y, target))
    if error.shape != (len(y),):
        raise ValueError(
            f"the truth's error must have shape ({len(y)},), one per candidate, but has "
            f"{tuple(error.shape)}."
        )
    return error.to("cpu", torch.float64)


def _default_error(y: Tensor, target: Any) -> Callable[[Tensor, Any], Tensor]:
    whole = not check_tensor("the target", target, floating=False).dtype.is_floating_point
    scores = y.ndim == 2 and y.shape[1] > 1
    return disagreement if whole and (scores or not y.dtype.is_floating_point) else mean_absolute


def _subject(name: str) -> str:
    return "truth" if name == "truth" else f"truth ({name})"
