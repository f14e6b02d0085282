import math

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from xhat.apps.explorer.gallery import Gallery
from xhat.apps.explorer.pictures import tiled
from xhat.core import UnreadableFileError
from xhat.engine import Result
from xhat.report import as_pictures


def save(folder, shape=(1, 28, 28), rows=5, columns=None, scale=1):
    x = torch.arange(rows * math.prod(shape)).reshape(rows, *shape).remainder(7) / 6 * scale
    one = torch.ones(rows)
    result = Result(
        x0=1 - x,
        x=x,
        z=x,
        loss=one,
        confidence=one,
        reached=one.bool(),
        violation=one,
        feasible=one.bool(),
        status=("target reached",) * rows,
        steps=one.long(),
        evaluations=one.long(),
    )
    path = folder / "results.parquet"
    result.save(path, columns)
    return path, x


class TestGallery:
    @pytest.mark.parametrize("shape", [(28, 28), (1, 28, 28), (3, 8, 6)])
    def test_it_shows_what_the_file_holds(self, tmp_path, shape):
        path, x = save(tmp_path, shape)
        gallery = Gallery.open(path)
        wanted = (255 * as_pictures(x, 0, 1)).round().astype(np.uint8)
        assert np.array_equal(gallery.pictures, wanted if shape[0] == 3 else wanted[..., 0])
        assert gallery.starts is not None
        sheet = gallery.sheet(np.array([4, 0]), 2)
        high, wide = gallery.pictures.shape[1:3]
        assert sheet.shape[:2] == (high, 4 * wide)
        assert np.array_equal(sheet[:, wide : 2 * wide], gallery.pictures[4])
        assert np.array_equal(sheet[:, 2 * wide : 3 * wide], gallery.starts[0])

    def test_filters_go_together_and_say_how_many_would_be_left(self, tmp_path):
        columns = {
            "verdict": ["genuine", "adversarial", "genuine", "mistaken", "genuine"],
            "target": [1, 1, 2, 2, 2],
            "method": ["retrieval"] * 5,
        }
        gallery = Gallery.open(save(tmp_path, columns=columns)[0])
        wanted = {"verdict": "genuine", "target": "2"}
        assert gallery.find(wanted).tolist() == [2, 4]
        facets = gallery.facets(wanted)
        assert facets["target"] == [("1", 1), ("2", 2)]
        assert facets["verdict"] == [("adversarial", 0), ("genuine", 2), ("mistaken", 1)]
        assert gallery.find({"target": "9"}).tolist() == []
        row = gallery.rows(np.array([3]))[0]
        assert (row["row"], row["verdict"], row["target"], row["loss"]) == (3, "mistaken", "2", 1.0)
        with pytest.raises(ValueError, match="filter must be one of"):
            gallery.find({"colour": "red"})

    def test_numbers_of_classes_get_their_names(self, tmp_path):
        columns = {"start_label": [0, 1, 2, 0, 1], "target": [1, 1, 2, 0, 7]}
        gallery = Gallery.open(save(tmp_path, columns=columns)[0], ("cat", "dog", "fox"))
        assert gallery.values["start"].tolist() == ["cat", "dog", "fox", "cat", "dog"]
        assert gallery.values["target"].tolist() == ["dog", "dog", "fox", "cat", "7"]

    def test_values_up_to_255_are_bytes(self, tmp_path):
        path, x = save(tmp_path, scale=255)
        assert np.array_equal(Gallery.open(path).pictures, x.round().byte()[:, 0].numpy())

    def test_of_a_filter_with_too_many_values_nothing_is_offered(self, tmp_path):
        gallery = Gallery.open(
            save(tmp_path, rows=80, columns={"method": list(map(str, range(80)))})[0]
        )
        assert "method" not in gallery.facets({})
        assert gallery.find({"method": "7"}).tolist() == [7]

    def test_numbers_that_are_none_are_told_as_none(self, tmp_path):
        path, _ = save(tmp_path)
        table = pq.read_table(path)
        at = table.column_names.index("loss")
        table = table.set_column(at, "loss", pa.array([math.nan, math.inf, 1.0, 2.0, 3.0]))
        pq.write_table(table, path)
        assert [row["loss"] for row in Gallery.open(path).rows(np.arange(3))] == [None, None, 1.0]

    def test_what_is_no_gallery_is_refused(self, tmp_path):
        with pytest.raises(UnreadableFileError, match="missing, truncated"):
            Gallery.open(tmp_path / "none.parquet")
        (tmp_path / "text.parquet").write_text("not parquet at all")
        with pytest.raises(UnreadableFileError, match="missing, truncated"):
            Gallery.open(tmp_path / "text.parquet")
        path, _ = save(tmp_path, shape=(12,))
        with pytest.raises(UnreadableFileError, match="holds no images"):
            Gallery.open(path)
        pq.write_table(pa.table({"x": [1, 2]}), tmp_path / "other.parquet")
        with pytest.raises(UnreadableFileError, match="holds no images"):
            Gallery.open(tmp_path / "other.parquet")
        pq.write_table(pq.read_table(path).slice(0, 0), tmp_path / "empty.parquet")
        with pytest.raises(UnreadableFileError, match="from 1 to"):
            Gallery.open(tmp_path / "empty.parquet")

    def test_tiles_keep_their_order(self):
        pictures = np.arange(3 * 4, dtype=np.uint8).reshape(3, 2, 2)
        assert tiled(pictures, 2)[:2, 2:].tolist() == pictures[1].tolist()
        assert tiled(pictures, 2)[2:, :2].tolist() == pictures[2].tolist()
        assert not tiled(pictures, 2)[2:, 2:].any()
