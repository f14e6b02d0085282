"""By what general constraints are kept: quadratic programs, multipliers, or one after the other."""

from collections.abc import Sequence

import torch
from torch import Tensor

from xhat.engine.answers import Answers
from xhat.engine.lagrangian import AugmentedLagrangian, columns
from xhat.engine.noticed import named
from xhat.engine.rounds import Rounds
from xhat.engine.run import Run
from xhat.engine.sqp import SQP, Programs, clips

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
            cannot = _unfit(run, stepper.programs)
            self.programs = None if cannot else Programs(run)
            self._tell(f"constraints were kept by {f'multipliers: {cannot}' if cannot else 'SQP'}")

    def once(self, ids: Tensor, number: int) -> Answers:
        """Return the answers of one try of the candidates ``ids``."""
        if self.programs is None:
            return self.rounds.once(ids, number)
        answers = self.programs.once(ids, number)
        failed = torch.tensor(sorted(self.programs.failed), dtype=torch.long)
        if len(failed) and not self.run.setup.stopped.is_set():
            further = self.rounds.once(failed, number, answers)
            answers.follow(further, failed)
            answers.keep_better(further, failed, self.run.setup.problem.tolerance)
            answers.cut_short(further, failed)
            self._tell(_taken_over(failed.tolist()))
        return answers

    def _tell(self, note: str) -> None:
        further = self.run.setup.noticed.further
        if note not in further:
            further.append(note)


def _taken_over(candidates: Sequence[int]) -> str:
    who = named([str(i) for i in candidates], ", ")
    return f"multipliers took over from SQP, which was stuck, for candidate {who}"


def _unfit(run: Run, how: SQP) -> str:
    """Return why quadratic programs are not for this search; nothing where they are."""
    setup, first = run.setup, torch.zeros(1, dtype=torch.long)
    problem = setup.narrowed(first)
    if setup.autocast or setup.passes > 1:
        return "the model answers too roughly for SQP"
    if problem.space.relaxed is not problem.space:
        return "the space rounds"
    if problem.projected:
        return "others are kept by projection"
    try:
        z = run.begin(first, 0)
        with torch.no_grad():
            conditions = columns(problem.general, problem.space.decode(z)).shape[1]
    except Exception:  # noqa: BLE001 - of the first start alone; it will be told of that one
        return ""
    if z[0].numel() > how.features:
        return f"{z[0].numel()} features are too many for SQP"
    if conditions > how.conditions:
        return f"{conditions} conditions are too many for SQP"
    return "" if clips(problem.space, z) else "the space is no product of intervals"
