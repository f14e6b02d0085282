"""Results larger than memory: a folder of Parquet parts, written one by one and read lazily.

``part-000012-3f9c….parquet`` holds the answers of the thirteenth shard, in the format of
``Result.save``; its name ends with a hash of its starts. ``_manifest.json`` says of which question
they are. Polars, DuckDB, pandas and Spark read the parts as one table. The folder may lie wherever
fsspec reaches: ``s3://…``, ``gs://…``, ``memory://…``.
"""

import json
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from importlib.metadata import version
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from xhat.core import UnreadableFileError, atomic_write, claimed_folder, extra
from xhat.engine.files import as_table, columns_of
from xhat.engine.joining import joined, rows_of
from xhat.engine.result import Result
from xhat.engine.status import Status, meant

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["Folder", "StoredResult", "load"]

_MANIFEST = "_manifest.json"
_FAILED = "failed"  # at the end of the name of a part, instead of a hash


class Folder:
    """Where the parts of one question are.

    Args:
        path: a folder, or a URL of fsspec.

    Raises:
        ImportError: what reaches such a URL is not installed.
        MissingExtraError: pyarrow is not installed.
        ValueError: no such kind of URL.
    """

    def __init__(self, path: str | Path) -> None:
        with extra("tables", "Parquet parts need"):
            import pyarrow.dataset as _dataset  # noqa: F401
        from fsspec.core import url_to_fs

        self.path = str(path)
        self.files, self.root = url_to_fs(self.path)
        self.local = "file" in self.files.protocol

    def claimed(self) -> AbstractContextManager[Any]:
        """Keep other processes out, where that can be done, for the time of a block.

        Raises:
            PermissionError: it cannot be written to, or another process has claimed it.
        """
        if self.local:
            return claimed_folder(self.root)
        try:
            self.files.makedirs(self.root, exist_ok=True)
            self._put(".xhat-try", b"")
            self.files.rm_file(self._at(".xhat-try"))
        except Exception as error:
            raise PermissionError(
                f"the folder {self.path} cannot be written to ({error}); choose another."
            ) from error
        return nullcontext()

    def begin(self, question: dict[str, str], rows: int | None, size: int) -> int:
        """Say of which question the parts are, and return how many candidates each has.

        Raises:
            ValueError: it holds the answers to another question.
        """
        if not self.files.exists(self._at(_MANIFEST)):
            about = {"xhat": version("xhat"), "question": question, "rows": rows, "size": size}
            self._put(_MANIFEST, json.dumps(about, indent=1).encode())
            return size
        known = self.manifest()
        differ = [name for name, told in question.items() if known["question"].get(name) != told]
        if known["rows"] != rows:
            differ.append("number of starts")
        if differ:
            raise ValueError(
                f"the folder {self.path} holds the answers to another question (its "
                f"{' and '.join(differ)} differ from now); choose another folder, or delete it."
            )
        return known["size"]

    def manifest(self) -> dict[str, Any]:
        """Return what is said of the parts.

        Raises:
            UnreadableFileError: no such folder, or none of ours.
        """
        try:
            return json.loads(self.files.cat_file(self._at(_MANIFEST)))
        except (OSError, ValueError) as error:
            raise UnreadableFileError(
                f"{self.path} cannot be read as a folder of results: it has no {_MANIFEST}."
            ) from error

    def names(self) -> dict[int, str]:
        """Return by its number the name of every part."""
        found = self.files.ls(self.root, detail=False) if self.files.exists(self.root) else []
        names = sorted(Path(each).name for each in found)
        return {
            int(name.split("-")[1]): name
            for name in names
            if name.startswith("part-") and name.endswith(".parquet")
        }

    def has(self, known: dict[int, str], number: int, starts: str) -> bool:
        """Return whether a part is there, of names that were read before.

        Raises:
            ValueError: it is there, but its starts were others.
        """
        name = known.get(number)
        if name is None or name == _named(number, _FAILED):
            return False
        if name != _named(number, starts):
            raise ValueError(
                f"the folder {self.path} holds the answers to another question (the starts of "
                f"{name} were others); choose another folder, or delete it."
            )
        return True

    def write(self, number: int, starts: str, found: Result, *, failed: bool = False) -> None:
        """Write a part, whole or not at all; one that failed is tried again when next resumed."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        buffer = pa.BufferOutputStream()
        pq.write_table(as_table(*found.as_columns()), buffer)
        self._put(_named(number, _FAILED if failed else starts), buffer.getvalue().to_pybytes())
        if not failed and self.files.exists(self._at(_named(number, _FAILED))):
            self.files.rm_file(self._at(_named(number, _FAILED)))

    def read(self, name: str) -> Result:
        """Return the answers of one part."""
        import pyarrow.parquet as pq

        with self.files.open(self._at(name)) as stream:
            return Result.of_columns(*columns_of(pq.read_table(stream)))

    def dataset(self) -> Any:
        """Return all parts, in order, as a dataset of pyarrow.

        Raises:
            UnreadableFileError: there are none.
        """
        import pyarrow.dataset as ds

        paths = [self._at(name) for _, name in sorted(self.names().items())]
        if not paths:
            raise UnreadableFileError(f"{self.path} holds no parts yet; the search has just begun.")
        return ds.dataset(paths, filesystem=self.files, format="parquet")

    def _put(self, name: str, content: bytes) -> None:
        if self.local:
            with atomic_write(self._at(name)) as temporary:
                temporary.write_bytes(content)
            return
        self.files.pipe_file(self._at(f".{name}.part"), content)
        self.files.mv(self._at(f".{name}.part"), self._at(name))

    def _at(self, name: str) -> str:
        return f"{self.root.rstrip('/')}/{name}"


class StoredResult:
    """A result that lies in a folder of Parquet parts, of which only what is asked for is read.

    Args:
        path: the folder, or a URL of fsspec.

    Raises:
        UnreadableFileError: no such folder, or none of ours.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> from xhat.engine import Compute, Problem, solve_to
        >>> from xhat.spaces import Box
        >>> bowl = Problem(lambda x: (x - 0.3).square().sum(dim=1), Box(0, 1))
        >>> with TemporaryDirectory() as folder:
        ...     found = solve_to(bowl, torch.rand(25, 2), folder, compute=Compute(shard=10))
        ...     len(found), len(found[12:14]), sum(len(part) for part in found)
        (25, 2, 25)
    """

    def __init__(self, path: str | Path) -> None:
        self.folder = Folder(path)
        self.size: int = self.folder.manifest()["size"]
        self.dataset = self.folder.dataset()
        counts = (fragment.count_rows() for fragment in self.dataset.get_fragments())
        self._ends = list(accumulate(counts))

    def __len__(self) -> int:
        """Return the number of candidates that are finished."""
        return self._ends[-1]

    def __repr__(self) -> str:
        counts = ", ".join(f"{count} {status}" for status, count in self.counts().items())
        return f"{type(self).__name__}({len(self)} candidates in {self.folder.path}: {counts})"

    def __iter__(self) -> Iterator[Result]:
        """Yield one part after the other, each as a ``Result``."""
        for fragment in self.dataset.get_fragments():
            yield self._result(fragment.to_table())

    def __getitem__(self, rows: slice | int) -> Result:
        """Return some candidates, in the order of the starts; one by its number.

        Raises:
            IndexError: there is no such candidate.
        """
        if not isinstance(rows, slice):
            number = range(len(self))[rows]
            rows = slice(number, number + 1)
        wanted = range(len(self))[rows]
        step, found, first = abs(wanted.step), list[Result](), 0
        low, high = (min(wanted), max(wanted)) if wanted else (0, -1)
        for fragment, last in zip(self.dataset.get_fragments(), self._ends, strict=True):
            begin = low + max(0, -(-(first - low) // step)) * step
            if begin < (end := min(last, high + 1)) or not (wanted or found):
                here = torch.arange(begin, max(begin, end), step) - first
                here = here if wanted.step > 0 else here.flip(0)
                found.append(rows_of(self._result(fragment.to_table()), here))
            first = last
        return joined(found if wanted.step > 0 else found[::-1])

    def where(self, condition: Any) -> Result:
        """Return the candidates that meet a condition on columns, in order.

        Args:
            condition: of pyarrow, such as ``pyarrow.dataset.field("loss") < 0.1``.

        Raises:
            LookupError: none does.
        """
        tables = (part.to_table(filter=condition) for part in self.dataset.get_fragments())
        found = [self._result(table) for table in tables if len(table)]
        if not found:
            raise LookupError(f"of {len(self)} candidates none meets {condition}.")
        return joined(found)

    def counts(self) -> dict[Status, int]:
        """Return how many candidates' searches ended how, the most frequent first."""
        counts = Counter[str]()
        for batch in self.dataset.to_batches(columns=["status"]):
            counts.update(batch.column(0).to_pylist())
        return {meant(told): count for told, count in counts.most_common()}

    def to_table(self, columns: list[str] | None = None, condition: Any = None) -> "pa.Table":
        """Return some columns as an Arrow table, of all candidates or of those of a condition."""
        return self.dataset.to_table(columns=columns, filter=condition)

    def load(self) -> Result:
        """Return all of it in memory."""
        return joined(list(self))

    def _result(self, table: "pa.Table") -> Result:
        return Result.of_columns(*columns_of(table))


def load(path: str | Path) -> Result | StoredResult:
    """Open what a search has written: a file as a ``Result``, a folder as a ``StoredResult``.

    Raises:
        UnreadableFileError: neither.
        MissingExtraError: pyarrow is not installed, and the file is no ``.npz``.
    """
    whole: Callable[[str | Path], Result] = Result.load
    return whole(path) if Path(path).suffix in (".parquet", ".npz") else StoredResult(path)


def digest_of(x: Tensor) -> str:
    """Return the hash of starts that stands in the name of their part."""
    from xhat.executors import fingerprint

    return fingerprint(x)[:16]


def _named(number: int, ending: str) -> str:
    return f"part-{number:06d}-{ending}.parquet"
