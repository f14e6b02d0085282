"""``xhat.optimize``: search, and say of every result whether it can be believed."""

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from xhat.constraints import Constraint, as_constraint
from xhat.core import InputWarning, Key, check_tensor, modules_of
from xhat.domain import Domain
from xhat.door.asking import alone_with_its_conditions, parts_of, ready, remarks_on
from xhat.door.auditing import of_whole, wanted
from xhat.door.judged import Judged
from xhat.door.judging import at_rest, calling, judged
from xhat.door.models import affordable, only_asked
from xhat.engine import Compute
from xhat.executors import Workers
from xhat.judges import Outcome
from xhat.methods import Distilled, Flow, Method, Nearest, Options, Surroundings, default_method
from xhat.methods import method as known_method
from xhat.methods.base import Around
from xhat.objectives.goals import Goal

__all__ = ["optimize"]

Model = Callable[[Tensor], Tensor]


def optimize(
    model: Callable[..., Any],
    x0: Any,
    target: Any,
    *,
    output: Key | None = None,
    given: Mapping[str, Any] | None = None,
    domain: Domain | None = None,
    method: str | Method | None = None,
    constraints: Sequence[Constraint | Model] = (),
    truth: Any = None,
    limits: tuple[Any, Any] | None = None,
    alpha: float = 0.05,
    beta: float | None = None,
    on_training: Callable[[str, int, int], None] | None = None,
    workers: Workers | int | None = None,
    parts: str | Path | None = None,
    **options: Any,
) -> Judged:
    """Search from every start for inputs that meet a goal, and judge each of them.

    Args:
        model: ``(n, *x_shape)`` to logits ``(n, classes)``, or to values; how else it may come,
            ``xhat.Model`` says. One that has no gradient (an estimator of scikit-learn, XGBoost or
            LightGBM, an ONNX session, a function on arrays or frames) is searched on a surrogate
            that is distilled of its answers on the domain (``xhat.methods.Distilled``).
        x0: ``(n, *x_shape)``, the starts: a tensor, an array or a frame; or several parts, in a
            dict by the names of the model's parameters, or in a tuple. ``found.parts`` gives what
            is found in the same form.
        target: a ``Goal``; a class, by number or by its name in the domain; ``(n,)`` classes, or
            maps of them; ``(n, classes)`` distributions; booleans, or 0, 1 and NaN, labels; or a
            function of the model's output, ``(n, ...)`` to ``(n,)``, a loss.
        output: which of the model's outputs is meant, by name or number; None finds it.
        given: further inputs of the model by name, which are not searched: a tensor with a row for
            each start or one for all.
        domain: what real inputs look like; without it (and without a truth) nothing is judged.
        method: how to search: a name (``xhat info`` lists them), or a ``Method`` with other
            settings; None for the best one for this domain and goal.
        constraints: further conditions that the results must meet; a function ``g`` says
            ``g(x) <= 0``.
        truth: the ground truth: a function of one sample (of parts: of one such dict or tuple, in
            NumPy), or a ``Simulator`` or ``Truth``, which take parts side by side.
        limits: ``(low, high)`` of the features, numbers or one for each; only without a domain.
        alpha: the probability, in (0, 1), with which a real sample may be called anything but
            genuine or undecided.
        beta: the probability, in (0, 1), with which a real sample of another class may be called
            genuine; None for that of the domain's judge, .05 unless it was made with another.
        on_training: called as ``(name, done, total)``, in epochs, while networks or judges of the
            domain are trained.
        workers: where to search, fit judges and call a simulator: a number of processes, -1 for one
            on each core, or a cluster (``xhat.Dask``, ``xhat.Ray``); None for this process.
        parts: a folder, or a URL of fsspec, where what is searched is kept shard by shard, so that
            the same call goes on where it stopped; None to keep nothing.
        **options: the fields of ``xhat.methods.Options`` that the method uses: ``confidence``,
            ``max_steps``, ``restarts``, ``seed``, ``compute``, ``trace``; for a model without
            gradients ``evaluations``, how often it may be asked; and ``on_progress``, of which
            methods without steps say nothing.

    Returns:
        A ``Judged`` result: what was found, how each search ended, and verdicts.

    Raises:
        TypeError, ValueError: parts do not fit together, the method does not use an option, or the
            domain lacks what the method needs.

    Example:
        >>> from sklearn.datasets import load_iris
        >>> from sklearn.linear_model import LogisticRegression
        >>> import torch
        >>> iris = load_iris(as_frame=True)
        >>> fitted = LogisticRegression(max_iter=1000).fit(iris.data.values, iris.target)
        >>> w, b = (torch.tensor(part).float() for part in (fitted.coef_, fitted.intercept_))
        >>> domain = Domain(iris.data, iris.target, classes=iris.target_names)
        >>> found = optimize(lambda x: x @ w.T + b, iris.data[:2], "virginica", domain=domain)
        >>> found.reached.tolist(), len(found.verdicts)
        ([True, True], 2)
    """
    layout = parts_of(x0, domain, "the starts")
    starts = _starts_of(x0 if layout is None or domain is not None else layout.pack(x0), domain)
    goal = wanted(target, domain)
    model = ready(
        model, starts, goal, output=output, given=given, layout=layout, domain=domain,
        limited="evaluations" in options,
    )  # fmt: skip
    goal = of_whole(goal, model, starts)
    goal.labels_for(len(starts))
    around = Surroundings(starts, limits) if domain is None else domain
    if domain is not None and limits is not None:
        raise ValueError("limits belong to the domain: Domain(samples, …, limits=(low, high)).")
    how = _choose(method, goal, around, blind=only_asked(model))
    if (why := how.missing(around, goal)) is not None:
        raise ValueError(why)
    options |= _divided(how, options, workers, parts)
    settings, kept = _options(how, options), tuple(map(as_constraint, constraints))
    if layout is not None:
        kept = tuple(each.laid_out(layout) for each in kept)
    if not only_asked(model):
        _check_order(model, goal, domain)
        _check_near(model, goal, domain)
    how.prepare(around, on_training)
    with at_rest(model):  # methods ask it before the search, too
        found = how.search(model, goal, starts, around, kept, settings)
    if only_asked(model):  # of which answers there are now
        _check_order(model, goal, domain)
        _check_near(model, goal, domain)
    searched = tuple(modules_of(model))  # before a judge is fitted, which the model may get at
    if domain is not None and workers is not None:
        domain.judge(alpha, beta, on_training, workers=workers)
    notes = _notes(starts, domain, how if method is None else None, on_training)
    if around.note is not None:
        notes = (*notes, around.note)
    apart = alone_with_its_conditions(model)
    if apart and (domain is not None or truth is not None):
        notes = (*notes, "judged without the model, which is asked of the starts' conditions only")
    notes = tuple(dict.fromkeys((*found.notes, *remarks_on(model), *notes)))
    found = replace(found, notes=notes, layout=layout)
    with calling(truth, workers, layout) as truth_there:
        return judged(
            found,
            None if apart else affordable(model, len(starts)),
            goal,
            domain=domain,
            truth=truth_there,
            constraints=kept,
            alpha=alpha,
            beta=beta,
            searched=searched,
            method=how.name,
            on_progress=on_training,
        )


def _starts_of(x0: Any, domain: Domain | None) -> Tensor:
    """Return starts as a tensor ``(n, *x_shape)``, checked."""
    if domain is not None:
        return domain.check_inputs("the starts", x0)
    return check_tensor("the starts", x0)


def _choose(method: str | Method | None, goal: Goal, around: Around, *, blind: bool) -> Method:
    """Return the method that is meant, or the best one where none is named.

    Args:
        method: as for ``optimize``.
        goal: what is wanted.
        around: the domain, or what is known without one.
        blind: whether the model is only asked (``model_of``): it then is searched on a surrogate,
            by the method that is named.

    Raises:
        TypeError, ValueError: no method of that name, or no method at all.
    """
    if method is None:
        return Distilled() if blind else default_method(around, goal)
    if isinstance(method, str):
        method = known_method(method)
    if not isinstance(method, Method):
        raise TypeError(
            f"method must be a name or a Method, such as xhat.methods.NearStart(proximity=0.1), "
            f"but is {method!r}."
        )
    return Distilled(by=method) if blind and method.gradient else method


def _asked(model: Model, domain: Domain) -> tuple[Tensor, Tensor | None]:
    """Return some rows of a domain, and what a model gives for them; None where it cannot."""
    some = torch.arange(0, len(domain), max(1, len(domain) // _ASKED))
    if only_asked(model):
        some = model.knows(domain.x).nonzero()[:, 0]  # pyright: ignore[reportFunctionMemberAccess]
    try:
        with at_rest(model, warn=False), torch.no_grad():
            return some, check_tensor("the outputs", model(domain.x[some]))
    except Exception:  # noqa: BLE001 - the search says better what is wrong with a model
        return some, None


def _check_order(model: Model, goal: Any, domain: Domain | None) -> None:
    """Warn where the classes of the model seem to be in another order than those of the domain."""
    if domain is None or domain.labels is None or not goal.single:
        return
    some, y = _asked(model, domain)
    if y is None or y.ndim != 2:
        return
    said, labels, count = y.argmax(dim=1).cpu(), domain.labels[some], len(domain.classes)
    if int(said.max()) >= count:
        return
    table = torch.zeros(count, count).index_put(
        (labels, said), torch.ones(len(some)), accumulate=True
    )
    right, best = table.diagonal().sum(), table.max(dim=1).values.sum()
    if right < _GUESSED * len(some) and best > _OTHERWISE * len(some):
        worst = int((table.max(dim=1).values - table.diagonal()).argmax())
        warnings.warn(
            f"the model's classes seem to be in another order than the domain's: for most samples "
            f"of {domain.classes[worst]!r}, class {worst}, it gives {int(table[worst].argmax())}; "
            f"say the model's order by Domain(…, classes=[…]).",
            InputWarning,
            stacklevel=3,
        )


def _check_near(model: Model, goal: Any, domain: Domain | None) -> None:
    """Warn where no real sample that is known comes near the wanted value."""
    if domain is None or goal.by_class or not goal.targeted:
        return
    y = domain.values
    if y is None or not goal.fits(y.reshape(len(y), -1).shape[1]):
        _, y = _asked(model, domain)
    if y is None:
        return
    y = y.double().reshape(len(y), -1)
    try:
        far = goal.off(y) if goal.shared else torch.stack([goal.off(one[None]) for one in y])
    except RuntimeError:  # a goal for other outputs, of which the search says more
        return
    least = far.amin(dim=0).reshape(-1)
    near = max(goal.tolerance, _NEAR * float(goal.apart(y.std(dim=0)[None])))
    if bool((least > near).any()):
        low, high = (", ".join(f"{v:.4g}" for v in end.tolist()) for end in torch.aminmax(y, dim=0))
        warnings.warn(
            f"no reference sample comes near {goal!r}: they have from {low} to {high}. What is "
            f"found there is like nothing that is known. Ask for less, or give samples that have "
            f"it.",
            InputWarning,
            stacklevel=3,
        )


def _notes(
    starts: Tensor,
    domain: Domain | None,
    chosen: Method | None,
    on_training: Callable[[str, int, int], None] | None,
) -> tuple[str, ...]:
    """Return what is to be known of the starts, and of a method that was chosen for the user."""
    if domain is None:
        return ()
    few = Flow().too_few(domain) if chosen is not None and chosen.name == Nearest.name else None
    judge = replace(domain.judge(on_progress=on_training).without_jury(), alpha=_STRANGE)
    odd = [i for i, each in enumerate(judge.judge(starts).outcomes) if each in _FOREIGN]
    said = () if few is None else (f"searched by {Nearest.name!r}: {few}",)
    if not odd:
        return said
    named = ", ".join(map(str, odd[:_NAMED])) + (" …" if len(odd) > _NAMED else "")
    return (
        *said,
        f"{len(odd)} of {len(starts)} starts are not like the samples of the domain ({named}): of "
        f"real ones {_STRANGE:.0%} are so; what is found from them may be no better",
    )


_STRANGE = 0.01  # share of real starts that may be called strange
_FOREIGN = (Outcome.OFF_MANIFOLD, Outcome.OUT_OF_DISTRIBUTION)
_NAMED = 10  # starts
_NEAR = 0.1  # of the deviation of values
_ASKED = 300  # samples of the domain
_GUESSED, _OTHERWISE = 0.6, 0.8  # shares of right answers, as they are numbered and at best


def _divided(
    how: Method,
    options: dict[str, Any],
    workers: Workers | int | None,
    parts: str | Path | None,
) -> dict[str, Any]:
    """Return the option that says where to search, and where its parts are kept."""
    searched_there = "compute" in how.options
    if parts is not None and not searched_there:
        raise ValueError(
            f"the method {how.name!r} cannot keep parts of its search; leave parts out."
        )
    if not searched_there or (workers is None and parts is None):
        return {}
    compute, numbers = Compute.of(options.get("compute")), count()

    def folder() -> str:  # a method may search several times
        return f"{parts}/{next(numbers):03d}"

    keep = compute.parts if parts is None else folder
    return {"compute": replace(compute, workers=workers or compute.workers, parts=keep)}


def _options(how: Method, options: dict[str, Any]) -> Options:
    if "on_progress" not in how.options:  # what has no steps has nothing to tell
        options.pop("on_progress", None)
    for name in options:
        if name not in how.options:
            raise TypeError(
                f"the method {how.name!r} does not take {name}; it takes {', '.join(how.options)}. "
                f"Its own settings are given when it is made: {type(how).__name__}(…)."
            )
    return Options(**options)
