"""The kinds of embeddings, and how each is trained.

=============== =================================================================================
autoencoder     rebuilds; its latents lie wherever they like
beta-vae        rebuilds, and fills a standard normal the more evenly the larger ``beta`` is
metric          no decoder: small distances within a class, large ones between classes
line            one number: class ``k`` in ``[k, k + 1)``, its samples apart within the bin
flow            an autoencoder, and the density that its latents have, as a normalizing flow
=============== =================================================================================

All of them ``encode(x) -> (n, latent)``; those with a decoder ``decode(z)``.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from xhat.core import check_choice, check_count, check_positive, generator
from xhat.learning import (
    EpochRecord,
    Jitter,
    Loss,
    VariationalLoss,
    build,
    fit,
    predict,
    rebuilding_loss,
)
from xhat.surrogates.classifier import ROTATION
from xhat_zoo.digits.embeddings.flows import FlowAutoencoder, negative_log_likelihood
from xhat_zoo.digits.embeddings.line import LineLoss
from xhat_zoo.digits.embeddings.metric import ContrastiveLoss

__all__ = ["EMBEDDINGS", "Embedding", "embedding", "fit_prior", "train_embedding"]

_FLOW: dict[str, Any] = {
    "batch_size": 256,
    "learning_rate": 3e-3,
    "weight_decay": 0.0,
    "average": 0.99,
}
# A prior needs steps, not passes: after 32 it says no more than a Gaussian does, and after 480 over
# the same 2,000 latents it knows those by heart. So it gets its own number of them, over latents of
# images that are turned again and again.
_LATENTS, _VIEWS = 60_000, 16
_IMAGES = {"batch_size": 128, "learning_rate": 2e-3, "weight_decay": 0.0, "average": 0.998}


@dataclass(frozen=True)
class Embedding:
    """How one kind of embedding is made.

    Attributes:
        name: as on the command line.
        caption: what it is, in one line.
        architecture: a name in ``xhat.learning.architectures()``.
        loss: of the training; ``beta`` is given to it where there is one.
        latent: the number of latent values, where none is asked for.
        beta: likewise the weight of the divergence; None where there is none.
        fixed: whether the number of latent values cannot be another.
        prior_steps: of the prior's training, where there is a flow.
        schedule: of ``xhat.learning.fit``.
    """

    name: str
    caption: str
    architecture: str
    loss: Callable[[float], Loss]
    latent: int = 16
    beta: float | None = None
    fixed: bool = False
    prior_steps: int = 0
    schedule: Mapping[str, Any] = field(default_factory=lambda: {"epochs": 12} | _IMAGES)

    def arguments(self, images: Tensor, latent: int) -> dict[str, Any]:
        """Return the arguments of the architecture for such images."""
        told = {"channels": images.shape[1], "size": images.shape[-1]}
        return told if self.fixed else {"latent": latent} | told

    def check(self, latent: int | None, beta: float | None) -> tuple[int, float]:
        """Return the size and the weight, those asked for or its own.

        Raises:
            ValueError: out of range, or one that this kind does not have.
        """
        if latent is not None and check_count("latent", latent) != self.latent and self.fixed:
            raise ValueError(
                f"the embedding {self.name} has {self.latent} latent value, so latent cannot be "
                f"{latent}; leave it out."
            )
        if beta is not None and self.beta is None:
            raise ValueError(f"the embedding {self.name} has no beta; only beta-vae has.")
        weight = (self.beta or 0.0) if beta is None else check_positive("beta", beta, zero=True)
        return self.latent if latent is None else latent, weight


EMBEDDINGS: dict[str, Embedding] = {
    kind.name: kind
    for kind in (
        Embedding(
            "autoencoder",
            "rebuilds images; its latents lie wherever they like",
            "VAE",
            lambda _: rebuilding_loss,
        ),
        Embedding(
            "beta-vae",
            "rebuilds images, and fills a standard normal",
            "VAE",
            VariationalLoss,
            beta=1.0,
        ),
        Embedding(
            "metric",
            "small distances within a class, large ones between classes",
            "MetricEmbedding",
            lambda _: ContrastiveLoss(),
        ),
        Embedding(
            "line",
            "one number, whose whole part is the class",
            "Line",
            lambda _: LineLoss(),
            latent=1,
            fixed=True,
        ),
        Embedding(
            "flow",
            "an autoencoder with a normalizing flow as the prior of its latents",
            "FlowAutoencoder",
            lambda _: rebuilding_loss,
            prior_steps=1_500,
        ),
    )
}


def embedding(name: str) -> Embedding:
    """Return a kind of embedding by name.

    Raises:
        ValueError: there is none; the message lists those there are.
    """
    return EMBEDDINGS[check_choice("embedding", name, EMBEDDINGS)]


def train_embedding(
    name: str,
    images: Tensor,
    labels: Tensor,
    *,
    seed: int,
    latent: int | None = None,
    beta: float | None = None,
    prior_steps: int | None = None,
    jitter: Jitter | None = ROTATION,
    on_epoch: Callable[[EpochRecord], None] | None = None,
    **schedule: Any,
) -> nn.Module:
    """Train an embedding, every image changed afresh in every epoch.

    Args:
        name: a key of ``EMBEDDINGS``.
        images: ``(n, channels, size, size)`` in [0, 1].
        labels: ``(n,)`` int64, their classes; autoencoders do not look at them.
        seed: of weights, order, augmentation and noise.
        latent: the number of latent values; None for the kind's own.
        beta: weight of the divergence, for ``beta-vae``; None for the kind's own.
        prior_steps: of the prior's training, for ``flow``; None for the kind's own.
        jitter: how far every image is turned, moved and slanted; None leaves it as it is.
        on_epoch: called with a record after each epoch.
        **schedule: instead of numbers of the kind's schedule, passed to ``xhat.learning.fit``.

    Returns:
        The embedding in evaluation mode, with ``encode``, and ``decode`` where there is one.

    Raises:
        ImportError: a flow without the extra ``flow``.
        ValueError: an unknown name, or a number out of range.

    Example:
        >>> images, labels = torch.rand(64, 1, 28, 28), torch.arange(64) % 10
        >>> line = train_embedding("line", images, labels, seed=0, epochs=1)
        >>> line.decode(line.encode(images[:3])).shape
        torch.Size([3, 1, 28, 28])
    """
    kind = embedding(name)
    size, weight = kind.check(latent, beta)
    steps = kind.prior_steps if prior_steps is None else check_count("prior_steps", prior_steps)
    numbers = dict(kind.schedule) | schedule
    arguments = kind.arguments(images, size)
    if kind.fixed:
        arguments["classes"] = int(labels.max()) + 1
    model = build(kind.architecture, seed=seed, **arguments)
    told = {"seed": seed, "augment": jitter, "on_epoch": on_epoch} | numbers
    if not isinstance(model, FlowAutoencoder):
        fit(model, images, labels, kind.loss(weight), **told)
        return model
    model.prior.requires_grad_(False)
    fit(model, images, labels, kind.loss(weight), **told)
    model.prior.requires_grad_(True)
    fit_prior(model, _augmented_latents(model, images, jitter, seed), steps, seed)
    return model.eval()


def fit_prior(model: FlowAutoencoder, latents: Tensor, steps: int, seed: int) -> None:
    """Train the prior on latents ``(m, d)``, for the first number of passes that has the steps."""
    model.prior.standardise(latents)
    passes = math.ceil(steps / math.ceil(len(latents) / _FLOW["batch_size"]))
    nothing = latents.new_zeros(len(latents))  # a density needs no targets
    fit(model.prior, latents, nothing, negative_log_likelihood, seed=seed, epochs=passes, **_FLOW)


def _augmented_latents(
    model: FlowAutoencoder, images: Tensor, jitter: Jitter | None, seed: int
) -> Tensor:
    """Return latents of every image as often as it takes to have many, changed afresh each time."""
    if jitter is None:
        return predict(model.encoder, images)[:, : model.latent]
    views = min(math.ceil(_LATENTS / len(images)), _VIEWS)
    draws = generator(seed, "embedding", "latents")
    changed = [predict(model.encoder, jitter(images, draws)) for _ in range(views)]
    return torch.cat(changed)[:, : model.latent]
