"""A molecule's points become a map of potential in volts."""

import numpy as np

from tomoset.errors import ParameterError, PixelSizeError
from tomoset.structures.structure import PotentialMap, Structure

__all__ = ["potential_map"]

MARGIN_VOXELS = 2
MASS_RADIUS3_ANGSTROM3_PER_KDA = 1230 * 3 / (4 * np.pi)  # a ball of protein, for a structure of very few points
# A Gaussian whose Fourier transform falls to 1/e at spatial frequency 1/d has the standard deviation d / (pi sqrt 2).
SPREAD_PER_RESOLUTION = 1.0 / (np.pi * np.sqrt(2.0))


def potential_map(
    structure: Structure, voxel_size_angstrom: float, *, resolution_angstrom: float | None = None
) -> PotentialMap:
    """Potential of a molecule relative to vitreous ice, averaged over cubic voxels.

    Parameters
    ----------
    structure : Structure
        The molecule in its own frame.
    voxel_size_angstrom : float
        Edge of a voxel, Å; 0.5 to 100.
    resolution_angstrom : float, optional
        Low-pass: every point is widened by the Gaussian whose Fourier transform is 1/e at this spatial resolution.
        Nothing rings and nothing wraps around, because the filter acts on the points and not on the grid.

    Returns
    -------
    PotentialMap
        The molecule's origin lies at index N // 2; N is even and at least two voxels on every side are empty.
        ``volume.sum() * voxel**3`` equals the sum of the structure's strengths.

    Raises
    ------
    PixelSizeError
        If the voxel size is not between 0.5 and 100 Å, or a voxel is larger than the molecule.
    ParameterError
        If the resolution is not positive.

    Notes
    -----
    Each Gaussian is integrated analytically over the voxel (error function), as Himes & Grigorieff (2021, IUCrJ
    8:943, eq. 12) do for atoms. A map of a voxel size coarser than half the detail in it is aliased; ask for a
    ``resolution_angstrom`` of at least twice the voxel size where that matters.
    """
    if not 0.5 <= voxel_size_angstrom <= 100.0:
        raise PixelSizeError(
            f"potential of {structure.name}: expected a voxel size between 0.5 and 100 Å, got {voxel_size_angstrom:g} Å"
        )
    across = max(2 * structure.radius_angstrom, 2 * np.cbrt(MASS_RADIUS3_ANGSTROM3_PER_KDA * structure.mass_kda))
    if voxel_size_angstrom > across:
        raise PixelSizeError(
            f"potential of {structure.name}: expected a voxel smaller than the molecule ({across:.3g} Å), got "
            f"{voxel_size_angstrom:g} Å; use a finer pixel, or leave so small a molecule out"
        )
    if resolution_angstrom is not None and not resolution_angstrom > 0:
        raise ParameterError(
            f"potential of {structure.name}: expected a positive resolution in Å or none, got {resolution_angstrom:g}"
        )
    from tomoset.structures import _kernels

    widening = 0.0 if resolution_angstrom is None else resolution_angstrom * SPREAD_PER_RESOLUTION
    sigmas = np.sqrt(np.square(structure.spreads_angstrom) + widening**2) / voxel_size_angstrom
    sigmas = np.maximum(sigmas, 1e-3)  # a point without width still belongs to a voxel
    centres_zyx = structure.positions_angstrom_xyz[:, ::-1] / voxel_size_angstrom
    windows = np.ceil(_kernels.SIGMAS_KEPT * sigmas)[:, None]
    half = int(np.ceil(np.abs(centres_zyx) + windows).max()) + 1 + MARGIN_VOXELS
    volume_zyx = np.zeros((2 * half,) * 3)
    strengths = structure.strengths_volt_angstrom3 / voxel_size_angstrom**3
    _kernels.deposit_gaussians(volume_zyx, np.ascontiguousarray(centres_zyx + half), strengths, sigmas)
    return PotentialMap(volume_zyx=volume_zyx.astype(np.float32), voxel_size_angstrom=float(voxel_size_angstrom))
