import math
import threading
import time

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from xhat.apps.explorer.gallery import Gallery
from xhat.apps.explorer.tiles import tiled
from xhat.core import UnreadableFileError
from xhat.engine import Result
from xhat.report import as_pictures
from xhat.task import Cancelled
from xhat_zoo import digits
from xhat_zoo.digits import judging
from xhat_zoo.digits.exploring import (
    STRUCTURES,
    Explorer,
    Question,
    centred,
    python_code,
    settings,
    structures,
)
from xhat_zoo.digits.methods import METHODS
from zoo.tests.digits import small

SEVEN, THREE = 0, 18  # places of a 7 and a 3 among the test digits


def ask(index=THREE, target=8, **options):
    return Question.of_test_digit(index, target, **options)


def explore(question, **options):
    frames = []
    found = small.explorer().explore(question, frames.append, **options)
    return found, frames


class TestDrawing:
    def test_a_drawing_fills_the_box_and_is_centred_by_its_mass(self):
        drawing = torch.zeros(200, 200)
        drawing[10:110, 10:30] = 1  # the stem of an L
        drawing[90:110, 10:60] = 1
        image = centred(drawing)[0, 0]
        rows, columns = (image > 0.05).nonzero().T
        assert rows.max() - rows.min() + 1 == 20
        assert columns.max() - columns.min() + 1 == 10
        mass = image.sum()
        middle = [float((image.sum(1 - k) * torch.arange(28)).sum() / mass) for k in (0, 1)]
        assert all(abs(place - 14) <= 0.5 for place in middle)

    def test_where_it_is_drawn_and_how_large_does_not_matter(self):
        one = torch.zeros(280, 280)
        one[40:240, 120:150] = 1
        other = torch.zeros(140, 140)
        other[10:110, 5:20] = 1
        assert torch.allclose(centred(one), centred(other), atol=0.02)

    def test_real_digits_come_back_as_they_were(self):
        """Those of MNIST are centred already: to the pixel, by the same rule."""
        upright = digits.split("test").upright[:300]
        again = torch.cat([centred(x[0]) for x in upright])
        changed = (again - upright).flatten(1).norm(dim=1) / upright.flatten(1).norm(dim=1)
        assert changed.max() < 0.02  # faint ink at the rim is cut, and the darkest made black

    @pytest.mark.parametrize(
        ("drawing", "said"),
        [
            (torch.zeros(100, 100), "empty"),
            (torch.zeros(100, 100).index_fill(0, torch.tensor([50]), 0.01), "empty"),
            (
                torch.zeros(280, 280).index_put(
                    (torch.tensor([9]), torch.tensor([9])), torch.ones(1)
                ),
                "too small",
            ),
            (torch.full((100, 100), 2.0), r"\[0, 1\]"),
            (torch.full((100, 100), torch.nan), "finite"),
            (torch.zeros(27, 100), "sides from 28"),
            (torch.zeros(1, 100, 100), "2 axes"),
        ],
    )
    def test_what_is_no_drawing_is_refused(self, drawing, said):
        with pytest.raises(ValueError, match=said):
            centred(drawing)


class TestQuestion:
    @pytest.mark.parametrize("name", METHODS)
    def test_the_settings_stand_where_the_method_stands(self, name):
        own = {setting.name: setting.default for setting in settings(name)}
        assert ask(method=name, weights=own).how == METHODS[name]
        for setting in settings(name):
            assert setting.low <= setting.default <= setting.high, setting.name

    @pytest.mark.parametrize("name", METHODS)
    def test_every_setting_turns_something(self, name):
        for setting in settings(name):
            question = ask(method=name, weights={setting.name: setting.high})
            changed = question.how != METHODS[name] or question.confidence != 0.95
            assert changed or setting.high == setting.default, setting.name

    @pytest.mark.parametrize(
        ("options", "said"),
        [
            ({"target": 10}, "target must be a digit"),
            ({"target": -1}, "target must be a digit"),
            ({"target": True}, "target must be a digit"),
            ({"index": 10_000}, "index must lie"),
            ({"index": -1}, "index must lie"),
            ({"method": "magic"}, "method must be one of"),
            ({"weights": {"prior": 0.1}}, "has no 'prior'; it has"),
            ({"weights": {"steps": 0}}, "steps must lie from 1"),
            ({"weights": {"proximity": math.nan}}, "proximity must be"),
            ({"weights": {"proximity": math.inf}}, "proximity must be"),
            ({"structure": "round"}, "structure must be one of"),
            ({"structure": "mirror"}, "bends real digits"),
            (
                {"structure": "ink", "method": "pgd", "weights": {"radius": 0.2}},
                "exclude each other",
            ),
        ],
    )
    def test_what_makes_no_sense_is_refused(self, options, said):
        with pytest.raises(ValueError, match=said):
            ask(**options)

    @pytest.mark.parametrize("shape", [(28, 28), (2, 1, 28, 28), (1, 3, 28, 28)])
    def test_a_start_is_one_image(self, shape):
        with pytest.raises(ValueError, match=r"one image|shape"):
            Question(torch.zeros(shape), 3)


class TestExploring:
    @pytest.mark.parametrize("name", METHODS)
    def test_frames_begin_at_the_start_and_end_at_what_was_found(self, name):
        question = ask(method=name, weights={"steps": 4})
        found, frames = explore(question)
        assert torch.equal(frames[0].x, question.start[0, 0])
        assert torch.equal(frames[-1].x, found.result.x[0, 0])
        assert [frame.last for frame in frames] == [False] * (len(frames) - 1) + [True]
        steps = [frame.step for frame in frames[1:-1]]
        assert steps == list(range(len(steps)))
        for frame in frames:
            assert sum(frame.surrogate) == pytest.approx(1, abs=1e-4)
            assert frame.moved == pytest.approx(float((frame.x - question.start).norm()), abs=1e-4)
        assert frames[-1].jury is not None
        assert frames[-1].loss == pytest.approx(float(found.result.loss))
        seconds = [frame.seconds for frame in frames]
        assert seconds == sorted(seconds)

    def test_the_default_turns_a_digit_into_another(self):
        found, frames = explore(ask())
        assert frames[-1].surrogate[8] > 0.9
        assert frames[-1].jury[8] > 0.5
        assert len(found.labels) == 3
        assert found.nearest.shape == (3, 28, 28)
        assert found.verdicts[0].explain()

    def test_an_adversarial_search_fools_the_classifier_and_not_the_judges(self):
        _, frames = explore(ask(index=SEVEN, target=3, method="pgd"))
        assert frames[-1].surrogate[3] > 0.9
        assert frames[-1].jury[3] < 0.5

    @pytest.mark.parametrize("name", STRUCTURES)
    @pytest.mark.parametrize("method", ["plain", "latent"])
    def test_a_structure_holds_and_is_certified(self, name, method):
        question = ask(method=method, structure=name, weights={"steps": 3})
        found, _ = explore(question)
        x, x0 = found.result.x[0, 0], question.start[0, 0]
        held = {
            "left": lambda: torch.equal(x[:, :14], x0[:, :14]),
            "lower": lambda: torch.equal(x[14:], x0[14:]),
            "mirror": lambda: torch.equal(x, x.flip(-1)),
            "ink": lambda: abs(float(x.sum() - x0.sum())) < 1e-3,
        }
        assert held[name]()
        assert not torch.equal(x, x0)
        assert found.verdicts.structure is not None
        assert "holds" in found.verdicts.structure.explain(0)

    def test_a_radius_is_kept(self):
        found, _ = explore(ask(method="plain", weights={"radius": 0.1, "steps": 10}))
        assert (found.result.x - found.result.x0).abs().max() <= 0.1 + 1e-6

    def test_nobody_waits_for_what_nobody_wants(self):
        frames = []
        with pytest.raises(Cancelled):
            small.explorer().explore(ask(), frames.append, lambda: len(frames) >= 3)
        assert len(frames) == 3

    def test_the_judges_do_not_keep_the_picture_waiting(self):
        def slow_judge():
            judge = small.judge()
            slowly = [
                m.register_forward_hook(lambda *_: time.sleep(0.05)) for m in judge.jury.members
            ]
            hooks.extend(slowly)
            return judge

        hooks: list = []
        explorer, frames = Explorer(slow_judge, small.known, share=0.2), []
        explorer.warm()
        try:
            explorer.explore(ask(method="latent"), frames.append)
        finally:
            for hook in hooks:
                hook.remove()
        asked = [frame.jury is not None for frame in frames]
        assert asked[0]
        assert asked[-1]
        assert sum(asked) < len(asked) / 2

    @pytest.mark.parametrize("share", [0, 1, -1])
    def test_the_judges_need_some_of_the_time(self, share):
        with pytest.raises(ValueError, match="share"):
            Explorer(share=share)


class TestSettingUp:
    def test_it_tells_how_far_it_is_and_happens_once(self):
        made, told = [], []

        def judge():
            made.append(1)
            return small.judge()

        explorer = Explorer(judge, small.known)
        assert explorer.judge is explorer.stage is None
        explorer.warm(told.append)
        explorer.warm()
        assert made == [1]
        assert [stage.done for stage in told] == list(range(6))
        assert told[-1] == explorer.stage
        assert explorer.judge is small.judge()

    def test_what_needs_the_judges_waits_for_them_and_frames_do_not(self):
        gate, frames = threading.Event(), []

        def judge():
            gate.wait(20)
            return small.judge()

        explorer = Explorer(judge, small.known)

        def show(frame):
            frames.append(frame)
            if frame.last:
                gate.set()  # as late as that

        found = explorer.explore(ask(method="plain"), show)
        assert all(frame.jury is None for frame in frames)
        assert found.verdicts.outcomes


class TestCode:
    @pytest.mark.parametrize(
        "question",
        [
            lambda: ask(weights={"steps": 3, "bending": 0.05}),
            lambda: ask(method="pgd"),
            lambda: ask(method="plain", structure="mirror", weights={"rate": 0.1, "steps": 5}),
            lambda: ask(method="latent", structure="lower", weights={"confidence": 0.7}),
            lambda: ask(method="latent-robust", structure="ink", weights={"steps": 4}),
            lambda: ask(method="proximal", structure="left", weights={"proximity": 0.2}),
            lambda: ask(method="proximal", weights={"radius": 0.4}),
            lambda: Question(centred(torch.eye(280).cummax(0).values[:, :60]), 4, method="robust"),
        ],
    )
    def test_it_runs_and_finds_the_same(self, question, monkeypatch, capsys):
        monkeypatch.setattr(judging, "digits_judge", small.judge)
        default = METHODS["xhat"]
        monkeypatch.setitem(vars(default), "known", small.known)
        found, _ = explore(question())
        scope: dict = {}
        exec(compile(python_code(question()), "code", "exec"), scope)  # noqa: S102
        assert torch.allclose(scope["result"].x, found.result.x, atol=1e-6)
        assert scope["verdicts"].outcomes == found.verdicts.outcomes
        assert capsys.readouterr().out.strip() == found.verdicts[0].explain()


def save(folder, shape=(1, 28, 28), rows=5, columns=None, metadata=None):
    x = torch.arange(rows * math.prod(shape)).reshape(rows, *shape).remainder(7) / 6
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
            "method": ["xhat"] * 5,
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


def test_structures_are_offered_where_they_can_hold():
    assert {name for name in METHODS if structures(name)} == set(METHODS) - {"xhat"}
