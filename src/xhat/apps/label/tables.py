"""What is exported: a table of images with what people say of them, and one of every vote.

The tables carry a mark in two places, in the metadata and in a column of every row: whether the
annotators were people (``human``) or models of people (``simulated``). One table never holds both.
People appear under numbers that say nothing of who they are, or of the order in which they were
invited: they are numbered by the hashes of their invitations' secrets.
"""

import json
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from sqlalchemy import Connection, select

from xhat.apps.label.agreement import Agreement, agreement, entropy, mean_shares, pairwise
from xhat.apps.label.collection import Settings, settings_of
from xhat.apps.label.dawid_skene import DawidSkene, dawid_skene
from xhat.apps.label.queries import (
    GoldCheck,
    Progress,
    check_golds,
    person_rows,
    progress,
    read_votes,
)
from xhat.apps.label.schema import about, annotators, images, tickets, votes
from xhat.apps.label.votes import Votes

__all__ = [
    "FORMAT",
    "HUMAN",
    "SIMULATED",
    "SMOOTHING",
    "Gathered",
    "gather",
    "labels_schema",
    "stored",
    "votes_schema",
]

FORMAT = "xhat labels 1"
HUMAN, SIMULATED = "human", "simulated"
SMOOTHING = 0.1  # of the exported estimate; more makes tiny collections fall into one class


@dataclass(frozen=True, eq=False)
class Gathered:
    """All of a collection that is exported.

    Attributes:
        settings: what was asked.
        mark: ``human`` or ``simulated``.
        labels: a row for each image.
        votes: a row for each vote that stands.
        agreement: of votes on images that are no gold images.
        golds: of everybody who voted, by their numbers in ``votes``; without names.
        progress: of the whole collection.
        told: the Dawid-Skene estimate; None without votes.
        about: what the metadata say.
    """

    settings: Settings
    mark: str
    labels: pa.Table
    votes: pa.Table
    agreement: Agreement
    golds: list[GoldCheck]
    progress: Progress
    told: DawidSkene | None
    about: dict[str, Any]


def labels_schema(classes: int) -> pa.Schema:
    """Return the columns of the table of images."""
    shares = pa.list_(pa.float64(), classes)
    return pa.schema(
        [
            ("digest", pa.string()),
            ("source", pa.string()),
            ("place", pa.int32()),
            ("label", pa.int32()),
            ("gold", pa.bool_()),
            ("height", pa.int32()),
            ("width", pa.int32()),
            ("pixels", pa.binary()),
            ("votes", pa.int32()),
            ("unsure", pa.int32()),
            ("none_votes", pa.int32()),
            ("none", pa.float64()),
            ("mean", shares),
            ("dawid_skene", shares),
            ("dawid_skene_none", pa.float64()),
            ("entropy", pa.float64()),
            ("agreement", pa.float64()),
            ("details", pa.string()),
            ("annotators", pa.string()),
        ]
    )


def votes_schema(classes: int) -> pa.Schema:
    """Return the columns of the table of votes."""
    return pa.schema(
        [
            ("digest", pa.string()),
            ("annotator", pa.int32()),
            ("shares", pa.list_(pa.float64(), classes + 1)),
            ("unsure", pa.bool_()),
            ("repeat", pa.bool_()),
            ("gold", pa.bool_()),
            ("seconds", pa.float64()),
            ("cast", pa.float64()),
            ("annotators", pa.string()),
        ]
    )


def stored(schema: pa.Schema) -> pa.Schema:
    """Return the schema in a Parquet file, with lists of any length.

    Lists of one length that may be missing can be written by the newest pyarrow only.
    """
    types = [
        pa.list_(field.type.value_type) if pa.types.is_fixed_size_list(field.type) else field.type
        for field in schema
    ]
    fields = [field.with_type(kind) for field, kind in zip(schema, types, strict=True)]
    return pa.schema(fields, schema.metadata)


def gather(
    connection: Connection, now: float, *, simulated: bool = False, seed: int = 0
) -> Gathered:
    """Return what is exported: votes of people, or of simulated annotators, never of both.

    Args:
        connection: to read from.
        now: seconds since 1970.
        simulated: whose.
        seed: of the bootstrap.

    Raises:
        ValueError: there is no collection, or no vote of the kind.
    """
    settings = settings_of(connection)
    if settings is None:
        raise ValueError("this database holds no collection yet; there is nothing to export.")
    mark = SIMULATED if simulated else HUMAN
    numbers = _numbers(connection, simulated=simulated)
    if not numbers:
        raise ValueError(f"this database holds no votes of {_WHOSE[mark]}{_HINT[mark]}.")
    everybody = person_rows(connection, now, simulated=simulated)
    counted = read_votes(connection, settings, simulated=simulated, gold=True)
    # by their exported numbers: sums in another order would differ in their last bit
    of_person = np.array([numbers.get(row.id, 0) - 1 for row in everybody])
    counted = replace(counted, annotator=of_person[counted.annotator], annotators=len(numbers))
    told = dawid_skene(counted, smoothing=SMOOTHING)
    facts = _about(connection, settings, mark, now, told)
    classes = len(settings.classes)
    columns = _images(connection) | _opinions(counted, told) | _images_last(connection)
    labels = _table(columns, labels_schema(classes), mark, facts)
    people = [row for row in everybody if row.id in numbers]
    return Gathered(
        settings=settings,
        mark=mark,
        labels=labels,
        votes=_table(_votes(connection, numbers), votes_schema(classes), mark, facts),
        agreement=agreement(read_votes(connection, settings, simulated=simulated), seed=seed),
        golds=sorted(check_golds(people), key=lambda each: numbers[each.person.id]),
        progress=progress(connection),
        told=told,
        about=facts,
    )


def _numbers(connection: Connection, *, simulated: bool) -> dict[int, int]:
    """Return a number from 1 for each person who voted, by the hash of their secret."""
    query = (
        select(annotators.c.id)
        .where(
            annotators.c.simulated == simulated,
            annotators.c.id.in_(select(votes.c.annotator).where(votes.c.withdrawn.is_(None))),
        )
        .order_by(annotators.c.hashed, annotators.c.id)
    )
    return {number: k + 1 for k, number in enumerate(connection.execute(query).scalars())}


def _about(
    connection: Connection, settings: Settings, mark: str, now: float, told: DawidSkene | None
) -> dict[str, Any]:
    made = {} if told is None else {"steps": told.steps, "converged": told.converged}
    return {
        "format": FORMAT,
        "annotators": mark,
        "settings": asdict(settings),
        "created": connection.execute(select(about.c.created)).scalar_one(),
        "exported": now,
        "dawid_skene": {"smoothing": SMOOTHING, **made},
    }


def _images(connection: Connection) -> dict[str, Any]:
    names = ("digest", "source", "place", "label", "gold", "height", "width", "pixels")
    query = select(*(getattr(images.c, name) for name in names)).order_by(images.c.rank)
    rows = connection.execute(query).all()
    return {name: [getattr(row, name) for row in rows] for name in names}


def _images_last(connection: Connection) -> dict[str, Any]:
    details = connection.execute(select(images.c.details).order_by(images.c.rank)).scalars()
    return {"details": [json.dumps(each, sort_keys=True) for each in details]}


def _opinions(of: Votes, told: DawidSkene | None) -> dict[str, Any]:
    first, sights = of.first(), of.where(~of.repeat)
    mean = mean_shares(of)
    posterior = np.full(mean.shape, np.nan) if told is None else told.posterior
    counts = {
        "votes": np.bincount(first.image, minlength=of.images),
        "unsure": np.bincount(sights.image[sights.unsure], minlength=of.images),
        "none_votes": np.bincount(first.image[first.shares[:, -1] > 0.5], minlength=of.images),
    }
    return {name: values.tolist() for name, values in counts.items()} | {
        "none": _or_null(mean[:, -1]),
        "mean": _given_a_class(mean),
        "dawid_skene": _given_a_class(posterior),
        "dawid_skene_none": _or_null(posterior[:, -1]),
        "entropy": _or_null(entropy(mean)),
        "agreement": _or_null(pairwise(of)),
    }


def _given_a_class(shares: NDArray[np.float64]) -> list[list[float] | None]:
    """Return distributions over the classes, given that it is one; None where it surely is none."""
    some = shares[:, :-1].sum(1)
    known = some > 0  # NaN is not
    scaled = shares[:, :-1] / np.where(known, some, 1.0)[:, None]
    return [row.tolist() if fine else None for row, fine in zip(scaled, known, strict=True)]


def _or_null(values: NDArray[np.float64]) -> list[float | None]:
    return [None if np.isnan(value) else float(value) for value in values]


def _votes(connection: Connection, numbers: dict[int, int]) -> dict[str, Any]:
    query = (
        select(
            images.c.digest,
            votes.c.annotator,
            votes.c.shares,
            tickets.c.repeat,
            images.c.gold,
            votes.c.seconds,
            votes.c.cast,
        )
        .join(tickets, tickets.c.id == votes.c.ticket)
        .join(images, images.c.id == votes.c.image)
        .where(votes.c.withdrawn.is_(None))
        .order_by(votes.c.id)
    )
    rows = [row for row in connection.execute(query).all() if row.annotator in numbers]
    return {
        "digest": [row.digest for row in rows],
        "annotator": [numbers[row.annotator] for row in rows],
        "shares": [row.shares or None for row in rows],
        "unsure": [not row.shares for row in rows],
        "repeat": [row.repeat for row in rows],
        "gold": [row.gold for row in rows],
        "seconds": [row.seconds for row in rows],
        "cast": [row.cast for row in rows],
    }


def _table(
    columns: dict[str, Any], schema: pa.Schema, mark: str, facts: dict[str, Any]
) -> pa.Table:
    rows = len(columns["digest"])
    arrays = [
        pa.array(columns[field.name] if field.name in columns else [mark] * rows, field.type)
        for field in schema
    ]
    return pa.Table.from_arrays(arrays, schema=schema).replace_schema_metadata(
        {"xhat": json.dumps(facts, sort_keys=True)}
    )


_WHOSE = {HUMAN: "people", SIMULATED: "simulated annotators"}
_HINT = {
    HUMAN: "; those of simulated annotators are exported on their own, and marked, if asked for",
    SIMULATED: "",
}
