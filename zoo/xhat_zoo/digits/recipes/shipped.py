"""The recipes of the shipped latent space and judges; those of surrogates are composed."""

from collections.abc import Callable
from typing import Any

from torch import Tensor, nn

from xhat.learning import EpochRecord, Jitter
from xhat.surrogates import train_denoiser
from xhat_zoo import digits
from xhat_zoo.digits.recipes.judges import train_autoencoder, train_judge
from xhat_zoo.digits.recipes.kernel_judge import train_kernel_judge
from xhat_zoo.digits.recipes.recipe import Made, Recipe, Run
from xhat_zoo.digits.recipes.vae import train_vae

__all__ = ["SHIPPED"]


def _plainly(train: Callable[..., nn.Module]) -> Run:
    """Return a training that has nothing to add to its card."""

    def run(
        images: Tensor,
        targets: Tensor,
        *,
        seed: int,
        on_epoch: Callable[[EpochRecord], None] | None,
        **hyperparameters: Any,
    ) -> Made:
        return Made(train(images, targets, seed=seed, on_epoch=on_epoch, **hyperparameters), {})

    return run


def _train_vae(images: Tensor, targets: Tensor, **options: Any) -> nn.Module:
    del targets  # an autoencoder learns from images alone
    return train_vae(images, **options)


def _judge(name: str, architecture: str, seed: int, fold: int, **options: Any) -> Recipe:
    arguments = options.pop("arguments", {})
    return Recipe(
        name,
        "judge",
        f"a judge: {architecture} with an output for no digit at all",
        _plainly(train_judge),
        "judge_train",
        architecture,
        {"classes": digits.CLASSES + 1} | arguments,
        {"architecture": architecture, "arguments": arguments, "fold": fold} | options,
        seed,
    )


SHIPPED: dict[str, Recipe] = {
    recipe.name: recipe
    for recipe in (
        Recipe(
            "vae",
            "vae",
            "the latent space: a variational autoencoder",
            _plainly(_train_vae),
            "surrogate_train",
            "VAE",
            {"latent": 16, "channels": 1, "size": 28},
            {
                "epochs": 30,
                "batch_size": 128,
                "learning_rate": 2e-3,
                "weight_decay": 0.0,
                "average": 0.998,
                "latent": 16,
                "beta": 1.0,
                "jitter": Jitter(angle=45.0),
            },
            seed=3,
        ),
        Recipe(
            "denoiser",
            "denoiser",
            "a diffusion model of each class and of all, and a prior among pixels",
            _plainly(train_denoiser),
            "surrogate_train",
            "Denoiser",
            {"classes": digits.CLASSES, "channels": 1, "width": 32},
            {
                "epochs": 26,
                "batch_size": 128,
                "learning_rate": 2e-3,
                "weight_decay": 0.0,
                "average": 0.999,
                "width": 32,
                "jitter": Jitter(angle=45.0),
            },
            seed=4,
        ),
        _judge(
            "judge-residual",
            "ResidualNet",
            seed=11,
            fold=0,
            epochs=20,
            batch_size=128,
            learning_rate=3e-3,
            weight_decay=0.05,
            average=0.998,
        ),
        _judge(
            "judge-mlp",
            "MLP",
            seed=12,
            fold=1,
            epochs=50,
            batch_size=256,
            learning_rate=3e-3,
            weight_decay=0.05,
            average=0.998,
        ),
        _judge(
            "judge-cnn",
            "WideCNN",
            seed=13,
            fold=2,
            radius=1.5,  # L2: moved against itself, so that small changes do not turn it
            epochs=8,
            batch_size=128,
            learning_rate=2e-3,
            weight_decay=0.02,
            average=0.998,
        ),
        _judge(
            "judge-turns",
            "TurnInvariantCNN",
            seed=14,
            fold=3,
            arguments={"alike": [[6, 9]]},  # a half turn makes the one of the other
            epochs=10,
            batch_size=128,
            learning_rate=3e-3,
            weight_decay=0.02,
            average=0.998,
        ),
        Recipe(
            "judge-kernel",
            "judge",
            "a judge: kernel regression on principal components",
            _plainly(train_kernel_judge),
            "judge_train",
            "KernelClassifier",
            {"classes": digits.CLASSES + 1, "inputs": 784, "dimensions": 32, "known": 18_000},
            {
                "fold": 4,
                "dimensions": 32,
                "digits": 14_000,
                "others": 4_000,
                "epochs": 20,
                "batch_size": 250,
                "learning_rate": 3e-3,
                "weight_decay": 0.0,
            },
            seed=15,
        ),
        Recipe(
            "judge-autoencoder",
            "autoencoder",
            "a judge's measure of how well an image can be rebuilt",
            _plainly(train_autoencoder),
            "judge_train",
            "VAE",
            {"latent": 24, "channels": 1, "size": 28},
            {
                "latent": 24,
                "beta": 0.5,
                "epochs": 12,
                "batch_size": 128,
                "learning_rate": 2e-3,
                "weight_decay": 0.0,
                "average": 0.998,
            },
            seed=16,
        ),
    )
}
