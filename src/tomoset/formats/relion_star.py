"""RELION 5's tilt-series stars: an index (block ``global``) and one file a series, and ``tomograms.star``.

The geometry columns are this package's own model (RELION's ``setProjectionMatrix``): rlnTomoX/YTilt, rlnTomoZRot in
degrees and rlnTomoX/YShiftAngst in Å, about N // 2. RELION knows no flag for unused tilts, it leaves their rows out:
the writer puts them into ``<run>_excluded.star`` beside the series, with the reason, and the reader takes them from
there. ``rlnTomoHand`` is the hand h of ``defocus(p) = defocus(origin) + h · height(p)``.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tomoset.errors import FormatError
from tomoset.formats.relion_euler import relion_euler_from_rotations, rotations_from_relion_euler
from tomoset.formats.relion_export import RelionExport, write_series_stars, write_tomograms_star
from tomoset.formats.relion_particles import RelionParticles, read_particles_star, write_particles_star
from tomoset.formats.relion_series import RelionSeries, mark_excluded, read_series_star
from tomoset.formats.relion_tables import read_star
from tomoset.geometry import Grid
from tomoset.model import Optics

__all__ = [
    "RelionExport",
    "RelionIndexEntry",
    "RelionParticles",
    "RelionSeries",
    "mark_excluded",
    "read_particles_star",
    "read_series_index",
    "read_series_star",
    "relion_euler_from_rotations",
    "rotations_from_relion_euler",
    "write_particles_star",
    "write_series_stars",
    "write_tomograms_star",
]

PathLike = str | os.PathLike[str]
Floats = NDArray[np.float64]

_SIZE = ("rlnTomoSizeX", "rlnTomoSizeY", "rlnTomoSizeZ")


@dataclass(frozen=True, slots=True, kw_only=True)
class RelionIndexEntry:
    """A row of an index star or of ``tomograms.star``.

    Parameters
    ----------
    run : str
        ``rlnTomoName``.
    series_star : pathlib.Path
        The series' own file, found on this disk where it exists.
    optics : Optics
    pixel_size_angstrom : float
        Of the tilt images (of the movies before motion correction).
    defocus_hand : int
        +1 or −1; 0 when the column is missing.
    size_xyz : tuple of int or None
        Of the tomogram, unbinned pixels.
    binning : float or None
    tomogram : str
        Path of the reconstruction as the file says it; empty when there is none.
    """

    run: str
    series_star: Path
    optics: Optics
    pixel_size_angstrom: float
    defocus_hand: int
    size_xyz: tuple[int, int, int] | None = None
    binning: float | None = None
    tomogram: str = ""

    @property
    def grid(self) -> Grid | None:
        """Grid of the reconstructed tomogram; None when the file does not say its size."""
        if self.size_xyz is None or self.binning is None:
            return None
        x, y, z = (max(1, round(n / self.binning)) for n in self.size_xyz)
        return Grid(shape_zyx=(z, y, x), voxel_size_angstrom=self.pixel_size_angstrom * self.binning)


def read_series_index(path: PathLike) -> tuple[RelionIndexEntry, ...]:
    """Read the block ``global`` of ``tilt_series.star``, ``aligned_tilt_series.star``, ``tomograms.star`` ….

    Raises
    ------
    InputMissingError
        If there is no such file.
    FormatError
        If the block or a column is missing or malformed.
    """
    file = Path(path)
    blocks = read_star(file)
    if "global" not in blocks:
        raise FormatError(
            f"{file.name}: expected the block 'global' of a RELION 5 index, found {', '.join(blocks)}; "
            "give the tilt_series.star or tomograms.star of the job"
        )
    table = blocks["global"]
    columns: dict[str, Any] = {
        "run": table.texts("rlnTomoName"),
        "star": table.texts("rlnTomoTiltSeriesStarFile"),
        "optics": table.numbers("rlnVoltage", "rlnSphericalAberration", "rlnAmplitudeContrast"),
        "hand": table.optional_numbers("rlnTomoHand"),
        "size": table.numbers(*_SIZE) if table.has(*_SIZE) else None,
        "binning": table.optional_numbers("rlnTomoTomogramBinning"),
        "tomogram": table.optional_texts("rlnTomoReconstructedTomogram"),
    }
    pixel_size = table.optional_numbers("rlnTomoTiltSeriesPixelSize")
    if pixel_size is None:
        pixel_size = table.numbers("rlnMicrographOriginalPixelSize")
    return tuple(_index_entry(file, columns, pixel_size, i) for i in range(len(table)))


def _index_entry(file: Path, columns: Mapping[str, Any], pixel_size: Floats, i: int) -> RelionIndexEntry:
    voltage, cs, contrast = columns["optics"][i]
    size, binning, tomogram = columns["size"], columns["binning"], columns["tomogram"]
    return RelionIndexEntry(
        run=columns["run"][i],
        series_star=_find_series_star(file, columns["star"][i]),
        optics=Optics(voltage_kv=float(voltage), cs_mm=float(cs), amplitude_contrast=float(contrast)),
        pixel_size_angstrom=float(pixel_size[i]),
        defocus_hand=0 if columns["hand"] is None else int(np.sign(columns["hand"][i])),
        size_xyz=None if size is None else (int(size[i][0]), int(size[i][1]), int(size[i][2])),
        binning=None if binning is None else float(binning[i]),
        tomogram="" if tomogram is None else tomogram[i],
    )


def _find_series_star(index: Path, text: str) -> Path:
    """RELION's paths start at its project's folder, somewhere above the index; copies lie beside it."""
    for folder in (index.parent, *index.resolve().parents):
        if (folder / text).is_file():
            return folder / text
    return index.parent / "tilt_series" / Path(text).name
