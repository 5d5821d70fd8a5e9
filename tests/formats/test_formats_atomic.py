"""Results appear whole or not at all."""

# ruff: noqa: PT012 (what fails is the middle of a block that writes)

import errno
import json

import pytest

from tomoset.errors import FormatError, InputMissingError, OutputError
from tomoset.formats.atomic import atomic_path, write_json_atomic, write_text_atomic


def left_over(folder):
    return sorted(p.name for p in folder.iterdir())


def test_a_file_appears_under_its_name_in_missing_folders(tmp_path):
    target = tmp_path / "a" / "b" / "x.mrc"
    with atomic_path(target) as temporary:
        assert temporary.suffix == ".mrc"
        assert temporary.parent == target.parent
        temporary.write_bytes(b"whole")
        assert not target.exists()
    assert target.read_bytes() == b"whole"
    assert left_over(target.parent) == ["x.mrc"]


def test_failure_keeps_what_was_there_and_leaves_no_litter(tmp_path):
    target = tmp_path / "x.txt"
    target.write_text("old")
    with pytest.raises(ZeroDivisionError), atomic_path(target) as temporary:
        temporary.write_text("half")
        raise ZeroDivisionError
    assert target.read_text() == "old"
    assert left_over(tmp_path) == ["x.txt"]


def test_a_folder_replaces_a_folder_only_when_complete(tmp_path):
    target = tmp_path / "v.zarr"
    for content in ("first", "second"):
        with atomic_path(target) as temporary:
            (temporary / "0").mkdir(parents=True)
            (temporary / "0" / content).write_text(content)
    assert left_over(target / "0") == ["second"]
    with pytest.raises(KeyboardInterrupt), atomic_path(target) as temporary:
        temporary.mkdir()
        raise KeyboardInterrupt
    assert left_over(target / "0") == ["second"]
    assert left_over(tmp_path) == ["v.zarr"]


def test_a_full_disk_is_named(tmp_path):
    with (
        pytest.raises(OutputError, match=r"expected room.*found the disk full.*Free space"),
        atomic_path(tmp_path / "x") as temporary,
    ):
        temporary.write_text("half")
        raise OSError(errno.ENOSPC, "No space left on device")
    assert left_over(tmp_path) == []


def test_a_full_device_is_named_in_reality(tmp_path):
    # /dev/full answers every write with ENOSPC
    with pytest.raises(OutputError, match="disk full"), atomic_path(tmp_path / "x") as temporary:
        temporary.symlink_to("/dev/full")
        with temporary.open("w") as stream:
            stream.write("something")
    assert left_over(tmp_path) == []


def test_a_parent_that_is_a_file_is_named(tmp_path):
    (tmp_path / "f").write_text("")
    with pytest.raises(OutputError, match=r"expected .* found .*mend the path"):
        write_text_atomic(tmp_path / "f" / "x.txt", "text")


def test_missing_permission_is_named(tmp_path, monkeypatch):
    def refuse(self, target):
        raise PermissionError(errno.EACCES, "Permission denied", str(target))

    monkeypatch.setattr("pathlib.Path.replace", refuse)
    with pytest.raises(OutputError, match="permission denied"):
        write_text_atomic(tmp_path / "x.txt", "text")
    assert left_over(tmp_path) == []


def test_errors_about_inputs_pass_through_unchanged(tmp_path):
    with pytest.raises(FileNotFoundError) as caught, atomic_path(tmp_path / "x"):
        (tmp_path / "elsewhere" / "input").read_text()
    assert not isinstance(caught.value, OutputError)
    for error in (InputMissingError("no movie"), FormatError("bad header")):
        with pytest.raises(type(error)), atomic_path(tmp_path / "x"):
            raise error


def test_a_writer_that_writes_nothing_is_refused(tmp_path):
    with pytest.raises(OutputError, match="found nothing"), atomic_path(tmp_path / "x"):
        pass


def test_text_and_json_come_back(tmp_path):
    assert write_text_atomic(tmp_path / "t", "å\r\nb").read_bytes() == "å\r\nb".encode()
    assert json.loads(write_json_atomic(tmp_path / "j", {"é": [1, 2.5]}).read_text("utf-8")) == {"é": [1, 2.5]}
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json_atomic(tmp_path / "j", {"x": float("nan")})
    assert json.loads((tmp_path / "j").read_text("utf-8")) == {"é": [1, 2.5]}


def test_the_longest_name_the_file_system_allows_is_written(tmp_path):
    name = "n" * 251 + ".txt"
    assert write_text_atomic(tmp_path / name, "x").read_text() == "x"
