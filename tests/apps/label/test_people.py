import pytest

from xhat.apps import label as labels

DAY = 86_400.0


@pytest.fixture
def invited(filled):
    return filled.write(lambda c: labels.invite(c, 1, 0.0, days=10, names=["ada"]))[0]


def enter(database, token, now=1.0):
    return database.write(lambda c: labels.enter(c, token, now))


def who(database, token, now=2.0):
    with database.read() as connection:
        return labels.who(connection, token, now)


def test_an_invitation_begins_a_session_of_its_person(filled, invited):
    person, session = enter(filled, invited.token)
    assert person.name == "ada"
    assert who(filled, session) == person


def test_an_invitation_may_be_opened_in_several_browsers(filled, invited):
    sessions = [enter(filled, invited.token)[1] for _ in range(2)]
    assert len(set(sessions)) == 2
    assert len({who(filled, each).id for each in sessions}) == 1


def test_neither_tokens_nor_secrets_are_stored(filled, invited, url):
    _, session = enter(filled, invited.token)
    secrets = [token.split(".")[1] for token in (invited.token, session)]
    with filled.read() as connection:
        for table in ("annotators", "sessions"):
            rows = connection.exec_driver_sql(f"SELECT * FROM {table}").all()  # noqa: S608
            assert not any(secret in str(rows) for secret in secrets)


@pytest.mark.parametrize("forge", ["", "x", "999.secret", "{id}.x", "{id}.{hash}", "0{token}"])
def test_forged_invitations_open_nothing(filled, invited, forge):
    token = forge.format(id=invited.id, hash="0" * 64, token=invited.token[1:])
    assert enter(filled, token) is None


def test_one_persons_secret_is_not_anothers(filled, invited):
    other = filled.write(lambda c: labels.invite(c, 1, 0.0))[0]
    mixed = f"{other.id}.{invited.token.split('.')[1]}"
    assert enter(filled, mixed) is None


def test_a_session_is_no_invitation_and_the_other_way_round(filled, invited):
    _, session = enter(filled, invited.token)
    assert enter(filled, session) is None
    assert who(filled, invited.token) is None


def test_invitations_and_sessions_end_by_time(filled, invited):
    _, session = enter(filled, invited.token)
    assert who(filled, session, 9 * DAY) is not None
    assert who(filled, session, 10 * DAY) is None
    assert enter(filled, invited.token, 10 * DAY) is None


def test_revoking_ends_everything_at_once_and_keeps_the_votes(filled, invited):
    _, session = enter(filled, invited.token)
    filled.write(lambda c: labels.revoke(c, "ada", 2.0))
    assert who(filled, session) is None
    assert enter(filled, invited.token) is None


def test_leaving_ends_one_session(filled, invited):
    person, session = enter(filled, invited.token)
    _, other = enter(filled, invited.token)
    filled.write(lambda c: labels.leave(c, person.session, 1.5))
    assert who(filled, session) is None
    assert who(filled, other) is not None


def test_simulated_annotators_cannot_come_through_the_door(filled):
    made = filled.write(lambda c: labels.invite(c, 1, 0.0, simulated=True))[0]
    assert enter(filled, made.token) is None


def test_a_name_is_given_once(filled, invited):
    with pytest.raises(ValueError, match="none taken"):
        filled.write(lambda c: labels.invite(c, 1, 0.0, names=["ada"]))
    with pytest.raises(ValueError, match="all different"):
        filled.write(lambda c: labels.invite(c, 2, 0.0, names=["bob", "bob"]))
    with pytest.raises(ValueError, match="printable"):
        filled.write(lambda c: labels.invite(c, 1, 0.0, names=["a\nb"]))


def test_nobody_of_that_name(filled):
    with pytest.raises(ValueError, match="no annotator 'eve'"):
        filled.write(lambda c: labels.revoke(c, "eve", 0.0))
    with pytest.raises(ValueError, match="no annotator 'eve'"):
        filled.write(lambda c: labels.set_paused(c, "eve", paused=True))


def test_states_of_people_are_told(filled, invited):
    filled.write(lambda c: labels.set_paused(c, "annotator 2", paused=True))
    filled.write(lambda c: labels.revoke(c, "annotator 3", 1.0))
    with filled.read() as connection:
        states = {row.name: row.state for row in labels.person_rows(connection, 11 * DAY)}
    assert states == {
        "annotator 1": "invited",
        "annotator 2": "paused",
        "annotator 3": "revoked",
        "ada": "expired",
    }
