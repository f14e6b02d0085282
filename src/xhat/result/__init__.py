"""The frozen answer of a search: one row per candidate, in the caller's order, and its file.

A :class:`Result` says of every candidate what was found, and by its :class:`Status` why its search
ended. It is kept as Parquet, or as NumPy's ``.npz``, and loaded from either.
"""

from xhat.result.record import Result, Trajectory
from xhat.result.status import Ending, Status

__all__ = ["Ending", "Result", "Status", "Trajectory"]
