"""Shapes given as a closed triangle mesh: distances by libigl, files by trimesh.

Both come with ``pip install 'xhat-zoo[mesh]'``.
"""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from xhat.core import UnreadableFileError
from xhat_zoo.shapes.base import Shape

__all__ = ["Mesh", "load_mesh"]

_HINT = "shapes from meshes need trimesh and libigl: pip install 'xhat-zoo[mesh]'."


class Mesh(Shape):
    """The solid that a closed triangle mesh encloses.

    The distance is exact, to the nearest triangle; the sign is the winding number's, which is exact
    for a closed mesh. It is computed in float64 on the processor, whatever the points' type; its
    gradient is the direction from the nearest point of the surface.

    Source: Jacobson, Kavan, Sorkine-Hornung, "Robust Inside-Outside Segmentation using Generalized
    Winding Numbers" (ACM Transactions on Graphics, 2013).

    Args:
        vertices: ``(v, 3)``.
        faces: ``(f, 3)`` integers, the corners of each triangle. Whichever way round they are, as
            long as neighbours agree: they are turned to face outward.

    Raises:
        ImportError: the extra ``mesh`` is not installed.
        ValueError: the mesh is empty, not finite, or not closed.

    Example:
        >>> import pytest
        >>> trimesh, _ = pytest.importorskip("trimesh"), pytest.importorskip("igl")
        >>> cube = trimesh.creation.box((2.0, 2.0, 2.0))
        >>> Mesh(cube.vertices, cube.faces)(torch.tensor([[3.0, 0.0, 0.0], [0.0, 0.5, 0.0]]))
        tensor([ 2.0000, -0.5000])
    """

    def __init__(self, vertices: ArrayLike, faces: ArrayLike) -> None:
        super().__init__()
        self.vertices, self.faces = _closed(vertices, faces)

    def distance(self, x: Tensor) -> Tensor:
        """Return the distance to the nearest triangle, negative inside."""
        found: Any = _Distance.apply(x, self)
        return found

    def normal(self, x: Tensor) -> Tensor:
        """Return the direction from the nearest surface point; on the surface, the triangle's."""
        return self.query(x)[1].to(x)

    def bounds(self) -> Tensor:
        """Return the box around all vertices."""
        corners = [self.vertices.min(axis=0), self.vertices.max(axis=0)]
        return torch.from_numpy(np.stack(corners))

    def query(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return the distance ``(n,)`` and its gradient ``(n, 3)``, both float64."""
        import igl

        points = x.detach().cpu().double().numpy()
        kind = igl.SIGNED_DISTANCE_TYPE_WINDING_NUMBER
        found, nearest, closest, _ = igl.signed_distance(points, self.vertices, self.faces, kind)
        distance = np.asarray(found).reshape(-1)
        away = points - np.asarray(closest).reshape(-1, 3)
        on = np.abs(distance) < 1e-9 * (1 + np.abs(points).max(initial=0.0))
        size = np.where(on, 1.0, np.linalg.norm(away, axis=1) * np.sign(distance))
        flat = _facing(self.vertices, self.faces[np.asarray(nearest).reshape(-1)])
        gradient = np.where(on[:, None], flat, away / size[:, None])
        return torch.from_numpy(distance), torch.from_numpy(gradient)


def load_mesh(path: str | Path) -> Mesh:
    """Read a closed mesh from a file: STL, OBJ, PLY, OFF and what else trimesh reads.

    Raises:
        ImportError: the extra ``mesh`` is not installed.
        UnreadableFileError: there is no such file, or it holds no mesh.
        ValueError: the mesh is not closed.
    """
    trimesh = _trimesh()
    try:
        mesh = trimesh.load_mesh(str(path))
        vertices, faces = mesh.vertices, mesh.faces
    except Exception as error:  # every format of trimesh raises errors of its own
        raise UnreadableFileError(
            f"{path} cannot be read as a mesh; give an STL, OBJ, PLY or OFF file. "
            f"trimesh says: {str(error).splitlines()[0] if str(error) else type(error).__name__}"
        ) from error
    return Mesh(vertices, faces)


class _Distance(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, mesh: Mesh) -> Tensor:  # pyright: ignore[reportIncompatibleMethodOverride]
        distance, gradient = mesh.query(x)
        ctx.save_for_backward(gradient.to(x))
        return distance.to(x)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:  # pyright: ignore[reportIncompatibleMethodOverride]
        (gradient,) = ctx.saved_tensors
        return grad[:, None] * gradient, None


def _trimesh() -> Any:
    try:
        import igl  # noqa: F401 - both are needed, so that one sentence is enough
        import trimesh
    except ImportError as error:
        raise ImportError(_HINT) from error
    return trimesh


def _closed(vertices: ArrayLike, faces: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    trimesh = _trimesh()
    points, corners = np.asarray(vertices, dtype=np.float64), np.asarray(faces)
    if not points.size or not corners.size:
        raise ValueError("the mesh is empty; pass vertices (v, 3) and faces (f, 3).")
    if points.ndim != 2 or points.shape[1] != 3 or corners.ndim != 2 or corners.shape[1] != 3:
        raise ValueError(
            f"a mesh needs vertices (v, 3) and triangles (f, 3), but they have shapes "
            f"{points.shape} and {corners.shape}."
        )
    if not np.isfinite(points).all():
        raise ValueError("the mesh's vertices must be finite, but some are NaN or infinity.")
    if corners.min() < 0 or corners.max() >= len(points):
        raise ValueError(
            f"faces must name vertices 0 to {len(points) - 1}, but reach from {corners.min()} to "
            f"{corners.max()}."
        )
    mesh = trimesh.Trimesh(points, corners.astype(np.int64))  # merges equal vertices
    if not mesh.is_watertight or not mesh.is_winding_consistent:
        edges = len(trimesh.grouping.group_rows(mesh.edges_sorted, require_count=1))
        raise ValueError(
            f"the mesh must be watertight, every edge between two triangles that agree which side "
            f"is out, but {edges} edges belong to one triangle only; fill its holes first "
            f"(trimesh.repair.fill_holes, or a mesh editor)."
        )
    if mesh.volume < 0:
        mesh.invert()
    return np.ascontiguousarray(mesh.vertices), np.ascontiguousarray(mesh.faces, dtype=np.int64)


def _facing(vertices: NDArray[np.float64], faces: NDArray[np.int64]) -> NDArray[np.float64]:
    a, b, c = (vertices[faces[:, k]] for k in range(3))
    normal = np.cross(b - a, c - a)
    return normal / np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), 1e-300)
