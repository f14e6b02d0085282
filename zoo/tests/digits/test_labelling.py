import numpy as np
import pytest

from xhat.judges import Jury
from xhat_zoo import digits
from xhat_zoo.digits.labelling import DigitsAsking


@pytest.fixture(scope="module")
def asking():
    """What chooses digits, with a jury of one judge, which needs no weighing."""
    found = DigitsAsking()
    vars(found)["jury"] = Jury((digits.judge("judge-mlp"),), ("judge-mlp",), digits.CLASSES)
    return found


def test_a_split_rotated_or_upright(asking):
    data = digits.split("calibration")
    for source, images in (
        ("digits:calibration", data.images),
        ("digits:calibration:upright", data.upright),
    ):
        item = asking.read(source)[17]
        assert (item.place, item.source, item.label) == (17, source, int(data.labels[17]))
        assert np.abs(item.pixels / 255 - images[17, 0].numpy()).max() <= 0.5 / 255 + 1e-6


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("digits:train", "the split of the digits must be one of surrogate_train"),
        ("digits:test:mirrored", "only :upright, but is 'mirrored'"),
    ],
)
def test_other_splits_are_refused(asking, source, said):
    with pytest.raises(ValueError, match=said):
        asking.read(source)


def test_gold_images_are_certain_upright_and_not_of_what_is_asked_about(asking):
    items = asking.golds(["digits:calibration"], 20)
    assert {item.source for item in items} == {"digits:test"}
    data = digits.split("test")
    x = data.images[[item.place for item in items]]
    sure = asking.jury.probabilities(x)[:, 0]
    labels = data.labels[[item.place for item in items]]
    assert float(sure.gather(1, labels[:, None]).min()) >= 0.99
    assert [item.label for item in items] == labels.tolist()
    assert sorted(labels.tolist()) == sorted(2 * list(range(10)))
    assert all(item.place % 2 for item in items)
    assert float(data.angles[[item.place for item in items]].abs().max()) <= 15
    with pytest.raises(ValueError, match="both are asked about"):
        asking.golds(["digits:calibration", "digits:test"], 20)
