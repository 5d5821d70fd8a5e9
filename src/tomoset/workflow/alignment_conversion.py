"""An alignment from one program's files to another's, every tilt accounted for."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from tomoset.errors import GeometryError, ParameterError
from tomoset.formats.aretomo import aretomo_from_geometry, write_aln
from tomoset.formats.imod import imod_from_geometry, write_tlt, write_xf
from tomoset.formats.portal_alignment import write_portal_alignment
from tomoset.formats.warp_tomostar import Tomostar, write_tomostar
from tomoset.formats.warp_xml import WarpSeries, write_warp_xml
from tomoset.workflow.foreign_alignments import IN_PIXELS, ForeignAlignment, is_alignment, read_alignment

__all__ = ["ALIGNMENT_TARGETS", "convert_alignment", "is_alignment"]

ALIGNMENT_TARGETS = (".aln", ".xf", ".tomostar", ".xml", ".json")
_NEED_SIZE = (".aln", ".xf")


def convert_alignment(
    source: Path, target: Path, pixel_size_angstrom: float | None, image_size_xy: tuple[int, int] | None
) -> str:
    """Convert; see :func:`tomoset.workflow.converting.convert_file`."""
    if target.suffix not in ALIGNMENT_TARGETS:
        raise ParameterError(f"{target.name}: expected an ending of {', '.join(ALIGNMENT_TARGETS)} for an alignment")
    in_pixels = [path.name for path in (source, target) if path.suffix in IN_PIXELS]
    pixel = pixel_size_angstrom or 0.0
    if in_pixels and not pixel > 0:
        raise ParameterError(f"{in_pixels[0]}: shifts are pixels; give --pixel-size, that of the tilt images in Å")
    alignment = read_alignment(source, pixel_size_angstrom, image_size_xy)
    if target.suffix == ".aln" and alignment.local_geometry is not None:
        alignment = replace(alignment, geometry=alignment.local_geometry)
    elif alignment.local_geometry is not None:
        lost = f"local motion is left out, a {target.suffix} cannot hold it: what is kept is the global alignment"
        alignment = replace(alignment, notes=(lost,))
    size_xy = alignment.image_size_xy
    if target.suffix in _NEED_SIZE:
        if size_xy is None:
            raise ParameterError(
                f"{source.name} does not say how large the tilt images are: give --image-size WIDTHxHEIGHT"
            )
        _write_in_stack_order(alignment, target, pixel, size_xy)
    elif target.suffix == ".json":
        write_portal_alignment(
            target,
            alignment.geometry,
            pixel,
            use=alignment.use,
            volume_size_angstrom_xyz=_volume(alignment),
            program=source.suffix.lstrip(".").upper(),
        )
    else:
        _write_warp(alignment, target, pixel, size_xy)
    said = "".join(f"; {note}" for note in alignment.notes)
    return f"{target}: {alignment.geometry.n_tilts} tilts, {int(alignment.use.sum())} used{said}"


def _write_in_stack_order(
    alignment: ForeignAlignment, target: Path, pixel_size_angstrom: float, size_xy: tuple[int, int]
) -> None:
    geometry, use, shape_yx = alignment.geometry, alignment.use, (size_xy[1], size_xy[0])
    if target.suffix == ".aln":
        write_aln(target, aretomo_from_geometry(geometry, pixel_size_angstrom, image_shape_yx=shape_yx, use=use))
        return
    imod = imod_from_geometry(geometry, pixel_size_angstrom, use=use, image_shape_yx=shape_yx)
    write_xf(target, imod.xf)
    write_tlt(target.with_suffix(".tlt"), imod.tilt_deg)
    write_tlt(target.with_suffix(".xtilt"), imod.xtilt_deg)


def _write_warp(
    alignment: ForeignAlignment, target: Path, pixel_size_angstrom: float, size_xy: tuple[int, int] | None
) -> None:
    geometry, n = alignment.geometry, alignment.geometry.n_tilts
    dose = alignment.dose_before_e_per_angstrom2
    dose = np.zeros(n) if dose is None else dose
    if target.suffix == ".xml":
        known = size_xy is not None and pixel_size_angstrom > 0
        write_warp_xml(
            target,
            WarpSeries(
                geometry=geometry,
                use=alignment.use,
                dose_before_e_per_angstrom2=dose,
                movie_names=alignment.movie_names,
                defocus_hand=alignment.defocus_hand or 1,
                image_size_angstrom_xy=tuple(s * pixel_size_angstrom for s in size_xy or ()) if known else None,
                volume_size_angstrom_xyz=alignment.volume_size_angstrom_xyz,
            ),
        )
        return
    if not alignment.movie_names:
        raise GeometryError(
            f"{target.name}: a .tomostar names the movie of every tilt, which the source does not; write Warp's .xml, "
            "or convert from a RELION star"
        )
    used = np.flatnonzero(alignment.use)
    write_tomostar(
        target,
        Tomostar(
            movie_names=tuple(alignment.movie_names[i] for i in used),
            geometry=geometry.select(used),
            dose_before_e_per_angstrom2=dose[used],
        ),
    )


def _volume(alignment: ForeignAlignment) -> tuple[float, float, float] | None:
    size = alignment.volume_size_angstrom_xyz
    return None if size is None else (size[0], size[1], size[2])
