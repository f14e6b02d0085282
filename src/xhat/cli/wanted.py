"""What the options of the front door's commands say: a goal, a domain, samples, limits."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from xhat.domain import Domain

__all__ = ["Wanted", "domain_of", "images_of", "limits_of", "samples_of"]


class Wanted:
    """The options that say what is wanted; exactly one of them is given.

    Args:
        said: by the name of its option; None or False for what was not given.
        tolerance: for ``--value``: a number, or one for each output.
        column: which of several outputs is meant; None for all, or those that are named.
    """

    def __init__(
        self, said: dict[str, Any], tolerance: str = "0.001", column: int | None = None
    ) -> None:
        self.said = {name: each for name, each in said.items() if each not in (None, False)}
        self.tolerance, self.column = tolerance, column

    def goal(self) -> Any:
        """Return the goal, or the class as it was named.

        Raises:
            ValueError: none or several of them, or one that says nothing.
        """
        from xhat.objectives import goals

        if len(self.said) != 1:
            came = ", ".join(self.said) or "none"
            raise ValueError(
                f"give one of --target (classes), --wanted-labels, --value, --within, --at-least, "
                f"--at-most, --least or --most, but {came} came."
            )
        (name, said), *_ = self.said.items()
        if self.column is not None and name in ("--target", "--wanted-labels"):
            raise ValueError(f"--column goes with values, not with {name}.")
        if name == "--target":
            return _target(str(said))
        if name == "--wanted-labels":
            return goals.Labels(_numbers(said, name, anything="nan"))
        of = {"column": self.column}
        if name == "--value":
            near = _numbers(self.tolerance, "--tolerance")
            near = near[0] if isinstance(near, list) else near
            return goals.Value(_numbers(said, name, anything="nan"), near, **of)
        if name == "--within":
            return goals.Within(*_ends(str(said)), **of)
        if name == "--at-least":
            return goals.AtLeast(_numbers(said, name, anything="-inf"), **of)
        if name == "--at-most":
            return goals.AtMost(_numbers(said, name, anything="inf"), **of)
        return goals.Least(**of) if name == "--least" else goals.Most(**of)


def _numbers(text: Any, name: str, anything: str | None = None) -> Any:
    """Return a number, or a row of them, ``[[...]]``; the word ``any`` is what it means here."""
    words = [word.strip() for word in str(text).split(",")]
    try:
        found = [float(anything if anything and word == "any" else word) for word in words]
    except ValueError as error:
        more = ", or any for an output that does not matter" if anything else ""
        raise ValueError(
            f"{name} must be a number, or numbers such as 1,0.5 for a model of several "
            f"outputs{more}, but is {text!r}."
        ) from error
    return found[0] if len(found) == 1 else [found]


def _ends(text: str) -> tuple[Any, Any]:
    """Return ends from ``low,high``, or from ``low:high,any,low:high`` for several outputs."""
    if ":" not in text:
        return _two(text, "--within")
    words = ["-inf:inf" if word.strip() == "any" else word for word in text.split(",")]
    pairs = [_two(word.replace(":", ","), "--within") for word in words]
    return [[low for low, _ in pairs]], [[high for _, high in pairs]]


def domain_of(
    reference: Path | None,
    labels: str | None,
    kind: str | None,
    bounds: str | None,
    fixed: str | None,
    seed: int,
    alpha: float = 0.05,
    values: str | None = None,
) -> "Domain | None":
    """Return the domain that a command's options describe, or None.

    Raises:
        UnreadableFileError: files that cannot be read.
        ValueError: options that go with ``--reference`` without one.
    """
    from xhat.domain import Domain
    from xhat.domain.reading import read_data, read_labels
    from xhat.task import task, tasks

    if reference is not None and str(reference) in tasks():
        told = {"--labels": labels, "--values": values, "--kind": kind}
        told |= {"--bounds": bounds, "--fixed": fixed}
        for name, said in told.items():
            if said is not None:
                raise ValueError(f"{name} goes with real samples of your own; {reference} has its.")
        return task(str(reference)).domain(alpha)
    if reference is None:
        told = {"--labels": labels, "--values": values, "--kind": kind, "--fixed": fixed}
        for name, said in told.items():
            if said is not None:
                raise ValueError(f"{name} goes with --reference, the real samples.")
        return None
    if reference.suffix == ".safetensors":
        return Domain.load(reference)
    if labels is not None and values is not None:
        raise ValueError("give either --labels, classes, or --values, quantities.")
    if values is not None:
        return _of_values(reference, values, kind, bounds, fixed, seed)
    of_file = labels is not None and Path(labels).suffix in (".npy", ".csv", ".parquet")
    data = read_data(reference, "the reference", None if of_file else labels)
    known = read_labels(labels) if of_file and labels is not None else data.labels
    if labels is not None and known is None:
        raise ValueError(
            f"--labels must be a column of a table, or a .npy, .csv or .parquet file, but is "
            f"{labels!r}."
        )
    return Domain(
        data.samples,
        known,
        name=reference.stem,
        seed=seed,
        **_described(kind, bounds, fixed),
    )


def _of_values(
    reference: Path, values: str, kind: str | None, bounds: str | None, fixed: str | None, seed: int
) -> "Domain":
    """Return a domain with values: columns of its table, or those of a file beside it."""
    from xhat.domain import Domain
    from xhat.domain.reading import read_data, read_labels, read_values

    if Path(values).suffix in (".npy", ".csv", ".parquet"):
        data, y = read_data(reference, "the reference"), read_labels(values, "the values")
    else:
        data, y = read_values(reference, values.split(","))
    return Domain(
        data.samples,
        values=y,
        name=reference.stem,
        seed=seed,
        **_described(kind, bounds, fixed),
    )


def _described(kind: str | None, bounds: str | None, fixed: str | None) -> dict[str, Any]:
    return {
        "kind": kind,
        "limits": None if bounds is None else limits_of(bounds),
        "fixed": () if fixed is None else tuple(fixed.split(",")),
    }


def images_of(reference: Path, labels: str | None) -> "Domain":
    """Return the domain of images that a reference holds; what else it holds is refused."""
    tabled = reference.suffix in (".csv", ".parquet")
    kind = None if reference.suffix == ".safetensors" or tabled else "image"
    found = domain_of(reference, labels, kind, None, None, 0)
    assert found is not None  # noqa: S101 - there is a reference
    if found.kind == "table":
        raise ValueError(
            f"{reference} holds a table, and images are shown here; xhat optimize searches the "
            f"rows of a table, and shows in words what was changed."
        )
    return found


def samples_of(path: Path, what: str, domain: "Domain | None") -> Any:
    """Return inputs of a model from a file, like the samples of a domain where there is one."""
    from xhat.domain.reading import read_data

    data = read_data(path, what)
    if data.table is None or domain is None or domain.schema is None:
        import torch

        x = torch.from_numpy(data.x)
        return x.float() if x.is_floating_point() else x
    return data.table


def limits_of(text: str) -> tuple[Any, Any]:
    """Return limits from ``low,high``, or from a file with a row of each.

    Raises:
        ValueError: neither.
    """
    from xhat.domain.reading import read_data

    if Path(text).suffix in (".npy", ".csv", ".parquet"):
        import torch

        rows = torch.from_numpy(read_data(text, "the bounds").x).float()
        if len(rows) != 2:
            raise ValueError(f"{text} must hold two rows, the lower and the upper ends.")
        return rows[0], rows[1]
    return _two(text, "--bounds")


def _target(text: str) -> Any:
    import torch

    from xhat.cli.inputs import read_targets

    words = text.split(",")
    if text.endswith(".npy") or all(word.strip().lstrip("-").isdigit() for word in words):
        found = read_targets(text)
        whole = found.dtype == torch.int64 and found.ndim == 1 and found.numel() == 1
        return int(found) if whole else found
    return words[0] if len(words) == 1 else words


def _two(text: str, name: str) -> tuple[float, float]:
    try:
        low, high = (float(part) for part in text.split(","))
    except ValueError as error:
        raise ValueError(f"{name} must be low,high, such as 0,1, but is {text!r}.") from error
    return low, high
