"""Pictures on disk: whole or not at all, with an error a person can mend when the disk is full."""

from pathlib import Path
from typing import Any

from tomoset.formats.atomic import atomic_path

__all__ = ["save_picture"]


def save_picture(path: Path, figure: Any, *, dpi: int) -> None:
    """Write a matplotlib figure as PNG.

    Raises
    ------
    OutputError
        If it cannot be written.
    """
    with atomic_path(path) as temporary:
        figure.savefig(temporary, dpi=dpi, format="png")
