"""Ground floor: errors, seeding, input checks, per-candidate records, safe files.

Everything here is about *candidates*: inputs that are optimized side by side and must never
influence each other. A batch of ``n`` of them has tensors whose first axis is ``n``; a tensor
whose first axis is 1 is shared by all. This room imports nothing of ours.
"""

from xhat.core.asking import NO_GRADIENT, Model
from xhat.core.checks import (
    check_choice,
    check_count,
    check_finite,
    check_flag,
    check_fraction,
    check_integer,
    check_kind,
    check_mask,
    check_numbers,
    check_positive,
    check_range,
    check_rows,
    check_share,
    check_stack,
    check_tensor,
)
from xhat.core.errors import InputWarning, SearchFailedError, UnreadableFileError, is_raised_here
from xhat.core.extras import MissingExtraError, extra
from xhat.core.files import (
    atomic_folder,
    atomic_folder_check,
    atomic_write,
    claimed_folder,
    sha256_of,
)
from xhat.core.layout import Layout, Parts
from xhat.core.models import evaluation_mode, modules_of, restored_buffers
from xhat.core.outputs import Key, Returns
from xhat.core.planes import independent_rows
from xhat.core.records import PerCandidate, per_row
from xhat.core.roots import increasing_root
from xhat.core.seeding import candidate_noise, generator, numpy_generator, own_randomness
from xhat.core.wording import short

__all__ = [
    "NO_GRADIENT",
    "InputWarning",
    "Key",
    "Layout",
    "MissingExtraError",
    "Model",
    "Parts",
    "PerCandidate",
    "Returns",
    "SearchFailedError",
    "UnreadableFileError",
    "atomic_folder",
    "atomic_folder_check",
    "atomic_write",
    "candidate_noise",
    "check_choice",
    "check_count",
    "check_finite",
    "check_flag",
    "check_fraction",
    "check_integer",
    "check_kind",
    "check_mask",
    "check_numbers",
    "check_positive",
    "check_range",
    "check_rows",
    "check_share",
    "check_stack",
    "check_tensor",
    "claimed_folder",
    "evaluation_mode",
    "extra",
    "generator",
    "increasing_root",
    "independent_rows",
    "is_raised_here",
    "modules_of",
    "numpy_generator",
    "own_randomness",
    "per_row",
    "restored_buffers",
    "sha256_of",
    "short",
]
