"""Motive lists of the TOM family (.em: AV3, Artiatomi, subTOM, cryoCAT): 20 numbers a particle, float32.

Rows counted from 1: 1 cross-correlation, 4 particle, 5 tomogram, 6 object (our instance), 8–10 x y z, 11–13 shift,
17 phi, 18 psi, 19 theta, 20 class; the particle is at ``xyz + shift`` in voxels, and the first voxel is 1 (copick 1.31
subtracts it too). The whole part is written as x y z and the rest as shift, so that float32 keeps 1e-7 voxel. Angles:
:mod:`tomoset.formats.zxz_euler`; float32 keeps them to 1e-5°. copick 1.31 looks for the score in row 4, where
everybody else has the particle's number.
"""

import os
from pathlib import Path

import numpy as np

from tomoset.errors import FormatError
from tomoset.formats.em import read_em, write_em
from tomoset.formats.zxz_euler import oriented, rotations_from_tom_euler, tom_euler_from_rotations
from tomoset.model import Picks

__all__ = ["read_tom_motl", "write_tom_motl"]

_N_ROWS = 20
_SCORE, _PARTICLE, _TOMOGRAM, _OBJECT, _CLASS = 0, 3, 4, 5, 19
_XYZ, _SHIFT = slice(7, 10), slice(10, 13)
_PHI, _PSI, _THETA = 16, 17, 18


def write_tom_motl(
    path: str | os.PathLike[str],
    picks: Picks,
    *,
    voxel_size_angstrom: float,
    tomogram_number: int = 1,
    first_voxel: int = 1,
) -> Path:
    """Write picks of one tomogram; unknown rotations are zeros.

    Raises
    ------
    FormatError
        If there is no pick: a volume of no voxels is none.
    OutputError
        If it cannot be written.
    """
    if not len(picks):
        raise FormatError(f"{Path(path).name}: expected at least one pick for a motive list in EM form, found none")
    position = picks.positions_angstrom_xyz / voxel_size_angstrom + first_voxel
    rows = np.zeros((1, len(picks), _N_ROWS), dtype=np.float64)
    rows[0, :, _PARTICLE] = np.arange(1, len(picks) + 1)
    rows[0, :, _TOMOGRAM], rows[0, :, _CLASS] = tomogram_number, 1
    rows[0, :, _XYZ] = np.rint(position)
    rows[0, :, _SHIFT] = position - np.rint(position)
    if picks.rotations is not None:
        rows[0, :, [_PHI, _THETA, _PSI]] = tom_euler_from_rotations(picks.rotations).T
    if picks.scores is not None:
        rows[0, :, _SCORE] = picks.scores
    if picks.instance_ids is not None:
        rows[0, :, _OBJECT] = picks.instance_ids
    return write_em(path, rows.astype(np.float32), voxel_size_angstrom)


def read_tom_motl(
    path: str | os.PathLike[str], *, object_name: str, voxel_size_angstrom: float, first_voxel: int = 1
) -> dict[int, Picks]:
    """Read a list: picks by tomogram number.

    Raises
    ------
    InputMissingError
        If there is no such file.
    FormatError
        If it is no EM file, or not of 20 rows.
    """
    volume, _ = read_em(path)
    rows = np.squeeze(volume, axis=0).astype(np.float64) if volume.shape[0] == 1 else np.zeros((0, 0))
    if rows.shape[-1] != _N_ROWS and rows.shape[0] == _N_ROWS:
        rows = rows.T
    if rows.shape[-1] != _N_ROWS:
        raise FormatError(f"{Path(path).name}: expected 20 numbers a particle, found an array of {volume.shape}")
    if not np.all(np.isfinite(rows)):
        raise FormatError(f"{Path(path).name}: expected finite numbers, found NaN or infinity; leave those out")
    rotations = oriented(rotations_from_tom_euler(rows[:, [_PHI, _THETA, _PSI]]))
    numbers = rows[:, _TOMOGRAM].astype(np.int64)
    scored, grouped = np.any(rows[:, _SCORE]), np.any(rows[:, _OBJECT])
    return {
        number: Picks(
            object_name=object_name,
            positions_angstrom_xyz=(rows[chosen, _XYZ] + rows[chosen, _SHIFT] - first_voxel) * voxel_size_angstrom,
            rotations=None if rotations is None else rotations[chosen],
            scores=rows[chosen, _SCORE] if scored else None,
            score_kind="cross-correlation" if scored else "",
            instance_ids=rows[chosen, _OBJECT].astype(np.int64) if grouped else None,
        )
        for number in dict.fromkeys(numbers.tolist())
        for chosen in [numbers == number]
    }
