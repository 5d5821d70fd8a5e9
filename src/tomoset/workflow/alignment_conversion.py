"""An alignment from one program's files to another's, every tilt accounted for."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tomoset.errors import InputMissingError, ParameterError
from tomoset.formats.aretomo import aretomo_from_geometry, geometry_from_aretomo, read_aln, write_aln
from tomoset.formats.imod import (
    geometry_from_imod,
    imod_from_geometry,
    read_tlt,
    read_xf,
    unused_rows,
    write_tlt,
    write_xf,
)
from tomoset.formats.relion_series import read_series_star
from tomoset.formats.relion_tables import read_star
from tomoset.geometry import TiltGeometry

__all__ = ["ALIGNMENT_TARGETS", "convert_alignment", "is_alignment"]

ALIGNMENT_TARGETS = (".aln", ".xf")
_Alignment = tuple[TiltGeometry, NDArray[np.bool_], tuple[int, int] | None]


def is_alignment(source: Path) -> bool:
    """Whether a file holds an alignment: by its ending, a star by its columns."""
    if source.suffix in (".aln", ".xf"):
        return True
    return source.suffix == ".star" and any(table.has("rlnTomoYTilt") for table in read_star(source).values())


def convert_alignment(
    source: Path, target: Path, pixel_size_angstrom: float | None, image_size_xy: tuple[int, int] | None
) -> str:
    """Convert; see :func:`tomoset.workflow.converting.convert_file`."""
    if target.suffix not in ALIGNMENT_TARGETS:
        raise ParameterError(f"{target.name}: expected an ending of {', '.join(ALIGNMENT_TARGETS)} for an alignment")
    if pixel_size_angstrom is None or not pixel_size_angstrom > 0:
        raise ParameterError("an alignment needs the pixel size of its tilt images in Å: give --pixel-size")
    geometry, use, size_xy = _read(source, pixel_size_angstrom, image_size_xy)
    if size_xy is None:
        raise ParameterError(
            f"{source.name} does not say how large the tilt images are: give --image-size WIDTHxHEIGHT"
        )
    shape_yx = (size_xy[1], size_xy[0])
    if target.suffix == ".aln":
        write_aln(target, aretomo_from_geometry(geometry, pixel_size_angstrom, image_shape_yx=shape_yx, use=use))
    else:
        imod = imod_from_geometry(geometry, pixel_size_angstrom, use=use, image_shape_yx=shape_yx)
        write_xf(target, imod.xf)
        write_tlt(target.with_suffix(".tlt"), imod.tilt_deg)
        write_tlt(target.with_suffix(".xtilt"), imod.xtilt_deg)
    return f"{target}: {geometry.n_tilts} tilts, {int(use.sum())} used"


def _read(source: Path, pixel_size_angstrom: float, image_size_xy: tuple[int, int] | None) -> _Alignment:
    if source.suffix == ".aln":
        alignment = read_aln(source)
        geometry, use = geometry_from_aretomo(alignment, pixel_size_angstrom)
        return geometry, use, alignment.raw_size_xyn[:2]
    if source.suffix == ".xf":
        return _read_imod(source, pixel_size_angstrom, image_size_xy)
    series = read_series_star(source)
    if series.geometry is None:
        raise InputMissingError(f"{source.name}: expected the star of an aligned series, found one before alignment")
    return series.geometry, np.array([tilt.use for tilt in series.tilts]), image_size_xy


def _read_imod(source: Path, pixel_size_angstrom: float, image_size_xy: tuple[int, int] | None) -> _Alignment:
    xf = read_xf(source)
    tilt_path, xtilt_path = source.with_suffix(".tlt"), source.with_suffix(".xtilt")
    if not tilt_path.is_file():
        raise InputMissingError(f"expected the tilt angles of {source.name} in {tilt_path.name} beside it, found none")
    geometry = geometry_from_imod(
        xf,
        read_tlt(tilt_path, n_tilts=len(xf)),
        pixel_size_angstrom,
        xtilt_deg=read_tlt(xtilt_path, n_tilts=len(xf)) if xtilt_path.is_file() else None,
        image_shape_yx=None if image_size_xy is None else (image_size_xy[1], image_size_xy[0]),
    )
    return geometry, ~unused_rows(xf), image_size_xy
