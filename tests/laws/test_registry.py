import inspect
from itertools import product

import pytest

from tests.laws.problems import TRIPLES
from tests.laws.registry import FAMILIES, OBJECTIVES, SPACES, STEPPERS


def concrete(room: object, noun: type) -> set[type]:
    """The public classes of a room that can be made."""
    exported = (getattr(room, name) for name in room.__all__)
    kinds = {thing for thing in exported if inspect.isclass(thing) and issubclass(thing, noun)}
    return {kind for kind in kinds if not inspect.isabstract(kind)}


@pytest.mark.parametrize("noun", FAMILIES, ids=lambda noun: noun.__name__)
def test_every_public_class_of_a_family_is_registered(noun):
    room, entries = FAMILIES[noun]
    covered = {kind for entry in entries for kind in entry.covers}
    assert concrete(room, noun) <= covered
    assert covered  # the check would notice one that is missing:
    assert not concrete(room, noun) <= covered - {next(iter(covered))}


@pytest.mark.parametrize("noun", FAMILIES, ids=lambda noun: noun.__name__)
def test_every_entry_makes_what_it_says_under_a_name_of_its_own(noun):
    _, entries = FAMILIES[noun]
    assert len({entry.name for entry in entries}) == len(entries)
    for entry in entries:
        assert isinstance(entry.make(2), noun)


def test_every_pair_of_space_objective_and_stepper_is_tried():
    def missing(triples):
        wanted = (
            product(SPACES, OBJECTIVES),
            product(SPACES, STEPPERS),
            product(OBJECTIVES, STEPPERS),
        )
        tried = zip(*(((s, o), (s, t), (o, t)) for s, o, t in triples), strict=True)
        pairs = ({(a.name, b.name) for a, b in kind} for kind in tried)
        return [
            pair
            for kind, done in zip(wanted, pairs, strict=True)
            for pair in ((a.name, b.name) for a, b in kind)
            if pair not in done
        ]

    assert not missing(TRIPLES)
    assert len(TRIPLES) == len(SPACES) * len(OBJECTIVES)
    assert missing(TRIPLES[1:])  # the check would notice one that is left out
