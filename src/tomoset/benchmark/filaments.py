"""How good traces of filaments are: length, individuals and polarity against the truth."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tomoset.errors import ParameterError
from tomoset.model import FilamentTrace

__all__ = ["FilamentScore", "evenly_spaced", "pooled_filaments", "score_filaments"]

Floats = NDArray[np.float64]

_SAMPLE_ANGSTROM = 10.0
_PART_OF_A_SPLIT = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class FilamentScore:
    """Sums over filaments, from which the shares follow; sums of several tomograms add up.

    Parameters
    ----------
    truth_length_angstrom, recalled_length_angstrom : float
        Of the true filaments, and how much of it has a trace within the tolerance.
    traced_length_angstrom, right_length_angstrom : float
        Of the traces (but for what lies on a filament that is ignored), and how much of it has a true filament within
        the tolerance.
    n_truth, n_traced, n_matched : int
        Individuals: true, traced, and one-to-one pairs that overlap by half of their lengths both ways.
    n_splits : int
        Traces too many on one true filament: all but one of those that hold a tenth of it or more.
    n_merges : int
        True filaments too many on one trace, likewise.
    n_polarity_decided, n_polarity_right : int
        Of the matched pairs.
    squared_distance_angstrom3 : float
        Integral along the traces' right length of the squared distance (Å²) to the truth, hence Å³.
    """

    truth_length_angstrom: float = 0.0
    recalled_length_angstrom: float = 0.0
    traced_length_angstrom: float = 0.0
    right_length_angstrom: float = 0.0
    n_truth: int = 0
    n_traced: int = 0
    n_matched: int = 0
    n_splits: int = 0
    n_merges: int = 0
    n_polarity_decided: int = 0
    n_polarity_right: int = 0
    squared_distance_angstrom3: float = 0.0

    @property
    def length_recall(self) -> float:
        """Share of the true length that was traced."""
        return _share(self.recalled_length_angstrom, self.truth_length_angstrom)

    @property
    def length_precision(self) -> float:
        """Share of the traced length that is true."""
        return _share(self.right_length_angstrom, self.traced_length_angstrom)

    @property
    def instance_recall(self) -> float:
        """Share of the true filaments that have their own trace."""
        return _share(self.n_matched, self.n_truth)

    @property
    def instance_f1(self) -> float:
        """Twice the pairs over the sum of true and traced individuals."""
        return _share(2 * self.n_matched, self.n_truth + self.n_traced)

    @property
    def polarity_accuracy(self) -> float:
        """Share of right ones among the polarities that were decided."""
        return _share(self.n_polarity_right, self.n_polarity_decided)

    @property
    def rms_distance_angstrom(self) -> float:
        """Root mean square distance of the right length from the truth."""
        return float(np.sqrt(_share(self.squared_distance_angstrom3, self.right_length_angstrom)))


def _share(part: float, whole: float) -> float:
    return part / whole if whole > 0 else float("nan")


def evenly_spaced(points_angstrom_xyz: Floats, spacing_angstrom: float = _SAMPLE_ANGSTROM) -> Floats:
    """Middles (m, 3) of equal pieces, about ``spacing_angstrom`` long, of the polyline through points (n, 3)."""
    points = np.asarray(points_angstrom_xyz, dtype=np.float64)
    s = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(points, axis=0), axis=1))])
    pieces = max(1, round(s[-1] / spacing_angstrom))
    at = (np.arange(pieces) + 0.5) * s[-1] / pieces
    return np.stack([np.interp(at, s, points[:, k]) for k in range(3)], axis=1)


def score_filaments(
    traced: Sequence[FilamentTrace],
    truth: Sequence[FilamentTrace],
    *,
    tolerance_angstrom: float,
    least_length_angstrom: float = 0.0,
    overlap: float = 0.5,
) -> FilamentScore:
    """Score the traces of one class in one tomogram.

    Parameters
    ----------
    traced, truth : sequence of FilamentTrace
        In one frame; the truth's polarity is 1 or −1.
    tolerance_angstrom : float
        How far a trace may be from the true axis, Å; half a radius is usual.
    least_length_angstrom : float
        True pieces shorter than that (such as stubs at the volume's border) are ignored: not asked for, and not wrong
        where they are traced.
    overlap : float
        Share of its own length by which each of a pair must lie within the tolerance of the other.

    Returns
    -------
    FilamentScore

    Raises
    ------
    ParameterError
        If tolerance or overlap are not positive.
    """
    if not tolerance_angstrom > 0 or not 0 < overlap <= 1:
        raise ParameterError(
            f"score of filaments: expected a tolerance above 0 Å and an overlap above 0 and up to 1, found "
            f"{tolerance_angstrom:g} Å and {overlap:g}"
        )
    asked = [t for t in truth if t.length_angstrom >= least_length_angstrom]
    ignored = [t for t in truth if t.length_angstrom < least_length_angstrom]
    true_curves = [evenly_spaced(t.points_angstrom_xyz) for t in asked]
    curves = [evenly_spaced(t.points_angstrom_xyz) for t in traced]
    to_true = _distances(curves, true_curves)
    to_traced = _distances(true_curves, curves)
    to_ignored = _distances(curves, [evenly_spaced(t.points_angstrom_xyz) for t in ignored])
    steps = [t.length_angstrom / len(c) for t, c in zip(traced, curves, strict=True)]
    true_steps = [t.length_angstrom / len(c) for t, c in zip(asked, true_curves, strict=True)]
    nearest = [d.min(axis=1, initial=np.inf) for d in to_true]
    right = [d <= tolerance_angstrom for d in nearest]
    beside = [
        ~ok & (d.min(axis=1, initial=np.inf) <= tolerance_angstrom) for ok, d in zip(right, to_ignored, strict=True)
    ]
    recalled = [d.min(axis=1, initial=np.inf) <= tolerance_angstrom for d in to_traced]
    counted = [bool(b.mean() < 0.5) for b in beside]
    true_share = _shares(to_traced, tolerance_angstrom, len(asked), len(traced))
    own_share = _shares(to_true, tolerance_angstrom, len(traced), len(asked)).T
    pairs = _pairs(true_share, own_share, overlap)
    decided = [(i, j) for i, j in pairs if traced[j].polarity != 0]
    return FilamentScore(
        truth_length_angstrom=float(sum(t.length_angstrom for t in asked)),
        recalled_length_angstrom=float(sum(r.sum() * s for r, s in zip(recalled, true_steps, strict=True))),
        traced_length_angstrom=float(sum((~b).sum() * s for b, s in zip(beside, steps, strict=True))),
        right_length_angstrom=float(sum(r.sum() * s for r, s in zip(right, steps, strict=True))),
        n_truth=len(asked),
        n_traced=sum(counted),
        n_matched=len(pairs),
        n_splits=int(np.maximum((true_share >= _PART_OF_A_SPLIT).sum(axis=1) - 1, 0).sum()),
        n_merges=int(np.maximum((own_share >= _PART_OF_A_SPLIT).sum(axis=0) - 1, 0).sum()),
        n_polarity_decided=len(decided),
        n_polarity_right=sum(_same_way(traced[j], asked[i], true_curves[i]) for i, j in decided),
        squared_distance_angstrom3=float(
            sum((np.square(d[r])).sum() * s for d, r, s in zip(nearest, right, steps, strict=True))
        ),
    )


def pooled_filaments(scores: Sequence[FilamentScore]) -> FilamentScore:
    """The score of several tomograms together: all sums added."""
    names = FilamentScore.__dataclass_fields__
    return FilamentScore(**{name: sum(getattr(score, name) for score in scores) for name in names})


def _distances(of: Sequence[Floats], to: Sequence[Floats]) -> list[Floats]:
    """For each curve, distances (samples, curves) of its samples from each other curve."""
    from scipy.spatial import KDTree

    trees = [KDTree(curve) for curve in to]
    return [np.stack([tree.query(c)[0] for tree in trees], axis=1) if trees else np.empty((len(c), 0)) for c in of]


def _shares(distances: Sequence[Floats], tolerance: float, rows: int, columns: int) -> Floats:
    """Share of each curve (row) that lies within the tolerance of each other curve (column)."""
    out = np.zeros((rows, columns))
    for i, d in enumerate(distances):
        out[i] = (d <= tolerance).mean(axis=0)
    return out


def _pairs(true_share: Floats, own_share: Floats, overlap: float) -> list[tuple[int, int]]:
    """One-to-one pairs (truth, trace) with the largest overlaps."""
    from scipy.optimize import linear_sum_assignment

    fits = (true_share >= overlap) & (own_share >= overlap)
    rows, columns = linear_sum_assignment(np.where(fits, true_share + own_share, 0), maximize=True)
    return [(int(i), int(j)) for i, j in zip(rows, columns, strict=True) if fits[i, j]]


def _same_way(trace: FilamentTrace, truth: FilamentTrace, true_curve: Floats) -> bool:
    """Whether a trace's polarity is that of the true filament beside it."""
    ends = trace.points_angstrom_xyz[[0, -1]]
    near = [int(np.linalg.norm(true_curve - end, axis=1).argmin()) for end in ends]
    along = 1 if near[1] > near[0] else -1
    return along * trace.polarity == truth.polarity
