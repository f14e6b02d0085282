"""One search that somebody watches: a frame for every step, and a verdict at the end.

Question ──explore──→ Frame, Frame, …, Finding
"""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from xhat.apps.explorer.code import python_code
from xhat.apps.explorer.pictures import resized
from xhat.apps.explorer.question import Question, settings, structures
from xhat.core import check_choice, check_fraction, check_range, check_tensor, modules_of
from xhat.domain import Domain
from xhat.door.auditing import wanted
from xhat.door.judged import Judged
from xhat.door.judging import judged
from xhat.engine import Progress, Result
from xhat.judges import Judge
from xhat.methods import Flow, Method, Options, default_method, known_methods
from xhat.objectives import Objective
from xhat.task import Cancelled, Stage, Tell

__all__ = ["Explorer", "Finding", "Frame"]

_NEAREST = 3  # real samples that are shown beside a result
_STARTS = "starts = domain.x"


@dataclass(frozen=True)
class Frame:
    """What a search looked at in one step.

    Attributes:
        step: how many steps led there.
        x: ``(1, c, h, w)``.
        loss: of that very ``x``.
        surrogate: the probability of each class, to the searched classifier.
        jury: that of each class, and of none, to the held-out judges; None where they were not
            asked, or are not set up yet.
        moved: the Euclidean distance from the start, in units of the range of values.
        seconds: since the search was asked for.
        last: whether ``x`` is what was found.
    """

    step: int
    x: Tensor
    loss: float
    surrogate: tuple[float, ...]
    jury: tuple[float, ...] | None
    moved: float
    seconds: float
    last: bool = False


@dataclass(frozen=True)
class Finding:
    """What an exploration found.

    Attributes:
        question: what was asked.
        result: of one candidate, with its verdict.
        nearest: ``(m, c, h, w)``, the real samples nearest to it.
        labels: ``(m,)``, what they are.
        distances: ``(m,)``, how far from it.
    """

    question: Question
    result: Judged
    nearest: Tensor
    labels: tuple[int, ...]
    distances: tuple[float, ...]

    @property
    def verdicts(self) -> Any:
        """Of one candidate."""
        return self.result.verdicts

    @property
    def columns(self) -> dict[str, list[object]]:
        """Further columns of its results file, as a demo's has them."""
        asked = self.question
        told: dict[str, list[object]] = {"start_label": [asked.label], "index": [asked.index]}
        told = {name: value for name, value in told.items() if value != [None]}
        sure = self.verdicts.confidence.tolist()
        return told | {
            "method": [asked.how.name],
            "target": [asked.target],
            "judge_confidence": sure,
        }


class Explorer:
    """Everything that explorations share: a domain of images, a model, a judge; set up once.

    Explorations may run in several threads at once, and while it is being set up: what needs more
    than is there by then waits for it.

    Args:
        domain: images with classes; its judge and the networks of its methods are fitted where
            they are missing.
        model: the classifier that is searched; it is put into evaluation mode.
        starts: real samples ``(m, c, h, w)`` to begin from and their labels ``(m,)``; None for
            those of the domain that searches may use.
        drawn: a drawing ``(c, h, w)`` in [0, 1] → the image ``(1, c, h, w)`` in [0, 1] that it
            stands for; None for the same in the size of the images.
        setup: lines of Python that make ``domain``, ``model`` and ``starts``, for whoever goes on.
        share: of the time that the judges may take while a search runs, in (0, 1); they look at
            the start and at what was found in any case.

    Attributes:
        stage: how far ``warm`` is; None before.

    Raises:
        ValueError: a domain that is not of images with classes, or a model of other classes.
    """

    def __init__(
        self,
        domain: Domain,
        model: Callable[[Tensor], Tensor],
        *,
        starts: tuple[Tensor, Tensor] | None = None,
        drawn: Callable[[Tensor], Tensor] | None = None,
        setup: str = "",
        share: float = 0.3,
    ) -> None:
        self.share = check_fraction("share", share)
        if domain.kind != "image" or not domain.classes or domain.labels is None:
            raise ValueError(
                f"the explorer is for images with classes, but these are {domain!r}; give their "
                f"classes as y of an .npz file, by --labels, or as folders of pictures."
            )
        self.domain, self.model, self.stage = domain, model, None
        for module in modules_of(model):
            module.eval().requires_grad_(False)
        mine = domain.halves[0]
        self._x, self._labels = starts or (domain.x[mine], domain.labels[mine])
        self._places = torch.arange(len(self._x)) if starts else mine
        self._drawn, self._setup = drawn, setup if starts else f"{setup}\n{_STARTS}"
        self._check_model()
        around, goal = self.domain, wanted(0, domain)
        made = [kind() for kind in known_methods().values()]
        self.how = {how.name: how for how in made if how.missing(around, goal) is None}
        # a way along the data is worth watching, where its prior need not be trained first
        there = "flow" in self.how and "prior" in domain.trained()
        self.default = "flow" if there else default_method(around, goal).name
        if there:  # with the numbers that suit this prior, so that they can be moved
            self.how["flow"] = Flow().suited(domain.network("prior"))  # pyright: ignore[reportArgumentType]
        self._training, self._judging = threading.RLock(), threading.Lock()
        self._prepared = {how.name for how in made if not how.needs}
        self._judge: Judge | None = None

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of an image, ``(c, h, w)``."""
        return self.domain.shape

    @property
    def limits(self) -> tuple[float, float]:
        """The least and the largest value of a pixel."""
        return float(self.domain.low.min()), float(self.domain.high.max())

    @property
    def judge(self) -> Judge | None:
        """The judge; None while it is not set up."""
        return self._judge

    def warm(self, tell: Tell | None = None) -> None:
        """Set everything up, so that no exploration has to wait for it.

        Args:
            tell: called before each stage, and after the last.
        """
        tell = tell or (lambda _: None)
        late = [how for how in self.how.values() if how.needs]
        # what is used first, first; what takes longest, last
        late.sort(key=lambda how: (how.name != self.default, "prior" in how.needs))
        stages: list[tuple[str, Callable[[], object]]] = [("judges", self._judged)]
        stages += [(f"method {how.name}", lambda how=how: self._prepare(how)) for how in late]
        stages.append(("first search", self._rehearse))
        for done, (name, setup) in enumerate(stages):
            self.stage = Stage(name, done, len(stages))
            tell(self.stage)
            setup()
        self.stage = Stage("ready", len(stages), len(stages))
        tell(self.stage)

    def sample(self, label: int, number: int) -> tuple[int, Tensor]:
        """Return a real sample of a class, and its index; numbers beyond the last begin again.

        Raises:
            ValueError: there is no such class, or none of its samples.
        """
        self._check_class("the class", label)
        rows = (self._labels == label).nonzero()[:, 0]
        if not len(rows):
            raise ValueError(f"there is no real sample of {self.domain.classes[label]}.")
        row = int(rows[number % len(rows)])
        return int(self._places[row]), self._x[[row]]

    def drawn(self, sheet: Tensor) -> Tensor:
        """Return the image that a drawing ``(c, h, w)`` in [0, 1] stands for.

        Raises:
            ValueError: none does.
        """
        check_range("the drawing", check_tensor("the drawing", sheet, ndim=3), 0.0, 1.0)
        unit = resized(sheet, self.shape) if self._drawn is None else self._drawn(sheet)
        low, high = self.limits
        return unit if (low, high) == (0.0, 1.0) else low + (high - low) * unit

    def ask(
        self, start: Tensor | int, target: int, *, method: str | None = None, **options: Any
    ) -> Question:
        """Return the question that begins at an image, or at a real sample of an index.

        Raises:
            TypeError, ValueError: as ``Question``.
        """
        self._check_class("the target", target)
        how = self.how[check_choice("method", self.default if method is None else method, self.how)]
        if isinstance(start, int):
            rows = (self._places == start).nonzero()[:, 0]
            if isinstance(start, bool) or not len(rows):
                raise ValueError(f"index must be that of a real sample, but is {start!r}.")
            options |= {"index": start, "label": int(self._labels[rows[0]])}
            start = self._x[rows[:1]]
        start = self.domain.check_inputs("the start", start)
        check_range("the start", start, *self.limits)
        if len(start) != 1:
            raise ValueError(f"the start must be one image, but {len(start)} came.")
        return Question(start, target, how, limits=self.limits, **options)

    def code(self, question: Question) -> str:
        """Return a program that asks the same question."""
        return python_code(question, self._setup, self.domain.classes)

    def methods(self) -> list[dict[str, Any]]:
        """Return how one may search, and what may be changed of that, as JSON."""
        return [
            {
                "name": how.name,
                "caption": how.caption,
                "from_start": how.from_start,
                "settings": [vars(setting) for setting in settings(how)],
                "structures": [
                    {"name": each.name, "title": each.title} for each in structures(how)
                ],
            }
            for how in self.how.values()
        ]

    def reading(self, x: Tensor) -> tuple[float, ...]:
        """Return the classifier's probability of each class, for ``(1, c, h, w)``."""
        with torch.no_grad():
            return tuple(self.model(x).softmax(dim=1)[0].tolist())

    def jury(self, x: Tensor) -> tuple[float, ...] | None:
        """Return the judges' probability of each class, and of none; None while not set up."""
        if self._judge is None or self._judge.jury is None:
            return None
        jury = self._judge.jury
        return tuple(jury.together(jury.probabilities(x))[0].tolist())

    def explore(
        self,
        question: Question,
        on_frame: Callable[[Frame], None],
        cancelled: Callable[[], bool] = lambda: False,
    ) -> Finding:
        """Search, show every step, and judge what was found.

        A method that does not begin at the start has no way from there: nothing is shown between.

        Args:
            question: what to search for.
            on_frame: called for the start, every step, and last for what was found.
            cancelled: asked before every step whether nobody wants it any more.

        Raises:
            Cancelled: somebody said so.
        """
        show = _Showing(self, question, on_frame, cancelled)
        show.start()
        how, goal = question.method, wanted(question.target, self.domain)
        self._prepare(how)
        watched = {"on_progress": show.progress, "trace": 1}
        options = Options(**{k: v for k, v in watched.items() if k in how.options})
        options = replace(options, **question.options)
        found = how.search(
            self.model, goal, question.start, self.domain, question.constraints, options
        )
        asked = self.model, goal, question.start, self.domain, question.constraints
        show.end(found, lambda: how.plan(*asked).problem.objective)
        self._judged()
        return self._finding(
            question,
            judged(
                found,
                self.model,
                goal,
                domain=self.domain,
                truth=None,
                constraints=question.constraints,
                alpha=self._alpha,
                searched=tuple(modules_of(self.model)),
                method=how.name,
            ),
        )

    @property
    def _alpha(self) -> float:
        return 0.05 if self._judge is None else self._judge.alpha

    def _finding(self, question: Question, found: Judged) -> Finding:
        verdicts: Any = found.verdicts
        if verdicts.near is None or verdicts.near_labels is None:
            return Finding(question, found, torch.zeros(0, *self.shape), (), ())
        rows = verdicts.near.index[0, :_NEAREST]
        return Finding(
            question,
            found,
            self._judged().reference[rows],
            tuple(verdicts.near_labels[0, :_NEAREST].tolist()),
            tuple(verdicts.near.distance[0, :_NEAREST].tolist()),
        )

    def _prepare(self, how: Method) -> None:
        """Train what a method needs, once, whichever thread needs it first."""
        if how.name not in self._prepared:
            with self._training:
                how.prepare(self.domain)
                self._prepared.add(how.name)

    def _judged(self) -> Judge:
        """Return the judge, made by whichever thread needs it first."""
        with self._judging:
            if self._judge is None:
                self._judge = self.domain.judge()
            return self._judge

    def _rehearse(self) -> None:
        start = self._x[:1]
        self.explore(self.ask(start, len(self.domain.classes) - 1), lambda _: None)

    def _check_class(self, name: str, value: Any) -> None:
        count = len(self.domain.classes)
        if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < count:
            raise ValueError(f"{name} must be a number from 0 to {count - 1}, but is {value!r}.")

    def _check_model(self) -> None:
        with torch.no_grad():
            said = self.model(self._x[:1])
        count = len(self.domain.classes)
        if not isinstance(said, Tensor) or tuple(said.shape) != (1, count):
            came = tuple(said.shape) if isinstance(said, Tensor) else type(said).__name__
            raise ValueError(
                f"the model must give logits (n, {count}), one for each class of the domain, but "
                f"for one image it gives {came}."
            )


class _Showing:
    """Makes frames of what a search looks at."""

    def __init__(
        self,
        explorer: Explorer,
        question: Question,
        on_frame: Callable[[Frame], None],
        cancelled: Callable[[], bool],
    ) -> None:
        self.explorer, self.question = explorer, question
        self.on_frame, self.cancelled = on_frame, cancelled
        self.began = self.again = time.perf_counter()
        self.live, self.shows = False, question.how.from_start

    def start(self) -> None:
        """Show the start, before anything is set up."""
        self._show(0, self.question.start, float("nan"), asked=True)

    def progress(self, now: Progress) -> None:
        """Show what one step looked at."""
        if self.cancelled():
            raise Cancelled
        if self.shows and now.live is not None and len(now.live.ids):
            self.live = True
            asked = time.perf_counter() >= self.again
            self._show(int(now.live.steps[0]), now.live.x[:1], float(now.live.loss[0]), asked=asked)

    def end(self, result: Result, objective: Callable[[], Objective]) -> None:
        """Show what was found, and before it the way there where nothing was seen of it yet."""
        path = result.trajectory
        if self.shows and path is not None and not self.live:
            loss = objective()
            for k, step in enumerate(path.steps[1:-1], 1):
                x = path.x[k, :1]
                with torch.no_grad():
                    self._show(step, x, float(loss(x)), asked=True)
        loss = float(result.loss[0])
        self._show(int(result.steps[0]), result.x, loss, asked=True, last=True)

    def _show(self, step: int, x: Tensor, loss: float, *, asked: bool, last: bool = False) -> None:
        low, high = self.explorer.limits
        frame = Frame(
            step=step,
            x=x.detach().clone(),
            loss=loss,
            surrogate=self.explorer.reading(x),
            jury=self._ask(x) if asked else None,
            moved=float((x - self.question.start).norm()) / (high - low),
            seconds=time.perf_counter() - self.began,
            last=last,
        )
        self.on_frame(frame)

    def _ask(self, x: Tensor) -> tuple[float, ...] | None:
        """Ask the judges, and note when they may be asked again."""
        asked = time.perf_counter()
        seen = self.explorer.jury(x)
        told = time.perf_counter()
        self.again = told + (told - asked) * (1 / self.explorer.share - 1)
        return seen
