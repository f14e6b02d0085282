"""Why a search ended: an enumeration whose values are the sentences."""

from dataclasses import dataclass
from enum import StrEnum

__all__ = ["Ending", "Status", "meant"]


class Status(StrEnum):
    """Why a candidate's search ended; each value is the sentence that says so.

    Example:
        >>> Status("target reached") is Status.TARGET_REACHED
        True
    """

    TARGET_REACHED = "target reached"
    LOSS_BELOW = "loss below the wanted value"
    CONVERGED = "constraints hold and the loss no longer falls"
    NO_BETTER_NEIGHBOUR = "no neighbour is better"
    BEST_OF_ALL = "best of all combinations"
    NO_PROGRESS = "no more progress"
    STEPS_SPENT = "step budget spent"
    ROUNDS_SPENT = "round budget spent"
    ROUND_ENDED = "round ended"
    EVALUATIONS_SPENT = "evaluation budget spent"
    TIME_SPENT = "time budget spent"
    STOPPED = "stopped by a rule of one's own"
    DENIED = "what the search claimed did not hold when asked again"
    VIOLATED = "a constraint is violated beyond the tolerance"
    INFEASIBLE = "no feasible point was found"
    LOSS_NOT_FINITE = "loss became non-finite"
    GRADIENT_NOT_FINITE = "gradient became non-finite"
    FLAT_START = (
        "the gradient is zero at the start: a dead or saturated model, rounding inside it, or "
        "nothing to improve"
    )
    FLAT = "the gradient is zero"
    TOO_SMALL_STEP = "the step is too small to move the input; raise the rate or search in float64"
    INTERRUPTED = "interrupted"
    FAILED = "the model failed"
    SHARD_FAILED = "its shard failed three times"
    SAMPLED = "sampled"
    LOOKED_UP = "looked up"
    NOT_SEARCHED = "not searched"

    def __repr__(self) -> str:
        """Return the sentence in quotes, as it reads best in tables and notebooks."""
        return repr(self.value)

    @property
    def cut_short(self) -> bool:
        """Whether the search was ended from outside: by Ctrl-C, or by an exception."""
        return self in (Status.INTERRUPTED, Status.FAILED, Status.SHARD_FAILED)

    @property
    def hopeless(self) -> bool:
        """Whether nothing that the same search could do next would help."""
        return self.cut_short or self in (
            Status.LOSS_NOT_FINITE,
            Status.GRADIENT_NOT_FINITE,
            Status.FLAT_START,
            Status.INFEASIBLE,
        )


@dataclass(frozen=True)
class Ending:
    """Why one candidate's search ended, and what more there is to say of it.

    Attributes:
        status: why.
        detail: what follows the status in a sentence, such as `` at step 3``; empty for nothing.
            Of a stop rule of one's own it is the whole sentence.
    """

    status: Status
    detail: str = ""

    @property
    def sentence(self) -> str:
        """Status and detail."""
        return self.detail if self.status is Status.STOPPED else f"{self.status}{self.detail}"


def meant(sentence: str) -> Status:
    """Return what a sentence in a file means; older files have the detail in it."""
    for status in Status:
        if sentence.startswith(status):
            return status
    return Status.STOPPED
