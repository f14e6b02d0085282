import pytest
import torch

from xhat.core import generator
from xhat.engine import LBFGS, Adam
from xhat.metrics import path_shape, straight
from xhat.objectives import Custom, Hinge, NearReal, Proximity
from xhat.spaces import Box, Latent
from xhat.surrogates import AlongCurve, CurveEnergy, Curves, geodesic
from xhat_zoo import digits


def sphere(z):
    """The unit sphere by longitude and latitude, whose geodesics are known: great circles."""
    across, up = z.unbind(dim=1)
    return torch.stack((up.cos() * across.cos(), up.cos() * across.sin(), up.sin()), dim=1)


EARTH = Latent(None, sphere)


def place(across, up):
    return torch.tensor([[across, up]])


def test_on_a_sphere_it_finds_the_great_circle():
    first, last = place(0.0, 0.8), place(2.0, 0.8)
    found = geodesic(EARTH, first, last, frames=17, max_steps=400, stepper=Adam(0.02))
    angle = (sphere(first) * sphere(last)).sum().acos()
    length = path_shape(found.x).length[0]
    along_the_parallel = path_shape(sphere(straight(first, last, 17)[0])[None]).length[0]
    assert length < along_the_parallel - 0.05
    assert abs(length - angle) < 0.01
    normal = torch.linalg.cross(sphere(first)[0], sphere(last)[0])
    assert (found.x[0] @ normal).abs().max() < 0.02  # in the plane through both ends
    assert path_shape(found.x).unevenness[0] < 1.05


def test_its_ends_stay_and_every_curve_is_its_own():
    random = generator(0)
    first, last = (0.8 * torch.randn(5, 2, generator=random) for _ in range(2))
    options = {"frames": 6, "max_steps": 15}
    found = geodesic(EARTH, first, last, **options)
    assert found.x.shape == (5, 6, 3)
    assert found.z.shape == (5, 4, 2)
    assert torch.allclose(found.x[:, 0], sphere(first))
    assert torch.allclose(found.x[:, -1], sphere(last))
    alone = geodesic(EARTH, first[2:3], last[2:3], **options)
    assert torch.allclose(found.x[2], alone.x[0], atol=1e-5)


def test_between_digits_it_is_shorter_than_the_line_of_codes_and_even():
    vae, images = digits.vae(), digits.split("test").images[:4]
    space = Latent(vae.encode, vae.decode)
    first, last = space.encode(images[:2]), space.encode(images[2:])
    line = straight(first, last, 7)
    drawn = vae.decode(line.flatten(0, 1)).unflatten(0, (2, 7)).detach()
    found = geodesic(space, first, last, frames=7, max_steps=40)
    assert torch.allclose(found.x[:, (0, -1)], drawn[:, (0, -1)], atol=1e-5)
    assert (found.loss < CurveEnergy()(drawn)).all()
    assert (path_shape(found.x).length < path_shape(drawn).length).all()


def test_a_prior_bends_a_curve_towards_where_real_codes_are():
    hill = torch.tensor([[0.0, 1.0]])
    first, last = torch.tensor([[-1.0, 0.0]]), torch.tensor([[1.0, 0.0]])
    plane, options = Latent(None, lambda z: 1.0 * z), {"frames": 5, "max_steps": 150}
    alone = geodesic(plane, first, last, **options)
    assert alone.z[..., 1].abs().max() < 0.02
    prior = 20.0 * Hinge(NearReal(lambda z: z, hill, k=1), 0.5)
    bent = geodesic(plane, first, last, prior=prior, **options)
    assert bent.z[0, 1, 1] > 0.3
    assert path_shape(bent.x).length > path_shape(alone.x).length


def test_other_steppers_find_the_same_curve():
    first, last = place(0.0, 0.5), place(1.0, 0.5)
    one = geodesic(EARTH, first, last, frames=6, max_steps=300, stepper=Adam(0.02))
    two = geodesic(EARTH, first, last, frames=6, max_steps=100, stepper=LBFGS())
    assert torch.allclose(one.x, two.x, atol=0.01)


def test_points_stay_within_the_space():
    first, last = torch.tensor([[0.1, 0.1]]), torch.tensor([[0.9, 0.9]])
    away = Custom(lambda z: -50.0 * z[:, 0])
    found = geodesic(Box(0, 1), first, last, frames=5, prior=away)
    assert found.z.max() <= 1


def test_curves_encode_what_they_decode():
    curves = Curves(Box(0, 1), torch.zeros(2, 3), torch.ones(2, 3))
    x = curves.decode(curves.begin(torch.zeros(2, 4, 3)))
    assert torch.equal(curves.decode(curves.encode(x)), x)
    assert torch.equal(x, straight(curves.first, curves.last, 4))


def test_bad_parts_are_refused():
    first, last = place(0.0, 0.0), place(1.0, 0.0)
    with pytest.raises(ValueError, match="frames must be 3 or more"):
        geodesic(EARTH, first, last, frames=2)
    with pytest.raises(ValueError, match=r"both ends must have one shape.*\(1, 2\) and \(1, 1\)"):
        geodesic(EARTH, first, last[:, :1])
    with pytest.raises(TypeError, match="Curves go through a Space, not function"):
        Curves(sphere, first, last)  # pyright: ignore[reportArgumentType]
    with pytest.raises(ValueError, match="one for all points of a curve, but holds 2 rows"):
        AlongCurve(Proximity(torch.zeros(2, 2)))
    with pytest.raises(TypeError, match="must be an Objective, not function"):
        AlongCurve(sphere)  # pyright: ignore[reportArgumentType]
    with pytest.raises(ValueError, match="curves of 3 frames or more"):
        Curves(EARTH, first, last).check(torch.zeros(1, 2, 3))
