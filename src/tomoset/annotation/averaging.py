"""Evidence that labels are right: what the labeled particles look like when they are laid upon one another.

Particles are turned into their own frame and added, with the wedge that each was seen through counted in Fourier
space; the sum over the count is the average (Schmid & Booth 2008, J. Struct. Biol. 161:243). Two random halves that
agree say that something repeats; the same at random places says what agreement is worth nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tomoset.errors import GeometryError
from tomoset.geometry import Grid, TiltGeometry, point_group, rotation_about
from tomoset.model import PickableObject, Picks, Tomogram
from tomoset.physics import rfft_frequency_3d

__all__ = [
    "AverageHalves",
    "average_halves",
    "box_edge",
    "random_places",
    "shell_correlation",
    "standard_box",
    "wedge_coverage",
]

Floats = NDArray[np.float64]
Floats32 = NDArray[np.float32]

_COVERAGE_EDGE = 32
_LEAST_COVERAGE = 0.1


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class AverageHalves:
    """Averages of two random halves of the particles of one class, protein bright.

    Parameters
    ----------
    object_name : str
    voxel_size_angstrom : float
    half_zyx : (2, n, n, n) array of float32
        The particle's centre at index n // 2; symmetry is applied.
    coverage : float
        Share of Fourier space, up to Nyquist, that the particles together were seen in.
    n_particles : int
        In both halves.
    n_left_out : int
        Particles without a known pose.
    members : (n_particles, 3) array of int
        Of each particle the set, the row among the set's picks, and the half.
    """

    object_name: str
    voxel_size_angstrom: float
    half_zyx: Floats32
    coverage: float
    n_particles: int
    n_left_out: int
    members: NDArray[np.intp]

    @property
    def whole_zyx(self) -> Floats32:
        """Mean of both halves."""
        return np.asarray(self.half_zyx.mean(axis=0), dtype=np.float32)


def box_edge(radius_angstrom: float, voxel_size_angstrom: float) -> int:
    """Edge of the box, voxels, that holds a particle with its surroundings: even, at least 32."""
    return max(32, 2 * int(np.ceil(1.5 * radius_angstrom / voxel_size_angstrom + 3)))


def average_halves(
    sets: Sequence[tuple[Tomogram, Picks]],
    item: PickableObject,
    *,
    rng: np.random.Generator,
    most: int | None = None,
) -> AverageHalves:
    """Average the particles of one class over tomograms.

    Parameters
    ----------
    sets : sequence of (Tomogram, Picks)
        Picks of the class in each tomogram; those without a known pose are left out.
    item : PickableObject
        Gives radius and symmetry.
    rng : numpy.random.Generator
        Deals the particles into halves (and draws them, where there are more than ``most``).
    most : int or None
        Particles that are averaged at most.

    Returns
    -------
    AverageHalves

    Raises
    ------
    GeometryError
        If fewer than two particles have a known pose, or voxel sizes differ.

    Notes
    -----
    Every particle counts the same: its box is brought to mean 0 and standard deviation 1. Beyond the volume's border
    boxes are filled with their mean.
    """
    voxel = sets[0][0].grid.voxel_size_angstrom if sets else 1.0
    if any(abs(t.grid.voxel_size_angstrom / voxel - 1) > 1e-3 for t, _ in sets):
        raise GeometryError(f"{item.name}: expected tomograms of one voxel size, found several; average each apart")
    chosen = [(number, int(row)) for number, (_, picks) in enumerate(sets) for row in _oriented(picks)]
    order = rng.permutation(len(chosen))[:most]
    if len(order) < 2:
        raise GeometryError(
            f"{item.name}: expected two or more particles with known orientation to average, found {len(order)}"
        )
    members = np.array([(*chosen[k], rank % 2) for rank, k in enumerate(order)], dtype=np.intp)
    n = box_edge(item.radius_angstrom, voxel)
    sums, counts = np.zeros((2, n, n, n), np.float32), np.zeros((2, *(_COVERAGE_EDGE,) * 3), np.float32)
    for number, (tomogram, picks) in enumerate(sets):
        mine = members[members[:, 0] == number]
        if len(mine):
            _add_particles(tomogram, picks.select(mine[:, 1]), mine[:, 2], sums, counts)
    elements = point_group(item.symmetry).rotations
    halves_zyx = [
        _normalised(_symmetrised(total, elements), _symmetrised(count, elements))
        for total, count in zip(sums, counts, strict=True)
    ]
    seen = counts.sum(axis=0)[_ball(_COVERAGE_EDGE, _COVERAGE_EDGE // 2 - 2)]
    return AverageHalves(
        object_name=item.name,
        voxel_size_angstrom=voxel,
        half_zyx=np.stack(halves_zyx),
        coverage=float(np.mean(seen > _LEAST_COVERAGE * np.median(seen))),
        n_particles=len(order),
        n_left_out=sum(len(p) for _, p in sets) - len(chosen),
        members=members,
    )


def _oriented(picks: Picks) -> NDArray[np.intp]:
    """Rows of the picks with a known pose."""
    if picks.rotations is None:
        return np.zeros(0, dtype=np.intp)
    return np.arange(len(picks)) if picks.orientation_known is None else np.flatnonzero(picks.orientation_known)


def _add_particles(
    tomogram: Tomogram, picks: Picks, halves: NDArray[np.intp], sums: Floats32, counts: Floats32
) -> None:
    """Add every particle to the sum, and its wedge to the count, of its half."""
    from tomoset.annotation._average_kernels import rotate_add

    volume = np.asarray(tomogram.volume_zyx.read(), dtype=np.float32)
    sign = np.float32(-1.0 if tomogram.contrast == "dark" else 1.0)
    edge = sums.shape[1] + 2
    rows = np.asarray(tomogram.tilt_indices, dtype=np.intp)
    wedge = wedge_coverage(tomogram.geometry.select(rows), _COVERAGE_EDGE, tomogram.grid.voxel_size_angstrom)
    middle = np.full(3, _COVERAGE_EDGE // 2, dtype=np.float64)
    centres = tomogram.grid.index_zyx(picks.positions_angstrom_xyz)
    rotations = np.ascontiguousarray(picks.rotations)
    for centre, rotation, half in zip(centres, rotations, halves, strict=True):
        corner = np.round(centre).astype(np.intp) - edge // 2
        box = standard_box(volume, corner, edge) * sign
        rotate_add(box.ravel(), edge, rotation, centre - corner, edge / 2 - 2.5, sums[half])
        rotate_add(wedge.ravel(), _COVERAGE_EDGE, rotation, middle, _COVERAGE_EDGE / 2 - 1.5, counts[half])


def standard_box(volume: Floats32, corner_zyx: NDArray[np.intp], edge: int) -> Floats32:
    """A cube of mean 0 and standard deviation 1; 0 beyond the volume."""
    low, high = np.maximum(corner_zyx, 0), np.minimum(corner_zyx + edge, volume.shape)
    out = np.zeros((edge, edge, edge), np.float32)
    if np.any(high <= low):
        return out
    inside = volume[tuple(slice(a, b) for a, b in zip(low, high, strict=True))]
    spread = float(inside.std())
    where = tuple(slice(a, b) for a, b in zip(low - corner_zyx, high - corner_zyx, strict=True))
    out[where] = (inside - inside.mean()) / (spread if spread > 0 else 1.0)
    return out


def wedge_coverage(geometry: TiltGeometry, n: int, voxel_size_angstrom: float) -> Floats32:
    """How densely views fill Fourier space: (n, n, n), frequency 0 at index n // 2; 1 inside the wedge, 0 outside.

    Each view is a slab of thickness one over the box's edge, weighted with the ramp of back-projection.
    """
    k = (np.arange(n) - n // 2) / (n * voxel_size_angstrom)
    kz, ky, kx = np.meshgrid(k, k, k, indexing="ij")
    untilt = rotation_about("z", -geometry.z_rot_deg) @ geometry.image_from_specimen
    tilts = np.sort(geometry.y_tilt_deg)
    spacing = np.deg2rad(np.ptp(tilts) / (tilts.size - 1)) if tilts.size > 1 else np.deg2rad(3.0)
    length = n * voxel_size_angstrom
    coverage = np.zeros((n, n, n))
    for turn in untilt:
        u = turn[0, 0] * kx + turn[0, 1] * ky + turn[0, 2] * kz
        w = turn[2, 0] * kx + turn[2, 1] * ky + turn[2, 2] * kz
        coverage += np.abs(u) * spacing * length * np.exp(-np.pi * np.square(w * length))
    # Where all slabs meet the ramp is too small for them: there every view has seen everything.
    near = np.sqrt(kx**2 + ky**2 + kz**2) * length < 1.5
    coverage[near] = 1.0
    return np.minimum(coverage, 1.0).astype(np.float32)


def _symmetrised(volume: Floats32, elements: Floats) -> Floats32:
    """Mean over the volume turned by every element of its group."""
    from tomoset.annotation._average_kernels import rotate_add

    if len(elements) == 1:
        return volume
    edge = volume.shape[0] + 2
    padded = np.pad(volume, 1).astype(np.float32)
    out = np.zeros_like(volume)
    for element in elements:
        rotate_add(padded.ravel(), edge, element, np.full(3, edge / 2), volume.shape[0] / 2 - 1.5, out)
    return np.asarray(out / np.float32(len(elements)), dtype=np.float32)


def _normalised(total: Floats32, count: Floats32) -> Floats32:
    """The sum over the count in Fourier space; nothing where hardly any particle was seen."""
    from scipy.fft import fftshift, ifftshift, irfftn, rfftn
    from scipy.ndimage import map_coordinates

    n = total.shape[0]
    kz, ky, kx = np.meshgrid(np.fft.fftfreq(n), np.fft.fftfreq(n), np.fft.rfftfreq(n), indexing="ij")
    at = np.stack([kz, ky, kx]) * _COVERAGE_EDGE + _COVERAGE_EDGE // 2
    seen = map_coordinates(count, at, order=1, mode="constant")
    floor = _LEAST_COVERAGE * float(np.median(count[_ball(_COVERAGE_EDGE, _COVERAGE_EDGE // 2 - 2)]))
    weight = np.where(seen > max(floor, 1e-6), 1 / np.maximum(seen, max(floor, 1e-6)), 0.0)
    spectrum = rfftn(ifftshift(total)) * weight
    return np.asarray(fftshift(irfftn(spectrum, s=total.shape)), dtype=np.float32)


def _ball(n: int, radius: float) -> NDArray[np.bool_]:
    z, y, x = np.indices((n, n, n)) - n // 2
    return np.asarray(z**2 + y**2 + x**2 <= radius**2, dtype=np.bool_)


def shell_correlation(first_zyx: NDArray[np.floating], second_zyx: NDArray[np.floating]) -> Floats:
    """Fourier shell correlation (n // 2,) of two cubes; NaN where one of them holds nothing."""
    from scipy.fft import rfftn

    n = first_zyx.shape[0]
    a, b = rfftn(np.asarray(first_zyx, np.float64)), rfftn(np.asarray(second_zyx, np.float64))
    shell = np.round(rfft_frequency_3d((n, n, n), 1.0) * n).astype(np.intp)
    twice = np.full(a.shape, 2.0)
    twice[..., 0] = 1.0
    if n % 2 == 0:
        twice[..., -1] = 1.0
    cross, one, two = (
        np.bincount(shell.ravel(), weights=(twice * v).ravel())[: n // 2]
        for v in ((a * b.conj()).real, np.abs(a) ** 2, np.abs(b) ** 2)
    )
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(cross / np.sqrt(one * two), dtype=np.float64)


def random_places(
    grid: Grid, taken_angstrom_xyz: Floats, radius_angstrom: float, n: int, rng: np.random.Generator
) -> Floats:
    """Places (≤ n, 3) of a volume at least two radii from all that is labeled, where there is room for so many."""
    from scipy.spatial import KDTree

    margin = np.minimum(radius_angstrom, 0.25 * grid.size_angstrom_xyz)
    tree = KDTree(taken_angstrom_xyz) if len(taken_angstrom_xyz) else None
    found: list[Floats] = []
    for _ in range(50):
        candidates = rng.uniform(margin, grid.size_angstrom_xyz - margin, (max(n, 16), 3))
        if tree is not None:
            candidates = candidates[tree.query(candidates)[0] > 2 * radius_angstrom]
        found.append(candidates)
        if sum(map(len, found)) >= n:
            break
    return np.concatenate(found)[:n]
