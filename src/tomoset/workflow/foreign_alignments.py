"""Alignments in other programs' files, all read to one thing: a geometry, which rows are used, what was left out."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tomoset.errors import FormatError, InputMissingError, ParameterError
from tomoset.formats.aretomo import geometry_from_aretomo, read_aln
from tomoset.formats.aretomo_local import field_from_patches
from tomoset.formats.imod import geometry_from_imod, read_tlt, read_xf, unused_rows
from tomoset.formats.imod_tilt_com import positioned, read_tilt_com
from tomoset.formats.portal_alignment import is_portal_alignment, read_portal_alignment
from tomoset.formats.relion_series import read_series_star
from tomoset.formats.relion_tables import read_star
from tomoset.formats.warp_tomostar import read_tomostar
from tomoset.formats.warp_xml import is_warp_series, read_warp_xml
from tomoset.geometry import TiltGeometry

__all__ = ["IN_PIXELS", "ForeignAlignment", "is_alignment", "read_alignment", "source_files"]

IN_PIXELS = (".aln", ".xf", ".json")
"""Endings of the files whose shifts are pixels."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ForeignAlignment:
    """What a file says of a series' alignment.

    Parameters
    ----------
    geometry : TiltGeometry
        Rotations and shifts, and what is linear in them; rows in the file's order: the stack's, where there is one.
    local_geometry : TiltGeometry or None
        The same with the local motion that the file holds.
    use : (n,) array of bool
    movie_names : tuple of str
        Empty where the file names none.
    dose_before_e_per_angstrom2 : (n,) array of float64 or None
    reasons : tuple of str
        Why rows are not used, as far as the file says; empty where it says nothing.
    image_size_xy : tuple of int or None
        Pixels of the images that the shifts belong to.
    field_angstrom_xy : tuple of float or None
        Sides of those images by the file itself; IMOD's may be turned by 90°.
    volume_size_angstrom_xyz : tuple of float or None
    defocus_hand : int
        +1 or −1; 0 where the file does not say.
    may_end_early : bool
        Whether the file does not say how many images the stack has: those after its last row may be missing.
    notes : tuple of str
        What the file holds and a tilt geometry does not, a sentence each.
    """

    geometry: TiltGeometry
    use: NDArray[np.bool_]
    local_geometry: TiltGeometry | None = None
    movie_names: tuple[str, ...] = ()
    dose_before_e_per_angstrom2: NDArray[np.float64] | None = None
    reasons: tuple[str, ...] = ()
    image_size_xy: tuple[int, int] | None = None
    field_angstrom_xy: tuple[float, ...] | None = None
    volume_size_angstrom_xyz: tuple[float, ...] | None = None
    defocus_hand: int = 0
    may_end_early: bool = False
    notes: tuple[str, ...] = ()


def is_alignment(source: Path) -> bool:
    """Whether a file holds an alignment: by its ending, a star, XML or JSON by what is in it."""
    if source.suffix in (".aln", ".xf", ".tomostar"):
        return True
    if source.suffix == ".xml":
        return is_warp_series(source)
    if source.suffix == ".json":
        return is_portal_alignment(source)
    return source.suffix == ".star" and any(table.has("rlnTomoYTilt") for table in read_star(source).values())


def source_files(source: Path) -> tuple[Path, ...]:
    """Every file that an alignment is read from: beside an .xf angles and positioning, beside a star excluded rows."""
    beside: list[Path | None] = []
    if source.suffix == ".xf":
        beside = [source.with_suffix(".tlt"), source.with_suffix(".xtilt"), _tilt_com(source)]
    elif source.suffix == ".star":
        beside = [source.with_name(f"{source.stem}_excluded.star")]
    return (source, *(path for path in beside if path is not None and path.is_file()))


def read_alignment(
    source: Path,
    pixel_size_angstrom: float | None,
    image_size_xy: tuple[int, int] | None = None,
    *,
    image_pixel_angstrom: float | None = None,
) -> ForeignAlignment:
    """Read an alignment of AreTomo, IMOD, Warp, RELION or the data portal.

    Parameters
    ----------
    source : Path
    pixel_size_angstrom : float or None
        Of the tilt images, for those whose shifts are pixels.
    image_size_xy : tuple of int, optional
        Of the tilt images, for IMOD's centre.
    image_pixel_angstrom : float, optional
        Of the images of that size, where their pixels are not those of the shifts.

    Raises
    ------
    InputMissingError
        If a file that belongs to it is missing.
    ParameterError
        If it is none of these, or the pixel size is needed and not given.
    FormatError
        If it is malformed or holds no shifts.
    """
    if source.suffix in IN_PIXELS and (pixel_size_angstrom is None or not pixel_size_angstrom > 0):
        raise ParameterError(f"{source.name}: its shifts are pixels; give the pixel size of its tilt images, Å")
    pixel = pixel_size_angstrom or 0.0
    readers: dict[str, Callable[[Path, float, tuple[int, int] | None], ForeignAlignment]] = {
        ".aln": _aretomo,
        ".xf": lambda path, px, size: _imod(path, px, size, image_pixel_angstrom or px),
        ".json": _portal,
        ".xml": _warp,
        ".tomostar": _tomostar,
        ".star": _relion,
    }
    if source.suffix not in readers:
        raise ParameterError(f"{source.name}: expected an ending of {', '.join(readers)} for an alignment")
    return readers[source.suffix](source, pixel, image_size_xy)


def _aretomo(source: Path, pixel: float, _size: tuple[int, int] | None) -> ForeignAlignment:
    alignment = read_aln(source)
    geometry, use = geometry_from_aretomo(alignment, pixel)
    size_xy = alignment.raw_size_xyn[:2]
    local, notes = None, []
    if len(alignment.local):
        rows = len(alignment.section)
        fields, unit, off = field_from_patches(alignment.local, rows, pixel, (size_xy[1], size_xy[0]))
        every = np.zeros((geometry.n_tilts, 2, 6))
        every[alignment.section] = fields
        local = replace(geometry, field_xy_angstrom=every, field_unit_angstrom=unit)
        notes.append(
            f"the shifts of {np.unique(alignment.local[:, 1]).size} patches in {source.name} are fields of second "
            f"order here, {off:.2f} px rms off"
        )
    return ForeignAlignment(
        geometry=geometry,
        use=use,
        local_geometry=local,
        image_size_xy=size_xy,
        field_angstrom_xy=tuple(n * pixel for n in size_xy),
        notes=tuple(notes),
    )


def _imod(source: Path, pixel: float, size_xy: tuple[int, int] | None, image_pixel: float) -> ForeignAlignment:
    xf = read_xf(source)
    tilt_path, xtilt_path = source.with_suffix(".tlt"), source.with_suffix(".xtilt")
    if not tilt_path.is_file():
        raise InputMissingError(f"expected the tilt angles of {source.name} in {tilt_path.name} beside it, found none")
    geometry = geometry_from_imod(
        xf,
        read_tlt(tilt_path, n_tilts=len(xf)),
        pixel,
        xtilt_deg=read_tlt(xtilt_path, n_tilts=len(xf)) if xtilt_path.is_file() else None,
    )
    use, notes, com, field = ~unused_rows(xf), [], _tilt_com(source), None
    if size_xy is not None:
        # IMOD's centre is (N − 1) / 2 of the images, whatever stack the shifts were counted on.
        half = np.array([n // 2 - (n - 1) / 2 for n in size_xy]) * image_pixel
        geometry = replace(geometry, shift_xy_angstrom=geometry.shift_xy_angstrom - np.where(use[:, None], half, 0.0))
    else:
        notes.append(
            "shifts are taken about N // 2, as RELION and Warp do; IMOD's own centre is half a pixel off where the "
            "images' sizes are even, give --image-size to have it so"
        )
    if com is not None:
        command = read_tilt_com(com)
        geometry, included = positioned(geometry, command, pixel)
        use = use & included
        field = None if command.full_image_xy is None else tuple(n * pixel for n in command.full_image_xy)
        notes.append(f"positioned as {com.name} says")
        notes += [
            f"{name} of {com.name} is left out: what is kept is the global alignment" for name in command.left_out
        ]
    return ForeignAlignment(
        geometry=geometry, use=use, image_size_xy=size_xy, field_angstrom_xy=field, notes=tuple(notes)
    )


def _tilt_com(source: Path) -> Path | None:
    """The tilt.com beside an .xf, if it is this series'."""
    com = source.with_name("tilt.com")
    if not com.is_file():
        return None
    return com if Path(read_tilt_com(com).tilt_file).stem == source.stem else None


def _portal(source: Path, pixel: float, size_xy: tuple[int, int] | None) -> ForeignAlignment:
    alignment = read_portal_alignment(source, pixel)
    geometry, use = _every_section(alignment.geometry, alignment.section)
    notes = []
    if alignment.local:
        notes.append("the portal calls this alignment local, the file holds its global part")
    if not use.all():
        missing = ", ".join(str(i) for i in np.flatnonzero(~use))
        notes.append(f"sections {missing} have no entry: not used, their angles are interpolated")
    return ForeignAlignment(
        geometry=geometry,
        use=use,
        image_size_xy=size_xy,
        volume_size_angstrom_xyz=alignment.volume_size_angstrom_xyz,
        may_end_early=True,
        notes=tuple(notes),
    )


def _every_section(geometry: TiltGeometry, section: NDArray[np.int64]) -> tuple[TiltGeometry, NDArray[np.bool_]]:
    """Rows of all sections up to the last that has one."""
    order = np.argsort(section)
    geometry, section = geometry.select(order), section[order]
    every = np.arange(section[-1] + 1)
    nearest = np.argmin(np.abs(every[:, None] - section), axis=1)
    use = np.isin(every, section)
    chosen = geometry.select(nearest)
    shift = np.where(use[:, None], chosen.shift_xy_angstrom, 0.0)
    tilt = np.where(use, chosen.y_tilt_deg, np.interp(every, section, geometry.y_tilt_deg))
    return replace(chosen, y_tilt_deg=tilt, shift_xy_angstrom=shift), use


def _warp(source: Path, _pixel: float, size_xy: tuple[int, int] | None) -> ForeignAlignment:
    series = read_warp_xml(source)
    left_out = (f"{', '.join(series.left_out)} of {source.name} are left out: what is kept is the rigid alignment",)
    return ForeignAlignment(
        geometry=series.geometry,
        use=series.use,
        movie_names=series.movie_names,
        dose_before_e_per_angstrom2=series.dose_before_e_per_angstrom2,
        image_size_xy=size_xy,
        field_angstrom_xy=series.image_size_angstrom_xy,
        volume_size_angstrom_xyz=series.volume_size_angstrom_xyz,
        defocus_hand=series.defocus_hand,
        notes=left_out if series.left_out else (),
    )


def _tomostar(source: Path, _pixel: float, size_xy: tuple[int, int] | None) -> ForeignAlignment:
    star = read_tomostar(source)
    if not star.has_shifts:
        raise FormatError(
            f"{source.name}: expected shifts in wrpAxisOffsetX and wrpAxisOffsetY, found the nominal geometry that "
            "ts_import writes; take Warp's .xml of the aligned series"
        )
    return ForeignAlignment(
        geometry=star.geometry,
        use=np.ones(star.geometry.n_tilts, dtype=np.bool_),
        movie_names=star.movie_names,
        dose_before_e_per_angstrom2=star.dose_before_e_per_angstrom2,
        image_size_xy=size_xy,
    )


def _relion(source: Path, _pixel: float, size_xy: tuple[int, int] | None) -> ForeignAlignment:
    series = read_series_star(source)
    if series.geometry is None:
        raise InputMissingError(f"{source.name}: expected the star of an aligned series, found one before alignment")
    return ForeignAlignment(
        geometry=series.geometry,
        use=np.array([tilt.use for tilt in series.tilts], dtype=np.bool_),
        movie_names=tuple(tilt.name for tilt in series.tilts),
        dose_before_e_per_angstrom2=np.array([tilt.dose_before_e_per_angstrom2 for tilt in series.tilts]),
        reasons=tuple(tilt.reason for tilt in series.tilts),
        image_size_xy=size_xy,
    )
