"""The energy that a classifier gives to an input: a prior that comes with the surrogate.

A classifier's logits ``f(x)`` can be read as an unnormalised joint density of inputs and classes,
``p(x, k) ~ exp(f(x)_k / T)``. Its sum over the classes is one of the inputs alone, and the negative
logarithm of that, times ``T``, is the *energy*::

    E(x) = -T * logsumexp(f(x) / T)        p(x) ~ exp(-E(x) / T)

It is low where the classifier sees some class clearly, and higher where it sees none. Added to an
objective with a weight, it asks for an input that is likely under the surrogate::

    CrossEntropy(f, target) + 0.1 * Energy(f)

It is only the surrogate's own opinion: an ordinary network may give a low energy to inputs unlike
any that it was trained on. And it has no lower bound. ``Hinge(Energy(f), bound)``
stops at what real samples have.

Source: Grathwohl, Wang, Jacobsen, Duvenaud, Norouzi, Swersky, "Your Classifier is Secretly an
Energy Based Model and You Should Treat it Like One", ICLR 2020; Liu, Wang, Owens, Li,
"Energy-based Out-of-distribution Detection", NeurIPS 2020.
"""

from collections.abc import Callable
from typing import ClassVar

import torch
from torch import Tensor

from xhat.core import Model, check_positive
from xhat.objectives.base import Measurement, Objective

__all__ = ["Energy"]


class Energy(Objective):
    """``-T * logsumexp(f(x) / T)``: low where the classifier sees some class clearly.

    With ``T`` near 0 it is the negative of the largest logit. The energy is a quantity of the
    logits themselves, not of probabilities: a model that ends in a (log-)softmax gives a constant.

    Args:
        model: differentiable, ``(n, *x_shape) -> (n, classes)`` logits.
        temperature: above 0.

    Raises:
        TypeError: the model is not callable.
        ValueError: a temperature that is not above 0; when it is asked, the model gives no logits.

    Example:
        >>> x = torch.tensor([[0.0, 0.0], [9.0, 0.0]])
        >>> Energy(lambda x: x)(x)
        tensor([-0.6931, -9.0001])
        >>> Energy(lambda x: x, temperature=10.0)(x)
        tensor([ -6.9315, -12.4115])
    """

    models: ClassVar[tuple[str, ...]] = ("model",)

    def __init__(self, model: Callable[[Tensor], Tensor], temperature: float = 1.0) -> None:
        self.model = Model.of(model)
        self.temperature = check_positive("temperature", temperature)

    def measure(self, x: Tensor, z: Tensor) -> Measurement:  # noqa: ARG002
        """Return the energy, in the unit of the logits."""
        logits = self.model(x)
        if not isinstance(logits, Tensor) or logits.ndim != 2 or len(logits) != len(x):
            came = tuple(logits.shape) if isinstance(logits, Tensor) else type(logits).__name__
            raise ValueError(
                f"the model must return logits of shape (n, classes), but for n = {len(x)} it "
                f"returned {came}."
            )
        logits = logits if logits.dtype == torch.float64 else logits.float()
        scaled = logits / self.temperature
        return Measurement(-self.temperature * torch.logsumexp(scaled, dim=1))
