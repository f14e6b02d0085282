"""Signed distances: solids whose truth is a closed form or a mesh, and surrogates of them.

A shape gives the distance ``d`` to its surface, negative inside, and the normal ``∇d``. A
surrogate, ``DistanceField``, is trained on points around it. Whatever is found with the surrogate
(a surface point, a ball that fits, a pose that keeps clear) the shape can be asked about.

``SHAPES`` come with trained surrogates, and stand together in a ``room``; ``Mesh`` makes a shape of
any closed triangle mesh.
"""

from xhat.tasks.shapes.base import Shape, check_points
from xhat.tasks.shapes.bodies import Body, Clearance, check_poses, chunked
from xhat.tasks.shapes.catalogue import (
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
from xhat.tasks.shapes.composed import Complement, Learned, Moved, Union, rotation_matrix
from xhat.tasks.shapes.mesh import Mesh, load_mesh
from xhat.tasks.shapes.sampling import Samples, region_of, samples_around, surface_points
from xhat.tasks.shapes.solids import Capsule, Cuboid, Sphere, Torus

__all__ = [
    "ROOM_HALF",
    "SHAPES",
    "WEIGHTS",
    "Body",
    "Capsule",
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
    "check_points",
    "check_poses",
    "chunked",
    "hook",
    "learned_room",
    "load_mesh",
    "obstacles",
    "region",
    "region_of",
    "room",
    "rotation_matrix",
    "samples_around",
    "shape",
    "surface_points",
    "surrogate",
    "wanted_poses",
]
