"""Whatever can be trained of digits, by the options that belong together."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

from xhat.learning import EpochRecord, load_checkpoint
from xhat.task import Stage, Tell, Trained
from xhat_zoo.digits.appraisal import QUICK
from xhat_zoo.digits.embeddings.training import train_digits_embedding
from xhat_zoo.digits.model_report import report_model, write_report
from xhat_zoo.digits.recipes import recipe as known_recipe
from xhat_zoo.digits.training import Precision, train

__all__ = ["train_any"]

_SHARED = ("seed", "epochs", "limit")
_OF_EMBEDDINGS = ("latent", "beta")
_OF_RECIPES = ("targets", "report", "device", "precision")


def train_any(
    out: str | Path, recipe: str | None, options: Mapping[str, Any], on_progress: Tell | None
) -> Trained:
    """Train by a recipe, or what the option ``embedding`` names.

    Raises:
        ValueError: options that do not go together; messages name them as the command line does.
    """
    tell = on_progress or (lambda _: None)
    shared = {name: options[name] for name in _SHARED if name in options}
    if "embedding" in options:
        for name, there in {"recipe": recipe is not None, **dict.fromkeys(options, True)}.items():
            if there and name in ("recipe", *_OF_RECIPES):
                raise ValueError(
                    f"--{name} does not go with --embedding, which is trained in a way of its own; "
                    f"leave one of them out."
                )
        own = {name: options[name] for name in _OF_EMBEDDINGS if name in options}
        return Trained(_embedding(str(options["embedding"]), out, shared | own, tell))
    for name in _OF_EMBEDDINGS:
        if name in options:
            raise ValueError(
                f"--{name} goes with --embedding, such as --embedding beta-vae --{name} "
                f"{options[name]:g}."
            )
    return _recipe(recipe or "plain", out, shared, options, tell)


def _embedding(name: str, out: str | Path, given: Mapping[str, Any], tell: Tell) -> Any:
    def say(record: EpochRecord) -> None:
        tell(Stage(name, record.epoch, record.epochs))

    return train_digits_embedding("digits", name, out=out, progress=say, **given)


def _recipe(
    name: str, out: str | Path, shared: Mapping[str, Any], options: Mapping[str, Any], tell: Tell
) -> Trained:
    """Train a surrogate; with the option ``report``, measure it and write its page."""
    autoattack = options.get("autoattack", 100) if options.get("report") else None
    if autoattack is not None and autoattack < 0:
        raise ValueError(f"--autoattack must be 0 or more, but is {autoattack}.")
    if autoattack is not None and known_recipe(name).kind != "surrogate":
        raise ValueError(f"--report measures surrogates, but {name} is another kind of model.")
    card = train(
        "digits",
        name,
        out=out,
        targets=options.get("targets"),
        device=options.get("device", "cpu"),
        precision=cast("Precision", options.get("precision", "auto")),
        progress=lambda record: tell(Stage(name, record.epoch, record.epochs)),
        **shared,
    )
    if autoattack is None:
        return Trained(card)
    measured = report_model(
        load_checkpoint(out, card.name)[0],
        card,
        scope=None if "limit" not in options else QUICK,
        autoattack=autoattack,
        on_progress=lambda stage, done, total: tell(Stage(stage, done, total)),
    )
    return Trained(card, write_report(measured, out))
