"""From the search to one fit of the series: hand, plane, astigmatism, thickness, and what each tilt takes from it."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from tomoset.ctf.focus_prior import expected_focus
from tomoset.ctf.joint_fit import Priors, SeriesFit, Shared, fit_series, start_states
from tomoset.ctf.params import CtfParams
from tomoset.ctf.search import Found
from tomoset.ctf.tilt_model import Evaluation, TiltData
from tomoset.geometry import TiltGeometry

__all__ = ["Decision", "decide"]

Floats = NDArray[np.float64]
_Run = Callable[..., list[Evaluation]]

_HANDS = (1, -1, 0)
# Before the series has spoken: a tilt is expected within this distance of the search's path.
_LOOSE_SD_ANGSTROM = 3000.0
# Square sum of two standardised components that noise exceeds once in 400 series.
_ASTIGMATISM_SIGNIFICANCE = 12.0
_THICKNESS_START_ANGSTROM = 1500.0
_THICKNESS_SIGMAS = 4.0
_THICKNESS_GAIN = 6.0
# A tilt is weak when its own rings leave it more uncertain than the series does, and by more than this.
_WEAK_FROM_ANGSTROM = 300.0


@dataclass(frozen=True, slots=True, eq=False)
class Decision:
    """The series' fit.

    Parameters
    ----------
    hand : int
        Under which the fit was made; 0 for no gradient.
    margin : float
        Log-likelihood of this assumption over the next best.
    score_difference : float
        Log-likelihood of hand +1 minus that of −1.
    fit : SeriesFit
    thickness_known : bool
    scatter_angstrom : float
        Of the focus about its slow course.
    weak : (n,) array of bool
        Tilts whose defocus comes from the series rather than from themselves.
    """

    hand: int
    margin: float
    score_difference: float
    fit: SeriesFit
    thickness_known: bool
    scatter_angstrom: float
    weak: NDArray[np.bool_]

    def diagnostics(self) -> dict[str, float]:
        """Numbers about the series, by name."""
        values, errors = self.fit.shared.values, self.fit.shared_error
        found = {
            "ctf.hand_score_difference": self.score_difference,
            "ctf.hand_margin": self.margin,
            "ctf.best_hand": float(self.hand),
            "ctf.astigmatism_angstrom": 2 * float(np.hypot(values[2], values[3])),
            "ctf.astigmatism_deg": float(0.5 * np.rad2deg(np.arctan2(values[3], values[2]))),
            "ctf.defocus_jitter_angstrom": self.scatter_angstrom,
            "ctf.median_defocus_error_angstrom": float(np.median(self.fit.defocus_error_angstrom)),
            "ctf.weak_tilts": float(self.weak.sum()),
        }
        if self.hand:
            for i, name in enumerate(("about", "across")):
                found[f"ctf.plane_tilt_{name}_axis_deg"] = float(values[i])
                found[f"ctf.plane_tilt_{name}_axis_error_deg"] = float(errors[i])
        if self.thickness_known:
            found["ctf.thickness_angstrom"] = float(values[4])
            found["ctf.thickness_error_angstrom"] = float(errors[4])
        return found


def decide(
    tilts: Sequence[TiltData],
    geometry: TiltGeometry,
    found: Found,
    dose: Floats,
    params: CtfParams,
    pool: ThreadPoolExecutor,
) -> Decision:
    """Fit the series under each hand, keep the likeliest, and refine it.

    Parameters
    ----------
    tilts : sequence of TiltData
    geometry : TiltGeometry
        Of these tilts.
    found : Found
        Where the search has them.
    dose : (n,) array of float64
        That the specimen had received.
    params : CtfParams
    pool : ThreadPoolExecutor
    """

    def run(*arguments: object) -> list[Evaluation]:
        return list(pool.map(*arguments))  # type: ignore[arg-type]

    lens = params.max_astigmatism_angstrom > 0
    fits = {}
    for hand in _HANDS:
        shared = Shared(np.zeros(5), np.array([hand != 0, hand != 0, lens, lens, False]))
        start = found.defocus_angstrom[hand]
        priors = Priors.about(start, _LOOSE_SD_ANGSTROM, lens=lens)
        fits[hand] = fit_series(tilts, geometry, hand, (start_states(tilts, start), shared), priors, run=run, sweeps=8)
    likelihood = {hand: fit.log_posterior for hand, fit in fits.items()}
    best = max(_HANDS, key=lambda hand: likelihood[hand])
    margin = likelihood[best] - max(likelihood[hand] for hand in _HANDS if hand != best)
    fit = _refine(tilts, geometry, best, fits[best], lens, run)
    thick = _with_thickness(tilts, geometry, best, fit, lens, run)
    known = thick is not None
    fit, scatter, weak = _with_series(tilts, geometry, best, fit if thick is None else thick, dose, lens, run)
    return Decision(best, margin, likelihood[1] - likelihood[-1], fit, known, scatter, weak)


def _refine(
    tilts: Sequence[TiltData], geometry: TiltGeometry, hand: int, fit: SeriesFit, lens: bool, run: _Run
) -> SeriesFit:
    """Drop an astigmatism that is not significant, and go on until nothing changes."""
    standardised = np.square(fit.shared.values[2:4] / fit.shared_error[2:4]).sum() if lens else 0.0
    shared = fit.shared
    if standardised < _ASTIGMATISM_SIGNIFICANCE:
        free = shared.free & np.array([True, True, False, False, True])
        shared = replace(shared, values=shared.values * [1, 1, 0, 0, 1], free=free)
    priors = Priors.about(_defocus(fit), _LOOSE_SD_ANGSTROM, lens=lens)
    return fit_series(tilts, geometry, hand, (fit.states, shared), priors, run=run, sweeps=6)


def _with_thickness(
    tilts: Sequence[TiltData], geometry: TiltGeometry, hand: int, fit: SeriesFit, lens: bool, run: _Run
) -> SeriesFit | None:
    """Fit the slab's thickness too; None when the data do not determine it."""
    shared = replace(
        fit.shared,
        values=np.array([*fit.shared.values[:4], _THICKNESS_START_ANGSTROM]),
        free=np.array([*fit.shared.free[:4], True]),
    )
    priors = Priors.about(_defocus(fit), _LOOSE_SD_ANGSTROM, lens=lens)
    thick = fit_series(tilts, geometry, hand, (fit.states, shared), priors, run=run, sweeps=8)
    sigmas = thick.shared.depth_angstrom / float(thick.shared_error[4])
    gain = thick.log_likelihood - fit.log_likelihood
    return thick if sigmas > _THICKNESS_SIGMAS and gain > _THICKNESS_GAIN else None


def _with_series(
    tilts: Sequence[TiltData],
    geometry: TiltGeometry,
    hand: int,
    fit: SeriesFit,
    dose: Floats,
    lens: bool,
    run: _Run,
) -> tuple[SeriesFit, float, NDArray[np.bool_]]:
    """Let each tilt take from the series what its own rings leave open."""
    mean, precision, scatter = expected_focus(_defocus(fit), fit.free_error_angstrom, geometry.y_tilt_deg, dose)
    priors = Priors(mean, precision, lens=lens)
    final = fit_series(tilts, geometry, hand, (fit.states, fit.shared), priors, run=run, sweeps=4, occupancy_sweeps=0)
    own = final.free_error_angstrom
    weak = (own > _WEAK_FROM_ANGSTROM) & (np.square(own) * precision > 1)
    return final, scatter, weak


def _defocus(fit: SeriesFit) -> Floats:
    return np.array([state.defocus_angstrom for state in fit.states])
