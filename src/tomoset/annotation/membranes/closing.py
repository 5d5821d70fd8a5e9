"""Patches of membrane become closed surfaces, through the gaps and through what the missing wedge hides."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tomoset.annotation.membranes.crests import CrestPoints
from tomoset.annotation.membranes.params import MembraneParams
from tomoset.annotation.membranes.star_surface import (
    StarSurface,
    common_centre,
    even_directions,
    fit_star,
    parallel_surface,
)
from tomoset.annotation.membranes.working_volume import WorkingVolume
from tomoset.model import Progress

__all__ = ["ClosedMembrane", "SurfacePoints", "close_patches", "hidden_angle_deg", "surface_points"]

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

GAP_ANGSTROM, GAP_AGREEMENT = 120.0, 0.7
SAME_SURFACE_ANGSTROM, SAME_NORMAL = 30.0, 0.85
MEMBER_SHARE = 0.6  # of a patch's points must lie on a surface that takes it
SEEN_WITHIN_ANGSTROM = 45.0
TRUSTED_SHARE_OF_WEDGE = 0.9  # beyond, points drift along the fringes of the missing wedge
RIM_SHARE_OF_WEDGE = 0.7
WELL_COVERED = 0.85  # nobody looks for another side of such a surface
LARGEST_SPREAD = 12.0  # Å, of points about their surface
OTHER_SIDE_OF_RADIUS, MOST_FACING = 0.35, 3
FEWEST_POINTS = 60
FARTHEST_BESIDE_ANGSTROM = 500.0  # of membranes that run parallel, as those of one cell do
EVEN_ANGSTROM = 40.0


@dataclass(frozen=True, slots=True, eq=False)
class SurfacePoints:
    """Crest points in the tomogram's volume frame: positions (n, 3) in Å, unit normals (n, 3) xyz, supports (n,)."""

    positions_angstrom_xyz: Floats
    normals: Floats
    supports: Floats

    def __len__(self) -> int:
        """Number of points."""
        return len(self.supports)

    def select(self, which: NDArray[np.bool_] | NDArray[np.intp]) -> "SurfacePoints":
        """Some of them."""
        return SurfacePoints(self.positions_angstrom_xyz[which], self.normals[which], self.supports[which])


@dataclass(frozen=True, slots=True, eq=False)
class ClosedMembrane:
    """A closed surface and the points that show it.

    Parameters
    ----------
    surface : StarSurface
    points : SurfacePoints
    coverage : float
        Share of what the wedge lets one see of it, within the volume, that lies near points.
    like : StarSurface or None
        The parallel of another membrane that it was fitted as a change of.
    """

    surface: StarSurface
    points: SurfacePoints
    coverage: float
    like: StarSurface | None = None


def surface_points(crests: CrestPoints, work: WorkingVolume) -> SurfacePoints:
    """Crest points as positions and normals."""
    return SurfacePoints(
        work.positions_angstrom_xyz(crests.places_zyx),
        np.asarray(crests.normals_zyx[:, ::-1], dtype=np.float64),
        np.asarray(crests.supports, dtype=np.float64),
    )


def hidden_angle_deg(normals: Floats) -> Floats:
    """Inclination of planes with these normals (n, 3) about the tilt axis (y): tilts up to it must have been taken."""
    return np.rad2deg(np.arctan2(np.abs(normals[:, 2]), np.abs(normals[:, 0])))


def close_patches(
    patched: CrestPoints,
    patch: NDArray[np.int32],
    crests: CrestPoints,
    work: WorkingVolume,
    params: MembraneParams,
    progress: Progress,
) -> tuple[tuple[ClosedMembrane, ...], tuple[SurfacePoints, ...]]:
    """Closed membranes, the best covered first, and the patches that lie on none of them.

    Patches joined across small gaps are taken largest first; each takes what lies on its surface, sees whether enough
    of it is covered, and then collects weaker points there. Small closed shells (virus capsids) are neither returned
    as membranes nor as patches.
    """
    points, every = surface_points(patched, work), surface_points(crests, work)
    group = _joined(patched, patch, work)
    closed: list[ClosedMembrane] = []
    open_patches: list[SurfacePoints] = []
    free = np.ones(len(points), dtype=np.bool_)
    order = np.argsort(-np.bincount(group, minlength=1), kind="stable")
    for done, number in enumerate(order, start=1):
        mine = free & (group == number)
        if np.count_nonzero(mine) >= FEWEST_POINTS:
            found, taken = _closed_from(mine, points, group, free, closed, work, params)
            if found is not None and found.surface.mean_radius_angstrom >= params.smallest_radius_angstrom:
                closed.append(_collected(found, every, closed, work, params))
            elif found is None:
                open_patches.append(points.select(taken))
            free &= ~taken
        progress.step("close surfaces", done, len(order))
    closed.sort(key=lambda item: -len(item.points))
    return tuple(closed), tuple(open_patches)


def _joined(points: CrestPoints, patch: NDArray[np.int32], work: WorkingVolume) -> NDArray[np.intp]:
    """Group of each point: patches whose points agree across a gap are one."""
    from tomoset.annotation.membranes import _kernels

    parents = np.arange(len(points), dtype=np.int32)
    _, first_of = np.unique(patch, return_index=True)
    parents[:] = first_of[patch]
    index = np.full(work.volume_zyx.shape, -1, dtype=np.int32)
    index[tuple(np.rint(points.places_zyx).astype(np.intp).T)] = np.arange(len(points), dtype=np.int32)
    reach = max(2, round(GAP_ANGSTROM / work.voxel_size_angstrom))
    _kernels.link(index, points.places_zyx, points.normals_zyx, reach, GAP_AGREEMENT, parents)
    _, group = np.unique(parents, return_inverse=True)
    return group


def _closed_from(
    mine: Bools,
    points: SurfacePoints,
    group: NDArray[np.intp],
    free: Bools,
    closed: list[ClosedMembrane],
    work: WorkingVolume,
    params: MembraneParams,
) -> tuple[ClosedMembrane | None, Bools]:
    """A closed membrane through one group and the groups that lie on it, or None, and the points used up."""
    seed = points.select(mine)
    centre, radius = common_centre(seed.positions_angstrom_xyz, seed.normals)
    if not radius <= params.largest_radius_angstrom:
        return None, mine
    best: ClosedMembrane | None = None
    used = mine
    for starts in (
        lambda: [(centre, None, mine)],
        lambda: _beside(mine, points, group, free, closed),
        lambda: _facing(mine, points, group, free, work, params),
    ):
        for start, like, extra in starts():
            found, taken = _grown_from(start, like, extra, points, group, free, work, params)
            if _plausible(found, params) and (best is None or found.coverage > best.coverage):
                best, used = found, taken
        if best is not None and best.coverage >= WELL_COVERED:
            break
    return best, used


def _plausible(found: ClosedMembrane, params: MembraneParams) -> bool:
    size = found.surface.mean_radius_angstrom
    sized = params.smallest_radius_angstrom / 2 <= size <= params.largest_radius_angstrom
    return sized and found.surface.spread_angstrom <= LARGEST_SPREAD and found.coverage >= params.least_coverage


def _grown_from(
    start: Floats,
    like: StarSurface | None,
    first: Bools,
    points: SurfacePoints,
    group: NDArray[np.intp],
    free: Bools,
    work: WorkingVolume,
    params: MembraneParams,
) -> tuple[ClosedMembrane, Bools]:
    """Fit, take the groups that lie on the surface, fit again until no more come."""
    taken, surface = first, _fitted(points.select(first), start, params, work, like)
    for _ in range(4):
        more = _grown(surface, points, group, free, taken)
        if more.sum() == taken.sum():
            break
        taken = more
        surface = _fitted(points.select(taken), surface.centre_angstrom_xyz, params, work, like)
    chosen = points.select(taken)
    return ClosedMembrane(surface, chosen, _coverage(surface, chosen, work), like), taken


def _facing(
    mine: Bools,
    points: SurfacePoints,
    group: NDArray[np.intp],
    free: Bools,
    work: WorkingVolume,
    params: MembraneParams,
) -> list[tuple[Floats, None, Bools]]:
    """Groups that may be the other side of a body, the outermost first: where its fit alone leads one to look.

    The wedge hides the ends along the tilt axis, so that a vesicle may show as two halves which nothing joins.
    """
    seed = points.select(mine)
    surface = _fitted(seed, common_centre(seed.positions_angstrom_xyz, seed.normals)[0], params, work, None)
    reach = OTHER_SIDE_OF_RADIUS * surface.mean_radius_angstrom
    near = free & ~mine & _may_reach(surface, points, reach)
    heights = np.full(len(points), np.nan)
    heights[near], _ = surface.heights_angstrom(points.positions_angstrom_xyz[near])
    found = []
    for number in np.unique(group[near]):
        members = free & (group == number)
        height, _ = _level(heights[members])
        if np.count_nonzero(members) >= FEWEST_POINTS and abs(height) < reach:
            found.append((height, surface.centre_angstrom_xyz, mine | members))
    found.sort(key=lambda item: -item[0])
    return [(centre, None, both) for _, centre, both in found[:MOST_FACING]]


def _beside(
    mine: Bools, points: SurfacePoints, group: NDArray[np.intp], free: Bools, closed: list[ClosedMembrane]
) -> list[tuple[Floats, StarSurface, Bools]]:
    """Closed membranes that a group runs beside: a parallel surface through it, and all groups at the same height."""
    found = []
    for item in closed:
        surface = item.surface
        heights = np.full(len(points), np.nan)
        near = free & _may_reach(surface, points, FARTHEST_BESIDE_ANGSTROM)
        heights[near], _ = surface.heights_angstrom(points.positions_angstrom_xyz[near])
        height, spread = _level(heights[mine])
        if not abs(height) < FARTHEST_BESIDE_ANGSTROM or not spread < EVEN_ANGSTROM:
            continue
        taken = mine.copy()
        for number in np.unique(group[near & ~mine]):
            members = free & (group == number)
            other, roughness = _level(heights[members])
            if abs(other - height) < EVEN_ANGSTROM and roughness < EVEN_ANGSTROM:
                taken |= members
        found.append((surface.centre_angstrom_xyz, parallel_surface(surface, height), taken))
    return found


def _level(heights: Floats) -> tuple[float, float]:
    """Median and robust standard deviation; infinite where a tenth is not known."""
    if not len(heights) or np.mean(np.isnan(heights)) > 0.1:
        return np.inf, np.inf
    middle = float(np.nanmedian(heights))
    return middle, 1.4826 * float(np.nanmedian(np.abs(heights - middle)))


def _may_reach(surface: StarSurface, points: SurfacePoints, margin_angstrom: float) -> Bools:
    reach = surface.radii_angstrom(even_directions(500)).max() + margin_angstrom
    offset = points.positions_angstrom_xyz - surface.centre_angstrom_xyz
    return np.asarray(np.einsum("ni,ni->n", offset, offset) < reach**2)


def _grown(surface: StarSurface, points: SurfacePoints, group: NDArray[np.intp], free: Bools, taken: Bools) -> Bools:
    """The points taken and all free groups most of whose points lie on the surface."""
    near = np.flatnonzero(free & ~taken & _may_reach(surface, points, SAME_SURFACE_ANGSTROM))
    if not near.size:
        return taken
    on = _on_surface(surface, points.select(near))
    size = np.bincount(group[free & ~taken], minlength=group.max() + 1)
    share = np.bincount(group[near], on, minlength=group.max() + 1) / np.maximum(size, 1)
    return taken | (free & (share[group] >= MEMBER_SHARE))


def _on_surface(surface: StarSurface, points: SurfacePoints) -> Bools:
    offset = points.positions_angstrom_xyz - surface.centre_angstrom_xyz
    distance = np.maximum(np.linalg.norm(offset, axis=1), 1e-6)
    on = _may_reach(surface, points, 2 * SAME_SURFACE_ANGSTROM)
    on[on] = np.abs(distance[on] - surface.radii_angstrom(offset[on] / distance[on, None])) < 2 * SAME_SURFACE_ANGSTROM
    close = points.select(on)  # normals cost the most: only for those
    heights, normals = surface.heights_angstrom(close.positions_angstrom_xyz)
    same = np.abs(np.einsum("ni,ni->n", normals, close.normals)) > SAME_NORMAL
    on[on] = (np.abs(heights) < SAME_SURFACE_ANGSTROM) & same
    return on


def _fitted(
    points: SurfacePoints, centre: Floats, params: MembraneParams, work: WorkingVolume, like: StarSurface | None
) -> StarSurface:
    """A fit to the points whose place the wedge does not distort."""
    x, n = points.positions_angstrom_xyz, points.normals
    area = work.voxel_size_angstrom**2
    first = fit_star(x, n, centre, params.degree, area_angstrom2=area, like=like)
    _, across = first.heights_angstrom(x)
    trusted = hidden_angle_deg(across) < TRUSTED_SHARE_OF_WEDGE * work.wedge_deg
    if np.count_nonzero(trusted) < FEWEST_POINTS:
        return first
    return fit_star(x[trusted], n[trusted], first.centre_angstrom_xyz, params.degree, area_angstrom2=area, like=like)


def _coverage(surface: StarSurface, points: SurfacePoints, work: WorkingVolume) -> float:
    """Share of the surface's visible part that lies near its points."""
    from scipy.spatial import cKDTree

    directions = even_directions(3000)
    vertices = surface.centre_angstrom_xyz + directions * surface.radii_angstrom(directions)[:, None]
    angle = hidden_angle_deg(surface.normals(directions))
    shape = np.asarray(work.volume_zyx.shape[::-1])
    index = (vertices - work.offset_angstrom) / work.voxel_size_angstrom
    inside = np.all((index > 3) & (index < shape - 4), axis=1)
    visible = inside & (angle < RIM_SHARE_OF_WEDGE * work.wedge_deg)
    if np.count_nonzero(visible) < 30:
        return 0.0
    distance, _ = cKDTree(points.positions_angstrom_xyz).query(vertices[visible])
    return float(np.mean(distance < max(SEEN_WITHIN_ANGSTROM, 2 * work.voxel_size_angstrom)))


def _collected(
    item: ClosedMembrane,
    every: SurfacePoints,
    others: list[ClosedMembrane],
    work: WorkingVolume,
    params: MembraneParams,
) -> ClosedMembrane:
    """The membrane with all crest points that lie on it, however weak their support, fitted again."""
    points = every.select(_on_surface(item.surface, every))
    mine, _ = item.surface.heights_angstrom(points.positions_angstrom_xyz)
    for other in others:  # points of a membrane that touches this one
        theirs = _on_surface(other.surface, points)
        heights, _ = other.surface.heights_angstrom(points.positions_angstrom_xyz[theirs])
        theirs[theirs] = np.abs(heights) < np.abs(mine[theirs])
        points, mine = points.select(~theirs), mine[~theirs]
    surface = _fitted(points, item.surface.centre_angstrom_xyz, params, work, item.like)
    return ClosedMembrane(surface, points, _coverage(surface, points, work), item.like)
