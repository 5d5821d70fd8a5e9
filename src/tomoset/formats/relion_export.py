"""Writing RELION 5's tilt-series stars and ``tomograms.star``."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tomoset.errors import ParameterError
from tomoset.formats.relion_series import CTF_COLUMNS, GEOMETRY_COLUMNS, REASON_COLUMN
from tomoset.formats.relion_tables import write_star
from tomoset.geometry import Grid
from tomoset.model import Tilt, TiltSeries

__all__ = ["OPTICS_GROUP", "RelionExport", "write_series_stars", "write_tomograms_star"]

PathLike = str | os.PathLike[str]

OPTICS_GROUP = "optics1"
_SIZE = ("rlnTomoSizeX", "rlnTomoSizeY", "rlnTomoSizeZ")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RelionExport:
    """One series to write.

    Parameters
    ----------
    series : TiltSeries
    image_names : tuple of str
        Path of each tilt image as RELION shall find it, e.g. ``000001@tilts.mrcs``; one a tilt, unused ones included.
    odd_names, even_names : tuple of str, optional
    grid : Grid, optional
        Of the tomogram, for ``tomograms.star``.
    tomogram : str
        Path of the reconstruction as RELION shall find it.
    """

    series: TiltSeries
    image_names: tuple[str, ...]
    odd_names: tuple[str, ...] = ()
    even_names: tuple[str, ...] = ()
    grid: Grid | None = None
    tomogram: str = ""

    def __post_init__(self) -> None:
        """Check that every tilt has its image."""
        n = len(self.series.tilts)
        for names in (self.image_names, self.odd_names, self.even_names):
            if len(names) not in ({n} if names is self.image_names else {0, n}):
                raise ParameterError(f"{self.series.run}: expected {n} image names, one a tilt, found {len(names)}")


def write_series_stars(
    index_path: PathLike, exports: Sequence[RelionExport], *, undetermined_hand: int = 1, path_prefix: str = ""
) -> Path:
    """Write the index star and, in ``tilt_series/`` beside it, one star a series.

    Parameters
    ----------
    index_path : path
        E.g. ``aligned_tilt_series.star``.
    exports : sequence of RelionExport
    undetermined_hand : {1, -1}
        Written where a series' hand was not determined; +1 is the default of RELION's importer.
    path_prefix : str
        Put before ``tilt_series/<run>.star`` in the index, when RELION's project lies above the index's folder.

    Returns
    -------
    pathlib.Path
        ``index_path``.

    Raises
    ------
    ParameterError
        If some used tilts have a defocus and others none.
    OutputError
        If it cannot be written.
    """
    index = Path(index_path)
    for export in exports:
        _write_series(index.parent / "tilt_series", export)
    write_star(index, {"global": _global_columns(exports, undetermined_hand, path_prefix)})
    return index


def write_tomograms_star(
    path: PathLike, exports: Sequence[RelionExport], *, undetermined_hand: int = 1, path_prefix: str = ""
) -> Path:
    """Write ``tomograms.star``; the stars of the series are expected beside it, see :func:`write_series_stars`.

    Sizes are unbinned pixels, made even, so that RELION's centre size / 2 is a pixel and is our N // 2.

    Raises
    ------
    ParameterError
        If an export has no grid.
    OutputError
        If it cannot be written.
    """
    columns = _global_columns(exports, undetermined_hand, path_prefix)
    sizes, binnings = [], []
    for export in exports:
        if export.grid is None:
            raise ParameterError(f"{export.series.run}: expected the tomogram's grid for tomograms.star, found none")
        binnings.append(export.grid.voxel_size_angstrom / export.series.pixel_size_angstrom)
        sizes.append([2 * round(n * binnings[-1] / 2) for n in export.grid.shape_zyx[::-1]])
    columns |= {column: [size[i] for size in sizes] for i, column in enumerate(_SIZE)}
    columns["rlnTomoTomogramBinning"] = binnings
    if any(export.tomogram for export in exports):
        columns["rlnTomoReconstructedTomogram"] = [export.tomogram for export in exports]
    return write_star(path, {"global": columns})


def _global_columns(exports: Sequence[RelionExport], undetermined_hand: int, prefix: str) -> dict[str, Any]:
    if undetermined_hand not in (-1, 1):
        raise ParameterError(f"expected the hand +1 or −1, found {undetermined_hand}")
    all_series = [export.series for export in exports]
    return {
        "rlnTomoName": [s.run for s in all_series],
        "rlnVoltage": [s.optics.voltage_kv for s in all_series],
        "rlnSphericalAberration": [s.optics.cs_mm for s in all_series],
        "rlnAmplitudeContrast": [s.optics.amplitude_contrast for s in all_series],
        "rlnMicrographOriginalPixelSize": [s.pixel_size_angstrom for s in all_series],
        "rlnTomoHand": [float(s.defocus_hand or undetermined_hand) for s in all_series],
        "rlnOpticsGroupName": [OPTICS_GROUP] * len(all_series),
        "rlnTomoTiltSeriesPixelSize": [s.pixel_size_angstrom for s in all_series],
        "rlnTomoTiltSeriesStarFile": [f"{prefix}tilt_series/{s.run}.star" for s in all_series],
    }


def _write_series(folder: Path, export: RelionExport) -> None:
    tilts = export.series.tilts
    used = [i for i, tilt in enumerate(tilts) if tilt.use]
    unused = [i for i, tilt in enumerate(tilts) if not tilt.use]
    run = export.series.run
    write_star(folder / f"{run}.star", {run: _series_columns(export, used)})
    aside = folder / f"{run}_excluded.star"
    if unused:
        columns = _series_columns(export, unused)
        write_star(aside, {run: columns | {REASON_COLUMN: [tilts[i].reason or "not used" for i in unused]}})
    else:
        aside.unlink(missing_ok=True)


def _series_columns(export: RelionExport, rows: Sequence[int]) -> dict[str, Any]:
    series = export.series
    tilts = [series.tilts[i] for i in rows]
    columns: dict[str, Any] = {
        "rlnMicrographMovieName": [t.name for t in tilts],
        "rlnTomoNominalStageTiltAngle": [t.nominal_tilt_deg for t in tilts],
        "rlnTomoNominalTiltAxisAngle": [series.nominal_tilt_axis_deg] * len(tilts),
        "rlnMicrographPreExposure": [t.dose_before_e_per_angstrom2 for t in tilts],
        "rlnMicrographName": [export.image_names[i] for i in rows],
    }
    for column, names in (("rlnMicrographNameEven", export.even_names), ("rlnMicrographNameOdd", export.odd_names)):
        if names:
            columns[column] = [names[i] for i in rows]
    columns |= _motion_columns(tilts) | _ctf_columns(series.run, tilts)
    if series.geometry is not None:
        g = series.geometry.select(np.asarray(rows, dtype=np.intp))
        x_tilt = np.zeros(g.n_tilts) if g.x_tilt_deg is None else g.x_tilt_deg
        values = (x_tilt, g.y_tilt_deg, g.z_rot_deg, g.shift_xy_angstrom[:, 0], g.shift_xy_angstrom[:, 1])
        columns |= dict(zip(GEOMETRY_COLUMNS, values, strict=True))
    return columns


def _motion_columns(tilts: Sequence[Tilt]) -> dict[str, Any]:
    tracks = [tilt.motion for tilt in tilts]
    totals = [track.total_angstrom for track in tracks if track is not None]
    frames = [len(track.shift_xy_angstrom) for track in tracks if track is not None]
    if not totals or len(totals) != len(tilts):
        return {}
    return {"rlnTomoTiltMovieFrameCount": frames, "rlnAccumMotionTotal": totals}


def _ctf_columns(run: str, tilts: Sequence[Tilt]) -> dict[str, Any]:
    """Defocus columns when every tilt has one; unused tilts without one leave them out of their own file."""
    ctfs = [tilt.ctf for tilt in tilts if tilt.ctf is not None]
    if len(ctfs) != len(tilts):
        if ctfs and all(tilt.use for tilt in tilts):
            raise ParameterError(
                f"{run}: expected a defocus for every used tilt or for none, found {len(ctfs)} of {len(tilts)}; "
                "estimate the CTF of the others or mark them as unused"
            )
        return {}
    values = np.array([(c.defocus_u_angstrom, c.defocus_v_angstrom, c.astigmatism_deg) for c in ctfs]).reshape(-1, 3)
    columns: dict[str, Any] = dict(zip(CTF_COLUMNS, values.T, strict=True))
    columns["rlnCtfAstigmatism"] = values[:, 0] - values[:, 1]
    for column, numbers in (
        ("rlnCtfFigureOfMerit", [c.score for c in ctfs]),
        ("rlnCtfMaxResolution", [c.resolution_angstrom for c in ctfs]),
    ):
        if np.all(np.isfinite(numbers)):
            columns[column] = numbers
    return columns
