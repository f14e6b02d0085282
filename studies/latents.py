"""The latent spaces that a study compares: trained once and kept, then measured from all sides."""

import functools
from dataclasses import dataclass, fields, replace
from typing import Any

import torch
from torch import Tensor

from studies.runner.experiment import Context
from studies.surrogates import digest
from xhat.core import generator
from xhat.core.cache import kept
from xhat.judges import Judge, Outcome
from xhat.judges.verdict import MANIFOLD
from xhat.learning import VAE, build, fit_vae, predict
from xhat.methods import Guided, Options
from xhat.metrics import Density, Region, rare_density
from xhat.spaces import Latent
from xhat.surrogates.classifier import ROTATION
from xhat_zoo import digits
from xhat_zoo.digits.embeddings import classes_per_place, latent_box
from xhat_zoo.digits.steering import Steering, steer

__all__ = [
    "QUICK",
    "Extent",
    "InOwnLatent",
    "LatentPlan",
    "declared_box",
    "encoded",
    "limit_of",
    "measured",
    "natural_share",
    "own_vae",
    "searched",
    "surprise",
]

_SCHEDULE = {"batch_size": 100, "learning_rate": 4e-3, "weight_decay": 0.0, "average": 0.99}


@dataclass(frozen=True)
class LatentPlan:
    """How a latent space is trained.

    Attributes:
        latent: its size.
        beta: weight of the divergence from a standard normal.
        images: how many, of the surrogates' split, drawn afresh for each seed.
        epochs: passes over them.
    """

    latent: int
    beta: float = 0.3
    images: int = 10_000
    epochs: int = 8

    def describe(self) -> dict[str, Any]:
        """Return everything it says, as JSON."""
        told = {each.name: getattr(self, each.name) for each in fields(self)}
        return told | {"architecture": "DenseVAE"} | _SCHEDULE

    def small(self) -> "LatentPlan":
        """Return the same on as little as shows that it works."""
        return replace(self, images=300, epochs=1)


@dataclass(frozen=True)
class Extent:
    """How much is measured of a latent space.

    Attributes:
        rebuilt: held-out images whose reconstruction is measured.
        judged: of them, those whose reconstruction is judged.
        known: real images that a reconstruction's distance is compared with.
        draws: of each level of the density's estimate.
        levels: at most, so that densities above ten to the minus ``levels`` are found.
        starts: of every digit, each with ten targets, for the search.
        reference: real images that results are compared with.
    """

    rebuilt: int = 1_000
    judged: int = 300
    known: int = 4_000
    draws: int = 200
    levels: int = 4
    starts: int = 2
    reference: int = 3_000

    def describe(self) -> dict[str, Any]:
        """Return everything it says, as JSON."""
        return {each.name: getattr(self, each.name) for each in fields(self)}


QUICK = Extent(rebuilt=60, judged=20, known=200, draws=100, levels=1, starts=1, reference=300)
"""As little as shows that everything works."""


@dataclass(frozen=True)
class InOwnLatent(Guided):
    """The method latent-robust in a latent space of one's own.

    Attributes:
        vae: whose latent space.
        box: its lower and upper ends.
    """

    vae: VAE | None = None
    box: tuple[Tensor, Tensor] | None = None

    def _space(self, domain: Any) -> Latent:
        del domain
        if self.vae is None or self.box is None:
            raise ValueError(f"the method {self.name} needs an autoencoder and a box; give both.")
        return Latent(self.vae.encode, self.vae.decode, self.box)


def own_vae(plan: LatentPlan, seed: int, context: Context) -> VAE:
    """Return the autoencoder of a plan and a seed, trained now or taken from the cache."""
    plan = plan.small() if context.quick else plan
    path = context.cache / f"{digest(plan.describe() | {'seed': seed})}.safetensors"
    weights = kept(path, lambda: _trained(plan, seed).state_dict())
    model = build("DenseVAE", seed=0, latent=plan.latent)
    model.load_state_dict(weights)
    if not isinstance(model, VAE):
        raise TypeError("a DenseVAE is a VAE.")
    return model.eval().requires_grad_(False)


def _trained(plan: LatentPlan, seed: int) -> VAE:
    known = digits.split("surrogate_train").upright
    rows = torch.randperm(len(known), generator=generator(seed, "study", "images"))[: plan.images]
    return fit_vae(
        known[rows],
        seed=seed,
        latent=plan.latent,
        beta=plan.beta,
        jitter=ROTATION,
        architecture="DenseVAE",
        epochs=plan.epochs,
        **_SCHEDULE,
    )


def declared_box(vae: VAE) -> tuple[Tensor, Tensor]:
    """Return the box that 99.9 % of the calibration images need in every dimension."""
    return latent_box(encoded(vae, digits.split("calibration").images))


def measured(vae: VAE, judge: Judge, extent: Extent, seed: int) -> dict[str, float]:
    """Return how well real digits are kept: rebuilt, told apart, and each at a place of its own.

    ==================  =======================================================================
    error               mean squared error of a reconstruction, summed over pixels
    within tolerance    share of images whose reconstruction is nearer to them than any other
                        real image: what the data themselves cannot tell apart may be lost
    class kept          share of images whose reconstruction the jury sees as their class
    rebuilt genuine     share of images whose reconstruction is genuine, as judged
    classes per place   how many classes need the same place, where each image takes the volume
                        that its posterior has
    ==================  =======================================================================
    """
    test, known = digits.split("test"), digits.split("calibration")
    x, labels = test.images[: extent.rebuilt], test.labels[: extent.rebuilt]
    rebuilt = predict(_Decoded(vae), encoded(vae, x))
    away = (rebuilt - x).flatten(1).square().sum(1)
    others = torch.cdist(x.flatten(1), known.images[: extent.known].flatten(1)).amin(1)
    judged = judge.judge(rebuilt[: extent.judged], labels[: extent.judged])
    seen = judged.seen
    if seen is None:
        raise ValueError("the judge must have a jury, to say which class it sees.")
    draws = generator(seed, "latents", "posterior")
    places = _drawn(vae, known.images[: extent.known], draws)
    return {
        "error": float(away.mean()),
        "within tolerance": _share(away.sqrt() < others),
        "class kept": _share(seen[:, :-1].argmax(1) == labels[: extent.judged]),
        "rebuilt genuine": _share(
            torch.tensor([outcome == Outcome.GENUINE for outcome in judged.outcomes])
        ),
        "classes per place": classes_per_place(
            places, known.labels[: extent.known], _drawn(vae, x, draws)
        ),
    }


def natural_share(
    vae: VAE, box: tuple[Tensor, Tensor], judge: Judge, extent: Extent, seed: int
) -> Density:
    """Return the share of the box whose decoded draws are natural: genuine digits of some class."""
    region = Region(f"latent box of {vae.latent}", *box, vae.decode)
    return rare_density(
        functools.partial(surprise, judge),
        limit_of(judge),
        region,
        seed=seed,
        n=extent.draws,
        levels=extent.levels,
    )


def surprise(judge: Judge, x: Tensor) -> Tensor:
    """Return how unusual inputs are of the class that the jury sees in them, ``(n,)``."""
    jury = judge.jury
    if jury is None:
        raise ValueError("the judge must have a jury, to say which class it sees.")
    likeliest = jury.together(jury.probabilities(x))[:, :-1].argmax(1)
    return judge.judge(x, likeliest).surprise


def limit_of(judge: Judge) -> float:
    """Return the surprise up to which a sample's p-value is above ``alpha``."""
    known = judge.calibration.whole
    return float(known[-int(judge.alpha * (len(known) + 1))])


def searched(
    vae: VAE, box: tuple[Tensor, Tensor], judge: Judge, extent: Extent, seed: int
) -> tuple[dict[str, float], Steering]:
    """Return what a search in the latent space finds, over pairs of different digits.

    A result is off the manifold where some axis finds it as unusual as few real digits are, whether
    it reached its target or not; the outcome of one that did not would say ``unreached`` alone.
    """
    model = digits.surrogate("robust")
    found = steer(
        InOwnLatent(vae=vae, box=box),
        model,
        digits.pairs(extent.starts),
        judge,
        options=Options(seed=seed),
    )
    numbers, crossing = found.numbers(), found.crossing
    axes = found.verdicts.group(MANIFOLD)
    off = torch.stack([axis.adjusted <= found.verdicts.alpha for axis in axes]).any(dim=0)
    table = found.measured(reference=extent.reference, seed=seed)
    rows = [table.row(label) for label in range(digits.CLASSES)]
    metrics = {
        "genuine": numbers["genuine"],
        "off manifold": _share(off[crossing]),
        "unreached": numbers["verdicts"][str(Outcome.UNREACHED)] / numbers["n"],
        "moved": numbers["moved"],
    }
    for name in ("frechet", "coverage", "ratio"):
        values = [value for row in rows if (value := row[name].value) is not None]
        metrics[name] = sum(values) / len(values)
    floors = [floor for row in rows if (floor := row["frechet"].floor) is not None]
    metrics["frechet of real"] = sum(floors) / len(floors)
    return metrics, found


class _Decoded(torch.nn.Module):
    def __init__(self, vae: VAE) -> None:
        super().__init__()
        self.vae = vae

    def forward(self, z: Tensor) -> Tensor:
        return self.vae.decode(z)


def encoded(vae: VAE, x: Tensor) -> Tensor:
    """Return the posterior means, ``(n, latent)``."""
    return predict(vae.encoder, x)[:, : vae.latent]


def _drawn(vae: VAE, x: Tensor, draws: torch.Generator) -> Tensor:
    with torch.no_grad():
        mean, log_variance = vae.posterior(x)
    return mean + (log_variance / 2).exp() * torch.randn(mean.shape, generator=draws)


def _share(hits: Tensor) -> float:
    return float(hits.double().mean())
