import numpy as np
import pytest

from tests.apps.label.conftest import item
from xhat.apps import label as labels
from xhat.apps.label import Item, Settings, digest_of, interleave


def test_settings_come_back_as_they_were(database):
    told = Settings(classes=("a", "b"), each=5, repeats=0.1, golds=0.0, quota=3, purpose="results")
    database.write(lambda c: labels.create(c, told, 0.0))
    with database.read() as connection:
        assert labels.settings_of(connection) == told


def test_an_image_is_there_once_however_often_it_is_added(filled):
    def add(c):
        return labels.add_images(c, [item(3), item(77), item(77)], 2)

    assert filled.write(add) == 1
    assert filled.write(add) == 0
    with filled.read() as connection:
        rows = labels.image_rows(connection)
    assert [row.place for row in rows] == [*range(12), 77]
    assert rows[3].digest == digest_of(item(3).pixels)


def test_images_of_one_content_and_two_shapes_differ():
    flat = np.arange(6, dtype=np.uint8)
    assert digest_of(flat.reshape(2, 3)) != digest_of(flat.reshape(3, 2))


@pytest.mark.parametrize(
    ("pixels", "error"),
    [
        (np.zeros((4, 4), np.float32), TypeError),
        (np.zeros((1, 4, 4), np.uint8), TypeError),
        (np.zeros((0, 4), np.uint8), ValueError),
        (np.zeros((600, 4), np.uint8), ValueError),
        ([[0, 1]], TypeError),
    ],
)
def test_what_is_no_image_is_refused(filled, pixels, error):
    with pytest.raises(error):
        filled.write(lambda c: labels.add_images(c, [Item(pixels, "made", 0)], 2))


@pytest.mark.parametrize(
    "settings",
    [{"each": 0}, {"quota": 1.5}, {"repeats": 0.9}, {"golds": -0.1}, {"classes": ("a",)}],
)
def test_settings_out_of_range_are_refused(settings):
    with pytest.raises(ValueError, match=r"must|needs"):
        Settings(**settings)


def test_important_images_come_first_but_for_the_random_share():
    value = np.linspace(0, 1, 400)
    assert interleave(value, share=0) == list(range(399, -1, -1))
    mixed = interleave(value, share=0.25, seed=1)
    assert sorted(mixed) == list(range(400))
    assert mixed == interleave(value, share=0.25, seed=1)
    important = np.mean(np.array(mixed[:100]) >= 300)
    assert 0.7 < important < 0.95
    assert interleave(value, first=[5, 7])[:2] == [5, 7]


@pytest.mark.parametrize("value", [[np.nan, 1.0], [[1.0]]])
def test_importance_must_be_numbers(value):
    with pytest.raises(ValueError, match="finite number"):
        interleave(value)
    with pytest.raises(ValueError, match="random share"):
        interleave([1.0], share=2)
