import hashlib
import shutil

import pytest
import torch

from xhat.core import UnreadableFileError
from xhat_zoo.digits.mnist import DATA, load_fashion, load_mnist, read_idx

LABELS = "mnist/t10k-labels-idx1-ubyte.xz"


def test_all_of_mnist_is_there():
    for part, n in (("train", 60_000), ("test", 10_000)):
        images, labels = load_mnist(part)
        assert images.shape == (n, 28, 28)
        assert images.dtype == torch.uint8
        assert int(images.max()) == 255
        assert labels.shape == (n,)
        assert labels.unique().tolist() == list(range(10))


def test_training_images_are_the_published_ones():
    images, _ = load_mnist("train")
    header = bytes.fromhex("00000803") + b"".join(n.to_bytes(4, "big") for n in images.shape)
    found = hashlib.md5(header + images.numpy().tobytes(), usedforsecurity=False).hexdigest()
    assert found == "6bbc9ace898e44ae57da46a324031adb"


def test_fashion_is_a_small_part():
    images, labels = load_fashion()
    assert images.shape == (1000, 28, 28)
    assert labels.bincount().min() > 50


@pytest.fixture
def copy(tmp_path):
    (tmp_path / "mnist").mkdir()
    for name in ("SHA256SUMS", LABELS):
        shutil.copy(DATA / name, tmp_path / name)
    return tmp_path


def test_a_copy_reads_the_same(copy):
    assert torch.equal(read_idx(copy, LABELS), read_idx(DATA, LABELS))


def test_truncated_file_gives_one_sentence(copy):
    path = copy / LABELS
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(UnreadableFileError, match="is truncated or was changed") as caught:
        read_idx(copy, LABELS)
    assert "\n" not in str(caught.value)
    with pytest.raises(UnreadableFileError, match="cannot be read"):
        load_mnist("test", copy)  # the images are missing altogether


def test_missing_or_unlisted_file_gives_one_sentence(copy):
    (copy / LABELS).unlink()
    with pytest.raises(UnreadableFileError, match="cannot be read"):
        read_idx(copy, LABELS)
    (copy / "new.xz").write_bytes(b"")
    with pytest.raises(UnreadableFileError, match="not listed"):
        read_idx(copy, "new.xz")
    (copy / "SHA256SUMS").unlink()
    with pytest.raises(UnreadableFileError, match="SHA256SUMS cannot be read"):
        read_idx(copy, LABELS)


def test_rejects_an_unknown_part():
    with pytest.raises(ValueError, match="part must be one of train, test"):
        load_mnist("validation")
