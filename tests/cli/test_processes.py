"""True processes: what a shell sees of exit codes, streams, signals and files."""

import json

from tests.cli.shell import interrupt_when, start

WORDS = ["optimize", "--inputs", "x.npy", "--target", "1", "--out", "found", "--model"]


def finished(*words, cwd):
    process = start(*words, cwd=cwd)
    out, err = process.communicate(timeout=120)
    return process.returncode, out, err


def test_a_search_in_a_pipe_prints_its_summary_and_nothing_else(folder):
    code, out, err = finished(*WORDS, "own_models:classifier", cwd=folder)
    assert (code, err) == (0, "")
    assert json.loads(out.rpartition("Wrote")[0])["n"] == 3
    assert "\x1b" not in out
    assert "\r" not in out


def test_errors_are_one_line_but_for_debug(folder):
    ended, out, err = finished(*WORDS, "own_models:nothing", cwd=folder)
    assert (ended, out) == (2, "")
    assert err == "Error: the module own_models has no attribute 'nothing'.\n"
    ended, out, err = finished(*WORDS, "own_models:crash", cwd=folder)
    assert (ended, out) == (2, "")
    assert err.endswith("it says: KeyError: 'no such key'.\n")
    assert err.count("\n") == 1
    ended, out, err = finished(*WORDS, "own_models:crash", "--debug", cwd=folder)
    assert (ended, out) == (1, "")
    assert err.startswith("Traceback (most recent call last)")
    assert not (folder / "found").exists()


def test_an_interrupted_search_leaves_whole_files_or_none_and_says_so(folder):
    words = (*WORDS, "own_models:slow", "--confidence", "0.9999999", "--max-steps", "100000")
    code, _, err = interrupt_when(start(*words, cwd=folder), folder / "searching")
    assert code == 130
    assert err.startswith("Interrupted")
    assert err.count("\n") == 1
    left = {path.name for path in folder.glob("found/*")}
    assert left in (set(), {"results.parquet", "summary.json"})
    assert ("nothing half-written" in err) == (not left)


def test_an_interrupted_demo_leaves_no_file_and_says_so(folder):
    process = start("demo", "--starts", "50", "--out", "shown", cwd=folder)
    code, out, err = interrupt_when(process, folder / "shown")
    assert (code, out) == (130, "")
    assert err == "Interrupted; nothing half-written was left behind.\n"
    assert not (folder / "shown").exists()
