"""What really happened during the series: the draws that the microscope's files do not tell."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tomoset.geometry import TiltGeometry
from tomoset.microscope import bad_views
from tomoset.microscope.motion_fields import draw_deformation, draw_local_motion
from tomoset.microscope.params import MicroscopeParams
from tomoset.microscope.reach import LARGEST_DRAW_SIGMAS, deformation_reach_xy, frame_aspect_xy
from tomoset.microscope.scheme import acquisition_order, nominal_tilts_deg
from tomoset.microscope.targets import draw_target
from tomoset.model import stream

__all__ = ["Conditions", "draw_conditions", "draw_drift"]

_DRIFT_FADES_OVER_FRAMES = 2.0
_DRIFT_JITTER = 0.1  # of the first step, random in every frame
_DRIFT_TURN_RAD = 0.3  # change of direction from frame to frame
_SUFFIXES = {"tiff": ".tif", "mrc": ".mrc"}

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Conditions:
    """Nominal and true conditions of all recorded views; rows by ascending nominal tilt.

    Parameters
    ----------
    names : tuple of str
        File name of each movie: run, order (1 for the first) and tilt.
    keys : tuple of str
        What names a view's random streams: the file name as TIFF, so that another frame format holds the same counts.
    nominal_tilt_deg : (n,) array of float64
    acquisition_order : (n,) array of int
        Among all planned views: a missing one leaves a gap, because the specimen was exposed all the same.
    geometry : TiltGeometry
        How the specimen is projected at the mean of a movie's frames.
    defocus_angstrom : (n,) array of float64
        At the specimen's origin; the mean of U and V.
    astigmatism_angstrom, astigmatism_deg : (n,) array of float64
        U − V, ≥ 0, and the angle of U from image x, counter-clockwise.
    magnification : (n,) array of float64
        Scale about the image's index N // 2.
    frame_shift_xy_angstrom : (n, t, 2) array of float64
        Motion of each frame about the movie's mean.
    frame_blur_xy_angstrom : (n, t, 2) array of float64
        Displacement from the beginning to the end of each frame; zero but in blurred views. Uniform motion multiplies
        the frame's transform with ``sinc(k · blur)``.
    deformation : (n, 3, 10) array of float64 or None
        See ``SeriesTruth``.
    local_motion : (n, t, 2, 6) array of float64 or None
        See ``SeriesTruth``.
    condition : tuple of str
        ``good``, ``dark``, ``blocked`` or ``blurred``.
    intensity_factor : (n,) array of float64
        Share of the beam that reached the specimen.
    blocked_half_plane : (n, 3) array of float64
        (nx, ny, offset): no electron where ``nx x + ny y > offset``, Å from index N // 2; (0, 0, inf) for none.
    image_shift_xy_angstrom : (n, 2) array of float64
        Beam-image shift to the target, in the image's axes; zero but for targets recorded in parallel.
    lens_defocus_angstrom : (n,) array of float64
        What the objective lens was set to: the target defocus less the rise of a target off the axis.
    stage_position_angstrom_xyz : tuple of float
        Of the goniometer; targets recorded in parallel share it.
    missing_tilts_deg : tuple of float
        Planned and never saved.
    """

    names: tuple[str, ...]
    keys: tuple[str, ...]
    nominal_tilt_deg: Floats
    acquisition_order: NDArray[np.intp]
    geometry: TiltGeometry
    defocus_angstrom: Floats
    astigmatism_angstrom: Floats
    astigmatism_deg: Floats
    magnification: Floats
    frame_shift_xy_angstrom: Floats
    frame_blur_xy_angstrom: Floats
    deformation: Floats | None
    local_motion: Floats | None
    condition: tuple[str, ...]
    intensity_factor: Floats
    blocked_half_plane: Floats
    image_shift_xy_angstrom: Floats
    lens_defocus_angstrom: Floats
    stage_position_angstrom_xyz: tuple[float, float, float]
    missing_tilts_deg: tuple[float, ...]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Views:
    """The recorded views while their truth is being drawn: every quantity has a stream of its own."""

    run: str
    seed: int
    keys: tuple[str, ...]
    tilts_deg: Floats
    order: NDArray[np.intp]
    first_tilt_deg: float

    def streams(self, quantity: str) -> list[np.random.Generator]:
        return [stream(self.seed, "image", self.run, key, quantity) for key in self.keys]

    def series_stream(self, quantity: str) -> np.random.Generator:
        return stream(self.seed, "image", self.run, quantity)

    def each(self, quantity: str, sigma: float) -> Floats:
        """One clipped Gaussian number a view."""
        return np.array([_normal(rng, sigma, 1)[0] for rng in self.streams(quantity)])

    def once(self, quantity: str, sigma: float) -> float:
        """One clipped Gaussian number for the series."""
        return float(_normal(self.series_stream(quantity), sigma, 1)[0])

    def select(self, kept: list[int]) -> "_Views":
        return _Views(
            run=self.run,
            seed=self.seed,
            keys=tuple(self.keys[i] for i in kept),
            tilts_deg=self.tilts_deg[kept],
            order=self.order[kept],
            first_tilt_deg=self.first_tilt_deg,
        )


def _normal(rng: np.random.Generator, sigma: float, shape: int | tuple[int, ...]) -> Floats:
    """Gaussian draws, clipped where the field of view stops being guaranteed."""
    return sigma * np.clip(rng.standard_normal(shape), -LARGEST_DRAW_SIGMAS, LARGEST_DRAW_SIGMAS)


def draw_drift(n_frames: int, drift_angstrom: float, rng: np.random.Generator) -> Floats:
    """Path of the specimen during one movie.

    Returns
    -------
    (n_frames, 2) array of float64
        Shift of each frame, image x then y, mean zero, Å. Steps fade with exp(−frame / 2): beam-induced motion is
        strongest at the start of an exposure (Brilot et al. 2012, J. Struct. Biol. 177:630).
    """
    if n_frames == 1:
        return np.zeros((1, 2))
    steps = np.arange(n_frames - 1)
    length = drift_angstrom * rng.uniform(0.5, 1.5) * np.exp(-steps / _DRIFT_FADES_OVER_FRAMES)
    direction = rng.uniform(0, 2 * np.pi) + np.cumsum(_DRIFT_TURN_RAD * rng.standard_normal(n_frames - 1))
    step_xy = length[:, None] * np.stack([np.cos(direction), np.sin(direction)], axis=1)
    step_xy += _DRIFT_JITTER * drift_angstrom * rng.standard_normal(step_xy.shape) / np.sqrt(2)
    path = np.concatenate([np.zeros((1, 2)), np.cumsum(step_xy, axis=0)])
    return path - path.mean(axis=0)


def draw_conditions(params: MicroscopeParams, run: str, seed: int) -> Conditions:
    """Draw the truth of one series; every quantity has a stream of its own."""
    planned = _planned_views(params, run, seed)
    states = bad_views.draw_states(params, planned.tilts_deg, planned.order, planned.streams("condition"))
    kept = [i for i, state in enumerate(states) if state != bad_views.MISSING]
    views = planned.select(kept)
    condition = tuple(states[i] for i in kept)
    geometry, eucentric_defocus = _geometry(params, views)
    astigmatism, astigmatism_deg = _astigmatism(params, views)
    shift, blur = _frame_motion(params, views, condition)
    target = draw_target(params, run, seed)
    image_shift, rise = target.seen_at(views.tilts_deg, params.tilt_axis_deg)
    local = params.local_motion_angstrom
    return Conditions(
        names=tuple(key.removesuffix(".tif") + _SUFFIXES[params.frame_format] for key in views.keys),
        keys=views.keys,
        nominal_tilt_deg=views.tilts_deg,
        acquisition_order=views.order,
        geometry=geometry,
        defocus_angstrom=_defocus(params, views) + eucentric_defocus,
        astigmatism_angstrom=astigmatism,
        astigmatism_deg=astigmatism_deg,
        magnification=1 + views.each("magnification", params.magnification_error),
        frame_shift_xy_angstrom=shift,
        frame_blur_xy_angstrom=blur,
        deformation=draw_deformation(
            views.order, params.deformation_angstrom, deformation_reach_xy(params), views.series_stream("deformation")
        )
        if params.deformation_angstrom
        else None,
        local_motion=draw_local_motion(
            views.order, params.n_frames, frame_aspect_xy(params), local, views.streams("local motion")
        )
        if local
        else None,
        condition=condition,
        intensity_factor=_intensity(views, condition),
        blocked_half_plane=_blocked(params, views, condition, geometry),
        image_shift_xy_angstrom=image_shift,
        lens_defocus_angstrom=params.defocus_angstrom - params.defocus_hand * rise,
        stage_position_angstrom_xyz=target.stage_position_angstrom_xyz,
        missing_tilts_deg=tuple(
            float(tilt) for tilt, state in zip(planned.tilts_deg, states, strict=True) if state == bad_views.MISSING
        ),
    )


def _planned_views(params: MicroscopeParams, run: str, seed: int) -> _Views:
    tilts = nominal_tilts_deg(params)
    order = acquisition_order(
        tilts,
        params.scheme,
        params.group_size,
        start_tilt_deg=params.start_tilt_deg,
        group_grows_from_deg=params.group_grows_from_deg,
    )
    keys = tuple(f"{run}_{position + 1:03d}_{tilt:.1f}.tif" for position, tilt in zip(order, tilts, strict=True))
    first = float(tilts[np.argmin(order)])
    return _Views(run=run, seed=seed, keys=keys, tilts_deg=tilts, order=order, first_tilt_deg=first)


def _stage_draws(params: MicroscopeParams, views: _Views) -> tuple[Floats, Floats, Floats]:
    """Tilt errors (n,), stage shifts (n, 2) and defocus jitter (n,), in this order of each view's stream."""
    rows = views.streams("stage")
    tilt_error = np.array([_normal(rng, params.tilt_error_deg, 1)[0] for rng in rows])
    shifts = np.array([_normal(rng, params.stage_shift_angstrom, 2) for rng in rows]).reshape(len(rows), 2)
    jitter = np.array([_normal(rng, params.defocus_jitter_angstrom, 1)[0] for rng in rows])
    return tilt_error, shifts, jitter


def _geometry(params: MicroscopeParams, views: _Views) -> tuple[TiltGeometry, Floats]:
    """True projection, and the defocus that the specimen's height off the axis adds to each view."""
    tilt_error, shifts, _ = _stage_draws(params, views)
    axis = params.tilt_axis_deg + views.once("axis", params.axis_error_deg)
    z_rot = axis + views.each("axis jitter", params.axis_jitter_deg)
    stage_rad = np.deg2rad(views.tilts_deg + tilt_error)
    height = views.once("eucentric height", params.eucentric_error_angstrom)
    across = np.stack([np.cos(np.deg2rad(z_rot)), np.sin(np.deg2rad(z_rot))], axis=1)
    # The lens is focused at the first tilt, where the height does not show.
    focused_at = np.cos(np.deg2rad(views.first_tilt_deg))
    return (
        TiltGeometry(
            y_tilt_deg=views.tilts_deg + tilt_error + params.pretilt_deg,
            z_rot_deg=z_rot,
            shift_xy_angstrom=shifts + (height * np.sin(stage_rad))[:, None] * across,
        ),
        params.defocus_hand * height * (np.cos(stage_rad) - focused_at),
    )


def _defocus(params: MicroscopeParams, views: _Views) -> Floats:
    """At the origin of a specimen on the axis."""
    *_, jitter = _stage_draws(params, views)
    change = views.once("defocus drift", params.defocus_drift_angstrom)
    along = views.order / max(params.n_tilts - 1, 1) - 0.5
    return params.defocus_angstrom + jitter + change * along


def _astigmatism(params: MicroscopeParams, views: _Views) -> tuple[Floats, Floats]:
    """Amplitude and angle: the mean's components (A cos 2φ, A sin 2φ) plus jitter."""
    if not params.astigmatism_jitter_angstrom:
        n = len(views.order)
        return np.full(n, params.astigmatism_angstrom), np.full(n, params.astigmatism_deg)
    jitter = np.array([_normal(rng, params.astigmatism_jitter_angstrom, 2) for rng in views.streams("astigmatism")])
    twice = 2 * np.deg2rad(params.astigmatism_deg)
    parts = params.astigmatism_angstrom * np.array([np.cos(twice), np.sin(twice)]) + jitter
    return np.hypot(parts[:, 0], parts[:, 1]), np.rad2deg(0.5 * np.arctan2(parts[:, 1], parts[:, 0]))


def _frame_motion(params: MicroscopeParams, views: _Views, condition: tuple[str, ...]) -> tuple[Floats, Floats]:
    shift = np.stack([draw_drift(params.n_frames, params.drift_angstrom, rng) for rng in views.streams("drift")])
    blur = np.zeros_like(shift)
    for view, rng in enumerate(views.streams("blur")):
        if condition[view] == bad_views.BLURRED:
            path, blur[view] = bad_views.draw_blur(params.n_frames, rng)
            shift[view] += path
    return shift, blur


def _intensity(views: _Views, condition: tuple[str, ...]) -> Floats:
    intensity = np.ones(len(condition))
    for view, rng in enumerate(views.streams("dark")):
        if condition[view] == bad_views.DARK:
            intensity[view] = bad_views.draw_dark_intensity(rng)
    return intensity


def _blocked(params: MicroscopeParams, views: _Views, condition: tuple[str, ...], geometry: TiltGeometry) -> Floats:
    half_planes = np.tile([0.0, 0.0, np.inf], (len(condition), 1))
    for view, rng in enumerate(views.streams("blocked")):
        if condition[view] == bad_views.BLOCKED:
            half_planes[view] = bad_views.draw_blocked_half_plane(params, float(geometry.z_rot_deg[view]), rng)
    return half_planes
