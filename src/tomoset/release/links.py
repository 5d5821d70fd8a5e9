"""One file under two names: layouts share big files instead of copying them, where the file system can."""

import os
import shutil
from pathlib import Path

__all__ = ["share"]


def share(source: Path, target: Path) -> Path:
    """Give a file, or every file of a folder, a second name (hard link); copy where links are not possible.

    A release whose layouts share files takes their room once; tools that copy it (``rsync`` without ``-H``) make
    each of them whole.

    Returns
    -------
    Path
        ``target``.
    """
    if source.is_dir():
        for path in sorted(source.rglob("*")):
            if path.is_file():
                _link(path, target / path.relative_to(source))
    else:
        _link(source, target)
    return target


def _link(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(source, target)
    except OSError:  # another file system, or one without links
        shutil.copy2(source, target)
