"""Problems of a standard collection, all with general constraints and a known optimum.

Hock & Schittkowski, "Test Examples for Nonlinear Programming Codes", Lecture Notes in Economics
and Mathematical Systems 187, Springer, 1981. Numbers are the book's. Left out: problems without a
general constraint, those defined by tables or procedures (54, 57, 59, 67 to 70, 85, 87 to 92, 99,
101 to 103, 105, 107, 109, 119), 13 (no multipliers exist at its optimum), 45, 47 (the book's
optimum is not the least) and 58. Optima that the book rounds or misses are given to more digits:
106 (7049.330923 in the book), 112 (-47.707579), 116 (97.588409).
"""

from math import log, pi, sqrt

import torch

from tests.engine.hard_programs import CONTRADICTORY, ROUGH
from tests.engine.hock_schittkowski_four import FIVE, FOUR, SIX
from tests.engine.hock_schittkowski_large import LARGE
from tests.engine.program import NO_BOUND, Program

__all__ = ["CONTRADICTORY", "PROBLEMS", "ROUGH"]


def rosenbrock(x1, x2):
    return 100 * (x2 - x1**2) ** 2 + (1 - x1) ** 2


TWO = (
    Program(
        6, (-1.2, 1), 0,
        lambda x1, x2: (1 - x1) ** 2,
        zero=lambda x1, x2: (10 * (x2 - x1**2),),
    ),
    Program(
        7, (2, 2), -sqrt(3),
        lambda x1, x2: torch.log(1 + x1**2) - x2,
        zero=lambda x1, x2: ((1 + x1**2) ** 2 + x2**2 - 4,),
    ),
    Program(
        8, (2, 1), -1,
        lambda x1, x2: 0 * x1 - 1,
        zero=lambda x1, x2: (x1**2 + x2**2 - 25, x1 * x2 - 9),
    ),
    Program(
        9, (0, 0), -0.5,
        lambda x1, x2: torch.sin(pi * x1 / 12) * torch.cos(pi * x2 / 16),
        zero=lambda x1, x2: (4 * x1 - 3 * x2,),
    ),
    Program(
        10, (-10, 10), -1,
        lambda x1, x2: x1 - x2,
        lambda x1, x2: (-3 * x1**2 + 2 * x1 * x2 - x2**2 + 1,),
    ),
    Program(
        11, (4.9, 0.1), -8.498464223,
        lambda x1, x2: (x1 - 5) ** 2 + x2**2 - 25,
        lambda x1, x2: (x2 - x1**2,),
    ),
    Program(
        12, (0, 0), -30,
        lambda x1, x2: 0.5 * x1**2 + x2**2 - x1 * x2 - 7 * x1 - 7 * x2,
        lambda x1, x2: (25 - 4 * x1**2 - x2**2,),
    ),
    Program(
        14, (2, 2), 9 - 2.875 * sqrt(7),
        lambda x1, x2: (x1 - 2) ** 2 + (x2 - 1) ** 2,
        lambda x1, x2: (1 - 0.25 * x1**2 - x2**2,),
        lambda x1, x2: (x1 - 2 * x2 + 1,),
    ),
    Program(
        15, (-2, 1), 306.5, rosenbrock,
        lambda x1, x2: (x1 * x2 - 1, x1 + x2**2),
        high=(0.5, NO_BOUND), local=True,
    ),
    Program(
        16, (-2, 1), 0.25, rosenbrock,
        lambda x1, x2: (x1 + x2**2, x1**2 + x2),
        low=(-2, -NO_BOUND), high=(0.5, 1), local=True, near=(0.4, 0.3),
    ),
    Program(
        17, (-2, 1), 1, rosenbrock,
        lambda x1, x2: (x2**2 - x1, x1**2 - x2),
        low=(-0.5, -NO_BOUND), high=(0.5, 1), local=True,
    ),
    Program(
        18, (2, 2), 5,
        lambda x1, x2: 0.01 * x1**2 + x2**2,
        lambda x1, x2: (x1 * x2 - 25, x1**2 + x2**2 - 25),
        low=(2, 0), high=50,
    ),
    Program(
        19, (20.1, 5.84), -6961.81381,
        lambda x1, x2: (x1 - 10) ** 3 + (x2 - 20) ** 3,
        lambda x1, x2: (
            (x1 - 5) ** 2 + (x2 - 5) ** 2 - 100,
            82.81 - (x2 - 5) ** 2 - (x1 - 6) ** 2,
        ),
        low=(13, 0), high=100,
    ),
    Program(
        20, (-2, 1), 81.5 - 25 * sqrt(3), rosenbrock,
        lambda x1, x2: (x1 + x2**2, x1**2 + x2, x1**2 + x2**2 - 1),
        low=(-0.5, -NO_BOUND), high=(0.5, NO_BOUND), local=True, near=(0.4, 0.9),
    ),
    Program(
        21, (-1, -1), -99.96,
        lambda x1, x2: 0.01 * x1**2 + x2**2 - 100,
        lambda x1, x2: (10 * x1 - x2 - 10,),
        low=(2, -50), high=50,
    ),
    Program(
        22, (2, 2), 1,
        lambda x1, x2: (x1 - 2) ** 2 + (x2 - 1) ** 2,
        lambda x1, x2: (2 - x1 - x2, x2 - x1**2),
    ),
    Program(
        23, (3, 1), 2,
        lambda x1, x2: x1**2 + x2**2,
        lambda x1, x2: (
            x1 + x2 - 1, x1**2 + x2**2 - 1, 9 * x1**2 + x2**2 - 9, x1**2 - x2, x2**2 - x1,
        ),
        low=-50, high=50, local=True,
    ),
    Program(
        24, (1, 0.5), -1,
        lambda x1, x2: ((x1 - 3) ** 2 - 9) * x2**3 / (27 * sqrt(3)),
        lambda x1, x2: (x1 / sqrt(3) - x2, x1 + sqrt(3) * x2, 6 - x1 - sqrt(3) * x2),
        low=0, local=True,
    ),
)  # fmt: skip

THREE = (
    Program(
        26, (-2.6, 2, 2), 0,
        lambda x1, x2, x3: (x1 - x2) ** 2 + (x2 - x3) ** 4,
        zero=lambda x1, x2, x3: ((1 + x2**2) * x1 + x3**4 - 3,),
    ),
    Program(
        27, (2, 2, 2), 0.04,
        lambda x1, x2, x3: 0.01 * (x1 - 1) ** 2 + (x2 - x1**2) ** 2,
        zero=lambda x1, x2, x3: (x1 + x3**2 + 1,),
    ),
    Program(
        28, (-4, 1, 1), 0,
        lambda x1, x2, x3: (x1 + x2) ** 2 + (x2 + x3) ** 2,
        zero=lambda x1, x2, x3: (x1 + 2 * x2 + 3 * x3 - 1,),
    ),
    Program(
        29, (1, 1, 1), -16 * sqrt(2),
        lambda x1, x2, x3: -x1 * x2 * x3,
        lambda x1, x2, x3: (48 - x1**2 - 2 * x2**2 - 4 * x3**2,),
    ),
    Program(
        30, (1, 1, 1), 1,
        lambda x1, x2, x3: x1**2 + x2**2 + x3**2,
        lambda x1, x2, x3: (x1**2 + x2**2 - 1,),
        low=(1, -10, -10), high=10,
    ),
    Program(
        31, (1, 1, 1), 6,
        lambda x1, x2, x3: 9 * x1**2 + x2**2 + 9 * x3**2,
        lambda x1, x2, x3: (x1 * x2 - 1,),
        low=(-10, 1, -10), high=(10, 10, 1),
    ),
    Program(
        32, (0.1, 0.7, 0.2), 1,
        lambda x1, x2, x3: (x1 + 3 * x2 + x3) ** 2 + 4 * (x1 - x2) ** 2,
        lambda x1, x2, x3: (6 * x2 + 4 * x3 - x1**3 - 3,),
        lambda x1, x2, x3: (1 - x1 - x2 - x3,),
        low=0,
    ),
    Program(
        33, (0, 0, 3), sqrt(2) - 6,
        lambda x1, x2, x3: (x1 - 1) * (x1 - 2) * (x1 - 3) + x3,
        lambda x1, x2, x3: (x3**2 - x2**2 - x1**2, x1**2 + x2**2 + x3**2 - 4),
        low=0, high=(NO_BOUND, NO_BOUND, 5), local=True, near=(0, 1.3, 1.5),
    ),
    Program(
        34, (0, 1.05, 2.9), -log(log(10)),
        lambda x1, x2, x3: -x1,
        lambda x1, x2, x3: (x2 - torch.exp(x1), x3 - torch.exp(x2)),
        low=0, high=(100, 100, 10),
    ),
    Program(
        35, (0.5, 0.5, 0.5), 1 / 9,
        lambda x1, x2, x3: (
            9 - 8 * x1 - 6 * x2 - 4 * x3
            + 2 * x1**2 + 2 * x2**2 + x3**2 + 2 * x1 * x2 + 2 * x1 * x3
        ),
        lambda x1, x2, x3: (3 - x1 - x2 - 2 * x3,),
        low=0,
    ),
    Program(
        36, (10, 10, 10), -3300,
        lambda x1, x2, x3: -x1 * x2 * x3,
        lambda x1, x2, x3: (72 - x1 - 2 * x2 - 2 * x3,),
        low=0, high=(20, 11, 42),
    ),
    Program(
        37, (10, 10, 10), -3456,
        lambda x1, x2, x3: -x1 * x2 * x3,
        lambda x1, x2, x3: (72 - x1 - 2 * x2 - 2 * x3, x1 + 2 * x2 + 2 * x3),
        low=0, high=42,
    ),
    Program(
        60, (2, 2, 2), 0.03256820025,
        lambda x1, x2, x3: (x1 - 1) ** 2 + (x1 - x2) ** 2 + (x2 - x3) ** 4,
        zero=lambda x1, x2, x3: (x1 * (1 + x2**2) + x3**4 - 4 - 3 * sqrt(2),),
        low=-10, high=10, local=True,
    ),
    Program(
        61, (0, 0, 0), -143.6461422,
        lambda x1, x2, x3: 4 * x1**2 + 2 * x2**2 + 2 * x3**2 - 33 * x1 + 16 * x2 - 24 * x3,
        zero=lambda x1, x2, x3: (3 * x1 - 2 * x2**2 - 7, 4 * x1 - x3**2 - 11),
        local=True, near=(5, -2, 3),
    ),
    Program(
        62, (0.7, 0.2, 0.1), -26272.51448,
        lambda x1, x2, x3: -32.174 * (
            255 * torch.log((x1 + x2 + x3 + 0.03) / (0.09 * x1 + x2 + x3 + 0.03))
            + 280 * torch.log((x2 + x3 + 0.03) / (0.07 * x2 + x3 + 0.03))
            + 290 * torch.log((x3 + 0.03) / (0.13 * x3 + 0.03))
        ),
        zero=lambda x1, x2, x3: (x1 + x2 + x3 - 1,),
        low=0, high=1,
    ),
    Program(
        63, (2, 2, 2), 961.7151721,
        lambda x1, x2, x3: 1000 - x1**2 - 2 * x2**2 - x3**2 - x1 * x2 - x1 * x3,
        zero=lambda x1, x2, x3: (8 * x1 + 14 * x2 + 7 * x3 - 56, x1**2 + x2**2 + x3**2 - 25),
        low=0, local=True,
    ),
    Program(
        64, (1, 1, 1), 6299.842428,
        lambda x1, x2, x3: (
            5 * x1 + 50_000 / x1 + 20 * x2 + 72_000 / x2 + 10 * x3 + 144_000 / x3
        ),
        lambda x1, x2, x3: (1 - 4 / x1 - 32 / x2 - 120 / x3,),
        low=1e-5,
    ),
    Program(
        65, (-5, 5, 0), 0.9535288567,
        lambda x1, x2, x3: (x1 - x2) ** 2 + (x1 + x2 - 10) ** 2 / 9 + (x3 - 5) ** 2,
        lambda x1, x2, x3: (48 - x1**2 - x2**2 - x3**2,),
        low=(-4.5, -4.5, -5), high=(4.5, 4.5, 5),
    ),
    Program(
        66, (0, 1.05, 2.9), 0.5181632741,
        lambda x1, x2, x3: 0.2 * x3 - 0.8 * x1,
        lambda x1, x2, x3: (x2 - torch.exp(x1), x3 - torch.exp(x2)),
        low=0, high=(100, 100, 10),
    ),
)  # fmt: skip

PROBLEMS = tuple(sorted((*TWO, *THREE, *FOUR, *FIVE, *SIX, *LARGE), key=lambda p: p.number))
