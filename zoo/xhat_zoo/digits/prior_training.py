"""The prior of digits: how the shipped one is made.

    python -m xhat_zoo.digits.prior_training [--out FOLDER] [--steps 9000] [--seed 0]

It takes about 40 minutes of one core, and goes on where it was interrupted.
"""

import argparse
import time
from pathlib import Path

import torch
from rich.progress import Progress

from xhat.domain.networks import doubts
from xhat.learning import Card, save_checkpoint
from xhat.priors import LearnedPrior, fit_prior
from xhat_zoo.digits import networks
from xhat_zoo.digits.splits import CLASSES, split

__all__ = ["main"]

_NOISES = (0.3, 1.0, 3.0)


def main() -> None:
    """Fit the prior to the split of the surrogates, measure it, and write weights and card."""
    parser = argparse.ArgumentParser(description="Fit the prior of digits.")
    parser.add_argument("--out", type=Path, default=networks.WEIGHTS)
    parser.add_argument("--steps", type=int, default=9_000)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    data, began = split("surrogate_train"), time.process_time()
    doubt = doubts(networks.surrogate("robust"), data.images, data.labels)
    with Progress() as shown:
        bar = shown.add_task("prior")

        def tell(name: str, done: int, whole: int) -> None:
            shown.update(bar, description=name, completed=done, total=whole)

        prior = fit_prior(
            data.images, data.labels, None, doubt, seed=given.seed, steps=given.steps,
            on_progress=tell,
        )  # fmt: skip
    if not isinstance(prior, LearnedPrior):
        raise TypeError(f"a network was expected, but the prior is a {prior.name}.")
    command = "python -m xhat_zoo.digits.prior_training"
    card = Card(
        name="prior",
        task="digits",
        architecture="LearnedPrior",
        arguments={"shape": [1, 28, 28], "classes": CLASSES},
        recipe="prior",
        hyperparameters={"steps": given.steps},
        seed=given.seed,
        split="surrogate_train",
        split_size=len(data.images),
        metrics=_measured(prior),
        seconds=round(time.process_time() - began, 1),
        command=f"{command} --steps {given.steps} --seed {given.seed}",
    )
    save_checkpoint(given.out, prior, card)


def _measured(prior: LearnedPrior) -> dict[str, float]:
    """Return the squared error on test images, in coordinates: with the class, and without."""
    test = split("test")
    u, labels = prior.coordinates.into(test.images[:2_000]), test.labels[:2_000]
    draws = torch.Generator().manual_seed(0)
    found: dict[str, float] = {"samples": len(u)}
    for sigma in _NOISES:
        noised = u + sigma * torch.randn(u.shape, generator=draws)
        for name, told in (("known", labels), ("unknown", None)):
            error = (prior.denoised(noised, sigma, told, None) - u).square().mean()
            found[f"squared_error_at_{sigma:g}_{name}"] = float(error)
    return found


if __name__ == "__main__":
    main()
