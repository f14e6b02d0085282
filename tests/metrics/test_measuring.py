import json
import math

import pytest
import torch

from tests.metrics.world import ITSELF, classes, normal
from xhat.metrics import (
    MEASURES,
    Features,
    coverage,
    frechet_distance,
    kernel_distance,
    mean_distance,
    measure,
    vendi_score,
)
from xhat_zoo import digits


def measured(n=40, m=400, shift=0.0, **options):
    found, target = classes(n, 1)
    real, labels = classes(m, 2)
    options = {"seed": 0, "bootstrap": 20, "draws": 4} | options
    return measure(found + shift, target, real, labels, ITSELF, **options)


def test_values_are_those_of_the_single_measures():
    found, target = classes(12, 1)
    real, labels = classes(12, 2)  # as many: no floor, so all of the reference is used
    row = measure(found, target, real, labels, ITSELF, seed=0, bootstrap=1, k=3).row(1)
    mine, theirs = found[target == 1], real[labels == 1]
    expected = vars(coverage(mine, theirs, 3)) | {
        "frechet": frechet_distance(mine, theirs),
        "kernel": kernel_distance(mine, theirs),
        "mean_distance": mean_distance(mine),
        "vendi": vendi_score(mine),
    }
    assert {m.name: m.value for m in row.measures} == pytest.approx(expected)
    assert (row.n, row.against) == (6, 6)
    assert all("a floor needs more real samples" in m.why for m in row.measures)


def test_real_samples_are_at_their_own_floor_and_others_are_not():
    real, shifted = measured(n=60), measured(n=60, shift=2.0)
    for row in real:
        for m in row.measures:
            assert m.why == ""
            assert m.low <= m.value <= m.high
            assert abs(m.value - m.floor) < 5 * m.floor_spread + (m.high - m.low)
    for name in ("frechet", "kernel"):
        found = shifted.overall[name]
        assert found.low > found.floor + 5 * found.floor_spread
    assert shifted.overall["coverage"].high < shifted.overall["coverage"].floor
    assert shifted.overall["precision"].high < shifted.overall["precision"].floor


def test_the_floor_has_the_bias_of_as_many_samples():
    few, many = measured(n=20, draws=20), measured(n=80, draws=20)
    assert few.overall["frechet"].floor > 2 * many.overall["frechet"].floor
    assert (few.overall.against, many.overall.against) == (380, 320)


def test_the_interval_holds_the_value_that_other_results_have():
    real, labels = classes(160, 2)
    tables = []
    for i in range(12):
        found, target = classes(30, 100 + i)
        tables.append(
            measure(found, target, real, labels, ITSELF, seed=i, bootstrap=30, draws=1).overall
        )
    for name in ("frechet", "kernel", "recall", "density", "mean_distance"):
        typical = sum(row[name].value for row in tables) / len(tables)
        inside = sum(row[name].low <= typical <= row[name].high for row in tables)
        assert inside >= 10, name


def test_results_that_are_all_alike_have_no_variety():
    target = classes(40, 1)[1]
    alike = 6.0 * target[:, None] + 0.05 * normal(40, 3, 3)
    real, labels = classes(400, 2)
    table = measure(alike, target, real, labels, ITSELF, seed=0, bootstrap=20, draws=4)
    for row in table:
        assert row["mean_distance"].high < 0.2 * row["mean_distance"].floor
        assert row["recall"].value < 0.3 < row["recall"].floor
        assert row["precision"].value > 0.9


def test_starts_add_the_distance_moved():
    found, target = classes(40, 1)
    real, labels = classes(400, 2)
    starts = found + torch.tensor([0.1, 0.0, 0.0]) + 20
    options = {"seed": 0, "bootstrap": 20, "draws": 4}
    still = measure(starts + 0.5, target, real, labels, ITSELF, starts=starts, **options).overall
    assert still["moved"].value == pytest.approx(0.5 * math.sqrt(3))
    assert still["ratio"].value < 0.1
    arrived = measure(found, target, real, labels, ITSELF, starts=starts, **options).overall
    assert arrived["ratio"].value > 1
    assert arrived["ratio"].floor == pytest.approx(arrived["ratio"].value, rel=0.1)
    assert [m.name for m in arrived.measures] == list(MEASURES)
    with pytest.raises(KeyError, match="no measure 'moved' in this row; there are frechet"):
        measured().overall["moved"]


def test_starts_that_are_real_samples_of_the_target_leave_the_ratio_out():
    real, labels = classes(20, 2)
    table = measure(
        real + 1, labels, real, labels, ITSELF, starts=real, seed=0, bootstrap=5, draws=2
    )
    assert table.overall["ratio"].value is None
    assert "real samples of the target" in table.overall["ratio"].why
    assert table.overall["moved"].value == pytest.approx(math.sqrt(3))


def test_too_few_results_say_so():
    found, target = classes(8, 1)
    target = torch.tensor([0, 0, 0, 0, 0, 0, 0, 1])
    real, labels = classes(60, 2)
    table = measure(found, target, real, labels, ITSELF, seed=0, bootstrap=5, draws=2)
    alone, seven = table.row(1), table.row(0)
    for name in ("frechet", "kernel", "mean_distance", "vendi"):
        assert alone[name].value is None
        assert "at least 2 results" in alone[name].why
    assert "at least 6 results and 6 real samples" in alone["recall"].why
    assert alone["precision"].value in (0, 1)
    assert alone["precision"].low is None
    assert alone["precision"].floor is not None
    assert "an interval needs at least 8 results, but there are 1" in alone["precision"].why
    assert seven["recall"].value is not None
    assert seven["recall"].low is None
    assert table.overall["frechet"].low is not None
    with pytest.raises(KeyError, match="the target 7; there are 0, 1"):
        table.row(7)


def test_a_single_real_sample_is_too_few():
    found, real = normal(9, 2, 0), normal(1, 2, 1)
    table = measure(found, 0, real, torch.tensor([0]), ITSELF, seed=0, bootstrap=5)
    assert table.overall["frechet"].value is None
    assert table.overall["precision"].value is None
    assert table.overall["vendi"].value is not None


def test_real_samples_of_other_classes_play_no_part():
    found, target = classes(20, 1)
    real, labels = classes(200, 2)
    more, others = torch.cat((real, real + 50)), torch.cat((labels, labels + 5))
    options = {"seed": 0, "bootstrap": 5, "draws": 2}
    table = measure(found, target, more, others, ITSELF, **options)
    assert table == measure(found, target, real, labels, ITSELF, **options)


def test_the_seed_decides_and_nothing_global_is_touched():
    before = torch.get_rng_state()
    assert measured() == measured()
    assert measured() != measured(seed=1)
    assert torch.equal(before, torch.get_rng_state())


def test_a_table_becomes_plain_rows():
    table = measured(n=9)
    rows = json.loads(json.dumps(table.to_rows(), allow_nan=False))
    assert len(rows) == 3 * 8
    assert rows[0]["target"] == 0
    assert rows[-1]["target"] is None
    assert {row["measure"] for row in rows} <= set(MEASURES)
    assert rows[0]["value"] == table.row(0)["frechet"].value
    assert set(rows[0]) == {
        "target", "n", "against", "measure", "value", "low", "high", "floor", "floor_spread",
        "why", "features", "sha256", "seed",
    }  # fmt: skip


def test_real_digits_are_at_the_floor_and_noisy_ones_far_from_it():
    test = digits.split("test")
    which = torch.cat([(test.labels == digit).nonzero()[:130, 0] for digit in (3, 8)])
    x, labels = test.images[which], test.labels[which]
    coarse = Features("coarse pixels", lambda x: torch.nn.functional.avg_pool2d(x, 4))
    mine = torch.cat((torch.arange(30), torch.arange(130, 160)))
    rest = torch.cat((torch.arange(30, 130), torch.arange(160, 260)))
    noise = 0.7 * torch.rand(60, 1, 28, 28, generator=torch.Generator().manual_seed(0))
    for found, far in ((x[mine], False), ((x[mine] + noise).clamp(0, 1), True)):
        table = measure(
            found, labels[mine], x[rest], labels[rest], coarse, seed=0, bootstrap=20, draws=5
        )
        for row in table:
            frechet = row["frechet"]
            assert (frechet.value > 1.5 * frechet.floor) == far
            assert (row["precision"].value < row["precision"].floor - 0.3) == far


def test_bad_input_is_refused():
    x, labels = classes(20, 0)

    def call(found=x, target=labels, reference=x, theirs=labels, **options):
        return measure(found, target, reference, theirs, ITSELF, **({"seed": 0} | options))

    with pytest.raises(TypeError, match="classes of found must be integers, but are float32"):
        call(target=labels.float())
    with pytest.raises(ValueError, match=r"one for each of 20 samples, but have shape \(19,\)"):
        call(target=labels[:19])
    with pytest.raises(ValueError, match=r"no samples of the targets \[7\]"):
        call(target=7)
    with pytest.raises(ValueError, match=r"one shape, but have \(3,\) and \(2,\)"):
        call(reference=x[:, :2])
    with pytest.raises(ValueError, match="one start for each result"):
        call(starts=x[:5])
    with pytest.raises(ValueError, match="found must be finite"):
        call(found=x / 0)
    with pytest.raises(ValueError, match="draws must be a whole number"):
        call(draws=0)
    with pytest.raises(TypeError, match="seed must be an integer"):
        call(seed=0.5)
