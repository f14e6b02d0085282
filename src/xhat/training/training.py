"""``xhat.train``: a surrogate of any labelled domain, by a recipe."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, nn

from xhat.core import (
    atomic_folder_check,
    check_choice,
    check_positive,
    check_range,
    check_tensor,
)
from xhat.domain import Domain
from xhat.learning import (
    Card,
    EpochRecord,
    Surrogate,
    build,
    has_fast_bfloat16,
    predict,
    save_checkpoint,
    usable_device,
)
from xhat.metrics.calibration import nll
from xhat.surrogates import (
    Composed,
    Outliers,
    Setting,
    as_distributions,
    compose,
    train_classifier,
)
from xhat.task import Trained
from xhat.training.appraisal import Scope, appraise
from xhat.training.measures import typical_confidence
from xhat.training.page import report_of, write_report
from xhat.training.setting import (
    Parts,
    frame,
    jitter_for,
    radii_of,
    schedule_for,
    unit_limits,
)

__all__ = ["train"]

Precision = Literal["auto", "float32", "bfloat16"]
Progress = Callable[[str, int, int], None]


def train(
    domain: Domain,
    recipe: str = "plain",
    *,
    out: str | Path,
    seed: int | None = None,
    epochs: int | None = None,
    targets: Any = None,
    outliers: Any = None,
    device: str = "cpu",
    precision: Precision = "auto",
    report: bool | Scope = False,
    command: str = "",
    on_progress: Progress | None = None,
) -> Trained:
    """Train a classifier of a domain's samples, and write its weights and their card.

    It is trained on three quarters of the half of the samples that the domain's judge never sees,
    and measured on all others. Its name is that of the domain and the recipe; the command line and
    ``xhat.learning.load_checkpoint`` find it again by that.

    Args:
        domain: with classes.
        recipe: parts of ``xhat.surrogates.PARTS`` joined by ``+``.
        out: the folder to write to; checked before the work begins.
        seed: of the training; None is the recipe's own.
        epochs: instead of as many as make about the recipe's number of steps.
        targets: ``(m, classes)`` distributions for the domain's samples, instead of their labels.
        outliers: ``(k, *x_shape)`` samples of no class, for recipes with ``outliers`` or
            ``astray``: half of the outliers are drawn from them.
        device: where to train, such as ``"cuda"``.
        precision: ``"float32"``, ``"bfloat16"``, or ``"auto"``: bfloat16 for images where the
            device multiplies it faster.
        report: also measure everything and write a page; a ``Scope`` says how much is measured.
        command: that made it, for the card.
        on_progress: called with a stage's name, how far it is, and of how far.

    Returns:
        Card and model, and the path of the page if there is one.

    Raises:
        ValueError: no classes, too few samples, an unknown recipe, parts that exclude each other,
            targets or outliers that do not fit, or a number out of its range.
        PermissionError: ``out`` cannot be written to.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> from sklearn.datasets import load_wine
        >>> wine = load_wine(as_frame=True)
        >>> domain = Domain(wine.data, wine.target, name="wine")
        >>> with TemporaryDirectory() as folder:
        ...     made = train(domain, "quick+smooth", out=folder, epochs=30)
        ...     sorted(path.name for path in Path(folder).iterdir())
        ['wine-quick+smooth.json', 'wine-quick+smooth.safetensors']
        >>> made.model(domain.x[:5]).shape, made.card.metrics["accuracy"] > 0.7
        (torch.Size([5, 3]), True)
    """
    how = compose(recipe)
    check_choice("precision", precision, ("auto", "float32", "bfloat16"))
    if epochs is not None:
        check_positive("epochs", epochs)
    out = atomic_folder_check(out)
    job = _Job.of(domain, how, how.base.seed if seed is None else seed, usable_device(device))
    wanted = job.wanted(targets)
    given = None if outliers is None else job.given(outliers)
    if report:
        domain.judge(on_progress=on_progress)  # too few samples for it are noticed before the work
    schedule = schedule_for(how.base.base or {}, len(wanted), epochs)
    computed = {"autocast": True} if job.halves(precision) else {}
    setting = job.setting(schedule | computed, given, on_progress)
    terms = how.terms(setting)
    seconds: list[float] = []

    def told(record: EpochRecord) -> None:
        seconds.append(record.seconds)
        if on_progress is not None:
            on_progress(recipe, record.epoch, record.epochs)

    model = job.surrogate()
    options = {"seed": job.seed, "terms": terms, "jitter": job.jitter, "on_epoch": told}
    job.train(setting.x, wanted, model=model.net, **options, **schedule, **computed)
    model = model.cpu().eval().requires_grad_(False)
    model.to(memory_format=torch.contiguous_format)  # pyright: ignore[reportCallIssue] - as loaded
    card = Card(
        name=f"{domain.name}-{recipe}".replace("/", "-"),
        task=domain.name,
        architecture="Surrogate",
        arguments=job.arguments,
        recipe=recipe,
        hyperparameters=schedule
        | {"jitter": job.jitter, "classes": list(domain.classes), "radii": dict(job.radii)}
        | {"signals": [term.describe() for term in terms]}
        | computed
        | ({} if targets is None else {"targets": "given"})
        | ({} if given is None else {"own outliers": len(given)}),
        seed=job.seed,
        split="three quarters of the half for searches",
        split_size=len(wanted),
        metrics=job.measured(model),
        seconds=round(seconds[-1], 1),
        command=command or f"xhat.train({domain!r}, {recipe!r}, seed={job.seed})",
    )
    card = save_checkpoint(out, model, card)
    if not report:
        return Trained(card, None, model)
    scope = report if isinstance(report, Scope) else Scope()
    found = appraise(model, domain, job.radii, scope, on_progress=on_progress)
    return Trained(card, write_report(report_of(found, card, domain, scope), out), model)


@dataclass(frozen=True)
class _Job:
    """One training: what is trained on, in the units of the network."""

    domain: Domain
    recipe: Composed
    seed: int
    device: torch.device
    parts: Parts
    offset: Tensor
    unit: Tensor

    @classmethod
    def of(cls, domain: Domain, recipe: Composed, seed: int, device: torch.device) -> "_Job":
        parts = Parts.of(domain)
        return cls(domain, recipe, seed, device, parts, *frame(domain, domain.x[parts.trained]))

    @property
    def arguments(self) -> dict[str, Any]:
        """Of the network."""
        shape = {"shape": list(self.domain.shape), "classes": len(self.domain.classes)}
        return shape | dict(self.recipe.base.arguments)

    @property
    def jitter(self) -> Any:
        """How samples are changed afresh."""
        return jitter_for(self.domain)

    @property
    def labels(self) -> Tensor:
        """Of the samples that are trained on."""
        return self.parts.labels[self.parts.trained]

    @property
    def radii(self) -> Mapping[Any, float]:
        """Of adversaries, in units of the domain."""
        x = self.surrogate().cpu().units(self.domain.x[self.parts.trained])
        return radii_of(x, self.labels, self.domain.seed)

    def surrogate(self) -> Surrogate:
        """Return an untrained network."""
        made = build("Surrogate", seed=self.seed, **self.arguments)
        if not isinstance(made, Surrogate):
            raise TypeError("the registry's Surrogate is not one.")
        return made.adjusted(self.offset, self.unit).to(self.device)

    def train(self, x: Tensor, targets: Tensor, **options: Any) -> nn.Module:
        """Train as ``train_classifier``, a new network where none is given."""
        own: dict[str, Any] = {"model": self.surrogate().net, "limits": self.limits} | options
        own["classes"] = len(self.domain.classes)
        return train_classifier(x, targets, **own)

    @property
    def limits(self) -> Any:
        """Of features, as the network sees them."""
        return unit_limits(self.surrogate().cpu(), self.domain)

    def wanted(self, targets: Any) -> Tensor:
        """Return the labels of what is trained on, or the distributions that are given."""
        if targets is None:
            return self.labels
        p = targets if isinstance(targets, Tensor) else torch.as_tensor(targets)
        if len(p) != len(self.domain):
            raise ValueError(
                f"targets must have one row for each of the {len(self.domain)} samples of "
                f"{self.domain.name}, in their order, but have {len(p)}."
            )
        return as_distributions(p, len(self.domain.classes))[self.parts.trained]

    def given(self, outliers: Any) -> Tensor:
        """Return samples of no class, as the network sees them."""
        if not {"outliers", "astray"} & {part.name for part in self.recipe.acting}:
            raise ValueError(
                f"outliers are for recipes with the part outliers or astray, but the recipe is "
                f"{self.recipe.name!r}; add one of them, or leave the outliers out."
            )
        x = check_tensor(
            "the outliers", self.domain.check_inputs("the outliers", outliers, valid=False)
        )
        unit, (low, high) = self.surrogate().cpu().units(x), self.limits
        ends = (float(torch.as_tensor(low).amin()), float(torch.as_tensor(high).amax()))
        check_range("the outliers, in units of the domain,", unit, *ends)
        return unit

    def halves(self, precision: Precision) -> bool:
        """Return whether the passes are computed in bfloat16."""
        fast = self.domain.kind in ("image", "field") and has_fast_bfloat16(self.device)
        return fast if precision == "auto" else precision == "bfloat16"

    def setting(
        self, schedule: Mapping[str, Any], given: Tensor | None, on_progress: Progress | None
    ) -> Setting:
        """Return what the training terms are made from."""
        x = self.surrogate().cpu().units(self.domain.x[self.parts.trained])
        labels = self.labels

        def told(name: str, record: EpochRecord) -> None:
            if on_progress is not None:
                on_progress(name, record.epoch, record.epochs)

        brief = {**schedule, "epochs": max(1, schedule["epochs"] // 3)}
        beside = {"seed": self.seed + 1, "jitter": self.jitter}

        def plain() -> nn.Module:
            say = partial(told, "textbook")
            found = self.train(x.to(self.device), labels, on_epoch=say, **beside, **brief)
            return found.cpu().eval().requires_grad_(False)

        return Setting(
            x.to(self.device),
            labels,
            len(self.domain.classes),
            self.domain.kind,
            self.seed,
            schedule,
            self.radii,
            lambda: Outliers(x, labels, self.limits),
            limits=self.limits,
            own=given,
            jitter=self.jitter,
            plain=plain,
            brief=brief["epochs"],
            train=partial(self.train, on_epoch=partial(told, "softness")),
        )

    def measured(self, model: Surrogate) -> dict[str, float]:
        """Return what a card says: on samples that were not trained on."""
        rows = self.parts.unseen
        logits, labels = predict(model, self.domain.x[rows]), self.parts.labels[rows]
        right = float((logits.argmax(1) == labels).double().mean())
        return {
            "samples": len(rows),
            "accuracy": right,
            "nll": nll(logits, labels),
            "typical confidence": typical_confidence(logits, labels),
        }
