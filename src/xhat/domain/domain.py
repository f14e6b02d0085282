"""The noun: reference samples of a field, and everything that follows from them."""

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from xhat.constraints import Bounds
from xhat.core import check_choice, check_fraction, check_mask, check_tensor, generator
from xhat.domain.data import as_labels, as_samples, as_values, kind_of, shaped
from xhat.domain.networks import ANY_KIND, PARTS, Frame, Known, doubts, made
from xhat.domain.references import References, chosen
from xhat.domain.self_testing import self_test
from xhat.domain.tested import SelfTest
from xhat.judges import Judge
from xhat.spaces import Box, Masked, Space

__all__ = ["Domain"]

Progress = Callable[[str, int, int], None]
Structure = Callable[[Space, Tensor], Space]
_GRIDS = ("image", "field")
_BETA = 0.05  # of a judge that is fitted here, unless another is asked for
_RANGE = 3.5  # standard deviations that are about the range of what is evenly distributed
_DARK = 127  # images of larger numbers are taken for bytes
_HALF, _LESS, _FEW = 0.5, 0.3, 1_000  # share of samples for searches; where there are fewer than


class Domain:
    """What real inputs of one field look like.

    Args:
        samples: ``(m, *x_shape)`` real samples: an array, a tensor, or a frame of numbers (pandas,
            polars, Arrow). Images ``(m, h, w)`` and ``(m, h, w, 1 or 3)`` are understood.
        labels: ``(m,)`` classes, numbers or words; None if there are none.
        classes: their names, in the order of the model's outputs; None for the numbers themselves,
            or for words in the order of the alphabet.
        values: ``(m,)`` or ``(m, *y_shape)``, a quantity for each sample instead of a class; None
            if there are none.
        kind: ``"image"``, ``"field"``, ``"signal"`` or ``"table"``; None to see it from the data.
        names: of the columns of a table, or of the channels; a frame has its own.
        units: the units of the columns or channels, for pages.
        limits: ``(low, high)`` that searches must keep, numbers or one for each feature. None takes
            0 to 1, or 0 to 255, for images that lie within (0 to their largest value where that is
            above 1 but below 128: no bytes), and otherwise the range of the samples and the starts.
        fixed: names of columns, or a boolean mask in the shape of one sample, that must not change.
        name: of the domain, for pages and files.
        judge: your own judge; None to fit one to the half of the samples that is kept for judging.
        networks: trained networks by name (``PARTS``), instead of those that would be trained.
        references: real samples from which methods such as ``retrieval`` begin, or a function that
            makes them when they are needed; None to choose them from the half for searches.
        seed: decides the two halves and all training.

    Raises:
        TypeError: samples, labels or values that are no numbers or classes.
        ValueError: shapes that do not fit together, a kind that does not fit, unknown names.

    Example:
        >>> from sklearn.datasets import load_iris
        >>> iris = load_iris(as_frame=True)
        >>> flowers = Domain(iris.data, iris.target, classes=iris.target_names)
        >>> flowers
        Domain(150 samples, table of 4 columns, 3 classes)
        >>> flowers.class_of("virginica"), flowers.names[0]
        (2, 'sepal length (cm)')
    """

    knows_samples: ClassVar[bool] = True
    note: ClassVar[str | None] = None

    def __init__(
        self,
        samples: Any,
        labels: Any = None,
        *,
        classes: Sequence[Any] | None = None,
        values: Any = None,
        kind: str | None = None,
        names: Sequence[str] | None = None,
        units: Sequence[str] | None = None,
        limits: tuple[Any, Any] | None = None,
        fixed: Sequence[str] | Tensor = (),
        name: str = "domain",
        judge: Judge | None = None,
        networks: Mapping[str, nn.Module] | None = None,
        references: References | Callable[[], References] | None = None,
        seed: int = 0,
    ) -> None:
        x, columns = as_samples(samples)
        self.x = x = shaped(x, kind)
        self.kind = kind_of(x, kind)
        known = None if labels is None else as_labels(labels, len(x), classes)
        self.labels = None if known is None else known.index
        self.classes = () if known is None else known.names
        self.values = None if values is None else as_values(values, len(x))
        self.names = _worded("names", columns if names is None else names, x)
        self.units = _worded("units", units, x)
        self.declared = limits is not None
        self.low, self.high = _limits(x, self.kind, limits)
        self.free = ~_mask(fixed, self.names, x)
        self.name, self.seed = name, seed
        for part in networks or {}:
            check_choice("the name of a network", part, PARTS)
        self.given = frozenset(networks or ()) | ({"judge"} if judge is not None else set())
        self._networks: dict[str, nn.Module] = dict(networks or {})
        self._judges: dict[tuple[float, float], Judge] = {}
        if judge is not None:
            self._judges[judge.alpha, judge.beta] = judge
        self._references = references
        self._structure: Structure | None = None
        self.judge_state: Mapping[str, Tensor] | None = None
        self.self_tested: SelfTest | None = None

    def __len__(self) -> int:
        """Return the number of samples."""
        return len(self.x)

    def __repr__(self) -> str:
        shape = tuple(self.x.shape[1:])
        what = (
            f"table of {shape[0]} columns"
            if self.kind == "table"
            else (f"{self.kind}s of {' × '.join(map(str, shape))}")
        )
        also = f", {len(self.classes)} classes" if self.classes else ""
        also += ", values" if self.values is not None else ""
        return f"Domain({len(self)} samples, {what}{also})"

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of one sample."""
        return tuple(self.x.shape[1:])

    def class_of(self, label: Any) -> int:
        """Return the number of a class that is given by its name or number.

        Raises:
            ValueError: there is no such class; the message lists them.
        """
        if not self.classes:
            raise ValueError("this domain has no classes; give labels= when it is made.")
        if (
            isinstance(label, int)
            and not isinstance(label, bool)
            and 0 <= label < len(self.classes)
        ):
            return label
        if str(label) in self.classes:
            return self.classes.index(str(label))
        raise ValueError(f"{label!r} is none of the classes {', '.join(self.classes)}.")

    def check_inputs(self, name: str, x: Any) -> Tensor:
        """Return inputs as floating point ``(n, *x_shape)``, if they are like the samples.

        A frame must have the columns of the domain; their order does not matter.

        Raises:
            TypeError, ValueError: they are not; the message says in what.
        """
        if hasattr(x, "columns") and self.names is not None and not isinstance(x, Tensor):
            x = _ordered(x, self.names)
            x, _ = as_samples(x) if len(x) > 1 else (_row(x), None)
        x = check_tensor(name, x, floating=False)
        x = x.float()  # as the samples are, and all that is made of them
        if tuple(x.shape[1:]) != self.shape:
            x = shaped(x, self.kind)
        if tuple(x.shape[1:]) == self.shape:
            return x
        one = "; for one input use x[None]" if tuple(x.shape) == self.shape else ""
        raise ValueError(
            f"{name} must be (n, {', '.join(map(str, self.shape))}), like the reference samples, "
            f"but have shape {tuple(x.shape)}{one}."
        )

    @property
    def scale(self) -> Tensor:
        """The unit in which steps and distances are measured: about the range of the samples.

        ``(1,)`` for images, fields and signals; ``(1, columns)`` for a table.
        """
        if self.kind != "table":
            wide = (self.high - self.low).amax()
            if not bool(wide.isfinite()):
                wide = _RANGE * self.x.std()
            return _positive(wide.reshape(1))
        return _positive(_RANGE * self.x.std(dim=0, keepdim=True))

    def space(self, x0: Tensor) -> Space:
        """Return the space for starts ``(n, *x_shape)``: within the limits, in units of ``scale``.

        Limits that were inferred from the samples are widened to include the starts.

        Raises:
            ValueError: a start lies outside of limits that were declared.
        """
        low, high = self.low.to(x0), self.high.to(x0)
        if not self.declared:
            like = x0.amin(dim=0, keepdim=True), x0.amax(dim=0, keepdim=True)
            if low.numel() == 1:
                like = like[0].amin().reshape(1), like[1].amax().reshape(1)
            low, high = torch.minimum(low, like[0]), torch.maximum(high, like[1])
        unit = self.scale[0] if self.scale.numel() > 1 else float(self.scale)
        return self.hold(Box(*_ends(low, high), unit=unit), x0)

    def hold(self, space: Space, x0: Tensor) -> Space:
        """Return a space in which what must not change stays as in the starts.

        Args:
            space: of inputs like the samples, such as that of a decoder.
            x0: ``(n, *x_shape)``, the starts.
        """
        if not bool(self.free.all()):
            space = Masked(space, self.free, x0)
        return space if self._structure is None else self._structure(space, x0)

    @property
    def structured(self) -> bool:
        """Whether more must hold of what is searched for than the limits."""
        return self._structure is not None or not bool(self.free.all())

    def within(self, structure: Structure) -> "Domain":
        """Return this domain, of which searches keep to inputs of one structure.

        Everything else (samples, judge, networks) is shared with this one.

        Args:
            structure: ``(space, x0) -> Space``, a space inside the one that it is given.

        Example:
            >>> from xhat.spaces import Symmetric
            >>> from xhat.symmetry import Mirror
            >>> images = Domain(torch.rand(9, 1, 4, 4), kind="image")
            >>> mirrored = images.within(lambda space, x0: Symmetric(space, Mirror(-1)))
            >>> x = mirrored.space(images.x).decode(mirrored.space(images.x).encode(images.x))
            >>> bool(torch.allclose(x, x.flip(-1)))
            True
        """
        found = copy.copy(self)
        found._structure = structure
        return found

    @property
    def bounds(self) -> tuple[Bounds, ...]:
        """The constraint that the declared limits state; empty where none were declared."""
        return (Bounds(self.low, self.high),) if self.declared else ()

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
    ) -> Judge:
        """Return the judge of this domain, fitted once, whatever the levels.

        Args:
            alpha: the probability, in (0, 1), with which a real sample may be flagged.
            beta: the probability, in (0, 1), with which a real sample of another class may be taken
                for the target; None for that of the judge that the domain was given, else .05.
            on_progress: called with a stage's name, and how far it is.

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
                known = self._fitted(on_progress)
            elif given and alpha != known.alpha:
                raise ValueError(
                    f"the judge of {self.name} was made for alpha = {known.alpha:g}; make the "
                    f"domain with a judge for {alpha:g}."
                )
            self._judges[levels] = replace(known, alpha=alpha, beta=beta)
        return self._judges[levels]

    def _fitted(self, on_progress: Progress | None) -> Judge:
        mine = self.halves[1]
        judge = Judge.fit(
            self.x[mine],
            None if self.labels is None else self.labels[mine],
            values=None if self.values is None else self.values[mine],
            seed=self.seed,
            on_progress=on_progress,
            state=self.judge_state,
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
            >>> iris = load_iris()
            >>> domain = Domain(iris.data, iris.target)
            >>> domain.self_test(n=40).rows[0].name, domain.self_tested.n
            ('real, own class', 40)
        """
        self.self_tested = self_test(
            self,
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

    def save(self, path: str | Path) -> None:
        """Write samples, judge and trained networks into one safetensors file, whole or not at all.

        Raises:
            ValueError: a judge or a network was given, which the file could not make again.
            PermissionError: the folder cannot be written to.
        """
        from xhat.domain.files import save

        save(self, path)

    @classmethod
    def load(cls, path: str | Path) -> "Domain":
        """Read what ``save`` wrote; nothing is fitted or trained again.

        Raises:
            UnreadableFileError: no such file, damaged, or of another version.
        """
        from xhat.domain.files import load

        return load(path)


def _worded(what: str, words: Sequence[str] | None, x: Tensor) -> tuple[str, ...] | None:
    if words is None:
        return None
    found = tuple(map(str, words))
    if len(found) != x.shape[1] or (len(set(found)) < len(found) and what == "names"):
        raise ValueError(
            f"{what} must be {x.shape[1]} different words, one for each column or channel, but are "
            f"{', '.join(found)}."
        )
    return found


def _limits(x: Tensor, kind: str, limits: tuple[Any, Any] | None) -> tuple[Tensor, Tensor]:
    if limits is not None:
        if not isinstance(limits, tuple | list) or len(limits) != 2:
            raise ValueError(f"limits must be (low, high), but are {limits!r}.")
        ends = tuple(torch.as_tensor(end, dtype=torch.float32) for end in limits)
        for end in ends:
            if end.ndim and tuple(end.shape) != tuple(x.shape[1:]):
                raise ValueError(
                    f"limits must be numbers or have the shape of one sample, "
                    f"{tuple(x.shape[1:])}, but have {tuple(end.shape)}."
                )
        low, high = (end[None] if end.ndim else end.reshape(1) for end in ends)
        if bool((low >= high).any()) or bool(low.isnan().any() | high.isnan().any()):
            raise ValueError("limits must be below for low, and above for high, of every feature.")
        return low, high
    least, most = (float(end) for end in torch.aminmax(x))
    if kind == "image":
        return torch.zeros(1), torch.tensor([1.0 if most <= 1 else 255.0 if most > _DARK else most])
    if kind == "table":
        low, high = x.amin(dim=0, keepdim=True), x.amax(dim=0, keepdim=True)
        return low, torch.where(high > low, high, low + 1)
    return torch.tensor([least]), torch.tensor([most if most > least else least + 1])


def _mask(fixed: Sequence[str] | Tensor, names: tuple[str, ...] | None, x: Tensor) -> Tensor:
    """Return what must not change, in the shape of one sample."""
    if isinstance(fixed, Tensor):
        mask = check_mask(fixed, "must not change")
        if mask.shape != x.shape[1:]:
            raise ValueError(
                f"fixed must have the shape of one sample, {tuple(x.shape[1:])}, but has "
                f"{tuple(mask.shape)}."
            )
        return mask
    mask = torch.zeros(x.shape[1:], dtype=torch.bool)
    fixed = (fixed,) if isinstance(fixed, str) else fixed
    for name in fixed:
        if names is None or name not in names:
            known = "there are no names" if names is None else f"they are {', '.join(names)}"
            raise ValueError(f"fixed names {name!r}, which is no column ({known}).")
        mask[names.index(name)] = True
    if bool(mask.all()):
        raise ValueError("fixed lets nothing change; leave something free.")
    return mask


def _distinct(x: Tensor) -> Tensor:
    """Return the places of rows that no row before them equals, ``(k,)``, sorted."""
    _, place = torch.unique(x.flatten(1), dim=0, return_inverse=True)
    first = torch.full((int(place.max()) + 1,), len(x))
    return first.scatter_reduce(0, place, torch.arange(len(x)), "amin").sort().values


def _positive(wide: Tensor) -> Tensor:
    """Return lengths, with 1 for those of 0: columns that never vary."""
    return torch.where(wide > 0, wide, torch.ones_like(wide))


def _ends(low: Tensor, high: Tensor) -> tuple[Any, Any]:
    first, second = (float(end) if end.numel() == 1 else end[0] for end in (low, high))
    return first, second


def _ordered(frame: Any, names: tuple[str, ...]) -> Any:
    there = [str(name) for name in getattr(frame, "column_names", frame.columns)]
    missing = [name for name in names if name not in there]
    extra = [name for name in there if name not in names]
    if missing or extra:
        said = [f"lacks {', '.join(missing)}"] if missing else []
        said += [f"has {', '.join(extra)}, which the domain does not know"] if extra else []
        raise ValueError(
            f"the frame {' and '.join(said)}; its columns must be those of the domain."
        )
    return frame[list(names)] if hasattr(frame, "columns") else frame.select(list(names))


def _row(frame: Any) -> Tensor:
    import numpy as np

    return torch.from_numpy(np.asarray(frame, dtype=np.float64)).float()
