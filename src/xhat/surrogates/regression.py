"""A surrogate of a simulator from a table of its answers: small networks that answer together.

    f(x) = mean_m f_m(x),    spread(x) = how far the f_m are apart

Some hundred runs of a simulator are little data, so the networks are small and smooth, see
standardised inputs and outputs, and are several: their mean is better than each, and where they
disagree there were no data. All members are trained at once, as one batched product of matrices.

Source: Lakshminarayanan, Pritzel, Blundell, "Simple and Scalable Predictive Uncertainty Estimation
using Deep Ensembles", NeurIPS 2017.
"""

from collections.abc import Callable, Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

from xhat.core import check_count, check_positive, check_tensor, generator
from xhat.learning import EpochRecord, fit

__all__ = ["RegressionEnsemble", "train_regression"]


class RegressionEnsemble(nn.Module):
    """Several multilayer perceptrons of one table, and their mean.

    Args:
        x: ``(n, *x_shape)``, the table's inputs; only their mean and spread are kept.
        y: ``(n,)`` or ``(n, *y_shape)``, its outputs, likewise.
        members: how many networks, from 2.
        hidden: the widths of their hidden layers.
        seed: of the weights.

    Raises:
        TypeError: no floating-point tensors.
        ValueError: values that are not finite, tables of different length, or fewer than two
            members.

    Shape:
        ``(n, *x_shape)`` → ``(n,)`` or ``(n, *y_shape)``, in the units of the table.

    Example:
        >>> x = torch.rand(20, 3, generator=generator(0))
        >>> net = RegressionEnsemble(x, x.sum(dim=1), seed=0)
        >>> net(x).shape, net.members(x).shape, net.spread(x).shape
        (torch.Size([20]), torch.Size([5, 20]), torch.Size([20]))
    """

    def __init__(
        self,
        x: Tensor,
        y: Tensor,
        *,
        seed: int,
        members: int = 5,
        hidden: Sequence[int] = (32, 32),
    ) -> None:
        super().__init__()
        x, y = _checked(x, y)
        if check_count("members", members) < 2:
            raise ValueError("an ensemble needs at least 2 members.")
        self.y_shape = tuple(y.shape[1:])
        for name, values in (("x", x.flatten(1)), ("y", y.reshape(len(y), -1))):
            self.register_buffer(f"{name}_mean", values.mean(dim=0))
            spread = values.std(dim=0, correction=0)
            self.register_buffer(f"{name}_spread", spread.where(spread > 0, 1.0))
        widths = (x[0].numel(), *hidden, y[0].numel())
        draws = generator(seed, "regression", "weights")
        self.weights, self.biases = nn.ParameterList(), nn.ParameterList()
        for before, after in pairwise(widths):
            bound = before**-0.5
            drawn = torch.rand(members, before, after, generator=draws) * 2 - 1
            self.weights.append(nn.Parameter(drawn * bound))
            self.biases.append(nn.Parameter(torch.zeros(members, 1, after)))
        self.eval()

    def standard(self, x: Tensor) -> Tensor:
        """Return each member's output in standard units, ``(m, n, d)``."""
        values = (x.flatten(1) - self.get_buffer("x_mean")) / self.get_buffer("x_spread")
        h = values.expand(len(self.weights[0]), -1, -1)
        for weight, bias in zip(self.weights[:-1], self.biases[:-1], strict=True):
            h = nn.functional.silu(torch.baddbmm(bias, h, weight))
        return torch.baddbmm(self.biases[-1], h, self.weights[-1])

    def members(self, x: Tensor) -> Tensor:
        """Return each member's output, ``(m, n, *y_shape)``."""
        y = self.standard(x) * self.get_buffer("y_spread") + self.get_buffer("y_mean")
        return y.reshape(*y.shape[:2], *self.y_shape)

    def forward(self, x: Tensor) -> Tensor:
        """Return the mean of the members, ``(n, *y_shape)``."""
        return self.members(x).mean(dim=0)

    def spread(self, x: Tensor) -> Tensor:
        """Return how far the members are apart, ``(n,)``: 1 is the spread of the table's outputs.

        The root mean square, over outputs, of the standard deviation of the members.
        """
        variance = self.standard(x).var(dim=0).mean(dim=1)
        return variance.clamp_min(1e-12).sqrt()  # its gradient is finite where all agree


def train_regression(
    x: Tensor,
    y: Tensor,
    *,
    seed: int,
    members: int = 5,
    hidden: Sequence[int] = (32, 32),
    steps: int = 1000,
    batch_size: int = 256,
    learning_rate: float = 1e-2,
    on_epoch: Callable[[EpochRecord], None] | None = None,
) -> RegressionEnsemble:
    """Train an ensemble on a simulator's answers, by least squares.

    Args:
        x: ``(n, *x_shape)`` inputs.
        y: ``(n,)`` or ``(n, *y_shape)`` outputs, all finite.
        seed: of weights and order.
        members: how many networks, from 2.
        hidden: the widths of their hidden layers.
        steps: about how many gradient steps.
        batch_size: rows of one step.
        learning_rate: the peak of the cycle.
        on_epoch: called with a record after each pass over the table.

    Returns:
        The ensemble in evaluation mode, float32.

    Raises:
        TypeError: no floating-point tensors.
        ValueError: values that are not finite, or numbers out of range.

    Example:
        >>> x = torch.rand(64, 2, generator=generator(0))
        >>> net = train_regression(x, x.square().sum(dim=1), seed=0, steps=300)
        >>> bool((net(x) - x.square().sum(dim=1)).abs().max() < 0.05)
        True
    """
    x, y = _checked(x, y)
    check_positive("steps", steps)
    net = RegressionEnsemble(x, y, seed=seed, members=members, hidden=hidden)
    targets = (y.reshape(len(y), -1) - net.get_buffer("y_mean")) / net.get_buffer("y_spread")
    fit(
        net,
        x,
        targets,
        _squares,
        epochs=max(1, round(steps / -(-len(x) // batch_size))),
        batch_size=batch_size,
        learning_rate=learning_rate,
        weight_decay=1e-4,
        seed=seed,
        on_epoch=on_epoch,
    )
    return net


def _squares(model: nn.Module, x: Tensor, y: Tensor, _: torch.Generator) -> Tensor:
    """Return the mean over members of their squared errors: each is trained as if alone."""
    if not isinstance(model, RegressionEnsemble):
        raise TypeError(f"the model must be a RegressionEnsemble, not {type(model).__name__}.")
    return (model.standard(x) - y).square().mean()


def _checked(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    x, y = check_tensor("the inputs", x), check_tensor("the outputs", y)
    if x.ndim < 2 or y.ndim < 1 or len(x) != len(y) or len(x) < 2 or not y.numel():
        raise ValueError(
            f"a table has inputs (n, *x_shape) and outputs (n, ...) of one length, 2 or more, but "
            f"{tuple(x.shape)} and {tuple(y.shape)} came."
        )
    return x.detach().float(), y.detach().float()
