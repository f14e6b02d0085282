"""Being asked to stop, and two runs into one folder."""

import dataclasses
import signal

import pandas as pd
import pytest

from tests.cli.shell import interrupt_when, start
from xhat.cli.stopping import SAID, Stopped, answering, stoppable
from xhat.core import claimed_folder
from xhat.door import optimizing as searching
from xhat.engine import Status

WORDS = ["optimize", "--inputs", "x.npy", "--target", "1", "--out", "found", "--model"]


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
class TestASignal:
    def test_stops_at_once(self, number, code):
        with pytest.raises(Stopped) as stopped, stoppable():
            signal.raise_signal(number)
        assert stopped.value.code == code
        assert not isinstance(stopped.value, Exception | KeyboardInterrupt)
        signal.signal(signal.SIGINT, signal.default_int_handler)  # the process did not end

    def test_asks_a_search_for_its_answer_and_the_second_stops_it(self, number, code):
        with answering() as asked:
            with pytest.raises(KeyboardInterrupt):
                signal.raise_signal(number)
            assert asked.number == number
            with pytest.raises(Stopped):
                signal.raise_signal(number)
        with pytest.raises(Stopped) as stopped, answering():
            signal.raise_signal(number)  # and the search has no answer
        assert stopped.value.code == code

    def test_handlers_are_given_back(self, number, code):
        before = signal.getsignal(number)
        with stoppable():
            within = signal.getsignal(number)
            with answering():
                assert signal.getsignal(number) not in (before, within)
            assert signal.getsignal(number) is within
        assert signal.getsignal(number) is before

    def test_leaves_what_a_search_has_so_far(self, xhat, folder, monkeypatch, number, code):
        search = searching.optimize

        def interrupted(*args, **options):
            found = search(*args, **options)
            with pytest.raises(KeyboardInterrupt):
                signal.raise_signal(number)
            status = (Status.INTERRUPTED, *found.status[1:])
            return dataclasses.replace(found, status=status)

        monkeypatch.setattr(searching, "optimize", interrupted)
        ended, out, err = xhat(*WORDS, "own_models:classifier", "--max-steps", "3")
        assert ended == code
        assert "Wrote found/results.parquet" in out
        assert err == (
            "Interrupted with 2 of 3 candidates finished; the best so far was written for the "
            "others.\n"
        )
        table = pd.read_parquet(folder / "found" / "results.parquet")
        assert table["status"][0] == "interrupted"


def test_a_model_that_failed_late_is_told(xhat, folder, monkeypatch):
    search = searching.optimize

    def failing(*args, **options):
        found = search(*args, **options)
        status = (Status.FAILED, *found.status[1:])
        return dataclasses.replace(found, status=status, details=(": no more memory", "", ""))

    monkeypatch.setattr(searching, "optimize", failing)
    code, _, err = xhat(*WORDS, "own_models:classifier")
    assert code == 0
    assert err == ("Of 3 candidates 1 could not be finished: the model failed: no more memory.\n")
    assert len(pd.read_parquet(folder / "found" / "results.parquet")) == 3


def test_the_second_run_into_a_folder_is_told(xhat, refused, folder):
    with claimed_folder(folder / "found") as found:
        (found / "theirs.txt").touch()
        told = refused(*WORDS, "own_models:classifier")
        assert "another process is writing to the folder found; wait until it has ended" in told
    assert [path.name for path in found.iterdir()] == ["theirs.txt"]
    assert xhat(*WORDS, "own_models:classifier")[0] == 0


def test_sigterm_ends_a_process_with_143_and_one_sentence(folder):
    """Nothing is left, or whole files of what there was."""
    words = (*WORDS, "own_models:slow", "--confidence", "0.9999999", "--max-steps", "100000")
    process = start(*words, cwd=folder)
    code, _, err = interrupt_when(process, folder / "searching", number=signal.SIGTERM)
    assert code == 143
    assert err.count("\n") == 1
    assert err.startswith("Interrupted")
    left = {path.name for path in folder.glob("found/*")}
    assert left in (set(), {"results.parquet", "summary.json"})
    assert (err == f"{SAID}\n") == (not left)
