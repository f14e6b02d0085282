"""Ambigrams: images that are read as one digit, and turned by 180 degrees as another."""

from xhat_zoo.digits.ambigrams.demo import Gallery, all_pairs, count_readings, run, said, write
from xhat_zoo.digits.ambigrams.overlaps import Overlaps, half_turned
from xhat_zoo.digits.ambigrams.search import Ambigram, Ambigrams, digits_overlaps

__all__ = [
    "Ambigram",
    "Ambigrams",
    "Gallery",
    "Overlaps",
    "all_pairs",
    "count_readings",
    "digits_overlaps",
    "half_turned",
    "run",
    "said",
    "write",
]
