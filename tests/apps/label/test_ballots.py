import itertools
import threading

import pytest

from tests.apps.label.conftest import PLAIN, item
from xhat.apps import label as labels
from xhat.apps.label import Ballot, Outcome, Settings

SURE = [Ballot.of([float(k == j) for j in range(4)], 3) for k in range(4)]


def upcoming(database, person, draw, *, settings=PLAIN, now=1.0, ahead=3):
    return database.write(
        lambda c: labels.upcoming(c, person, settings, now, ahead=ahead, draw=draw)
    )


def cast(database, person, ticket, ballot=SURE[0], now=2.0, **options):
    return database.write(
        lambda c: labels.cast(c, person, ticket.id, ticket.revision, ballot, now, **options)
    )


def undo(database, person, ticket):
    return database.write(lambda c: labels.undo(c, person, ticket.id, ticket.revision, 3.0))


def standing(database):
    with database.read() as connection:
        return labels.read_votes(connection, PLAIN)


def test_images_come_in_their_order_and_stay_until_answered(filled, never):
    first = upcoming(filled, 1, never)
    assert [ticket.pixels[0] for ticket in first] == [0, 1, 2]
    assert upcoming(filled, 1, never) == first
    cast(filled, 1, first[0])
    assert [ticket.pixels[0] for ticket in upcoming(filled, 1, never)] == [1, 2, 3]


def test_the_same_vote_twice_is_one_vote(filled, never):
    ticket = upcoming(filled, 1, never)[0]
    assert cast(filled, 1, ticket) is Outcome.RECORDED
    assert cast(filled, 1, ticket) is Outcome.ALREADY
    assert len(standing(filled)) == 1


def test_of_two_tabs_the_first_counts(filled, never):
    ticket = upcoming(filled, 1, never)[0]
    cast(filled, 1, ticket, SURE[0])
    assert cast(filled, 1, ticket, SURE[1]) is Outcome.FIRST_COUNTS
    assert standing(filled).shares.tolist() == [[1, 0, 0, 0]]


def test_undoing_opens_the_image_again_and_a_replay_is_out_of_date(filled, never):
    ticket = upcoming(filled, 1, never)[0]
    cast(filled, 1, ticket)
    assert undo(filled, 1, ticket) is Outcome.UNDONE
    assert undo(filled, 1, ticket) is Outcome.NOTHING
    assert cast(filled, 1, ticket) is Outcome.OUT_OF_DATE
    assert len(standing(filled)) == 0
    again = upcoming(filled, 1, never)[0]
    assert (again.id, again.revision) == (ticket.id, 1)
    cast(filled, 1, again, SURE[2])
    assert standing(filled).shares.tolist() == [[0, 0, 1, 0]]


def test_the_last_vote_is_named_for_undoing(filled, never):
    for ticket in upcoming(filled, 1, never)[:2]:
        cast(filled, 1, ticket)
    with filled.read() as connection:
        assert labels.last(connection, 1) == (ticket.id, 0)
        assert labels.last(connection, 2) is None


def test_nobody_answers_or_undoes_what_another_was_given(filled, never):
    ticket = upcoming(filled, 1, never)[0]
    assert cast(filled, 2, ticket) is Outcome.UNKNOWN
    cast(filled, 1, ticket)
    assert undo(filled, 2, ticket) is Outcome.UNKNOWN
    assert len(standing(filled)) == 1


def test_every_image_is_seen_by_as_many_as_was_asked(filled, never):
    for person in itertools.islice(itertools.cycle((1, 2, 3)), 60):
        for ticket in upcoming(filled, person, never, ahead=1):
            cast(filled, person, ticket)
    votes = standing(filled)
    pairs = set(zip(votes.image.tolist(), votes.annotator.tolist(), strict=True))
    assert len(votes) == len(pairs) == 12 * PLAIN.each
    with filled.read() as connection:
        found = labels.progress(connection)
    assert (found.complete, found.votes, found.wanted) == (12, 24, 24)


def test_cannot_tell_is_recorded_and_hands_out_nothing(filled, never):
    cast(filled, 1, upcoming(filled, 1, never)[0], Ballot.of(None, 3))
    votes = standing(filled)
    assert votes.unsure.tolist() == [True]
    assert len(votes.first()) == 0


@pytest.mark.parametrize(("said", "kept"), [(0.5, 0.5), (-5.0, 0.0), (1e9, 1.0), (None, None)])
def test_a_client_cannot_say_that_it_took_longer_than_it_can_have(filled, never, said, kept):
    cast(filled, 1, upcoming(filled, 1, never)[0], seconds=said)
    seconds = standing(filled).seconds.tolist()
    assert seconds == [kept] if kept is not None else seconds[0] != seconds[0]


def test_a_clock_that_runs_backwards_changes_nothing_but_the_time(filled, never):
    ticket = upcoming(filled, 1, never, now=100.0)[0]
    assert cast(filled, 1, ticket, now=50.0, seconds=1.0) is Outcome.RECORDED
    assert standing(filled).seconds.tolist() == [0.0]


def test_a_pause_gives_out_nothing_new_but_takes_what_is_open(filled, never):
    ticket = upcoming(filled, 1, never, ahead=1)[0]
    filled.write(lambda c: labels.pause(c, paused=True))
    assert upcoming(filled, 2, never) == []
    assert cast(filled, 1, ticket) is Outcome.RECORDED
    assert upcoming(filled, 1, never) == []
    filled.write(lambda c: labels.pause(c, paused=False))
    assert len(upcoming(filled, 2, never)) == 3


def test_what_nobody_answered_goes_to_others(filled, never):
    for person in (1, 2):
        upcoming(filled, person, never, now=10.0)
    assert [t.pixels[0] for t in upcoming(filled, 3, never, now=11.0)] == [3, 4, 5]
    assert filled.write(lambda c: labels.take_back(c, 10.5)) == 6
    assert filled.write(lambda c: labels.take_back(c, 10.5)) == 0
    assert [t.pixels[0] for t in upcoming(filled, 3, never, now=12.0, ahead=6)][3:] == [0, 1, 2]


def test_a_late_answer_to_what_was_taken_back_still_counts(filled, never):
    ticket = upcoming(filled, 1, never, ahead=1)[0]
    filled.write(lambda c: labels.take_back(c, 99.0))
    assert upcoming(filled, 1, never, ahead=1) == [ticket]
    assert cast(filled, 1, ticket, now=200.0) is Outcome.RECORDED
    for person in (2, 3):  # one more is needed, not two
        for given in upcoming(filled, person, never, ahead=1):
            cast(filled, person, given)
    votes = standing(filled)
    assert votes.image.tolist() == [0, 0, 1]


def test_an_undone_vote_that_is_never_given_again_leaves_its_place(filled, never):
    ticket = upcoming(filled, 1, never, ahead=1)[0]
    cast(filled, 1, ticket)
    undo(filled, 1, ticket)
    assert filled.write(lambda c: labels.take_back(c, 99.0)) == 1
    assert filled.write(lambda c: labels.take_back(c, 99.0)) == 0
    for person in (2, 3):
        cast(filled, person, upcoming(filled, person, never, ahead=1)[0])
    assert standing(filled).image.tolist() == [0, 0]


def test_repeats_and_golds_are_drawn_from_what_they_should_be(database):
    settings = Settings(classes=("0", "1", "2"), each=1, repeats=0.3, golds=0.2, quota=99)
    golds = [item(100 + k, label=k, gold=True) for k in range(3)]
    images = [item(k) for k in range(40)]
    database.write(
        lambda c: (
            labels.create(c, settings, 0.0),
            labels.add_images(c, [*images, *golds], settings.each),
            labels.invite(c, 1, 0.0),
        )
    )
    draws = itertools.cycle((0.1, 0.0, 0.9, 0.35, 0.5, 0.9, 0.9))
    for _ in range(70):
        for ticket in upcoming(database, 1, lambda: next(draws), settings=settings, ahead=1):
            cast(database, 1, ticket)
    with database.read() as connection:
        votes = labels.read_votes(connection, settings, gold=True)
        ordinary = labels.read_votes(connection, settings)
        person = labels.person_rows(connection, 0.0)[0]
    seen = votes.image.tolist()
    again = [seen[k] for k in range(len(seen)) if votes.repeat[k]]
    assert again
    for k in range(len(seen)):
        if votes.repeat[k]:
            assert k - seen.index(seen[k]) >= 10
    assert len(again) == len(set(again))
    assert len(ordinary) < len(votes)
    assert person.golds == 3
    assert person.errors == 2  # every answer was class 0


def test_many_at_once_never_get_a_vote_twice_or_an_image_too_often(filled, never):
    failed = []

    def work(person):
        try:
            for _ in range(12):
                for ticket in upcoming(filled, person, never, ahead=1):
                    for _ in range(2):  # each is sent twice
                        cast(filled, person, ticket)
        except Exception as error:  # noqa: BLE001 - told by the test's own thread
            failed.append(error)

    threads = [threading.Thread(target=work, args=(1 + k % 3,)) for k in range(9)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failed
    votes = standing(filled)
    pairs = set(zip(votes.image.tolist(), votes.annotator.tolist(), strict=True))
    assert len(votes) == len(pairs) == 24
