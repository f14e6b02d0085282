"""The datasheet of a collection: what whoever uses the labels should know of them.

The questions are those of the source, shortened to what a collection of votes can answer.

Source: Gebru, Morgenstern, Vecchione, Vaughan, Wallach, Daumé, Crawford, "Datasheets for Datasets",
Communications of the ACM 2021.
"""

from collections import Counter
from datetime import UTC, datetime

import numpy as np

from xhat.apps.label.agreement import Agreement
from xhat.apps.label.queries import LIMIT, RULE, GoldCheck
from xhat.apps.label.tables import HUMAN, Gathered

__all__ = ["datasheet", "quality"]

_BANNER = (
    "> **No person gave these labels.** They come from simulated annotators, a random model of\n"
    "> how people answer. They are for tests of software. They must never be passed off as human,\n"
    "> nor be used to say anything of how people see images.\n"
)
_NEVER = (
    "Not to find out who the annotators were, and not to rate people by their votes.",
    "Not as the truth of what an image is: they say how people see it.",
    "Not to compare people with models that saw these labels in training, or whose answers chose "
    "the images.",
    "Shares over all images are not those of the source: images were chosen, ambiguous ones first.",
)


def datasheet(of: Gathered) -> str:
    """Return the datasheet as Markdown."""
    sections = [
        f"# Datasheet: labels of {of.settings.task}\n\n"
        + (_BANNER if of.mark != HUMAN else "These labels were given by people.\n"),
        _section("Motivation", _motivation(of)),
        _section("Composition", _composition(of)),
        _section("Collection", _collection(of)),
        _section("Quality", quality(of.agreement) + _golds(of.golds)),
        _section("What was made of the votes", _made(of)),
        _section("What they must not be used for", list(_NEVER)),
        _section("Distribution and upkeep", list(_UPKEEP)),
    ]
    return "\n".join(sections)


_UPKEEP = (
    "`SHA256SUMS` names every file; `xhat label import` refuses files that differ from it.",
    "A later export of the same collection holds all of these votes that were not taken back "
    "since; its numbers of people may differ.",
    "Rights in the images are those of their source; the folder holds their pixels.",
)


def _motivation(of: Gathered) -> list[str]:
    why = {
        "labels": "To know how people see each image, as a distribution over the classes.",
        "results": "To know what people see in images that a search made, so that verdicts of "
        "machine judges can be compared with people's.",
    }
    return [
        why.get(of.settings.purpose, of.settings.purpose),
        f"The question: which of {', '.join(of.settings.classes)} is this, or none of them? One "
        "whole was to be handed out: all to one answer, or shares to several; or “cannot tell”.",
        "No model's opinion was shown.",
    ]


def _composition(of: Gathered) -> list[str]:
    gold = of.labels["gold"].to_pylist()
    counts = of.labels["votes"].to_pylist()
    sources = Counter(of.labels["source"].to_pylist())
    voted = sum(count > 0 for count in counts)
    least, most = min(counts), max(counts)
    return [
        f"{len(gold)} images, {sum(gold)} of them gold images, whose answer is known. From: "
        + ", ".join(f"{name} ({count})" for name, count in sources.items())
        + ".",
        f"{voted} of them have votes, {least} to {most} each that say something; "
        f"{of.settings.each} people were to see each.",
        f"{len(of.votes)} votes by {len(of.golds)} {_people(of)}, known by numbers only. The file "
        "holds when each vote was cast, and no names, addresses or anything else of a person.",
        f"{sum(of.votes['unsure'].to_pylist())} votes are “cannot tell”; "
        f"{sum(of.votes['repeat'].to_pylist())} are second sights of an image.",
    ]


def _collection(of: Gathered) -> list[str]:
    cast = of.votes["cast"].to_pylist()
    settings = of.settings
    return [
        f"Votes from {_date(min(cast))} to {_date(max(cast))} (UTC); exported "
        f"{_date(of.about['exported'])}.",
        "Images were asked about in the order of the table: the most ambiguous by the entropy of "
        "machine judges first, with a random share among them; of results, in random order.",
        f"{settings.repeats:.0%} of what a person got was an image that they had answered before, "
        f"{settings.golds:.0%} a gold image. A person was asked for {settings.quota} images.",
        f"At the time of export {of.progress.complete} of {of.progress.images} images had been "
        "seen as often as was asked.",
        "Annotators were invited one by one by whoever ran the collection; they are no random "
        "sample of anybody.",
    ]


def quality(found: Agreement) -> list[str]:
    """Return what a collection's agreement says, a sentence each."""
    lines = ["Gold images are left out of all but their own line."]
    if found.alpha is None:
        lines.append("Agreement cannot be told: too few images have two votes.")
    else:
        a = found.alpha
        lines.append(
            f"Krippendorff's alpha over distributions: {a.value:.3f} (95 % interval over images "
            f"{a.low:.3f} to {a.high:.3f}), from {a.votes} votes on {a.images} images. Ambiguous "
            "images were asked about first, on which people agree less."
        )
    if found.entropy is not None:
        lines.append(f"Mean entropy of an image's mean distribution: {found.entropy:.3f} nats.")
    if found.consistency is None:
        lines.append("Self-consistency cannot be told: nobody answered an image twice.")
    else:
        c = found.consistency
        lines.append(
            f"Self-consistency: of {c.pairs} images that somebody saw twice, {c.same:.1%} got the "
            f"same class on top; mean total variation distance {c.distance:.3f}."
        )
    if found.seconds is not None:
        lines.append(f"Median time of an answer: {found.seconds:.1f} seconds.")
    return lines


def _golds(golds: list[GoldCheck]) -> list[str]:
    errors = sum(each.person.errors for each in golds)
    count = sum(each.person.golds for each in golds)
    careless = [k + 1 for k, each in enumerate(golds) if each.careless]
    if not count:
        return ["No gold image was answered."]
    told = f"annotators {', '.join(map(str, careless))}" if careless else "nobody"
    return [
        f"Of {count} answers to gold images {errors} gave the right class less than half. Careless "
        f"by the rule that {RULE} ({LIMIT:.0%}): {told}. Their votes are in the files and count."
    ]


def _made(of: Gathered) -> list[str]:
    made = of.about["dawid_skene"]
    entropies = [value for value in of.labels["entropy"].to_pylist() if value is not None]
    return [
        "`mean`: the mean of all first votes that say something, given that the image is one of "
        "the classes; `none`: their mean share for none of them.",
        f"`dawid_skene`: how sure one can be of the class if there is one true class, by Dawid and "
        f"Skene's method with {made['smoothing']:g} answers added to every cell of a confusion "
        f"matrix ({made.get('steps', 0)} steps, "
        f"{'converged' if made.get('converged') else 'not converged'}).",
        "`entropy`: of the mean over classes and none, in nats"
        + (f"; its median is {np.median(entropies):.3f}." if entropies else "."),
        "`agreement`: 1 less the mean squared distance of two votes; for sure votes the share of "
        "pairs that say the same.",
        "Votes that were taken back by whoever cast them are not in the files. Nothing else was "
        "left out.",
    ]


def _people(of: Gathered) -> str:
    return "people" if of.mark == HUMAN else "simulated annotators"


def _date(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M")


def _section(title: str, lines: list[str]) -> str:
    return f"## {title}\n\n" + "\n".join(f"- {line}" for line in lines) + "\n"
