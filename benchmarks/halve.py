"""Write a surrogate of ``benchmarks/weights`` into the package, at half of its size.

    python benchmarks/halve.py robust+outliers

Weights are rounded to float16, and read back into float32 when they are loaded; the card stays that
of the training, and a test compares what was measured there with what the rounded weights do.
"""

import argparse
import copy
from pathlib import Path

import torch

from xhat.learning import load_checkpoint, save_checkpoint
from xhat_zoo import digits

HERE = Path(__file__).resolve().parent


def main() -> None:
    """Load, round, and write weights and card."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("name")
    name = parser.parse_args().name
    model, card = load_checkpoint(HERE / "weights", name)
    rounded = copy.deepcopy(model).to(torch.float16)
    save_checkpoint(digits.WEIGHTS, rounded, card)


if __name__ == "__main__":
    main()
