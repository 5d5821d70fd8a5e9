"""Files and folders that appear complete or not at all: written beside their place, then renamed.

A reader, or a run that was interrupted, never meets half a file. The temporary name starts with a dot and ends with
``.partial`` plus the original suffix, so that writers that look at the suffix still recognise the format.
"""

import errno
import json
import os
import re
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from tomoset.errors import OutputError

__all__ = ["atomic_path", "is_unfinished", "write_json_atomic", "write_text_atomic"]

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
_UNFINISHED = re.compile(r"\.[0-9a-f]{32}\.(partial(\..*)?|replaced)")


@contextmanager
def atomic_path(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Yield a temporary path in the folder of ``path``; rename it to ``path`` when the block succeeds.

    The block may create a file or a folder at the temporary path. What was at ``path`` before is replaced only when
    the block has ended without an error; after an error the temporary path is removed and ``path`` is untouched.
    Missing parent folders are made.

    Parameters
    ----------
    path : path
        Where the result shall be.

    Yields
    ------
    pathlib.Path
        Where to write; it does not exist yet.

    Raises
    ------
    OutputError
        If the disk is full, permission is missing, or the block wrote nothing.
    """
    target = Path(path)
    # The target's own name may be as long as the file system allows: the temporary name must not grow from it.
    temporary = target.parent / f".{uuid.uuid4().hex}.partial{target.suffix}"
    try:
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            yield temporary
            if not temporary.exists():
                raise OutputError(
                    f"{target}: expected the writer to leave a file or folder, found nothing; nothing saved"
                )
            _replace(temporary, target)
        except OSError as error:
            if isinstance(error, OutputError) or not _concerns_writing(error, temporary, target):
                raise
            raise OutputError(_explain(error, target)) from error
    finally:
        _remove(temporary)


def is_unfinished(name: str) -> bool:
    """Whether a file or folder of this name was being written by :func:`atomic_path` when its process was killed."""
    return _UNFINISHED.fullmatch(name) is not None


def write_text_atomic(path: str | os.PathLike[str], text: str) -> Path:
    """Write ``text`` (UTF-8, newlines as they are) to ``path`` in one step; return the path.

    Raises
    ------
    OutputError
        If it cannot be written.
    """
    with atomic_path(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as stream:
        stream.write(text)
        stream.flush()
        os.fsync(stream.fileno())
    return Path(path)


def write_json_atomic(path: str | os.PathLike[str], value: Any, *, indent: int | None = 2) -> Path:
    """Write ``value`` as JSON to ``path`` in one step; return the path.

    Numbers that are not finite are refused: they are no JSON, and other programs cannot read them.

    Raises
    ------
    OutputError
        If it cannot be written.
    ValueError
        If a number is NaN or infinite.
    """
    return write_text_atomic(path, json.dumps(value, indent=indent, ensure_ascii=False, allow_nan=False) + "\n")


def _concerns_writing(error: OSError, temporary: Path, target: Path) -> bool:
    """Whether the error is about this output, and not about an input the block could not read."""
    if error.errno in _FULL:
        return True
    names = [Path(os.fsdecode(name)) for name in (error.filename, error.filename2) if isinstance(name, str | bytes)]
    if not names:
        return error.errno is not None
    places = (temporary, target, target.parent)
    return any(name in places or temporary in name.parents or name in target.parents for name in names)


def _explain(error: OSError, target: Path) -> str:
    reason = error.strerror or str(error)
    if error.errno in _FULL:
        return (
            f"{target}: expected room for the result, found the disk full ({reason}); nothing was left half written. "
            "Free space or choose another folder, then run again"
        )
    if error.errno in {errno.EACCES, errno.EPERM, errno.EROFS}:
        return (
            f"{target}: expected a folder that can be written, found {reason.lower()}; "
            "change its permissions or choose another folder"
        )
    return f"{target}: expected to write the result, found {reason.lower()}; mend the path and run again"


def _replace(temporary: Path, target: Path) -> None:
    """Put the finished result in place; a folder cannot be renamed over a folder, so the old one steps aside first."""
    if not target.is_dir() or target.is_symlink():
        temporary.replace(target)
        return
    aside = target.parent / f".{uuid.uuid4().hex}.replaced"
    target.replace(aside)
    try:
        temporary.replace(target)
    except OSError:
        aside.replace(target)
        raise
    _remove(aside)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with suppress(OSError):  # an error of its own must not hide the one that led here
            path.unlink(missing_ok=True)
