"""Tuning: which latent space is the best place to search, found by trials instead of a whole grid.

The score that is maximised is stated here and nowhere else::

    score  =  genuine share  -  0.1 * (distance moved / distance to the nearest real sample)

A trial is an autoencoder of one size and one ``beta``, searched as the study latent-size does;
where the study has trained the same, it is taken from the cache. Trials are written one by one, and
trial ``k`` depends on the seed and the trials before it alone: a run that was stopped goes on with
the same trials as one that was not.

Source: Bergstra, Bardenet, Bengio, Kégl, "Algorithms for Hyper-Parameter Optimization", NeurIPS
2011; Akiba et al., "Optuna: A Next-generation Hyperparameter Optimization Framework", KDD 2019.
"""

import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from studies.latent_size import SIZES
from studies.latents import QUICK, Extent, LatentPlan, declared_box, own_vae, searched
from studies.runner.experiment import Context
from studies.runner.trials import Trial
from xhat.core import atomic_folder_check, check_count
from xhat.judges import Judge
from xhat_zoo import digits

__all__ = ["BETAS", "score", "tune_latent"]

BETAS = (0.1, 0.3, 1.0)
_NEARNESS = 0.1  # what one more distance to the nearest real sample costs, in genuine share
_UNGUIDED = 4  # trials before the sampler looks at what was found
Progress = Callable[[str, int, int], None]


def score(genuine: float, ratio: float) -> float:
    """Return what tuning maximises.

    Example:
        >>> round(score(genuine=0.6, ratio=1.5), 2)
        0.45
    """
    return genuine - _NEARNESS * ratio


def tune_latent(
    out: str | Path,
    judge: Judge,
    *,
    trials: int = 12,
    seed: int = 0,
    quick: bool = False,
    cache: str | Path = "runs/surrogates",
    on_progress: Progress | None = None,
) -> tuple[Trial, ...]:
    """Look for the size and ``beta`` of a latent space with the best score.

    Args:
        out: where trials are written; a folder with trials is gone on with.
        judge: of digits.
        trials: how many there should be in the end.
        seed: of the sampler; autoencoders are those of the study's seed 0.
        quick: do as little as shows that everything works.
        cache: where trained autoencoders are kept.
        on_progress: called with a name, how many trials are done, and of how many.

    Returns:
        All trials, in their order.

    Raises:
        ImportError: the extra ``tune`` is not installed.
        ValueError: the number of trials is below 1.
        PermissionError: a folder cannot be written to.
    """
    optuna = _optuna()
    check_count("trials", trials)
    folder = atomic_folder_check(out)
    context = Context(quick, atomic_folder_check(cache))
    name = "latent-quick" if quick else "latent"
    backend = optuna.storages.journal.JournalFileBackend(str(folder / f"{name}.log"))
    loud = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    tell = on_progress or (lambda *_: None)
    try:
        study = optuna.create_study(
            storage=optuna.storages.JournalStorage(backend),
            study_name=name,
            direction="maximize",
            load_if_exists=True,
        )
        while (done := len(_finished(optuna, study))) < trials:
            tell("trials", done, trials)
            study.sampler = optuna.samplers.TPESampler(seed=seed + done, n_startup_trials=_UNGUIDED)
            study.optimize(lambda trial: _try(optuna, study, trial, judge, context), n_trials=1)
        tell("trials", trials, trials)
        return tuple(_told(each) for each in _finished(optuna, study))
    finally:
        optuna.logging.set_verbosity(loud)


def _try(optuna: Any, study: Any, trial: Any, judge: Judge, context: Context) -> float:
    latent = trial.suggest_categorical("latent", SIZES)
    beta = trial.suggest_categorical("beta", BETAS)
    for other in _finished(optuna, study):
        if other.params == trial.params:  # the same would be found again
            return _noted(trial, other.user_attrs)
    vae = own_vae(LatentPlan(latent, beta), 0, context)
    extent = QUICK if context.quick else Extent()
    found, _ = searched(vae, declared_box(vae), judge, extent, 0)
    crossing = extent.starts * digits.CLASSES * (digits.CLASSES - 1)
    return _noted(trial, {name: found[name] for name in ("genuine", "ratio")} | {"n": crossing})


def _noted(trial: Any, found: Mapping[str, Any]) -> float:
    for name, value in found.items():
        trial.set_user_attr(name, value)
    return score(found["genuine"], found["ratio"])


def _told(trial: Any) -> Trial:
    return Trial(score=trial.value, **trial.params, **trial.user_attrs)


def _finished(optuna: Any, study: Any) -> list[Any]:
    return study.get_trials(deepcopy=False, states=(optuna.trial.TrialState.COMPLETE,))


def _optuna() -> Any:
    try:
        with warnings.catch_warnings():  # of its own parts that are not used here
            warnings.simplefilter("ignore")
            import optuna
            import optuna.storages.journal
    except ImportError as error:
        raise ImportError(
            "tuning needs optuna, which is not installed; install it with: pip install "
            "'xhat[tune]'."
        ) from error
    return optuna
