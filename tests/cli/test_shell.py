import io
import sys

import pytest
import torch
from rich.console import Console

from xhat.cli import shell
from xhat.core import InputWarning

COMMANDS = ("demo", "optimize", "judge", "train", "info")


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_with_an_example(xhat, command):
    code, out, err = xhat(command, "--help")
    assert (code, err) == (0, "")
    assert f"Example: xhat {command}" in " ".join(out.split())
    assert "\x1b" not in out
    options = {"info": (), "judge": ("--out",)}.get(command, ("--out", "--seed"))
    assert all(option in out for option in options)


def test_help_of_the_whole_names_every_command_and_debug(xhat):
    for words in ((), ("--help",)):
        code, out, err = xhat(*words)
        assert (code, err) == (0, "")
        assert all(name in out for name in (*COMMANDS, "--debug"))


def test_defaults_are_shown(xhat):
    assert "[default: proximal]" in " ".join(xhat("optimize", "--help")[1].replace("│", "").split())
    assert "[default: all]" in " ".join(xhat("demo", "--help")[1].replace("│", "").split())


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["fly"], "No such command 'fly'; see xhat --help."),
        (["demo", "--startz", "3"], "No such option: --startz"),
        (["demo", "--starts", "many"], "Invalid value for '--starts'"),
        (["demo", "--starts"], "'--starts' requires an argument"),
        (["demo", "extra"], "Got unexpected extra argument"),
        (["train"], "Missing argument 'task'"),
        (["optimize", "--model", "a:b", "--inputs", "x.npy", "--bounds", "0"], "requires 2"),
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
    words = ["optimize", "--model", "own_models:crash", "--inputs", "x.npy", "--target", "1"]
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
    monkeypatch.setattr("xhat.cli.commands.match", interrupted)
    code, out, err = xhat(*words, "--out", "stopped")
    assert (code, out) == (130, "")
    assert err == "Interrupted; nothing half-written was left behind.\n"
    assert list((folder / "stopped").iterdir()) == []


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
    assert "[/red].npy" in refused("judge", "--samples", "[/red].npy", "--targets", "3")


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


def test_info_names_versions_threads_and_devices(xhat):
    code, out, err = xhat("info")
    assert (code, err) == (0, "")
    told = dict(line.split(maxsplit=1) for line in out.splitlines())
    assert told["torch"] == torch.__version__
    assert told["threads"] == str(torch.get_num_threads())
    assert told["devices"].startswith("cpu")
    assert "latent-robust" in told["methods"]


def test_the_kinds_of_errors_that_users_can_put_right():
    assert not issubclass(InputWarning, shell._EXPECTED)
    assert not issubclass(KeyError, shell._EXPECTED)
    assert issubclass(ValueError, shell._EXPECTED)
