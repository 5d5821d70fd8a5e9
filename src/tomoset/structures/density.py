"""Density maps (MRC, EM) become structures: Gaussian points in volts relative to ice."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from tomoset.errors import FormatError, ParameterError, PixelSizeError
from tomoset.formats.em import read_em
from tomoset.formats.mrc import open_mrc
from tomoset.geometry import point_group
from tomoset.structures.scattering import PROTEIN_ANGSTROM3_PER_DALTON, PROTEIN_VOLT_ANGSTROM3_PER_DALTON
from tomoset.structures.structure import Structure
from tomoset.structures.symmetry_axes import align_to_point_group

__all__ = ["DENSITY_SUFFIXES", "read_density"]

DENSITY_SUFFIXES = (".mrc", ".map", ".ccp4", ".em")
MOST_POINTS = 20_000
SPREAD_VOXELS = 0.6  # of a point on a lattice of one voxel: the sum over the lattice ripples by less than 0.1 %
FEWEST_VOXELS = 8
LEAST_COMPONENT = 0.01  # of the largest one: a smaller island above the threshold is noise
MOST_OF_BORDER = 0.5
LEAST_VOLUME_RATIO, MOST_VOLUME_RATIO = 0.4, 4.0  # a blurred map at a low threshold is twice as large as the molecule

Floats = NDArray[np.float64]


def read_density(
    path: str | Path,
    *,
    threshold: float | None = None,
    mass_kda: float | None = None,
    name: str | None = None,
    symmetry: str = "C1",
    contrast: Literal["light", "dark"] = "light",
    voxel_size_angstrom: float | None = None,
) -> Structure:
    """Molecule of a density map, as Gaussian points whose potential adds up to that of its mass in protein.

    Every voxel above the threshold becomes a point, its strength in proportion to the density above the solvent's
    (the median below the threshold); of more than 20 000 of them, blocks of voxels are joined to some 20 000.

    Parameters
    ----------
    path : str or Path
        MRC (``.mrc .map .ccp4``) or EM (``.em``), also gzipped.
    threshold : float, optional
        Density at the molecule's surface, in the map's units (after turning the sign of a dark map). By default the
        one that encloses the mass at 1.23 Å3/Da.
    mass_kda : float, optional
        Mass of the molecule. By default that of the volume above the threshold at 1.23 Å3/Da.
    name : str, optional
        Name of the structure; by default the file's.
    symmetry : str
        Point group; its axes are found and turned to the setting of ``geometry.point_groups``.
    contrast : {"light", "dark"}
        Whether the molecule is denser or less dense than the solvent in the map.
    voxel_size_angstrom : float, optional
        Of a map whose header does not say, or says it wrongly.

    Returns
    -------
    Structure
        Centred on the centre of mass.

    Raises
    ------
    InputMissingError, FormatError
        If there is no such map, or it cannot be read or holds values that are not numbers.
    PixelSizeError
        If the map has no voxel size, voxels that are not cubic, or voxels as large as the molecule.
    ParameterError
        If neither threshold nor mass is given, they do not fit one another, nothing lies above the threshold, the
        threshold lies within the solvent, the contrast is the other way round, or the molecule does not have the
        symmetry.
    """
    path = Path(path)
    point_group(symmetry)
    density_zyx, voxel = _read(path, voxel_size_angstrom)
    solid = _solid(
        density_zyx if contrast == "light" else -density_zyx, voxel, threshold, mass_kda, path.name, contrast
    )
    volume_angstrom3 = len(solid.excess) * voxel**3
    by_volume = volume_angstrom3 / PROTEIN_ANGSTROM3_PER_DALTON / 1e3
    mass = by_volume if mass_kda is None else mass_kda
    if not LEAST_VOLUME_RATIO <= by_volume / mass <= MOST_VOLUME_RATIO:
        raise ParameterError(
            f"{path.name}: expected the volume above the threshold to fit {mass:g} kDa, found that of {by_volume:.4g} "
            f"kDa ({volume_angstrom3 / 1e3:.4g} nm3); check the mass (kDa), the threshold and the voxel size "
            f"({voxel:.4g} Å)"
        )
    positions, shares, block = _points(solid)
    structure = Structure(
        name=name or path.name.split(".")[0].lower().replace("_", "-"),
        symmetry="C1",
        mass_kda=mass,
        positions_angstrom_xyz=(positions - shares @ positions) * voxel,
        strengths_volt_angstrom3=shares * mass * 1e3 * PROTEIN_VOLT_ANGSTROM3_PER_DALTON,
        spreads_angstrom=np.full(len(shares), SPREAD_VOXELS * block * voxel),
        source=(
            f"density of {path.name} at {voxel:.4g} Å a voxel above {solid.threshold:.4g} "
            f"({volume_angstrom3 / 1e3:.0f} nm3), {mass:.0f} kDa {'by volume' if mass_kda is None else 'as given'}, "
            f"scaled to protein in ice{solid.remark}"
        ),
    )
    return structure if symmetry.upper() == "C1" else align_to_point_group(structure, symmetry)


def _read(path: Path, voxel_size_angstrom: float | None) -> tuple[NDArray[np.float32], float]:
    if path.name.lower().removesuffix(".gz").endswith(".em"):
        values, found = read_em(path)
        sizes = (found,) * 3
    else:
        header = open_mrc(path)
        values, sizes = header.read(), header.voxel_size_angstrom_xyz
    if voxel_size_angstrom is not None:
        sizes = (voxel_size_angstrom,) * 3
    if values.ndim != 3 or min(values.shape) < 2:
        raise FormatError(f"expected a volume in {path.name}, found an image of {values.shape}")
    if not all(np.isfinite(size) and size > 0 for size in sizes):
        raise PixelSizeError(
            f"expected a voxel size in the header of {path.name}, found {sizes[0]:g} Å; write it there (for example "
            "with IMOD's alterheader -pixel) or give voxel_size_angstrom"
        )
    if np.ptp(sizes) > 1e-3 * sizes[0]:
        raise PixelSizeError(
            f"expected cubic voxels in {path.name}, found {sizes[0]:.4g} x {sizes[1]:.4g} x {sizes[2]:.4g} Å; "
            "resample the map"
        )
    density_zyx = np.asarray(values, dtype=np.float32)
    if not np.isfinite(density_zyx).all():
        raise FormatError(f"expected numbers in {path.name}, found values that are not finite; mend the map")
    return density_zyx, float(sizes[0])


@dataclass(frozen=True, slots=True, eq=False)
class _Solid:
    """What of a map is the molecule: voxels (n, 3), their density above the solvent's (n,), and how it was found."""

    indices_zyx: NDArray[np.intp]
    excess: Floats
    threshold: float
    remark: str


def _solid(
    density_zyx: NDArray[np.float32],
    voxel: float,
    threshold: float | None,
    mass_kda: float | None,
    file: str,
    contrast: str,
) -> _Solid:
    """Density above the solvent's, and where it belongs to the molecule."""
    if threshold is None:
        threshold = _threshold_of_mass(density_zyx, voxel, mass_kda, file)
    inside = density_zyx > threshold
    solvent = float(np.median(density_zyx[~inside])) if not inside.all() else threshold
    other = density_zyx < solvent - (threshold - solvent)
    wrong_way = np.count_nonzero(other) > np.count_nonzero(inside)
    if wrong_way:
        flipped = "dark" if contrast == "light" else "light"
        raise ParameterError(
            f"{file}: expected the molecule above the solvent ({solvent:.4g}) by at least {threshold - solvent:.4g}, "
            f"found {np.count_nonzero(inside)} voxels there and {np.count_nonzero(other)} as far below it: the "
            f"contrast is inverted; turn the map's sign, or give contrast={flipped!r} and turn the threshold's sign"
        )
    if not inside.any():
        raise ParameterError(
            f"{file}: expected voxels above the threshold {threshold:.4g}, found none (densities reach from "
            f"{density_zyx.min():.4g} to {density_zyx.max():.4g}); lower the threshold"
        )
    if _share_of_border(inside) > MOST_OF_BORDER:
        raise ParameterError(
            f"{file}: expected the molecule to end within the map, found most of its border above the threshold "
            f"{threshold:.4g}: it lies within the solvent; raise it"
        )
    inside, remark = _without_islands(inside)
    indices = np.argwhere(inside)
    if len(indices) < FEWEST_VOXELS or np.ptp(indices, axis=0).min() < 1:
        raise PixelSizeError(
            f"{file}: expected a molecule of several voxels each way, found {len(indices)} voxels of {voxel:.4g} Å "
            "above the threshold; the voxel is as large as the molecule: use a finer map or check the voxel size"
        )
    return _Solid(indices, density_zyx[inside].astype(np.float64) - solvent, threshold, remark)


def _threshold_of_mass(density_zyx: NDArray[np.float32], voxel: float, mass_kda: float | None, file: str) -> float:
    if mass_kda is None:
        raise ParameterError(f"{file}: expected a threshold or a mass in kDa to tell the molecule from the solvent")
    wanted = round(mass_kda * 1e3 * PROTEIN_ANGSTROM3_PER_DALTON / voxel**3)
    if not 0 < wanted < density_zyx.size:
        raise ParameterError(
            f"{file}: expected a map that holds {mass_kda:g} kDa, but they take {wanted} voxels of {voxel:.4g} Å and "
            f"it has {density_zyx.size}; check the mass (kDa) and the voxel size"
        )
    return float(np.partition(density_zyx.ravel(), -wanted - 1)[-wanted - 1])


def _share_of_border(inside: NDArray[np.bool_]) -> float:
    faces = [np.take(inside, end, axis=axis).mean() for axis in range(3) for end in (0, -1)]
    return float(np.mean(faces))


def _without_islands(inside: NDArray[np.bool_]) -> tuple[NDArray[np.bool_], str]:
    """The molecule without specks of noise, which would make it as large as the box, and a remark about them."""
    from scipy import ndimage

    labels, n = ndimage.label(inside, structure=np.ones((3, 3, 3)))
    sizes = np.bincount(labels.ravel())
    sizes[0] = 0
    kept = sizes >= LEAST_COMPONENT * sizes.max()
    n_left_out = int(n - np.count_nonzero(kept))
    if n_left_out == 0:
        return inside, ""
    lost = 1 - sizes[kept].sum() / sizes.sum()
    return kept[labels], f"; {n_left_out} islands of together {100 * lost:.1f} % left out"


def _points(solid: _Solid) -> tuple[Floats, Floats, int]:
    """Centres (n, 3) xyz in voxels, shares (n,) of the whole and the edge in voxels of the blocks they stand for."""
    block = int(np.ceil(np.cbrt(len(solid.excess) / MOST_POINTS)))
    shares = solid.excess / solid.excess.sum()
    _, member = np.unique(solid.indices_zyx // block, axis=0, return_inverse=True)
    member = member.ravel()
    total: Floats = np.bincount(member, shares).astype(np.float64)
    centres = [np.bincount(member, shares * solid.indices_zyx[:, axis]) / total for axis in (2, 1, 0)]
    return np.stack(centres, axis=-1), total, block
