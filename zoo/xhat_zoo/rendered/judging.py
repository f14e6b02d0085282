"""The judge of rendered shapes: two classifiers, and the manifold axes that any data have."""

import functools

from xhat.judges import Judge, Jury
from xhat.judges.fitting import default_axes, split_reference
from xhat_zoo.rendered.networks import JUDGES, load
from xhat_zoo.rendered.renderer import SHAPES
from xhat_zoo.rendered.samples import draw

__all__ = ["rendered_judge"]

_IMAGES, _SEED = 2_500, 0


@functools.cache
def rendered_judge(alpha: float = 0.05) -> Judge:
    """Return the judge of rendered shapes; it knows nothing of the renderer.

    The classifiers are shipped, each trained on 10,000 images of its own. Nearest neighbours and
    components come from 1,500 further images, and what is usual from 1,000.

    Args:
        alpha: the share of real images that may be flagged.

    Raises:
        UnreadableFileError: weights are missing or damaged.
    """
    data = draw(_IMAGES, seed=_SEED, stream="judge")
    parts = split_reference(data.images, data.labels, _SEED)
    jury = Jury(tuple(load(name) for name in JUDGES), JUDGES, len(SHAPES))
    return Judge.assemble(
        jury,
        default_axes(parts),
        (parts.reference, parts.labels),
        (parts.calibration, parts.calibration_labels),
        alpha,
    )
