"""An alignment as IMOD and AreTomo keep it, every tilt accounted for."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tomoset.errors import GeometryError
from tomoset.formats.aretomo import aretomo_from_geometry, write_aln
from tomoset.formats.imod import imod_from_geometry, write_tlt, write_xf
from tomoset.formats.rigid_geometry import rigid_part, without_bending
from tomoset.geometry import TiltGeometry
from tomoset.model import TiltSeries

__all__ = ["write_aretomo_alignment", "write_imod_alignment"]


def write_imod_alignment(folder: Path, series: TiltSeries) -> list[Path]:
    """Write ``.rawtlt``, ``.tlt``, ``.xf`` and ``.xtilt``, one row per image of the stack.

    Tilts that are not used have identity rows in ``.xf``, as RELION expects them. Shifts count from IMOD's centre
    (N − 1) / 2, so that IMOD itself makes the same tomogram. Magnification is kept; how the specimen bends, which no
    ``.xf`` can hold, is only in the series' own metadata.

    Raises
    ------
    GeometryError
        If the series is not aligned.
    """
    geometry = without_bending(_geometry(series))
    imod = imod_from_geometry(
        geometry, series.pixel_size_angstrom, use=_used(series), image_shape_yx=_image_shape_yx(series)
    )
    stem = folder / series.run
    return [
        write_tlt(stem.with_suffix(".rawtlt"), series.nominal_tilt_deg),
        write_tlt(stem.with_suffix(".tlt"), imod.tilt_deg),
        write_tlt(stem.with_suffix(".xtilt"), imod.xtilt_deg),
        write_xf(stem.with_suffix(".xf"), imod.xf),
    ]


def write_aretomo_alignment(path: Path, series: TiltSeries) -> Path:
    """Write an ``.aln``; tilts that are not used are its dark frames.

    Magnification and bending, which it cannot hold, are only in the series' own metadata.

    Raises
    ------
    GeometryError
        If the series is not aligned.
    """
    alignment = aretomo_from_geometry(
        rigid_part(_geometry(series)),
        series.pixel_size_angstrom,
        image_shape_yx=_image_shape_yx(series),
        use=_used(series),
    )
    return write_aln(path, alignment)


def _geometry(series: TiltSeries) -> TiltGeometry:
    if series.geometry is None:
        raise GeometryError(f"{series.run}: expected an aligned series, found one without geometry; align it first")
    return series.geometry


def _used(series: TiltSeries) -> NDArray[np.bool_]:
    return np.array([tilt.use for tilt in series.tilts], dtype=np.bool_)


def _image_shape_yx(series: TiltSeries) -> tuple[int, int]:
    _, ny, nx = series.images_nyx.shape
    return ny, nx
