"""By what general constraints are kept: quadratic programs, multipliers, or one after the other."""

from collections.abc import Sequence

import torch
from torch import Tensor

from xhat.engine.answers import Answers
from xhat.engine.lagrangian import AugmentedLagrangian
from xhat.engine.noticed import named
from xhat.engine.rounds import Rounds, tell_what_pulls
from xhat.engine.run import Run
from xhat.engine.sqp import SQP, Programs, clips
from xhat.engine.status import Status

__all__ = ["Keeping"]


class Keeping:
    """All searches with general constraints, by what the stepper says, and what is possible.

    Args:
        run: of the problem as it was asked.
        steps: the step budget of one round of multipliers.
    """

    def __init__(self, run: Run, steps: int) -> None:
        self.run, stepper = run, run.setup.stepper
        how = stepper.lagrangian or AugmentedLagrangian(stepper)
        self.rounds, self.programs = Rounds(run, how, steps), None
        if stepper.programs is not None:
            cannot, sign = _seen(run, stepper.programs)
            self.programs = None if cannot else Programs(run, sign)
            if cannot:
                self._tell(f"constraints were kept by multipliers: {cannot}")

    def once(self, ids: Tensor, number: int) -> Answers:
        """Return the answers of one try of the candidates ``ids``."""
        if self.programs is None:
            return self.rounds.once(ids, number)
        answers = self.programs.once(ids, number)
        tell_what_pulls(self.run, answers, self.programs.pull, ids)
        failed = torch.tensor(sorted(self.programs.failed), dtype=torch.long)
        if len(failed) and not self.run.setup.stopped.is_set():
            further = self.rounds.once(failed, number, answers)
            answers.follow(further, failed)
            answers.keep_better(further, failed, self.run.setup.problem.tolerance)
            answers.cut_short(further, failed)
            for i in failed.tolist():  # of whom neither has found one, both have said it
                if further.status[i] is Status.INFEASIBLE:
                    answers.endings[i] = further.endings[i]
            self._tell(_taken_over(failed.tolist()))
        return answers

    def _tell(self, note: str) -> None:
        further = self.run.setup.noticed.further
        if note not in further:
            further.append(note)


def _taken_over(candidates: Sequence[int]) -> str:
    who = named([str(i) for i in candidates], ", ")
    return f"multipliers took over from SQP, which was stuck, for candidate {who}"


def _seen(run: Run, how: SQP) -> tuple[str, Tensor]:
    """Return why quadratic programs are not for this search, if so, and which conditions are equal.

    The latter as -1, and 0 for the others, ``(1, k)``.
    """
    setup, first = run.setup, torch.zeros(1, dtype=torch.long)
    problem, none = setup.narrowed(first), torch.zeros(1, 0)
    if setup.autocast or setup.passes > 1:
        return "the model answers too roughly for SQP", none
    if problem.space.relaxed is not problem.space:
        return "the space rounds", none
    if problem.projected:
        return "others are kept by projection", none
    try:
        z = run.begin(first, 0)
        with torch.no_grad():
            x = problem.space.decode(z)
            widths = [(part.equality, part.values(x).shape[1]) for part in problem.general]
    except Exception:  # noqa: BLE001 - whatever the code of others raises
        return "they say nothing of the first start", none
    sign = [-1.0 if equal else 0.0 for equal, width in widths for _ in range(width)]
    if z[0].numel() > how.features:
        return f"{z[0].numel()} features are too many for SQP", none
    if len(sign) > how.conditions:
        return f"{len(sign)} conditions are too many for SQP", none
    why = "" if clips(problem.space, z) else "the space is no product of intervals"
    return why, torch.tensor([sign], dtype=torch.float64)
