"""Several models that answer together, and say how far they agree.

    p(y | x) = mean_m softmax(f_m(x))_y

Networks that were trained from other seeds agree where the data decide, and differ where they do
not. Their mean is, as a rule, more accurate than each alone and of better likelihood, and what they
disagree on (``xhat.objectives.Disagreement``) tells an input that none of them knows.

``MonteCarloDropout`` makes the several models of one: copies in which different units are missing.
They share the weights, cost less, and differ less than networks of other seeds do. The network must
have learnt to do without units: train it inside ``Dropout``.

Dropout here differs from the textbook's in one thing, by choice: the masks are drawn *once*, from a
seed. So every copy is one fixed function, of which a search can follow the gradient; a candidate's
output is its own, alone or in a batch; and the same search gives the same result again. Fresh masks
at every step would be a noisy estimate of the mean over all masks; this is the exact mean over
``samples`` of them.

Source: Lakshminarayanan, Pritzel, Blundell, "Simple and Scalable Predictive Uncertainty Estimation
using Deep Ensembles", NeurIPS 2017; Gal, Ghahramani, "Dropout as a Bayesian Approximation:
Representing Model Uncertainty in Deep Learning", ICML 2016.
"""

import copy
import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from xhat.core import check_count, check_fraction, generator

__all__ = ["Dropout", "Ensemble", "MonteCarloDropout"]


class _Mixture(nn.Module, ABC):
    """Several classifiers whose probabilities are averaged."""

    @abstractmethod
    def members(self, x: Tensor) -> Tensor:
        """Return the logits of each member, ``(m, n, classes)``."""

    def forward(self, x: Tensor) -> Tensor:
        """Return the logarithm of the mean probability, ``(n, classes)``: logits of the mean."""
        log_p = self.members(x).log_softmax(dim=2)
        return log_p.logsumexp(dim=0) - math.log(len(log_p))


class Ensemble(_Mixture):
    """Classifiers of the same classes; their mean probability, as logits.

    Args:
        models: two or more, each ``(n, *x_shape) -> (n, classes)`` logits.

    Raises:
        TypeError: a model is not a module.
        ValueError: fewer than two models, or the same one twice.

    Shape:
        that of each model.

    Example:
        >>> several = Ensemble([nn.Linear(3, 2), nn.Linear(3, 2)])
        >>> x = torch.zeros(5, 3)
        >>> several(x).shape, several.members(x).shape
        (torch.Size([5, 2]), torch.Size([2, 5, 2]))
    """

    def __init__(self, models: Sequence[nn.Module]) -> None:
        super().__init__()
        kept = [_module(model) for model in models]
        if len({id(model) for model in kept}) < max(2, len(kept)):
            raise ValueError(
                f"an ensemble needs at least 2 models, each another one, but {len(kept)} came, of "
                f"which {len({id(model) for model in kept})} differ."
            )
        self.models = nn.ModuleList(kept)
        self.training = self.models.training = any(model.training for model in kept)

    def members(self, x: Tensor) -> Tensor:
        """Return the logits of each model, ``(m, n, classes)``."""
        return torch.stack([model(x) for model in self.models])


class MonteCarloDropout(_Mixture):
    """A classifier with fixed dropout masks; the mean probability over them, as logits.

    Of the inputs of each named layer, a share ``rate`` is set to 0 and the rest is divided by
    ``1 - rate``: single features before a linear layer, whole channels before a convolution. What
    comes before the first of these layers is computed once for all masks.

    Args:
        model: ``(n, *x_shape) -> (n, classes)`` logits, trained inside ``Dropout``. Its weights are
            shared, not copied; it stays as it is.
        rate: the share that is dropped, in (0, 1).
        samples: how many masks, two or more.
        seed: of the masks.
        layers: names of ``nn.Linear`` or convolution layers, as in ``model.named_modules()``; None
            for every linear layer but one that sees the raw input.

    Raises:
        TypeError: the model is not a module.
        ValueError: a number out of range, or a layer that is not there or of another kind.

    Shape:
        that of the model.

    Example:
        >>> from xhat.learning import SmallCNN
        >>> sampled = MonteCarloDropout(SmallCNN().eval(), rate=0.5, samples=3)
        >>> sampled.layers
        ('head.0', 'head.2')
        >>> sampled.members(torch.zeros(2, 1, 28, 28)).shape
        torch.Size([3, 2, 10])
    """

    def __init__(
        self,
        model: nn.Module,
        rate: float = 0.5,
        samples: int = 20,
        seed: int = 0,
        layers: Sequence[str] | None = None,
    ) -> None:
        super().__init__()
        check_fraction("rate", rate)
        if check_count("samples", samples) < 2:
            raise ValueError("samples must be at least 2, since one mask is a single model.")
        self.layers = _chosen(_module(model), layers)
        self.rate, self.samples = rate, samples
        self.thinned = _with(model, self.layers, _Masked)
        for name in self.layers:
            ones = self.thinned.get_buffer(f"{name}.mask")
            draws = generator(seed, "dropout", name)
            kept = torch.rand(samples, len(ones), generator=draws) >= rate
            self.register_buffer(_key(name), kept.to(ones) / (1 - rate))
        self.train(model.training)

    def members(self, x: Tensor) -> Tensor:
        """Return the logits under each mask, ``(samples, n, classes)``."""
        masks = {f"{name}.mask": self.get_buffer(_key(name)) for name in self.layers}

        def masked(chosen: dict[str, Tensor]) -> Tensor:
            return torch.func.functional_call(self.thinned, chosen, (x,))

        return torch.vmap(masked)(masks)  # which computes once what no mask has touched yet

    def extra_repr(self) -> str:
        """Name the numbers."""
        return f"rate={self.rate:g}, samples={self.samples}, layers={self.layers}"


class Dropout(nn.Module):
    """A network that is trained with dropout: in training mode units are missing, else none.

    In training mode every row meets a mask of its own, drawn afresh; in evaluation mode (also that
    of an attack on the network in training) this is the network itself. Training it trains the
    network, with which it shares the weights.

    Source: Srivastava, Hinton, Krizhevsky, Sutskever, Salakhutdinov, "Dropout: A Simple Way to
    Prevent Neural Networks from Overfitting", JMLR 2014; whole channels: Tompson, Goroshin, Jain,
    LeCun, Bregler, "Efficient Object Localization Using Convolutional Networks", CVPR 2015.

    Args:
        model: the network to train.
        rate: the share that is dropped, in (0, 1).
        seed: of all masks; the global generator is not read.
        layers: as of ``MonteCarloDropout``; give both the same.

    Raises:
        TypeError: the model is not a module.
        ValueError: a rate out of range, or a layer that is not there or of another kind.

    Example:
        >>> from xhat.learning import MLP, fit
        >>> net, x = MLP(classes=2, inputs=4, hidden=(8,)), torch.rand(16, 4)
        >>> loss = lambda m, x, y, _: nn.functional.cross_entropy(m(x), y)
        >>> records = fit(Dropout(net, 0.5, seed=0), x, (x[:, 0] > 0.5).long(), loss,
        ...               epochs=2, batch_size=8, learning_rate=1e-2, seed=0)
        >>> net.training, MonteCarloDropout(net, 0.5).samples
        (False, 20)
    """

    def __init__(
        self, model: nn.Module, rate: float = 0.5, *, seed: int, layers: Sequence[str] | None = None
    ) -> None:
        super().__init__()
        self.rate = check_fraction("rate", rate)
        self.layers = _chosen(_module(model), layers)
        draws = generator(seed, "dropout", "training")
        self.model = model
        self.thinned = _with(model, self.layers, lambda layer: _Dropping(layer, rate, draws))

    def forward(self, x: Tensor) -> Tensor:
        """Return the network's output, with units missing in training mode."""
        return self.thinned(x) if self.training else self.model(x)

    def extra_repr(self) -> str:
        """Name the numbers."""
        return f"rate={self.rate:g}, layers={self.layers}"


class _Masked(nn.Module):
    """A layer whose inputs are multiplied by a mask that is the same for every row."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.layer = layer
        self.mask: Tensor
        self.register_buffer("mask", layer.get_parameter("weight").new_ones(_units(layer)))

    def forward(self, x: Tensor) -> Tensor:
        return self.layer(x * _over_places(self.mask, self.layer, x).to(x.dtype))


class _Dropping(nn.Module):
    """A layer some of whose inputs are missing, others for every row."""

    def __init__(self, layer: nn.Module, rate: float, draws: torch.Generator) -> None:
        super().__init__()
        self.layer, self.rate, self.draws = layer, rate, draws

    def forward(self, x: Tensor) -> Tensor:
        if not self.training:
            return self.layer(x)
        shape = x.shape if isinstance(self.layer, nn.Linear) else x.shape[:2]
        kept = (torch.rand(shape, generator=self.draws) >= self.rate).to(x) / (1 - self.rate)
        return self.layer(x * _over_places(kept, self.layer, x))


def _over_places(mask: Tensor, layer: nn.Module, x: Tensor) -> Tensor:
    """Return a mask of channels, shaped to be the same at every place of a convolution's input."""
    places = 0 if isinstance(layer, nn.Linear) else x.ndim - 2
    return mask.reshape(*mask.shape, *[1] * places)


def _units(layer: nn.Module) -> int:
    found = layer.in_features if isinstance(layer, nn.Linear) else layer.in_channels
    return int(found)  # pyright: ignore[reportArgumentType] - of the kinds that are droppable


def _droppable(model: nn.Module) -> dict[str, nn.Module]:
    kinds = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d)
    return {name: layer for name, layer in model.named_modules() if name and type(layer) in kinds}


def _chosen(model: nn.Module, layers: Sequence[str] | None) -> tuple[str, ...]:
    known = _droppable(model)
    if layers is None:  # the first layer with weights sees the raw input
        layers = [name for name in list(known)[1:] if isinstance(known[name], nn.Linear)]
    chosen = tuple(layers)
    if not chosen or not set(chosen) <= set(known) or len(set(chosen)) < len(chosen):
        raise ValueError(
            f"layers must name linear or convolution layers, each once, but are {chosen!r}; "
            f"{type(model).__name__} has {', '.join(known) or 'none'}."
        )
    return chosen


def _with(
    model: nn.Module, layers: Sequence[str], change: Callable[[nn.Module], nn.Module]
) -> nn.Module:
    """Return a copy of the model's structure over the same weights, with some layers changed."""
    shared: dict[int, Any] = {id(p): p for p in (*model.parameters(), *model.buffers())}
    thinned = copy.deepcopy(model, shared)
    for name in layers:
        parent, _, last = name.rpartition(".")
        setattr(thinned.get_submodule(parent), last, change(thinned.get_submodule(name)))
    return thinned


def _key(layer: str) -> str:
    return "masks_" + layer.replace(".", "_")


def _module(model: Any) -> nn.Module:
    if not isinstance(model, nn.Module):
        came = model.__name__ if isinstance(model, type) else type(model).__name__
        raise TypeError(f"the model must be an nn.Module, not {came}; wrap a function in one.")
    return model
