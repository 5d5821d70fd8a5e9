"""Correct the phases of a view whose defocus changes from place to place: a few values of it, blended in the image."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import repeat

import numpy as np
from numpy.typing import NDArray

from tomoset.reconstruction.image_spectra import image_rows, spectrum_of_rows
from tomoset.reconstruction.plan import Plan
from tomoset.reconstruction.weighting import DefocusLevels

__all__ = ["corrected_spectra"]

Spectrum = NDArray[np.complex64]


def corrected_spectra(
    spectrum: Spectrum, plans: Sequence[Plan], index: int, levels: DefocusLevels, optics: NDArray[np.float64]
) -> Iterator[Spectrum]:
    """Spectra (y, columns) of one view with its phases corrected, for volumes that differ in height.

    Parameters
    ----------
    spectrum : (padded y, columns) array of complex64
    plans : sequence of Plan
    index : int
        Which of the used views.
    levels : DefocusLevels
    optics : (s, 7) array of float64
        Of each level; a leading zero for no correction.

    Notes
    -----
    The image is corrected for each value of the defocus where that or a neighbouring value holds, and shares that
    change linearly from one to the next are added up. With one value nothing is blended, and all volumes share one
    spectrum.
    """
    from tomoset.reconstruction import _view_kernels

    if optics[0, 0] == 0:
        yield from repeat(spectrum, len(plans))
        return
    frame = plans[0].source
    length_y, length_x = (n * frame.pixel_size_angstrom for n in frame.padded_yx)
    plain = np.empty((frame.plain_yx[0], frame.columns), np.complex64)
    frequency_y = np.asarray(np.fft.fftfreq(len(plain), length_y / len(plain)), dtype=np.float64)
    if len(optics) == 1:
        _view_kernels.correct_phases(spectrum, plain, frequency_y, 1 / length_x, optics[0])
        yield from repeat(plain, len(plans))
        return
    places = [_levels_in_image(plan, index, levels) for plan in plans]
    last = len(optics) - 1
    totals = np.zeros((len(plans), frame.rows_at(frame.plain_yx), frame.plain_yx[1]), np.float32)
    for level, line in enumerate(optics):
        needed = [_rows_of_level(place, level, last, totals.shape[1:]) for place in places]
        begin, end = min(rows.start for rows in needed), max(rows.stop for rows in needed)
        if begin >= end:
            continue
        _view_kernels.correct_phases(spectrum, plain, frequency_y, 1 / length_x, line)
        image = image_rows(plain, frame.plain_yx, slice(begin, end))
        for total, place, rows in zip(totals, places, needed, strict=True):
            part = image[max(0, rows.start - begin) : max(0, rows.stop - begin)]
            start = place.start + place.step_y * rows.start
            _view_kernels.blend_level(part, total[rows], float(level), float(last), start, place.step_y, place.step_x)
    for total in totals:
        yield spectrum_of_rows(total, frame.plain_yx, frame.columns)


@dataclass(frozen=True, slots=True)
class _LevelsInImage:
    """Number of the level, a fraction between two, at pixel (0, 0) of the plain image and per pixel."""

    start: float
    step_y: float
    step_x: float


def _levels_in_image(plan: Plan, index: int, levels: DefocusLevels) -> _LevelsInImage:
    frame = plan.source
    turn = math.radians(plan.geometry.z_rot_deg[index])
    pixel_y, pixel_x = (n * frame.pixel_size_angstrom / m for n, m in zip(frame.padded_yx, frame.plain_yx, strict=True))
    y, x = (-(n // 2 + frame.taper) * frame.pixel_size_angstrom for n in frame.shape_yx)
    per_level = levels.offset_angstrom[1] - levels.offset_angstrom[0]
    here = levels.per_u * (x * math.cos(turn) + y * math.sin(turn)) + levels.per_z * plan.middle_z_angstrom
    return _LevelsInImage(
        (here - levels.offset_angstrom[0]) / per_level,
        levels.per_u * math.sin(turn) * pixel_y / per_level,
        levels.per_u * math.cos(turn) * pixel_x / per_level,
    )


def _rows_of_level(place: _LevelsInImage, level: int, last: int, shape_yx: tuple[int, ...]) -> slice:
    """Rows of the image in which a level has a share; levels hold beyond the first and the last."""
    at = place.start + place.step_y * np.arange(shape_yx[0])
    across = place.step_x * (shape_yx[1] - 1)
    least, most = (np.clip(at + some, 0, last) for some in (min(0.0, across), max(0.0, across)))
    rows = np.flatnonzero((least < level + 1) & (most > level - 1))
    return slice(int(rows[0]), int(rows[-1]) + 1) if rows.size else slice(shape_yx[0], 0)
