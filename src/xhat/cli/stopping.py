"""Being asked to stop: Ctrl-C (SIGINT), and SIGTERM, by which systems and shells end a process."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

__all__ = ["SAID", "Answer", "Stopped", "answering", "stoppable"]

SAID = "Interrupted; nothing half-written was left behind."

_ASKING = (signal.SIGINT, signal.SIGTERM)


class Stopped(BaseException):
    """Stop at once: unlike ``KeyboardInterrupt``, no search takes it for a wish for its answer.

    Args:
        number: of the signal.
        said: whether the user was told already.
    """

    def __init__(self, number: int, *, said: bool = False) -> None:
        super().__init__()
        self.code, self.said = 128 + number, said


class Answer:
    """What asked a search to end: ``number`` is that of the signal, 0 if nothing did."""

    number = 0


@contextmanager
def stoppable() -> Iterator[None]:
    """Raise ``Stopped`` when the process is asked to stop while the block runs.

    After that the process ends in silence if it is asked again.
    """

    def stop(number: int, _: Any) -> None:
        for each in _ASKING:
            signal.signal(each, signal.SIG_DFL)
        raise Stopped(number)

    with _handled(stop):
        yield


@contextmanager
def answering() -> Iterator[Answer]:
    """Raise ``KeyboardInterrupt`` instead, once, upon which a search returns what it has.

    If it does not, ``Stopped`` leaves the block.

    Example:
        >>> with answering() as asked:
        ...     try:
        ...         signal.raise_signal(signal.SIGTERM)
        ...     except KeyboardInterrupt:
        ...         print(asked.number == signal.SIGTERM)
        True
    """
    asked = Answer()

    def ask(number: int, _: Any) -> None:
        if asked.number:  # again: do not wait for the answer
            raise Stopped(number)
        asked.number = number
        raise KeyboardInterrupt

    with _handled(ask):
        try:
            yield asked
        except KeyboardInterrupt:
            raise Stopped(asked.number or signal.SIGINT) from None


@contextmanager
def _handled(handler: Any) -> Iterator[None]:
    before = {number: signal.signal(number, handler) for number in _ASKING}
    try:
        yield
    finally:
        for number, handled in before.items():
            if signal.getsignal(number) is handler:
                signal.signal(number, handled)
