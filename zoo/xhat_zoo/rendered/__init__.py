"""Rendered shapes: colour images whose manifold is known, so that every verdict can be checked.

``draw`` makes images of a disc, square, triangle, star, ring or cross, of any place, size, angle
and colours, seen by a sensor with a little noise. The renderer is a closed form, so ``read`` finds
the nearest rendered image of every kind to *any* image, and with it the true outcome: genuine,
adversarial, mistaken, off the manifold, of no kind.
"""

from xhat_zoo.rendered.fitting import Fits, fit
from xhat_zoo.rendered.judging import rendered_judge
from xhat_zoo.rendered.networks import WEIGHTS, card, surrogate, train
from xhat_zoo.rendered.renderer import SHAPES, masks, render
from xhat_zoo.rendered.samples import NOISE, Samples, draw
from xhat_zoo.rendered.truth import Reading, read, shape_of

__all__ = [
    "NOISE",
    "SHAPES",
    "WEIGHTS",
    "Fits",
    "Reading",
    "Samples",
    "card",
    "draw",
    "fit",
    "masks",
    "read",
    "render",
    "rendered_judge",
    "shape_of",
    "surrogate",
    "train",
]
