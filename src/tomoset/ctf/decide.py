"""From the search to one fit of the series: hand, plane, astigmatism, and what each tilt takes from it."""

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
# Ripples of ln S that all tilts share: their size, and how often they are improved.
_TEXTURE_SD = 0.2
_TEXTURE_ROUNDS = 2
# Misfit of sheets of white noise, whose model is right (rings are correlated); and what no misfit may exceed.
_MISFIT_OF_NOISE = 0.46
_LARGEST_DISPERSION = 2.0
# A tilt is weak when its own rings leave it more uncertain than the series does, and by more than this.
_WEAK_FROM_ANGSTROM = 300.0
# Rings whose amplitude is below so many standard errors are noise's: faint sheets have 0.6 to 1.7, usual tilts 12 and
# more. The error that such a tilt claims for its defocus is wrong, and is taken so much larger.
_LEAST_SIGNIFICANCE = 3.0
_UNSEEN_FACTOR = 10.0


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
    scatter_angstrom : float
        Of the focus about its slow course.
    weak : (n,) array of bool
        Tilts whose defocus comes from the series rather than from themselves.
    """

    hand: int
    margin: float
    score_difference: float
    fit: SeriesFit
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
        shared = Shared(
            np.zeros(4),
            np.array([hand != 0, hand != 0, lens, lens]),
            params.thickness_angstrom or 0.0,
            params.max_astigmatism_angstrom,
        )
        start = found.defocus_angstrom[hand]
        priors = Priors.about(start, _LOOSE_SD_ANGSTROM, lens=lens)
        fits[hand] = fit_series(tilts, geometry, hand, (start_states(tilts, start), shared), priors, run=run, sweeps=8)
    likelihood = {hand: fit.log_posterior for hand, fit in fits.items()}
    best = max(_HANDS, key=lambda hand: likelihood[hand])
    margin = likelihood[best] - max(likelihood[hand] for hand in _HANDS if hand != best)
    fit = _refine(tilts, geometry, best, fits[best], lens, run)
    for _ in range(_TEXTURE_ROUNDS):
        tilts = _textured(tilts, fit)
        fit = _refine(tilts, geometry, best, fit, lens, run)
    fit, scatter, weak = _with_series(tilts, geometry, best, fit, dose, lens, run)
    return Decision(best, margin, likelihood[1] - likelihood[-1], fit, scatter, weak)


def _refine(
    tilts: Sequence[TiltData], geometry: TiltGeometry, hand: int, fit: SeriesFit, lens: bool, run: _Run
) -> SeriesFit:
    """Drop an astigmatism that is not significant, and go on until nothing changes."""
    standardised = np.square(fit.shared.values[2:4] / fit.shared_error[2:4]).sum() if lens else 0.0
    shared = fit.shared
    if standardised < _ASTIGMATISM_SIGNIFICANCE:
        free = shared.free & np.array([True, True, False, False])
        shared = replace(shared, values=shared.values * [1, 1, 0, 0], free=free)
    priors = Priors.about(_defocus(fit), _LOOSE_SD_ANGSTROM, lens=lens)
    return fit_series(tilts, geometry, hand, (fit.states, shared), priors, run=run, sweeps=5)


def _textured(tilts: Sequence[TiltData], fit: SeriesFit) -> list[TiltData]:
    """Let all tilts share the ripples of the signal that no polynomial follows."""
    gradient, information = np.sum([evaluation.texture for evaluation in fit.evaluations], axis=0)
    precision = _TEXTURE_SD**-2.0
    texture = tilts[0].rings.texture
    change = (gradient - precision * texture) / (information + precision)
    rings = replace(tilts[0].rings, texture=texture + np.clip(change, -1, 1))
    return [replace(data, rings=rings) for data in tilts]


def _dispersion(fit: SeriesFit) -> float:
    """How much larger errors are than the counted noise makes them, because spectra are not what the model says."""
    misfit = float(np.median([evaluation.misfit for evaluation in fit.evaluations]))
    return float(np.clip(np.sqrt(misfit / _MISFIT_OF_NOISE), 1.0, _LARGEST_DISPERSION))


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
    larger = _dispersion(fit)
    unseen = fit.signal_significance < _LEAST_SIGNIFICANCE
    own = larger * fit.free_error_angstrom * np.where(unseen, _UNSEEN_FACTOR, 1.0)
    mean, precision, scatter = expected_focus(_defocus(fit), own, geometry.y_tilt_deg, dose)
    # The tilts' own likelihoods claim too much by as much.
    trusted = precision * larger**2 * np.where(unseen, _UNSEEN_FACTOR**2, 1.0)
    start = tuple(
        replace(state, defocus_angstrom=float(mean[i])) if unseen[i] else state for i, state in enumerate(fit.states)
    )
    final = fit_series(
        tilts,
        geometry,
        hand,
        (start, fit.shared),
        Priors(mean, trusted, lens=lens),
        run=run,
        sweeps=4,
        occupancy_sweeps=0,
    )
    error = np.where(unseen, scatter, larger * final.defocus_error_angstrom)
    weak = unseen | ((own > _WEAK_FROM_ANGSTROM) & (np.square(own) * precision > 1))
    shared_error = larger * final.shared_error
    return replace(final, defocus_error_angstrom=error, shared_error=shared_error), scatter, weak


def _defocus(fit: SeriesFit) -> Floats:
    return np.array([state.defocus_angstrom for state in fit.states])
