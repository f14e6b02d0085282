import numpy as np
import pytest

from tests.apps.label.crowd import FOUR_MISSING, TWO_BINARY, TWO_NOMINAL, drawn, votes, votes_of
from xhat.apps.label import agreement, alpha, entropy, mean_shares, pairwise, self_consistency


def pair_by_pair(of):
    """Return alpha as its definition says, pair by pair."""
    groups = [of.shares[of.image == i] for i in range(of.images)]
    groups = [group for group in groups if len(group) > 1]
    every = np.concatenate(groups)
    n = len(every)

    def apart(group):
        return sum(0.5 * ((p - q) ** 2).sum() for p in group for q in group)

    observed = sum(apart(group) / (len(group) - 1) for group in groups) / n
    return 1 - observed / (apart(every) / (n * (n - 1)))


class TestAlpha:
    @pytest.mark.parametrize(
        ("rows", "published"),
        [(TWO_BINARY, 0.095), (TWO_NOMINAL, 0.692), (FOUR_MISSING, 0.743)],
        ids=["A: two observers, binary", "B: two observers, nominal", "C: four, with gaps"],
    )
    def test_the_published_examples(self, rows, published):
        assert alpha(votes_of(rows)).value == pytest.approx(published, abs=5e-4)

    @pytest.mark.parametrize("sure", [True, False])
    def test_is_what_the_definition_says_pair_by_pair(self, sure):
        of = drawn(sure=sure)
        assert alpha(of).value == pytest.approx(pair_by_pair(of), abs=1e-12)

    def test_full_agreement_is_one_and_lies_at_the_end_of_its_interval(self):
        found = alpha(votes_of(("abc" * 5, "abc" * 5)))
        assert (found.value, found.low, found.high) == (1, 1, 1)

    def test_chance_is_zero_and_contradiction_less(self):
        random = np.random.default_rng(0)
        chance = ["".join(random.choice(list("ab"), 4_000)) for _ in range(2)]
        found = alpha(votes_of(chance))
        assert found.low < 0 < found.high
        assert abs(found.value) < 0.05
        assert alpha(votes_of(("ab" * 9, "ba" * 9))).value < -0.9

    def test_hedging_between_two_is_less_apart_than_contradiction(self):
        eye = np.eye(3)
        sure = votes([0, 0, 1, 1], [0, 1, 0, 1], eye[[0, 1, 2, 2]])
        hedged = votes([0, 0, 1, 1], [0, 1, 0, 1], [[0.5, 0.5, 0], [0.5, 0.5, 0], eye[2], eye[2]])
        assert alpha(sure).value < alpha(hedged).value == 1

    def test_nothing_can_be_told_where_all_say_the_same_or_nobody_meets(self):
        assert alpha(votes_of(("aaaa", "aaaa"), outcomes=2)) is None
        assert alpha(votes_of(("ab..", "..ab"))) is None
        assert alpha(votes_of(("ab", "a."))) is None  # one image with two votes is no sample

    def test_repeats_and_cannot_tell_do_not_count(self):
        of = votes_of(TWO_NOMINAL)
        more = votes(
            np.append(of.image, [0, 1]),
            np.append(of.annotator, [0, 1]),
            np.vstack([of.shares, np.eye(5)[4], np.zeros(5)]),
            repeat=np.append(of.repeat, [True, False]),
        )
        assert alpha(more) == alpha(of)

    def test_the_interval_covers_what_other_images_would_give(self):
        far = drawn(images=5_000, seed=1)
        truth, inside = alpha(far, draws=1).value, 0
        for seed in range(40):
            found = alpha(drawn(images=60, seed=100 + seed), seed=seed, draws=300)
            inside += found.low <= truth <= found.high
        assert inside >= 34  # of 40 at 95 %; 34 or fewer have a probability of 1 %

    def test_the_same_seed_gives_the_same_interval(self):
        assert alpha(drawn(), seed=3) == alpha(drawn(), seed=3)
        assert alpha(drawn(), seed=3).low != alpha(drawn(), seed=4).low

    @pytest.mark.parametrize(
        ("option", "said"), [({"level": 1.0}, "level must lie"), ({"draws": 0}, "draws must be")]
    )
    def test_refuses_bad_options(self, option, said):
        with pytest.raises(ValueError, match=said):
            alpha(drawn(), **option)


class TestEachImage:
    def test_the_mean_counts_first_sights_that_say_something(self):
        shares = [[1, 0, 0], [0.5, 0.5, 0], [0, 0, 0], [0, 0, 1]]
        of = votes([0, 0, 0, 0], [0, 1, 2, 0], shares, repeat=[0, 0, 0, 1], images=2)
        assert mean_shares(of)[0].tolist() == [0.75, 0.25, 0]
        assert np.isnan(mean_shares(of)[1]).all()

    def test_entropy_in_nats(self):
        found = entropy(np.array([[0.25] * 4, [1, 0, 0, 0], [np.nan] * 4]))
        assert found[:2] == pytest.approx([np.log(4), 0])
        assert np.isnan(found[2])

    def test_pairs_that_say_the_same(self):
        found = pairwise(votes_of(("aab", "aba", "abb")))
        assert found[:2] == pytest.approx([1, 1 / 3])
        assert np.isnan(pairwise(votes_of(("ab", "b.")))[1])


class TestSelfConsistency:
    def test_compares_a_second_sight_with_the_first_of_the_same_person(self):
        shares = [[1, 0], [0, 1], [0.6, 0.4], [0.2, 0.8], [1, 0], [1, 0]]
        of = votes([0, 1, 0, 1, 0, 0], [0, 0, 0, 0, 1, 2], shares, repeat=[0, 0, 1, 1, 0, 1])
        found = self_consistency(of)
        assert (found.pairs, found.same) == (2, 1)  # person 2 has no first sight
        assert found.distance == pytest.approx((0.4 + 0.2) / 2)

    def test_another_class_on_top_is_not_the_same(self):
        of = votes([0, 0], [0, 0], [[0.6, 0.4], [0.4, 0.6]], repeat=[0, 1])
        assert self_consistency(of).same == 0
        tie = votes([0, 0], [0, 0], [[0.5, 0.5], [0.4, 0.6]], repeat=[0, 1])
        assert self_consistency(tie).same == 1

    def test_none_without_pairs_that_say_something(self):
        assert self_consistency(drawn()) is None
        assert self_consistency(votes([0, 0], [0, 0], [[0, 0], [0, 1]], repeat=[0, 1])) is None


def test_a_collection_as_a_whole():
    of = drawn()
    found = agreement(of, seed=2)
    assert (found.votes, found.images) == (len(of), len(set(of.image.tolist())))
    assert found.alpha == alpha(of, seed=2)
    assert found.entropy == pytest.approx(np.nanmean(entropy(mean_shares(of))))
    nothing = agreement(of.where(of.image < 0))
    assert (nothing.votes, nothing.alpha, nothing.entropy, nothing.seconds) == (0, None, None, None)
