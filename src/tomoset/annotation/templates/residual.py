"""What is left of a tomogram when the particles that were recognised are taken away."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from tomoset.annotation.templates.competition import Hits
from tomoset.annotation.templates.preparation import Prepared
from tomoset.annotation.templates.refine import Pose, Refiner, hits_at_poses, patch_around
from tomoset.annotation.templates.search import full_grid
from tomoset.annotation.templates.whitening import local_spectrum
from tomoset.structures import Structure

__all__ = ["add_template", "best_pose", "nearest_voxel", "resettle", "rewhitened", "subtract"]

Floats = NDArray[np.float64]

_LEAST_POWER = 0.05
_CLIMBS, _LEVELS = 6, 4


def subtract(prepared: Prepared, hits: Hits, refiner: Refiner, most: float) -> Floats:
    """Take the templates of hits out of a whitened volume, in place, each by as much as is still there.

    Parameters
    ----------
    prepared : Prepared
        Its volume is changed.
    hits : Hits
        Positions and rotations, the surest first.
    refiner : Refiner
        Of the hits' class, made from the same weights.
    most : float
        Largest amplitude, in units of the template.

    Returns
    -------
    (n,) array of float64
        Amplitudes that were taken.
    """
    white = prepared.white
    taken = np.zeros(len(hits))
    for number, (position, rotation) in enumerate(zip(hits.positions_angstrom_xyz, hits.rotations, strict=True)):
        place, offset = nearest_voxel(position, white.voxel_size_angstrom)
        z, norm = refiner.score(patch_around(white.volume_zyx, place, refiner.half), rotation, offset)
        taken[number] = np.clip(z / norm, 0.0, most)
        add_template(prepared, refiner, position, rotation, -taken[number])
    return taken


def add_template(
    prepared: Prepared, refiner: Refiner, position_angstrom_xyz: Floats, rotation: Floats, amplitude: float
) -> None:
    """Add a whitened template to the part of a whitened volume that holds data, in place."""
    white = prepared.white
    place, offset = nearest_voxel(position_angstrom_xyz, white.voxel_size_angstrom)
    image = refiner.image(rotation, offset)
    used = white.volume_zyx[: white.used_zyx[0], : white.used_zyx[1], : white.used_zyx[2]]
    first = place - refiner.half
    low, high = np.clip(first, 0, used.shape), np.clip(first + 2 * refiner.half, 0, used.shape)
    if np.all(high > low):
        inside = tuple(slice(a, b) for a, b in zip(low - first, high - first, strict=True))
        used[tuple(slice(a, b) for a, b in zip(low, high, strict=True))] += np.float32(amplitude) * image[inside]


def resettle(
    prepared: Prepared,
    hits: Hits,
    structure: Structure,
    refiner: Refiner,
    amplitudes: Floats,
    rotations: Floats | None = None,
) -> tuple[Hits, Floats]:
    """Fit subtracted particles once more, each alone in what all others have left, and take them out again.

    Parameters
    ----------
    prepared : Prepared
        Residual of all hits; changed in place.
    hits : Hits
    structure : Structure
    refiner : Refiner
        Of the hits' class, made from the same weights, with a small angular step.
    amplitudes : (n,) array of float64
        By which the hits were subtracted.
    rotations : (r, 3, 3) array of float64 or None
        Tried at every hit besides its own.

    Returns
    -------
    hits : Hits
        With new positions, rotations, correlations and norms.
    amplitudes : (n,) array of float64
    """
    white = prepared.white
    positions, poses, fitted = [], [], np.zeros(len(hits))
    for i, (position, rotation) in enumerate(zip(hits.positions_angstrom_xyz, hits.rotations, strict=True)):
        add_template(prepared, refiner, position, rotation, amplitudes[i])
        place, offset = nearest_voxel(position, white.voxel_size_angstrom)
        patch = patch_around(white.volume_zyx, place, refiner.half)
        pose = refiner.polish(patch, rotation, offset)
        if rotations is not None:
            pose = max(pose, best_pose(refiner, patch, rotations, offset), key=lambda each: each.z)
        positions.append(place[::-1] * white.voxel_size_angstrom + pose.shift_angstrom_xyz)
        poses.append(pose)
        fitted[i] = np.clip(pose.z / pose.norm, 0.0, 2.0 * amplitudes[i])
        add_template(prepared, refiner, positions[i], pose.rotation, -fitted[i])
    return hits_at_poses(positions, poses, structure, white), fitted


def best_pose(refiner: Refiner, patch_zyx: NDArray[np.float32], rotations: Floats, offset_angstrom_xyz: Floats) -> Pose:
    """Best fit over all rotations at a place that is nearly right: the likeliest few are climbed from."""
    scores = refiner.scores(patch_zyx, rotations, offset_angstrom_xyz)
    starts = np.argsort(-scores, kind="stable")[:_CLIMBS]
    poses = (refiner.polish(patch_zyx, rotations[i], offset_angstrom_xyz, levels=_LEVELS) for i in starts)
    return max(poses, key=lambda pose: pose.z)


def nearest_voxel(position_angstrom_xyz: Floats, voxel_size_angstrom: float) -> tuple[NDArray[np.intp], Floats]:
    """Index zyx of the voxel at a position, and what is left, xyz in Å."""
    place = np.rint(position_angstrom_xyz[::-1] / voxel_size_angstrom).astype(np.intp)
    return place, position_angstrom_xyz - place[::-1] * voxel_size_angstrom


def rewhitened(prepared: Prepared, workers: int) -> Prepared:
    """Return the volume with its present noise made white again, and the weights that go with it.

    Parameters
    ----------
    prepared : Prepared
        Whitened before something was taken out of it; left as it is.
    workers : int

    Returns
    -------
    Prepared
        Frequencies that lost power when large molecules were subtracted count for more than before.
    """
    from scipy import fft

    white, weight = prepared.white, prepared.weight_box_zyx
    spectrum = local_spectrum(white.volume_zyx, white.used_zyx, len(weight), workers)
    gain = np.where(weight != 0, 1 / np.sqrt(np.maximum(spectrum, _LEAST_POWER)), 0).astype(np.float32)
    shape = white.volume_zyx.shape
    z, y, x = shape
    transform = fft.rfftn(white.volume_zyx, workers=workers)
    transform *= full_grid(gain, (z, y, x))
    volume = fft.irfftn(transform, s=shape, overwrite_x=True, workers=workers).astype(np.float32, copy=False)
    volume[white.used_zyx[0] :] = 0
    volume[:, white.used_zyx[1] :] = 0
    volume[:, :, white.used_zyx[2] :] = 0
    return Prepared(replace(white, volume_zyx=volume), weight * gain)
