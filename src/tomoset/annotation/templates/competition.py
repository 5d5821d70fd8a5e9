"""All classes on one scale of likelihood, and one place for one particle."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = [
    "Hits",
    "independent_noise_threshold",
    "log_likelihood_ratio",
    "measure_amplitude",
    "mutually_exclusive",
    "noise_threshold",
]

Floats = NDArray[np.float64]

_FEWEST_HITS = 3
# How much surer than the surest chance match a hit must be before it may set the amplitude.
_CLEARLY_REAL = 1.15
_TAIL = 100


@dataclass(frozen=True, slots=True, eq=False)
class Hits:
    """Candidate particles of one class.

    Parameters
    ----------
    positions_angstrom_xyz : (n, 3) array of float64
    rotations : (n, 3, 3) array of float64
    z : (n,) array of float64
        Correlation in units of the noise.
    norm : (n,) array of float64
        Norm A of the whitened template in that rotation.
    """

    positions_angstrom_xyz: Floats
    rotations: Floats
    z: Floats
    norm: Floats

    def __len__(self) -> int:
        """Number of candidates."""
        return len(self.z)

    def select(self, which: ArrayLike) -> "Hits":
        """Some of the candidates: a mask or indices."""
        chosen = np.asarray(which)
        return Hits(self.positions_angstrom_xyz[chosen], self.rotations[chosen], self.z[chosen], self.norm[chosen])


def log_likelihood_ratio(z: ArrayLike, norm: ArrayLike, amplitude: float) -> Floats:
    """How much likelier a particle of known amplitude is than noise: ``α A z − α² A² / 2``.

    Parameters
    ----------
    z : (...) array of float
        Correlation with the whitened template in units of the noise.
    norm : (...) array of float
        Norm A of the whitened template.
    amplitude : float
        Amplitude α of particles in units of the template.
    """
    signal = amplitude * np.asarray(norm, dtype=np.float64)
    return signal * np.asarray(z, dtype=np.float64) - 0.5 * signal**2


def mutually_exclusive(
    positions_angstrom_xyz: Sequence[Floats],
    scores: Sequence[Floats],
    radii_angstrom: Sequence[float],
    fraction: float,
) -> list[NDArray[np.intp]]:
    """Greedy choice over all classes: the best score first, nothing closer than a share of the summed radii.

    Parameters
    ----------
    positions_angstrom_xyz, scores : sequences, one per class, of (n, 3) and (n,) arrays
    radii_angstrom : sequence of float
        One per class.
    fraction : float
        Two choices are never closer than this share of the sum of their radii.

    Returns
    -------
    list of (m,) arrays of int
        Chosen candidates of each class, best first.
    """
    from scipy.spatial import KDTree

    n_classes = len(radii_angstrom)
    group = np.repeat(np.arange(n_classes), [len(s) for s in scores])
    if not len(group):
        return [np.zeros(0, dtype=np.intp) for _ in radii_angstrom]
    points, values = np.concatenate(positions_angstrom_xyz), np.concatenate(scores)
    radii = np.asarray(radii_angstrom, dtype=np.float64)[group]
    within_class = np.concatenate([np.arange(len(s)) for s in scores])
    tree = KDTree(points)
    open_ = np.ones(len(points), dtype=bool)
    chosen: list[int] = []
    for index in np.argsort(-values, kind="stable"):
        if not open_[index]:
            continue
        chosen.append(int(index))
        near = np.array(tree.query_ball_point(points[index], fraction * (radii[index] + radii.max())), dtype=np.intp)
        distance = np.linalg.norm(points[near] - points[index], axis=1)
        open_[near[distance < fraction * (radii[near] + radii[index])]] = False
    order = np.array(chosen, dtype=np.intp)
    return [within_class[order[group[order] == k]] for k in range(n_classes)]


def independent_noise_threshold(cells: float, expected_false_positives: float) -> float:
    """Level that independent Gaussian noise exceeds an expected number of times: ``√2 erfc⁻¹(2 n / N)``.

    Neighbouring places and rotations are not independent, so this errs on the strict side (Rickgauer et al. 2017,
    eLife 6:e25648).
    """
    from scipy.special import erfcinv

    return float(np.sqrt(2) * erfcinv(min(2 * expected_false_positives / cells, 1.0)))


def noise_threshold(chance_z: ArrayLike, expected_false_positives: float) -> float:
    """Correlation that chance exceeds a given number of times in the tomogram.

    Parameters
    ----------
    chance_z : (n,) array of float
        Local maxima of the search for something that does not exist, in units of the noise.
    expected_false_positives : float
        How many such maxima may lie above the threshold; may be below one.

    Returns
    -------
    float
        Infinite when there is nothing to judge by.

    Notes
    -----
    The hundred largest maxima are fitted by the tail of a Gaussian, ``log n(> z) = a − b z²``; the fit reaches below
    one expected maximum, where counting cannot.
    """
    top = np.sort(np.asarray(chance_z, dtype=np.float64))[::-1][:_TAIL]
    if len(top) < 5 or np.ptp(top) == 0:
        return float("inf")
    rank = np.log(np.arange(len(top)) + 0.5)
    slope, offset = np.polyfit(top**2, rank, 1)
    if slope >= 0:
        return float(top[0])
    return float(np.sqrt(max((np.log(expected_false_positives) - offset) / slope, 0.0)))


def measure_amplitude(
    hits: Sequence[Hits], radii_angstrom: Sequence[float], chance_z: Sequence[float], fraction: float
) -> tuple[float | None, list[Hits]]:
    """Amplitude of the tomogram's particles in units of the templates, from the hits that are surely real.

    Parameters
    ----------
    hits : sequence of Hits
        Candidates of each class.
    radii_angstrom : sequence of float
    chance_z : sequence of float
        What chance reaches in each class.
    fraction : float
        Exclusion, as for :func:`mutually_exclusive`.

    Returns
    -------
    amplitude : float or None
        The median of z / A of the class that matches best (a template matches its own particles best); None when
        nothing is clearly above chance.
    sure : list of Hits
        The surely real hits of each class.
    """
    chosen = mutually_exclusive([h.positions_angstrom_xyz for h in hits], [h.z for h in hits], radii_angstrom, fraction)
    sure = []
    for found, which, chance in zip(hits, chosen, chance_z, strict=True):
        best = found.select(which)
        sure.append(best.select(best.z > _CLEARLY_REAL * chance))
    ratios = [each.z / each.norm for each in sure]
    rich = [np.median(values) for values in ratios if len(values) >= _FEWEST_HITS]
    if rich:
        return float(max(rich)), sure
    any_hit = np.concatenate(ratios) if ratios else np.zeros(0)
    return (float(np.median(any_hit)) if len(any_hit) else None), sure
