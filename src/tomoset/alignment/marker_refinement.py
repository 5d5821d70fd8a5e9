"""Last refinement: rounds of measuring particles and solving the bundle, kept only if they prove themselves."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tomoset.alignment.bundle import Bundle, misfit, solve_bundle
from tomoset.alignment.common_frame import Pose, xy_from_uv
from tomoset.alignment.marker_model import MarkerModel, start_model
from tomoset.alignment.markers import Offsets, find_markers, matched_images, measure_offsets
from tomoset.alignment.params import AlignmentParams
from tomoset.alignment.preprocess import Views
from tomoset.geometry import remove_gauge
from tomoset.model import Progress

__all__ = ["MarkerRefinement", "half_set_error", "refine_with_markers"]

Floats = NDArray[np.float64]

_LEAST_MARKERS = 12
# Reach of the search (Å) and width of the references (degrees): near views first, which agree even while the start is
# off; then, with markers found anew in the better tomogram, wider ones, which hold slow drifts more firmly.
_ROUNDS = ((40.0, 15.0), (25.0, 15.0))
_LATER_ROUNDS = (25.0, 30.0)
_CONVERGED_ANGSTROM = 0.1
_SETTLED_ANGSTROM = 0.6
# Noise alone leaves 7 to 10 Å in either direction. Across the axis a crowded cell leaves as much, because neighbours at
# other heights slide past each marker, and still its markers are worth having: there the other checks decide.
_MOST_RESIDUAL_ANGSTROM = (14.0, 6.0)
_MOST_ERROR_ANGSTROM = 2.0
_LEAST_ACCEPTED = 0.78
_MOST_DEVIATIONS = 5.0  # from the slab's solution, in its own expected errors, which are optimistic up to two-fold
_LEAST_MOST_ANGSTROM = 5.0  # so far always: motion, tilt errors and heights that the slab knows nothing of move it too
_HELD_OUT = 5  # every fifth marker has no part in a trial
_LEAST_HELD_OUT = 8
_LAST_TRIAL = 4  # rounds that may let more unknowns free; the others let what is free settle
_PROVEN = 2.0  # standard errors by which held-out markers must fit better


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class MarkerRefinement:
    """Outcome of the marker stage.

    Parameters
    ----------
    model : MarkerModel
        Refined; when the stage did not prove itself it is not to be used.
    accepted : bool
    n_markers : int
    residual_uv_angstrom : (2,) array of float64
        Robust standard deviation of the markers' residuals; NaN without markers.
    accepted_fraction : float
        Measurements within three of them.
    error_uv_angstrom : (2,) array of float64
        Error of the shifts that noise explains: half the difference of the two half-sets' solutions.
    last_step_angstrom : float
    positions_angstrom_xyz : (p, 3) array of float64
        Of the markers.
    """

    model: MarkerModel
    accepted: bool
    n_markers: int
    residual_uv_angstrom: Floats
    accepted_fraction: float
    error_uv_angstrom: Floats
    last_step_angstrom: float
    positions_angstrom_xyz: Floats


def refine_with_markers(
    views: Views,
    signal_k: Floats,
    pose: Pose,
    slab_error_uv_angstrom: Floats,
    thickness_angstrom: float,
    params: AlignmentParams,
    progress: Progress,
) -> MarkerRefinement:
    """Refine shifts and axis on the specimen's own particles.

    A particle is compact: its parallax is one unknown height, whereas the slab model must take every parallax within
    the slab for possible. The result is kept when the rounds settled, two halves of the markers agree, few
    measurements are outliers, and the slab's solution lies within its own expected errors; else the pose comes back
    as it was. (Started 20 to 80 Å off, rounds that fail do not settle: their last step is 1 Å and more.)
    """
    band = (params.coarsest_angstrom, params.finest_angstrom)
    coefficients = matched_images(views, signal_k, band)
    start = model = start_model(views, pose)
    found = find_markers(views, coefficients, model, thickness_angstrom, params.markers)
    if len(found.significance) < _LEAST_MARKERS:
        return _rejected(model, len(found.significance))
    positions = found.positions_angstrom_xyz
    free: frozenset[str] = frozenset()
    for done in range(params.marker_rounds):
        reach, width = _ROUNDS[done] if done < len(_ROUNDS) else _LATER_ROUNDS
        if done == len(_ROUNDS):
            # Markers keep what the start's drift did to their places, and so some of the drift: they are found anew.
            found = find_markers(views, coefficients, model, thickness_angstrom, params.markers)
            positions = found.positions_angstrom_xyz
            if len(positions) < _LEAST_MARKERS:
                return _rejected(start, len(positions))
        offsets = measure_offsets(views, coefficients, model, positions, reach_angstrom=reach, width_deg=width)
        if done <= _LAST_TRIAL:
            free = _let_free(model, positions, offsets, free)
        bundle = solve_bundle(model, positions, offsets, free)
        step = float(np.sqrt(np.mean(np.square(_difference_uv(views, model, bundle.model)))))
        before, model, positions_before, positions = model, bundle.model, positions, bundle.positions_angstrom_xyz
        progress.step("refine on particles", done + 1, params.marker_rounds)
        if done > len(_ROUNDS) and step < _CONVERGED_ANGSTROM:
            break
    error = half_set_error(views, before, positions_before, offsets, free)
    # A turn of the axis moves the shifts' u and v axes along with it: compared are the image shifts.
    moved = _difference_uv(views, start, model)
    most = np.maximum(_MOST_DEVIATIONS * slab_error_uv_angstrom, _LEAST_MOST_ANGSTROM)
    proven = (
        step < _SETTLED_ANGSTROM
        and bool(np.all(error <= _MOST_ERROR_ANGSTROM))
        and bool(np.all(bundle.deviation_uv_angstrom <= _MOST_RESIDUAL_ANGSTROM))
        and bundle.accepted_fraction >= _LEAST_ACCEPTED
        and bool(np.all(moved <= most))
    )
    return MarkerRefinement(
        model=model,
        accepted=proven,
        n_markers=len(positions),
        residual_uv_angstrom=bundle.deviation_uv_angstrom,
        accepted_fraction=bundle.accepted_fraction,
        error_uv_angstrom=error,
        last_step_angstrom=step,
        positions_angstrom_xyz=positions,
    )


def _let_free(
    model: MarkerModel, positions_angstrom_xyz: Floats, offsets: Offsets, free: frozenset[str]
) -> frozenset[str]:
    """Let motion and then each view's tilt, turn and magnification free where markers that had no part fit better."""
    out = np.arange(len(positions_angstrom_xyz)) % _HELD_OUT == _HELD_OUT - 1
    if out.sum() < _LEAST_HELD_OUT:
        return free
    learn, judge = _part(offsets, ~out), _part(offsets, out)

    def judged(which: frozenset[str], scale: Floats | None) -> tuple[Floats, Floats]:
        solved = solve_bundle(model, positions_angstrom_xyz[~out], learn, which)
        scale = solved.deviation_uv_angstrom if scale is None else scale
        return misfit(solved.model, model, positions_angstrom_xyz[out], judge, scale), scale

    best, scale = judged(free, None)
    left = [group for group in ("motion", "views") if group not in free]
    while left:
        gains = {}
        for group in left:
            gain = best - judged(free | {group}, scale)[0]
            gains[group] = gain.mean() / max(float(gain.std(ddof=1)) / np.sqrt(gain.size), 1e-12)
        most = max(left, key=lambda group: gains[group])
        if gains[most] < _PROVEN:
            break
        free = free | {most}
        left.remove(most)
        best, _ = judged(free, scale)
    return free


def _part(offsets: Offsets, which: NDArray[np.bool_] | slice) -> Offsets:
    return Offsets(
        uv_angstrom=offsets.uv_angstrom[which],
        measured=offsets.measured[which],
        reference_pnn=offsets.reference_pnn[which],
    )


def half_set_error(
    views: Views, model: MarkerModel, positions_angstrom_xyz: Floats, offsets: Offsets, free: frozenset[str]
) -> Floats:
    """Error of the shifts, root mean square across and along, from solving every other marker apart.

    It sees noise only: a drift that all markers share, or a wrong basin, it cannot see.
    """
    halves: list[Bundle] = []
    for first in (0, 1):
        part = slice(first, None, 2)
        halves.append(solve_bundle(model, positions_angstrom_xyz[part], _part(offsets, part), free))
    difference = halves[0].model.shift_uv_angstrom - halves[1].model.shift_uv_angstrom
    residual, _ = remove_gauge(difference, views.tilt_deg)
    return 0.5 * np.sqrt(np.mean(np.square(residual), axis=0))


def _difference_uv(views: Views, before: MarkerModel, after: MarkerModel) -> Floats:
    """Root mean square difference of the image shifts across and along the axis, Å, the translation apart."""
    same_frame = xy_from_uv(after.shift_uv_angstrom, after.axis_deg - before.axis_deg)
    residual, _ = remove_gauge(same_frame - before.shift_uv_angstrom, views.tilt_deg)
    return np.sqrt(np.mean(np.square(residual), axis=0))


def _rejected(model: MarkerModel, count: int) -> MarkerRefinement:
    nothing = np.full(2, np.nan)
    return MarkerRefinement(
        model=model,
        accepted=False,
        n_markers=count,
        residual_uv_angstrom=nothing,
        accepted_fraction=0.0,
        error_uv_angstrom=nothing,
        last_step_angstrom=float("nan"),
        positions_angstrom_xyz=np.zeros((0, 3)),
    )
