"""Simulated annotators: a random model of how people answer, for tests and rehearsals.

Each is drawn once. They have a *confusion* of their own (how the classes look to them, near the
identity), a *sharpness* (how far one look differs from the next), a share of *careless* answers, an
inclination to give one sure answer, one to say "cannot tell", and a speed. Asked about an image
that people see as the distribution ``s``, an annotator with confusion ``C``

1. gives, when careless, one class at random, in half of the usual time;
2. otherwise looks: ``q ~ Dirichlet(sharpness · sC)``, nearly ``sC`` for high sharpness, and nearly
   one class, drawn by ``sC``, for low; a second look at the same image is another draw;
3. says "cannot tell" with a chance that grows with the entropy of ``q``;
4. gives all to the class on top if ``q`` is as sure as they want to be, and else hands out ten
   points in proportion to ``q``;
5. takes a log-normal time, longer for an ambiguous image.

They answer through the same ``upcoming`` and ``cast`` as people, by a clock of their own. They are
invited as simulated, cannot be entered, and are never exported as people. Nothing about people
follows from their votes: the model was not fitted to any.

Source of the idea that annotators have confusions of their own: Dawid, Skene, "Maximum Likelihood
Estimation of Observer Error-Rates Using the EM Algorithm", Applied Statistics 1979.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, select

from xhat.apps.label.agreement import entropy
from xhat.apps.label.ballots import cast, upcoming
from xhat.apps.label.collection import Settings, settings_of
from xhat.apps.label.database import Database
from xhat.apps.label.people import invite
from xhat.apps.label.queries import image_rows
from xhat.apps.label.schema import images, tickets
from xhat.apps.label.votes import Ballot
from xhat.core import check_count, numpy_generator

__all__ = ["Annotator", "draw_annotator", "seen_by_label", "simulate"]

_AT_ONCE = 20  # votes in one transaction, so that others can write as well
_POINTS = 10
_LEAST = 1e-3  # of a Dirichlet's concentration: no class is impossible


@dataclass(frozen=True, eq=False)
class Annotator:
    """A simulated annotator, as the module says.

    Attributes:
        confusion: ``(outcomes, outcomes)``, rows add up to 1: how each class looks to them.
        sharpness: of a look.
        careless: the share of answers at random.
        sure: the share of ``q`` on top from which they give one class.
        doubt: the chance of "cannot tell" at the highest entropy.
        seconds: median time for an easy image.
    """

    confusion: NDArray[np.float64]
    sharpness: float
    careless: float
    sure: float
    doubt: float
    seconds: float

    def answer(
        self, seen: NDArray[np.float64], random: np.random.Generator
    ) -> tuple[Ballot, float]:
        """Return what they say of an image, and how many seconds it takes them.

        Args:
            seen: ``(outcomes,)``, how people see it.
            random: where chance comes from.
        """
        outcomes = len(seen)
        time = self.seconds * float(random.lognormal(0, 0.35))
        if random.random() < self.careless:
            return Ballot(_sure(int(random.integers(outcomes - 1)), outcomes)), 0.5 * time
        q = random.dirichlet(self.sharpness * (seen @ self.confusion) + _LEAST)
        spread = float(entropy(q[None])[0]) / np.log(outcomes)
        time *= 1 + 3 * spread
        if random.random() < self.doubt * spread:
            return Ballot(()), time
        if q.max() >= self.sure:
            return Ballot(_sure(int(q.argmax()), outcomes)), time
        return Ballot(_points(q)), time


def draw_annotator(outcomes: int, random: np.random.Generator) -> Annotator:
    """Return an annotator, drawn at random: most careful, some less so.

    Args:
        outcomes: classes and "none of them".
        random: where chance comes from.

    Example:
        >>> someone = draw_annotator(11, np.random.default_rng(0))
        >>> someone.confusion.shape, bool(someone.confusion.diagonal().min() > 0.5)
        ((11, 11), True)
    """
    blur = random.beta(1, 30, size=(outcomes, 1))
    other = random.dirichlet(np.full(outcomes, 0.5), outcomes)
    return Annotator(
        confusion=(1 - blur) * np.eye(outcomes) + blur * other,
        sharpness=float(random.lognormal(np.log(12), 0.5)),
        careless=float(random.beta(1, 60)),
        sure=float(random.uniform(0.7, 0.95)),
        doubt=float(random.uniform(0, 0.4)),
        seconds=float(random.lognormal(np.log(1.6), 0.25)),
    )


def seen_by_label(connection: Connection, settings: Settings, sure: float = 0.95) -> NDArray:
    """Return how people would see images if only their labels mattered, ``(images, outcomes)``.

    Args:
        connection: to read from.
        settings: of the collection.
        sure: the share of the label; the rest is even. An image without a label is even.
    """
    outcomes = len(settings.classes) + 1
    seen = np.full((len(rows := image_rows(connection)), outcomes), (1 - sure) / (outcomes - 1))
    for k, row in enumerate(rows):
        if row.label is None:
            seen[k] = 1 / outcomes
        else:
            seen[k, row.label] = sure
    return seen


def simulate(
    database: Database,
    people: int,
    now: float,
    *,
    seen: NDArray[np.float64] | None = None,
    seed: int = 0,
    each: int | None = None,
    annotators: Callable[[int, np.random.Generator], Annotator] = draw_annotator,
    on_progress: Callable[[int, int], None] | None = None,
) -> int:
    """Let simulated annotators answer; return how many votes they cast.

    Args:
        database: of a collection.
        people: how many are invited.
        now: seconds since 1970, when all of them begin.
        seen: ``(images, outcomes)`` in the order of ``image_rows``, how people see each image; by
            default by the labels.
        seed: of everything.
        each: how many images one answers at most; by default the quota.
        annotators: draws one, of so many outcomes.
        on_progress: called with how many people are done, and of how many.

    Raises:
        ValueError: there is no collection, or ``seen`` is of another size.
    """
    check_count("people", people)
    with database.read() as connection:
        settings = settings_of(connection)
        if settings is None:
            raise ValueError("this database holds no collection yet; there is nothing to answer.")
        seen = seen_by_label(connection, settings) if seen is None else np.asarray(seen)
        number_of = {row.id: k for k, row in enumerate(image_rows(connection))}
    if seen.shape != (len(number_of), len(settings.classes) + 1):
        raise ValueError(
            f"there must be a row of {len(settings.classes) + 1} shares for each of "
            f"{len(number_of)} images, but seen has shape {seen.shape}."
        )
    invited = database.write(lambda c: invite(c, people, now, simulated=True))
    total, most = 0, settings.quota if each is None else check_count("each", each)
    for k, person in enumerate(invited):
        random = numpy_generator(seed, "annotator", k)
        who = annotators(seen.shape[1], random)
        session = _Session(person.id, who, settings, seen, number_of, random, now)
        while session.cast < most:
            part = min(_AT_ONCE, most - session.cast)
            if database.write(lambda c, s=session, n=part: s.answer(c, n)) < part:
                break
        total += session.cast
        if on_progress is not None:
            on_progress(k + 1, people)
    return total


class _Session:
    """One annotator at work, with a clock of their own."""

    def __init__(
        self,
        person: int,
        who: Annotator,
        settings: Settings,
        seen: NDArray[np.float64],
        number_of: dict[int, int],
        random: np.random.Generator,
        now: float,
    ) -> None:
        self.person, self.who, self.settings, self.seen = person, who, settings, seen
        self.number_of, self.random, self.now, self.cast = number_of, random, now, 0

    def answer(self, connection: Connection, most: int) -> int:
        """Answer up to ``most`` images; return how many there were."""
        for done in range(most):
            given = upcoming(
                connection, self.person, self.settings, self.now, ahead=1, draw=self.random.random
            )
            if not given:
                return done
            ticket = given[0]
            image = connection.execute(
                select(images.c.id)
                .join(tickets, tickets.c.image == images.c.id)
                .where(tickets.c.id == ticket.id)
            ).scalar_one()
            ballot, seconds = self.who.answer(self.seen[self.number_of[image]], self.random)
            self.now += seconds
            cast(
                connection,
                self.person,
                ticket.id,
                ticket.revision,
                ballot,
                self.now,
                seconds=seconds,
            )
            self.cast += 1
        return most


def _sure(place: int, outcomes: int) -> tuple[float, ...]:
    return tuple(float(k == place) for k in range(outcomes))


def _points(q: NDArray[np.float64]) -> tuple[float, ...]:
    """Return shares in tenths, as near to ``q`` as the largest remainders make them."""
    whole = np.floor(_POINTS * q)
    left = _POINTS - int(whole.sum())
    whole[np.argsort(whole - _POINTS * q, kind="stable")[:left]] += 1
    return tuple((whole / _POINTS).tolist())
