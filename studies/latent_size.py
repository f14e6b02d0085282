"""Is a small latent space, densely filled with natural inputs, the better place to search?"""

import math
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from scipy import stats

from studies.latents import (
    QUICK,
    Extent,
    LatentPlan,
    declared_box,
    measured,
    natural_share,
    own_vae,
    searched,
)
from studies.maps import drawn_map, map_of
from studies.report.latent_maps import save_latent_maps_png
from studies.runner.experiment import Arm, Cell, Claim, Context, Experiment, Pictures, Table
from studies.runner.paired import interval
from xhat.methods import Guided
from xhat.report import CurvePanel, Estimate, save_curves_png
from xhat_zoo.digits.judging import digits_judge

__all__ = ["LATENT_SIZE", "SIZES"]

SIZES = (1, 2, 4, 8, 12, 16, 24, 32, 64)
_EXTENT = Extent()
_MAPPED = 2  # the size whose space is drawn, for the first seed
_SPREAD = {"wide": 0.1, "dense": 4.0}  # beta of the two spaces that are drawn
_LOST = 0.05  # share of digits whose class a size that is too small loses, beside the best


def _cell(seed: int, context: Context, *, plan: LatentPlan) -> Cell:
    extent = QUICK if context.quick else _EXTENT
    vae, judge = own_vae(plan, seed, context), digits_judge()
    box = declared_box(vae)
    filled = natural_share(vae, box, judge, extent, seed)
    found, steering = searched(vae, box, judge, extent, seed)
    known = filled.value > 0
    metrics = {
        **measured(vae, judge, extent, seed),
        "log10 density": math.log10(filled.value if known else filled.high),
        "density known": float(known),
        **found,
    }
    details: dict[str, Any] = {
        "density": {"value": filled.value, "low": filled.low, "high": filled.high},
        "note": filled.note,
        "verdicts": steering.numbers()["verdicts"],
        "box": [side.tolist() for side in box],
    }
    if plan.latent == _MAPPED and seed == 0:
        details["maps"] = {name: _map(beta, seed, context) for name, beta in _SPREAD.items()}
    return Cell(metrics, details)


def _map(beta: float, seed: int, context: Context) -> dict[str, Any]:
    vae = own_vae(LatentPlan(_MAPPED, beta), seed, context)
    box = declared_box(vae)
    return map_of(vae, box, digits_judge(), seed) | {"beta": beta}


def _arm(size: int) -> Arm:
    plan = LatentPlan(size)
    settings = {
        "plan": plan.describe(),
        "extent": _EXTENT.describe(),
        "method": Guided().describe(),
        "maps": _SPREAD if size == _MAPPED else None,
    }
    return Arm(
        f"{size}", f"{size} latent value{'s' * (size > 1)}", partial(_cell, plan=plan), settings
    )


def _column(table: Table, metric: str) -> tuple[Any, ...]:
    """Return sizes, means and the ends of the intervals of a metric."""
    found = [interval([cell[metric] for cell in table[f"{size}"].values()]) for size in SIZES]
    return (SIZES, [e.mean for e in found], [e.low for e in found], [e.high for e in found])


def _draw(table: Table, details: Mapping[str, Mapping[int, Any]], folder: Path) -> Pictures:
    size = "latent values"
    panels = [
        CurvePanel(
            "what a search finds",
            size,
            "share, %",
            {
                "genuine": _column(table, "genuine"),
                "off the manifold": _column(table, "off manifold"),
            },
            log_x=True,
        ),
        CurvePanel(
            "what is kept of real digits",
            size,
            "share, %",
            {
                "class kept": _column(table, "class kept"),
                "rebuilt within the data's tolerance": _column(table, "within tolerance"),
                "rebuilt genuine": _column(table, "rebuilt genuine"),
            },
            log_x=True,
        ),
        CurvePanel(
            "how full the latent box is",
            size,
            "log10 of the density D",
            {"density": _column(table, "log10 density")},
            log_x=True,
        ),
        CurvePanel(
            "how many classes need one place",
            size,
            "classes per place",
            {"classes per place": _column(table, "classes per place")},
            log_x=True,
        ),
        CurvePanel(
            "Fréchet distance of results",
            size,
            "Fréchet distance",
            {
                "results": _column(table, "frechet"),
                "as many real digits": _column(table, "frechet of real"),
            },
            log_x=True,
        ),
        CurvePanel(
            "how far a result is",
            size,
            "moved / nearest real",
            {"moved / nearest real": _column(table, "ratio")},
            log_x=True,
        ),
    ]
    curves = save_curves_png(
        folder / "sizes.png",
        panels,
        title="What the size of a latent space gives to a search, and what it costs",
    )
    kept = details[f"{_MAPPED}"][0]["maps"]
    maps = [drawn_map(f"β = {each['beta']:g}: {_filled(each)}", each) for each in kept.values()]
    drawn = save_latent_maps_png(
        folder / "maps.png",
        maps,
        title="Two latent values: the same digits spread wide, and packed densely",
        note="Below: what is decoded, dark where it is judged natural. Points: real test digits.",
    )
    return (
        (curves, "What a search finds, and what it is made of, over the size of the latent space."),
        (drawn, "The feature space of size 2 at two densities, with six searches."),
    )


def _filled(kept: Mapping[str, Any]) -> str:
    share = float(np.mean(kept["natural"]))
    wide, tall = (high - low for low, high in zip(kept["low"], kept["high"], strict=True))
    dense = len(kept["labels"]) / (wide * tall)
    return f"{dense:.1f} digits a unit area, {100 * share:.0f} % natural"


def _remark(table: Table) -> tuple[str, ...]:
    def mean(size: int, metric: str) -> Estimate:
        return interval([cell[metric] for cell in table[f"{size}"].values()])

    best = max(SIZES, key=lambda size: mean(size, "genuine").mean)
    fewest = min(SIZES, key=lambda size: mean(size, "off manifold").mean)
    top = max(SIZES, key=lambda size: mean(size, "class kept").mean)
    kept = mean(top, "class kept").mean
    small = [size for size in SIZES if size < top and mean(size, "class kept").mean < kept - _LOST]
    unknown = [size for size in SIZES if mean(size, "density known").mean < 1]
    density = [mean(size, "log10 density").mean for size in SIZES]
    off = [mean(size, "off manifold").mean for size in SIZES]
    ranks = float(np.corrcoef(stats.rankdata(density), stats.rankdata(off))[0, 1])
    said = [
        f"The largest genuine share is at size {best}: {100 * mean(best, 'genuine').mean:.0f} %; "
        f"the smallest share off the manifold at size {fewest}: "
        f"{100 * mean(fewest, 'off manifold').mean:.0f} %.",
        f"Over the {len(SIZES)} sizes, the rank correlation of density and share off the manifold "
        f"is {ranks:+.2f}; at -1, a fuller box would always lead fewer results off the manifold.",
    ]
    if small:
        least = mean(small[0], "class kept").mean
        said.append(
            f"Too small: of real digits, {100 * kept:.0f} % are still of their class when they are "
            f"rebuilt at size {top}, and at least {100 * _LOST:.0f} points fewer at size "
            f"{_listed(small)}. At size {small[0]} they are {100 * least:.0f} %, "
            f"{mean(small[0], 'classes per place').mean:.1f} classes need each place, and "
            f"{100 * mean(small[0], 'within tolerance').mean:.0f} % of reconstructions are within "
            f"the data's own tolerance: there the density is that of what classes share, and says "
            f"nothing of how well digits fit."
        )
    if unknown:
        said.append(
            f"At size {_listed(unknown)} the density is not known for every seed: no draw was "
            f"natural down to the last level, and what is shown is an upper bound."
        )
    return tuple(said)


def _listed(sizes: list[int]) -> str:
    words = [f"{size}" for size in sizes]
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"


LATENT_SIZE = Experiment(
    name="latent-size",
    question=(
        "Does a smaller latent space, which natural inputs fill more densely, lead a search to "
        "fewer results off the manifold, and which size is best?"
    ),
    protocol=(
        "Every latent space is that of a β-VAE of dense layers (β = 0.3), trained for 8 epochs on "
        "10,000 digits of the surrogates' split, drawn afresh for each seed and turned afresh in "
        "every epoch. Its box holds, in every dimension, 99.9 % of 5,000 held-out digits.",
        "Density D: the share of that box whose decoded draws the judges take for genuine digits "
        "of the class that they see, by subset simulation with 200 draws a level and at most 4 "
        "levels; where no level reaches it, the upper bound. Boxes differ, so that D says how full "
        "each is, and nothing of one within another.",
        "Too small: the share of real digits whose reconstruction the jury still sees as their "
        "class; the share whose reconstruction is nearer to them than any of 4,000 other real "
        "digits, the data's own tolerance; and how many classes need one place, the exponential of "
        "the mean entropy of the class among the 10 nearest of 4,000 latents drawn from their "
        "posteriors: 1 where every class has room of its own.",
        "Search: 180 pairs of different digits by the method latent-robust in that space and box. "
        "A result is off the manifold where some manifold axis of the judges finds it more unusual "
        "than real digits are, whether it reached its target or not. Fréchet distance and coverage "
        "are means over targets, in features of the judge judge-residual against 3,000 digits of "
        "the judges' split; the distance moved is divided by that to the nearest of them.",
        "Fixed before the run: the claims below and their margins.",
    ),
    arms=tuple(_arm(size) for size in SIZES),
    claims=(
        Claim("a box of size 2 is denser than one of size 16", "2", "16", "log10 density", 0.3),
        Claim(
            "a search in it has fewer results off the manifold",
            "2",
            "16",
            "off manifold",
            0.05,
            lower=True,
        ),
        Claim("size 16 gives more genuine results than size 2", "16", "2", "genuine", 0.05),
        Claim("size 16 gives more genuine results than size 64", "16", "64", "genuine", 0.05),
        Claim(
            "size 1 mixes more classes in one place than 16", "1", "16", "classes per place", 0.5
        ),
    ),
    shown={
        "error": "squared error of a rebuilt image",
        "within tolerance": "within tolerance %",
        "class kept": "class kept %",
        "rebuilt genuine": "rebuilt genuine %",
        "classes per place": "classes per place",
        "log10 density": "log10 D",
        "genuine": "genuine %",
        "off manifold": "off the manifold %",
        "unreached": "unreached %",
        "frechet": "Fréchet",
        "coverage": "coverage %",
        "ratio": "moved / nearest real",
    },
    draw=_draw,
    remark=_remark,
)
