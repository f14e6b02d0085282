"""Methods: named recipes of a search, from the textbook loop to bent real samples.

They differ in one thing at a time, so that a grid of them shows what each part is good for.
"""

from xhat.core import check_choice
from xhat.engine import Adam, NormalizedDescent, SignDescent
from xhat_zoo.digits.methods.ambigram import Ambigram, Ambigrams
from xhat_zoo.digits.methods.annealed import Annealed
from xhat_zoo.digits.methods.diffused import Diffused
from xhat_zoo.digits.methods.exemplary import Exemplary
from xhat_zoo.digits.methods.known import Known, digits_known
from xhat_zoo.digits.methods.method import Method
from xhat_zoo.digits.methods.overlaps import Overlaps, half_turned

__all__ = [
    "METHODS",
    "Ambigram",
    "Ambigrams",
    "Annealed",
    "Diffused",
    "Exemplary",
    "Known",
    "Method",
    "Overlaps",
    "digits_known",
    "half_turned",
    "method",
]

METHODS = {
    method.name: method
    for method in (
        Method(
            "plain",
            "the textbook loop: Adam on pixels until the classifier is sure",
        ),
        Method(
            "pgd",
            "adversarial discovery: no pixel may change by more than 0.3",
            radius=0.3,
            stepper=SignDescent(0.02),
        ),
        Method(
            "proximal",
            "pixels, staying near the start: MAP with a Gaussian prior",
            proximity=0.05,
            stepper=Adam(0.02),
        ),
        Method(
            "robust",
            "pixels, through an adversarially trained classifier",
            surrogate="robust",
            # Adam gives every pixel a step of one size, noise as much as strokes
            stepper=NormalizedDescent(3.0),
        ),
        Method(
            "latent",
            "the latent space of an autoencoder, plain classifier",
            space="latent",
            stepper=Adam(0.1),
        ),
        Method(
            "latent-robust",
            "latent space, adversarially trained classifier, a prior",
            surrogate="robust",
            space="latent",
            prior=0.1,
            stepper=Adam(0.1),
        ),
        Exemplary(
            "xhat",
            "the nearest real sample of the target, bent towards the start, two classifiers",
            space="warped",
            proximity=0.1,
            stepper=Adam(0.15),
            max_steps=40,
            known=digits_known,
        ),
    )
}


def method(name: str) -> Method:
    """Return a method by name.

    Raises:
        ValueError: there is no such method; the message lists those there are.
    """
    return METHODS[check_choice("method", name, METHODS)]
