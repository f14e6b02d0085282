"""Airfoils: inverse design with a surrogate that nobody here trained, and XFoil as its truth.

``geometry`` knows shapes, ``surrogate`` is NeuralFoil, ``catalogue`` the real airfoils, ``xfoil``
the truth, ``specification`` and ``design`` the question.
"""

from xhat.tasks.airfoil.catalogue import Catalogue, catalogue
from xhat.tasks.airfoil.design import (
    ANGLE,
    EDGE,
    MARGIN,
    Design,
    Drag,
    Flight,
    design_box,
    requirements,
    shape_limits,
    trim,
)
from xhat.tasks.airfoil.geometry import (
    PARAMETERS,
    area,
    camber,
    check_parameters,
    coordinates,
    crossing,
    leading_edge_radius,
    least_gap,
    max_thickness,
    surfaces,
    thickness,
    wiggle,
)
from xhat.tasks.airfoil.specification import (
    Specification,
    check_specifications,
    specifications,
)
from xhat.tasks.airfoil.surrogate import SIZES, Aerodynamics, NeuralFoil, card, surrogate
from xhat.tasks.airfoil.xfoil import (
    INSTALL,
    Condition,
    Polar,
    XFoil,
    XFoilMissingError,
    installed,
)

__all__ = [
    "ANGLE",
    "EDGE",
    "INSTALL",
    "MARGIN",
    "PARAMETERS",
    "SIZES",
    "Aerodynamics",
    "Catalogue",
    "Condition",
    "Design",
    "Drag",
    "Flight",
    "NeuralFoil",
    "Polar",
    "Specification",
    "XFoil",
    "XFoilMissingError",
    "area",
    "camber",
    "card",
    "catalogue",
    "check_parameters",
    "check_specifications",
    "coordinates",
    "crossing",
    "design_box",
    "installed",
    "leading_edge_radius",
    "least_gap",
    "max_thickness",
    "requirements",
    "shape_limits",
    "specifications",
    "surfaces",
    "surrogate",
    "thickness",
    "trim",
    "wiggle",
]
