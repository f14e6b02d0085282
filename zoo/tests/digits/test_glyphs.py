import unicodedata

import pytest
import torch

from xhat_zoo.digits.glyphs import (
    TEST_FONTS,
    TEST_LETTERS,
    TRAINING_FONTS,
    TRAINING_SIGNS,
    render,
    signs,
)


def test_what_tests_are_made_of_is_never_trained_on():
    assert not set(TRAINING_SIGNS) & set(TEST_LETTERS)
    assert not set(TRAINING_FONTS) & set(TEST_FONTS)
    folded = {unicodedata.normalize("NFKD", c).casefold() for c in TEST_LETTERS}
    alike = {c for c in TRAINING_SIGNS if unicodedata.normalize("NFKD", c) in TEST_LETTERS}
    assert not alike
    assert len(folded) < len(TEST_LETTERS)  # upper and lower case are both there


def test_no_sign_comes_twice_and_none_is_a_digit():
    for letters in (TRAINING_SIGNS, TEST_LETTERS):
        assert len(set(letters)) == len(letters)
        assert not any(unicodedata.numeric(c, None) is not None for c in letters)
        assert not set(letters) & set("OoQDlIiZzSsGgBbqT")  # they look like digits


def test_no_trained_picture_is_a_test_picture():
    trained = signs(TRAINING_SIGNS, TRAINING_FONTS).flatten(1)
    tests = signs(TEST_LETTERS, TEST_FONTS).flatten(1)
    assert len(trained) > 300
    assert len(tests) == len(TEST_LETTERS) * len(TEST_FONTS)
    apart = torch.cdist(tests, trained).amin(dim=1)
    assert float(apart.min()) > 1
    assert float(apart.median()) > 3


@pytest.mark.parametrize(
    ("letters", "fonts"),
    [(TRAINING_SIGNS, TRAINING_FONTS), (TEST_LETTERS, TEST_FONTS)],
    ids=["training", "tests"],
)
def test_signs_are_centred_and_as_large_as_digits(letters, fonts):
    x = signs(letters, fonts)
    assert x.shape[1:] == (1, 28, 28)
    assert x.dtype == torch.float32
    assert 0 <= float(x.min()) <= float(x.max()) <= 1
    assert bool((x.amax((1, 2, 3)) > 0.5).all())
    seen, extents = x[:, 0] > 0.05, []
    for along in (1, 2):
        line = seen.any(dim=along).float()
        first, last = line.argmax(dim=1), 27 - line.flip(1).argmax(dim=1)
        off = ((first + last) / 2 - 13.5).abs()
        assert float(off.max()) <= 3  # fonts are drawn on a grid of their own
        assert float(off.mean()) < 0.5
        extents.append(last - first + 1)
    longer = torch.stack(extents).amax(dim=0)
    assert bool(((longer >= 16) & (longer <= 22)).all())


def test_a_font_without_a_sign_draws_none():
    assert len(signs("Ж", ("DejaVuSans",))) == 1
    with_unknown = signs("AЖ", ("cmr10", "DejaVuSans"))
    assert len(with_unknown) == 3  # cmr10 has no Ж
    torch.testing.assert_close(with_unknown[0], render("A", "cmr10"))


def test_unknown_fonts_are_refused():
    assert render("A", "cmr10").shape == (1, 28, 28)
    with pytest.raises(ValueError, match=r"font must be one of DejaVuSans.*but is 'Comic'"):
        render("A", "Comic")
