"""Checksums of a release: proof that nothing changed on the way."""

import hashlib
from pathlib import Path

from tomoset.errors import FormatError, InputMissingError
from tomoset.formats.atomic import write_text_atomic
from tomoset.model import ReleasedFile

__all__ = ["MANIFEST", "file_sha256", "verify_manifest", "write_manifest"]

MANIFEST = "manifest-sha256.txt"


def write_manifest(root: Path) -> tuple[ReleasedFile, ...]:
    """Hash every file below ``root`` and write the list in the form ``sha256sum -c`` reads."""
    files = tuple(
        ReleasedFile(path=path.relative_to(root).as_posix(), size_bytes=path.stat().st_size, sha256=file_sha256(path))
        for path in sorted(root.rglob("*"))
        if path.is_file() and path.name != MANIFEST
    )
    write_text_atomic(root / MANIFEST, "".join(f"{item.sha256}  {item.path}\n" for item in files))
    return files


def verify_manifest(root: Path) -> list[str]:
    """Say what differs from the manifest: missing, changed and added files; empty when nothing does.

    Raises
    ------
    InputMissingError
        If there is no manifest.
    FormatError
        If a line is not ``checksum  path``.
    """
    path = root / MANIFEST
    if not path.is_file():
        raise InputMissingError(f"expected {MANIFEST} in {root}, found none; this is no tomoset release")
    listed = {}
    for line in path.read_text("utf-8").splitlines():
        checksum, separator, name = line.partition("  ")
        if not separator or len(checksum) != 64:
            raise FormatError(f"{path}: expected lines of 'checksum  path', found {line!r}")
        listed[name] = checksum
    present = {p.relative_to(root).as_posix(): p for p in root.rglob("*") if p.is_file() and p.name != MANIFEST}
    problems = [f"missing: {name}" for name in sorted(set(listed) - set(present))]
    problems += [f"not in the manifest: {name}" for name in sorted(set(present) - set(listed))]
    both = sorted(set(listed) & set(present))
    return problems + [f"changed: {name}" for name in both if file_sha256(present[name]) != listed[name]]


def file_sha256(path: Path) -> str:
    """SHA-256 of a file."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
