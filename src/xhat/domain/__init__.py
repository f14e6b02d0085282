"""Domain: what real inputs of one field look like, said by reference samples.

From a domain follows what a search needs and a model cannot say: the scale of a step, the limits of
every feature, a judge for the results, real samples to begin from, networks that know the data, the
names of columns and how a sample is drawn. Half of the samples are for searches, the other half for
the judge alone: what has judged a result never took part in finding it. ``Domain.self_test`` says
how far its verdicts can be trusted.
"""

from xhat.domain.columns import Column
from xhat.domain.data import KINDS
from xhat.domain.domain import Domain
from xhat.domain.networks import PARTS
from xhat.domain.references import References
from xhat.domain.schema import Schema
from xhat.domain.tested import Controlled, SelfTest, Share

__all__ = [
    "KINDS",
    "PARTS",
    "Column",
    "Controlled",
    "Domain",
    "References",
    "Schema",
    "SelfTest",
    "Share",
]
