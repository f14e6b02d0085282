"""One search that somebody watches: a frame for every step, and a verdict at the end."""

import functools
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Generic, TypeVar

import torch
from torch import Tensor, nn

from xhat.core import check_fraction
from xhat.engine import Live, Problem, Progress, Result
from xhat.judges import Judge, Verdicts
from xhat.task import Cancelled, Stage, Tell
from xhat_zoo import digits
from xhat_zoo.digits.exploring.code import python_code
from xhat_zoo.digits.exploring.drawing import centred
from xhat_zoo.digits.exploring.question import Question
from xhat_zoo.digits.exploring.settings import settings, structures
from xhat_zoo.digits.judging import digits_judge
from xhat_zoo.digits.methods import METHODS, Exemplary, Known, Method, digits_known

__all__ = ["Explorer", "Finding", "Frame"]

_NEAREST = 3  # real digits that are shown beside a result
T = TypeVar("T")
_EVEN = 0.5  # odds, below which a result is unreached


@dataclass(frozen=True)
class Frame:
    """What a search looked at in one step.

    Attributes:
        step: how many steps led there.
        x: ``(28, 28)`` in [0, 1].
        loss: of that very ``x``.
        surrogate: the probability of each digit, to the searched classifier.
        jury: that of each digit, and of none, to the held-out judges; None where they were not
            asked, or are not set up yet.
        moved: the Euclidean distance from the start.
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
        result: of one candidate.
        verdicts: of one candidate.
        nearest: ``(m, 28, 28)``, the real digits nearest to it.
        labels: ``(m,)``, what they are.
        distances: ``(m,)``, how far from it.
    """

    question: Question
    result: Result
    verdicts: Verdicts
    nearest: Tensor
    labels: tuple[int, ...]
    distances: tuple[float, ...]

    @property
    def columns(self) -> dict[str, list[object]]:
        """Further columns of its results file, as the demo's has them."""
        question, label = self.question, self.question.label
        start = {} if label is None else {"start_label": [label], "index": [question.index]}
        return {
            "task": ["digits"],
            "method": [question.method],
            **start,
            "target": [question.target],
            "verdict": [str(self.verdicts.outcomes[0])],
            "judge_confidence": self.verdicts.confidence.tolist(),
        }


class Explorer:
    """Everything that explorations share: models, real digits, judges; set up once.

    Explorations may run in several threads at once, and while it is being set up: what needs more
    than is there by then waits for it.

    Args:
        judge: makes the judge; called once, by whoever needs it first.
        known: makes what real samples the method ``xhat`` begins from; likewise.
        share: of the time that the held-out judges may take while a search runs, in (0, 1); they
            look at the start and at what was found in any case.

    Attributes:
        stage: how far ``warm`` is; None before.
    """

    def __init__(
        self,
        judge: Callable[[], Judge] = digits_judge,
        known: Callable[[], Known] = digits_known,
        share: float = 0.3,
    ) -> None:
        self.share = check_fraction("share", share)
        self.stage: Stage | None = None
        self._judge, self._known = _Once(judge), _Once(known)

    @functools.cached_property
    def surrogates(self) -> dict[str, nn.Module]:
        """The classifiers that are searched, by name."""
        return {name: digits.surrogate(name) for name in digits.SURROGATES}

    @property
    def judge(self) -> Judge | None:
        """The judge; None while it is not set up."""
        return self._judge.made

    def warm(self, tell: Tell | None = None) -> None:
        """Set everything up, so that no exploration has to wait for it.

        Args:
            tell: called before each stage, and after the last.
        """
        stages: tuple[tuple[str, Callable[[], object]], ...] = (
            ("digits", lambda: digits.split("test")),
            ("classifiers", lambda: [self.reading(torch.zeros(1, 1, 28, 28))]),
            ("real digits", self._known),
            ("judges", self._judge),
            ("first search", self._rehearse),
        )
        tell = tell or (lambda _: None)
        for done, (name, setup) in enumerate(stages):
            self.stage = Stage(name, done, len(stages))
            tell(self.stage)
            setup()
        self.stage = Stage("ready", len(stages), len(stages))
        tell(self.stage)

    shape = (28, 28)
    """Of an image, in pixels."""

    def sample(self, label: int, number: int) -> tuple[int, Tensor]:
        """Return a test digit of a class, and its index; numbers beyond the last begin again."""
        test = digits.split("test")
        places = (test.labels == label).nonzero()[:, 0]
        index = int(places[number % len(places)])
        return index, test.images[[index]]

    def drawn(self, sheet: Tensor) -> Tensor:
        """Return the image that MNIST would have made of a drawing; see ``centred``."""
        return centred(sheet)

    def ask(self, start: Tensor | int, target: int, **options: Any) -> Question:
        """Return the question that begins at an image, or at a test digit of an index.

        Raises:
            TypeError, ValueError: as ``Question``.
        """
        if isinstance(start, int):
            return Question.of_test_digit(start, target, **options)
        return Question(start, target, **options)

    def code(self, question: Question) -> str:
        """Return a program that asks the same question."""
        return python_code(question)

    def methods(self) -> list[dict[str, Any]]:
        """Return how one may search, and what may be changed of that, as JSON."""
        return [
            {
                "name": name,
                "caption": how.caption,
                "surrogate": how.surrogate,
                "settings": [vars(setting) for setting in settings(name)],
                "structures": [
                    {"name": each.name, "title": each.title} for each in structures(name)
                ],
            }
            for name, how in METHODS.items()
        ]

    def reading(self, x: Tensor, surrogate: str = "plain") -> tuple[float, ...]:
        """Return a classifier's probability of each digit, ``(1, 1, 28, 28)`` → 10."""
        with torch.no_grad():
            return tuple(self.surrogates[surrogate](x).softmax(dim=1)[0].tolist())

    def jury(self, x: Tensor) -> tuple[float, ...] | None:
        """Return the judges' probability of each digit, and of none; None while not set up."""
        if self.judge is None or self.judge.jury is None:
            return None
        jury = self.judge.jury
        return tuple(jury.together(jury.probabilities(x))[0].tolist())

    def explore(
        self,
        question: Question,
        on_frame: Callable[[Frame], None],
        cancelled: Callable[[], bool] = lambda: False,
    ) -> Finding:
        """Search, show every step, and judge what was found.

        Args:
            question: what to search for.
            on_frame: called for the start, every step, and last for what was found.
            cancelled: asked before every step whether nobody wants it any more.

        Raises:
            Cancelled: somebody said so.
        """
        show = _Showing(self, question, on_frame, cancelled)
        show.start()
        how = self._given(question.how)
        model, x0 = self.surrogates[how.surrogate], question.start
        target = torch.tensor([question.target])
        space = question.held(how.space_for(model, x0, target))
        problem = how.problem(model, x0, target, space)
        result = how.search(
            model, x0, target, space, confidence=question.confidence, on_progress=show.progress
        )
        show.end(result)
        return self._judged(question, problem, result, target)

    def _given(self, how: Method) -> Method:
        return replace(how, known=self._known) if isinstance(how, Exemplary) else how

    def _judged(
        self, question: Question, problem: Problem, result: Result, target: Tensor
    ) -> Finding:
        constraint = question.constraint
        judge = self._judge()
        verdicts = judge.judge(
            result.x,
            target,
            reached=result.reached | (result.confidence > _EVEN),
            constraints=problem.constraints if constraint is None else (constraint,),
            searched=tuple(problem.modules()),
        )
        near, labels = verdicts.near, verdicts.near_labels
        if near is None or labels is None:
            return Finding(question, result, verdicts, torch.zeros(0, 28, 28), (), ())
        rows = near.index[0, :_NEAREST]
        return Finding(
            question,
            result,
            verdicts,
            judge.reference[rows][:, 0],
            tuple(labels[0, :_NEAREST].tolist()),
            tuple(near.distance[0, :_NEAREST].tolist()),
        )

    def _rehearse(self) -> None:
        self.explore(Question.of_test_digit(0, target=3), lambda _: None)


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
        self.surrogate = question.how.surrogate

    def start(self) -> None:
        """Show the start, before anything is set up."""
        self._show(0, self.question.start, float("nan"), asked=True)

    def progress(self, now: Progress) -> None:
        """Show what one step looked at."""
        if self.cancelled():
            raise Cancelled
        if now.live is not None and len(now.live.ids):
            live: Live = now.live
            asked = time.perf_counter() >= self.again
            self._show(int(live.steps[0]), live.x[:1], float(live.loss[0]), asked=asked)

    def end(self, result: Result) -> None:
        """Show what was found."""
        loss = float(result.loss[0])
        self._show(int(result.steps[0]), result.x, loss, asked=True, last=True)

    def _show(self, step: int, x: Tensor, loss: float, *, asked: bool, last: bool = False) -> None:
        frame = Frame(
            step=step,
            x=x[0, 0].detach().clone(),
            loss=loss,
            surrogate=self.explorer.reading(x, self.surrogate),
            jury=self._ask(x) if asked else None,
            moved=float((x - self.question.start).norm()),
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


class _Once(Generic[T]):
    """Makes something once, whichever thread asks first; the others wait."""

    def __init__(self, make: Callable[[], T]) -> None:
        self._make, self._lock = make, threading.Lock()
        self.made: T | None = None

    def __call__(self) -> T:
        if self.made is None:
            with self._lock:
                if self.made is None:
                    self.made = self._make()
        return self.made
