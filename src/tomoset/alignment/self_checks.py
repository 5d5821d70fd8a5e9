"""What an alignment can say about itself without the truth, and when it must refuse."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from tomoset.alignment.common_frame import CommonFrame
from tomoset.alignment.pair_correlation import align_neighbours
from tomoset.alignment.preprocess import Views

__all__ = ["PairAgreement", "own_error", "pair_agreement", "specimen_slope"]

_RING = 6  # Fourier pixels: wider than the window's leakage, so that the two halves do not share noise
_SAME_ANGSTROM = 30.0
_LEAST_AGREEMENT = 0.5
# Neither half-sets nor Fisher information see what all share; both were held against simulated truth (thin, thick,
# crowded and moving series). Markers leave about a quarter of the slab's own error; and where their residuals are
# larger than 5 Å, neighbours slide past them, and halves agree on what is wrong.
_SLAB_FACTOR, _SLAB_LEFT_BY_MARKERS, _CROWDED_ANGSTROM = 2.0, 0.27, 5.0
_TRUSTED_ANGSTROM = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class PairAgreement:
    """Neighbour shifts found twice, from two sets of rings of the spectrum that share no noise.

    Parameters
    ----------
    fraction : float
        Pairs whose two shifts agree within 30 Å; noise agrees in about one pair in a hundred.
    median_significance : float
        Median height of the pairs' correlation peaks over the whole band, standard deviations of the map.
    least, same_angstrom : float
        The fraction that is needed, and what counts as the same.
    """

    fraction: float
    median_significance: float
    least: float = _LEAST_AGREEMENT
    same_angstrom: float = _SAME_ANGSTROM

    @property
    def enough(self) -> bool:
        """Whether whole views have something in common; else only single particles can lead."""
        return self.fraction >= self.least


def pair_agreement(
    views: Views,
    frame: CommonFrame,
    values_mn: NDArray[np.complex64],
    signal_k: NDArray[np.float64],
    thickness_angstrom: float,
    range_angstrom: float,
) -> PairAgreement:
    """Align neighbours from two halves of the band, apart from one another, and compare.

    Overfitting cannot feign agreement: what one half fits of its own noise the other half does not contain.
    """
    k = np.hypot(frame.kx, frame.ky)
    step = 1.0 / (min(frame.shape_yx) * frame.pixel_size_angstrom)
    half = (k / step / _RING).astype(np.intp) % 2
    found = []
    for which in (0, 1):
        part = half == which
        thin = replace(frame, flat=frame.flat[part], kx=frame.kx[part], ky=frame.ky[part], weight=frame.weight[part])
        shifts = align_neighbours(views, thin, values_mn[part], signal_k, thickness_angstrom, range_angstrom)
        found.append(np.array([shifts.shift_uv_angstrom[i] - shifts.shift_uv_angstrom[j] for i, j in views.outward()]))
    whole = align_neighbours(views, frame, values_mn, signal_k, thickness_angstrom, range_angstrom)
    distance = np.linalg.norm(found[0] - found[1], axis=1)
    return PairAgreement(
        fraction=float(np.mean(distance < _SAME_ANGSTROM)), median_significance=float(np.median(whole.significance))
    )


def own_error(diagnostics: dict[str, float]) -> dict[str, float]:
    """What the alignment believes its error to be, from what its last stage said of noise.

    Returns
    -------
    dict
        ``alignment.error_u_angstrom`` and ``alignment.error_v_angstrom``: root mean square over the views across and
        along the axis, the specimen's translation apart; ``alignment.error_angstrom``: of both; and
        ``alignment.trusted``, 0 where it is not below 10 Å.
    """
    slab, marker = (
        np.array([diagnostics.get(f"alignment.{stage}_error_{side}_angstrom", np.nan) for side in "uv"])
        for stage in ("slab", "marker")
    )
    if not diagnostics.get("alignment.markers_accepted"):
        error = _SLAB_FACTOR * slab
    elif "alignment.start_disagreement_angstrom" in diagnostics:
        error = marker  # of few particles: from the equations, which know all that is uncertain
    else:
        crowded = max(1.0, diagnostics["alignment.marker_residual_u_angstrom"] / _CROWDED_ANGSTROM)
        error = np.hypot(crowded * marker, _SLAB_LEFT_BY_MARKERS * slab)
    both = float(np.linalg.norm(error))
    return {
        "alignment.error_u_angstrom": float(error[0]),
        "alignment.error_v_angstrom": float(error[1]),
        "alignment.error_angstrom": both,
        "alignment.trusted": float(both < _TRUSTED_ANGSTROM),
    }


def specimen_slope(positions_angstrom_xyz: NDArray[np.float64]) -> tuple[NDArray[np.float64], float]:
    """Rise of the specimen's middle along x and along y (2,), degrees, by least squares on particles, and its error.

    A tilted slab needs nothing of the alignment (each particle has a height of its own); a person may want to level
    the tomogram by it.
    """
    terms = np.column_stack([np.ones(len(positions_angstrom_xyz)), positions_angstrom_xyz[:, :2]])
    height = positions_angstrom_xyz[:, 2]
    fit = np.linalg.lstsq(terms, height, rcond=None)[0]
    variance = float(np.square(height - terms @ fit).sum()) / max(len(height) - 3, 1)
    error = np.sqrt(variance * np.diag(np.linalg.inv(terms.T @ terms))[1:].max())
    return np.rad2deg(np.arctan(fit[1:])), float(np.rad2deg(np.arctan(error)))
