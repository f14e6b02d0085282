"""The errors that are ours; wrong arguments raise ``ValueError`` or ``TypeError``."""

__all__ = ["InputWarning", "SearchFailedError", "UnreadableFileError"]


class SearchFailedError(RuntimeError):
    """A search ended without what was asked of it; raised only by ``raise_if_failed()``."""


class UnreadableFileError(ValueError):
    """A data file or checkpoint is missing, truncated, or not what its checksum says."""


class InputWarning(UserWarning):
    """Something the user passed was changed for the time of the call, and is restored after."""
