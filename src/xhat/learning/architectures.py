"""Every architecture by name: with its arguments, a name is enough to build a network again."""

from typing import Any

import torch
from torch import nn

from xhat.core import check_choice
from xhat.learning.denoiser_network import Denoiser
from xhat.learning.dense import DenseVAE
from xhat.learning.fields import DistanceField
from xhat.learning.flows import FlowAutoencoder
from xhat.learning.invariant import TurnInvariantCNN
from xhat.learning.kernels import KernelClassifier
from xhat.learning.line import Line
from xhat.learning.metric import MetricEmbedding
from xhat.learning.networks import MLP, VAE, ResidualNet, SmallCNN, WideCNN
from xhat.learning.perceptron import Perceptron

__all__ = ["NETWORKS", "build"]

NETWORKS: dict[str, type[nn.Module]] = {
    network.__name__: network
    for network in (
        SmallCNN,
        WideCNN,
        ResidualNet,
        MLP,
        TurnInvariantCNN,
        KernelClassifier,
        VAE,
        Denoiser,
        DenseVAE,
        FlowAutoencoder,
        MetricEmbedding,
        Line,
        DistanceField,
        Perceptron,
    )
}


def build(architecture: str, *, seed: int, **arguments: Any) -> nn.Module:
    """Return a network by name, its weights drawn from ``seed``; no global state changes.

    Args:
        architecture: a name in ``NETWORKS``.
        seed: of the initial weights.
        **arguments: of the network's constructor.

    Example:
        >>> a, b = build("MLP", seed=1, hidden=(4,)), build("MLP", seed=1, hidden=(4,))
        >>> bool((a.layers[0].weight == b.layers[0].weight).all())
        True
    """
    check_choice("architecture", architecture, NETWORKS)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return NETWORKS[architecture](**arguments)
