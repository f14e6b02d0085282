"""Programs that have no solution, and programs with a rough spot; what should be told of each."""

import torch

from tests.engine.program import Program

EMPTY = "no feasible point exists"

CONTRADICTORY = (
    Program(
        "two half planes apart", (0, 0), float("nan"),
        lambda x1, x2: x1**2 + x2**2,
        lambda x1, x2: (x1 + x2 - 2, 1 - x1 - x2),
        told=f"{EMPTY}: x1 + x2 cannot be at least 2 and at most 1; 0.5 is the least violation.",
    ),
    Program(
        "a circle and a line beyond it", (0.5, 0.5), float("nan"),
        lambda x1, x2: (x1 - 3) ** 2 + x2**2,
        lambda x1, x2: (1 - x1**2 - x2**2,),
        lambda x1, x2: (x1 + x2 - 2,),
        told=f"{EMPTY}: the line x1 + x2 = 2 is farther than 1 from the centre of the circle.",
    ),
    Program(
        "two parallel equalities", (1, -1, 0), float("nan"),
        lambda x1, x2, x3: x1**2 + x2**2 + x3**2,
        zero=lambda x1, x2, x3: (x1 + x2 + x3 - 1, 2 * x1 + 2 * x2 + 2 * x3 - 4),
        told=f"{EMPTY}: the sum of x cannot be both 1 and 2.",
    ),
    Program(
        "a sum out of the box's reach", (0.5, 0.5, 0.5), float("nan"),
        lambda x1, x2, x3: x1 - x2 + x3,
        lambda x1, x2, x3: (x1 + x2 + x3 - 4,),
        low=0, high=1,
        told=f"{EMPTY}: within the bounds the sum of x is 3 at most, and 4 is asked for.",
    ),
    Program(
        "a square that equals -1", (2, 1), float("nan"),
        lambda x1, x2: x1 + x2,
        zero=lambda x1, x2: (x1**2 + (x2 - 1) ** 2 + 1,),
        told=f"{EMPTY}: the equality is 1 or more everywhere, and its gradient is 0 where it is 1.",
    ),
    Program(
        "two discs apart", (0, 3), float("nan"),
        lambda x1, x2: x2**2 - x1,
        lambda x1, x2: (1 - (x1 + 2) ** 2 - x2**2, 1 - (x1 - 2) ** 2 - x2**2),
        told=f"{EMPTY}: the discs around (-2, 0) and (2, 0) are 2 apart; 3 is the least violation.",
    ),
)  # fmt: skip

ROUGH = (
    Program(
        "a corner of |x| at the optimum", (3, 2), 1,
        lambda x1, x2: (x1 - 2) ** 2 + x2**2,
        lambda x1, x2: (1 - x1.abs() - x2.abs(),),
        told="reached: the constraint has a corner at the optimum (1, 0), and no gradient there.",
    ),
    Program(
        "the larger of two", (2, 0), 1,
        lambda x1, x2: x1**2 + (x2 - 2) ** 2,
        lambda x1, x2: (1 - torch.maximum(x2 - x1, x2 + x1),),
        told="reached: both arguments of the maximum are equal at the optimum (0, 1).",
    ),
    Program(
        "a logarithm that ends", (-1, 1), 4,
        lambda x1, x2: x1**2 + x2**2 + 2 * x1 * x2,
        lambda x1, x2: (torch.log(x1) + torch.log(x2),),
        told="the constraint is NaN at the start, where x1 < 0: say so; a NaN is never feasible.",
    ),
    Program(
        "a root that ends at the optimum", (4, 1), 0.25,
        lambda x1, x2: x1 + (x2 - 1) ** 2,
        zero=lambda x1, x2: (torch.sqrt(x1 - 0.25) * x2,),
        low=(-1, 0.5), high=(9, 2),
        told=(
            "the constraint is NaN below x1 = 0.25, and its slope infinite at the optimum "
            "(0.25, 1): a NaN is never feasible."
        ),
    ),
)  # fmt: skip
