"""What a tuning leaves: its trials as numbers and as a document, and how flat the optimum is.

::

    OUT/trials.json     every trial, and where it was measured
    OUT/trials.md       the same as a table, for documentation

The best of several is best partly by luck. A trial is *as good as the best* where their genuine
shares differ by less than twice the standard error of that difference, taken as if all searches
were independent. They share their starts, which makes the difference surer than that; and the best
was picked, which makes it less.
"""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import xhat
from xhat.core import atomic_write
from xhat.learning.checkpoints import hardware, versions

__all__ = ["Trial", "as_good", "write_trials"]

_ERRORS = 2.0  # standard errors within which two trials are not told apart


@dataclass(frozen=True)
class Trial:
    """One autoencoder, and what a search in its latent space scored.

    Attributes:
        latent: its size.
        beta: weight of the divergence from a standard normal.
        score: what is maximised; higher is better.
        genuine: share of the searches' results.
        ratio: distance moved over that to the nearest real sample of the target.
        n: of how many searches.
    """

    latent: int
    beta: float
    score: float
    genuine: float
    ratio: float
    n: int

    @property
    def error(self) -> float:
        """The standard error of ``genuine``, as if searches were independent."""
        return math.sqrt(self.genuine * (1 - self.genuine) / self.n)


def as_good(trials: Sequence[Trial]) -> tuple[bool, ...]:
    """Return which trials are as good as the best, as the module says; the best always is.

    Args:
        trials: one or more.

    Raises:
        ValueError: there are none.

    Example:
        >>> fair, close, poor = (Trial(8, 1.0, g, g, 1.0, 100) for g in (0.5, 0.45, 0.1))
        >>> as_good((fair, close, poor))
        (True, True, False)
    """
    best = _best(trials)
    return tuple(
        each == best or best.genuine - each.genuine < _ERRORS * math.hypot(best.error, each.error)
        for each in trials
    )


def write_trials(trials: Sequence[Trial], out: str | Path, *, command: str) -> Path:
    """Write numbers and document; return the document's path.

    Args:
        trials: one or more, in their order.
        out: the folder to write to.
        command: what makes them again.

    Raises:
        ValueError: there are none.
        PermissionError: the folder cannot be written to.
    """
    facts = {
        "command": command,
        "versions": {"xhat": xhat.__version__, **versions()},
        "hardware": hardware(),
    }
    good = as_good(trials)
    rows = [asdict(each) | {"as good": same} for each, same in zip(trials, good, strict=True)]
    numbers = {"best": asdict(_best(trials)), "trials": rows, **facts}
    with atomic_write(Path(out) / "trials.json") as temporary:
        temporary.write_text(json.dumps(numbers, indent=1) + "\n")
    with atomic_write(Path(out) / "trials.md") as temporary:
        temporary.write_text(_document(trials, good, facts))
    return Path(out) / "trials.md"


def _best(trials: Sequence[Trial]) -> Trial:
    if not trials:
        raise ValueError("there are no trials yet; run one or more.")
    return max(trials, key=lambda each: each.score)


def _document(trials: Sequence[Trial], good: Sequence[bool], facts: Mapping[str, Any]) -> str:
    best = _best(trials)
    sizes, betas = (
        ", ".join(f"{value:g}" for value in sorted({getattr(each, name) for each in alike}))
        for alike in [[each for each, same in zip(trials, good, strict=True) if same]]
        for name in ("latent", "beta")
    )
    lines = [
        f"**Best of {len(trials)} trials: latent {best.latent}, beta {best.beta:g}**, "
        f"{100 * best.genuine:.0f} % genuine (± {100 * best.error:.0f}, a standard error), score "
        f"{best.score:+.3f}. Of all trials {sum(good)} are as good as that: genuine shares less "
        f"than {_ERRORS:g} standard errors of their difference behind. They are of size {sizes}, "
        f"with beta {betas}.\n",
        "| trial | latent | beta | genuine % | moved / nearest real | score | as good |",
        "| ---: | ---: | ---: | ---: | ---: | ---: | --- |",
    ]
    for k, (each, same) in enumerate(zip(trials, good, strict=True)):
        share = f"{100 * each.genuine:.1f} (± {100 * each.error:.1f})"
        told = "**the best**" if each == best else "yes" if same else "no"
        lines.append(
            f"| {k} | {each.latent} | {each.beta:g} | {share} | {each.ratio:.2f} | "
            f"{each.score:+.3f} | {told} |"
        )
    version = ", ".join(f"{name} {value}" for name, value in facts["versions"].items())
    lines.append(
        f"\n{best.n} searches a trial. Command: `{facts['command']}`; "
        f"{facts['hardware']['processor']}; {version}.\n"
    )
    return "\n".join(lines)
