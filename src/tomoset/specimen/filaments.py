"""Filaments in the ice: worm-like chains of repeats that run through nothing."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tomoset.errors import PackingError, ParameterError
from tomoset.model import Filament, Molecules
from tomoset.specimen.amounts import copies_from_mg_per_ml
from tomoset.specimen.filament_cylinder import Cylinder, least_distance
from tomoset.specimen.packing import PackingBox
from tomoset.specimen.poses import scatterer_radius_angstrom
from tomoset.specimen.worm_like_chain import chain_nodes, transported_frames
from tomoset.structures import Structure

__all__ = ["FilamentParams", "PlacedFilaments", "place_filaments"]

TRIES_PER_FILAMENT, TRIES_PER_CHAIN, TRIES_PER_BUNDLE = 3000, 50, 20
BUNDLE_GAP_ANGSTROM = 4.0

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class FilamentParams:
    """How many filaments of a species, how long, how stiff, how much together.

    Parameters
    ----------
    species : str
        Name of the structure of one repeat.
    mg_per_ml : float, optional
        Concentration in the whole slab, ≥ 0; this or ``copies``.
    copies : int, optional
        Number of filaments, ≥ 0.
    length_angstrom : float
        Of an unbroken filament, Å, > 0.
    length_spread : float
        Standard deviation, relative to that length, of the half normal distribution of what broke off; 0 to 1.
    persistence_length_angstrom : float
        Å, > 0. A tobacco mosaic virus's is 3e5 and more.
    bundle_size : float
        Mean number that lie side by side, ≥ 1.
    compartment : str
        Where they lie.

    Raises
    ------
    ParameterError
        If neither or both amounts are given, or a number is out of range.
    """

    species: str
    mg_per_ml: float | None = None
    copies: int | None = None
    length_angstrom: float = 3000.0
    length_spread: float = 0.3
    persistence_length_angstrom: float = 3e5
    bundle_size: float = 1.0
    compartment: str = "ice"

    def __post_init__(self) -> None:
        """Refuse amounts and shapes that mean nothing."""
        if (self.mg_per_ml is None) == (self.copies is None):
            raise ParameterError(
                f"filament {self.species}: expected either mg_per_ml or copies, found "
                f"{'neither' if self.copies is None else 'both'}; keep one of them"
            )
        amount = self.mg_per_ml if self.mg_per_ml is not None else self.copies
        if amount is None or not (np.isfinite(amount) and amount >= 0):
            raise ParameterError(f"filament {self.species}: expected an amount of zero or more, found {amount}")
        for name, length in (
            ("length", self.length_angstrom),
            ("persistence length", self.persistence_length_angstrom),
        ):
            if not (np.isfinite(length) and length > 0):
                raise ParameterError(f"filament {self.species}: expected a positive {name} in Å, found {length:g}")
        if not 0 <= self.length_spread <= 1:
            raise ParameterError(
                f"filament {self.species}: expected a relative spread of lengths of 0 to 1, found "
                f"{self.length_spread:g}"
            )
        if not 1 <= self.bundle_size <= 50:
            raise ParameterError(
                f"filament {self.species}: expected 1 to 50 filaments a bundle, found {self.bundle_size:g}"
            )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PlacedFilaments:
    """Filaments of one species and the repeats along them.

    Parameters
    ----------
    filaments : tuple of Filament
        One that crosses the side of the slab goes on at the opposite side as a filament of its own.
    molecules : Molecules
        Its repeats, filament by filament from minus to plus end.
    requested_copies, placed_copies : int
        Repeats.
    """

    filaments: tuple[Filament, ...]
    molecules: Molecules
    requested_copies: int
    placed_copies: int


def place_filaments(
    box: PackingBox,
    params: FilamentParams,
    structure: Structure,
    *,
    first_filament: int,
    size_angstrom_xyz: tuple[float, float, float],
    clearance_angstrom: float,
    rng: np.random.Generator,
    other_radius_angstrom: float | None = None,
) -> PlacedFilaments:
    """Lay filaments into free space, the longest first; ``box`` then also holds them.

    Parameters
    ----------
    box : PackingBox
        What is taken already; changed. Its walls keep filaments off the surfaces.
    params : FilamentParams
        What to place.
    structure : Structure
        One repeat.
    first_filament : int
        Index in the specimen of the first filament placed here.
    size_angstrom_xyz : (3,) tuple of float
        Of the slab, for the concentration.
    clearance_angstrom : float
        Least gap between a filament's surface and that of any other molecule.
    rng : numpy.random.Generator
        Source of lengths, shapes and places.
    other_radius_angstrom : float, optional
        Radius of the ball that the largest atom or bead of the molecules to come stands for; as this structure's own
        where it is not given.

    Returns
    -------
    PlacedFilaments
        As many as found room; repeats lie evenly along each chain, their z axis along it from minus to plus end, their
        azimuth carried along without twist.

    Raises
    ------
    ParameterError
        If the structure is no repeat of a filament.
    PackingError
        If the filament is thicker than the ice.
    """
    cylinder = _cylinder(box, params, structure, clearance_angstrom, other_radius_angstrom)
    lengths = _lengths(params, structure, cylinder.step, size_angstrom_xyz, rng)
    chains: list[Floats] = []
    for members in _bundles(lengths, params.bundle_size, rng):
        chains.extend(_place_bundle(box, cylinder, members, rng))
    return _as_placed(box, params, cylinder, chains, first_filament, int(lengths.sum()), rng)


def _cylinder(
    box: PackingBox,
    params: FilamentParams,
    structure: Structure,
    clearance_angstrom: float,
    other_radius_angstrom: float | None,
) -> Cylinder:
    if structure.repeat_angstrom is None:
        raise ParameterError(
            f"filament {params.species}: expected the structure of one repeat of a filament, found {structure.name}, "
            "which stands alone; list it under components"
        )
    core = float(np.linalg.norm(structure.positions_angstrom_xyz[:, :2], axis=1).max())
    own = scatterer_radius_angstrom(structure)
    other = own if other_radius_angstrom is None else other_radius_angstrom
    if 2 * core >= box.shape_zyx[0] * box.voxel_angstrom:
        raise PackingError(
            f"filament {params.species}: expected ice thicker than the filament ({2 * core:.0f} Å), found "
            f"{box.shape_zyx[0] * box.voxel_angstrom:g} Å between the margins; thicken the ice"
        )
    # As in make_pose_bank: a voxel that is not taken keeps atoms of others, wherever in it they lie, far enough off.
    # The axis is marked in points two voxels apart, between which the marked balls leave notches.
    keep_off = core + own + clearance_angstrom + other + np.sqrt(3.0) / 2 * box.voxel_angstrom
    return Cylinder(
        step=structure.repeat_angstrom,
        core=core,
        surface=core + own,
        reach=float(np.hypot(keep_off, box.voxel_angstrom)),
        gap=max(clearance_angstrom, BUNDLE_GAP_ANGSTROM),
        voxel=box.voxel_angstrom,
        persistence=params.persistence_length_angstrom,
    )


def _lengths(
    params: FilamentParams,
    structure: Structure,
    step_angstrom: float,
    size_angstrom_xyz: tuple[float, float, float],
    rng: np.random.Generator,
) -> NDArray[np.int64]:
    """Repeats of each filament, longest first."""

    def draw(n: int) -> NDArray[np.int64]:
        left = np.maximum(1 - params.length_spread * np.abs(rng.standard_normal(n)), 0.05)
        return np.maximum(np.round(params.length_angstrom * left / step_angstrom), 1).astype(np.int64)

    if params.copies is not None:
        return np.sort(draw(params.copies))[::-1]
    volume = float(np.prod(size_angstrom_xyz))
    wanted = copies_from_mg_per_ml(params.mg_per_ml or 0.0, structure.mass_kda, volume)
    lengths: list[int] = []
    while sum(lengths) < wanted:
        lengths.append(min(int(draw(1)[0]), wanted - sum(lengths)))
    return np.sort(np.array(lengths, dtype=np.int64))[::-1]


def _bundles(lengths: NDArray[np.int64], bundle_size: float, rng: np.random.Generator) -> list[NDArray[np.int64]]:
    """Lengths of the members of each bundle, of one more than a Poisson number each."""
    bundles, start = [], 0
    while start < len(lengths):
        stop = start + 1 + (int(rng.poisson(bundle_size - 1)) if bundle_size > 1 else 0)
        bundles.append(lengths[start:stop])
        start = stop
    return bundles


def _place_bundle(
    box: PackingBox, cylinder: Cylinder, members: NDArray[np.int64], rng: np.random.Generator
) -> list[Floats]:
    """Chains (n + 1, 3) of those members that found room, beside one another where they could be."""
    first = _find_place(box, cylinder, int(members[0]), rng)
    if first is None:
        return []
    parts = [_part(first, int(length), rng) for length in members[1:]]
    together: list[Floats] = []
    for _ in range(TRIES_PER_BUNDLE if parts else 0):
        beside = _beside(box, cylinder, first, parts, rng)
        together = max(together, beside, key=len)
        if len(together) == len(parts):
            break
    placed = [first, *together]
    for chain in placed:
        cylinder.take(box, chain)
    for part in parts[len(together) :]:
        alone = _find_place(box, cylinder, len(part) - 1, rng)
        if alone is not None:
            cylinder.take(box, alone)
            placed.append(alone)
    return [chain if rng.random() < 0.5 else chain[::-1] for chain in placed]


def _beside(
    box: PackingBox, cylinder: Cylinder, first: Floats, parts: list[Floats], rng: np.random.Generator
) -> list[Floats]:
    """As many of the parts of a chain, the first ones, as fit around it on a triangular lattice turned at random."""
    steps = np.stack(np.meshgrid(np.arange(-4, 5), np.arange(-4, 5), indexing="ij"), axis=-1).reshape(-1, 2)
    lattice = (2 * cylinder.surface + cylinder.gap) * steps @ np.array([[1.0, 0.0], [0.5, np.sqrt(0.75)]])
    lattice = lattice[np.argsort(np.linalg.norm(lattice, axis=1), kind="stable")[1:]]
    along = (first[-1] - first[0]) / np.linalg.norm(first[-1] - first[0])
    across = transported_frames(along[None], float(rng.uniform(0, 360)))[0][:, :2]
    placed: list[Floats] = []
    for offset in lattice @ across.T:
        if len(placed) == len(parts):
            break
        chain = parts[len(placed)] + offset
        others = np.concatenate([cylinder.axis(other) for other in (first, *placed)])
        if cylinder.fits(box, chain) and least_distance(box, others, cylinder.axis(chain)) >= cylinder.apart:
            placed.append(chain)
    return placed


def _part(chain: Floats, n_repeats: int, rng: np.random.Generator) -> Floats:
    first = int(rng.integers(0, len(chain) - n_repeats))
    return chain[first : first + n_repeats + 1]


def _find_place(box: PackingBox, cylinder: Cylinder, n_repeats: int, rng: np.random.Generator) -> Floats | None:
    """Nodes of a chain in free space, or None where none was found."""
    nz, ny, nx = box.shape_zyx
    height = nz * box.voxel_angstrom - 2 * cylinder.core
    sides, centre = np.array([nx, ny]) * box.voxel_angstrom, np.array(box.centre_angstrom_xyz)
    for attempt in range(TRIES_PER_FILAMENT):
        if attempt % TRIES_PER_CHAIN == 0:
            free = chain_nodes(n_repeats, cylinder.step, cylinder.persistence, rng)
        nodes = _turned(free, height, rng)
        rise = float(np.ptp(nodes[:, 2]))
        # An orientation is as likely as there is room for it between the walls.
        if rise >= height or rng.random() > 1 - rise / height:
            continue
        nodes[:, :2] += centre[:2] + (rng.random(2) - 0.5) * sides - nodes[:, :2].mean(axis=0)
        middle = (nodes[:, 2].min() + nodes[:, 2].max()) / 2
        nodes[:, 2] += centre[2] + (rng.random() - 0.5) * (height - rise) - middle
        if cylinder.fits(box, nodes):
            return nodes
    return None


def _turned(free: Floats, height_angstrom: float, rng: np.random.Generator) -> Floats:
    """A chain that starts along z in a random orientation among those that can fit between walls."""
    end = free[-1]
    across = np.linalg.norm(free - np.outer(free @ end / (end @ end), end), axis=1).max()
    steepest = min(1.0, (height_angstrom + 2 * across) / np.linalg.norm(end))
    cosine, azimuth = rng.uniform(-steepest, steepest), rng.uniform(0, 2 * np.pi)
    sine = np.sqrt(1 - cosine**2)
    goal = np.array([sine * np.cos(azimuth), sine * np.sin(azimuth), cosine])
    frames = [transported_frames(d[None], a)[0] for d, a in ((end / np.linalg.norm(end), 0.0), (goal, azimuth))]
    spin = rng.uniform(0, 2 * np.pi)
    about = np.array([[np.cos(spin), -np.sin(spin), 0], [np.sin(spin), np.cos(spin), 0], [0, 0, 1]])
    return np.asarray(free @ (frames[1] @ about @ frames[0].T).T)


def _as_placed(
    box: PackingBox,
    params: FilamentParams,
    cylinder: Cylinder,
    chains: list[Floats],
    first_filament: int,
    requested_copies: int,
    rng: np.random.Generator,
) -> PlacedFilaments:
    filaments: list[Filament] = []
    positions, rotations, index = [np.empty((0, 3))], [np.empty((0, 3, 3))], [np.empty(0, dtype=np.intp)]
    periods = np.array([box.shape_zyx[2], box.shape_zyx[1]]) * box.voxel_angstrom
    for chain in chains:
        middles = (chain[:-1] + chain[1:]) / 2
        steps = np.diff(chain, axis=0) / cylinder.step
        frames = transported_frames(steps, float(rng.uniform(0, 360)))
        turns = np.round((middles[:, :2] - box.centre_angstrom_xyz[:2]) / periods)
        breaks = np.flatnonzero((np.diff(turns, axis=0) != 0).any(axis=1)) + 1
        for part in np.split(np.arange(len(middles)), breaks):
            shift = np.array([*(turns[part[0]] * periods), 0.0])
            positions.append(middles[part] - shift)
            rotations.append(frames[part])
            index.append(np.full(len(part), first_filament + len(filaments), dtype=np.intp))
            filaments.append(
                Filament(
                    species=params.species,
                    curve_angstrom_xyz=chain[part[0] : part[-1] + 2] - shift,
                    radius_angstrom=cylinder.surface,
                    compartment=params.compartment,
                )
            )
    molecules = Molecules(
        species=params.species,
        positions_angstrom_xyz=np.concatenate(positions),
        rotations=np.concatenate(rotations),
        compartment=params.compartment,
        filament_index=np.concatenate(index),
    )
    return PlacedFilaments(
        filaments=tuple(filaments),
        molecules=molecules,
        requested_copies=requested_copies,
        placed_copies=len(molecules),
    )
