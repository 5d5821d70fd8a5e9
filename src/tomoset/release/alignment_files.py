"""An aligned series as other programs keep it: every tilt accounted for, and what a format cannot hold said.

What a file leaves out is a note, a sentence with the file's name; a file that cannot be written at all is one too.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tomoset.errors import GeometryError, ParameterError
from tomoset.formats.aretomo import aretomo_from_geometry, write_aln
from tomoset.formats.atomic import write_text_atomic
from tomoset.formats.ctffind import write_ctffind
from tomoset.formats.imod import imod_from_geometry, write_tlt, write_xf
from tomoset.formats.imod_defocus import write_imod_defocus
from tomoset.formats.portal_alignment import write_portal_alignment
from tomoset.formats.relion_export import RelionExport, write_series_stars
from tomoset.formats.rigid_geometry import beyond_rigid, rigid_part, without_bending
from tomoset.formats.warp_tomostar import Tomostar, write_tomostar
from tomoset.formats.warp_xml import WarpSeries, write_warp_xml
from tomoset.geometry import TiltGeometry
from tomoset.model import TiltSeries

__all__ = [
    "Written",
    "image_names",
    "relion_series",
    "write_aretomo_files",
    "write_exchange_files",
    "write_imod_files",
    "write_portal_file",
    "write_warp_files",
]


@dataclass(frozen=True, slots=True)
class Written:
    """Files, and what they leave out.

    Parameters
    ----------
    paths : tuple of Path
    notes : tuple of str
    """

    paths: tuple[Path, ...] = ()
    notes: tuple[str, ...] = ()

    def __add__(self, other: "Written") -> "Written":
        return Written(self.paths + other.paths, self.notes + other.notes)


def write_imod_files(folder: Path, series: TiltSeries) -> Written:
    """Write ``.rawtlt``, ``.tlt``, ``.xf``, ``.xtilt`` and ``.defocus``, one row an image of the stack.

    Tilts that are not used have identity rows in ``.xf``, as RELION expects them. Shifts count from IMOD's centre
    (N − 1) / 2, so that IMOD itself makes the same tomogram. Magnification and stretch are kept.

    Raises
    ------
    GeometryError
        If the series is not aligned.
    """
    whole = _geometry(series)
    kept = without_bending(whole)
    imod = imod_from_geometry(
        kept, series.pixel_size_angstrom, use=_used(series), image_shape_yx=_image_shape_yx(series)
    )
    written = Written(
        (
            write_tlt(folder / f"{series.run}.rawtlt", series.nominal_tilt_deg),
            write_tlt(folder / f"{series.run}.tlt", imod.tilt_deg),
            write_tlt(folder / f"{series.run}.xtilt", imod.xtilt_deg),
            write_xf(folder / f"{series.run}.xf", imod.xf),
        ),
        _bending_lost(whole, f"{series.run}.xf"),
    )
    defocus = folder / f"{series.run}.defocus"
    return written + _attempt(defocus, lambda: write_imod_defocus(defocus, series.tilts, kept.y_tilt_deg.tolist()))


def write_aretomo_files(folder: Path, series: TiltSeries) -> Written:
    """Write ``.aln`` and ``_CTF.txt``; tilts that are not used are dark frames.

    Magnification and bending are shifts of patches. The table of defocus is CTFFIND's with AreTomo's sign of the
    gradient; every tilt has its line.

    Raises
    ------
    GeometryError
        If the series is not aligned.
    """
    geometry = _geometry(series)
    aln, ctf = folder / f"{series.run}.aln", folder / f"{series.run}_CTF.txt"

    def write() -> Path:
        shape = _image_shape_yx(series)
        return write_aln(
            aln,
            aretomo_from_geometry(geometry, series.pixel_size_angstrom, image_shape_yx=shape, use=_used(series)),
        )

    table = write_ctffind(
        ctf,
        series.tilts,
        pixel_size_angstrom=series.pixel_size_angstrom,
        optics=series.optics,
        defocus_hand=series.defocus_hand or None,
    )
    without = [tilt.name for tilt in series.tilts if tilt.ctf is None]
    notes = (f"{ctf.name}: lines of zeros for tilts without an estimate: {', '.join(without)}",) if without else ()
    return _attempt(aln, write) + Written((table,), notes)


def write_warp_files(folder: Path, series: TiltSeries) -> Written:
    """Write ``.tomostar``, without the tilts that are not used, and ``.xml``, with them.

    Movies are named without a folder: Warp looks for them beside the ``.tomostar``.

    Raises
    ------
    GeometryError
        If the series is not aligned.
    """
    whole, used = _geometry(series), series.used
    rigid = rigid_part(whole)
    dose = np.array([tilt.dose_before_e_per_angstrom2 for tilt in series.tilts])
    star, xml = folder / f"{series.run}.tomostar", folder / f"{series.run}.xml"
    masked = [series.tilts[i].masked_fraction for i in used]
    height, width = _image_shape_yx(series)

    def write_star() -> Path:
        return write_tomostar(
            star,
            Tomostar(
                movie_names=tuple(series.tilts[i].name for i in used),
                geometry=rigid.select(used),
                dose_before_e_per_angstrom2=dose[used],
                average_intensity=np.array([series.tilts[i].mean_counts for i in used]),
                masked_fraction=None if None in masked else np.array(masked, dtype=np.float64),
            ),
        )

    def write_xml() -> Path:
        pixel = series.pixel_size_angstrom
        return write_warp_xml(
            xml,
            WarpSeries(
                geometry=rigid,
                use=_used(series),
                dose_before_e_per_angstrom2=dose,
                movie_names=tuple(tilt.name for tilt in series.tilts),
                defocus_hand=series.defocus_hand or 1,
                image_size_angstrom_xy=(width * pixel, height * pixel),
            ),
        )

    left_out = [f"{tilt.name} ({tilt.reason or 'not used'})" for tilt in series.tilts if not tilt.use]
    notes = [f"{star.name}: tilts that are not used have no row: {', '.join(left_out)}"] if left_out else []
    notes += [*_all_lost(whole, star.name), *_all_lost(whole, xml.name), *_hand_unknown(series, xml.name)]
    return _attempt(star, write_star) + _attempt(xml, write_xml) + Written((), tuple(notes))


def write_portal_file(
    path: Path, series: TiltSeries, volume_size_angstrom_xyz: tuple[float, float, float] | None = None
) -> Written:
    """Write the data portal's JSON; sections that are not used have no entry.

    Raises
    ------
    GeometryError
        If the series is not aligned.
    """
    whole = _geometry(series)
    written = write_portal_alignment(
        path,
        rigid_part(whole),
        series.pixel_size_angstrom,
        use=_used(series),
        volume_size_angstrom_xyz=volume_size_angstrom_xyz,
    )
    return Written((written,), _all_lost(whole, path.name))


def relion_series(series: TiltSeries, star_name: str) -> tuple[TiltSeries, tuple[str, ...]]:
    """The series as RELION can hold it, and what that leaves out.

    Tilts without an estimate of defocus among others that have one are not used in RELION.

    Raises
    ------
    GeometryError
        If the series is not aligned.
    """
    whole = _geometry(series)
    notes = [*_all_lost(whole, star_name), *_hand_unknown(series, star_name)]
    lacking = [tilt.name for tilt in series.tilts if tilt.use and tilt.ctf is None]
    tilts = series.tilts
    if lacking and len(lacking) < len(series.used):
        notes.append(f"{star_name}: excluded, because they have no estimate of defocus: {', '.join(lacking)}")
        tilts = tuple(
            replace(tilt, use=False, reason="no estimate of defocus") if tilt.name in lacking else tilt
            for tilt in tilts
        )
    return replace(series, geometry=rigid_part(whole), tilts=tilts), tuple(notes)


def write_exchange_files(folder: Path, series: TiltSeries, stack_prefix: str) -> list[Path]:
    """Write everything of an aligned series that other programs read, and ``RUN_exports.txt``: what that leaves out.

    Parameters
    ----------
    folder : Path
    series : TiltSeries
    stack_prefix : str
        Folder of the stacks ``RUN.mrc``, ``RUN_odd.mrc`` and ``RUN_even.mrc`` as RELION shall find it, with a slash.

    Raises
    ------
    GeometryError
        If the series is not aligned.
    """
    run, relion = series.run, folder / "relion"
    rigid, notes = relion_series(series, f"{run}.star")
    export = RelionExport(
        series=rigid,
        image_names=image_names(series, f"{stack_prefix}{run}.mrc"),
        odd_names=image_names(series, f"{stack_prefix}{run}_odd.mrc") if series.odd_nyx is not None else (),
        even_names=image_names(series, f"{stack_prefix}{run}_even.mrc") if series.even_nyx is not None else (),
    )
    index = relion / "aligned_tilt_series.star"
    written = (
        write_imod_files(folder, series)
        + write_aretomo_files(folder, series)
        + write_warp_files(folder, series)
        + write_portal_file(folder / f"{run}_portal.json", series)
        + Written((write_series_stars(index, [export], path_prefix=f"{stack_prefix}relion/"),), notes)
    )
    said = written.notes or ("Every file holds the whole alignment.",)
    report = write_text_atomic(folder / f"{run}_exports.txt", "\n".join(said) + "\n")
    stars = sorted((relion / "tilt_series").glob("*.star"))
    return [*written.paths, *stars, report]


def image_names(series: TiltSeries, stack: str) -> tuple[str, ...]:
    """RELION's names of the images of a stack, from 1."""
    return tuple(f"{i + 1:06d}@{stack}" for i in range(len(series.tilts)))


def _attempt(path: Path, write: Callable[[], Path]) -> Written:
    """Write a file, or say why its format cannot hold this series; one of an earlier alignment goes then."""
    try:
        return Written((write(),))
    except (GeometryError, ParameterError) as error:
        path.unlink(missing_ok=True)
        return Written((), (f"{path.name} was not written: {error}",))


def _bending_lost(whole: TiltGeometry, name: str) -> tuple[str, ...]:
    if whole.field_xy_angstrom is None:
        return ()
    bent = whole.field_xy_angstrom.copy()
    bent[:, :, :3] = 0.0  # what is constant or linear is part of a transformation
    return _lost(beyond_rigid(replace(whole, magnification=None, field_xy_angstrom=bent)), name)


def _all_lost(whole: TiltGeometry, name: str) -> tuple[str, ...]:
    return _lost(beyond_rigid(whole), name)


def _lost(words: str, name: str) -> tuple[str, ...]:
    return (f"{name}: {words} left out, which the format cannot hold; series.json has it",) if words else ()


def _hand_unknown(series: TiltSeries, name: str) -> Iterable[str]:
    if series.defocus_hand == 0:
        yield f"{name}: the sign of the defocus gradient is undetermined and written as +1, the program's default"


def _geometry(series: TiltSeries) -> TiltGeometry:
    if series.geometry is None:
        raise GeometryError(f"{series.run}: expected an aligned series, found one without geometry; align it first")
    return series.geometry


def _used(series: TiltSeries) -> NDArray[np.bool_]:
    return np.array([tilt.use for tilt in series.tilts], dtype=np.bool_)


def _image_shape_yx(series: TiltSeries) -> tuple[int, int]:
    _, ny, nx = series.images_nyx.shape
    return ny, nx
