"""Networks, one training loop, and checkpoints: what surrogates and judges both stand on.

A network here is a plain ``nn.Module`` without batch statistics, so that one candidate's output
never depends on another's. ``fit`` is the only training loop of the library; everything that
makes a training special (soft targets, adversarial inputs, a variational bound) is its ``loss``.
A checkpoint is a safetensors file of weights beside a JSON ``Card`` that says where they come
from, and the two are only ever loaded together.
"""

from xhat.learning.architectures import NETWORKS, architectures, build, network
from xhat.learning.augment import Jitter, Shift, random_affine, random_rotation, rotate
from xhat.learning.checkpoints import Card, count_parameters, load_checkpoint, save_checkpoint
from xhat.learning.contrast import main_contrast
from xhat.learning.corruptions import CORRUPTIONS, DAMAGE, corrupt
from xhat.learning.denoiser_network import Denoiser
from xhat.learning.denoising import DenoisingLoss
from xhat.learning.dense import DenseVAE
from xhat.learning.kernels import KernelClassifier
from xhat.learning.networks import MLP, VAE, ResidualNet, SmallCNN, WideCNN
from xhat.learning.precision import has_fast_bfloat16, short_passes, usable_device
from xhat.learning.signals import ResidualSignal, ScalesSignal
from xhat.learning.surrogate import SignalCNN, Surrogate, side_of, squared
from xhat.learning.temperature import Tempered, fit_temperature
from xhat.learning.training import Augment, EpochRecord, Loss, fit, predict
from xhat.learning.trees import BoostedTrees, grow_regression_trees, grow_trees
from xhat.learning.variational import VariationalLoss, fit_vae, rebuilding_loss

__all__ = [
    "CORRUPTIONS",
    "DAMAGE",
    "MLP",
    "NETWORKS",
    "VAE",
    "Augment",
    "BoostedTrees",
    "Card",
    "Denoiser",
    "DenoisingLoss",
    "DenseVAE",
    "EpochRecord",
    "Jitter",
    "KernelClassifier",
    "Loss",
    "ResidualNet",
    "ResidualSignal",
    "ScalesSignal",
    "Shift",
    "SignalCNN",
    "SmallCNN",
    "Surrogate",
    "Tempered",
    "VariationalLoss",
    "WideCNN",
    "architectures",
    "build",
    "corrupt",
    "count_parameters",
    "fit",
    "fit_temperature",
    "fit_vae",
    "grow_regression_trees",
    "grow_trees",
    "has_fast_bfloat16",
    "load_checkpoint",
    "main_contrast",
    "network",
    "predict",
    "random_affine",
    "random_rotation",
    "rebuilding_loss",
    "rotate",
    "save_checkpoint",
    "short_passes",
    "side_of",
    "squared",
    "usable_device",
]
