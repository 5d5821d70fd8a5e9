"""Whether a tomogram and its templates have the same hand and the same contrast."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from tomoset.annotation.templates.competition import Hits
from tomoset.annotation.templates.preparation import Prepared
from tomoset.annotation.templates.refine import patch_around, refiner_of
from tomoset.annotation.templates.residual import best_pose, nearest_voxel
from tomoset.geometry import point_group, sample_rotations
from tomoset.structures import Structure

__all__ = ["HITS_JUDGED", "contrast_is_inverted", "hand_log_likelihood", "mirrored"]

Floats = NDArray[np.float64]

HITS_JUDGED = 4
_MOST_ROTATIONS = 2500
_RIM_ANGSTROM = 10.0
_TOP = 20
_CLEARLY_BETTER = 1.25


def mirrored(structure: Structure) -> Structure:
    """The same molecule of the other hand: its image in the plane of its x and y."""
    return replace(
        structure,
        name=f"{structure.name}-mirrored",
        positions_angstrom_xyz=structure.positions_angstrom_xyz * np.array([1.0, 1.0, -1.0]),
        source=f"the mirror image of: {structure.source}",
    )


def hand_log_likelihood(
    prepared: Prepared, hits: Hits, amplitudes: Floats, structure: Structure, symmetry: str
) -> float:
    """How much likelier the surest particles have the template's hand than the other, summed over four of them.

    Parameters
    ----------
    prepared : Prepared
        Residual of everything that was recognised.
    hits : Hits
        Of one class.
    amplitudes : (n,) array of float64
        By which they were subtracted.
    structure : Structure
    symmetry : str
        Point group; a mirror image has the same.

    Returns
    -------
    float
        Difference of half the squared correlations, each in units of the noise and at its best rotation: the
        log-likelihood ratio for particles of unknown amplitude. About 0 where the detail does not tell.
    """
    if not len(hits):
        return 0.0
    group = point_group(symmetry)
    step = _step_deg(structure.radius_angstrom, group.order)
    own, other = refiner_of(structure, prepared, 8.0), refiner_of(mirrored(structure), prepared, step)
    rotations = sample_rotations(step, group)
    total = 0.0
    for i in np.argsort(-hits.z, kind="stable")[:HITS_JUDGED]:
        place, offset = nearest_voxel(hits.positions_angstrom_xyz[i], prepared.white.voxel_size_angstrom)
        patch = patch_around(prepared.white.volume_zyx, place, own.half)
        patch += np.float32(amplitudes[i]) * own.image(hits.rotations[i], offset)
        right = own.polish(patch, hits.rotations[i], offset)
        wrong = best_pose(other, patch, rotations, offset)
        total += (right.z**2 - wrong.z**2) / 2
    return float(total)


def _step_deg(radius_angstrom: float, order: int) -> float:
    """Half a step moves the rim by 10 Å, unless that takes more rotations than are worth it."""
    affordable = np.cbrt(8 * np.pi**2 / (_MOST_ROTATIONS * order))
    return float(np.rad2deg(max(2 * _RIM_ANGSTROM / radius_angstrom, affordable)))


def contrast_is_inverted(upright_z: Sequence[Floats], inverted_z: Sequence[Floats]) -> bool:
    """Whether templates of inverted contrast fit clearly better than the templates.

    Parameters
    ----------
    upright_z, inverted_z : sequences, one per class, of (n,) arrays of float64
        Correlations of the candidates of both contrasts. Real particles' fringes fit inverted templates, never as well
        as the particles themselves fit theirs.
    """
    best = [
        max((float(np.sort(z)[::-1][:_TOP].mean()) for z in side if len(z) >= _TOP), default=0.0)
        for side in (upright_z, inverted_z)
    ]
    return best[1] > _CLEARLY_BETTER * max(best[0], 5.0)
