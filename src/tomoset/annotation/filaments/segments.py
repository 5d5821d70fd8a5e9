"""Filaments as picks along them and as a mask of individuals."""

import numpy as np
from numpy.typing import NDArray

from tomoset.annotation.filaments.centre_line import along_curve, tangents
from tomoset.geometry import Grid
from tomoset.model import FilamentTrace, PickFlag, Picks

__all__ = ["FINE_ANGSTROM", "instance_mask", "segments_along", "transported_rotations"]

Floats = NDArray[np.float64]

FINE_ANGSTROM = 5.0


def transported_rotations(tangent_xyz: Floats) -> Floats:
    """Rotations (n, 3, 3) whose z axis follows tangents (n, 3) and that turn as little as possible about it."""
    frames = np.empty((len(tangent_xyz), 3, 3))
    x = np.cross(tangent_xyz[0], np.eye(3)[np.argmin(np.abs(tangent_xyz[0]))])
    for i, z in enumerate(tangent_xyz):
        x = x - (x @ z) * z
        x /= np.linalg.norm(x)
        frames[i] = np.stack([x, np.cross(z, x), z], axis=1)
    return frames


def segments_along(trace: FilamentTrace, spacing_angstrom: float, grid: Grid) -> Picks:
    """Picks at even steps along one filament.

    Parameters
    ----------
    trace : FilamentTrace
    spacing_angstrom : float
    grid : Grid
        Of the tomogram.

    Returns
    -------
    Picks
        The first lies half a step from the first end. The z axis of each rotation follows the filament, from minus to
        plus end where the polarity is known; the angle about it is not determined, only carried along. ``INFERRED``
        where the nearest point of the trace is.
    """
    fine = along_curve(trace.points_angstrom_xyz, FINE_ANGSTROM)
    if trace.polarity < 0:
        fine = fine[::-1]
    s = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(fine, axis=0), axis=1))])
    at = np.arange(spacing_angstrom / 2, s[-1], spacing_angstrom) if s[-1] > spacing_angstrom else s[-1:] / 2
    positions = np.stack([np.interp(at, s, fine[:, k]) for k in range(3)], axis=1)
    index = np.minimum(np.searchsorted(s, at), len(s) - 1)
    rotations = transported_rotations(tangents(fine)[index])
    nearest = np.linalg.norm(positions[:, None] - trace.points_angstrom_xyz, axis=2).argmin(axis=1)
    flags = np.zeros(len(at), dtype=np.uint32)
    if trace.inferred is not None:
        flags[trace.inferred[nearest]] |= int(PickFlag.INFERRED)
    edge = np.zeros(len(at), dtype=bool)
    for axis in np.concatenate([np.eye(3), -np.eye(3)]) * trace.radius_angstrom:
        edge |= ~grid.contains(positions + axis)
    flags[edge] |= int(PickFlag.EDGE)
    return Picks(
        object_name=trace.object_name,
        positions_angstrom_xyz=positions,
        rotations=rotations,
        scores=None if trace.scores is None else trace.scores[nearest],
        score_kind="" if trace.scores is None else "amplitude over its standard error",
        instance_ids=np.full(len(at), trace.instance_id),
        flags=flags,
    )


def instance_mask(traces: tuple[FilamentTrace, ...], grid: Grid) -> NDArray[np.uint32]:
    """Number of the filament (0 for none) at every voxel: tubes of their radii, the earlier filament on top."""
    out = np.zeros(grid.shape_zyx, dtype=np.uint32)
    voxel = grid.voxel_size_angstrom
    shape = np.array(grid.shape_zyx)
    for trace in reversed(traces):
        n = int(np.ceil(trace.radius_angstrom / voxel))
        ball = np.stack(np.meshgrid(*([np.arange(-n, n + 1)] * 3), indexing="ij"), axis=-1).reshape(-1, 3)
        for point in along_curve(trace.points_angstrom_xyz, voxel)[:, ::-1] / voxel:
            near = np.rint(point).astype(np.intp) + ball
            held = (np.linalg.norm(near - point, axis=1) * voxel <= trace.radius_angstrom) & np.all(
                (near >= 0) & (near < shape), axis=1
            )
            out[tuple(near[held].T)] = trace.instance_id
    return out
