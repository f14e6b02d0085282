"""The studies of the task digits, one module each."""

from studies.ablation import ABLATION
from studies.certainty import CERTAINTY
from studies.diffusion import DIFFUSION
from studies.easy_targets import EASY_TARGETS
from studies.equivariance import EQUIVARIANCE
from studies.flow import FLOW
from studies.interpolation import INTERPOLATION
from studies.latent_size import LATENT_SIZE
from studies.noise_softness import NOISE_SOFTNESS
from studies.out_of_distribution import OUT_OF_DISTRIBUTION
from studies.runner.experiment import Experiment
from studies.soft_labels import SOFT_LABELS, with_labels
from studies.structure import STRUCTURE
from studies.tradeoff import TRADEOFF

__all__ = ["STUDIES", "with_labels"]

STUDIES: dict[str, Experiment] = {
    study.name: study
    for study in (
        SOFT_LABELS,
        NOISE_SOFTNESS,
        OUT_OF_DISTRIBUTION,
        TRADEOFF,
        CERTAINTY,
        EASY_TARGETS,
        EQUIVARIANCE,
        ABLATION,
        FLOW,
        INTERPOLATION,
        DIFFUSION,
        STRUCTURE,
        LATENT_SIZE,
    )
}
