"""Laws of tasks: what holds for every task that is registered."""

import inspect
import sys

import pytest
import torch

from xhat.task import Shown, Stage, Task, task, tasks

NAMES = tasks()
OFFERS = {  # what may be refused, and with what to ask for it
    "truth": (),
    "domain": (),
    "explorer": (),
    "labelling": (),
    "train": (".",),
    "self_test": (".",),
}


def overridden(one, name):
    return getattr(type(one), name) is not getattr(Task, name)


def test_the_zoo_is_registered():
    assert {"airfoil", "ambigrams", "conjunction", "digits", "rendered", "shapes"} <= {*NAMES}
    assert list(NAMES) == sorted(NAMES)


@pytest.mark.parametrize("name", NAMES)
class TestEveryTask:
    def test_is_what_it_is_registered_as(self, name):
        one = task(name)
        assert isinstance(one, Task)
        assert one.name == name
        assert 10 < len(one.caption) < 100
        assert "\n" not in one.caption
        assert not one.caption.endswith(".")
        assert inspect.getdoc(type(one))

    def test_says_by_which_command_it_is_shown(self, name):
        command = task(name).command(3)
        assert command.startswith("xhat demo")
        assert "--seed 3" in command

    def test_refuses_options_that_it_does_not_have_before_the_work_begins(self, name, tmp_path):
        with pytest.raises(ValueError, match="has no option 'colour'"):
            task(name).demo(tmp_path, options={"colour": 3})
        assert list(tmp_path.iterdir()) == []

    def test_options_are_those_that_it_takes(self, name):
        one = task(name)
        assert one.train_options == () or overridden(one, "train")
        assert len({*one.demo_options}) == len(one.demo_options)

    def test_its_demo_runs_writes_and_says(self, name, tmp_path, monkeypatch):
        one, told = task(name), []
        monkeypatch.setattr(type(one), "run", lambda self, seed, tell, options: (seed, options))
        monkeypatch.setattr(type(one), "write", lambda self, found, out, command: out / command)
        monkeypatch.setattr(type(one), "say", lambda self, found: f"seed {found[0]}")
        shown = one.demo(tmp_path, seed=4, on_progress=told.append)
        assert shown == Shown(tmp_path / one.command(4), "seed 4")
        assert told == [Stage("pictures", 0, 1), Stage("pictures", 1, 1)]

    @pytest.mark.parametrize("offer", OFFERS)
    def test_what_it_does_not_offer_is_refused_in_one_sentence(self, name, offer):
        one = task(name)
        if overridden(one, offer):
            assert inspect.signature(getattr(type(one), offer)).parameters.keys() == (
                inspect.signature(getattr(Task, offer)).parameters.keys()
            )
            return
        with pytest.raises(ValueError, match=rf"the task {name} has no .*\.$"):
            getattr(one, offer)(*OFFERS[offer])

    def test_its_truth_can_be_called(self, name):
        one = task(name)
        if overridden(one, "truth"):
            assert callable(one.truth())

    def test_its_domain_has_real_samples_and_a_judge_of_them(self, name):
        one = task(name)
        if not overridden(one, "domain"):
            return
        domain = one.domain()
        assert bool(torch.isfinite(domain.x).all())
        assert domain.judge().alpha == 0.05
        assert domain.labels is None or len(domain.labels) == len(domain)


STRANGER = """
from pathlib import Path
from xhat.task import Stage, Task


class Kettle(Task):
    name = "kettle"
    caption = "how long a kettle must be on"
    demo_options = ("heat",)

    def run(self, seed, on_progress, options):
        on_progress(Stage("heating", 1, 1))
        return 100 / options.get("heat", 0.4)

    def write(self, found, out, command):
        page = Path(out) / "kettle.txt"
        page.write_text(f"{command}: {found:.0f} s")
        return page

    def say(self, found):
        return f"{found:.0f} seconds"


class NoTask:
    pass
"""


@pytest.fixture
def stranger(tmp_path, monkeypatch):
    """A distribution of somebody else's that registers a task, and what is none."""
    (tmp_path / "kettles.py").write_text(STRANGER)
    told = tmp_path / "kettles-1.0.dist-info"
    told.mkdir()
    (told / "METADATA").write_text("Metadata-Version: 2.1\nName: kettles\nVersion: 1.0\n")
    (told / "entry_points.txt").write_text(
        "[xhat.tasks]\nkettle = kettles:Kettle\nodd = kettles:NoTask\nbroken = kettles:Nothing\n"
        "away = no_such_module:Task\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    yield
    sys.modules.pop("kettles", None)


class TestAStrangersTask:
    def test_is_found_and_shown_like_the_others(self, stranger, tmp_path):
        assert "kettle" in tasks()
        stages = []
        shown = task("kettle").demo(
            tmp_path, seed=2, on_progress=stages.append, options={"heat": 0.5}
        )
        assert shown.said == "200 seconds"
        assert shown.page.read_text() == "xhat demo --task kettle --seed 2 --heat 0.5: 200 s"
        assert [stage.name for stage in stages] == ["heating", "pictures", "pictures"]

    @pytest.mark.parametrize(
        ("name", "kind", "said"),
        [
            ("odd", TypeError, "kettles:NoTask is registered as the task odd, but is no Task"),
            ("broken", ValueError, "the task broken cannot be loaded: .*Nothing"),
            ("away", ValueError, "the task away cannot be loaded: No module named 'no_such"),
            ("chess", ValueError, "task must be one of .*, but is 'chess'"),
        ],
    )
    def test_what_is_no_task_is_refused_in_one_sentence(self, stranger, name, kind, said):
        with pytest.raises(kind, match=said):
            task(name)

    def test_without_any_task_it_is_said_where_examples_are(self, monkeypatch):
        monkeypatch.setattr(sys.modules[Task.__module__], "entry_points", lambda group: ())
        assert tasks() == ()
        with pytest.raises(ValueError, match="pip install xhat-zoo"):
            task("digits")
