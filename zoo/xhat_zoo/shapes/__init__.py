"""Signed distances: solids whose truth is a closed form or a mesh, and surrogates of them.

A shape gives the distance ``d`` to its surface, negative inside, and the normal ``∇d``. A
surrogate, ``DistanceField``, is trained on points around it. Whatever is found with the surrogate
(a surface point, a ball that fits, a pose that keeps clear) the shape can be asked about.

``SHAPES`` come with trained surrogates, and stand together in a ``room``; ``Mesh`` makes a shape of
any closed triangle mesh.
"""

from xhat_zoo.shapes.base import Shape, check_points
from xhat_zoo.shapes.bodies import Body, Clearance, check_poses, chunked
from xhat_zoo.shapes.catalogue import (
    ROOM_HALF,
    SHAPES,
    WEIGHTS,
    card,
    hook,
    learned_room,
    obstacles,
    region,
    room,
    shape,
    surrogate,
    wanted_poses,
)
from xhat_zoo.shapes.composed import Complement, Learned, Moved, Union, rotation_matrix
from xhat_zoo.shapes.mesh import Mesh, load_mesh
from xhat_zoo.shapes.points import Ball, find_medial, find_surface, largest_ball
from xhat_zoo.shapes.poses import Certificate, certify, find_poses, overstatement
from xhat_zoo.shapes.sampling import Samples, region_of, samples_around, surface_points
from xhat_zoo.shapes.solids import Capsule, Cuboid, Sphere, Torus
from xhat_zoo.shapes.training import RECIPES, fit_shape, measure_field, normal_errors, train_shape

__all__ = [
    "RECIPES",
    "ROOM_HALF",
    "SHAPES",
    "WEIGHTS",
    "Ball",
    "Body",
    "Capsule",
    "Certificate",
    "Clearance",
    "Complement",
    "Cuboid",
    "Learned",
    "Mesh",
    "Moved",
    "Samples",
    "Shape",
    "Sphere",
    "Torus",
    "Union",
    "card",
    "certify",
    "check_points",
    "check_poses",
    "chunked",
    "find_medial",
    "find_poses",
    "find_surface",
    "fit_shape",
    "hook",
    "largest_ball",
    "learned_room",
    "load_mesh",
    "measure_field",
    "normal_errors",
    "obstacles",
    "overstatement",
    "region",
    "region_of",
    "room",
    "rotation_matrix",
    "samples_around",
    "shape",
    "surface_points",
    "surrogate",
    "train_shape",
    "wanted_poses",
]
