import math
import threading
import time

import pytest
import torch

from tests.apps.explorer import small
from tests.apps.explorer.small import SHAPES, THREE
from tests.domains import small_classifier, small_digits, wine
from xhat.apps.explorer import Explorer
from xhat.apps.explorer.pictures import as_bytes, as_image, resized
from xhat.apps.explorer.question import STRUCTURES, settings, structures
from xhat.domain import Domain
from xhat.methods import Options, known_methods, method
from xhat.objectives.goals import Class
from xhat.task import Cancelled

METHODS = tuple(known_methods())


def ask(index=THREE, target=8, **options):
    return small.explorer().ask(index, target, **options)


def explore(question, **options):
    frames = []
    found = small.explorer().explore(question, frames.append, **options)
    return found, frames


class TestQuestion:
    @pytest.mark.parametrize("name", METHODS)
    def test_the_settings_stand_where_the_method_stands(self, name):
        how = small.explorer().how[name]
        own = {setting.name: setting.default for setting in settings(how)}
        question = ask(method=name, weights=own)
        assert question.method == how
        assert question.constraints == ()
        for setting in settings(how):
            assert setting.low <= setting.default <= setting.high, setting.name
            assert setting.says.endswith("."), setting.name

    @pytest.mark.parametrize("name", METHODS)
    def test_every_setting_turns_something(self, name):
        how = small.explorer().how[name]
        for setting in settings(how):
            other = setting.low if setting.default == setting.high else setting.high
            question = ask(method=name, weights={setting.name: other})
            turned = question.method != how or question.constraints or question.options
            assert turned, setting.name

    @pytest.mark.parametrize(
        ("options", "said"),
        [
            ({"target": 10}, "target must be a number from 0 to 9"),
            ({"target": -1}, "target must be a number"),
            ({"target": True}, "target must be a number"),
            ({"index": 10_000}, "index must be that of a real sample"),
            ({"index": -1}, "index must be that of a real sample"),
            ({"index": int(small_digits().halves[1][0])}, "index must be"),  # the judge's own
            ({"method": "magic"}, "method must be one of"),
            ({"weights": {"prior": 0.1}}, "has no 'prior'; it has"),
            ({"weights": {"levels": 0}}, "levels must lie from 1"),
            ({"weights": {"share": math.nan}}, "share must be"),
            ({"weights": {"share": math.inf}}, "share must be"),
            ({"weights": {"share": 1}}, "share must lie from 0.01 to 0.99"),
            ({"structure": "round"}, "structure must be one of"),
            ({"structure": "mirror", "method": "retrieval"}, "does not begin at the start"),
            (
                {"structure": "ink", "method": "plain", "weights": {"radius": 0.2}},
                "exclude each other",
            ),
        ],
    )
    def test_what_makes_no_sense_is_refused(self, options, said):
        with pytest.raises(ValueError, match=said):
            ask(**options)

    @pytest.mark.parametrize(
        ("start", "said"),
        [
            (torch.zeros(2, 1, 8, 8), "one image"),
            (torch.zeros(1, 3, 8, 8), "must be"),
            (torch.full((1, 1, 8, 8), 2.0), r"must lie in \[0, 1\]"),
        ],
    )
    def test_a_start_is_one_image(self, start, said):
        with pytest.raises(ValueError, match=said):
            small.explorer().ask(start, 3)

    def test_structures_are_offered_where_they_can_hold(self):
        kept = {name for name, how in small.explorer().how.items() if structures(how)}
        assert kept == set(METHODS) - {"nearest", "retrieval", "diffused", "distilled"}


class TestExploring:
    @pytest.mark.parametrize("name", METHODS)
    def test_frames_begin_at_the_start_and_end_at_what_was_found(self, name):
        own = {setting.name for setting in settings(small.explorer().how[name])}
        few = {step: 4 for step in ("max_steps", "levels") if step in own}
        question = ask(method=name, weights=few)
        found, frames = explore(question)
        assert torch.equal(frames[0].x, question.start)
        assert torch.equal(frames[-1].x, found.result.x)
        assert [frame.last for frame in frames] == [False] * (len(frames) - 1) + [True]
        steps = [frame.step for frame in frames[1:-1]]
        first = steps[0] if steps else 0
        assert steps == list(range(first, first + len(steps)))
        assert len(frames) == 2 if not question.how.from_start else len(frames) > 2
        for frame in frames:
            assert sum(frame.surrogate) == pytest.approx(1, abs=1e-4)
            assert frame.moved == pytest.approx(float((frame.x - question.start).norm()), abs=1e-4)
        assert frames[-1].jury is not None
        assert frames[-1].loss == pytest.approx(float(found.result.loss))
        seconds = [frame.seconds for frame in frames]
        assert seconds == sorted(seconds)
        assert len(found.labels) == len(found.nearest) == 3
        assert found.verdicts[0].explain()

    def test_every_frame_is_a_state_of_the_search(self):
        _, frames = explore(ask(method="flow"))
        how, domain, model = method("flow"), small_digits(), small_classifier()
        options = Options(trace=1)
        path = how.search(model, Class(8), domain.x[[THREE]], domain, options=options).trajectory
        assert torch.equal(torch.stack([frame.x for frame in frames]), path.x)
        assert all(
            frame.jury is not None for frame in frames
        )  # that of another frame would mislead
        losses = [-math.log(frame.surrogate[8]) for frame in frames[1:]]
        assert [frame.loss for frame in frames[1:]] == pytest.approx(losses, abs=1e-3)

    @pytest.mark.parametrize("name", STRUCTURES)
    @pytest.mark.parametrize("method", ["plain", "latent", "flow"])
    def test_a_structure_holds_and_is_certified(self, name, method):
        question = ask(
            method=method, structure=name, weights={} if method == "flow" else {"max_steps": 3}
        )
        found, _ = explore(question)
        x, x0 = found.result.x[0, 0], question.start[0, 0]
        held = {
            "left": lambda: torch.equal(x[:, :4], x0[:, :4]),
            "lower": lambda: torch.equal(x[4:], x0[4:]),
            "mirror": lambda: torch.equal(x, x.flip(-1)),
            "ink": lambda: abs(float(x.sum() - x0.sum())) < 1e-3,
        }
        assert held[name]()
        assert not torch.equal(x, x0)
        assert found.verdicts.structure is not None
        assert "holds" in found.verdicts.structure.explain(0)

    @pytest.mark.parametrize("method", ["plain", "latent", "flow"])
    def test_a_radius_is_kept(self, method):
        few = {} if method == "flow" else {"max_steps": 10}
        found, _ = explore(ask(method=method, weights={"radius": 0.1} | few))
        assert (found.result.x - found.result.x0).abs().max() <= 0.1 + 1e-6

    def test_nobody_waits_for_what_nobody_wants(self):
        frames, question = [], ask(method="latent")
        with pytest.raises(Cancelled):
            small.explorer().explore(question, frames.append, lambda: len(frames) >= 3)
        assert len(frames) == 3

    def test_the_judges_do_not_keep_the_picture_waiting(self):
        explorer, frames = small.make(share=0.2), []
        explorer.warm()
        slowly = [
            member.register_forward_hook(lambda *_: time.sleep(0.05))
            for member in explorer.judge.jury.members
        ]
        try:
            explorer.explore(explorer.ask(THREE, 8, method="latent"), frames.append)
        finally:
            for hook in slowly:
                hook.remove()
        asked = [frame.jury is not None for frame in frames]
        assert asked[0]
        assert asked[-1]
        assert sum(asked) < len(asked) / 2

    @pytest.mark.parametrize("share", [0, 1, -1])
    def test_the_judges_need_some_of_the_time(self, share):
        with pytest.raises(ValueError, match="share"):
            small.make(share=share)


class TestAnyImages:
    """Coloured, not square, values to 255, three classes with names, and no network trained."""

    def test_they_are_searched_and_judged(self):
        explorer, frames = small.colours(), []
        index, x = explorer.sample(0, 0)
        assert x.shape == (1, 3, 12, 10)
        question = explorer.ask(index, 2, method="plain", weights={"radius": 0.5})
        found = explorer.explore(question, frames.append)
        again = explorer.explore(question, frames.append)
        assert torch.equal(found.result.x, again.result.x)
        assert (found.result.x - x).abs().max() <= 0.5 * 255 + 1e-3
        assert frames[-1].surrogate[2] > frames[0].surrogate[2]
        assert frames[-1].moved == pytest.approx(float((found.result.x - x).norm()) / 255, abs=1e-3)
        assert set(found.labels) <= {0, 1, 2}
        assert len(frames[-1].jury) == len(SHAPES) + 1
        assert "'red block'," in explorer.code(question)

    def test_a_sheet_of_their_own_proportions(self):
        explorer = small.colours()
        sheet = torch.zeros(3, 240, 200)
        sheet[0, 40:140, 40:140] = 1.0
        drawn = explorer.drawn(sheet)
        assert drawn.shape == (1, 3, 12, 10)
        assert drawn[0, 0, 2:7, 2:7].eq(255).all()
        assert drawn[0, 1:].eq(0).all()

    def test_pictures_there_and_back(self):
        x = torch.randint(0, 256, (1, 3, 12, 10)).float()
        assert torch.equal(as_image(as_bytes(x, 0, 255), (3, 12, 10), 0, 255).round(), x)
        large = (x[0] / 255).repeat_interleave(20, 1).repeat_interleave(20, 2)
        assert torch.allclose(resized(large, (3, 12, 10)), x / 255, atol=1e-6)
        with pytest.raises(ValueError, match="12 x 10 pixels or more, but has 8 x 8"):
            resized(torch.zeros(3, 8, 8), (3, 12, 10))
        with pytest.raises(ValueError, match="360 bytes"):
            as_image(b"abc", (3, 12, 10), 0, 255)

    @pytest.mark.parametrize(
        ("domain", "said"),
        [
            (wine, "for images with classes"),
            (lambda: Domain(small_digits().x), "for images with classes"),
            (lambda: Domain(small_digits().x, small_digits().labels.clamp(max=3)), r"\(n, 4\)"),
        ],
    )
    def test_what_it_is_not_for_is_said(self, domain, said):
        with pytest.raises(ValueError, match=said):
            Explorer(domain(), small_classifier())


class TestSettingUp:
    def test_it_tells_how_far_it_is_and_happens_once(self, monkeypatch):
        explorer, told, made = small.make(), [], []
        fit = small_digits().judge
        monkeypatch.setattr(
            small_digits(), "judge", lambda *a, **k: fit(*a, **k) if a else made.append(1) or fit()
        )
        assert explorer.judge is explorer.stage is None
        explorer.warm(told.append)
        explorer.warm()
        assert made == [1]
        assert [stage.done for stage in told] == list(range(len(told)))
        assert told[1].name == "method flow"
        assert told[-1] == explorer.stage
        assert explorer.judge is fit()

    def test_what_needs_the_judges_waits_for_them_and_frames_do_not(self, monkeypatch):
        gate, frames, fit = threading.Event(), [], small_digits().judge

        def judge(*_):
            gate.wait(20)
            return fit()

        explorer = small.make()
        monkeypatch.setattr(small_digits(), "judge", judge)

        def show(frame):
            frames.append(frame)
            if frame.last:
                monkeypatch.undo()
                gate.set()  # as late as that

        found = explorer.explore(explorer.ask(THREE, 8, method="plain"), show)
        assert all(frame.jury is None for frame in frames)
        assert found.verdicts.outcomes


class TestCode:
    @pytest.mark.parametrize(
        ("start", "options"),
        [
            (THREE, {"method": "flow", "structure": "ink", "weights": {"levels": 4}}),
            (THREE, {"method": "retrieval", "weights": {"max_steps": 3, "bending": 0.05}}),
            (THREE, {"method": "pgd"}),
            (THREE, {"method": "plain", "structure": "mirror", "weights": {"rate": 0.1}}),
            (THREE, {"method": "latent", "structure": "lower", "weights": {"confidence": 0.7}}),
            (THREE, {"method": "latent-robust", "structure": "ink", "weights": {"max_steps": 4}}),
            (THREE, {"method": "proximal", "structure": "left", "weights": {"proximity": 0.2}}),
            (THREE, {"method": "proximal", "weights": {"radius": 0.4}}),
            (THREE, {"method": "annealed", "weights": {"levels": 5}}),
            (torch.eye(8)[None, None], {"method": "robust"}),
        ],
    )
    def test_it_runs_and_finds_the_same(self, start, options, capsys):
        question = ask(start, 4, **options)
        found, _ = explore(question)
        scope: dict = {}
        exec(compile(small.explorer().code(question), "code", "exec"), scope)  # noqa: S102
        assert torch.allclose(scope["found"].x, found.result.x, atol=1e-6)
        assert capsys.readouterr().out.strip() == found.verdicts[0].explain()
