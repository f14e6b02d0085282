import pytest

from xhat.apps.label.people import Secret, matches, new_secret, split_token


def test_secrets_are_long_and_never_the_same():
    made = {new_secret() for _ in range(500)}
    assert len(made) == 500
    assert all(len(secret) >= 43 for secret in made)


def test_only_the_secret_itself_matches_its_hash():
    secret = new_secret()
    assert matches(secret, secret.hashed)
    assert not matches(Secret(secret[:-1]), secret.hashed)
    assert not matches(Secret(secret.hashed), secret.hashed)


def test_nobody_has_no_secret():
    assert not matches(Secret("nobody"), None)
    assert not matches(Secret(""), None)


def test_a_secret_does_not_tell_itself_in_a_message():
    assert "abc" not in repr(Secret("abc"))


@pytest.mark.parametrize(
    "token",
    ["", ".", "7", "7.", ".x", "-1.x", "7.x.", "x" * 500, "1" * 20 + ".x", "٣.x", None, 7, b"7.x"],
)
def test_what_is_no_token_finds_nobody(token):
    number, secret = split_token(token)
    assert number == -1 or secret in ("", "x.")
