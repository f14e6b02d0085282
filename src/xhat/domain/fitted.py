"""What is fitted to the samples of a domain, once, where it is first needed.

Half of the samples are for searches: what knows the data there (``xhat.domain.networks``) and the
real samples that searches begin from. The other half is for the judge alone.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from xhat.core import check_choice, check_fraction, generator
from xhat.domain.networks import ANY_KIND, PARTS, Frame, Known, doubts, made
from xhat.domain.references import References, chosen
from xhat.domain.self_testing import self_test
from xhat.domain.tested import SelfTest
from xhat.executors import Workers
from xhat.judges import Judge

__all__ = ["Fitted", "Progress"]

Progress = Callable[[str, int, int], None]
_GRIDS = ("image", "field")
_BETA = 0.05  # of a judge that is fitted here, unless another is asked for
_HALF, _LESS, _FEW = 0.5, 0.3, 1_000  # share of samples for searches; where there are fewer than


class Fitted:
    """Samples of a field, and what is fitted to them.

    Args:
        name: of the domain.
        seed: decides the two halves and all training.
        judge: the user's own; None to fit one.
        networks: the user's own, by name.
        references: the user's own, or a function that makes them; None to choose them.
    """

    x: Tensor
    kind: str
    labels: Tensor | None
    values: Tensor | None
    classes: tuple[str, ...]
    low: Tensor
    high: Tensor

    def __init__(
        self,
        name: str,
        seed: int,
        judge: Judge | None,
        networks: Mapping[str, nn.Module] | None,
        references: References | Callable[[], References] | None,
    ) -> None:
        self.name, self.seed = name, seed
        for part in networks or {}:
            check_choice("the name of a network", part, PARTS)
        self.given = frozenset(networks or ()) | ({"judge"} if judge is not None else set())
        self._networks: dict[str, nn.Module] = dict(networks or {})
        self._judges: dict[tuple[float, float], Judge] = {}
        if judge is not None:
            self._judges[judge.alpha, judge.beta] = judge
        self._references = references
        self.judge_state: Mapping[str, Tensor] | None = None
        self.self_tested: SelfTest | None = None

    def __len__(self) -> int:
        """Return the number of samples."""
        return len(self.x)

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of one sample."""
        return tuple(self.x.shape[1:])

    @property
    def scale(self) -> Tensor:
        """The unit in which steps are measured."""
        raise NotImplementedError

    @property
    def halves(self) -> tuple[Tensor, Tensor]:
        """Indices of the samples for searches, and of those for the judge; both ascending.

        Of equal samples only the first is used.
        """
        if "judge" in self.given:  # it has samples of its own
            return torch.arange(len(self)), torch.empty(0, dtype=torch.long)
        once = _distinct(self.x)
        draws = generator(self.seed, "domain", "halves")
        order = once[torch.randperm(len(once), generator=draws)]
        share = _HALF if len(once) >= _FEW else _LESS
        first, second = order.tensor_split([round(share * len(once))])
        return first.sort().values, second.sort().values

    def judge(
        self,
        alpha: float = 0.05,
        beta: float | None = None,
        on_progress: Progress | None = None,
        *,
        workers: Workers | int | None = None,
    ) -> Judge:
        """Return the judge of this domain, fitted once, whatever the levels.

        Args:
            alpha: the probability, in (0, 1), with which a real sample may be flagged.
            beta: the probability, in (0, 1), with which a real sample of another class may be taken
                for the target; None for that of the judge that the domain was given, else .05.
            on_progress: called with a stage's name, and how far it is.
            workers: where the members of its jury are fitted, several at once; None for here.

        Raises:
            ValueError: too few samples, of all or of a class.
        """
        check_fraction("alpha", alpha)
        known, given = next(iter(self._judges.values()), None), "judge" in self.given
        if beta is None:
            beta = known.beta if given and known is not None else _BETA
        check_fraction("beta", beta)
        if (levels := (alpha, beta)) not in self._judges:
            if known is None:
                known = self._fitted(on_progress, workers)
            elif given and alpha != known.alpha:
                raise ValueError(
                    f"the judge of {self.name} was made for alpha = {known.alpha:g}; make the "
                    f"domain with a judge for {alpha:g}."
                )
            self._judges[levels] = replace(known, alpha=alpha, beta=beta)
        return self._judges[levels]

    def _fitted(self, on_progress: Progress | None, workers: Workers | int | None = None) -> Judge:
        mine = self.halves[1]
        judge = Judge.fit(
            self.x[mine],
            None if self.labels is None else self.labels[mine],
            values=None if self.values is None else self.values[mine],
            seed=self.seed,
            on_progress=on_progress,
            state=self.judge_state,
            workers=workers,
        )
        self.judge_state = judge.state()
        return judge

    def self_test(
        self,
        *,
        held: tuple[Any, Any] | None = None,
        foreign: Any = None,
        model: Callable[[Tensor], Tensor] | None = None,
        n: int = 200,
        alpha: float = 0.05,
        beta: float | None = None,
        seed: int = 0,
        on_progress: Progress | None = None,
    ) -> SelfTest:
        """Ask the judge about samples of which the right verdict is known, and count.

        The result stays with the domain as ``self_tested``, also in its file, and every verdict of
        this domain shows its line. Real samples are taken from the half that the judge never sees.

        Args:
            held: ``(samples, labels)``, or ``(samples, values)`` where the domain has these
                instead: real samples that the domain does not contain, to test with instead; None
                for the labels where there are none.
            foreign: data from elsewhere, like the samples in shape: an array, or arrays by name.
            model: of your own, ``(n, *x_shape)`` to logits ``(n, classes)``, that is attacked, too.
            n: samples of each control, where there are as many.
            alpha: of the judge.
            beta: of the judge, likewise; see ``judge``.
            seed: of every random choice.
            on_progress: called as ``(stage, done, total)``.

        Raises:
            TypeError, ValueError: too few samples for a judge; held-out or foreign samples of
                another shape, or held-out ones that the domain contains; a model that does not give
                a logit for each class.

        Example:
            >>> from sklearn.datasets import load_iris
            >>> from xhat.domain import Domain
            >>> iris = load_iris()
            >>> domain = Domain(iris.data, iris.target)
            >>> domain.self_test(n=40).rows[0].name, domain.self_tested.n
            ('real, own class', 40)
        """
        self.self_tested = self_test(
            self,  # pyright: ignore[reportArgumentType] - only domains are made
            held=held,
            foreign=foreign,
            model=model,
            n=n,
            alpha=alpha,
            beta=beta,
            seed=seed,
            on_progress=on_progress,
        )
        return self.self_tested

    def network(self, part: str, on_progress: Progress | None = None) -> Any:
        """Return what knows this domain, a network or a prior in closed form, fitted once.

        Args:
            part: a name in ``PARTS``.
            on_progress: called with the name, and how many epochs of how many are done.

        Raises:
            ValueError: the samples are no images or fields, or too few, or have no classes, where
                that is needed; the message says what to do.
        """
        check_choice("the name of a network", part, PARTS)
        if part not in self._networks:
            if self.kind not in _GRIDS and part not in ANY_KIND:
                raise ValueError(
                    f"the network {part!r} can be trained on images and fields only, but these are "
                    f"{self.kind}s; give one of your own: Domain(…, networks={{{part!r}: …}})."
                )
            if part == "robust" and self.labels is None:
                raise ValueError(
                    "the network 'robust' is a classifier, but the domain has no classes; give "
                    "labels= when it is made."
                )
            mine = self.halves[0]
            labels = None if self.labels is None else self.labels[mine]
            values = None if self.values is None else self.values[mine]
            doubt = None
            if part == "prior" and labels is not None:  # what is read with doubt is no target
                doubt = doubts(self.network("robust", on_progress), self.x[mine], labels)
            given = Known(self.x[mine], labels, values, doubt)
            self._networks[part] = made(part, self.frame, given, self.seed, on_progress)
        return self._networks[part]

    def trained(self) -> dict[str, nn.Module]:
        """Return the networks that were trained or loaded so far, by name."""
        return dict(self._networks)

    def keep(self, part: str, model: nn.Module) -> None:
        """Take a network that was trained before, by name."""
        self._networks[check_choice("the name of a network", part, PARTS)] = model

    @property
    def frame(self) -> Frame:
        """The map between images of the domain and inputs of its networks."""
        return Frame(self.shape, float(self.low.min()), float(self.high.max()))

    def references(self, on_progress: Progress | None = None) -> References:
        """Return the real samples that searches begin from, chosen once.

        Raises:
            ValueError: the domain has no classes.
        """
        if self._references is None:
            if self.labels is None:
                raise ValueError(
                    "a search from real samples of the target needs classes; give labels= when "
                    "the domain is made."
                )
            mine = self.halves[0]
            guards, encode = (), None
            if self.kind in _GRIDS:
                guards = (self.network("robust", on_progress),)
                encode = self.network("autoencoder", on_progress).encode
            unit = self.scale if self.kind == "table" else None
            known = self.x[mine], self.labels[mine]
            self._references = chosen(*known, self.seed, guards, encode, unit)
        if callable(self._references):
            self._references = self._references()
        return self._references


def _distinct(x: Tensor) -> Tensor:
    """Return the places of rows that no row before them equals, ``(k,)``, sorted."""
    _, place = torch.unique(x.flatten(1), dim=0, return_inverse=True)
    first = torch.full((int(place.max()) + 1,), len(x))
    return first.scatter_reduce(0, place, torch.arange(len(x)), "amin").sort().values
