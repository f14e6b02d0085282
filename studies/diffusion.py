"""Why not just use diffusion, or the nearest real sample?"""

from functools import partial

from studies.runner.experiment import Arm, Claim, Experiment, Table
from studies.searches import SHOWN, draw_grids, search_arm
from xhat.methods import Annealed, Diffused, Flow, Guided, Method, Nearest, Retrieval
from xhat_zoo import digits

__all__ = ["DIFFUSION"]

_STARTS = 5
_NEARER = "moved / nearest real"
_WAYS: dict[str, tuple[str, Method]] = {
    "flow": ("search from the start along the data", Flow()),
    "nearest": ("the nearest real sample, untouched: no search", Nearest()),
    "retrieval": ("the nearest real sample, bent towards the start", Retrieval()),
    "latent-robust": ("search in the latent space of an autoencoder", Guided()),
    "annealed-map": (
        "search in pixels by MAP, a denoiser as the prior, annealed",
        Annealed(noise=2.0, certainty=0.3, proximity=0.02),
    ),
    "ddim": ("from noise by DDIM, guided by class", Diffused(levels=30, scale=2.0)),
    "ddpm": ("from noise by DDPM, guided by class", Diffused(levels=60, scale=3.0, eta=1.0)),
    "ddim-of-4": (
        "DDIM, of 4 samples that are sure the nearest",
        Diffused(levels=30, scale=2.0, tries=4),
    ),
    "sdedit": (
        "from the start with noise, guided by class",
        Diffused(noise=3.0, levels=20, scale=4.0),
    ),
    "sdedit-guided": (
        "the same, guided by classifiers as well",
        Diffused(noise=2.0, levels=20, scale=3.0, guidance=3.0),
    ),
    "sdedit-of-4": (
        "from the start with noise, of 4 samples that are sure the nearest",
        Diffused(noise=2.0, levels=20, scale=3.0, tries=4),
    ),
}


def _arms() -> tuple[Arm, ...]:
    return tuple(search_arm(name, *way, _STARTS) for name, way in _WAYS.items())


def _remark(table: Table) -> tuple[str, ...]:
    trained = {
        name: digits.card(name).seconds / 60 for name in ("prior", "denoiser", "vae", "robust")
    }
    means = {
        arm: sum(cell["milliseconds"] for cell in cells.values()) / len(cells)
        for arm, cells in table.items()
    }
    cost = means["flow"]
    return (
        "Training, in minutes of one core: "
        + ", ".join(f"{name} {minutes:.0f}" for name, minutes in trained.items())
        + ". The method flow needs the prior, which was trained from nothing, and the robust "
        "classifier; nearest and retrieval need the last two and real samples at hand; a diffusion "
        "the denoiser, and the robust classifier where it is guided by it.",
        "CPU time over that of flow: "
        + ", ".join(f"{arm} {ms / cost:.1f}" for arm, ms in means.items() if arm != "flow")
        + ".",
    )


DIFFUSION = Experiment(
    name="diffusion",
    question=(
        "Why not just use diffusion, or the nearest real sample: is a search from the start along "
        "the data as genuine as the best of what a diffusion model of the same data gives, nearer "
        "to its start than that and than any known real sample, and as varied as real digits?"
    ),
    protocol=(
        "Every seed has 5 starts of every digit of its own, from the test split, each with all ten "
        "targets; shares are of the 450 pairs of different digits.",
        "The method flow goes from the start to the target by a prior that sees noised sample, "
        "start and target, steered by the gradients of two classifiers. The diffusion model is a "
        "class-conditional U-Net of 0.28 million parameters, trained on the images on which the "
        "surrogates were trained. It is sampled from noise by DDIM (30 levels) and DDPM (60 "
        "levels), and from the start with noise (SDEdit, 20 levels), with classifier-free "
        "guidance, with the gradient of the two classifiers that the other methods search through, "
        "and by taking, of four samples of which both are sure, the one nearest to the start.",
        "Two arms look up and do not sample: nearest is the nearest known real sample of the "
        "target, untouched, and shows what is had without any search; retrieval bends it to "
        "the start. Of these the genuine share is that of real digits, and only nearness, variety "
        "and cost are worth a comparison; they need the real samples at hand, and never leave "
        "them.",
        "Levels, noise and scales were chosen from 20 settings on images that trained the "
        "surrogates, by genuine share first and nearness second; so were the numbers of "
        "retrieval; those of flow were chosen on 300 test images, drawn at random, of which a few "
        "may be among these starts.",
        "Fréchet distance and coverage are taken in features of a judge for each target, and are "
        "divided by what as many real digits score: 1 is as good as real. CPU time is of one core, "
        "without judging.",
        "Fixed before the run: the claims below and their margins. Those of the arms without flow "
        "were known.",
    ),
    arms=_arms(),
    claims=(
        Claim("more genuine than DDPM", "flow", "ddpm", "genuine", 0.02),
        Claim("more genuine than DDIM of 4", "flow", "ddim-of-4", "genuine", 0.0),
        Claim("nearer than the nearest real sample", "flow", "nearest", _NEARER, 0.02, lower=True),
        Claim("nearer than DDIM of 4", "flow", "ddim-of-4", _NEARER, 0.1, lower=True),
        Claim("nearer than SDEdit of 4", "flow", "sdedit-of-4", _NEARER, 0.1, lower=True),
        Claim(
            "nearer to real digits as a whole than DDPM",
            "flow",
            "ddpm",
            "Fréchet / real",
            0.2,
            lower=True,
        ),
        Claim("more varied than retrieval", "flow", "retrieval", "coverage / real", 0.02),
        Claim("more varied than the nearest real samples", "flow", "nearest", "coverage / real"),
    ),
    shown=SHOWN,
    draw=partial(draw_grids, captions={name: caption for name, (caption, _) in _WAYS.items()}),
    remark=_remark,
)
