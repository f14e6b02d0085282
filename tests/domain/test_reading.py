"""Files as people have them."""

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from xhat.core import UnreadableFileError
from xhat.domain.reading import read_data, read_labels

X, Y = np.arange(12.0).reshape(4, 3), np.array([0, 1, 0, 1])


def test_arrays_and_archives(tmp_path):
    np.save(tmp_path / "x.npy", X)
    np.savez(tmp_path / "both.npz", x=X, y=Y)
    np.savez(tmp_path / "alone.npz", images=X)
    assert np.array_equal(read_data(tmp_path / "x.npy", "it").x, X)
    both = read_data(tmp_path / "both.npz", "it")
    assert np.array_equal(both.x, X)
    assert np.array_equal(both.labels, Y)
    assert read_data(tmp_path / "alone.npz", "it").labels is None


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_tables(tmp_path, ending):
    frame = pd.DataFrame(X, columns=["a", "b", "c"]).assign(kind=["u", "v", "u", "v"])
    path = tmp_path / f"t.{ending}"
    frame.to_csv(path, index=False) if ending == "csv" else frame.to_parquet(path)
    data = read_data(path, "it", "kind")
    assert data.table.column_names == ["a", "b", "c"]
    assert np.array_equal(data.x, X)
    assert data.labels.tolist() == ["u", "v", "u", "v"]
    with pytest.raises(
        UnreadableFileError, match="no column 'town'; its columns are a, b, c, kind"
    ):
        read_data(path, "it", "town")
    words = read_data(path, "it")
    assert words.samples["kind"].to_pylist() == ["u", "v", "u", "v"]
    with pytest.raises(UnreadableFileError, match=r"it must be numbers, but the column 'kind'"):
        _ = words.x
    frame[["kind"]].to_csv(tmp_path / "k.csv", index=False)
    assert read_labels(str(tmp_path / "k.csv")).tolist() == ["u", "v", "u", "v"]
    with pytest.raises(UnreadableFileError, match="must be one column, but there are 4"):
        read_labels(str(path))


def test_pictures_in_folders_of_classes(tmp_path):
    for name, value in (("dark", 20), ("light", 200)):
        (tmp_path / name).mkdir()
        for k in range(2):
            Image.new("L", (6, 5), value + k).save(tmp_path / name / f"{k}.png")
    data = read_data(tmp_path, "it")
    assert data.x.shape == (4, 1, 5, 6)
    assert data.labels.tolist() == ["dark", "dark", "light", "light"]
    Image.new("RGB", (6, 5)).save(tmp_path / "light" / "z.png")
    with pytest.raises(UnreadableFileError, match="one size and be all grey or all coloured"):
        read_data(tmp_path, "it")


def test_coloured_pictures_have_three_channels(tmp_path):
    Image.new("RGB", (6, 5), (255, 0, 0)).save(tmp_path / "a.png")
    data = read_data(tmp_path, "it")
    assert data.x[0, :, 0, 0].tolist() == [1.0, 0.0, 0.0]
    assert data.labels is None


@pytest.mark.parametrize("name", ["x.npy", "x.npz", "x.csv", "x.parquet"])
@pytest.mark.parametrize("content", [None, b"", b"\x93NUMPY\x01\x02", b"\xff\xfe nothing"])
def test_what_cannot_be_read_is_told(tmp_path, name, content):
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(UnreadableFileError, match=r"\.$"):
        read_data(path, "the inputs")


def test_an_archive_of_many_arrays_needs_names(tmp_path):
    np.savez(tmp_path / "x.npz", a=X, b=X)
    with pytest.raises(UnreadableFileError, match="must hold the inputs as x"):
        read_data(tmp_path / "x.npz", "the inputs")
    (tmp_path / "empty").mkdir()
    with pytest.raises(UnreadableFileError, match="holds no"):
        read_data(tmp_path / "empty", "the inputs")
