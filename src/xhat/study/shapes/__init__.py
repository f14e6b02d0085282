"""Searches on signed distances, and how their surrogates are trained.

Points on a surface, where a solid is thickest, the largest ball that fits, and poses that keep
clear of obstacles: each is a problem of the engine, searched with the surrogate and certified by
the truth.
"""

from xhat.study.shapes.points import Ball, find_medial, find_surface, largest_ball
from xhat.study.shapes.poses import Certificate, certify, find_poses, overstatement
from xhat.study.shapes.training import (
    RECIPES,
    fit_shape,
    measure_field,
    normal_errors,
    train_shape,
)

__all__ = [
    "RECIPES",
    "Ball",
    "Certificate",
    "certify",
    "find_medial",
    "find_poses",
    "find_surface",
    "fit_shape",
    "largest_ball",
    "measure_field",
    "normal_errors",
    "overstatement",
    "train_shape",
]
