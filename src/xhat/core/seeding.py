"""Randomness from explicit seeds only; the global generators are left as they were.

A candidate's noise is a function of the seed *and of the candidate itself* (its starting
values), not of its place in the batch. So the same candidate meets the same noise alone, in any
batch, in any order.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import blake2b

import numpy as np
import torch
from torch import Tensor

__all__ = ["candidate_noise", "generator", "numpy_generator", "own_randomness"]


def generator(seed: int, *stream: int | str) -> torch.Generator:
    """Return a CPU generator for ``seed`` and a named stream.

    Example:
        >>> a, b = generator(0, "noise"), generator(0, "shuffle")
        >>> bool(torch.rand(1, generator=a) == torch.rand(1, generator=b))
        False
    """
    return torch.Generator().manual_seed(_digest(seed, *stream))


def numpy_generator(seed: int, *stream: int | str) -> np.random.Generator:
    """Return a numpy generator for ``seed`` and a named stream."""
    return np.random.default_rng(_digest(seed, *stream))


def candidate_noise(start: Tensor, seed: int, *stream: int | str) -> Tensor:
    """Uniform noise in [-1, 1), one row per candidate, keyed by the candidate's own values.

    Args:
        start: ``(n, *shape)``, the candidates' starting values.
        seed: the seed of the search.
        *stream: further keys, such as the number of the restart.

    Returns:
        ``(n, *shape)`` of the dtype and device of ``start``.

    Example:
        >>> start = torch.rand(3, 4, generator=generator(0))
        >>> noise = candidate_noise(start, 7)
        >>> bool((candidate_noise(start[1:2], 7) == noise[1:2]).all())
        True
    """
    rows = start.detach().to("cpu", torch.float32).contiguous()
    noise = torch.empty_like(rows)
    for row, out in zip(rows.numpy(), noise, strict=True):
        key = _digest(seed, *stream, content=row.tobytes())
        out.uniform_(-1, 1, generator=torch.Generator().manual_seed(key))
    return noise.to(start)


@contextmanager
def own_randomness(seed: int, device: torch.device) -> Iterator[None]:
    """Seed torch's global generators for the block, and restore them after it.

    For models that draw random numbers, such as dropout that is always on.
    """
    cuda = [device] if device.type == "cuda" else []
    with torch.random.fork_rng(devices=cuda):
        torch.default_generator.manual_seed(_digest(seed, "model"))
        if cuda:
            with torch.cuda.device(device):
                torch.cuda.manual_seed(_digest(seed, "model"))
        yield


def _digest(seed: int, *stream: int | str, content: bytes = b"") -> int:
    if isinstance(seed, bool) or not isinstance(seed, int):
        raise TypeError(f"seed must be an integer, not {type(seed).__name__}.")
    hashed = blake2b(repr((seed, *stream)).encode(), digest_size=8)
    hashed.update(content)
    return int.from_bytes(hashed.digest(), "big") >> 1
