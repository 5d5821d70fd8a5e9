"""Alignment on a handful of particles: found by matched filters, tracked one by one, believed when two starts agree."""

from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from tomoset.alignment.bundle import Bundle, solve_bundle
from tomoset.alignment.common_frame import make_frame, xy_from_uv
from tomoset.alignment.marker_model import MarkerModel, start_model
from tomoset.alignment.markers import Offsets, back_projected, local_tops
from tomoset.alignment.particle_maps import particle_maps, place_deviation
from tomoset.alignment.preprocess import Views
from tomoset.alignment.sparse_start import clear_spectra, lay_over_one_another
from tomoset.geometry import remove_gauge
from tomoset.physics import vertex_offset

__all__ = ["ALIKE_ANGSTROM", "SparseAlignment", "align_few_particles"]

Floats = NDArray[np.float64]
Images = NDArray[np.float32]

ALIKE_ANGSTROM = 3.0  # two starts that end nearer than this found the same

_ASIDE_DEG = 15.0
_REACHES_ANGSTROM = (90.0, 60.0, 45.0, 35.0, 35.0, 35.0, 35.0)
_FOUND_ANEW = 2  # round before which particles are looked for again
_SIGNIFICANT = 6.5  # standard deviations of the tomogram; noise reaches 5.5, streaks of larger ones are told apart
_SEEN = 3.5  # standard deviations of a view's map
_LEAST_SUPPORT = 0.5  # of the views that should show a particle
_LEAST_VIEWS = 5
_APART_ANGSTROM = 130.0
_MOST_CANDIDATES = 400
_STEP_ANGSTROM = 24.0  # of the tomograms that particles are looked for in
_LEAST_PARTICLES, _MOST_PARTICLES = 2, 60
_VIEWS_FREE = 4  # round from which each view's tilt, turn and magnification may move, within what is known of them


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class SparseAlignment:
    """What a few particles say.

    Parameters
    ----------
    model : MarkerModel
    positions_angstrom_xyz : (p, 3) array of float64
        Of the particles; empty where fewer than two were found.
    particles : int
        That stand out of the tomogram and that the views support.
    support : float
        Share of the places where a particle should show at which a view has more than 3.5 standard deviations; noise
        has it in about one place in ten, because the highest point near the place counts.
    residual_uv_angstrom : (2,) array of float64
        Robust standard deviation of the particles' places; NaN without particles.
    error_uv_angstrom : (2,) array of float64
        Of the shifts, from the equations' covariance.
    disagreement_angstrom : float
        Root mean square difference of the shifts between the two starts that are most alike, the specimen's
        translation apart; NaN where fewer than two starts found particles to follow.
    """

    model: MarkerModel
    positions_angstrom_xyz: Floats
    particles: int
    support: float
    residual_uv_angstrom: Floats
    error_uv_angstrom: Floats
    disagreement_angstrom: float


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class _Particles:
    positions_angstrom_xyz: Floats
    channel: NDArray[np.intp]


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class _Tracked:
    model: MarkerModel
    particles: int
    support: float
    bundle: Bundle | None


def align_few_particles(
    views: Views, axis_deg: float, thickness_angstrom: float, range_angstrom: float
) -> SparseAlignment:
    """Align on the particles that matched filters find, from starts that take the views in different orders.

    A third start is made where two do not end in the same place.
    """
    from scipy import ndimage

    maps = particle_maps(views)
    frame = make_frame(views, axis_deg, 1e6, 2.1 * views.pixel_size_angstrom)
    spectra = clear_spectra(views, frame, maps, axis_deg)
    outward = np.argsort(np.abs(views.tilt_deg), kind="stable").tolist()
    aside = np.argsort(np.abs(views.tilt_deg - _ASIDE_DEG), kind="stable").tolist()
    upward = list(range(views.n))
    coefficients = np.stack(
        [[ndimage.spline_filter(image, order=3, output=np.float32) for image in channel] for channel in maps]
    )
    tracked: list[_Tracked] = []
    best, apart = 0, float("nan")
    for order, near in ((outward, 6.0), (upward, 10.0), (aside, 8.0)):
        start = lay_over_one_another(views, frame, spectra, axis_deg, range_angstrom, order, near)
        tracked.append(_track(views, coefficients, start_model(views, start), thickness_angstrom))
        best, apart = _most_alike(views, tracked)
        if apart <= ALIKE_ANGSTROM:
            break
    chosen = tracked[best]
    nothing = np.full(2, np.nan)
    return SparseAlignment(
        model=chosen.model,
        positions_angstrom_xyz=np.zeros((0, 3)) if chosen.bundle is None else chosen.bundle.positions_angstrom_xyz,
        particles=chosen.particles,
        support=chosen.support,
        residual_uv_angstrom=nothing if chosen.bundle is None else chosen.bundle.deviation_uv_angstrom,
        error_uv_angstrom=nothing if chosen.bundle is None else chosen.bundle.error_uv_angstrom,
        disagreement_angstrom=apart,
    )


def _most_alike(views: Views, tracked: list[_Tracked]) -> tuple[int, float]:
    """The better of the two outcomes that are most alike, and how far they are apart, Å; NaN without two."""
    solved = [i for i, t in enumerate(tracked) if t.bundle is not None]
    quality = [t.particles * t.support for t in tracked]
    best, least = int(np.argmax(quality)), float("nan")
    for one, other in combinations(solved, 2):
        a, b = tracked[one].model, tracked[other].model
        turned = xy_from_uv(b.shift_uv_angstrom, b.axis_deg - a.axis_deg)
        difference, _ = remove_gauge(turned - a.shift_uv_angstrom, views.tilt_deg)
        apart = float(np.sqrt(np.mean(np.square(difference).sum(axis=1))))
        if not apart >= least:
            best, least = max(one, other, key=lambda i: quality[i]), apart
    return best, least


def _track(views: Views, coefficients: Images, model: MarkerModel, thickness_angstrom: float) -> _Tracked:
    """Find particles, follow them through the views and solve, until their places settle."""
    start, bundle = model, None
    found = _find(views, coefficients, model, thickness_angstrom, _REACHES_ANGSTROM[0])
    seen, unit = np.zeros((0, views.n), dtype=bool), place_deviation(views)
    for done, reach in enumerate(_REACHES_ANGSTROM):
        if done == _FOUND_ANEW:
            found = _find(views, coefficients, model, thickness_angstrom, reach)
        if len(found.channel) < _LEAST_PARTICLES:
            return _Tracked(model=start, particles=len(found.channel), support=0.0, bundle=None)
        offsets, height, inside = _measure(views, coefficients, model, found, reach)
        seen = height[inside] > _SEEN
        free = frozenset({"views"}) if done >= _VIEWS_FREE else frozenset()
        noise = float(np.median((unit[found.channel] / np.maximum(height, 1.0))[offsets.measured]))
        bundle = solve_bundle(model, found.positions_angstrom_xyz, offsets, free, noise)
        model = bundle.model
        found = replace(found, positions_angstrom_xyz=bundle.positions_angstrom_xyz)
    return _Tracked(model=model, particles=len(found.channel), support=float(seen.mean()), bundle=bundle)


def _find(
    views: Views, coefficients: Images, model: MarkerModel, thickness_angstrom: float, reach_angstrom: float
) -> _Particles:
    """Particles that stand out of a tomogram of their channel, and that most views support by themselves."""
    step = max(_STEP_ANGSTROM, views.pixel_size_angstrom)
    places, heights, channels = [], [], []
    for channel, images in enumerate(coefficients):
        volume_zyx, axes = back_projected(views, images, model, thickness_angstrom, step)
        volume_zyx /= np.float32(np.sqrt(views.n))
        z, y, x = local_tops(volume_zyx, _SIGNIFICANT, int(_APART_ANGSTROM / step))
        places.append(np.column_stack([axes[2][x], axes[1][y], axes[0][z]]))
        heights.append(volume_zyx[z, y, x])
        channels.append(np.full(z.size, channel))
    order = np.argsort(-np.concatenate(heights), kind="stable")[:_MOST_CANDIDATES]
    candidates = _Particles(
        positions_angstrom_xyz=np.concatenate(places)[order], channel=np.concatenate(channels)[order]
    )
    return _supported(views, coefficients, model, candidates, reach_angstrom)


def _supported(
    views: Views, coefficients: Images, model: MarkerModel, candidates: _Particles, reach_angstrom: float
) -> _Particles:
    """Candidates, strongest first, less those that only live on the images of stronger ones (streaks, other radii)."""
    chosen: list[int] = []
    if len(candidates.channel):
        _, height, inside = _measure(views, coefficients, model, candidates, reach_angstrom)
        uv = model.predicted_uv(candidates.positions_angstrom_xyz)
        for p in range(len(candidates.channel)):
            own = inside[p].copy()
            for other in chosen:
                own &= np.linalg.norm(uv[p] - uv[other], axis=1) > _APART_ANGSTROM
            enough = own.sum() >= max(_LEAST_VIEWS, 0.5 * inside[p].sum())
            if enough and (height[p][own] > _SEEN).mean() >= _LEAST_SUPPORT:
                chosen.append(p)
            if len(chosen) == _MOST_PARTICLES:
                break
    return _Particles(
        positions_angstrom_xyz=candidates.positions_angstrom_xyz[chosen], channel=candidates.channel[chosen]
    )


def _measure(
    views: Views, coefficients: Images, model: MarkerModel, particles: _Particles, reach_angstrom: float
) -> tuple[Offsets, Floats, NDArray[np.bool_]]:
    """Where each particle's map is highest near its predicted place, how high, and whether the view shows the place.

    Offsets are against the prediction itself: their references are empty.
    """
    from tomoset.alignment import _kernels

    n, (ny, nx) = views.n, views.images_nyx.shape[1:]
    pixel = views.pixel_size_angstrom
    uv = model.predicted_uv(particles.positions_angstrom_xyz)
    places = xy_from_uv(uv, model.axis_deg) / pixel + [nx // 2, ny // 2]
    inside = views.shows(places, reach_angstrom / pixel + 4)
    steps = max(2, round(2 * reach_angstrom / pixel))
    fine = reach_angstrom / steps
    ticks = np.arange(-steps, steps + 1) * fine
    grid = np.stack(np.meshgrid(ticks, ticks, indexing="xy"), axis=-1)
    window = xy_from_uv(grid, model.axis_deg).reshape(-1, 2) / pixel
    far = np.hypot(*np.moveaxis(grid, -1, 0)) > reach_angstrom
    offset, height = np.zeros(uv.shape), np.full(inside.shape, -np.inf)
    measured = np.zeros(inside.shape, dtype=bool)
    values = np.empty(len(window), dtype=np.float32)
    for p, i in zip(*np.nonzero(inside), strict=True):
        _kernels.sample_points(coefficients[particles.channel[p], i], places[p, i] + window, values)
        near = np.where(far, -np.inf, values.reshape(far.shape))
        row, column = np.unravel_index(int(np.argmax(near)), near.shape)
        height[p, i] = near[row, column]
        if not (0 < row < 2 * steps and 0 < column < 2 * steps):
            continue
        all_near = values.reshape(far.shape)
        du = vertex_offset(*(float(all_near[row, column + d]) for d in (-1, 0, 1)))
        dv = vertex_offset(*(float(all_near[row + d, column]) for d in (-1, 0, 1)))
        offset[p, i] = ticks[column] + du * fine, ticks[row] + dv * fine
        measured[p, i] = height[p, i] > _SEEN
    offsets = Offsets(uv_angstrom=offset, measured=measured, reference_pnn=np.zeros((len(uv), n, n)))
    return offsets, height, inside
