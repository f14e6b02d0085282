"""The collection's problems of four to seven variables (see ``hock_schittkowski``)."""

from math import asin, sqrt

import torch

from tests.engine.program import Program

ROOT2 = sqrt(2)
QUARTER, FIVE_7TH = asin(sqrt(1 / 4.2)), asin(sqrt(5 / 7.2))


def around_one(x1, x2, x3, x4, x5):
    return (x1 - x2) ** 2 + (x2 + x3 - 2) ** 2 + (x4 - 1) ** 2 + (x5 - 1) ** 2


def on_a_sphere(x1, x2, x3, x4, x5):
    squares = x1**2 + x2**2 + x3**2 + x4**2 + x5**2
    return squares - 10, x2 * x3 - 5 * x4 * x5, x1**3 + x2**3 + 1


def power_flow(x1, x2, x3, x4):
    sin = torch.sin
    return (
        1000 * sin(-x3 - 0.25) + 1000 * sin(-x4 - 0.25) + 894.8 - x1,
        1000 * sin(x3 - 0.25) + 1000 * sin(x3 - x4 - 0.25) + 894.8 - x2,
        1000 * sin(x4 - 0.25) + 1000 * sin(x4 - x3 - 0.25) + 1294.8,
    )


def generation(x1, x2, x3, x4):
    return 3 * x1 + 1e-6 * x1**3 + 2 * x2 + 2e-6 / 3 * x2**3


FOUR = (
    Program(
        39, (2, 2, 2, 2), -1,
        lambda x1, x2, x3, x4: -x1,
        zero=lambda x1, x2, x3, x4: (x2 - x1**3 - x3**2, x1**2 - x2 - x4**2),
    ),
    Program(
        40, (0.8, 0.8, 0.8, 0.8), -0.25,
        lambda x1, x2, x3, x4: -x1 * x2 * x3 * x4,
        zero=lambda x1, x2, x3, x4: (x1**3 + x2**2 - 1, x1**2 * x4 - x3, x4**2 - x2),
    ),
    Program(
        41, (2, 2, 2, 2), 52 / 27,
        lambda x1, x2, x3, x4: 2 - x1 * x2 * x3,
        zero=lambda x1, x2, x3, x4: (x1 + 2 * x2 + 2 * x3 - x4,),
        low=0, high=(1, 1, 1, 2), local=True,
    ),
    Program(
        42, (1, 1, 1, 1), 28 - 10 * ROOT2,
        lambda x1, x2, x3, x4: (x1 - 1) ** 2 + (x2 - 2) ** 2 + (x3 - 3) ** 2 + (x4 - 4) ** 2,
        zero=lambda x1, x2, x3, x4: (x1 - 2, x3**2 + x4**2 - 2),
    ),
    Program(
        43, (0, 0, 0, 0), -44,
        lambda x1, x2, x3, x4: (
            x1**2 + x2**2 + 2 * x3**2 + x4**2 - 5 * x1 - 5 * x2 - 21 * x3 + 7 * x4
        ),
        lambda x1, x2, x3, x4: (
            8 - x1**2 - x2**2 - x3**2 - x4**2 - x1 + x2 - x3 + x4,
            10 - x1**2 - 2 * x2**2 - x3**2 - 2 * x4**2 + x1 + x4,
            5 - 2 * x1**2 - x2**2 - x3**2 - 2 * x1 + x2 + x4,
        ),
    ),
    Program(
        44, (0, 0, 0, 0), -15,
        lambda x1, x2, x3, x4: x1 - x2 - x3 - x1 * x3 + x1 * x4 + x2 * x3 - x2 * x4,
        lambda x1, x2, x3, x4: (
            8 - x1 - 2 * x2, 12 - 4 * x1 - x2, 12 - 3 * x1 - 4 * x2,
            8 - 2 * x3 - x4, 8 - x3 - 2 * x4, 5 - x3 - x4,
        ),
        low=0, local=True,
    ),
    Program(
        71, (1, 5, 5, 1), 17.0140173,
        lambda x1, x2, x3, x4: x1 * x4 * (x1 + x2 + x3) + x3,
        lambda x1, x2, x3, x4: (x1 * x2 * x3 * x4 - 25,),
        lambda x1, x2, x3, x4: (x1**2 + x2**2 + x3**2 + x4**2 - 40,),
        low=1, high=5,
    ),
    Program(
        72, (1, 1, 1, 1), 727.67937,
        lambda x1, x2, x3, x4: 1 + x1 + x2 + x3 + x4,
        lambda x1, x2, x3, x4: (
            0.0401 - 4 / x1 - 2.25 / x2 - 1 / x3 - 0.25 / x4,
            0.010085 - 0.16 / x1 - 0.36 / x2 - 0.64 / x3 - 0.64 / x4,
        ),
        low=0.001, high=(4e5, 3e5, 2e5, 1e5),
    ),
    Program(
        73, (1, 1, 1, 1), 29.894378,
        lambda x1, x2, x3, x4: 24.55 * x1 + 26.75 * x2 + 39 * x3 + 40.5 * x4,
        lambda x1, x2, x3, x4: (
            2.3 * x1 + 5.6 * x2 + 11.1 * x3 + 1.3 * x4 - 5,
            12 * x1 + 11.9 * x2 + 41.8 * x3 + 52.1 * x4 - 21
            - 1.645 * (0.28 * x1**2 + 0.19 * x2**2 + 20.5 * x3**2 + 0.62 * x4**2).sqrt(),
        ),
        lambda x1, x2, x3, x4: (x1 + x2 + x3 + x4 - 1,),
        low=0,
    ),
    Program(
        74, (0, 0, 0, 0), 5126.4981, generation,
        lambda x1, x2, x3, x4: (x4 - x3 + 0.55, x3 - x4 + 0.55),
        power_flow,
        low=(0, 0, -0.55, -0.55), high=(1200, 1200, 0.55, 0.55),
    ),
    Program(
        75, (0, 0, 0, 0), 5174.4129, generation,
        lambda x1, x2, x3, x4: (x4 - x3 + 0.48, x3 - x4 + 0.48),
        power_flow,
        low=(0, 0, -0.48, -0.48), high=(1200, 1200, 0.48, 0.48),
    ),
    Program(
        76, (0.5, 0.5, 0.5, 0.5), -4.681818181,
        lambda x1, x2, x3, x4: (
            x1**2 + 0.5 * x2**2 + x3**2 + 0.5 * x4**2 - x1 * x3 + x3 * x4 - x1 - 3 * x2 + x3 - x4
        ),
        lambda x1, x2, x3, x4: (
            5 - x1 - 2 * x2 - x3 - x4, 4 - 3 * x1 - x2 - 2 * x3 + x4, x2 + 4 * x3 - 1.5,
        ),
        low=0,
    ),
)  # fmt: skip

FIVE = (
    Program(
        46, (ROOT2 / 2, 1.75, 0.5, 2, 2), 0,
        lambda x1, x2, x3, x4, x5: (
            (x1 - x2) ** 2 + (x3 - 1) ** 2 + (x4 - 1) ** 4 + (x5 - 1) ** 6
        ),
        zero=lambda x1, x2, x3, x4, x5: (
            x1**2 * x4 + torch.sin(x4 - x5) - 1, x2 + x3**4 * x4**2 - 2,
        ),
    ),
    Program(
        48, (3, 5, -3, 2, -2), 0,
        lambda x1, x2, x3, x4, x5: (x1 - 1) ** 2 + (x2 - x3) ** 2 + (x4 - x5) ** 2,
        zero=lambda x1, x2, x3, x4, x5: (x1 + x2 + x3 + x4 + x5 - 5, x3 - 2 * (x4 + x5) + 3),
    ),
    Program(
        49, (10, 7, 2, -3, 0.8), 0,
        lambda x1, x2, x3, x4, x5: (
            (x1 - x2) ** 2 + (x3 - 1) ** 2 + (x4 - 1) ** 4 + (x5 - 1) ** 6
        ),
        zero=lambda x1, x2, x3, x4, x5: (x1 + x2 + x3 + 4 * x4 - 7, x3 + 5 * x5 - 6),
    ),
    Program(
        50, (35, -31, 11, 5, -5), 0,
        lambda x1, x2, x3, x4, x5: (
            (x1 - x2) ** 2 + (x2 - x3) ** 2 + (x3 - x4) ** 4 + (x4 - x5) ** 2
        ),
        zero=lambda x1, x2, x3, x4, x5: (
            x1 + 2 * x2 + 3 * x3 - 6, x2 + 2 * x3 + 3 * x4 - 6, x3 + 2 * x4 + 3 * x5 - 6,
        ),
    ),
    Program(
        51, (2.5, 0.5, 2, -1, 0.5), 0, around_one,
        zero=lambda x1, x2, x3, x4, x5: (x1 + 3 * x2 - 4, x3 + x4 - 2 * x5, x2 - x5),
    ),
    Program(
        52, (2, 2, 2, 2, 2), 1859 / 349,
        lambda x1, x2, x3, x4, x5: around_one(4 * x1, x2, x3, x4, x5),
        zero=lambda x1, x2, x3, x4, x5: (x1 + 3 * x2, x3 + x4 - 2 * x5, x2 - x5),
    ),
    Program(
        53, (2, 2, 2, 2, 2), 176 / 43, around_one,
        zero=lambda x1, x2, x3, x4, x5: (x1 + 3 * x2, x3 + x4 - 2 * x5, x2 - x5),
        low=-10, high=10,
    ),
    Program(
        77, (2, 2, 2, 2, 2), 0.24150513,
        lambda x1, x2, x3, x4, x5: (
            (x1 - 1) ** 2 + (x1 - x2) ** 2 + (x3 - 1) ** 2 + (x4 - 1) ** 4 + (x5 - 1) ** 6
        ),
        zero=lambda x1, x2, x3, x4, x5: (
            x1**2 * x4 + torch.sin(x4 - x5) - 2 * ROOT2, x2 + x3**4 * x4**2 - 8 - ROOT2,
        ),
        local=True,
    ),
    Program(
        78, (-2, 1.5, 2, -1, -1), -2.91970041,
        lambda x1, x2, x3, x4, x5: x1 * x2 * x3 * x4 * x5,
        zero=on_a_sphere, local=True,
    ),
    Program(
        79, (2, 2, 2, 2, 2), 0.0787768209,
        lambda x1, x2, x3, x4, x5: (
            (x1 - 1) ** 2 + (x1 - x2) ** 2 + (x2 - x3) ** 2 + (x3 - x4) ** 4 + (x4 - x5) ** 4
        ),
        zero=lambda x1, x2, x3, x4, x5: (
            x1 + x2**2 + x3**3 - 2 - 3 * ROOT2, x2 - x3**2 + x4 + 2 - 2 * ROOT2, x1 * x5 - 2,
        ),
        local=True,
    ),
    Program(
        80, (-2, 2, 2, -1, -1), 0.0539498478,
        lambda x1, x2, x3, x4, x5: torch.exp(x1 * x2 * x3 * x4 * x5),
        zero=on_a_sphere,
        low=(-2.3, -2.3, -3.2, -3.2, -3.2), high=(2.3, 2.3, 3.2, 3.2, 3.2), local=True,
    ),
    Program(
        81, (-2, 2, 2, -1, -1), 0.0539498478,
        lambda x1, x2, x3, x4, x5: (
            torch.exp(x1 * x2 * x3 * x4 * x5) - 0.5 * (x1**3 + x2**3 + 1) ** 2
        ),
        zero=on_a_sphere,
        low=(-2.3, -2.3, -3.2, -3.2, -3.2), high=(2.3, 2.3, 3.2, 3.2, 3.2), local=True,
    ),
)  # fmt: skip

SIX = (
    Program(
        55, (1, 2, 0, 0, 0, 2), 19 / 3,
        lambda x1, x2, x3, x4, x5, x6: x1 + 2 * x2 + 4 * x5 + torch.exp(x1 * x4),
        zero=lambda x1, x2, x3, x4, x5, x6: (
            x1 + 2 * x2 + 5 * x5 - 6, x1 + x2 + x3 - 3, x4 + x5 + x6 - 2,
            x1 + x4 - 1, x2 + x5 - 2, x3 + x6 - 2,
        ),
        low=0, high=(1, *[float("inf")] * 2, 1, *[float("inf")] * 2), local=True,
        near=(0, 4 / 3, 5 / 3, 1, 2 / 3, 1 / 3),
    ),
    Program(
        56, (1, 1, 1, QUARTER, QUARTER, QUARTER, FIVE_7TH), -3.456,
        lambda x1, x2, x3, x4, x5, x6, x7: -x1 * x2 * x3,
        zero=lambda x1, x2, x3, x4, x5, x6, x7: (
            x1 - 4.2 * torch.sin(x4) ** 2,
            x2 - 4.2 * torch.sin(x5) ** 2,
            x3 - 4.2 * torch.sin(x6) ** 2,
            x1 + 2 * x2 + 2 * x3 - 7.2 * torch.sin(x7) ** 2,
        ),
        local=True,
    ),
)  # fmt: skip
