"""Temperature: one number that makes a trained classifier as certain as it has reason to be.

    softmax(f(x) / T)

A network that is trained on class indices ends up too certain. Dividing its logits by ``T > 1``
softens every prediction and changes no decision. ``T`` is fitted on samples that the network was
not trained on, where it makes the negative log-likelihood least.

It cannot help where the network was never shown anything alike: there it softens a certainty that
has no reason at all.

Source: Guo, Pleiss, Sun, Weinberger, "On Calibration of Modern Neural Networks", ICML 2017; Platt,
"Probabilistic Outputs for Support Vector Machines", 1999.
"""

import math

import torch.nn.functional as F
from scipy.optimize import minimize_scalar
from torch import Tensor, nn

from xhat.core import check_positive, check_range, check_tensor

__all__ = ["Tempered", "fit_temperature"]

_BOUNDS = (0.01, 100.0)


class Tempered(nn.Module):
    """A classifier whose logits are divided by a temperature.

    Args:
        model: ``(n, *x_shape) -> (n, classes)`` logits; it stays as it is, in here.
        temperature: above 0; above 1 makes the model less certain.

    Raises:
        TypeError: the model is not a module, or the temperature not a number.
        ValueError: the temperature is not above 0.

    Shape:
        that of the model.

    Example:
        >>> import torch
        >>> Tempered(nn.Identity(), 2.0)(torch.tensor([[0.0, 4.0]]))
        tensor([[0., 2.]])
    """

    def __init__(self, model: nn.Module, temperature: float) -> None:
        super().__init__()
        if not isinstance(model, nn.Module):
            came = model.__name__ if isinstance(model, type) else type(model).__name__
            raise TypeError(f"the model must be an nn.Module, not {came}; wrap a function in one.")
        self.model, self.training = model, model.training
        self.temperature = check_positive("the temperature", temperature)

    def forward(self, x: Tensor) -> Tensor:
        """Return logits, ``(n, classes)``."""
        return self.model(x) / self.temperature

    def extra_repr(self) -> str:
        """Name the temperature."""
        return f"temperature={self.temperature:g}"


def fit_temperature(logits: Tensor, labels: Tensor) -> float:
    """Return the temperature that makes the negative log-likelihood of ``logits / T`` least.

    The likelihood has a single optimum in ``T``, so that a bounded search along ``log T`` finds it.

    Args:
        logits: ``(n, classes)``, of samples that the model was not trained on.
        labels: ``(n,)`` right classes.

    Returns:
        ``T`` in [0.01, 100]; exactly 1 where no other is better. Logits that are right everywhere
        have no best temperature, the lower the better: they get about 0.01.

    Raises:
        TypeError: logits that are not floating point, or labels that are no integers.
        ValueError: shapes that do not fit, a class out of range, or values not finite.

    Example:
        >>> import torch
        >>> logits = torch.tensor([[6.0, 0.0]]).repeat(4, 1)  # 99.8 % certain, right in 3 of 4
        >>> round(6 / fit_temperature(logits, torch.tensor([0, 0, 0, 1])), 3)  # the logit of 3/4
        1.099
    """
    logits = check_tensor("the logits", logits, ndim=2).detach()
    labels = check_tensor("the labels", labels, ndim=1, floating=False)
    if labels.dtype.is_floating_point:
        raise TypeError(f"the labels must be class indices, not {str(labels.dtype)[6:]}.")
    if len(labels) != len(logits):
        raise ValueError(
            f"there must be one label for each row of logits, but there are {len(labels)} labels "
            f"for {len(logits)} rows."
        )
    check_range("the labels", labels, 0, logits.shape[1] - 1)
    logits = logits.double()  # divided in float32, their likelihood would have steps

    def after(log_t: float) -> float:
        return float(F.cross_entropy(logits / math.exp(log_t), labels.long()))

    low, high = (math.log(bound) for bound in _BOUNDS)
    found = minimize_scalar(after, bounds=(low, high), method="bounded", options={"xatol": 1e-7})
    return math.exp(found.x) if found.fun < after(0.0) else 1.0
