"""Tracks of beads or patches that IMOD followed: what ``tiltalign`` wrote of its residuals.

Positions are those of the images that were tracked (the pre-aligned stack in eTomo), in IMOD's model coordinates,
where the centre of the first pixel is at ½.
"""

import os
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tomoset.errors import FormatError, InputMissingError

__all__ = ["read_residuals"]

Floats = NDArray[np.float64]


def read_residuals(path: str | os.PathLike[str], n_views: int) -> tuple[Floats, Floats]:
    """Read a ``.resid`` file of ``tiltalign``: ``x y view dx dy`` a row, one marker after the other.

    Parameters
    ----------
    path : path
    n_views : int
        Number of views of the series.

    Returns
    -------
    positions_pixel : (p, n, 2) array of float64
        Where each marker was seen, model coordinates; NaN where it was not.
    residual_pixel : (p, n, 2) array of float64
        IMOD's residuals.

    Raises
    ------
    InputMissingError
        If there is no such file.
    FormatError
        If a row is not five numbers, a view is not one of the series, or rows are missing.
    """
    file = Path(path)
    if not file.is_file():
        raise InputMissingError(f"{file}: expected a file of residuals, found none; check the path")
    first, *lines = file.read_text().splitlines()
    try:
        rows = np.array([[float(word) for word in line.split()] for line in lines if line.split()], dtype=np.float64)
        expected = int(first.split()[0])
    except (ValueError, IndexError) as error:
        raise FormatError(f"{file.name}: expected 'N residuals' and rows 'x y view dx dy', found {error}") from error
    if rows.shape != (expected, 5) or not np.all(np.isfinite(rows)):
        raise FormatError(f"{file.name}: expected {expected} rows of five numbers, found shape {rows.shape}")
    view = rows[:, 2].astype(int)
    if view.min(initial=0) < 0 or view.max(initial=0) >= n_views or np.any(view != rows[:, 2]):
        raise FormatError(f"{file.name}: expected views from 0 to {n_views - 1}, found {rows[:, 2].max():g}")
    # Within a marker the views ascend.
    marker = np.cumsum(np.diff(view, prepend=n_views) <= 0) - 1
    positions, residual = (np.full((marker.max(initial=-1) + 1, n_views, 2), np.nan) for _ in range(2))
    positions[marker, view], residual[marker, view] = rows[:, :2], rows[:, 3:]
    return positions, residual
