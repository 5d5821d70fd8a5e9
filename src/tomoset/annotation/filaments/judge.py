"""From chains to filaments: the refined centre line, its ends, and whether it is one at all."""

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from tomoset.annotation.filaments.centre_line import along_curve, levelled, line_amplitude, refine_line
from tomoset.annotation.filaments.extent import seen_extent
from tomoset.annotation.filaments.params import FilamentParams
from tomoset.annotation.filaments.profile import RadialProfile
from tomoset.annotation.filaments.views import MatchedViews
from tomoset.geometry import Grid

__all__ = ["Line", "join_collinear", "judge_line", "without_doubles"]

Floats = NDArray[np.float64]
End = Literal["end", "leaves-volume", "unknown"]

_JOINING_COSINE = np.cos(np.deg2rad(15.0))
_SHORT_RADII = 0.5
_SAMPLES_PER_NODE = 6
_PASSES = 3
_HIDDEN_ERROR = 2.0
_SAME_SHARE = 0.5


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Line:
    """One filament's centre line with what the views say along it.

    Parameters
    ----------
    points_angstrom_xyz : (n, 3) array of float64
        Volume frame, evenly spaced.
    amplitude, z : (n,) arrays of float64
        Of segments centred there: in units of the filament's own, and of its standard error by noise.
    bridged : (n,) array of bool
    ends : pair of str
    log_likelihood : float
        Of a filament with amplitude one against none, over its whole length.
    """

    points_angstrom_xyz: Floats
    amplitude: Floats
    z: Floats
    bridged: NDArray[np.bool_]
    ends: tuple[End, End]
    log_likelihood: float

    @property
    def length_angstrom(self) -> float:
        """Length of the chords."""
        return float(np.linalg.norm(np.diff(self.points_angstrom_xyz, axis=0), axis=1).sum())


def judge_line(
    chain_xyz: Floats,
    views: MatchedViews,
    profile: RadialProfile,
    grid: Grid,
    spread: float,
    params: FilamentParams,
) -> Line | None:
    """Refine a chain, find its ends, and keep it if it is as strong as a filament of its class must be.

    Parameters
    ----------
    chain_xyz : (n, 3) array of float64
        From the search, volume frame, Å.
    views, profile
    grid : Grid
        Of the tomogram.
    spread : float
        How much more than the noise the crowd makes responses vary.
    params : FilamentParams

    Returns
    -------
    Line or None
        None for what is too short or too weak.
    """
    radius = profile.radius_angstrom
    sigma = params.segment_radii * radius
    points, length = along_curve(chain_xyz, radius), 0.0
    for _ in range(_PASSES):
        points = levelled(views, profile, points, sigma)
        points = refine_line(views, profile, points, sigma, params.persistence_length_angstrom, spread)
        found = _found_along(points, views, profile, grid, params)
        if found is None:
            return None
        nodes, bridged, ends = found
        points = along_curve(nodes, radius)
        longer = float(np.linalg.norm(np.diff(nodes, axis=0), axis=1).sum())
        if abs(longer - length) < radius:
            break
        length = longer
    amplitude, error = line_amplitude(views, profile, nodes, sigma)
    amplitude = np.nan_to_num(amplitude)
    z = np.nan_to_num(amplitude / error)
    step = float(np.linalg.norm(np.diff(nodes, axis=0), axis=1).mean())
    share = min(1.0, step / (2 * np.sqrt(np.pi) * sigma))
    evidence = share * np.sum((amplitude - 0.5) / np.square(np.where(np.isfinite(error), error, np.inf) * spread))
    line = Line(
        points_angstrom_xyz=nodes,
        amplitude=amplitude,
        z=z,
        bridged=bridged,
        ends=ends,
        log_likelihood=float(evidence),
    )
    weak = np.median(amplitude) < params.amplitude or np.median(z) < params.least_z * spread
    return None if weak or line.length_angstrom < params.least_length_radii * radius else line


def _found_along(
    points: Floats, views: MatchedViews, profile: RadialProfile, grid: Grid, params: FilamentParams
) -> tuple[Floats, NDArray[np.bool_], tuple[End, End]] | None:
    """Nodes from end to end of what is seen along a line and its straight continuation, bridges, and kinds of end.

    Where too few views show the continuation all the way out of the volume, the filament is taken to go on.
    """
    radius = profile.radius_angstrom
    spacing = radius / _SAMPLES_PER_NODE
    fine = along_curve(points, spacing, extend_angstrom=(params.gap_radii + 2) * radius)
    fine = fine[_run_inside(grid.contains(fine))]
    if len(fine) < 3:
        return None
    short, error = line_amplitude(views, profile, fine, _SHORT_RADII * radius)
    hidden = ~(error <= _HIDDEN_ERROR * np.nanmedian(error)) if np.isfinite(error).any() else np.ones(len(fine), bool)
    short[hidden] = np.nan
    extent = seen_extent(short, spacing, params.gap_radii * radius, radius)
    if extent is None:
        return None
    reach = int(np.ceil(0.75 * radius / spacing))
    first = 0 if extent.first <= reach or hidden[: extent.first - reach].all() else extent.first
    beyond = len(fine) - 1 - extent.last
    last = len(fine) - 1 if beyond <= reach or hidden[extent.last + 1 + reach :].all() else extent.last
    ends: tuple[End, End] = (
        "leaves-volume" if first == 0 else "end",
        "leaves-volume" if last == len(fine) - 1 else "end",
    )
    bridged = hidden.copy()
    bridged[extent.first : extent.last + 1] = extent.bridged
    every = max(1, min(_SAMPLES_PER_NODE, (last - first) // 4))
    index = np.unique(np.append(np.arange(first, last + 1, every), last))
    if len(index) < 3:
        return None
    near = [bridged[max(0, i - every // 2) : i + every // 2 + 1] for i in index]
    return fine[index], np.array([part.mean() > 0.5 for part in near]), ends


def _run_inside(inside: NDArray[np.bool_]) -> slice:
    """The longest run of samples inside the volume."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], inside.astype(np.int8), [0]]))).reshape(-1, 2)
    if not len(edges):
        return slice(0, 0)
    a, b = edges[np.argmax(edges[:, 1] - edges[:, 0])]
    return slice(int(a), int(b))


def join_collinear(lines: list[Floats], radius_angstrom: float, gap_angstrom: float) -> list[Floats]:
    """Join chains (n, 3) whose ends face one another across a gap, the nearest first.

    Ends are joined when the straight line between them is at most ``gap_angstrom`` long and either chain's end points
    along it within 15°, so that at a crossing each chain goes on with the one opposite.
    """
    chains = [np.asarray(line, dtype=np.float64) for line in lines]
    while True:
        best: tuple[float, int, int, Floats] | None = None
        for i in range(len(chains)):
            for j in range(i + 1, len(chains)):
                for a in (chains[i], chains[i][::-1]):
                    for b in (chains[j], chains[j][::-1]):
                        distance = _facing(a, b, radius_angstrom)
                        if distance <= gap_angstrom and (best is None or distance < best[0]):
                            best = (distance, i, j, np.concatenate([a, b]))
        if best is None:
            return chains
        _, i, j, joined = best
        chains = [c for k, c in enumerate(chains) if k not in (i, j)] + [joined]


def _facing(a: Floats, b: Floats, radius: float) -> float:
    """Distance from the end of one chain to the beginning of another; infinite unless one continues the other."""
    across = b[0] - a[-1]
    distance = float(np.linalg.norm(across))
    out, into = _end_direction(a, radius), -_end_direction(b[::-1], radius)
    along = across / distance if distance > 0.5 * radius else out
    meets = out @ along >= _JOINING_COSINE and into @ along >= _JOINING_COSINE and out @ into >= _JOINING_COSINE
    return distance if meets else float("inf")


def _end_direction(chain: Floats, radius: float) -> Floats:
    """Direction in which a chain leaves its last point, over the last three radii."""
    back = chain[-1] - chain
    near = np.flatnonzero(np.linalg.norm(back, axis=1) >= 3 * radius)
    start = chain[near[-1]] if len(near) else chain[0]
    step = chain[-1] - start
    return np.asarray(step / max(float(np.linalg.norm(step)), 1e-12))


def without_doubles(lines: list[tuple[int, Line]], radii_angstrom: list[float]) -> list[tuple[int, Line]]:
    """Drop each line most of which lies inside a likelier one, whatever their classes.

    Parameters
    ----------
    lines : list of (class number, Line)
    radii_angstrom : list of float
        Of the classes.
    """
    from scipy.spatial import KDTree

    kept: list[tuple[int, Line]] = []
    for number, line in sorted(lines, key=lambda item: -item[1].log_likelihood):
        own = along_curve(line.points_angstrom_xyz, 20.0)
        covered = np.zeros(len(own), dtype=bool)
        for other_number, other in kept:
            reach = max(radii_angstrom[number], radii_angstrom[other_number])
            covered |= KDTree(along_curve(other.points_angstrom_xyz, 20.0)).query(own)[0] < reach
        if covered.mean() < _SAME_SHARE:
            kept.append((number, replace(line)))
    return kept
