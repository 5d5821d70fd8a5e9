"""Random sequential insertion: copies of one molecule, each in a pose of its own, where nothing else is."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tomoset.errors import ParameterError
from tomoset.geometry import random_rotations
from tomoset.model import IceLayer
from tomoset.specimen.packing import PackingBox
from tomoset.specimen.poses import PoseBatch, Solid, rotations_about_normal

__all__ = ["Copies", "adsorb", "cluster", "insert", "reach_voxels"]

MOST_PROPOSALS_A_BATCH = 1 << 16
FAILURES_BEFORE_GIVING_UP = 3_000_000
FAILURES_BEFORE_OTHER_POSES = 1 << 17
MOST_POSES, MOST_POINTS = 256, 500_000
ATTEMPTS_TO_TOUCH = 30

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Copies:
    """Placed copies: positions (n, 3), xyz, Å, specimen frame, and rotations (n, 3, 3), particle -> specimen."""

    positions_angstrom_xyz: Floats
    rotations: Floats

    def __len__(self) -> int:
        """Number of copies."""
        return len(self.rotations)

    @staticmethod
    def none() -> "Copies":
        """No copies."""
        return Copies(np.empty((0, 3)), np.empty((0, 3, 3)))

    @staticmethod
    def joined(parts: list["Copies"]) -> "Copies":
        """All copies of some sets, in order."""
        return Copies(
            np.concatenate([np.empty((0, 3)), *(part.positions_angstrom_xyz for part in parts)]),
            np.concatenate([np.empty((0, 3, 3)), *(part.rotations for part in parts)]),
        )


def reach_voxels(keep_off_angstrom: float, voxel_angstrom: float) -> float:
    """Distance from a point within which voxels are taken, so that other points stay ``keep_off`` from it.

    Another molecule's point is never more than ``voxel · √3 / 2`` from the centre of its own voxel.
    """
    return keep_off_angstrom / voxel_angstrom + np.sqrt(3.0) / 2


def insert(box: PackingBox, solid: Solid, copies: int, *, keep_off_angstrom: float, rng: np.random.Generator) -> Copies:
    """Place copies at random in uniformly random orientations; ``box`` then also holds them.

    Parameters
    ----------
    box : PackingBox
        What is taken already; changed.
    solid : Solid
        The molecule.
    copies : int
        How many to place.
    keep_off_angstrom : float
        Least distance of its points from any other molecule's.
    rng : numpy.random.Generator
        Source of poses and proposals.

    Returns
    -------
    Copies
        As many as found room before 3 million proposals in a row failed.
    """
    shape = box.shape_zyx

    def rotations(n: int) -> Floats:
        return random_rotations(n, rng)

    def voxels_zyx(n: int) -> Integers:
        return rng.integers(0, shape, size=(n, 3))

    return _inserted(box, solid, copies, keep_off_angstrom, rotations, voxels_zyx, rng)


def adsorb(
    box: PackingBox,
    solid: Solid,
    copies: int,
    *,
    side: int,
    surface_angstrom: float,
    margin_angstrom: float,
    ice: IceLayer | None,
    orientation: tuple[float, tuple[float, float, float]],
    keep_off_angstrom: float,
    rng: np.random.Generator,
) -> Copies:
    """Place copies whose centres lie within one radius of a surface of the ice.

    Parameters
    ----------
    box, solid, copies, keep_off_angstrom, rng
        As for :func:`insert`.
    side : int
        +1 for the upper surface, −1 for the lower one.
    surface_angstrom : float
        Height of that surface where ``ice`` is None, Å.
    margin_angstrom : float
        Layer under the surface that is kept empty; the radius counts from there.
    ice : IceLayer or None
        Its surfaces, where they are not plane.
    orientation : (float, (3,) tuple of float)
        Concentration of the molecule's axis about the outward normal, and that axis.
    """
    nz, ny, nx = box.shape_zyx
    depth = (solid.radius_angstrom + solid.ball_radius_angstrom) / box.voxel_angstrom + 1

    def rotations(n: int) -> Floats:
        return rotations_about_normal(n, *orientation, side, rng)

    def voxels_zyx(n: int) -> Integers:
        yx = rng.integers(0, (ny, nx), size=(n, 2))
        height = _surface(box, yx, side, surface_angstrom, ice) - side * margin_angstrom
        at = np.zeros((n, 3))
        at[:, 2] = height
        z = np.rint(box.voxels_zyx(at)[:, 0] - side * depth * rng.random(n)).astype(np.int64)
        return np.column_stack([np.clip(z, 0, nz - 1), yx])

    return _inserted(box, solid, copies, keep_off_angstrom, rotations, voxels_zyx, rng)


def _surface(box: PackingBox, yx: Integers, side: int, plane_angstrom: float, ice: IceLayer | None) -> Floats:
    if ice is None:
        return np.full(len(yx), plane_angstrom)
    from tomoset.specimen.ice import surfaces_at

    voxels = np.column_stack([np.zeros(len(yx)), yx])
    bottom, top = surfaces_at(ice, box.positions_angstrom_xyz(voxels)[:, :2])
    return top if side > 0 else bottom


def _inserted(
    box: PackingBox,
    solid: Solid,
    copies: int,
    keep_off_angstrom: float,
    draw_rotations: Callable[[int], Floats],
    draw_voxels_zyx: Callable[[int], Integers],
    rng: np.random.Generator,
) -> Copies:
    """Draw poses, each used once, and try them at drawn voxels until all copies are placed or nothing fits."""
    parts: list[Copies] = []
    placed, failures = 0, 0
    while placed < copies and failures < FAILURES_BEFORE_GIVING_UP:
        n_poses = min(MOST_POSES, max(1, MOST_POINTS // len(solid.points_angstrom_xyz)), max(8, copies - placed))
        batch = PoseBatch(solid, draw_rotations(n_poses), box.voxel_angstrom, rng)
        part, failed = _use_up(box, batch, copies - placed, keep_off_angstrom, draw_voxels_zyx, rng)
        failures = failed if len(part) else failures + failed
        placed += len(part)
        parts.append(part)
    return Copies.joined(parts)


def _use_up(
    box: PackingBox,
    batch: PoseBatch,
    copies: int,
    keep_off_angstrom: float,
    draw_voxels_zyx: Callable[[int], Integers],
    rng: np.random.Generator,
) -> tuple[Copies, int]:
    """Place the poses of a batch until they are used or fail too often; with the failures since the last success."""
    from tomoset.specimen import _kernels

    unused = batch.fitting(box.shape_zyx[0])
    chosen: list[Integers] = []
    # Poses that are higher than the ice fail as often as they would if they were tried.
    failures = len(batch.rotations) * 16 if len(unused) == 0 else 0
    n_draws = 4 * len(unused)
    reach = reach_voxels(keep_off_angstrom, box.voxel_angstrom)
    while len(unused) and copies > 0 and failures < FAILURES_BEFORE_OTHER_POSES:
        draws = np.column_stack([rng.integers(0, 1 << 31, n_draws), draw_voxels_zyx(n_draws)])
        accepted = np.empty((min(copies, len(unused)), 4), dtype=np.int64)
        n, last_failures = _kernels.insert_copies(
            box.bits_zyb, box.shape_zyx[2], draws, batch.placed_zyx, batch.z_extents, reach, unused, accepted
        )
        chosen.append(accepted[:n])
        unused = unused[: len(unused) - n]
        copies -= n
        failures = last_failures if n else failures + last_failures
        n_draws = min(2 * n_draws, MOST_PROPOSALS_A_BATCH)
    placed = np.concatenate(chosen) if chosen else np.empty((0, 4), dtype=np.int64)
    return _copies(box, batch, placed[:, 0], placed[:, 1:]), failures


def _copies(box: PackingBox, batch: PoseBatch, poses: Integers, voxels_zyx: Integers) -> Copies:
    positions = box.positions_angstrom_xyz(voxels_zyx + batch.offsets_xyz[poses][:, ::-1])
    return Copies(positions, batch.rotations[poses])


def cluster(
    box: PackingBox,
    solid: Solid,
    copies: int,
    *,
    mean_size: float,
    keep_off_angstrom: float,
    rng: np.random.Generator,
) -> Copies:
    """Place copies in clusters: the first of each at random, each other one in touch with an earlier one.

    Parameters
    ----------
    box, solid, copies, keep_off_angstrom, rng
        As for :func:`insert`.
    mean_size : float
        Mean number of copies in a cluster, > 1: one more than a Poisson number.
    """
    if not mean_size > 1:
        raise ParameterError(f"expected clusters of more than one copy on average, found {mean_size:g}")
    parts: list[Copies] = []
    placed = 0
    while placed < copies:
        seed = insert(box, solid, 1, keep_off_angstrom=keep_off_angstrom, rng=rng)
        if not len(seed):
            break
        size = min(1 + int(rng.poisson(mean_size - 1)), copies - placed)
        grown = _grown(box, solid, seed, size, keep_off_angstrom, rng)
        parts.append(grown)
        placed += len(grown)
    return Copies.joined(parts)


def _grown(
    box: PackingBox, solid: Solid, seed: Copies, size: int, keep_off_angstrom: float, rng: np.random.Generator
) -> Copies:
    """A cluster of ``size`` copies around its first one, or fewer where they find no room."""
    from tomoset.specimen import _kernels

    members_zyx, parts = [box.voxels_zyx(seed.positions_angstrom_xyz)[0]], [seed]
    reach = reach_voxels(keep_off_angstrom, box.voxel_angstrom)
    n_steps = int(2 * (2 * solid.radius_angstrom + keep_off_angstrom) / box.voxel_angstrom) + 4
    found = np.empty(3, dtype=np.int64)
    for _ in range(size - 1):
        batch = PoseBatch(solid, random_rotations(ATTEMPTS_TO_TOUCH, rng), box.voxel_angstrom, rng)
        directions = rng.standard_normal((ATTEMPTS_TO_TOUCH, 3))
        directions /= 2 * np.linalg.norm(directions, axis=1, keepdims=True)
        for pose, direction in enumerate(directions):
            if _kernels.first_free_along(
                box.bits_zyb,
                box.shape_zyx[2],
                batch.placed_zyx[pose],
                batch.z_extents[pose],
                reach,
                members_zyx[rng.integers(len(members_zyx))],
                direction,
                n_steps,
                found,
            ):
                part = _copies(box, batch, np.array([pose]), found[None])
                members_zyx.append(box.voxels_zyx(part.positions_angstrom_xyz)[0])
                parts.append(part)
                break
        else:
            break
    return Copies.joined(parts)
