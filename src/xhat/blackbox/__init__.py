"""Models without gradients: asked as rarely as can be, and searched on a surrogate.

A forest, a boosted model, a support vector machine, an ONNX session, a web service: all of them
answer, and none says which way to go. So a differentiable surrogate is distilled from their answers
on the domain, searches go along it, and the model itself confirms what they find::

    samples, starts ─ask→ answers ─distil→ surrogate ─search→ proposals ─ask→ answers …
                                               ↑____________ learn ______________│

``BlackBox`` makes one function of whatever is brought, and counts and keeps its answers. Every
claim of a result is of these; the surrogate only says what is worth asking.
``xhat.methods.Distilled`` is the method that uses this room, and ``xhat.optimize`` chooses it for
such a model by itself.
"""

from xhat.blackbox.adapters import can_be_asked, lacks_gradient, open_onnx
from xhat.blackbox.answers import Known
from xhat.blackbox.distilling import Distillate, distil
from xhat.blackbox.from_jax import from_jax
from xhat.blackbox.model import BlackBox, as_box
from xhat.blackbox.surrogate import Student
from xhat.blackbox.tables import search_table
from xhat.blackbox.units import Units, units_of

__all__ = [
    "BlackBox",
    "Distillate",
    "Known",
    "Student",
    "Units",
    "as_box",
    "can_be_asked",
    "distil",
    "from_jax",
    "lacks_gradient",
    "open_onnx",
    "search_table",
    "units_of",
]
