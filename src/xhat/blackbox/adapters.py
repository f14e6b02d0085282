"""How models without gradients are asked: estimators, ONNX sessions, and functions on arrays.

Each way is a function of one batch, a tensor ``(n, *x_shape)`` on the CPU, that returns what the
model says in whatever form it says it; ``xhat.blackbox.readings`` makes numbers of that.
"""

import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from xhat.core import evaluation_mode, extra, modules_of

__all__ = ["Frames", "Way", "can_be_asked", "lacks_gradient", "open_onnx", "way_to_ask"]

Way = Callable[[Tensor], Any]
Frames = Callable[[Tensor], Any]
"""Rows ``(n, d)`` as a frame."""
_METHODS = ("predict_proba", "decision_function", "predict")  # of an estimator, best first


def can_be_asked(model: Any) -> bool:
    """Return whether it is an estimator or an ONNX session, which are no functions.

    Example:
        >>> from sklearn.tree import DecisionTreeClassifier
        >>> can_be_asked(DecisionTreeClassifier()), can_be_asked("a name")
        (True, False)
    """
    if isinstance(model, type):
        return False
    return any(hasattr(model, name) for name in _METHODS) or _is_session(model)


def lacks_gradient(model: Any, x: Tensor, frames: Frames | None = None) -> bool:
    """Return whether a model answers, but with nothing that leads back to its input.

    Asked of the first input alone, with gradients. A model that answers in no way is not said to
    lack a gradient: whoever searches it says what is wrong with it.

    Args:
        model: a function, or what ``can_be_asked``.
        x: ``(n, *x_shape)``.
        frames: makes frames of rows, for functions of frames.

    Example:
        >>> lacks_gradient(torch.sin, torch.zeros(1, 2)), lacks_gradient(np.sin, torch.zeros(1, 2))
        (False, True)
    """
    if not callable(model):
        return can_be_asked(model)
    if isinstance(model, type):
        return False
    leaf = x[:1].detach().clone().requires_grad_(True)
    try:
        with torch.enable_grad(), evaluation_mode(*modules_of(model), warn=False):
            y = model(leaf)
            tensors = list(_tensors(y))
            if not tensors:
                return _holds_numbers(y)
            total = sum(t.sum() for t in tensors if t.requires_grad and not t.is_complex())
            if isinstance(total, int):
                return not any(t.requires_grad for t in tensors)
            return torch.autograd.grad(total, leaf, allow_unused=True)[0] is None
    except Exception:  # noqa: BLE001 - such as .numpy() of what requires a gradient
        return any(_answers(way, x[:1]) for way in _ways(model, frames))


def way_to_ask(
    model: Any,
    x: Tensor,
    *,
    by_class: bool,
    names: Sequence[str] | None = None,
    frames: Frames | None = None,
) -> Way:
    """Return a function of a batch of tensors that asks a model in the form that it takes.

    A function is given a tensor, an array, or (where columns have names) a frame: the first that it
    takes without a warning, else the first that it takes at all. What was fitted on a frame is
    given one with its columns in their order.

    Args:
        model: an estimator, a session, or a function.
        x: ``(1, *x_shape)``, with which the forms are tried.
        by_class: whether classes are asked for: an estimator then says probabilities, if it can.
        names: of the columns, in the order of ``x``, by which sessions are fed.
        frames: makes frames of rows, in the user's own columns and words.

    Raises:
        TypeError: it takes none of the forms; the message has what it says.
    """
    if _is_session(model):
        return _of_session(model, by_class=by_class, names=names)
    if not callable(model):
        model = _method_of(model, by_class=by_class)
    ways, refused = list(_ways(model, frames)), []
    for strict in (True, False):
        for way in ways:
            try:
                with warnings.catch_warnings():
                    warnings.simplefilter("error" if strict else "ignore")
                    way(x)
            except Exception as error:  # noqa: BLE001 - the next form may do
                refused.append(error)
            else:
                return way if strict else _quiet(way)
    first = refused[-1]
    said = (str(first).strip().splitlines() or [""])[0].removesuffix(".")
    raise TypeError(
        f"the model cannot be asked of an input of shape {tuple(x.shape[1:])}; it says: "
        f"{type(first).__name__}: {said}."
    ) from first


def open_onnx(path: str) -> Any:
    """Return a session of ONNX Runtime for a file.

    Raises:
        MissingExtraError: onnxruntime is not installed.
        ValueError: the file is none that it reads.
    """
    with extra("onnx", "ONNX models need"):
        import onnxruntime  # pyright: ignore[reportMissingImports]
    try:
        return onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    except Exception as error:
        said = (str(error).strip().splitlines() or [""])[0]
        raise ValueError(f"{path} cannot be read as an ONNX model; it says: {said}.") from error


def _method_of(model: Any, *, by_class: bool) -> Callable[[Any], Any]:
    """Return the method of an estimator that says most of classes, or its values."""
    wanted = _METHODS if by_class else ("predict",)
    for name in wanted:  # an SVC has predict_proba only where it was told to
        if callable(found := getattr(model, name, None)):
            return found
    raise TypeError(
        f"the model, a {type(model).__name__}, has none of {', '.join(wanted)}; fit it first, or "
        f"give a function of a batch."
    )


def _ways(model: Callable[[Any], Any], frames: Frames | None) -> Iterator[Way]:
    """Yield the forms in which a function may take a batch, the likeliest first."""
    owner = getattr(model, "__self__", None)
    known = getattr(owner, "feature_names_in_", None)
    if owner is None or not can_be_asked(owner):
        yield lambda x: model(x.detach().clone())
    if known is not None and frames is not None:  # fitted on a frame
        yield lambda x: model(frames(x)[list(known)])
    if (jax := sys.modules.get("jax")) is not None:  # by DLPack, where it is in use at all
        yield lambda x: model(jax.dlpack.from_dlpack(x.detach().clone()))
    yield lambda x: model(_array(x))
    yield lambda x: model(_array(x).astype(np.float32))
    if frames is not None:
        yield lambda x: model(frames(x))


def _quiet(way: Way) -> Way:
    def asked(x: Tensor) -> Any:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return way(x)

    return asked


def _answers(way: Way, x: Tensor) -> bool:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return _holds_numbers(way(x))
    except Exception:  # noqa: BLE001
        return False


def _array(x: Tensor) -> np.ndarray:
    return x.detach().cpu().double().numpy()


def _is_session(model: Any) -> bool:
    return callable(getattr(model, "run", None)) and callable(getattr(model, "get_inputs", None))


_TYPES = {"tensor(float)": np.float32, "tensor(double)": np.float64, "tensor(int64)": np.int64}


def _of_session(session: Any, *, by_class: bool, names: Sequence[str] | None) -> Way:
    """Return a way to ask an ONNX session: one input, or one for each column."""
    inputs, outputs = session.get_inputs(), session.get_outputs()
    output = _wanted_output(outputs, by_class=by_class)
    places = [_place(each.name, k, names) for k, each in enumerate(inputs)]
    fixed = inputs[0].shape[0] if inputs and inputs[0].shape else None
    size = fixed if isinstance(fixed, int) else None

    def ask(rows: np.ndarray) -> Any:
        columns = [rows] if len(inputs) == 1 else [rows[:, k : k + 1] for k in places]
        feed = {
            each.name: part.astype(_TYPES.get(each.type, np.float32))
            for each, part in zip(inputs, columns, strict=True)
        }
        return session.run([output], feed)[0]

    def way(x: Tensor) -> Any:
        rows = _array(x)
        if size is None:
            return ask(rows)
        more = -len(rows) % size  # a session that was exported for one size of batch
        padded = np.concatenate([rows, rows[-1:].repeat(more, axis=0)])
        parts = [np.asarray(ask(part)) for part in np.split(padded, len(padded) // size)]
        return np.concatenate(parts)[: len(rows)]

    return way


def _place(name: str, at: int, names: Sequence[str] | None) -> int:
    return names.index(name) if names is not None and name in names else at


def _wanted_output(outputs: Sequence[Any], *, by_class: bool) -> str:
    """Return the name of the output that has probabilities, where classes are asked for."""
    if by_class:
        for each in outputs:
            if "prob" in each.name.lower():
                return each.name
        for each in outputs:
            if "float" in each.type or "double" in each.type:
                return each.name
    return outputs[0].name


def _tensors(y: Any) -> Iterator[Tensor]:
    if isinstance(y, Tensor):
        yield y
    elif isinstance(y, dict):
        for part in y.values():
            yield from _tensors(part)
    elif isinstance(y, tuple | list):
        for part in y[:8]:
            yield from _tensors(part)
    elif isinstance(part := getattr(y, "logits", None), Tensor):
        yield part


def _holds_numbers(y: Any) -> bool:
    """Return whether an answer is an array, a list or a frame of numbers or names, or a tensor."""
    if isinstance(y, Tensor):
        return True
    if y is None or isinstance(y, str | bytes) or callable(y):
        return False
    try:
        array = np.asarray(y)
    except Exception:  # noqa: BLE001
        return False
    return array.ndim > 0 and array.size > 0
