"""DNA in a nucleoid: one long chain that fills its space evenly and keeps off itself."""

import numpy as np
from numpy.typing import NDArray

from tomoset.errors import PackingError, ParameterError
from tomoset.model import Filament, Scatterers
from tomoset.specimen.regions import Region
from tomoset.specimen.worm_like_chain import turn_concentration

__all__ = ["DNA_DALTON_PER_BASE_PAIR", "DNA_RADIUS_ANGSTROM", "make_dna"]

RISE_ANGSTROM = 3.4
DNA_RADIUS_ANGSTROM = 10.0
DNA_DALTON_PER_BASE_PAIR = 650.0
# Against ice; structures.scattering: 4.4 to 4.5 for nucleic acid of 0.92 Å3/Da.
VOLT_ANGSTROM3_PER_DALTON = 4.45
STEP_ANGSTROM = 10.0
SPREAD_ANGSTROM = 5.0  # a rod of 10 Å radius has this standard deviation across
NEAREST_ANGSTROM = 20.0
FINEST_WALL_ANGSTROM, MOST_WALL_VOXELS = 10.0, 3_000_000
FINEST_TAKEN_ANGSTROM, MOST_TAKEN_VOXELS = 5.0, 120_000_000
CROWD_ANGSTROM = 150.0

Floats = NDArray[np.float64]


def make_dna(
    region: Region,
    *,
    base_pairs: int,
    rng: np.random.Generator,
    persistence_length_angstrom: float = 500.0,
    compartment: str = "nucleoid",
) -> tuple[Filament, Scatterers]:
    """Double-stranded DNA as one confined worm-like chain.

    Parameters
    ----------
    region : Region
        Where it lies; bounded.
    base_pairs : int
        Its length, 3.4 Å each, ≥ 6.
    rng : numpy.random.Generator
        Source of its path.
    persistence_length_angstrom : float
        Of the turns that are drawn. The chain turns more sharply where walls and itself leave no other way.
    compartment : str
        Name of the region.

    Returns
    -------
    filament : Filament
        The axis in steps of some 10 Å, radius 10 Å.
    scatterers : Scatterers
        One point a step, in all ``650 Da · base_pairs`` of 4.45 V Å³/Da.

    Raises
    ------
    ParameterError
        If there are too few base pairs, the region has no bounds, or its walls leave no room.
    PackingError
        If DNA would fill more than 60 % of the region.

    Notes
    -----
    The path is grown step by step, led by how far each turn is free and how crowded it is there; points farther along
    the chain than five steps keep 20 Å apart wherever that is possible, which in a nucleoid of 10 % DNA is all but
    everywhere. The chain is linear; neither supercoils nor its proteins are modelled.
    """
    from tomoset.specimen import _dna_kernels

    length = RISE_ANGSTROM * base_pairs
    n_steps = int(np.ceil(length / STEP_ANGSTROM))
    if n_steps < 2:
        raise ParameterError(f"DNA: expected at least 6 base pairs, found {base_pairs}")
    step = length / n_steps
    lower = np.array(region.lower_angstrom_xyz)
    walls, wall_voxel = _walls(region)
    room = float(np.count_nonzero(walls == 0)) * wall_voxel**3
    if length * np.pi * DNA_RADIUS_ANGSTROM**2 > 0.6 * room:
        raise PackingError(
            f"DNA: expected at most {0.6 * room / (np.pi * DNA_RADIUS_ANGSTROM**2 * RISE_ANGSTROM):.3g} base pairs in "
            f"{room:.3g} Å3, found {base_pairs}; enlarge the nucleoid or shorten the DNA"
        )
    extent = np.array(region.upper_angstrom_xyz) - lower
    taken_voxel = max(FINEST_TAKEN_ANGSTROM, float(np.cbrt(np.prod(extent) / MOST_TAKEN_VOXELS)))
    space = _dna_kernels.Space(
        walls=walls,
        wall_scale=1 / wall_voxel,
        taken=np.zeros(_shape_zyx(extent, taken_voxel), dtype=np.uint8),
        taken_scale=1 / taken_voxel,
        crowd=np.zeros(_shape_zyx(extent, CROWD_ANGSTROM), dtype=np.int32),
        crowd_scale=1 / CROWD_ANGSTROM,
        even_crowd=_even_crowd(walls, wall_voxel, _shape_zyx(extent, CROWD_ANGSTROM), n_steps),
    )
    walk = _dna_kernels.Walk(
        step=step,
        kappa=turn_concentration(step, persistence_length_angstrom),
        reach=NEAREST_ANGSTROM + np.sqrt(3.0) / 2 * taken_voxel,
    )
    nodes = np.empty((n_steps + 1, 3))
    nodes[0] = _start(walls, wall_voxel, rng)
    contacts = _dna_kernels.grow_chain(space, walk, nodes, rng)
    if contacts < 0:
        raise PackingError("DNA: expected room to turn between the walls, found none; widen the nucleoid")
    curve = nodes + lower
    middles = (curve[:-1] + curve[1:]) / 2
    strength = DNA_DALTON_PER_BASE_PAIR * base_pairs * VOLT_ANGSTROM3_PER_DALTON / n_steps
    filament = Filament(
        species="dna", curve_angstrom_xyz=curve, radius_angstrom=DNA_RADIUS_ANGSTROM, compartment=compartment
    )
    scatterers = Scatterers(
        name="dna",
        positions_angstrom_xyz=middles.astype(np.float32),
        strengths_volt_angstrom3=np.full(n_steps, strength, dtype=np.float32),
        spread_angstrom=SPREAD_ANGSTROM,
    )
    return filament, scatterers


def _walls(region: Region) -> tuple[NDArray[np.uint8], float]:
    """Voxels (z, y, x) from the region's lower corner that its surface enters or that lie beyond, and their edge, Å."""
    from scipy import ndimage

    lower, upper = np.array(region.lower_angstrom_xyz), np.array(region.upper_angstrom_xyz)
    if not np.isfinite([lower, upper]).all():
        raise ParameterError("DNA: expected a region with bounds, found one without; use a cell's nucleoid")
    extent = upper - lower
    voxel = max(FINEST_WALL_ANGSTROM, float(np.cbrt(np.prod(extent) / MOST_WALL_VOXELS)))
    shape = _shape_zyx(extent, voxel)
    # Corners: a voxel is inside when its eight corners and those of its neighbours are.
    y, x = np.meshgrid(np.arange(shape[1] + 1), np.arange(shape[2] + 1), indexing="ij")
    corners = np.empty((shape[0] + 1, shape[1] + 1, shape[2] + 1), dtype=np.bool_)
    for z in range(shape[0] + 1):
        index = np.stack([x.ravel(), y.ravel(), np.full(x.size, z)], axis=-1)
        corners[z] = region.contains(index * voxel + lower).reshape(x.shape)
    cube = np.ones((2, 2, 2), dtype=np.bool_)
    inside = ndimage.binary_erosion(corners, cube, origin=-1, border_value=0)[:-1, :-1, :-1]
    pad = int(np.ceil(DNA_RADIUS_ANGSTROM / voxel))
    inside = ndimage.binary_erosion(inside, np.ones((3, 3, 3), dtype=np.bool_), iterations=pad, border_value=0)
    if not inside.any():
        raise ParameterError("DNA: expected a region wider than a few double helices, found no room between its walls")
    return (~inside).astype(np.uint8), voxel


def _even_crowd(
    walls: NDArray[np.uint8], voxel: float, shape_zyx: tuple[int, int, int], n_points: int
) -> NDArray[np.float64]:
    """Points in each cell of the coarse grid if they were spread evenly between the walls."""
    inside = np.argwhere(walls == 0)
    cells = np.minimum(((inside + 0.5) * voxel / CROWD_ANGSTROM).astype(np.intp), np.array(shape_zyx) - 1)
    counts = np.bincount(np.ravel_multi_index(tuple(cells.T), shape_zyx), minlength=int(np.prod(shape_zyx)))
    return np.asarray(counts.reshape(shape_zyx) * (n_points / len(inside)))


def _shape_zyx(extent_xyz: Floats, voxel: float) -> tuple[int, int, int]:
    x, y, z = (int(np.ceil(size / voxel)) for size in extent_xyz)
    return z, y, x


def _start(walls: NDArray[np.uint8], voxel: float, rng: np.random.Generator) -> Floats:
    """Middle of a random voxel inside, xyz from the lower corner, Å."""
    from scipy import ndimage

    deep = ndimage.distance_transform_edt(walls == 0)
    inside = np.argwhere(deep >= deep.max() / 2)
    return (inside[rng.integers(len(inside))][::-1] + 0.5) * voxel
