"""The studies of the task digits, one module each."""

from xhat.study.experiments.experiment import Experiment
from xhat.study.experiments.studies.ablation import ABLATION
from xhat.study.experiments.studies.certainty import CERTAINTY
from xhat.study.experiments.studies.diffusion import DIFFUSION
from xhat.study.experiments.studies.easy_targets import EASY_TARGETS
from xhat.study.experiments.studies.equivariance import EQUIVARIANCE
from xhat.study.experiments.studies.interpolation import INTERPOLATION
from xhat.study.experiments.studies.latent_size import LATENT_SIZE
from xhat.study.experiments.studies.noise_softness import NOISE_SOFTNESS
from xhat.study.experiments.studies.out_of_distribution import OUT_OF_DISTRIBUTION
from xhat.study.experiments.studies.soft_labels import SOFT_LABELS, with_labels
from xhat.study.experiments.studies.structure import STRUCTURE
from xhat.study.experiments.studies.tradeoff import TRADEOFF

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
        INTERPOLATION,
        DIFFUSION,
        STRUCTURE,
        LATENT_SIZE,
    )
}
