"""Methods: ways to search in a domain, from the textbook loop to real samples that are bent.

A method is a small class with one contract: of a model, a goal, starts and a domain it makes a
``Problem`` and the options of ``solve`` (``Method.plan``), and ``search`` runs them. It has the
fields that it uses, and no others. Most begin at the start and differ in where they search and in
what holds them; they need what they name in ``needs``, which the domain trains where it is missing.

============================  ================================================================
``Pixels``                    the features themselves, within the limits of the domain
``InBall``                    the same, within a ball around the start: an attack
``NearStart``                 the same, staying near the start: MAP with a Gaussian prior
``Guarded``                   the same, also through an adversarially trained classifier
``InLatentSpace``             the latent space of an autoencoder
``Guided``                    the same, also through that classifier, with a prior
``Bent``                      the nearest real sample of the target, bent towards the start
``Nearest``                   that sample as it is: what every other method must be better than
``Annealed``                  a denoiser as the prior, from much noise to little
``Diffused``                  samples of that denoiser, guided
============================  ================================================================

Your own is one class and one line; see ``docs/guides/add-a-method.md``.
"""

from xhat.methods.annealed import Annealed
from xhat.methods.base import Method, Options, Plan
from xhat.methods.bent import Bent, Nearest
from xhat.methods.diffused import Diffused
from xhat.methods.features import Guarded, InBall, NearStart, Pixels
from xhat.methods.latent import Guided, InLatentSpace
from xhat.methods.registry import default_method, known_methods, method
from xhat.methods.surroundings import Surroundings

__all__ = [
    "Annealed",
    "Bent",
    "Diffused",
    "Guarded",
    "Guided",
    "InBall",
    "InLatentSpace",
    "Method",
    "NearStart",
    "Nearest",
    "Options",
    "Pixels",
    "Plan",
    "Surroundings",
    "default_method",
    "known_methods",
    "method",
]
