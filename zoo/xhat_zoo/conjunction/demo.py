"""The demo of collision avoidance: encounters, the smallest burns, and what the truth says of them.

``run`` simulates and searches; ``write`` leaves ``encounters.png``, ``burns.png``,
``report.html``, ``results.json``, each whole or not at all.
"""

import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

import xhat
from xhat.core import atomic_folder_check, atomic_write
from xhat.learning.checkpoints import versions
from xhat.report import PageTable, TaskPage, save_curves_png, save_task_page
from xhat.task import Stage, Tell
from xhat_zoo.conjunction.approaching import Approach, approach
from xhat_zoo.conjunction.avoiding import Avoidance, avoid
from xhat_zoo.conjunction.cases import published
from xhat_zoo.conjunction.demo_pictures import panel_of, plane_of, power
from xhat_zoo.conjunction.pictures import save_encounters_png
from xhat_zoo.conjunction.simulating import simulate

__all__ = ["Found", "run", "said", "write"]

COUNT, SHOWN, LISTED = 100, 6, 16
TITLE = "The smallest burn that avoids a collision"


@dataclass(frozen=True, eq=False)
class Found:
    """All that one run of the demo found.

    Attributes:
        avoidance: the burns.
        before: the closest approaches without any.
        after: with them, by the truth.
        cases: published probabilities, and the truth's.
        seed: of the encounters and the search.
        seconds: wall-clock time of all.
    """

    avoidance: Avoidance
    before: Approach
    after: Approach
    cases: dict[str, tuple[float, float]]
    seed: int
    seconds: float


def run(*, seed: int = 0, on_progress: Tell | None = None) -> Found:
    """Simulate encounters, search, certify.

    Args:
        seed: of the encounters and the search.
        on_progress: called with a ``Stage``.
    """
    began = time.perf_counter()
    tell = on_progress or (lambda _: None)
    tell(Stage("encounters", 0, 1))
    encounters = simulate(COUNT, seed=seed)
    tell(Stage("encounters", 1, 1))
    tell(Stage("burns", 0, COUNT))
    avoidance = avoid(encounters, seed=seed)
    tell(Stage("burns", COUNT, COUNT))
    tell(Stage("truth", 0, 1))
    before = approach(encounters, torch.zeros(COUNT, 4))
    after = approach(encounters, avoidance.x)
    cases = published()
    tell(Stage("truth", 1, 1))
    return Found(avoidance, before, after, cases, seed, time.perf_counter() - began)


def write(found: Found, out: str | Path, *, command: str = "xhat demo --task conjunction") -> Path:
    """Write page, pictures and numbers into ``out``, and return the path of the page.

    Raises:
        PermissionError: the folder cannot be written to.
    """
    out = atomic_folder_check(out)
    ids = _examples(found)
    save_encounters_png(
        out / "encounters.png",
        [plane_of(found.avoidance, found.before, i) for i in ids],
        title="Six encounters in the plane across their relative velocity",
        note="The other body is at the origin; the black dot has the radius of both together. "
        "Shaded: a predicted position there means Pc > 1e-5. Axes differ in scale.",
    )
    save_curves_png(
        out / "burns.png",
        [panel_of(found.avoidance, i) for i in ids],
        title="Probability of collision over the size of the burn",
    )
    with atomic_write(out / "results.json") as temporary:
        temporary.write_text(json.dumps(_numbers(found), indent=1) + "\n")
    page = TaskPage(
        TITLE,
        _lead(found),
        [
            ("Before and after", out / "encounters.png", _CAPTIONS[0]),
            ("What a burn buys", out / "burns.png", _CAPTIONS[1]),
        ],
        [_listed(found), _measured(found)],
        _facts(found, command),
        _REMARKS,
    )
    return save_task_page(out / "report.html", page)


_CAPTIONS = (
    "Orange: where the satellite was predicted to pass, with ellipses of 1 to 3 standard "
    "deviations. Blue: after the burn. The search leaves the shaded region by the cheapest way, "
    "which is seldom the shortest.",
    "The burn that was found, scaled from nothing to twice its size, at the same time and in the "
    "same direction. The surrogate, which the search differentiates, against the truth.",
)

_REMARKS = (
    "The search sees only the surrogate. The truth then propagates every burn and integrates the "
    "probability: once at the result of the search, and while the burn is scaled until the truth "
    "itself says 1e-5. A burn counts as certified where the truth's own numbers meet all limits.",
    "The encounters are simulated. Covariances are taken to be unchanged by the burn, the burn to "
    "be an exact impulse, and the motion to be that of a point mass and J2, without drag.",
)


def said(found: Found) -> str:
    """Return what a terminal shows."""
    of = found.avoidance
    lines = [
        f"{int(of.certified.sum())} of {len(of)} encounters: Pc ≤ 1e-5, certified by the truth.",
        f"Median burn {100 * float(of.length[of.certified].median()):.2f} cm/s; "
        f"{1e3 * sum(of.seconds.values()) / len(of):.0f} ms of one processor each.",
    ]
    lines += [
        f"Encounter {i}: {status}." for i, status in enumerate(of.status) if not of.certified[i]
    ][:3]
    return "\n".join(lines)


def _examples(found: Found) -> list[int]:
    """Return encounters that can be drawn: certified, not too flat, of all sizes of burn."""
    deviation = torch.linalg.eigvalsh(found.before.covariance).sqrt()
    flat = deviation[:, 1] / deviation[:, 0]
    good = (found.avoidance.certified & (flat < 14)).nonzero()[:, 0]
    order = good[found.avoidance.length[good].argsort()]
    places = torch.linspace(0, len(order) - 1, min(SHOWN, len(order))).round().long()
    return order[places].tolist()


def _lead(found: Found) -> str:
    of = found.avoidance
    n = int(of.certified.sum())
    rest = len(of) - n
    tail = f"; for the other {rest} no burn within the limits was found" if rest else ""
    return (
        f"{len(of)} satellites will pass something too closely. A neural surrogate is searched for "
        f"the smallest Δv, and its time, that bring the probability of collision to 1e-5 within "
        f"thrust limit, burn window and orbit band. The truth certifies {n}{tail}."
    )


def _listed(found: Found) -> PageTable:
    rows = [_row(found, i) for i in range(min(LISTED, len(found.avoidance)))]
    return PageTable(
        f"The first {len(rows)} encounters",
        ("encounter", "speed, km/s", "miss, m", "Pc before", "Pc after", "Δv, cm/s",
         "min before", "change of axis, m", "certified"),
        rows,
        "Pc, miss and change of axis by the truth.",
    )  # fmt: skip


def _row(found: Found, i: int) -> tuple[str, ...]:
    of, limits = found.avoidance, found.avoidance.encounters.limits
    miss = [float(each.miss[i].norm()) for each in (found.before, found.after)]
    return (
        str(i),
        f"{float(of.encounters.speed[i]) / 1e3:.1f}",
        f"{miss[0]:.0f} → {miss[1]:.0f}",
        power(found.before.log10_pc[i]),
        power(found.after.log10_pc[i]),
        f"{100 * float(of.length[i]):.2f} of {100 * float(limits.thrust[i]):.1f}",
        f"{float(of.x[i, 3]) / 60:.0f}",
        f"{float(of.axis_change[i]):+.0f} of {float(limits.band[i]):.0f}",
        "yes" if of.certified[i] else "no: infeasible",
    )


def _numbers(found: Found) -> dict[str, Any]:
    of = found.avoidance
    good = of.certified
    gap = of.gaps[0][good].abs()
    return {
        "encounters": len(of),
        "certified": int(good.sum()),
        "median Δv, cm/s": 100 * float(of.length[good].median()),
        "largest log10 Pc of a certified burn": float(of.log10_pc[good].max()),
        "surrogate − truth in log10 Pc where the search ended, median": float(gap.median()),
        "the same, largest": float(gap.max()),
        "truth calls an encounter": of.truth_calls,
        "processor ms an encounter, search": 1e3 * of.seconds["search"] / len(of),
        "processor ms an encounter, truth": 1e3 * of.seconds["truth"] / len(of),
        "published cases of the probability": len(found.cases),
        "largest relative error there, %": 100
        * max(abs(mine / wanted - 1) for wanted, mine in found.cases.values()),
    }


def _measured(found: Found) -> PageTable:
    rows = [
        (name, str(value) if isinstance(value, int) else f"{value:.4g}")
        for name, value in _numbers(found).items()
    ]
    return PageTable("All encounters", ("what", "measured"), rows)


def _facts(found: Found, command: str) -> dict[str, str]:
    return {
        "command": command,
        "seed": str(found.seed),
        "searched and verified in": f"{found.seconds:.0f} s",
        "versions": ", ".join(
            f"{name} {version}"
            for name, version in {"xhat": xhat.__version__, **versions()}.items()
        ),
    }
