"""Airfoils: designs searched by the surrogate, beside real ones, and what XFoil says of both."""

from xhat.study.airfoils.searching import WITNESS, Rivals, Searched, rivals, search
from xhat.study.airfoils.verifying import Flights, Verified, fly, fly_polar, verify

__all__ = [
    "WITNESS",
    "Flights",
    "Rivals",
    "Searched",
    "Verified",
    "fly",
    "fly_polar",
    "rivals",
    "search",
    "verify",
]
