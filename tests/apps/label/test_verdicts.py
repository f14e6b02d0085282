import numpy as np
import pytest

from tests.apps.label.collections import NOW
from xhat.apps.label import (
    Ballot,
    Database,
    Item,
    Settings,
    add_images,
    cast,
    create,
    invite,
    upcoming,
    verdicts,
)
from xhat.apps.label.verdicts import people_and_verdicts, write_people

VERDICTS = ("genuine", "genuine", "adversarial", "adversarial", "off_manifold", "genuine")
SEEN = (3, 3, 7, 3, 3, None)  # what two people see in candidates for a 3; None is no digit


@pytest.fixture
def judged(tmp_path):
    """Six candidates for a 3 with verdicts, one without, and what two people see in them."""
    with Database(f"sqlite:///{tmp_path}/a.sqlite", create=True) as database:
        settings = Settings(purpose="results", each=2, repeats=0, golds=0)

        def fill(connection):
            create(connection, settings, NOW)
            pixels = np.random.default_rng(0).integers(0, 256, (7, 8, 8, 3), dtype=np.uint8)
            details = [{"verdict": v, "target": 3} for v in VERDICTS] + [{"target": 3}]
            items = [
                Item(p, "r", k, details=d)
                for k, (p, d) in enumerate(zip(pixels, details, strict=True))
            ]
            add_images(connection, items, 2)
            for simulated in (False, False, True):
                person = invite(connection, 1, NOW, simulated=simulated)[0].id
                for seen in (*SEEN, 3):
                    given = upcoming(connection, person, settings, NOW, ahead=1, draw=lambda: 0.9)
                    if given:
                        place = 10 if seen is None else seen
                        shares = tuple(float(k == place) for k in range(11))
                        cast(connection, person, given[0].id, 0, Ballot(shares), NOW)

        database.write(fill)
        yield database


class TestPeopleAndVerdicts:
    def test_counts_both_answers(self, judged):
        found = people_and_verdicts(judged)
        assert len(found) == 6  # the seventh has no verdict
        assert found.table.tolist() == [[2, 1], [2, 1]]
        assert found.agreeing == 3
        assert found.kappa == pytest.approx(0)
        assert found.agrees.tolist() == [True, True, True, False, False, False]
        told = {row.verdict: (row.n, row.seen, row.none) for row in found.rows}
        assert told == {"genuine": (3, 2, 1), "adversarial": (2, 1, 0), "off_manifold": (1, 1, 0)}

    def test_kappa_of_a_textbook(self):
        assert verdicts._kappa(np.array([[20, 5], [10, 15]])) == pytest.approx(0.4)
        assert verdicts._kappa(np.array([[7, 0], [0, 0]])) is None
        assert verdicts._kappa(np.array([[7, 0], [0, 3]])) == 1

    def test_the_page_shows_disagreements_first(self, judged, tmp_path):
        page = write_people(people_and_verdicts(judged), tmp_path / "out", command="xhat label")
        said = page.read_text()
        assert "On 3 of 6 candidates people and verdicts agree" in said
        assert "No person gave" not in said
        assert (tmp_path / "out" / "people.png").stat().st_size > 1_000

    def test_simulated_ones_are_kept_apart_and_named(self, judged, tmp_path):
        with pytest.raises(ValueError, match="no candidate has a verdict, a target and 1 or more"):
            people_and_verdicts(judged, simulated=True)  # two people were enough for each image

    def test_few_votes_are_left_out(self, judged):
        with pytest.raises(ValueError, match="and 3 or more votes"):
            people_and_verdicts(judged, least=3)
