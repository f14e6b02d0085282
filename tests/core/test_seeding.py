import pytest
import torch

from xhat.core import candidate_noise, generator, numpy_generator


def test_a_seed_and_a_stream_name_one_sequence():
    def draw(*key):
        return torch.rand(3, generator=generator(*key)).tolist()

    assert draw(1, "a", 2) == draw(1, "a", 2)
    others = [(2, "a", 2), (1, "b", 2), (1, "a", 3), (1, "a"), (1, "a2"), (-1, "a", 2)]
    assert all(draw(*other) != draw(1, "a", 2) for other in others)
    assert numpy_generator(1, "a").random() == numpy_generator(1, "a").random()
    assert numpy_generator(1, "a").random() != numpy_generator(1, "b").random()


@pytest.mark.parametrize("seed", [1.0, "1", None, True])
def test_a_seed_is_an_integer(seed):
    with pytest.raises(TypeError, match=r"seed must be an integer"):
        generator(seed)


def test_noise_belongs_to_the_candidate_not_to_its_place():
    start = torch.rand(4, 2, 3, generator=generator(0))
    noise = candidate_noise(start, 5, "restart", 1)
    order = torch.tensor([2, 0, 3, 1])
    assert torch.equal(candidate_noise(start[order], 5, "restart", 1), noise[order])
    assert torch.equal(candidate_noise(start[3:], 5, "restart", 1), noise[3:])
    assert not torch.equal(candidate_noise(start, 5, "restart", 2), noise)
    assert not torch.equal(candidate_noise(start, 6, "restart", 1), noise)
    assert not torch.equal(noise[0], noise[1])


def test_noise_is_uniform_on_both_sides_in_the_type_of_the_start():
    noise = candidate_noise(torch.zeros(1, 20_000, dtype=torch.float64), 0)
    assert noise.dtype == torch.float64
    assert -1 <= noise.min() < -0.99
    assert 0.99 < noise.max() < 1
    assert abs(float(noise.mean())) < 0.02
    assert abs(float(noise.square().mean()) - 1 / 3) < 0.02
