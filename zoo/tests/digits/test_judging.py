import torch

from xhat.core import generator
from xhat.judges import Outcome
from xhat_zoo import digits
from xhat_zoo.digits.judging import digits_judge


def shares(x, target):
    counts = digits_judge().judge(x, target).counts()
    return {outcome: n / len(x) for outcome, n in counts.items()}


def test_real_digits_are_rarely_flagged():
    test = digits.split("test")
    found = shares(test.images[:1000], test.labels[:1000])
    assert found[Outcome.GENUINE] > 0.92  # alpha is 5 %, and the jury itself errs on 1 %
    as_others = shares(test.images[:300], (test.labels[:300] + 3) % 10)
    assert as_others[Outcome.GENUINE] < 0.02
    few = digits_judge().judge(test.images[:300], test.labels[:300])
    assert Outcome.UNDECIDED not in few.outcomes  # of other digits judges see next to nothing


def test_copies_of_the_reference_are_on_the_manifold_and_named():
    judge = digits_judge()
    found = judge.judge(judge.reference[100:200], judge.labels[100:200])
    assert found.copied.tolist() == list(range(100, 200))
    assert found.counts()[Outcome.OFF_MANIFOLD] == 0
    assert found.counts()[Outcome.GENUINE] > 90


def test_what_is_no_digit_is_out_of_distribution():
    target = torch.arange(200) % 10
    assert shares(digits.fashion()[:200], target)[Outcome.OUT_OF_DISTRIBUTION] > 0.95
    noise = torch.rand(200, 1, 28, 28, generator=generator(0))
    assert shares(noise, target)[Outcome.OUT_OF_DISTRIBUTION] > 0.9


def test_noise_that_hardly_shows_is_off_the_manifold():
    test = digits.split("test")
    sign = torch.rand(200, 1, 28, 28, generator=generator(0)).round() * 2 - 1
    found = shares((test.images[:200] + 0.15 * sign).clamp(0, 1), test.labels[:200])
    assert found[Outcome.GENUINE] < 0.02


def test_the_judge_is_made_of_judges_and_images_that_trained_no_surrogate():
    judge = digits_judge()
    assert judge.jury.names == digits.JUDGES
    assert {digits.card(name).split for name in (*digits.JUDGES, digits.AUTOENCODER)} == {
        "judge_train"
    }
    assert {digits.card(name).split for name in (*digits.SURROGATES, *digits.GUARDS, "vae")} == {
        "surrogate_train"
    }
    parts = [set(digits.split(name).index.tolist()) for name in digits.SPLITS if name != "test"]
    assert sum(map(len, parts)) == len(set().union(*parts))
    searched = (
        *map(digits.surrogate, digits.SURROGATES),
        *map(digits.guard, digits.GUARDS),
        digits.vae(),
    )
    test = digits.split("test")
    judge.judge(test.images[:1], test.labels[:1], searched=searched)
