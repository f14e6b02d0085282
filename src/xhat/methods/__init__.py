"""Methods: ways to search in a domain, from a way along the data to the textbook loop.

A method is a small class. ``Method.plan`` takes a model, a goal, starts and a domain, and returns a
``Problem`` and the options of ``solve``; ``Method.search`` runs them. The fields of a method are
its settings, and it uses all of them. Most methods begin at the start; they differ in the space of
the search and in what keeps it near real inputs. Networks that a method lists in ``needs`` are
trained by the domain where they are missing.

============================  ================================================================
``Flow``                      from the start along the data, by a prior and the model's gradient
``LabelFree``                 the same, by the model's gradient alone
``Edited``                    the start, edited by any denoiser that is there already
``Nearest``                   the nearest real sample of the target, which a search must excel
``Retrieval``                 the same, bent towards the start
``Pixels``                    the features themselves, within the limits of the domain
``InBall``                    the same, within a ball around the start: an attack
``NearStart``                 the same, staying near the start: MAP with a Gaussian prior
``Guarded``                   the same, also through an adversarially trained classifier
``InLatentSpace``             the latent space of an autoencoder
``Guided``                    the same, also through that classifier, with a prior
``Annealed``                  a denoiser as the prior, from much noise to little
``Diffused``                  samples of that denoiser, guided
``Distilled``                 on a surrogate, for models that have no gradient
============================  ================================================================

Your own is one class and one line; see ``docs/guides/add-a-method.md``.
"""

from xhat.methods.annealed import Annealed
from xhat.methods.base import Method, Options, Plan
from xhat.methods.diffused import Diffused
from xhat.methods.distilled import Distilled
from xhat.methods.editing import Edited
from xhat.methods.features import Guarded, InBall, NearStart, Pixels
from xhat.methods.flow import Flow, LabelFree
from xhat.methods.latent import Guided, InLatentSpace
from xhat.methods.registry import default_method, known_methods, method
from xhat.methods.retrieval import Nearest, Retrieval
from xhat.methods.surroundings import Surroundings

__all__ = [
    "Annealed",
    "Diffused",
    "Distilled",
    "Edited",
    "Flow",
    "Guarded",
    "Guided",
    "InBall",
    "InLatentSpace",
    "LabelFree",
    "Method",
    "NearStart",
    "Nearest",
    "Options",
    "Pixels",
    "Plan",
    "Retrieval",
    "Surroundings",
    "default_method",
    "known_methods",
    "method",
]
