"""What it is called when a database cannot be reached or written to, whatever the driver says."""

from sqlalchemy.exc import (
    DataError,
    DBAPIError,
    IntegrityError,
    ProgrammingError,
)
from sqlalchemy.exc import (
    TimeoutError as NoneFreeError,
)

from xhat.core import UnreadableFileError

__all__ = ["UnavailableError", "is_outage", "said", "unavailable"]

_OF_THE_STATEMENT = (IntegrityError, DataError, ProgrammingError)


class UnavailableError(UnreadableFileError):
    """A database cannot be opened, reached or written to at present; it may be later."""


def is_outage(error: BaseException) -> bool:
    """Return whether an error is the database's own, not that of one statement.

    A connection was lost, a lock was not given in time, the disk is full. What else was done in the
    transaction is then lost as well, or may be: SQLite takes back a whole transaction by itself
    when the disk is full. ("Response To Errors Within A Transaction", sqlite.org/lang_transaction.)

    Example:
        >>> is_outage(DBAPIError("SELECT 1", {}, Exception())), is_outage(ValueError())
        (True, False)
    """
    if isinstance(error, DBAPIError):
        return not isinstance(error, _OF_THE_STATEMENT)
    return isinstance(error, NoneFreeError)  # no connection was free in time


def unavailable(url: str, error: BaseException) -> UnavailableError:
    """Return the error that says so in one sentence."""
    found = UnavailableError(f"the database {url} cannot be used at present: {said(error)}.")
    found.__cause__ = error
    return found


def said(error: BaseException) -> str:
    """Return the first line of what a driver said first; what followed from it says less."""
    at: BaseException | None = error
    while (at := at.__context__) is not None:
        error = at if isinstance(at, DBAPIError) else error
    told = error.orig if isinstance(error, DBAPIError) and error.orig is not None else error
    lines = str(told).strip().splitlines()
    return lines[0].rstrip(".") if lines else type(error).__name__
