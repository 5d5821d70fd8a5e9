"""Checksums say exactly what differs."""

from pathlib import Path

import pytest

from tomoset.errors import InputMissingError
from tomoset.release import MANIFEST, verify_manifest, write_manifest


def _tree(root: Path) -> None:
    (root / "sub").mkdir()
    (root / "a.txt").write_text("a")
    (root / "sub" / "b.txt").write_text("b")


def test_an_untouched_release_has_no_problems(tmp_path: Path) -> None:
    _tree(tmp_path)
    files = write_manifest(tmp_path)
    assert [item.path for item in files] == ["a.txt", "sub/b.txt"]
    assert verify_manifest(tmp_path) == []


def test_every_kind_of_difference_is_named(tmp_path: Path) -> None:
    _tree(tmp_path)
    write_manifest(tmp_path)
    (tmp_path / "a.txt").write_text("A")
    (tmp_path / "sub" / "b.txt").unlink()
    (tmp_path / "c.txt").write_text("c")
    assert verify_manifest(tmp_path) == ["missing: sub/b.txt", "not in the manifest: c.txt", "changed: a.txt"]


def test_a_folder_without_manifest_is_no_release(tmp_path: Path) -> None:
    with pytest.raises(InputMissingError, match=MANIFEST):
        verify_manifest(tmp_path)
