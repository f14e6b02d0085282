"""How far verdicts on digits can be trusted: the self-test of their domain, shipped.

It takes a minute, so it is kept in a file, with a hash of what the judge that was tested finds
usual; of another judge nothing is said. ``make remembered`` makes it anew.
"""

import hashlib
import json
from pathlib import Path

from xhat.core import atomic_write
from xhat.domain import Domain, SelfTest
from xhat.judges import Judge
from xhat_zoo.digits.glyphs import TEST_FONTS, TEST_LETTERS, signs
from xhat_zoo.digits.splits import fashion

__all__ = ["FILE", "remember", "shipped"]

FILE = Path(__file__).with_name("self-test.json")


def shipped(judge: Judge, alpha: float) -> SelfTest | None:
    """Return the self-test of a judge at ``alpha``; None if the one shipped is of another."""
    try:
        told = json.loads(FILE.read_text())
    except FileNotFoundError:
        return None
    same = told["judge"] == _hash(judge) and told["alpha"] == alpha
    return SelfTest.from_dict(told) if same else None


def remember(domain: Domain) -> None:
    """Test the judge of digits, and write what is shipped."""
    foreign = {"clothes": fashion(), "letters": signs(TEST_LETTERS, TEST_FONTS)}
    told = domain.self_test(foreign=foreign).to_dict()
    with atomic_write(FILE) as temporary:
        judge = {"judge": _hash(domain.judge())}
        temporary.write_text(json.dumps(judge | told, indent=1) + "\n")


def _hash(judge: Judge) -> str:
    return hashlib.sha256(judge.usual.scores.contiguous().numpy().tobytes()).hexdigest()
