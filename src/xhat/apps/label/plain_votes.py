"""Votes in plain CSV, from wherever: one line each, in one of two forms.

::

    image,annotator,label            image,annotator,p0,p1,p2,none
    digits:test:17,ada,4             digits:test:17,ada,0.5,0.5,0,0
    digits:test:18,ada,none          digits:test:18,ada,0,0,0,1
    digits:test:19,ada,unsure        digits:test:19,ada,,,,

An image is named by its digest or by ``source:place``. A label is the name of a class, ``none`` for
none of them, or ``unsure``; shares add up to 1, are all empty for "cannot tell", and the column
``none`` may be left out. A second line of the same annotator and image is a second sight. Nothing
is taken unless every line is right; what is wrong is told by the number of its line.
"""

import csv
import hashlib
from collections.abc import Iterable, Iterator
from pathlib import Path

from sqlalchemy import Connection, select

from xhat.apps.label.collection import Settings, settings_of
from xhat.apps.label.database import Database
from xhat.apps.label.importing import Imported
from xhat.apps.label.inserting import Said, insert_votes
from xhat.apps.label.schema import images
from xhat.apps.label.votes import Ballot
from xhat.core import UnreadableFileError

__all__ = ["import_plain"]

_SHOWN = 5  # wrong lines that are told of
_LONGEST = 64  # characters of an annotator's name


def import_plain(
    database: Database, path: str | Path, now: float, *, simulated: bool = False
) -> Imported:
    """Take votes from a plain CSV file, all of them or none.

    Args:
        database: which holds the images that are voted on.
        path: of the file, in UTF-8.
        now: seconds since 1970, which the votes are taken to be cast at.
        simulated: whether the annotators are models of people; they stay marked for good.

    Raises:
        UnreadableFileError: no such file, or not of either form.
        ValueError: no collection, wrong lines, or votes that are there already.
    """
    path = Path(path)
    try:
        content = path.read_bytes()
        text = content.decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise UnreadableFileError(f"{path} cannot be read as a CSV file in UTF-8.") from error
    checksum = hashlib.sha256(content).hexdigest()

    def take(connection: Connection) -> Imported:
        settings = settings_of(connection)
        if settings is None:
            raise ValueError(
                "the database holds no images yet, so that votes on them have no place; name the "
                "images with --images."
            )
        reader = _Reader(path.name, settings, _places(connection), now)
        said = reader.read(text.splitlines())
        insert_votes(connection, checksum, reader.people, said, now, simulated=simulated)
        return Imported(0, len(said), len(reader.people), simulated)

    return database.write(take)


def _places(connection: Connection) -> dict[str, int]:
    """Return the numbers of images by digest and by ``source:place``; -1 if not unique."""
    found: dict[str, int] = {}
    query = select(images.c.id, images.c.digest, images.c.source, images.c.place)
    for row in connection.execute(query).all():
        place = f"{row.source}:{row.place}"
        found[row.digest] = row.id
        found[place] = -1 if place in found else row.id
    return found


class _Reader:
    """Reads lines, and gathers what is wrong with them."""

    def __init__(self, name: str, settings: Settings, places: dict[str, int], now: float) -> None:
        self.name, self.classes, self.places, self.now = name, settings.classes, places, now
        self.people: list[str] = []
        self._numbers: dict[str, int] = {}
        self._sights: dict[tuple[int, int], int] = {}

    def read(self, lines: Iterable[str]) -> list[Said]:
        """Return all votes, or raise and say which lines are wrong."""
        reader = csv.reader(lines)
        columns = [column.strip() for column in next(reader, [])]
        sure = columns == ["image", "annotator", "label"]
        if not sure and columns not in self._forms():
            raise UnreadableFileError(
                f"{self.name} must begin with the columns image,annotator,label or image,annotator,"
                f"p0,...,p{len(self.classes) - 1} with none or without; to read what xhat exported "
                f"give the whole folder."
            )
        said: list[Said] = []
        wrong: list[str] = []
        for number, row in self._rows(reader):
            try:
                if len(row) != len(columns):
                    raise ValueError(f"it has {len(row)} values instead of {len(columns)}")
                said.append(self._said(row, sure=sure))
            except ValueError as error:
                wrong.append(f"line {number}: {str(error).rstrip('.')}")
        if wrong:
            more = f"; and {len(wrong) - _SHOWN} more lines" if len(wrong) > _SHOWN else ""
            raise ValueError(
                f"{self.name} was not taken, for {len(wrong)} of its lines are wrong: "
                f"{'; '.join(wrong[:_SHOWN])}{more}."
            )
        if not said:
            raise ValueError(f"{self.name} holds no votes.")
        return said

    def _forms(self) -> list[list[str]]:
        shares = ["image", "annotator", *(f"p{k}" for k in range(len(self.classes)))]
        return [shares, [*shares, "none"]]

    def _rows(self, reader: Iterator[list[str]]) -> Iterator[tuple[int, list[str]]]:
        number = 1
        for row in reader:
            number += 1
            if any(cell.strip() for cell in row):
                yield number, [cell.strip() for cell in row]

    def _said(self, row: list[str], *, sure: bool) -> Said:
        image, annotator, *answer = row
        found = self.places.get(image)
        if found is None:
            raise ValueError(f"there is no image {image!r}")
        if found < 0:
            raise ValueError(f"several images are called {image!r}; name it by its digest")
        if not (0 < len(annotator) <= _LONGEST and annotator.isprintable()):
            raise ValueError(f"an annotator must have a name of 1 to {_LONGEST} characters")
        ballot = self._label(answer[0]) if sure else self._shares(answer)
        who = self._numbers.setdefault(annotator, len(self.people))
        if who == len(self.people):
            self.people.append(annotator)
        sight = self._sights.get((who, found), 0)
        if sight == 2:
            raise ValueError(f"{annotator!r} answers the image a third time")
        self._sights[who, found] = sight + 1
        return Said(found, who, ballot, repeat=sight == 1, cast=self.now)

    def _label(self, text: str) -> Ballot:
        if text == "unsure":
            return Ballot(())
        outcomes = (*self.classes, "none")
        if text not in outcomes:
            known = ", ".join(self.classes)
            raise ValueError(f"the label must be one of {known}, none or unsure, but is {text!r}")
        place = outcomes.index(text)
        return Ballot(tuple(float(k == place) for k in range(len(outcomes))))

    def _shares(self, texts: list[str]) -> Ballot:
        if not any(texts):
            return Ballot(())
        try:
            shares = [float(text) for text in texts]
        except ValueError as error:
            raise ValueError("shares must be numbers, or all empty for cannot tell") from error
        if len(shares) == len(self.classes):
            shares.append(0.0)
        return Ballot.of(shares, len(self.classes))
