"""Whether the diffusion sampler takes the same steps as `diffusers`, an independent implementation.

    python benchmarks/diffusers_check.py

The same network, levels of noise and draws are given to both. Ours keeps images at their size and
lets noise grow; theirs keeps the variance. They are the same but for a scale::

    x_ours = sqrt(1 + σ²) x_theirs        a_bar = 1 / (1 + σ²)

Theirs is told the noise that the network sees, guided by their own guider; ours the image that it
sees, guided by ours. What is compared is the image at every level, in their scale, and the last
one. A row that is wrong on purpose says how large a difference would be if there were one.

In float64 their table of levels is computed in float64 too; in float32 it is what they compute.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from diffusers import DDIMScheduler, DDPMScheduler
from diffusers.guiders import ClassifierFreeGuidance
from record import provenance, table, write
from torch import Tensor

from xhat.core import generator
from xhat.learning import Denoiser
from xhat.surrogates.diffusion import ClassifierFree, Conditional, noise_levels, noised, sample
from xhat_zoo import digits

SEED, EACH = 0, 3  # images of every class
LEVELS, SPACED, OF = 60, 50, 1000
WRONG = 1.01
TOLERANCE = {"float64": 1e-9, "float32": 5e-3}  # of pixels; float32 rounds at every level


@dataclass(frozen=True)
class Check:
    """One comparison: which of their schedulers, which levels, and how it is guided.

    Attributes:
        name: of the row.
        eta: of the noise that each step replaces; None for their DDPM, which is eta 1.
        own: whether the levels are ours, or 50 of the 1000 of their linear schedule.
        scale: of guidance; None for the class alone.
        wrong: what their levels are multiplied by, to see that it is noticed.
    """

    name: str
    eta: float | None
    own: bool = True
    scale: float | None = None
    wrong: float = 1.0


CHECKS = (
    Check("DDIM", 0.0),
    Check("DDIM, guided, scale 2", 0.0, scale=2.0),
    Check("DDIM, half of the noise fresh", 0.5),
    Check("DDIM, all of the noise fresh", 1.0),
    Check("DDPM", None),
    Check("DDPM, guided, scale 3", None, scale=3.0),
    Check("DDIM, their levels, guided, scale 2", 0.0, own=False, scale=2.0),
    Check("DDPM, their levels, guided, scale 3", None, own=False, scale=3.0),
    Check("wrong on purpose: DDIM, levels 1 % off", 0.0, wrong=WRONG),
)


@contextmanager
def computed_in(dtype: torch.dtype) -> Iterator[None]:
    """Draw noise in a precision, so that both draw the same."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        yield
    finally:
        torch.set_default_dtype(before)


def scheduler_for(check: Check, levels: Tensor | None) -> Any:
    """Return their scheduler, with our levels, or with their linear ones if there are none."""
    kind = DDPMScheduler if check.eta is None else DDIMScheduler
    told = {"clip_sample": False, "prediction_type": "epsilon"}
    if levels is None:
        found = kind(OF, beta_schedule="linear", **told)
        found.set_timesteps(SPACED)
        betas = torch.linspace(found.config.beta_start, found.config.beta_end, OF).double()
    else:
        kept = 1 / (1 + (check.wrong * levels.double().flip(0)).square())
        betas = 1 - kept / torch.cat((kept.new_ones(1), kept[:-1]))
        found = kind(len(levels), trained_betas=betas.tolist(), **told)
        found.set_timesteps(len(levels))
    if torch.get_default_dtype() == torch.float64:
        found.alphas_cumprod = (1 - betas).cumprod(0)
    return found


@torch.no_grad()
def theirs(
    check: Check, scheduler: Any, network: Denoiser, x: Tensor, label: Tensor, levels: Tensor
) -> list[Tensor]:
    """Return the images at all levels and the last one, in their scale, by their steps."""
    guide = ClassifierFreeGuidance(check.scale) if check.scale else None
    seen, draws = [x], generator(SEED, "steps")
    for t, sigma in zip(scheduler.timesteps.tolist(), levels, strict=True):
        grown = x * (1 + sigma**2).sqrt()

        def noise(of: Tensor | None, grown: Tensor = grown, sigma: Tensor = sigma) -> Tensor:
            return (grown - network(grown, sigma.reshape(1), of)) / sigma

        found = noise(label)
        if guide is not None:
            found = guide.forward(found, noise(None)).pred
        told = {} if check.eta is None else {"eta": check.eta}
        x = scheduler.step(found, t, x, generator=draws, **told).prev_sample
        seen.append(x)
    return seen


def ours(check: Check, network: Denoiser, x: Tensor, label: Tensor, levels: Tensor) -> list[Tensor]:
    """Return the same by our steps."""
    inner: Callable[[Tensor, Tensor], Tensor] = (
        Conditional(network, label)
        if check.scale is None
        else ClassifierFree(network, label, check.scale)
    )
    seen = []

    def watched(x: Tensor, sigma: Tensor) -> Tensor:
        seen.append(x / (1 + sigma.square()).sqrt())
        return inner(x, sigma)

    eta = 1.0 if check.eta is None else check.eta
    begun = x * (1 + levels[0] ** 2).sqrt()
    last = sample(watched, begun, levels, eta=eta, generator=generator(SEED, "steps"))
    return [*seen, last]


def measured(check: Check, dtype: torch.dtype) -> dict[str, Any]:
    """Return the largest differences of one comparison."""
    network = digits.denoiser().to(dtype)
    with computed_in(dtype):
        levels = noise_levels(LEVELS).to(dtype) if check.own else None
        scheduler = scheduler_for(check, levels)
        if levels is None:
            kept = scheduler.alphas_cumprod[scheduler.timesteps].to(dtype)
            levels = ((1 - kept) / kept).sqrt()
        label = torch.arange(digits.CLASSES).repeat(EACH)
        x = torch.randn(len(label), 1, 28, 28, generator=generator(SEED, "begun"))
        pairs = zip(
            theirs(check, scheduler, network, x, label, levels),
            ours(check, network, x, label, levels),
            strict=True,
        )
        gaps = [float((one - other).abs().max()) for one, other in pairs]
    return {"name": check.name, "levels": len(levels), "largest": max(gaps), "last": gaps[-1]}


def measured_start(dtype: torch.dtype) -> float:
    """Return how far images with noise, where an edit begins, are from theirs."""
    images = digits.split("test").images[:30].to(dtype)
    with computed_in(dtype):
        levels = noise_levels(LEVELS).to(dtype)
        scheduler, t = scheduler_for(CHECKS[0], levels), torch.tensor([LEVELS // 2])
        sigma = levels.flip(0)[t]
        draws = torch.randn(images.shape, generator=generator(SEED, "start"))
        kept = noised(images, sigma, generator(SEED, "start")) / (1 + sigma**2).sqrt()
        return float((scheduler.add_noise(images, draws, t) - kept).abs().max())


def main() -> None:
    """Compare, write ``diffusers.json`` and ``diffusers.md``, and fail if they differ."""
    rows = []
    for check in CHECKS:
        row: dict[str, Any] = {"wrong": check.wrong != 1}
        for dtype in (torch.float64, torch.float32):
            found = measured(check, dtype)
            row |= {"name": found["name"], "levels": found["levels"]}
            row[str(dtype).removeprefix("torch.")] = {k: found[k] for k in ("largest", "last")}
        rows.append(row)
        print(row, flush=True)
    starts = {f"float{bits}": measured_start(getattr(torch, f"float{bits}")) for bits in (64, 32)}
    both = ("float64", "float32")
    shown = [
        [row["name"], row["levels"], *(f"{row[p][k]:.1e}" for p in both for k in row[p])]
        for row in rows
    ]
    shown.append(["a start with noise", 1, *(f"{starts[p]:.1e}" for p in both for _ in (0, 1))])
    head = ["", "levels"] + [f"{p}, {k}" for p in both for k in ("at any level", "of the result")]
    record = {"provenance": provenance(SEED, ("torch", "diffusers")), "rows": rows}
    write("diffusers", record | {"start": starts, "tolerance": TOLERANCE}, table(head, shown))
    apart = [
        f"{row['name']} ({p})"
        for row in rows
        for p in both
        if (row[p]["largest"] > TOLERANCE[p]) != row["wrong"]
    ]
    if apart or any(starts[p] > TOLERANCE[p] for p in both):
        raise SystemExit(f"not as expected: {', '.join(apart) or 'the start'}")


if __name__ == "__main__":
    main()
