"""How a search is computed: chunk, precision, device, and the seed of what is drawn."""

import os
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import torch
from torch import nn

from xhat.core import check_choice, check_count, check_integer, check_kind
from xhat.executors import Here, Workers, as_workers

__all__ = ["Compute", "check_models", "hooked", "rounding"]


@dataclass(frozen=True)
class Compute:
    """How a search is computed; what is found depends on the seed alone (to float tolerance).

    Attributes:
        chunk: the most candidates in the batch at once; bounds the memory. None chooses from what
            a candidate's pass through the model makes and from the memory that is there: 256, up to
            8192 of small models, fewer of large ones.
        precision: of the search. ``"bfloat16"`` runs the model under autocast; the final loss and
            every claim that a target is reached are recomputed in float32. ``"auto"`` times both on
            the first starts and takes bfloat16 where it is a quarter faster, as it is of large
            models on processors with units for it; what is found then depends on the machine.
        device: where to compute; None for where the starts are. The models must be there already.
        compile: a ``torch.compile`` backend such as ``"inductor"``; None does not compile.
        seed: of the restarts' noise, and of what a model draws from torch's global generators,
            which are left as they were.
        every: steps between two looks at who is done. None looks after every step, and on an
            accelerator, which a look makes the host wait for, after 16. A candidate that is done in
            between keeps the answer that it had at that step. Looks come after every step where
            somebody watches, of random models, and in bfloat16.
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

    chunk: int | None = None
    precision: Literal["float32", "float64", "bfloat16", "auto"] = "float32"
    device: str | torch.device | None = None
    compile: str | None = None
    seed: int = 0
    every: int | None = None
    workers: Workers | int | None = None
    shard: int | None = None
    parts: str | Path | Callable[[], str | Path] | None = None

    def __post_init__(self) -> None:
        """Check the values."""
        if self.chunk is not None:
            check_count("chunk", self.chunk)
        if self.every is not None:
            check_count("every", self.every)
        check_choice("precision", self.precision, ("float32", "float64", "bfloat16", "auto"))
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

    def steps_unseen(self, device: torch.device) -> int:
        """Return how many steps are taken before somebody looks who is done."""
        return self.every or (1 if device.type == "cpu" else _UNSEEN)

    def chosen_chunk(self, weight: float, device: torch.device) -> int:
        """Return the most candidates at once.

        Args:
            weight: bytes that a candidate's pass through the objective makes.
            device: where to compute.
        """
        if self.chunk is not None:
            return self.chunk
        cheap = min(max(_CHUNK, int(_CACHED / weight)), _MOST)
        return max(1, min(cheap, int(_SHARE * free_memory(device) / (_KEPT * weight))))

    @property
    def dtype(self) -> torch.dtype:
        """The type of search variables and inputs."""
        return torch.float64 if self.precision == "float64" else torch.float32


_UNSEEN = 16
_CHUNK, _MOST = 256, 8192
_CACHED = 2.5e6  # bytes that processors keep near
_KEPT = 3  # times what a pass makes: with what goes back, and what steppers remember
_SHARE = 1 / 8  # of the memory that is free


def free_memory(device: torch.device) -> float:
    """Return the bytes of memory that a device has left."""
    if device.type == "cuda":
        return float(torch.cuda.mem_get_info(device)[0])
    try:
        return float(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_AVPHYS_PAGES"))
    except (AttributeError, OSError, ValueError):  # a system that does not tell
        return 4e9


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


def hooked(modules: Collection[nn.Module]) -> bool:
    """Return whether something is called when one of the modules, or a part of it, is."""
    names = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
    parts = (part for module in modules for part in module.modules())
    return any(getattr(part, name) for part in parts for name in names)


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
