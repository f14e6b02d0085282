"""Labelling by people, put together: which images to ask about, and what the answers are good for.

The room ``xhat.apps.label`` knows nothing of digits, judges or searches; here they meet.
"""

from xhat.apps.label.verdicts import People, VerdictRow, people_and_verdicts, write_people
from xhat_zoo.digits.labelling.asking import ask, ask_jury, digits_jury, gold_items, seen_by_judges
from xhat_zoo.digits.labelling.sources import read_source

__all__ = [
    "People",
    "VerdictRow",
    "ask",
    "ask_jury",
    "digits_jury",
    "gold_items",
    "people_and_verdicts",
    "read_source",
    "seen_by_judges",
    "write_people",
]
