"""Airfoils: inverse design with a surrogate that nobody here trained, and XFoil as its truth.

``geometry`` knows shapes, ``surrogate`` is NeuralFoil, ``catalogue`` the real airfoils, ``xfoil``
the truth, ``specification`` and ``design`` the question.
"""

from xhat_zoo.airfoil.catalogue import Catalogue, catalogue
from xhat_zoo.airfoil.design import (
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
from xhat_zoo.airfoil.geometry import (
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
from xhat_zoo.airfoil.searching import WITNESS, Rivals, Searched, rivals, search
from xhat_zoo.airfoil.specification import Specification, check_specifications, specifications
from xhat_zoo.airfoil.surrogate import SIZES, Aerodynamics, NeuralFoil, card, surrogate
from xhat_zoo.airfoil.verifying import Flights, Verified, fly, fly_polar, verify
from xhat_zoo.airfoil.xfoil import INSTALL, Condition, Polar, XFoil, XFoilMissingError, installed

__all__ = [
    "ANGLE",
    "EDGE",
    "INSTALL",
    "MARGIN",
    "PARAMETERS",
    "SIZES",
    "WITNESS",
    "Aerodynamics",
    "Catalogue",
    "Condition",
    "Design",
    "Drag",
    "Flight",
    "Flights",
    "NeuralFoil",
    "Polar",
    "Rivals",
    "Searched",
    "Specification",
    "Verified",
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
    "fly",
    "fly_polar",
    "installed",
    "leading_edge_radius",
    "least_gap",
    "max_thickness",
    "requirements",
    "rivals",
    "search",
    "shape_limits",
    "specifications",
    "surfaces",
    "surrogate",
    "thickness",
    "trim",
    "verify",
    "wiggle",
]
