"""The errors that are ours; wrong arguments raise ``ValueError`` or ``TypeError``."""

import dis

__all__ = ["InputWarning", "SearchFailedError", "UnreadableFileError", "is_raised_here"]

_RAISE = dis.opmap["RAISE_VARARGS"]


class SearchFailedError(RuntimeError):
    """A search ended without what was asked of it; raised only by ``raise_if_failed()``."""


class UnreadableFileError(ValueError):
    """A data file or checkpoint is missing, truncated, or not what its checksum says."""


class InputWarning(UserWarning):
    """Something the user passed was changed for the time of the call, and is restored after."""


def is_raised_here(error: BaseException) -> bool:
    """Return whether a caught error comes from a ``raise`` of this package.

    If not, it was raised inside something that this package was given, or by Python itself.

    Example:
        >>> try:
        ...     len(3)
        ... except TypeError as error:
        ...     is_raised_here(error)
        False
    """
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    if trace is None:
        return False
    ours = str(trace.tb_frame.f_globals.get("__name__")).startswith("xhat.")
    return ours and trace.tb_frame.f_code.co_code[trace.tb_lasti] == _RAISE
