import hashlib
import os
import resource
import subprocess
import sys
from contextlib import contextmanager

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from xhat.core import (
    UnreadableFileError,
    atomic_folder,
    atomic_folder_check,
    atomic_write,
    claimed_folder,
    files,
    sha256_of,
)


def test_what_ends_well_is_whole_under_its_final_name(tmp_path):
    path = tmp_path / "new" / "a.txt"
    with atomic_write(path) as temporary:
        temporary.write_text("first")
        assert not path.exists()
        assert temporary.suffix == ".txt"
    assert path.read_text() == "first"
    assert list(path.parent.iterdir()) == [path]
    assert path.stat().st_mode & 0o777 == 0o644


@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError, SystemExit])
@pytest.mark.parametrize("before", [None, "old"])
def test_an_interrupt_leaves_what_was_there_and_nothing_else(tmp_path, error, before):
    path = tmp_path / "a.txt"
    if before is not None:
        path.write_text(before)

    def interrupted():
        with atomic_write(path) as temporary:
            temporary.write_text("half")
            raise error

    with pytest.raises(error):
        interrupted()
    assert [p.read_text() for p in tmp_path.iterdir()] == ([] if before is None else [before])


def test_a_folder_that_cannot_be_written_to_is_one_sentence(tmp_path):
    file = tmp_path / "file"
    file.touch()
    for folder in (file, file / "below"):
        with pytest.raises(PermissionError, match=r"the folder .* cannot be written to .*another"):
            atomic_folder_check(folder)
    with (
        pytest.raises(PermissionError, match="cannot be written to"),
        atomic_write(file / "a.txt"),
    ):
        pytest.fail("the block must not begin")
    assert atomic_folder_check(tmp_path / "a" / "b").is_dir()
    assert not list((tmp_path / "a" / "b").iterdir())


def test_the_checksum_is_that_of_the_bytes(tmp_path):
    path = tmp_path / "a.bin"
    path.write_bytes(b"x" * 100_000)
    assert sha256_of(path) == hashlib.sha256(b"x" * 100_000).hexdigest()
    path.write_bytes(b"x" * 99_999)
    assert sha256_of(path) != hashlib.sha256(b"x" * 100_000).hexdigest()
    with pytest.raises(UnreadableFileError, match="cannot be read"):
        sha256_of(tmp_path / "none")


def test_a_folder_is_not_a_file(tmp_path):
    refused = pytest.raises(IsADirectoryError, match="is a folder; name a file in it")
    with refused, atomic_write(tmp_path):
        pass
    assert not list(tmp_path.iterdir())


def test_file_and_name_are_on_the_disk_before_the_block_is_left(tmp_path, monkeypatch):
    done, fsync, replace = [], os.fsync, files.Path.replace

    def synced(handle):
        done.append(("on the disk", os.path.samestat(os.fstat(handle), tmp_path.stat())))
        fsync(handle)

    def moved(path, to):
        done.append("moved")
        return replace(path, to)

    monkeypatch.setattr("os.fsync", synced)
    monkeypatch.setattr(files.Path, "replace", moved)
    with atomic_write(tmp_path / "a.txt") as temporary:
        temporary.write_text("whole")
    assert done == [("on the disk", False), "moved", ("on the disk", True)]


KILLED = """
import os, signal, sys
from pathlib import Path
from xhat.core.files import atomic_folder, atomic_write
with atomic_write(Path("a.png")) as one, atomic_folder(Path("b")) as two:
    one.write_text("half")
    (two / "c").write_text("half")
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_what_a_killed_process_left_is_removed_by_the_next(tmp_path):
    (tmp_path / ".a-draft.png").write_text("somebody's own")
    (tmp_path / ".xhat-notes").write_text("somebody's own")
    command = [sys.executable, "-c", KILLED]
    subprocess.run(command, cwd=tmp_path, check=False)  # noqa: S603 - our own words
    assert len(list(tmp_path.glob(".xhat-*-*-*"))) == 2
    with atomic_write(tmp_path / "of mine.txt") as temporary:  # while this process lives
        atomic_folder_check(tmp_path)
        temporary.write_text("whole")
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == [".a-draft.png", ".xhat-notes", "of mine.txt"]


def test_what_another_machine_writes_is_left_alone_for_a_day(tmp_path):
    new, old = (tmp_path / f".xhat-00000000-{k}-x.txt" for k in (1, 2))
    for path in (new, old):
        path.touch()
    os.utime(old, (0, 0))
    atomic_folder_check(tmp_path)
    assert list(tmp_path.iterdir()) == [new]


def test_a_folder_is_whole_or_absent(tmp_path):
    def interrupted():
        with atomic_folder(tmp_path / "b") as temporary:
            (temporary / "one").write_text("half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert not list(tmp_path.iterdir())
    with atomic_folder(tmp_path / "b") as temporary:
        (temporary / "one").write_text("whole")
    assert [path.read_text() for path in tmp_path.rglob("*") if path.is_file()] == ["whole"]
    taken = pytest.raises(PermissionError, match=r"b cannot be written .*not empty.*; what was")
    with taken, atomic_folder(tmp_path / "b"):
        pass
    assert [path.name for path in tmp_path.iterdir()] == ["b"]


HOLDS = """
import sys
from pathlib import Path
from xhat.core.files import claimed_folder
with claimed_folder(Path("out")):
    print("in", flush=True)
    sys.stdin.read()
"""


def test_a_folder_is_claimed_by_one_process_at_a_time(tmp_path):
    out = tmp_path / "out"
    with subprocess.Popen(  # noqa: S603 - our own words
        [sys.executable, "-c", HOLDS], cwd=tmp_path, stdin=-1, stdout=-1, text=True
    ) as other:
        assert other.stdout.readline() == "in\n"
        told = pytest.raises(PermissionError, match="another process is writing to the folder")
        with told, claimed_folder(out):
            pytest.fail("the block must not begin")
        with claimed_folder(out, alone=False):
            pass
        other.kill()
        other.communicate()
    assert out.is_dir()  # killed, and its lock is still there, but held by nobody
    with claimed_folder(out) as again:
        (again / "a.txt").touch()
    assert [path.name for path in out.iterdir()] == ["a.txt"]


def test_a_folder_in_which_nothing_was_written_is_removed_again(tmp_path):
    (tmp_path / "there").mkdir()
    for folder in ("new", "a/b/c", "there", "there/new"):
        with pytest.raises(ValueError, match="bad"), claimed_folder(tmp_path / folder):
            raise ValueError("bad input")
        assert [path.name for path in tmp_path.rglob("*")] == ["there"]
    with claimed_folder(tmp_path / "a" / "b") as folder:
        (folder / "file").touch()
    assert (tmp_path / "a" / "b" / "file").exists()


@contextmanager
def at_most(size):
    """Let files grow to ``size`` bytes only, as a full disk does."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


NOISE = np.random.default_rng(0).integers(0, 256, (200, 200), dtype=np.uint8)
WRITERS = {
    "text": lambda path: path.write_text("x" * 30_000),
    "parquet": lambda path: pq.write_table(pa.table({"a": NOISE.reshape(-1)}), path),
    "picture": lambda path: Image.fromarray(NOISE).save(path, format="png"),
}


@pytest.mark.parametrize("how", WRITERS)
def test_a_full_disk_is_one_sentence_and_what_was_there_stays(tmp_path, how):
    path = tmp_path / "a.bin"
    with atomic_write(path) as temporary:
        WRITERS[how](temporary)
    before = path.read_bytes()
    told = pytest.raises(PermissionError, match=r"a\.bin cannot be written \(File too large\)")
    with told, at_most(20_000), atomic_write(path) as temporary:
        WRITERS[how](temporary)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]
