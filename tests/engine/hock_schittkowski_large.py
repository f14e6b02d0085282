"""The collection's problems from engineering, of five to fifteen variables.

See ``hock_schittkowski``. Colville's are 83, 86 and 117 (and 86 is the dual of 117); Himmelblau's
112 and Asaadi's 111 are one chemical equilibrium, in two kinds of variables.
"""

import torch

from tests.engine.program import NO_BOUND, Program

# Colville's first problem: g(x) = A x - b, cost e x + x C x + d x³
E = (-15, -27, -36, -18, -12)
C = (
    (30, -20, -10, 32, -10),
    (-20, 39, -6, -31, 32),
    (-10, -6, 10, -6, -10),
    (32, -31, -6, 39, -20),
    (-10, 32, -10, -20, 30),
)
D = (4, 8, 10, 6, 2)
A = (
    (-16, 2, 0, 1, 0),
    (0, -2, 0, 4, 2),
    (-3.5, 0, 2, 0, 0),
    (0, -2, 0, -4, -1),
    (0, -9, -2, 1, -2.8),
    (2, 0, -4, 0, 0),
    (-1, -1, -1, -1, -1),
    (-1, -2, -3, -2, -1),
    (1, 2, 3, 4, 5),
    (1, 1, 1, 1, 1),
)
B = (-40, -2, -0.25, -4, -4, -1, -40, -60, 5, 1)
FIVES = range(5)


def dot(weights, x):
    return sum(weight * each for weight, each in zip(weights, x, strict=True))


def quadratic(x):
    return sum(x[i] * dot(C[i], x) for i in FIVES)


def colville_1(*x):
    return dot(E, x) + quadratic(x) + sum(D[j] * x[j] ** 3 for j in FIVES)


def colville_2(*x):
    return quadratic(x[10:]) - dot(B, x[:10]) + 2 * sum(D[j] * x[10 + j] ** 3 for j in FIVES)


def colville_2_positive(*x):
    y = x[10:]
    return [
        2 * dot(C[j], y) + 3 * D[j] * y[j] ** 2 + E[j] - sum(A[k][j] * x[k] for k in range(10))
        for j in FIVES
    ]


def colville_3_positive(x1, x2, x3, x4, x5):
    values = (
        85.334407 + 0.0056858 * x2 * x5 + 0.0006262 * x1 * x4 - 0.0022053 * x3 * x5,
        80.51249 + 0.0071317 * x2 * x5 + 0.0029955 * x1 * x2 + 0.0021813 * x3**2 - 90,
        9.300961 + 0.0047026 * x3 * x5 + 0.0012547 * x1 * x3 + 0.0019085 * x3 * x4 - 20,
    )
    return (*values, *(top - value for top, value in zip((92, 20, 5), values, strict=True)))


# Problem 84: coefficients of 1, x1, x1 x2, x1 x3, x1 x4, x1 x5
REVENUE = (24345, 8720288.849, -150512.5253, 156.6950325, -476470.3222, -729482.8271)
LOADS = (
    (-145421.402, 2931.1506, -40.427932, 5106.192, 15711.36),
    (-155011.1084, 4360.53352, 12.9492344, 10236.884, 13176.786),
    (-326669.5104, 7390.68412, -27.8986976, 16643.076, 30988.146),
)


def blending(x1, x2, x3, x4, x5):
    return REVENUE[0] + dot(REVENUE[1:], (x1, x1 * x2, x1 * x3, x1 * x4, x1 * x5))


def blending_positive(x1, x2, x3, x4, x5):
    loads = [dot(row, (x1, x1 * x2, x1 * x3, x1 * x4, x1 * x5)) for row in LOADS]
    tops = (294_000, 294_000, 277_200)
    return (*loads, *(top - load for top, load in zip(tops, loads, strict=True)))


def transformer(x1, x2, x3, x4, x5, x6):
    return (
        0.0204 * x1 * x4 * (x1 + x2 + x3)
        + 0.0187 * x2 * x3 * (x1 + 1.57 * x2 + x4)
        + 0.0607 * x1 * x4 * x5**2 * (x1 + x2 + x3)
        + 0.0437 * x2 * x3 * x6**2 * (x1 + 1.57 * x2 + x4)
    )


def transformer_positive(x1, x2, x3, x4, x5, x6):
    return (
        0.001 * x1 * x2 * x3 * x4 * x5 * x6 - 2.07,
        1
        - 0.00062 * x1 * x4 * x5**2 * (x1 + x2 + x3)
        - 0.00058 * x2 * x3 * x6**2 * (x1 + 1.57 * x2 + x4),
    )


def separation(number, optimum, b1, b2, b3, b4, local=False, near=None):
    def positive(x1, x2, x3, x4, x5, x6):
        linear = (
            dot((17.1, 38.2, 204.2, 212.3, 623.4, 1495.5), (x1, x2, x3, x4, x5, x6)),
            dot((17.9, 36.8, 113.9, 169.7, 337.8, 1385.2), (x1, x2, x3, x4, x5, x6)),
            dot((0, -273, 0, -70, -819, 0), (x1, x2, x3, x4, x5, x6)),
            dot((159.9, -311, 0, 587, 391, 2198), (x1, x2, x3, x4, x5, x6)),
        )
        return (
            linear[0] - 169 * x1 * x3 - 3580 * x3 * x5 - 3810 * x4 * x5 - 18500 * x4 * x6
            - 24300 * x5 * x6 - b1,
            linear[1] - 139 * x1 * x3 - 2450 * x4 * x5 - 16600 * x4 * x6 - 17200 * x5 * x6 - b2,
            linear[2] + 26000 * x4 * x5 - b3,
            linear[3] - 14000 * x1 * x6 - b4,
        )  # fmt: skip

    weights = (4.3, 31.8, 63.3, 15.8, 68.5, 4.7)
    high = (0.31, 0.046, 0.068, 0.042, 0.028, 0.0134)
    return Program(
        number, (0,) * 6, optimum, lambda *x: dot(weights, x), positive,
        low=0, high=high, local=local, near=near,
    )  # fmt: skip


def wong_7(x1, x2, x3, x4, x5, x6, x7):
    return (
        (x1 - 10) ** 2 + 5 * (x2 - 12) ** 2 + x3**4 + 3 * (x4 - 11) ** 2
        + 10 * x5**6 + 7 * x6**2 + x7**4 - 4 * x6 * x7 - 10 * x6 - 8 * x7
    )  # fmt: skip


def wong_7_positive(x1, x2, x3, x4, x5, x6, x7):
    return (
        127 - 2 * x1**2 - 3 * x2**4 - x3 - 4 * x4**2 - 5 * x5,
        282 - 7 * x1 - 3 * x2 - 10 * x3**2 - x4 + x5,
        196 - 23 * x1 - x2**2 - 6 * x6**2 + 8 * x7,
        -4 * x1**2 - x2**2 + 3 * x1 * x2 - 2 * x3**2 - 5 * x6 + 11 * x7,
    )


def reactors(x1, x2, x3, x4, x5, x6, x7, x8):
    return 0.4 * (x1 / x7) ** 0.67 + 0.4 * (x2 / x8) ** 0.67 + 10 - x1 - x2


def reactors_positive(x1, x2, x3, x4, x5, x6, x7, x8):
    cost = reactors(x1, x2, x3, x4, x5, x6, x7, x8)
    return (
        1 - 0.0588 * x5 * x7 - 0.1 * x1,
        1 - 0.0588 * x6 * x8 - 0.1 * x1 - 0.1 * x2,
        1 - 4 * x3 / x5 - 2 / (x3**0.71 * x5) - 0.0588 * x7 / x3**1.3,
        1 - 4 * x4 / x6 - 2 / (x4**0.71 * x6) - 0.0588 * x8 / x4**1.3,
        cost - 1,
        4.2 - cost,
    )


def exchangers_positive(x1, x2, x3, x4, x5, x6, x7, x8):
    return (
        1 - 0.0025 * (x4 + x6),
        1 - 0.0025 * (x5 + x7 - x4),
        1 - 0.01 * (x8 - x5),
        x1 * x6 - 833.33252 * x4 - 100 * x1 + 83333.333,
        x2 * x7 - 1250 * x5 - x2 * x4 + 1250 * x4,
        x3 * x8 - 1_250_000 - x3 * x5 + 2500 * x5,
    )


def hexagon(x1, x2, x3, x4, x5, x6, x7, x8, x9):
    return -0.5 * (x1 * x4 - x2 * x3 + x3 * x9 - x5 * x9 + x5 * x8 - x6 * x7)


def hexagon_positive(x1, x2, x3, x4, x5, x6, x7, x8, x9):
    return (
        1 - x3**2 - x4**2, 1 - x9**2, 1 - x5**2 - x6**2, 1 - x1**2 - (x2 - x9) ** 2,
        1 - (x1 - x5) ** 2 - (x2 - x6) ** 2, 1 - (x1 - x7) ** 2 - (x2 - x8) ** 2,
        1 - (x3 - x5) ** 2 - (x4 - x6) ** 2, 1 - (x3 - x7) ** 2 - (x4 - x8) ** 2,
        1 - x7**2 - (x8 - x9) ** 2, x1 * x4 - x2 * x3, x3 * x9, -x5 * x9, x5 * x8 - x6 * x7,
    )  # fmt: skip


FREE_ENERGY = (
    -6.089, -17.164, -34.054, -5.914, -24.721, -14.986, -24.1, -10.708, -26.662, -22.179,
)  # fmt: skip


def equilibrium(*x):
    total = sum(x)
    return sum(each * (c + torch.log(each / total)) for each, c in zip(x, FREE_ENERGY, strict=True))


def elements(x1, x2, x3, x4, x5, x6, x7, x8, x9, x10):
    return (
        x1 + 2 * x2 + 2 * x3 + x6 + x10 - 2,
        x4 + 2 * x5 + x6 + x7 - 1,
        x3 + x7 + x8 + 2 * x9 + x10 - 1,
    )


def of_logarithms(function):
    return lambda *x: function(*(each.exp() for each in x))


def wong_10(x1, x2, x3, x4, x5, x6, x7, x8, x9, x10):
    return (
        x1**2 + x2**2 + x1 * x2 - 14 * x1 - 16 * x2 + (x3 - 10) ** 2 + 4 * (x4 - 5) ** 2
        + (x5 - 3) ** 2 + 2 * (x6 - 1) ** 2 + 5 * x7**2 + 7 * (x8 - 11) ** 2
        + 2 * (x9 - 10) ** 2 + (x10 - 7) ** 2 + 45
    )  # fmt: skip


def wong_10_positive(x1, x2, x3, x4, x5, x6, x7, x8, x9, x10):
    return (
        105 - 4 * x1 - 5 * x2 + 3 * x7 - 9 * x8,
        -10 * x1 + 8 * x2 + 17 * x7 - 2 * x8,
        8 * x1 - 2 * x2 - 5 * x9 + 2 * x10 + 12,
        -3 * (x1 - 2) ** 2 - 4 * (x2 - 3) ** 2 - 2 * x3**2 + 7 * x4 + 120,
        -5 * x1**2 - 8 * x2 - (x3 - 6) ** 2 + 2 * x4 + 40,
        -0.5 * (x1 - 8) ** 2 - 2 * (x2 - 4) ** 2 - 3 * x5**2 + x6 + 30,
        -(x1**2) - 2 * (x2 - 2) ** 2 + 2 * x1 * x2 - 14 * x5 + 6 * x6,
        3 * x1 - 6 * x2 - 12 * (x9 - 8) ** 2 + 7 * x10,
    )


def alkylation_positive(x1, x2, x3, x4, x5, x6, x7, x8, x9, x10):
    a, b = 0.99, 0.9
    g1, g2 = 35.82 - 0.222 * x10 - b * x9, -133 + 3 * x7 - a * x10
    g5 = 1.12 * x1 + 0.13167 * x1 * x8 - 0.00667 * x1 * x8**2 - a * x4
    g6 = 57.425 + 1.098 * x8 - 0.038 * x8**2 + 0.325 * x6 - a * x7
    return (
        g1, g2, -g1 + x9 * (1 / b - b), -g2 + (1 / a - a) * x10,
        g5, g6, -g5 + (1 / a - a) * x4, -g6 + (1 / a - a) * x7,
    )  # fmt: skip


def alkylation_zero(x1, x2, x3, x4, x5, x6, x7, x8, x9, x10):
    return (
        1.22 * x4 - x1 - x5,
        98000 * x3 / (x4 * x9 + 1000 * x3) - x6,
        (x2 + x5) / x1 - x8,
    )


def membranes_positive(x1, x2, x3, x4, x5, x6, x7, x8, x9, x10, x11, x12, x13):
    return (
        x3 - x2,
        x2 - x1,
        1 - 0.002 * x7 + 0.002 * x8,
        x11 + x12 + x13 - 50,
        x13 - 1.262626 * x10 + 1.231059 * x3 * x10,
        x5 - 0.03475 * x2 - 0.975 * x2 * x5 + 0.00975 * x2**2,
        x6 - 0.03475 * x3 - 0.975 * x3 * x6 + 0.00975 * x3**2,
        x5 * x7 - x1 * x8 - x4 * x7 + x4 * x8,
        1 - 0.002 * (x2 * x9 + x5 * x8 - x1 * x8 - x6 * x9) - x5 - x6,
        x2 * x9 - x3 * x10 - x6 * x9 - 500 * x2 + 500 * x6 + x2 * x10,
        x2 - 0.9 - 0.002 * (x2 * x10 - x3 * x10),
        x4 - 0.03475 * x1 - 0.975 * x1 * x4 + 0.00975 * x1**2,
        x11 - 1.262626 * x8 + 1.231059 * x1 * x8,
        x12 - 1.262626 * x9 + 1.231059 * x2 * x9,
        250 - x11 - x12 - x13,
    )


def dispatch(*x):
    linear, square = (2.3, 1.7, 2.2) * 5, (0.0001, 0.0001, 0.00015) * 5
    return dot(linear, x) + dot(square, [each**2 for each in x])


def dispatch_positive(*x):
    ramps = [x[i] - x[i - 3] + 7 for i in range(3, 15)]
    tops = [top - ramp for top, ramp in zip((13, 14, 13) * 4, ramps, strict=True)]
    demand = zip((60, 50, 70, 85, 100), range(0, 15, 3), strict=True)
    return (*ramps, *tops, *(x[i] + x[i + 1] + x[i + 2] - least for least, i in demand))


LARGE = (
    Program(
        83, (78, 33, 27, 27, 27), -30665.53867,
        lambda x1, x2, x3, x4, x5: (
            5.3578547 * x3**2 + 0.8356891 * x1 * x5 + 37.293239 * x1 - 40792.141
        ),
        colville_3_positive,
        low=(78, 33, 27, 27, 27), high=(102, 45, 45, 45, 45),
    ),
    Program(
        84, (2.52, 2, 37.5, 9.25, 6.8), -5280335.133, blending, blending_positive,
        low=(0, 1.2, 20, 9, 6.5), high=(1000, 2.4, 60, 9.3, 7),
    ),
    Program(
        86, (0, 0, 0, 0, 1), -32.34867897, colville_1,
        lambda *x: [dot(row, x) - b for row, b in zip(A, B, strict=True)],
        low=0,
    ),
    Program(
        93, (5.54, 4.4, 12.02, 11.82, 0.702, 0.852), 135.075961,
        transformer, transformer_positive, low=0,
    ),
    separation(95, 0.015619514, 4.97, -1.88, -29.08, -78.02),
    separation(96, 0.015619514, 4.97, -1.88, -69.08, -118.02),
    separation(97, 3.1358091, 32.97, 25.12, -29.08, -78.02, local=True),
    separation(98, 3.1358091, 32.97, 25.12, -124.08, -173.02, local=True),
    Program(100, (1, 2, 0, 4, 0, 1, 1), 680.6300573, wong_7, wong_7_positive),
    Program(
        104, (6, 3, 0.4, 0.2, 6, 6, 1, 0.5), 3.9511634396, reactors, reactors_positive,
        low=0.1, high=10,
    ),
    Program(
        106, (5000, 5000, 5000, 200, 350, 150, 225, 425), 7049.248021,
        lambda *x: x[0] + x[1] + x[2], exchangers_positive,
        low=(100, 1000, 1000, 10, 10, 10, 10, 10), high=(*[1e4] * 3, *[1e3] * 5),
    ),
    Program(
        108, (1,) * 9, -(0.75**0.5), hexagon, hexagon_positive,
        low=(*[-NO_BOUND] * 8, 0), local=True,
    ),
    Program(
        111, (-2.3,) * 10, -47.76109026, of_logarithms(equilibrium),
        zero=of_logarithms(elements), low=-100, high=100,
    ),
    Program(112, (0.1,) * 10, -47.76109026, equilibrium, zero=elements, low=1e-6),
    Program(113, (2, 3, 5, 5, 1, 2, 7, 3, 6, 10), 24.3062091, wong_10, wong_10_positive),
    Program(
        114, (1745, 12000, 110, 3048, 1974, 89.2, 92.8, 8, 3.6, 145), -1768.80696,
        lambda x1, x2, x3, x4, x5, x6, x7, x8, x9, x10: (
            5.04 * x1 + 0.035 * x2 + 10 * x3 + 3.36 * x5 - 0.063 * x4 * x7
        ),
        alkylation_positive, alkylation_zero,
        low=(*[1e-5] * 5, 85, 90, 3, 1.2, 145),
        high=(2000, 16000, 120, 5000, 2000, 93, 95, 12, 4, 162),
    ),
    Program(
        116, (0.5, 0.8, 0.9, 0.1, 0.14, 0.5, 489, 80, 650, 450, 150, 150, 150), 97.58750956,
        lambda *x: x[10] + x[11] + x[12], membranes_positive,
        low=(0.1, 0.1, 0.1, 1e-4, 0.1, 0.1, 0.1, 0.1, 500, 0.1, 1, 1e-4, 1e-4),
        high=(1, 1, 1, 0.1, 0.9, 0.9, 1000, 1000, 1000, 500, 150, 150, 150),
    ),
    Program(
        117, (*[0.001] * 6, 60, *[0.001] * 8), 32.348679, colville_2, colville_2_positive,
        low=0,
    ),
    Program(
        118, (20, 55, 15, *(20, 60, 20) * 4), 664.82045, dispatch, dispatch_positive,
        low=(8, 43, 3, *[0] * 12), high=(21, 57, 16, *(90, 120, 60) * 4),
    ),
)  # fmt: skip
