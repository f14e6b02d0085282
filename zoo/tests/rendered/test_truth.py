"""The computed truth: nearest rendered images, and outcomes whose right answer is known."""

from collections import Counter

import pytest
import torch

from xhat.judges import Outcome, Truth, ask
from xhat.task import task
from xhat_zoo.rendered import NOISE, SHAPES, draw, fit, read, render, shape_of, surrogate
from xhat_zoo.rendered.controls import CONTROLS, material

N = 12


@pytest.fixture(scope="module")
def real():
    return draw(48, seed=11, stream="tests")


@pytest.fixture(scope="module")
def told(real):
    return read(real.images)


@pytest.fixture(scope="module")
def of():
    return material(surrogate(), N, seed=3)


def outcomes(control):
    return Counter(read(control.images).outcomes(control.target, control.model))


class TestNearestImage:
    def test_of_a_real_one_is_what_it_was_made_from(self, real, told):
        assert torch.equal(told.fits.kind, real.labels)
        rows = torch.arange(len(real))
        pose = told.fits.pose[rows, real.labels]
        assert (pose - real.pose)[:, :3].abs().max() < 0.15
        assert (told.fits.colours[rows, real.labels] - real.colours).abs().max() < 0.05

    def test_is_no_farther_than_what_it_was_made_from(self, real, told):
        clean = render(real.labels, real.pose, real.colours)
        known = (real.images - clean).square().sum(dim=(1, 2, 3))
        nearer = known - told.fits.power.amin(dim=1)
        assert (nearer > 0).all()
        assert float(nearer.mean()) == pytest.approx(10 * NOISE**2, rel=0.5)  # what it fits

    def test_of_an_image_without_noise_is_itself(self, real):
        clean = render(real.labels, real.pose, real.colours)
        assert fit(clean[:12]).power.amin(dim=1).sqrt().max() < 1e-2

    def test_of_other_kinds_is_much_farther(self, told):
        first, second = told.fits.power.topk(2, dim=1, largest=False).values.unbind(dim=1)
        assert ((second - first) / NOISE**2 > 500).all()

    def test_does_not_depend_on_the_other_images(self, real, told):
        alone = fit(real.images[7:8])
        assert torch.allclose(alone.power, told.fits.power[7:8], rtol=1e-3)

    @pytest.mark.parametrize(
        ("images", "said"),
        [
            (torch.rand(2, 3, 28, 28), r"must be \(n, 3, 32, 32\), but have shape \(2, 3, 28, 28"),
            (torch.full((1, 3, 32, 32), torch.nan), "finite"),
        ],
    )
    def test_of_what_is_no_image_is_refused(self, images, said):
        with pytest.raises(ValueError, match=said):
            fit(images)


class TestOutcomes:
    def test_real_images_are_genuine_and_of_another_kind_mistaken(self, real, told):
        assert set(told.outcomes(real.labels)) == {Outcome.GENUINE}
        assert set(told.outcomes((real.labels + 2) % len(SHAPES))) == {Outcome.MISTAKEN}

    def test_what_is_left_of_real_images_is_white(self, told):
        assert (told.bands.mean(dim=0) - 1).abs().max() < 0.06
        assert told.natural.all()

    @pytest.mark.parametrize(
        "kind", ["checkerboard of 0.05", "blurred by 1 px", "without noise", "too large", "shaded"]
    )
    def test_what_nature_does_not_make_is_off_the_manifold(self, of, kind):
        assert outcomes(CONTROLS[kind](of)) == {Outcome.OFF_MANIFOLD: N}

    @pytest.mark.parametrize("kind", ["letters", "gratings", "only noise", "one colour"])
    def test_what_shows_no_shape_is_out_of_distribution(self, of, kind):
        assert outcomes(CONTROLS[kind](of)) == {Outcome.OUT_OF_DISTRIBUTION: N}

    def test_in_two_superposed_shapes_both_are_seen(self, of):
        control = CONTROLS["two superposed"](of)
        shown = read(control.images).shown
        other = of.real.labels.roll(1, 0)
        both = shown.gather(1, torch.stack((of.real.labels, other), 1)).all(dim=1)
        assert float(both.float().mean()) > 0.3  # where one is faint, only the other is
        assert (shown.sum(dim=1) <= 2).all()

    def test_attacks_are_adversarial_and_misreadings_mistaken(self, of):
        attacked = outcomes(CONTROLS["minimum norm, L2"](of))
        assert attacked[Outcome.ADVERSARIAL] >= 0.8 * attacked.total()
        assert set(attacked) <= {Outcome.ADVERSARIAL, Outcome.MISTAKEN}
        misread = outcomes(CONTROLS["natural misreadings"](of))
        assert misread[Outcome.MISTAKEN] >= 0.8 * misread.total()

    def test_two_kinds_that_are_as_near_are_tied(self, told, real):
        fits = told.fits.at(torch.arange(2))
        other = (real.labels[:2] + 1) % len(SHAPES)
        own = fits.power.gather(1, real.labels[:2, None])
        fits.power.scatter_(1, other[:, None], own + NOISE**2)
        close = type(told)(real.images[:2], fits)
        assert close.outcomes(real.labels[:2]) == (Outcome.AMBIGUOUS,) * 2


def test_the_truth_of_the_task_can_be_asked(real):
    truth = Truth(task("rendered").truth(), name="nearest rendered image", dtype=torch.float32)
    noise = torch.rand(1, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    found = ask(truth, torch.cat((real.images[:2], noise)), real.labels[:3])
    assert found.holds.tolist() == [True, True, False]
    assert int(shape_of(noise)) == len(SHAPES)
