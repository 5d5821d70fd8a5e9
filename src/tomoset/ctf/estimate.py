"""The verb: tilt images to the defocus of every tilt and the sign of its gradient."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from tomoset.ctf.curve import fitted_curve
from tomoset.ctf.decide import Decision, decide
from tomoset.ctf.joint_fit import turned_plane
from tomoset.ctf.params import CtfParams
from tomoset.ctf.search import search_series
from tomoset.ctf.spectra import RingGrid, TileSpectra, merge_tiles, ring_grid, tile_spectra
from tomoset.ctf.tilt_model import Rings, TiltData
from tomoset.model import CtfEstimate, Progress, Resources, Tilt, TiltSeries

__all__ = ["estimate_ctf"]

Floats = NDArray[np.float64]

# Rows of merged tiles along the slope and across it: height changes fast along.
_MOST_CELLS = (12, 6)
_REMARK = "no CTF: the image is empty"
_WEAK_REMARK = "defocus from the series: the tilt's own rings are weak"


@dataclass(frozen=True, slots=True, eq=False)
class _Measured:
    """Spectra of the tilts whose images hold something."""

    indices: tuple[int, ...]
    spectra: tuple[TileSpectra, ...]
    grid: RingGrid


def estimate_ctf(series: TiltSeries, params: CtfParams, *, resources: Resources, progress: Progress) -> TiltSeries:
    """Estimate the defocus of every tilt.

    Parameters
    ----------
    series : TiltSeries
        Motion-corrected images; with ``geometry`` where the series is aligned, otherwise the nominal angles are used.
    params : CtfParams
        See there.
    resources : Resources
        ``workers`` tilts are analysed at a time; each holds one image.
    progress : Progress
        One step a tilt for the spectra, then one a tilt for the fits.

    Returns
    -------
    TiltSeries
        With ``Tilt.ctf`` of every tilt whose image is not empty (an empty one keeps its row, ``ctf=None`` and a
        remark; ``use`` is never touched) and ``defocus_hand``: 0 where no hand beats both the other one and the
        assumption of no gradient by ``hand_threshold``. Diagnostics: ``ctf.hand_score_difference``
        (log-likelihood of hand +1 minus that of −1), ``ctf.best_hand`` (+1, −1 or 0 for no gradient: the assumption
        that all fits were made with), ``ctf.hand_margin`` (its log-likelihood over the next best assumption),
        ``ctf.plane_tilt_about_axis_deg`` and ``ctf.plane_tilt_across_axis_deg`` (angles of the specimen's plane
        against the geometry's, with their standard errors ``…_error_deg``; absent without a gradient),
        ``ctf.astigmatism_angstrom`` and ``ctf.astigmatism_deg`` (the series'), ``ctf.defocus_jitter_angstrom``,
        ``ctf.median_defocus_error_angstrom``, ``ctf.weak_tilts`` (whose defocus the series gave: their rows say so),
        ``ctf.mean_score`` and ``ctf.empty_images``.

    Raises
    ------
    ParameterError
        If images are too small or too coarse for Thon rings.
    """
    with ThreadPoolExecutor(max_workers=max(1, resources.workers)) as pool:
        measured = _measure(series, params, pool, progress)
        if not measured.indices:
            return _finish(series, {}, {}, 0, set())
        whole = series.geometry if series.geometry is not None else series.nominal_geometry()
        geometry = whole.select(measured.indices)
        used = np.array([series.tilts[i].use for i in measured.indices])
        nominal = [series.tilts[i].nominal_defocus_angstrom for i in measured.indices]
        found = search_series(measured.spectra, measured.grid, geometry, series.optics, used, nominal, params)
        rings = Rings.of(measured.grid, series.optics)
        tilts = [TiltData(spectra, rings) for spectra in measured.spectra]
        dose = series.dose_middle_e_per_angstrom2[list(measured.indices)]
        decision = decide(tilts, geometry, found, dose, params, pool)
        turned = turned_plane(geometry, decision.fit.shared.values[:2])
        gradients = decision.hand * turned.plane_gradient_xy
        paths = decision.fit.shared.depth_angstrom / np.abs(turned.image_from_specimen[:, 2, 2])

        def describe(row: int) -> CtfEstimate:
            estimate = _estimate_of(decision, row, params)
            curve = fitted_curve(
                measured.spectra[row],
                measured.grid,
                estimate,
                gradients[row],
                series.optics,
                path_angstrom=float(paths[row]),
            )
            return replace(estimate, score=curve.score, resolution_angstrom=curve.resolution_angstrom)

        estimates = {}
        for row, estimate in enumerate(pool.map(describe, range(len(tilts)))):
            estimates[measured.indices[row]] = estimate
            progress.step("CTF fits", row + 1, len(tilts))
    weak = {measured.indices[row] for row in np.flatnonzero(decision.weak)}
    hand = decision.hand if decision.margin >= params.hand_threshold else 0
    return _finish(series, estimates, decision.diagnostics(), hand, weak)


def _measure(series: TiltSeries, params: CtfParams, pool: ThreadPoolExecutor, progress: Progress) -> _Measured:
    """Spectra of all images, neighbouring tiles of large ones merged."""
    n_tilts = len(series.tilts)
    ny, nx = series.images_nyx.shape[1:]
    grid = ring_grid((ny, nx), series.pixel_size_angstrom, params)
    geometry = series.geometry if series.geometry is not None else series.nominal_geometry()
    gradients = geometry.plane_gradient_xy

    def analyse(index: int) -> TileSpectra | None:
        image = np.asarray(series.images_nyx.read((index,)), dtype=np.float32)
        mask = None if series.masks_nyx is None else series.masks_nyx[index]
        spectra = tile_spectra(image, grid, pixel_size_angstrom=series.pixel_size_angstrom, mask_yx=mask)
        return None if spectra is None else merge_tiles(spectra, gradients[index], _MOST_CELLS)

    indices, kept = [], []
    for index, found in enumerate(pool.map(analyse, range(n_tilts))):
        if found is not None:
            indices.append(index)
            kept.append(found)
        progress.step("CTF spectra", index + 1, n_tilts)
    return _Measured(tuple(indices), tuple(kept), grid)


def _estimate_of(decision: Decision, row: int, params: CtfParams) -> CtfEstimate:
    """Fitted numbers of one tilt, still without its quality."""
    state = decision.fit.states[row]
    half = float(np.hypot(*state.astigmatism_xy))
    return CtfEstimate(
        defocus_u_angstrom=state.defocus_angstrom + half,
        defocus_v_angstrom=state.defocus_angstrom - half,
        astigmatism_deg=float(0.5 * np.rad2deg(np.arctan2(state.astigmatism_xy[1], state.astigmatism_xy[0]))),
        score=0.0,
        resolution_angstrom=params.coarsest_angstrom,
        defocus_error_angstrom=float(decision.fit.defocus_error_angstrom[row]),
    )


def _finish(
    series: TiltSeries, estimates: dict[int, CtfEstimate], diagnostics: dict[str, float], hand: int, weak: set[int]
) -> TiltSeries:
    """Write the estimates into the rows; an empty image gets a remark and stays as it was otherwise."""
    rows = []
    for index, tilt in enumerate(series.tilts):
        estimate = estimates.get(index)
        remark = _REMARK if estimate is None else _WEAK_REMARK if index in weak else ""
        rows.append(replace(tilt, ctf=estimate, reason=_with_remark(tilt, remark)))
    scores = [estimate.score for estimate in estimates.values()]
    own = {
        "ctf.mean_score": float(np.mean(scores)) if scores else 0.0,
        "ctf.empty_images": float(len(rows) - len(estimates)),
    }
    others = {name: value for name, value in (series.diagnostics or {}).items() if not name.startswith("ctf.")}
    return replace(series.with_tilts(rows), defocus_hand=hand, diagnostics={**others, **diagnostics, **own})


def _with_remark(tilt: Tilt, remark: str) -> str:
    """Add a remark of this stage to a tilt's reason, in the place of those of earlier runs."""
    kept = [part for part in tilt.reason.split("; ") if part and part not in {_REMARK, _WEAK_REMARK}]
    return "; ".join([*kept, remark] if remark else kept)
