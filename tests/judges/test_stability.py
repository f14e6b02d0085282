"""Noise tells an answer that hangs on detail from an error; a place tells odd from foreign."""

import pytest
import torch
from sklearn.datasets import load_digits
from torch import nn

import xhat
from tests.judges.world import gaussians
from xhat.core import generator
from xhat.judges import Judge, Jury, Neighbours, Outcome
from xhat.judges.placing import Place
from xhat.judges.stability import STABLE, Noise, share_kept

KNOWN, LABELS = gaussians(600, 0)


class Side(nn.Module):
    """A surrogate that says 0 beyond a border of the first feature."""

    def __init__(self, border):
        super().__init__()
        self.border = border

    def forward(self, x):
        return torch.stack((x[:, 0] - self.border, self.border - x[:, 0]), dim=1)


def test_noise_moves_a_quarter_as_far_as_neighbours_lie_apart():
    x = torch.randn(500, 4, generator=generator(0)) * torch.tensor([1.0, 10, 100, 1000])
    noise = Noise.of(x)
    unit = noise.deviation / torch.tensor([1.0, 10, 100, 1000])
    assert float(unit.max() / unit.min()) < 1.2
    apart = torch.cdist(x / x.std(dim=0), x / x.std(dim=0)).fill_diagonal_(torch.inf)
    moved = (noise.draws(200) / x.std(dim=0)).norm(dim=1).mean()
    assert 0.15 < float(moved / apart.amin(dim=1).median()) < 0.35


def test_an_answer_at_the_border_is_kept_half_of_the_time_and_one_far_away_always():
    noise = Noise.of(KNOWN)
    x = KNOWN[:3].clone()
    x[:, 0] = torch.tensor([1.0 + 1e-6, 1.0 + 20 * float(noise.deviation[0]), -50.0])
    kept = share_kept(Side(1.0), x, torch.tensor([0, 0, 1]), noise)
    assert 0.1 < kept[0] < STABLE
    assert kept[1:].tolist() == [1, 1]
    alone = share_kept(Side(1.0), x[:1], torch.tensor([0]), noise)
    assert torch.equal(alone, kept[:1])  # whoever is asked with it


@pytest.mark.parametrize("answer", [lambda x: x[:, :1], lambda x: x[:, 0]])
def test_what_gives_no_classes_is_not_asked(answer):
    assert share_kept(answer, KNOWN[:2], torch.tensor([0, 0]), Noise.of(KNOWN)).isnan().all()


def test_a_judge_calls_what_does_not_survive_adversarial_and_what_does_mistaken():
    judge = Judge.fit(KNOWN, LABELS)
    new, theirs = gaussians(200, 1)
    one = new[theirs == 1]
    wanted = torch.zeros(len(one), dtype=torch.long)
    everywhere = judge.judge(one, wanted, surrogate=lambda x: torch.eye(2)[[0]].expand(len(x), 2))
    nowhere = judge.judge(one, wanted, surrogate=lambda x: torch.eye(2)[[1]].expand(len(x), 2))
    unknown = judge.judge(one, wanted)
    assert everywhere.outcomes == unknown.outcomes
    assert unknown.counts()[Outcome.MISTAKEN] > 0.9 * len(one)
    assert nowhere.counts()[Outcome.ADVERSARIAL] > 0.9 * len(one)
    verdict = next(v for v in nowhere if v.outcome is Outcome.ADVERSARIAL)
    assert "does not survive small noise" in verdict.meaning
    assert "keeps its answer 0.0 % of the time" in verdict.explain()


def test_what_is_still_seen_as_its_start_was_no_ordinary_error():
    judge = Judge.fit(KNOWN, LABELS)
    new, theirs = gaussians(200, 1)
    one, two = new[theirs == 1], new[theirs == 2]
    wanted = torch.zeros(len(one), dtype=torch.long)

    def everywhere(x):  # but at the starts, and as surely under noise
        near = torch.cdist(x, one + 0.01).amin(dim=1) < torch.cdist(x, one).amin(dim=1)
        return torch.stack((near.float(), 1 - near.float()), dim=1)

    moved, reached = one + 0.01, torch.ones(len(one), dtype=torch.bool)
    for told in ({"surrogate": everywhere}, {"reached": reached}):
        found = judge.judge(moved, wanted, x0=one, **told)
        assert found.start.tolist().count(1) > 0.95 * len(one)
        assert found.counts()[Outcome.ADVERSARIAL] > 0.9 * len(one)
    verdict = next(v for v in found if v.outcome is Outcome.ADVERSARIAL)
    assert "what the search began with is still seen" in verdict.meaning
    assert "from what held-out judges see as 1, and they still do" in verdict.explain()
    # which nobody can say of what began as something else, nor of what was not searched
    for x0 in (two[:1].expand_as(one), moved, None):
        counts = judge.judge(moved, wanted, x0=x0, reached=reached).counts()
        assert counts[Outcome.MISTAKEN] > 0.9 * len(one)
    assert judge.judge(moved, wanted, x0=one).start is None  # who knows what the surrogate says
    with pytest.raises(ValueError, match="the starts must have one row per candidate"):
        judge.judge(moved, wanted, x0=one[:2])


def test_what_was_not_searched_does_not_hang_on_detail():
    judge = Judge.fit(KNOWN, LABELS)
    new, theirs = gaussians(200, 1)
    one = new[theirs == 1]
    wanted = torch.zeros(len(one), dtype=torch.long)
    fooled = {"surrogate": lambda x: torch.eye(2)[[1]].expand(len(x), 2)}
    assert judge.judge(one, wanted, **fooled).counts()[Outcome.ADVERSARIAL] > 0.9 * len(one)
    assert judge.judge(one, wanted, x0=one, **fooled).counts()[Outcome.ADVERSARIAL] < 0.1 * len(one)


def test_a_random_model_leaves_the_global_generators_alone():
    before = torch.random.get_rng_state()
    share_kept(lambda x: torch.rand(len(x), 2), KNOWN[:2], torch.tensor([0, 1]), Noise.of(KNOWN))
    assert torch.equal(before, torch.random.get_rng_state())


def test_moved_images_are_put_back_in_their_place():
    images = torch.tensor(load_digits().images).float()[:100, None] / 16
    wide = nn.functional.pad(images, (6, 6, 6, 6))
    place = Place.of(wide)
    for by in ((3, -3), (0, 2), (-2, 0)):
        assert torch.equal(place.put(wide.roll(by, (2, 3))), place.put(wide))
    far = wide.roll((9, 0), (2, 3))
    assert torch.equal(place.put(far), place.put(far).clone())
    assert float((place.put(wide) - wide).abs().mean()) < 0.1


def test_an_image_beside_its_place_is_odd_and_not_foreign(monkeypatch):
    """What only moved is not out of distribution where the jury reads it in its place."""
    x, y = load_digits(return_X_y=True)
    monkeypatch.setattr("xhat.judges.juries._STEPS", 150)
    few = y < 2
    images = nn.functional.pad(torch.tensor(x[few]).float().reshape(-1, 1, 8, 8) / 16, (5, 5, 5, 5))
    labels = torch.tensor(y[few])
    judge = xhat.Judge.fit(images[:240], labels[:240])
    moved, wanted = images[240:].roll(4, 3), labels[240:]
    counts = judge.judge(moved, wanted).counts()
    assert counts[Outcome.OUT_OF_DISTRIBUTION] <= 0.1 * len(moved)
    assert counts[Outcome.GENUINE] <= 0.1 * len(moved)


class Doubtful(nn.Module):
    """Reads which half of an image is bright, and that there is nothing where all of it is."""

    def forward(self, x):
        left, right = x[..., :4].mean(dim=(1, 2, 3)), x[..., 4:].mean(dim=(1, 2, 3))
        return torch.stack((30 * left, 30 * right, 100 * (left.minimum(right) - 0.1)), dim=1)


def test_what_began_as_a_class_and_resembles_no_other_is_not_foreign():
    labels = torch.arange(240) % 2
    bright = (torch.arange(8) // 4 == labels[:, None]).float()[:, None, None].expand(-1, 1, 8, 8)
    real = (bright + 0.05 * torch.randn(bright.shape, generator=generator(0))).abs()
    axes = (Neighbours("nearest", real[:120], labels=labels[:120]),)
    known, held = (real[:120], labels[:120]), (real[120:], labels[120:])
    judge = Judge.assemble(Jury((Doubtful().eval(),), ("halves",), 2), axes, known, held)
    x0, x = real[labels == 0], (real + 0.5)[labels == 0]
    wanted, reached = torch.ones(len(x), dtype=torch.long), torch.ones(len(x), dtype=torch.bool)
    unknown = judge.judge(x, wanted, reached=reached)
    assert unknown.counts()[Outcome.OUT_OF_DISTRIBUTION] == len(x)
    assert judge.judge(x, wanted, reached=reached, x0=x0).counts()[Outcome.ADVERSARIAL] == len(x)
    other = judge.judge(x, torch.zeros_like(wanted), reached=reached, x0=real[labels == 1])
    assert other.counts()[Outcome.OUT_OF_DISTRIBUTION] == len(x)
