"""Every architecture by name: with its arguments, a name is enough to build a network again.

Networks of other packages are found by the entry points ``xhat.networks``. In the
``pyproject.toml`` of a package with a network of your own::

    [project.entry-points."xhat.networks"]
    Kettle = "mypackage.kettle:Kettle"  # an nn.Module of which every argument has a default
"""

from importlib.metadata import EntryPoint, entry_points
from typing import Any

import torch
from torch import nn

from xhat.core import check_choice
from xhat.learning.denoiser_network import Denoiser
from xhat.learning.dense import DenseVAE
from xhat.learning.kernels import KernelClassifier
from xhat.learning.networks import MLP, VAE, ResidualNet, SmallCNN, WideCNN
from xhat.learning.signals import ResidualSignal, ScalesSignal
from xhat.learning.surrogate import Surrogate

__all__ = ["NETWORKS", "architectures", "build", "network"]

GROUP = "xhat.networks"

NETWORKS: dict[str, type[nn.Module]] = {
    network.__name__: network
    for network in (
        SmallCNN,
        WideCNN,
        ResidualNet,
        MLP,
        KernelClassifier,
        VAE,
        Denoiser,
        DenseVAE,
        Surrogate,
        ScalesSignal,
        ResidualSignal,
    )
}
"""The networks of this room."""


def architectures() -> tuple[str, ...]:
    """Return the names of all networks: those of this room, then those of installed packages."""
    return (*NETWORKS, *sorted(name for name in _registered() if name not in NETWORKS))


def network(architecture: str) -> type[nn.Module]:
    """Return the class of a network by name; a name of this room is never another's.

    Raises:
        ValueError: there is none of that name, or it cannot be loaded.
        TypeError: what is registered under the name is no class of networks.

    Example:
        >>> network("MLP").__name__
        'MLP'
    """
    check_choice("architecture", architecture, architectures())
    if architecture in NETWORKS:
        return NETWORKS[architecture]
    entry = _registered()[architecture]
    try:
        made = entry.load()
    except (ImportError, AttributeError) as error:
        raise ValueError(f"the network {architecture} cannot be loaded: {error}.") from error
    if not (isinstance(made, type) and issubclass(made, nn.Module)):
        raise TypeError(
            f"{entry.value} is registered as the network {architecture}, but is no class of the "
            f"kind torch.nn.Module."
        )
    return made


def build(architecture: str, *, seed: int, **arguments: Any) -> nn.Module:
    """Return a network by name, its weights drawn from ``seed``; no global state changes.

    Args:
        architecture: a name in ``architectures()``.
        seed: of the initial weights.
        **arguments: of the network's constructor.

    Example:
        >>> a, b = build("MLP", seed=1, hidden=(4,)), build("MLP", seed=1, hidden=(4,))
        >>> bool((a.layers[0].weight == b.layers[0].weight).all())
        True
    """
    made = network(architecture)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return made(**arguments)


def _registered() -> dict[str, EntryPoint]:
    return {entry.name: entry for entry in reversed(tuple(entry_points(group=GROUP)))}
