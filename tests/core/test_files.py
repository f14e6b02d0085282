import hashlib

import pytest

from xhat.core import UnreadableFileError, atomic_folder_check, atomic_write, sha256_of


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
