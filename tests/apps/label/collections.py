"""Collections in files, for tests: small images of known classes, and votes on them."""

import numpy as np

from xhat.apps.label import (
    Ballot,
    Database,
    Item,
    Settings,
    add_images,
    cast,
    create,
    invite,
    upcoming,
)

NOW = 1_790_000_000.0


def items(count=12, *, golds=3, seed=0, source="toy:test", shape=(4, 5)):
    """Return images of 4 by 5 pixels, the last of them gold; odd ones know no more than that."""
    random = np.random.default_rng(seed)
    return [
        Item(
            random.integers(0, 256, shape, dtype=np.uint8),
            source,
            k,
            label=k % 3 if k % 4 else (0 if k >= count - golds else None),
            gold=k >= count - golds,
            details={"entropy": k / 7, "method": 'ümlaut, "quoted"\nline'} if k % 2 else {},
        )
        for k in range(count)
    ]


def collection(path, *, count=12, golds=3, settings=None, images=None):
    """Return the database of a new collection."""
    settings = settings or Settings(
        classes=("0", "1", "2"), each=2, repeats=0.2, golds=0.2, quota=30
    )
    database = Database(f"sqlite:///{path}", create=True)

    def make(connection):
        create(connection, settings, NOW)
        add_images(connection, images or items(count, golds=golds), settings.each)

    database.write(make)
    return database


def vote(database, settings, answers, *, name="Ada Lovelace", draw=lambda: 0.9):
    """Let a person answer what they get, with one entry of ``answers`` each; None cannot tell."""
    person = database.write(lambda c: invite(c, 1, NOW, names=[name]))[0].id

    def answer(connection):
        for k, shares in enumerate(answers):
            now = NOW + 10 * k
            ticket = upcoming(connection, person, settings, now, ahead=1, draw=draw)[0]
            ballot = Ballot.of(shares, len(settings.classes))
            cast(connection, person, ticket.id, 0, ballot, now + 2.5, seconds=2.25)

    database.write(answer)
    return person
