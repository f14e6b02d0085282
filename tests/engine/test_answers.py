"""Which of two tries is kept."""

import pytest
import torch

from xhat.engine import Ending, Status
from xhat.engine.answers import Answers


def tried(violation, reached, loss):
    """One candidate's answers of a try."""
    answers = Answers(1)
    x = torch.full((1, 2), float(loss))
    values = {
        "x": x,
        "z": x,
        "loss": torch.tensor([loss]),
        "confidence": torch.tensor([0.5]),
        "reached": torch.tensor([reached]),
        "violation": torch.tensor([violation]),
        "steps": torch.tensor([3]),
        "evaluations": torch.tensor([4]),
    }
    answers.write(torch.tensor([0]), values, [Ending(Status.FAILED, f" at {loss}")])
    return answers


NAN = float("nan")


@pytest.mark.parametrize(
    ("ours", "theirs", "won"),
    [
        ((0.0, False, 1.0), (0.0, False, 0.5), True),  # the lower loss
        ((0.0, False, 0.5), (0.0, False, 1.0), False),
        ((0.0, True, 1.0), (0.0, False, 0.5), False),  # the target counts for more
        ((0.0, False, 0.5), (0.0, True, 1.0), True),
        ((0.0, False, 1.0), (2.0, True, 0.5), False),  # and feasibility for more than that
        ((2.0, True, 0.5), (0.0, False, 1.0), True),
        ((2.0, True, 0.5), (1.0, False, 1.0), True),  # among infeasible ones, the nearer
        ((0.0, False, NAN), (0.0, False, 9.0), True),  # what never was finite found nothing
        ((0.0, False, 9.0), (0.0, True, NAN), False),
    ],
)
def test_feasible_before_reached_before_the_lower_loss(ours, theirs, won):
    kept, other = tried(*ours), tried(*theirs)
    kept.keep_better(other, torch.tensor([0]), tolerance=1e-5)
    best = theirs if won else ours
    assert kept.endings == [Ending(Status.FAILED, f" at {best[2]}")]
    assert kept.columns["loss"].item() == pytest.approx(best[2], nan_ok=True)
    assert kept.columns["reached"].item() == best[1]
    assert kept.columns["x"][0, 0].item() == pytest.approx(best[2], nan_ok=True)
    assert kept.columns["steps"].item() == 6
    assert kept.columns["evaluations"].item() == 8


def path(n, losses, first=0):
    """Answers of ``n`` candidates whose frames from ``first`` on have these losses."""
    answers = Answers(n, trace=1)
    for step, row in enumerate(losses, start=first):
        ids = torch.tensor([i for i, loss in enumerate(row) if loss is not None])
        loss = torch.tensor([loss for loss in row if loss is not None])
        answers.record(ids, torch.full((len(ids),), step), loss[:, None].repeat(1, 2), loss)
    steps = torch.full((n,), first + len(losses) - 1)
    nothing = torch.zeros(n)
    values = {"x": torch.full((n, 2), 9.0), "loss": nothing + 9, "steps": steps}
    answers.write(torch.arange(n), values, ["ended"] * n)
    return answers


def test_frames_of_a_pass_that_went_on_follow_those_that_were_there():
    begun = path(3, [[0.0, 10.0, 20.0], [1.0, 11.0, 21.0], [2.0, 12.0, None]])
    onward = path(3, [[-1.0, -1.0, -1.0], [3.0, 13.0, -1.0], [None, 14.0, -1.0]], first=2)
    begun.follow(onward, torch.tensor([0, 1]))
    found = begun.trajectory()
    nine = 9.0  # a candidate that has left stays at its answer, with which everything ends
    assert found.loss.T.tolist() == [
        [0.0, 1.0, 2.0, 3.0, nine, nine],
        [10.0, 11.0, 12.0, 13.0, 14.0, nine],
        [20.0, 21.0, nine, nine, nine, nine],
    ]
    assert torch.equal(found.x, found.loss[:, :, None].expand_as(found.x))


@pytest.mark.parametrize(("ours", "theirs"), [(4, 2), (2, 4), (3, 3)])
def test_the_path_of_the_try_that_is_kept_is_shown_whichever_is_longer(ours, theirs):
    first = path(2, [[5.0 + k, 50.0 + k] for k in range(ours)])
    second = path(2, [[1.0 + k, 10.0 + k] for k in range(theirs)])
    for answers in (first, second):
        answers.columns |= {"violation": torch.zeros(2), "confidence": torch.zeros(2)}
    second.columns["loss"] = torch.tensor([8.0, 99.0])  # better, and worse, than 9
    first.keep_better(second, torch.arange(2), tolerance=1e-5)
    found = first.trajectory().loss.T.tolist()
    longest = max(ours, theirs) + 1
    kept = [1.0 + k for k in range(theirs)] + [8.0] * (longest - theirs)
    had = [50.0 + k for k in range(ours)] + [9.0] * (longest - ours)
    assert found == [kept, had]


def test_who_was_not_tried_again_keeps_what_it_has():
    kept = tried(0.0, False, 1.0)
    kept.keep_better(tried(0.0, True, 0.1), torch.tensor([], dtype=torch.long), tolerance=1e-5)
    assert kept.columns["loss"].item() == 1.0


def test_nothing_is_recorded_that_nobody_asked_for():
    assert Answers(2).trace == 0
    assert tried(0.0, False, 1.0).trajectory() is None
