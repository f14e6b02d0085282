"""What goes wrong outside of the arithmetic: models that raise, and a user who has waited enough.

An exception that one candidate causes must not cost the others their answers. Work on many is
tried together; where it raises, on halves, until whoever makes it raise is alone.
"""

from collections.abc import Callable

from torch import Tensor

from xhat.engine.status import Ending, Status

__all__ = ["failure", "guarded"]


def failure(error: Exception, step: int | None = None) -> Ending:
    """Return the ending of a candidate whose model, space or constraint raised."""
    said = (str(error).strip().splitlines() or ["nothing"])[0]
    when = "" if step is None else f" at step {step}"
    return Ending(Status.FAILED, f"{when}: {type(error).__name__}: {said}")


def guarded(ids: Tensor, work: Callable[[Tensor], None]) -> dict[int, Ending]:
    """Do ``work`` on candidates together; where it raises, on ever smaller parts of them.

    Args:
        ids: ``(m,)``.
        work: takes some of them, and may be asked again for the same.

    Returns:
        The ending of every candidate for which it raises alone, by number.

    Example:
        >>> import torch
        >>> done = []
        >>> def work(ids):
        ...     if 2 in ids:
        ...         raise RuntimeError("not this one")
        ...     done.extend(ids.tolist())
        >>> {i: ending.sentence for i, ending in guarded(torch.arange(4), work).items()}, done
        ({2: 'the model failed: RuntimeError: not this one'}, [0, 1, 3])
    """
    if len(ids) == 0:
        return {}
    try:
        work(ids)
    except Exception as error:  # noqa: BLE001 - whatever the code of others raises
        if len(ids) == 1:
            return {int(ids[0]): failure(error)}
    else:
        return {}
    first, second = ids.tensor_split(2)
    return {**guarded(first, work), **guarded(second, work)}
