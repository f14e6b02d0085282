"""Penalties on a classifier's uncertainty: low where it is certain of some class.

Added to a search with a weight, they keep its results where the model's answer can be relied on::

    CrossEntropy(f, target) + 0.5 * Disagreement(several)

Uncertainty has two parts. Where a person would hesitate as well, a good model spreads its
probability over classes (*aleatoric*: more data would not help). Where the training data had
nothing similar, the answer depends on chance in the training, and another model gives another
answer (*epistemic*: more data would help). With ``p_m`` the distribution that model ``m`` of
several predicts, and ``p`` their mean::

    H(p)            =  mean_m H(p_m)      +  mean_m KL(p_m || p)
    all of it          what all agree on     what they disagree on

``Entropy`` is the left side, for one model or the mean of several; ``Disagreement`` is the last
term, which no single model can give. ``Indecision`` looks at the two likeliest classes only. None
of them has a target. Each costs a pass of its own through its models.

Source: Houlsby, Huszár, Ghahramani, Lengyel, "Bayesian Active Learning for Classification and
Preference Learning", 2011 (the split, called BALD); Schut, Key, McGrath, Costabello, Sacaleanu,
Corcoran, Gal, "Generating Interpretable Counterfactual Explanations By Implicit Minimisation of
Epistemic and Aleatoric Uncertainties", AISTATS 2021 (why a search should keep both low).
"""

import math
from collections.abc import Callable, Sequence
from typing import Any, ClassVar, Protocol, runtime_checkable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from xhat.core import Model, PerCandidate
from xhat.objectives.base import Measurement, Objective

__all__ = ["Disagreement", "Entropy", "Indecision", "Members"]


@runtime_checkable
class Members(Protocol):
    """What answers for several models at once, such as an ensemble."""

    def members(self, x: Tensor) -> Tensor:
        """Return the logits of each of ``m`` models, ``(m, n, classes)``."""
        ...


class _OfOneModel(Objective):
    models: ClassVar[tuple[str, ...]] = ("model",)

    def __init__(self, model: Callable[..., Any]) -> None:
        self.model = Model.of(model, "logits")


class Entropy(_OfOneModel):
    """``H(softmax f(x))`` in nats: 0 for one certain class, ``log K`` for all ``K`` alike.

    Source: Shannon, "A Mathematical Theory of Communication", 1948; as a penalty: Grandvalet,
    Bengio, "Semi-supervised Learning by Entropy Minimization", NeurIPS 2004.

    Args:
        model: differentiable, ``(n, *x_shape) -> (n, classes)`` logits.

    Raises:
        TypeError: the model is not callable.
        ValueError: when it is asked, the model gives no logits of two classes or more.

    Example:
        >>> Entropy(lambda x: x)(torch.tensor([[0.0, 0.0], [0.0, 999.0]]))
        tensor([0.6931, 0.0000])
    """

    def measure(self, x: Tensor, z: Tensor) -> Measurement:  # noqa: ARG002
        """Return the entropy of the predicted distribution."""
        log_p = _log_p(self.model(x), (len(x),))
        return Measurement((log_p.exp() * -log_p).sum(dim=1))


class Indecision(_OfOneModel):
    """``1 - (p_1 - p_2)`` of the two likeliest classes: 0 for one certain class, 1 for a tie.

    The lead is one of probabilities, as in margin sampling (Scheffer, Decomain, Wrobel, "Active
    Hidden Markov Models for Information Extraction", IDA 2001); for one of logits, towards a known
    target, there is ``Margin``.

    Args:
        model: differentiable, ``(n, *x_shape) -> (n, classes)`` logits.

    Raises:
        TypeError: the model is not callable.
        ValueError: when it is asked, the model gives no logits of two classes or more.

    Example:
        >>> Indecision(lambda x: x)(torch.tensor([[2.0, 2.0, 0.0], [50.0, 0.0, 0.0]]))
        tensor([1., 0.])
    """

    def measure(self, x: Tensor, z: Tensor) -> Measurement:  # noqa: ARG002
        """Return what the first class lacks of a full lead."""
        first, second = _log_p(self.model(x), (len(x),)).exp().topk(2, dim=1).values.unbind(dim=1)
        return Measurement(1 - (first - second))


class Disagreement(Objective):
    """``mean_m KL(p_m || p)`` in nats, with ``p`` the mean of the ``p_m``: 0 where all agree.

    It is the mutual information of the answer and the choice of the model, ``H(p) - mean H(p_m)``,
    at most ``log m`` for ``m`` models and ``log K`` for ``K`` classes.

    Source: Houlsby et al., 2011 (BALD); for networks: Gal, Islam, Ghahramani, "Deep Bayesian Active
    Learning with Image Data", ICML 2017.

    Args:
        models: two or more, each differentiable, ``(n, *x_shape) -> (n, classes)`` logits, in a
            list or tuple; or what has ``members(x) -> (m, n, classes)``, such as an ensemble.

    Raises:
        TypeError: a model is not callable, or a single model without members came.
        ValueError: fewer than two models; or, when they are asked, no logits of two classes or
            more, or of different numbers of classes.

    Example:
        >>> x = torch.tensor([[9.0, -9.0]])
        >>> Disagreement([lambda x: x, lambda x: x])(x), Disagreement([lambda x: x, torch.neg])(x)
        (tensor([0.]), tensor([0.6931]))
    """

    def __init__(self, models: Sequence[Callable[..., Any]] | Members) -> None:
        if isinstance(models, Members) and not isinstance(models, type):
            self.parts = (_Part(models.members, together=True),)
            return
        if not isinstance(models, list | tuple | nn.ModuleList):
            raise TypeError(
                f"Disagreement needs a list of models, or one that has members(x), not "
                f"{type(models).__name__}; for a single model there is Entropy."
            )
        self.parts = tuple(_Part(model, together=False) for model in models)
        _several(len(self.parts))

    def measure(self, x: Tensor, z: Tensor) -> Measurement:  # noqa: ARG002
        """Return how far the members' distributions lie from their mean."""
        found = [part.log_p(x) for part in self.parts]
        if len({log_p.shape[2] for log_p in found}) > 1:
            counts = ", ".join(str(log_p.shape[2]) for log_p in found)
            raise ValueError(f"all models must have the same classes, but have {counts} of them.")
        log_p = torch.cat(found)
        _several(len(log_p))
        mean = log_p.logsumexp(dim=0) - math.log(len(log_p))
        # as a divergence: the difference of two large entropies would lose the small ones' digits
        return Measurement((log_p.exp() * (log_p - mean)).sum(dim=2).mean(dim=0))


class _Part(PerCandidate):
    """One model, or several that answer ``together``, among those that are compared."""

    models: ClassVar[tuple[str, ...]] = ("model",)

    def __init__(self, model: Callable[..., Any], *, together: bool) -> None:
        self.model = Model.of(model, "loss" if together else "logits")
        self.together = together

    def log_p(self, x: Tensor) -> Tensor:
        """Return log-probabilities, ``(m, n, classes)``."""
        if self.together:
            logits = self.model(x)
            return _log_p(logits, (*getattr(logits, "shape", ())[:1], len(x)))
        return _log_p(self.model(x), (len(x),))[None]


def _several(count: int) -> None:
    if count < 2:
        raise ValueError(
            f"Disagreement needs at least 2 models, but {count} came; for a single model there is "
            f"Entropy."
        )


def _log_p(logits: Any, rows: tuple[int, ...]) -> Tensor:
    """Return log-probabilities of logits ``(*rows, classes)``, at least in float32."""
    shaped = isinstance(logits, Tensor) and logits.ndim > 1 and logits.shape[:-1] == rows
    if not shaped or logits.shape[-1] < 2:
        came = tuple(logits.shape) if isinstance(logits, Tensor) else type(logits).__name__
        wanted = "(n, classes)" if len(rows) == 1 else "(m, n, classes)"
        raise ValueError(
            f"the model must return logits of shape {wanted}, of 2 classes or more, but for "
            f"n = {rows[-1]} it returned {came}."
        )
    logits = logits if logits.dtype == torch.float64 else logits.float()
    return F.log_softmax(logits, dim=-1)
