"""Meshes; skipped where the extra ``mesh`` is not installed, but for the sentence that says so."""

import builtins

import numpy as np
import pytest
import torch

from xhat.core import UnreadableFileError
from xhat_zoo.shapes import Cuboid, Mesh, Torus, load_mesh
from zoo.tests.shapes.test_shapes import points


@pytest.fixture
def trimesh():
    pytest.importorskip("igl")
    return pytest.importorskip("trimesh")


def test_a_box_as_a_mesh_has_the_distances_of_the_box(trimesh):
    made = trimesh.creation.box((1.4, 1.0, 0.7))
    mesh, truth, x = Mesh(made.vertices, made.faces), Cuboid((0.7, 0.5, 0.35)), points(500)
    assert torch.allclose(mesh(x), truth(x), atol=1e-12)
    leaf = x.clone().requires_grad_(True)
    (slope,) = torch.autograd.grad(mesh(leaf).sum(), leaf)
    assert float((slope - truth.normal(x)).abs().max()) < 1e-9
    assert mesh.bounds().tolist() == [[-0.7, -0.5, -0.35], [0.7, 0.5, 0.35]]


def test_on_the_surface_the_normal_is_the_triangle_s(trimesh):
    made = trimesh.creation.box((2.0, 2.0, 2.0))
    x = torch.tensor([[1.0, 0.2, 0.1], [0.3, -1.0, 0.2]]).double()
    expected = torch.tensor([[1.0, 0.0, 0.0], [0.0, -1.0, 0.0]]).double()
    assert torch.allclose(Mesh(made.vertices, made.faces).normal(x), expected)


def test_a_fine_mesh_of_a_torus_is_near_the_closed_form(trimesh):
    made = trimesh.creation.torus(0.6, 0.25, major_sections=64, minor_sections=32)
    x = points(500)
    sagitta = 0.85 * (1 - np.cos(np.pi / 64)) + 0.25 * (1 - np.cos(np.pi / 32))
    away = (Mesh(made.vertices, made.faces)(x) - Torus(0.6, 0.25)(x)).abs()
    assert float(away.max()) <= sagitta
    assert float(away.max()) > 1e-4  # it is a mesh


def test_a_mesh_turned_inside_out_is_turned_back(trimesh):
    made = trimesh.creation.icosphere(subdivisions=1)
    mesh = Mesh(made.vertices, made.faces[:, ::-1])
    assert float(mesh(torch.zeros(1, 3))) < 0


def test_files_are_read(trimesh, tmp_path):
    trimesh.creation.box((2.0, 2.0, 2.0)).export(tmp_path / "box.stl")
    mesh = load_mesh(tmp_path / "box.stl")
    assert float(mesh(torch.tensor([[3.0, 0.0, 0.0]]))) == pytest.approx(2.0)


def test_a_mesh_with_a_hole_is_refused(trimesh):
    made = trimesh.creation.icosphere(subdivisions=1)
    with pytest.raises(
        ValueError, match=r"must be watertight.* but 3 edges belong to one triangle"
    ):
        Mesh(made.vertices, made.faces[1:])


def test_neighbours_must_agree_which_side_is_out(trimesh):
    made = trimesh.creation.icosphere(subdivisions=1)
    faces = np.array(made.faces)
    faces[0] = faces[0, ::-1]
    with pytest.raises(ValueError, match="agree which side is out"):
        Mesh(made.vertices, faces)


@pytest.mark.parametrize(
    ("vertices", "faces", "message"),
    [
        (np.zeros((0, 3)), np.zeros((0, 3), int), "the mesh is empty"),
        (np.zeros((4, 2)), np.zeros((4, 3), int), r"vertices \(v, 3\)"),
        (np.full((4, 3), np.nan), np.zeros((4, 3), int), "must be finite"),
        (np.zeros((4, 3)), np.full((4, 3), 4), "vertices 0 to 3, but reach from 4 to 4"),
    ],
)
def test_what_is_no_mesh_is_refused(trimesh, vertices, faces, message):
    with pytest.raises(ValueError, match=message):
        Mesh(vertices, faces)


@pytest.mark.parametrize("content", [None, b"no mesh at all"])
def test_files_that_cannot_be_read_are_refused(trimesh, tmp_path, content):
    path = tmp_path / "broken.stl"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises((UnreadableFileError, ValueError), match=r"cannot be read as a mesh|empty"):
        load_mesh(path)


def test_without_the_extra_the_error_says_how_to_get_it(monkeypatch):
    real = builtins.__import__

    def without(name, *rest, **named):
        if name in ("igl", "trimesh"):
            raise ImportError(name)
        return real(name, *rest, **named)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(ImportError, match=r"pip install 'xhat-zoo\[mesh\]'"):
        Mesh(np.eye(3), np.array([[0, 1, 2]]))
