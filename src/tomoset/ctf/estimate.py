"""The verb: tilt images to the defocus of every tilt and the sign of its gradient."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from tomoset.ctf.astigmatism import common_astigmatism, fit_tilt
from tomoset.ctf.curve import fitted_curve
from tomoset.ctf.likelihood import ENVELOPES, Correlations, ModelTable, correlate, model_table
from tomoset.ctf.params import CtfParams
from tomoset.ctf.series_fit import best_path, parabola_vertex
from tomoset.ctf.spectra import RingGrid, TileSpectra, ring_grid, tile_spectra
from tomoset.model import CtfEstimate, Optics, Progress, Resources, Tilt, TiltSeries
from tomoset.physics import wavelength_angstrom

__all__ = ["estimate_ctf"]

Floats = NDArray[np.float64]

# Step of the defocus grid: the phase at the finest frequency moves by this many radians from point to point.
_PHASE_STEP_RAD = 0.05
_HANDS = (1, -1, 0)
_REMARK = "no CTF: the image is empty"


@dataclass(frozen=True, slots=True)
class _Choice:
    """What the series decided for all its tilts."""

    hand: int
    envelope: int
    score_difference: float
    margin: float


def estimate_ctf(series: TiltSeries, params: CtfParams, *, resources: Resources, progress: Progress) -> TiltSeries:
    """Estimate the defocus of every tilt.

    Parameters
    ----------
    series : TiltSeries
        Motion-corrected images; with ``geometry`` where the series is aligned, otherwise the nominal angles are used.
    params : CtfParams
        See there.
    resources : Resources
        ``workers`` tilts are analysed at a time; each holds the spectra of its image's tiles by height, which
        ``memory_gib`` does not bound.
    progress : Progress
        One step a tilt, twice (spectra, fits).

    Returns
    -------
    TiltSeries
        With ``Tilt.ctf`` of every tilt whose image is not empty (an empty one keeps its row, ``ctf=None`` and a
        remark; ``use`` is never touched) and ``defocus_hand``: 0 where no hand beats both the other one and the
        assumption of no gradient by ``hand_threshold``. Diagnostics: ``ctf.hand_score_difference``
        (log-likelihood of hand +1 minus that of −1), ``ctf.best_hand`` (+1, −1 or 0 for no gradient: the assumption
        that all fits were made with), ``ctf.hand_margin`` (its log-likelihood over the next best assumption),
        ``ctf.mean_score`` and ``ctf.empty_images``.

    Raises
    ------
    ParameterError
        If images are too small or too coarse for Thon rings.
    """
    n_tilts = len(series.tilts)
    ny, nx = series.images_nyx.shape[1:]
    grid = ring_grid((ny, nx), series.pixel_size_angstrom, params)
    geometry = series.geometry if series.geometry is not None else series.nominal_geometry()
    gradients = geometry.plane_gradient_xy
    table = model_table(grid, series.optics, _defocus_grid(series, grid, gradients, params))

    def analyse(index: int) -> TileSpectra | None:
        image = np.asarray(series.images_nyx.read((index,)), dtype=np.float32)
        pixel, step = series.pixel_size_angstrom, table.step_angstrom
        return tile_spectra(image, grid, gradients[index], pixel_size_angstrom=pixel, step_angstrom=step)

    spectra: dict[int, TileSpectra] = {}
    estimates: dict[int, CtfEstimate] = {}
    with ThreadPoolExecutor(max_workers=max(1, resources.workers)) as pool:
        for index, found in enumerate(pool.map(analyse, range(n_tilts))):
            if found is not None:
                spectra[index] = found
            progress.step("CTF spectra", index + 1, n_tilts)
        if not spectra:
            return _finish(series, estimates, _Choice(0, 0, 0.0, 0.0), params)
        data = {index: correlate(found, table) for index, found in spectra.items()}
        choice = _choose(series, data, _searched(table, params))
        start = _starting_defocus(data, choice, table, params)
        common = common_astigmatism(
            list(data.values()), list(start.values()), choice.envelope, choice.hand, params.max_astigmatism_angstrom
        )

        def fit(index: int) -> CtfEstimate:
            return _fit_tilt(data[index], spectra[index], (start[index], common), choice, series.optics, params)

        for index, estimate in zip(data, pool.map(fit, data), strict=True):
            estimates[index] = estimate
            progress.step("CTF fits", len(estimates), len(data))
    return _finish(series, estimates, choice, params)


def _defocus_grid(series: TiltSeries, grid: RingGrid, gradients: Floats, params: CtfParams) -> Floats:
    """Even grid of defocus values that reaches as far as any tile of any tilt can."""
    low, high = params.search_range_angstrom
    ny, nx = series.images_nyx.shape[1:]
    reach = 0.5 * series.pixel_size_angstrom * float((np.abs(gradients) @ np.array([nx, ny])).max(initial=0.0))
    reach += 0.5 * params.max_astigmatism_angstrom
    wavelength = wavelength_angstrom(series.optics.voltage_kv)
    step = _PHASE_STEP_RAD / (np.pi * wavelength * grid.frequency[-1] ** 2)
    first = max(low - reach, 0.1 * low)
    return first + step * np.arange(int(np.ceil((high + reach - first) / step)) + 1)


def _searched(table: ModelTable, params: CtfParams) -> NDArray[np.bool_]:
    """Points of the defocus grid that an image centre may have."""
    low, high = params.search_range_angstrom
    searched: NDArray[np.bool_] = (table.defocus_angstrom >= low) & (table.defocus_angstrom <= high)
    return searched


def _choose(series: TiltSeries, data: dict[int, Correlations], searched: NDArray[np.bool_]) -> _Choice:
    """Hand and envelope that the used tilts find most likely together."""
    voters = [i for i in data if series.tilts[i].use] or list(data)
    likelihood = np.array(
        [
            [sum(float(data[i].along_defocus(e, hand)[searched].max()) for i in voters) for hand in _HANDS]
            for e in range(len(ENVELOPES))
        ]
    )
    best = likelihood.max(axis=0)
    winner = int(np.argmax(best))
    margin = float(best[winner] - np.delete(best, winner).max())
    return _Choice(
        hand=_HANDS[winner],
        envelope=int(np.argmax(likelihood[:, winner])),
        score_difference=float(best[0] - best[1]),
        margin=margin,
    )


def _starting_defocus(
    data: dict[int, Correlations], choice: _Choice, table: ModelTable, params: CtfParams
) -> dict[int, float]:
    """Defocus (Å) of every tilt without astigmatism, as the whole series finds it likely."""
    gains = np.stack([one.along_defocus(choice.envelope, choice.hand) for one in data.values()])
    # Beyond the search range no path may go, but the parabola through its ends still needs finite neighbours.
    allowed = np.where(_searched(table, params), gains, -np.inf)
    path = best_path(allowed, table.step_angstrom / params.series_step_angstrom)
    places = [parabola_vertex(row, int(index)) for row, index in zip(gains, path, strict=True)]
    return {i: float(table.defocus_angstrom[0] + p * table.step_angstrom) for i, p in zip(data, places, strict=True)}


def _fit_tilt(
    data: Correlations,
    spectra: TileSpectra,
    start: tuple[float, Floats],
    choice: _Choice,
    optics: Optics,
    params: CtfParams,
) -> CtfEstimate:
    """Refine one tilt and measure how well the result follows the data."""
    largest = params.max_astigmatism_angstrom
    defocus, astigmatism = fit_tilt(data, choice.envelope, choice.hand, *start, largest)
    half = float(np.hypot(*astigmatism))
    estimate = CtfEstimate(
        defocus_u_angstrom=defocus + half,
        defocus_v_angstrom=defocus - half,
        astigmatism_deg=float(0.5 * np.rad2deg(np.arctan2(astigmatism[1], astigmatism[0]))),
        score=0.0,
        resolution_angstrom=params.coarsest_angstrom,
    )
    curve = fitted_curve(spectra, data.table.grid, estimate, choice.hand, optics)
    return replace(estimate, score=curve.score, resolution_angstrom=curve.resolution_angstrom)


def _finish(series: TiltSeries, estimates: dict[int, CtfEstimate], choice: _Choice, params: CtfParams) -> TiltSeries:
    """Write the estimates into the rows; an empty image gets a remark and stays as it was otherwise."""
    rows = [_with_estimate(tilt, estimates.get(index)) for index, tilt in enumerate(series.tilts)]
    scores = [estimate.score for estimate in estimates.values()]
    diagnostics = {
        "ctf.hand_score_difference": choice.score_difference,
        "ctf.hand_margin": choice.margin,
        "ctf.best_hand": float(choice.hand),
        "ctf.mean_score": float(np.mean(scores)) if scores else 0.0,
        "ctf.empty_images": float(len(rows) - len(estimates)),
    }
    return replace(
        series.with_tilts(rows),
        defocus_hand=choice.hand if choice.margin >= params.hand_threshold else 0,
        diagnostics={**(series.diagnostics or {}), **diagnostics},
    )


def _with_estimate(tilt: Tilt, estimate: CtfEstimate | None) -> Tilt:
    if estimate is not None:
        return replace(tilt, ctf=estimate)
    reason = tilt.reason if _REMARK in tilt.reason else "; ".join(filter(None, (tilt.reason, _REMARK)))
    return replace(tilt, ctf=None, reason=reason)
