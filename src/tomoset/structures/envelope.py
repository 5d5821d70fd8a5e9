"""The solid shape of a molecule: where its smoothed potential exceeds the level that encloses its volume."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tomoset.errors import PixelSizeError
from tomoset.structures.potential import potential_map
from tomoset.structures.scattering import PROTEIN_ANGSTROM3_PER_DALTON
from tomoset.structures.structure import Structure

__all__ = ["Envelope", "make_envelope"]

SMOOTHING_RESOLUTION_ANGSTROM = 10.0  # a Gaussian of 2.25 Å: closes the gaps between atoms, not a cage's cavity
FINEST_VOXEL_ANGSTROM, LARGEST_RADIUS_VOXELS = 1.5, 80.0
LEAST_SHARE_IN_FILAMENT = 0.4  # under a half, so that no gap is left between one repeat and the next
FEWEST_RADIUS_VOXELS, VOXELS_A_VOXEL = 8.0, 2.5


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Envelope:
    """A molecule's shape on a grid of its own, ready to be turned and sampled.

    Parameters
    ----------
    level_zyx : (n, n, n) array of float32
        1 at the surface, more inside; the molecule's centre at index N // 2.
    voxel_size_angstrom : float
    reach_angstrom : float
        Largest distance of the surface from the centre.
    densest_angstrom_xyz : (3,) array of float64
        A point inside.
    """

    level_zyx: NDArray[np.float32]
    voxel_size_angstrom: float
    reach_angstrom: float
    densest_angstrom_xyz: NDArray[np.float64]


def make_envelope(structure: Structure, voxel_size_angstrom: float) -> Envelope:
    """Envelope of a molecule's volume, 1.23 Å3 per dalton, fine enough to be sampled at a voxel size.

    Parameters
    ----------
    structure : Structure
        Atoms, beads or points of a map.
    voxel_size_angstrom : float
        Of the labels, Å.

    Raises
    ------
    PixelSizeError
        If the voxel size is not positive and finite.
    """
    if not (np.isfinite(voxel_size_angstrom) and voxel_size_angstrom > 0):
        raise PixelSizeError(f"labels: expected a positive voxel size, got {voxel_size_angstrom:g} Å")
    radius = structure.radius_angstrom
    fine = min(voxel_size_angstrom / VOXELS_A_VOXEL, radius / FEWEST_RADIUS_VOXELS)
    fine = max(FINEST_VOXEL_ANGSTROM, fine, radius / LARGEST_RADIUS_VOXELS)
    density_zyx = potential_map(structure, fine, resolution_angstrom=SMOOTHING_RESOLUTION_ANGSTROM).volume_zyx
    if structure.repeat_angstrom is None:
        level_zyx = density_zyx / np.float32(_level(density_zyx, structure.mass_kda, fine))
    else:
        level_zyx = _level_in_filament(density_zyx, structure.mass_kda, structure.repeat_angstrom, fine)
    half = len(density_zyx) // 2
    reach = float(np.linalg.norm(np.argwhere(level_zyx >= 1) - half, axis=1).max()) + 1.0
    kept = slice(max(0, half - int(np.ceil(reach)) - 1), half + int(np.ceil(reach)) + 1)
    densest = np.array(np.unravel_index(density_zyx.argmax(), density_zyx.shape), dtype=np.float64)
    return Envelope(
        level_zyx=np.ascontiguousarray(level_zyx[kept, kept, kept], dtype=np.float32),
        voxel_size_angstrom=fine,
        reach_angstrom=reach * fine,
        densest_angstrom_xyz=(densest - half)[::-1] * fine,
    )


def _level(density_zyx: NDArray[np.float32], mass_kda: float, voxel: float) -> float:
    """Density that encloses the volume of the mass."""
    wanted = round(mass_kda * 1e3 * PROTEIN_ANGSTROM3_PER_DALTON / voxel**3)
    wanted = min(max(wanted, 1), int(np.count_nonzero(density_zyx > 0)))
    return float(np.partition(density_zyx.ravel(), -wanted)[-wanted])


def _level_in_filament(
    density_zyx: NDArray[np.float32], mass_kda: float, repeat_angstrom: float, voxel: float
) -> NDArray[np.float32]:
    """Level of one repeat among its neighbours: alone its ends are too thin, and the filament would fall apart."""
    from scipy import ndimage

    shift = repeat_angstrom / voxel
    along_z = [ndimage.shift(density_zyx, (sign * shift, 0, 0), order=1) for sign in (-1, 1)]
    together = density_zyx + along_z[0] + along_z[1]
    half, planes = len(density_zyx) // 2, max(1, round(shift))
    first = max(0, half - planes // 2)
    window = together[first : first + planes]  # any stretch of one repeat's length holds one repeat's volume
    level = _level(window, mass_kda * planes / shift, voxel)
    own = density_zyx / np.maximum(together, np.float32(1e-6 * level))
    return np.asarray(np.minimum(together / np.float32(level), own / np.float32(LEAST_SHARE_IN_FILAMENT)))
