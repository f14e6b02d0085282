"""The surrogate that nobody here trained: NeuralFoil, as a module that can be differentiated.

From the shape, the angle of attack and the Reynolds number it predicts what XFoil would say of
lift, drag, moment and transition, and how sure it is that XFoil would say anything at all. Each
network looks at the airfoil and at its mirror image and the two answers are averaged, so that
symmetry holds exactly; its confidence falls with the Mahalanobis distance from its 8 million
training runs.

The weights are those of NeuralFoil 0.3.3 (MIT licence), unchanged but for the outputs along the
boundary layer, which are left out: the last layer keeps 6 of its 198 rows. The forward pass agrees
with NeuralFoil's own, in NumPy, to 1e-12 in float64.

Source: Sharpe, Hansman, "NeuralFoil: An Airfoil Aerodynamics Analysis Tool Using Physics-Informed
Machine Learning", arXiv 2503.16323, 2025.
"""

import functools
import json
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load
from torch import Tensor, nn

from xhat.core import UnreadableFileError, check_choice, sha256_of
from xhat_zoo.airfoil.geometry import PARAMETERS, SIDE

__all__ = ["SIZES", "Aerodynamics", "NeuralFoil", "material", "surrogate"]

SIZES = ("xlarge", "xxlarge")
MATERIAL = Path(__file__).parent / "weights"
_INPUTS, _OUTPUTS = 25, 6
_FAR = 700.0  # beyond which a logistic function overflows


@dataclass(frozen=True)
class Aerodynamics:
    """What is said of ``(n, k)`` airfoils at ``k`` conditions each.

    Attributes:
        lift: coefficient, CL.
        drag: coefficient, CD.
        moment: pitching moment about a quarter of the chord, CM; nose up is positive.
        upper_transition: where the upper boundary layer turns turbulent, in chords.
        lower_transition: the same of the lower one.
        confidence: that XFoil converges there, in (0, 1); 1 for XFoil itself where it converged.
    """

    lift: Tensor
    drag: Tensor
    moment: Tensor
    upper_transition: Tensor
    lower_transition: Tensor
    confidence: Tensor


class NeuralFoil(nn.Module):
    """The network, its mean and inverse covariance of the training inputs, and the two looks.

    Args:
        width: of the hidden layers.
        depth: how many of them.
    """

    mean: Tensor
    precision: Tensor

    def __init__(self, width: int, depth: int) -> None:
        super().__init__()
        sizes = [_INPUTS, *[width] * depth, _OUTPUTS]
        self.layers = nn.ModuleList(nn.Linear(a, b) for a, b in pairwise(sizes))
        self.register_buffer("mean", torch.zeros(_INPUTS))
        self.register_buffer("precision", torch.zeros(_INPUTS, _INPUTS, dtype=torch.float64))

    def forward(
        self, parameters: Tensor, angle: Tensor, reynolds: Tensor, n_crit: float = 9.0
    ) -> Aerodynamics:
        """Return lift, drag, moment, transitions and confidence, each ``(n, k)``.

        Args:
            parameters: ``(n, 18)`` Kulfan parameters.
            angle: ``(n, k)`` or ``(k,)``, of attack, in degrees.
            reynolds: like ``angle``, Reynolds numbers with respect to the chord.
            n_crit: the amplification at which a boundary layer turns turbulent; 9 is a quiet
                wind tunnel.
        """
        conditions = torch.broadcast_shapes(angle.shape, reynolds.shape, (len(parameters), 1))
        inputs = _inputs(parameters, angle.expand(conditions), reynolds.expand(conditions), n_crit)
        y, mirrored = self._look(inputs), self._look(_mirrored(inputs))
        signs = y.new_tensor([1, -1, 1, -1, 1, 1])
        y = (y + signs * mirrored[..., [0, 1, 2, 3, 5, 4]]) / 2
        return Aerodynamics(
            lift=y[..., 1] / 2,
            drag=((y[..., 2] - 2) * 2).exp(),
            moment=y[..., 3] / 20,
            upper_transition=y[..., 4].clamp(0, 1),
            lower_transition=y[..., 5].clamp(0, 1),
            confidence=y[..., 0].clamp(-_FAR, _FAR).sigmoid(),
        )

    def _look(self, inputs: Tensor) -> Tensor:
        y = inputs
        for layer in self.layers[:-1]:
            y = nn.functional.silu(layer(y))
        y = self.layers[-1](y)
        away = inputs - self.mean
        distance = ((away @ self.precision) * away).sum(-1)
        return torch.cat([y[..., :1] - distance[..., None] / (2 * _INPUTS), y[..., 1:]], -1)


def _inputs(parameters: Tensor, angle: Tensor, reynolds: Tensor, n_crit: float) -> Tensor:
    """Return the 25 inputs as they were scaled in training, ``(n, k, 25)``."""
    radians = torch.deg2rad(angle)
    shape = parameters[:, None].expand(-1, angle.shape[1], -1)
    one = torch.ones_like(angle)
    further = [
        (2 * radians).sin(),
        radians.cos(),
        radians.sin().square(),
        (reynolds.log() - 12.5) / 3.5,
        one * ((n_crit - 9) / 4.5),
        one,
        one,
    ]
    scaled = torch.cat([shape[..., :-1], shape[..., -1:] * 50], -1)
    return torch.cat([scaled, torch.stack(further, -1)], -1)


def _mirrored(inputs: Tensor) -> Tensor:
    """Return the inputs of the airfoil turned upside down, which flies at the opposite angle."""
    upper, lower = inputs[..., :SIDE], inputs[..., SIDE : 2 * SIDE]
    le, te, sine = inputs[..., 16:17], inputs[..., 17:18], inputs[..., PARAMETERS : PARAMETERS + 1]
    return torch.cat([-lower, -upper, -le, te, -sine, inputs[..., 19:]], -1)


@functools.cache
def surrogate(size: str = "xxlarge") -> NeuralFoil:
    """Return NeuralFoil with its published weights: frozen, float64.

    Args:
        size: ``"xlarge"`` (70,000 numbers) or ``"xxlarge"`` (270,000). It is shared: do not write
            to it.

    Raises:
        ValueError: there is no such size.
        UnreadableFileError: its files are missing or damaged.

    Example:
        >>> from xhat_zoo.airfoil import catalogue
        >>> naca = catalogue().of("naca0012")
        >>> seen = surrogate()(naca, torch.tensor([0.0, 5.0]), torch.tensor([1e6]))
        >>> [f"{float(lift):.2f}" for lift in seen.lift[0]]
        ['0.00', '0.55']
    """
    name = f"neuralfoil-{check_choice('size', size, SIZES)}"
    tensors = material(name)
    depth = sum(key.endswith(".weight") for key in tensors) - 1
    model = NeuralFoil(tensors["layers.0.weight"].shape[0], depth)
    model.load_state_dict(tensors)
    return model.double().eval().requires_grad_(False)


def material(name: str, folder: Path = MATERIAL) -> dict[str, Tensor]:
    """Return the tensors of a shipped file after checking it against its card.

    Raises:
        UnreadableFileError: it is missing, truncated or changed.
    """
    path = folder / f"{name}.safetensors"
    expected, found = card(name, folder)["sha256"], sha256_of(path)
    if found != expected:
        raise UnreadableFileError(
            f"{path} is truncated or was changed: its SHA-256 is {found[:12]}…, but its card says "
            f"{expected[:12]}…; install xhat-zoo again."
        )
    try:
        return load(path.read_bytes())
    except SafetensorError as error:
        raise UnreadableFileError(f"{path} is not a safetensors file.") from error


def card(name: str, folder: Path = MATERIAL) -> dict[str, Any]:
    """Return where a shipped file comes from: source, licence, command, hash.

    Raises:
        UnreadableFileError: the card is missing or broken.
    """
    path = folder / f"{name}.json"
    try:
        return json.loads(path.read_text())
    except OSError as error:
        raise UnreadableFileError(f"{path} cannot be read ({error.strerror}).") from error
    except ValueError as error:
        raise UnreadableFileError(f"{path} is not a card.") from error
