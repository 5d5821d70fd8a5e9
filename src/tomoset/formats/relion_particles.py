"""RELION's particles stars: version 5 with positions in Å about the tomogram's centre, version 4 with unbinned pixels.

RELION's C++ code centres on size / 2 of the unbinned tomogram (``tomogram_set.cpp``), its Python pickers on
size / 2 − 1: size / 2 is written and read here. For the even sizes that ``write_tomograms_star`` writes this is the
specimen frame's origin, our index N // 2. The position of a particle is ``coordinate − A_subtomogram · origin`` and
its rotation ``A_subtomogram · A_particle``; coordinates without a centre (RELION 4, Warp) are pixels of the unbinned
tilt images, the first voxel's centre being 0. Axes x, y, z; angles rot, tilt, psi: :mod:`tomoset.formats.relion_euler`.
Numbers have six decimals. Instances are ``rlnHelicalTubeID``. What else ``Picks`` knows has no column.
"""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from tomoset.errors import FormatError, ParameterError
from tomoset.formats.relion_euler import relion_euler_from_rotations, rotations_from_relion_euler
from tomoset.formats.relion_export import OPTICS_GROUP
from tomoset.formats.relion_tables import StarTable, read_star, write_star
from tomoset.geometry import Grid
from tomoset.model import Optics, Picks

__all__ = ["RelionParticles", "particles_run_column", "read_particles_star", "write_particles_star"]

PathLike = str | os.PathLike[str]
Floats = NDArray[np.float64]

_CENTERED = tuple(f"rlnCenteredCoordinate{axis}Angst" for axis in "XYZ")
_UNBINNED = tuple(f"rlnCoordinate{axis}" for axis in "XYZ")
_ORIGIN = tuple(f"rlnOrigin{axis}Angst" for axis in "XYZ")
_ANGLES = ("rlnAngleRot", "rlnAngleTilt", "rlnAnglePsi")
_SUBTOMOGRAM = ("rlnTomoSubtomogramRot", "rlnTomoSubtomogramTilt", "rlnTomoSubtomogramPsi")
_SCORE = "rlnAutopickFigureOfMerit"
_INSTANCE = "rlnHelicalTubeID"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RelionParticles:
    """The particles of one tomogram to write: volume-frame picks and the grid they were made on."""

    run: str
    picks: Picks
    grid: Grid


def write_particles_star(
    path: PathLike,
    particles: Sequence[RelionParticles],
    *,
    pixel_size_angstrom: float,
    optics: Optics,
    version: Literal[4, 5] = 5,
) -> Path:
    """Write particles of one class from any number of tomograms.

    Parameters
    ----------
    path : path
    particles : sequence of RelionParticles
    pixel_size_angstrom : float
        Of the tilt images.
    optics : Optics
    version : {4, 5}
        Of RELION. The data portal reads version 4 only.

    Returns
    -------
    pathlib.Path

    Raises
    ------
    ParameterError
        If some picks have rotations or scores and others none.
    OutputError
        If it cannot be written.
    """
    name = Path(path).name
    if version == 5:
        positions = [p.grid.specimen_from_volume(p.picks.positions_angstrom_xyz) for p in particles]
    else:
        positions = [p.picks.positions_angstrom_xyz / pixel_size_angstrom for p in particles]
    coordinates = np.concatenate([np.zeros((0, 3)), *positions])
    columns: dict[str, Any] = {"rlnTomoName": [p.run for p in particles for _ in range(len(p.picks))]}
    columns |= dict(zip(_CENTERED if version == 5 else _UNBINNED, coordinates.T, strict=True))
    filled = [p.picks for p in particles if len(p.picks)]
    rotations = _all_or_none(name, "rotations", [p.rotations for p in filled])
    if rotations is not None:
        columns |= dict(zip(_ANGLES, relion_euler_from_rotations(rotations).T, strict=True))
    columns |= {column: np.zeros(len(coordinates)) for column in _ORIGIN}
    scores = _all_or_none(name, "scores", [p.scores for p in filled])
    if scores is not None:
        columns[_SCORE] = scores
    if any(p.instance_ids is not None for p in filled):
        ids = [np.zeros(len(p), dtype=np.int64) if p.instance_ids is None else p.instance_ids for p in filled]
        columns[_INSTANCE] = np.concatenate(ids)
    columns["rlnOpticsGroup"] = np.ones(len(coordinates), dtype=np.int64)
    optics_columns = {
        "rlnOpticsGroup": [1],
        "rlnOpticsGroupName": [OPTICS_GROUP],
        "rlnVoltage": [optics.voltage_kv],
        "rlnSphericalAberration": [optics.cs_mm],
        "rlnAmplitudeContrast": [optics.amplitude_contrast],
        "rlnTomoTiltSeriesPixelSize": [pixel_size_angstrom],
    }
    if version == 4:  # no stacks of images yet; readers of subtomograms ask for their pixel size
        optics_columns["rlnImagePixelSize"] = [pixel_size_angstrom]
        return write_star(path, {"optics": optics_columns, "particles": columns})
    general = {"rlnTomoSubTomosAre2DStacks": [1]}
    return write_star(path, {"general": general, "optics": optics_columns, "particles": columns})


def read_particles_star(
    path: PathLike,
    grids: Mapping[str, Grid],
    *,
    object_name: str,
    pixel_size_angstrom: float | None = None,
) -> dict[str, Picks]:
    """Read the particles of every tomogram, as picks in its volume frame.

    Parameters
    ----------
    path : path
    grids : mapping of str to Grid
        Grid of every tomogram by its name, to know its centre.
    object_name : str
        Class of the particles.
    pixel_size_angstrom : float, optional
        Of the tilt images, where coordinates are unbinned pixels and the file has no optics.

    Returns
    -------
    dict of str to Picks
        By tomogram name, in the file's order.

    Raises
    ------
    InputMissingError
        If there is no such file.
    FormatError
        If a column is missing or malformed, or a tomogram has no grid.
    """
    file = Path(path)
    blocks = read_star(file)
    table = blocks.get("particles", next(iter(blocks.values())))
    runs = np.array(table.texts(particles_run_column(table)), dtype=object)
    unknown = sorted(set(runs) - set(grids))
    if unknown:
        raise FormatError(
            f"{file.name}: expected the grid of every tomogram, found none for {', '.join(unknown[:5])}; "
            "give the tomograms.star of the same project"
        )
    subtomogram = _rotations(table, _SUBTOMOGRAM)
    own = _rotations(table, _ANGLES)
    origin = table.numbers(*_ORIGIN) if table.has(*_ORIGIN) else np.zeros((len(table), 3))
    if subtomogram is not None:
        origin = np.einsum("nij,nj->ni", subtomogram, origin)
        own = subtomogram if own is None else subtomogram @ own
    positions = _positions(file, table, blocks.get("optics"), grids, runs, pixel_size_angstrom) - origin
    scores, ids = table.optional_numbers(_SCORE), table.optional_numbers(_INSTANCE)
    result = {}
    for run in dict.fromkeys(runs.tolist()):
        rows = runs == run
        result[run] = Picks(
            object_name=object_name,
            positions_angstrom_xyz=positions[rows],
            rotations=None if own is None else own[rows],
            scores=None if scores is None else scores[rows],
            instance_ids=None if ids is None else ids[rows].astype(np.int64),
        )
    return result


def particles_run_column(table: StarTable) -> str:
    """Column that names a particle's tomogram: Warp and M keep it where RELION keeps micrographs."""
    warp = table.has("rlnMicrographName") and not table.has("rlnTomoName")
    return "rlnMicrographName" if warp else "rlnTomoName"


def _positions(
    file: Path,
    table: StarTable,
    optics: StarTable | None,
    grids: Mapping[str, Grid],
    runs: NDArray[np.object_],
    pixel_size: float | None,
) -> Floats:
    if table.has(*_CENTERED):
        centres = np.array([grids[run].specimen_origin_angstrom_xyz for run in runs]).reshape(-1, 3)
        return table.numbers(*_CENTERED).reshape(-1, 3) + centres
    if not table.has(*_UNBINNED):
        table.numbers(*_CENTERED)  # says which columns are missing
    return table.numbers(*_UNBINNED) * _pixel_sizes(file, table, optics, pixel_size)[:, None]


def _pixel_sizes(file: Path, table: StarTable, optics: StarTable | None, given: float | None) -> Floats:
    if given is not None:
        return np.full(len(table), given)
    if optics is None or not table.has("rlnOpticsGroup"):
        raise FormatError(
            f"{file.name}: expected optics with rlnTomoTiltSeriesPixelSize for coordinates in pixels, found none; "
            "give the pixel size of the tilt images"
        )
    column = "rlnTomoTiltSeriesPixelSize"
    sizes = dict(zip(optics.numbers("rlnOpticsGroup"), optics.numbers(column), strict=True))
    groups = table.numbers("rlnOpticsGroup")
    missing = sorted(set(groups) - set(sizes))
    if missing:
        raise FormatError(f"{file.name}: expected every optics group in the block 'optics', found no {missing[0]:g}")
    return np.array([sizes[group] for group in groups])


def _rotations(table: StarTable, columns: tuple[str, ...]) -> Floats | None:
    if not any(table.has(column) for column in columns):
        return None
    return rotations_from_relion_euler(table.numbers(*columns).reshape(-1, 3))


def _all_or_none(name: str, what: str, values: Sequence[Floats | None]) -> Floats | None:
    there = [value for value in values if value is not None]
    if not there:
        return None
    if len(there) != len(values):
        raise ParameterError(
            f"{name}: expected {what} for the picks of all tomograms or of none, found them in {len(there)} of "
            f"{len(values)}; write the two kinds into two files"
        )
    return np.concatenate(there)
