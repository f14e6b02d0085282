import io
import json
import runpy
import subprocess
import sys

import pytest
import torch
from rich.console import Console

from xhat.cli import names, shell
from xhat.core import InputWarning
from xhat.methods import known_methods
from xhat.surrogates import PARTS
from xhat.task import tasks
from xhat_zoo.digits.controls import HALVES
from xhat_zoo.digits.embeddings import EMBEDDINGS
from xhat_zoo.digits.recipes import known_recipes
from xhat_zoo.digits.steering import METHODS

COMMANDS = ("demo", "optimize", "audit", "self-test", "train", "info")


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_with_an_example(xhat, command):
    code, out, err = xhat(command, "--help")
    assert (code, err) == (0, "")
    assert f"Example: xhat {command}" in " ".join(out.split())
    assert "\x1b" not in out
    options = {"info": ()}.get(command, ("--out", "--seed"))
    assert all(option in out for option in options)


def test_help_of_the_whole_names_every_command_and_debug(xhat):
    for words in ((), ("--help",)):
        code, out, err = xhat(*words)
        assert (code, err) == (0, "")
        assert all(name in out for name in (*COMMANDS, "--debug"))


def test_defaults_are_shown(xhat):
    assert "[default: the best one]" in " ".join(
        xhat("optimize", "--help")[1].replace("│", "").split()
    )
    assert "[default: all]" in " ".join(xhat("demo", "--help")[1].replace("│", "").split())


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["fly"], "No such command 'fly'; see xhat --help."),
        (["demo", "--startz", "3"], "No such option: --startz"),
        (["demo", "--starts", "many"], "Invalid value for '--starts'"),
        (["demo", "--starts"], "'--starts' requires an argument"),
        (["demo", "extra"], "Got unexpected extra argument"),
        (["demo", "--seed"], "'--seed' requires an argument"),
        (["optimize", "--model", "a:b", "--inputs", "x.npy", "--bounds"], "requires an argument"),
    ],
)
def test_wrong_usage_is_one_sentence_that_points_at_the_help(refused, words, said):
    told = refused(*words)
    assert said in told
    assert told.endswith("--help.")


@pytest.mark.parametrize("place", [0, 1, 3, None])
def test_debug_anywhere_shows_where_an_error_came_from(xhat, folder, place):
    words = ["optimize", "--model", "own_models:nothing", "--inputs", "x.npy", "--target", "1"]
    code, _, err = xhat(*words)
    assert (code, err.count("\n")) == (2, 1)
    at = len(words) if place is None else place
    with pytest.raises(ValueError, match="no attribute 'nothing'"):
        xhat(*words[:at], "--debug", *words[at:])


def test_an_unexpected_error_is_one_line_too(xhat, folder, capsys, monkeypatch):
    def crash(*_, **__):
        raise KeyError("no such key")

    monkeypatch.setattr("xhat.door.optimizing.optimize", crash)
    words = ["optimize", "--model", "own_models:lift", "--inputs", "x.npy", "--value", "2"]
    with pytest.raises(KeyError) as error:
        xhat(*words)
    sys.excepthook(error.type, error.value, error.tb)  # as Python does at the end
    assert capsys.readouterr().err == (
        "Error: KeyError: 'no such key'; run again with --debug to see where.\n"
    )
    monkeypatch.undo()


def test_an_interrupt_ends_with_130_and_a_sentence(xhat, folder, monkeypatch):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    words = ["optimize", "--model", "own_models:lift", "--inputs", "x.npy", "--value", "2"]
    assert xhat(*words, "--out", "fine")[0] == 0
    monkeypatch.setattr("xhat.door.optimizing.optimize", interrupted)
    code, out, err = xhat(*words, "--out", "stopped")
    assert (code, out) == (130, "")
    assert err == "Interrupted; nothing half-written was left behind.\n"
    assert not (folder / "stopped").exists()


def test_a_warning_is_one_line(xhat, folder):
    words = ["optimize", "--inputs", "x.npy", "--target", "1", "--max-steps", "2", "--model"]
    code, _, err = xhat(*words, "own_models:training")
    assert code == 0
    assert err.startswith("Warning: Sequential is in training mode")
    assert err.count("\n") == 1
    assert xhat(*words, "own_models:classifier")[2] == ""


def test_brackets_in_names_are_not_taken_for_markup(xhat, folder, refused):
    words = ["optimize", "--model", "own_models:lift", "--inputs", "x.npy", "--value", "2"]
    code, out, _ = xhat(*words, "--out", "[bold]x")
    assert code == 0
    assert "Wrote [bold]x/results.parquet" in out
    assert "[/red].npy" in refused("audit", "--inputs", "[/red].npy", "--reference", "digits")


def test_progress_is_drawn_on_a_terminal_only(monkeypatch):
    for terminal in (True, False):
        stream = io.StringIO()
        screen = Console(file=stream, force_terminal=terminal, width=80)
        monkeypatch.setattr(shell, "errors", screen)
        with shell.progress_bar() as update:
            update("candidates", 1, 4)
            update("candidates", 4, 4)
            update("pictures", 0, 1)
        assert ("candidates" in stream.getvalue()) == terminal
        assert ("4/4" in stream.getvalue()) == terminal
        assert bool(stream.getvalue()) == terminal


def test_info_names_versions_and_with_devices_what_torch_knows(xhat, tmp_path):
    code, out, err = xhat("info", "--devices", "--out", tmp_path / "told")
    assert (code, err) == (0, "")
    told = dict(line.split(maxsplit=1) for line in out.splitlines())
    assert told == json.loads((tmp_path / "told" / "info.json").read_text())
    assert told["torch"] == torch.__version__
    assert told["threads"] == str(torch.get_num_threads())
    assert told["devices"].startswith("cpu")
    assert "latent-robust" in told["methods"]
    assert "devices" not in xhat("info")[1]


HEAVY = ("torch", "numpy", "scipy", "matplotlib", "pyarrow", "PIL", "sqlalchemy", "uvicorn")
LISTS = """
import runpy, sys
sys.argv = ["xhat", *sys.argv[1:]]
try:
    runpy.run_module("xhat", run_name="__main__", alter_sys=True)
finally:
    sys.stderr.write(" ".join(sorted({name.partition(".")[0] for name in sys.modules})))
"""


@pytest.mark.parametrize(
    "words",
    [
        ["--help"], ["info"], ["fly"], *([command, "--help"] for command in COMMANDS),
        ["explore", "--help"],
        ["label", "--help"], ["label", "serve", "--help"], ["label", "export", "--help"],
    ],
    ids=" ".join,
)  # fmt: skip
def test_help_and_info_need_no_more_than_words(words):
    ended = subprocess.run(  # noqa: S603 - our own words
        [sys.executable, "-c", LISTS, *words], capture_output=True, text=True, check=False
    )
    assert ended.returncode == (2 if words == ["fly"] else 0)
    assert not {*HEAVY} & {*ended.stderr.split()}
    assert "typer" in ended.stderr.split()


def test_the_names_in_help_are_those_that_there_are():
    assert tuple(METHODS) == names.METHODS
    assert set(names.KNOWN_METHODS) == set(known_methods())
    assert tuple(known_recipes()) == names.RECIPES
    assert tuple(PARTS) == names.PARTS
    assert names.DEFAULT_TASK in tasks()
    assert tuple(EMBEDDINGS) == names.EMBEDDINGS
    assert names.HALVES == HALVES


def test_the_module_is_the_command(capsys, monkeypatch):
    called = []
    monkeypatch.setattr("xhat.cli.main", lambda: called.append(True))
    runpy.run_module("xhat", run_name="__main__")
    assert called == [True]
    runpy.run_module("xhat.__main__", run_name="xhat.__main__")
    assert called == [True]


def test_the_kinds_of_errors_that_users_can_put_right():
    assert not issubclass(InputWarning, shell._EXPECTED)
    assert not issubclass(KeyError, shell._EXPECTED)
    assert issubclass(ValueError, shell._EXPECTED)
