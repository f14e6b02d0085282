"""Guards of images: what is done where an adversary leaves the first network guessing."""

from tests.domains import small_digits
from xhat.domain import Domain, guards, networks

SCHEDULE = {"epochs": 6, "batch_size": 32, "seed": 0, "jitter": None}


def share(net, x, labels):
    return float((net(x).argmax(dim=1) == labels).float().mean())


def test_a_network_that_guesses_makes_place_for_another(monkeypatch):
    domain = small_digits()
    x, labels = domain.x[domain.halves[0]][:400], domain.labels[domain.halves[0]][:400]
    first, second = guards._TRIED
    monkeypatch.setattr(guards, "_TRIED", ((first[0], 20.0, first[2]), second))
    net = guards.guard_of_images(x, labels, 10, **SCHEDULE)
    assert net.__class__.__name__ == "ResidualNet"
    held = domain.halves[1]
    assert share(net, domain.x[held], domain.labels[held]) > 0.5


def test_a_file_says_which_network_it_was(monkeypatch, tmp_path):
    data = small_digits()
    domain = Domain(data.x[:200], data.labels[:200], kind="image")
    monkeypatch.setattr(guards, "_TRIED", guards._TRIED[1:])
    monkeypatch.setitem(networks._STEPS, "robust", 8)
    robust = domain.network("robust")
    domain.save(tmp_path / "domain.xhat")
    again = Domain.load(tmp_path / "domain.xhat").network("robust")
    assert again.architecture == robust.architecture == "ResidualNet"
    assert again(data.x[:5]).equal(robust(data.x[:5]))
