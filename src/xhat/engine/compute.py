"""How a search is computed: chunk, precision, device, and the seed of what is drawn."""

from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import torch
from torch import nn

from xhat.core import check_choice, check_count, check_integer, check_kind
from xhat.executors import Here, Workers, as_workers

__all__ = ["Compute", "check_models", "rounding"]


@dataclass(frozen=True)
class Compute:
    """How a search is computed; what is found depends on the seed alone (to float tolerance).

    Attributes:
        chunk: the most candidates in the batch at once; bounds the memory.
        precision: of the search. ``"bfloat16"`` runs the model under autocast; the final loss and
            every claim that a target is reached are recomputed in float32.
        device: where to compute; None for where the starts are. The models must be there already.
        compile: a ``torch.compile`` backend such as ``"inductor"``; None does not compile.
        seed: of the restarts' noise, and of what a model draws from torch's global generators,
            which are left as they were.
        workers: where to search, shard by shard: a number of processes, -1 for one on each core, or
            a cluster (``Dask``, ``Ray``); None for this process.
        shard: candidates of a shard; None for what suits their number and size.
        parts: a folder, or a URL of fsspec, where every finished shard is written at once, so that
            the same search goes on where it stopped; None for none. A function without arguments
            gives the folder of each further search of a method.

    Raises:
        TypeError: the seed is no integer, or the device no name.
        ValueError: a value is out of range.
    """

    chunk: int = 256
    precision: Literal["float32", "float64", "bfloat16"] = "float32"
    device: str | torch.device | None = None
    compile: str | None = None
    seed: int = 0
    workers: Workers | int | None = None
    shard: int | None = None
    parts: str | Path | Callable[[], str | Path] | None = None

    def __post_init__(self) -> None:
        """Check the values."""
        check_count("chunk", self.chunk)
        check_choice("precision", self.precision, ("float32", "float64", "bfloat16"))
        if self.device is not None:
            _check_device(self.device)
        if self.compile is not None:
            check_choice("compile", self.compile, torch.compiler.list_backends(exclude_tags=()))
        check_integer("seed", self.seed)
        if self.shard is not None:
            check_count("shard", self.shard)
        as_workers(self.workers)

    @property
    def divided(self) -> bool:
        """Whether candidates are searched shard by shard."""
        return as_workers(self.workers) != Here() or self.parts is not None

    @property
    def alone(self) -> "Compute":
        """How one shard is computed."""
        return replace(self, workers=None, shard=None, parts=None)

    @classmethod
    def of(cls, given: "Compute | None", seed: int | None = None) -> "Compute":
        """Return what is given, or the default, with a seed that was given beside it, if any.

        Raises:
            TypeError: what is given is no ``Compute``, or the seed no integer.
        """
        compute = cls() if given is None else given
        check_kind("compute", compute, cls)
        return compute if seed is None else replace(compute, seed=seed)

    @property
    def dtype(self) -> torch.dtype:
        """The type of search variables and inputs."""
        return torch.float64 if self.precision == "float64" else torch.float32


def check_models(modules: Collection[nn.Module], device: torch.device) -> None:
    """Raise ``ValueError`` where a model is on another device than the search."""
    for module in modules:
        name = type(module).__name__
        for tensor in module.parameters():
            if tensor.device.type != device.type:
                raise ValueError(
                    f"{name} is on {tensor.device} but the search runs on {device}; move the "
                    f"model first, or pass Compute(device=...)."
                )


def rounding(modules: Collection[nn.Module]) -> float:
    """Return the relative rounding of the coarsest weights; 0 for single precision or better."""
    single = torch.finfo(torch.float32).eps
    found = (
        torch.finfo(tensor.dtype).eps
        for module in modules
        for tensor in module.parameters()
        if tensor.is_floating_point()
    )
    return max((eps for eps in found if eps > single), default=0.0)


def _check_device(device: str | torch.device) -> None:
    if not isinstance(device, str | torch.device):
        raise TypeError(f"device must be a name such as 'cpu', not {type(device).__name__}.")
    try:
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:  # the latter: torch built without it
        said = str(error).splitlines()[0]
        raise ValueError(
            f"device must be one that this machine has, not {device} ({said})."
        ) from error
