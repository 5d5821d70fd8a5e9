"""The verb: movies of a tilt series to motion-corrected images."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tomoset.errors import GeometryError, ParameterError
from tomoset.model import InMemory, MotionTrack, Movie, MovieSet, Progress, Resources, Tilt, TiltSeries
from tomoset.motion.defects import find_defects, replace_defects
from tomoset.motion.fixed_pattern import fixed_pattern_variance
from tomoset.motion.params import MotionParams
from tomoset.motion.registration import register_frames
from tomoset.physics import fourier_crop_2d, fourier_shift_2d

__all__ = ["correct_motion"]


@dataclass(frozen=True, slots=True, eq=False)
class _Corrected:
    """One corrected movie."""

    odd_yx: NDArray[np.float32]
    even_yx: NDArray[np.float32]
    shift_xy_angstrom: NDArray[np.float64]
    n_defects: int


@dataclass(frozen=True, slots=True, eq=False)
class _Camera:
    """What all movies of a series share."""

    shape_yx: tuple[int, int]
    gain_yx: NDArray[np.float32] | None
    pixel_size_angstrom: float
    pattern_variance: float = 0.0


def correct_motion(movies: MovieSet, params: MotionParams, *, resources: Resources, progress: Progress) -> TiltSeries:
    """Correct gain, defects and global motion of every movie and sum its frames.

    Parameters
    ----------
    movies : MovieSet
        Raw frames, one movie a tilt.
    params : MotionParams
        See there.
    resources : Resources
        ``workers`` movies are corrected at a time, each held in memory once; images go where ``allocate`` says.
    progress : Progress
        One step a movie.

    Returns
    -------
    TiltSeries
        One row a movie. A movie without electrons, or with fewer than ``dark_fraction`` of the series' median, keeps
        its row with ``use=False`` and the reason. ``diagnostics`` hold ``motion.gain_residue`` (standard deviation
        of what the gain reference left, as a fraction) and ``motion.defects_replaced`` (pixels, all tilts).

    Raises
    ------
    GeometryError
        If movies differ in frame size, or the gain does not fit.
    ParameterError
        If there is no movie.
    """
    camera = _camera(movies)
    n_tilts = len(movies.movies)
    shape = (n_tilts, *camera.shape_yx)
    camera = _with_fixed_pattern(movies, camera, params)
    images, odd, even = (resources.allocate(name, shape, np.float32) for name in ("images", "odd", "even"))
    keep_gib = resources.memory_gib / (2 * max(1, resources.workers))

    def work(index: int) -> Tilt:
        corrected = _correct_movie(movies.movies[index], camera, params, keep_gib)
        odd[index], even[index] = corrected.odd_yx, corrected.even_yx
        images[index] = corrected.odd_yx + corrected.even_yx
        replaced[index] = corrected.n_defects
        return _tilt(movies.movies[index], corrected)

    replaced = np.zeros(n_tilts, dtype=np.int64)
    tilts: list[Tilt] = []
    with ThreadPoolExecutor(max_workers=max(1, resources.workers)) as pool:
        for tilt in pool.map(work, range(n_tilts)):
            tilts.append(tilt)
            progress.step("motion correction", len(tilts), n_tilts)
    return TiltSeries(
        run=movies.run,
        pixel_size_angstrom=movies.pixel_size_angstrom,
        tilts=_judge_light(tilts, params),
        images_nyx=InMemory(images),
        odd_nyx=InMemory(odd),
        even_nyx=InMemory(even),
        nominal_tilt_axis_deg=movies.nominal_tilt_axis_deg,
        optics=movies.optics,
        diagnostics={
            "motion.gain_residue": float(np.sqrt(camera.pattern_variance)),
            "motion.defects_replaced": float(replaced.sum()),
        },
    )


def _camera(movies: MovieSet) -> _Camera:
    """Check that all movies and the gain have one frame size, and load the gain."""
    if not movies.movies:
        raise ParameterError(f"{movies.run}: expected at least one movie, found none; check the import")
    shape = tuple(movies.movies[0].frames_tyx.shape[1:])
    for movie in movies.movies:
        if len(movie.frames_tyx.shape) != 3 or movie.frames_tyx.shape[0] < 1 or movie.frames_tyx.shape[1:] != shape:
            raise GeometryError(
                f"{movies.run}: {movie.name} has frames of {movie.frames_tyx.shape}, expected (frames ≥ 1, "
                f"{shape}) as in {movies.movies[0].name}; import movies of another size as another series"
            )
    ny, nx = shape
    if ny % 2 or nx % 2:
        raise GeometryError(f"{movies.run}: frames must have even sizes, found {shape}; crop one row or column")
    gain = None
    if movies.gain_yx is not None:
        if tuple(movies.gain_yx.shape) != shape:
            raise GeometryError(
                f"{movies.run}: the gain is {tuple(movies.gain_yx.shape)}, the frames are {shape}; give the gain of "
                "this camera mode in the frames' orientation"
            )
        gain = np.asarray(movies.gain_yx.read(()), dtype=np.float32)
        gain = np.where(np.isfinite(gain) & (gain > 0), gain, np.float32(np.nan))  # a dead pixel: found as a defect
    return _Camera((ny, nx), gain, movies.pixel_size_angstrom)


def _with_fixed_pattern(movies: MovieSet, camera: _Camera, params: MotionParams) -> _Camera:
    """Measure what the gain left behind, between the movie nearest to 0° and the outermost ones."""
    tilt = np.array([movie.nominal_tilt_deg for movie in movies.movies])
    chosen = sorted({int(np.argmin(tilt)), int(np.argmin(np.abs(tilt))), int(np.argmax(tilt))})
    sums = []
    for index in chosen:
        frames = _load(movies.movies[index])
        total, defects = _sum_and_defects(frames, camera, params)
        replace_defects(total, defects)
        sums.append(total)
    found = [fixed_pattern_variance(a, b) for i, a in enumerate(sums) for b in sums[i + 1 :]]
    return replace(camera, pattern_variance=float(np.median(found)) if found else 0.0)


def _load(movie: Movie) -> NDArray[Any]:
    """Read all raw frames of a movie, in the type they were recorded in."""
    return np.asarray(movie.frames_tyx.read(()))


def _sum_and_defects(
    frames_tyx: NDArray[Any], camera: _Camera, params: MotionParams
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Gain-corrected sum of raw frames and the camera's defects in it."""
    total = frames_tyx.sum(axis=0, dtype=np.float32)
    if camera.gain_yx is not None:
        total *= camera.gain_yx
    return total, find_defects(total, params.hot_pixel_sigma)


def _correct_movie(movie: Movie, camera: _Camera, params: MotionParams, keep_gib: float) -> _Corrected:
    """Register and sum one movie."""
    frames = _load(movie)
    total, defects = _sum_and_defects(frames, camera, params)
    n_defects = int(defects.sum())
    if n_defects == defects.size or not float(np.nanmax(total)) > 0:
        empty = np.zeros(camera.shape_yx, dtype=np.float32)
        return _Corrected(empty, empty, np.zeros((len(frames), 2)), n_defects)
    transform = _transformer(frames, defects, camera, keep_gib)
    shift_pixel = _register(transform, frames, camera, params)
    odd, even = (_aligned_sum(transform, range(first, len(frames), 2), shift_pixel, camera) for first in (0, 1))
    return _Corrected(odd, even, shift_pixel * camera.pixel_size_angstrom, n_defects)


def _transformer(
    frames_tyx: NDArray[Any], defects: NDArray[np.bool_], camera: _Camera, keep_gib: float
) -> Callable[[int], NDArray[np.complex64]]:
    """Give frame index -> ``rfft2`` of the corrected frame; kept between calls only where memory allows."""
    from scipy import fft

    def transform(index: int) -> NDArray[np.complex64]:
        frame = frames_tyx[index].astype(np.float32)
        if camera.gain_yx is not None:
            frame *= camera.gain_yx
        replace_defects(frame, defects)
        return np.asarray(fft.rfft2(frame), dtype=np.complex64)

    bytes_needed = 8.0 * len(frames_tyx) * camera.shape_yx[0] * (camera.shape_yx[1] // 2 + 1)
    return lru_cache(maxsize=None)(transform) if bytes_needed < keep_gib * 2**30 else transform


def _register(
    transform: Callable[[int], NDArray[np.complex64]], frames_tyx: NDArray[Any], camera: _Camera, params: MotionParams
) -> NDArray[np.float64]:
    """Shifts (t, 2) of the frames, pixels of the frames, x then y."""
    shape = camera.shape_yx
    ny, nx = (2 * max(8, round(n * params.band_cycles_per_pixel)) for n in shape)
    small = (min(ny, shape[0]), min(nx, shape[1]))
    cropped = np.stack([fourier_crop_2d(transform(i), shape, small) for i in range(len(frames_tyx))])
    scale = (small[0] * small[1]) / (shape[0] * shape[1])
    # A white pattern of relative variance g² has the power (pixels) · g² · mean² in every coefficient.
    means = cropped[:, 0, 0].real / (small[0] * small[1])
    pattern = means * np.sqrt(shape[0] * shape[1] * camera.pattern_variance) * scale
    zoom = shape[1] / small[1], shape[0] / small[0]
    shift = register_frames(
        cropped, small, params, pixel_size_angstrom=camera.pixel_size_angstrom * zoom[0], pattern_power_t=pattern
    )
    return shift * np.asarray(zoom)


def _aligned_sum(
    transform: Callable[[int], NDArray[np.complex64]], indices: range, shift_pixel: NDArray[np.float64], camera: _Camera
) -> NDArray[np.float32]:
    """Sum of some frames, each moved back by its shift."""
    from scipy import fft

    ny, nx = camera.shape_yx
    total = np.zeros((ny, nx // 2 + 1), dtype=np.complex64)
    for index in indices:
        back = (-float(shift_pixel[index, 0]), -float(shift_pixel[index, 1]))
        total += fourier_shift_2d(transform(index), camera.shape_yx, back)
    return np.asarray(fft.irfft2(total, s=camera.shape_yx), dtype=np.float32)


def _tilt(movie: Movie, corrected: _Corrected) -> Tilt:
    """Make the row of one movie; whether its light suffices is judged when all are known."""
    mean = corrected.odd_yx.mean(dtype=np.float64) + corrected.even_yx.mean(dtype=np.float64)
    return Tilt(
        name=movie.name,
        nominal_tilt_deg=movie.nominal_tilt_deg,
        acquisition_order=movie.acquisition_order,
        dose_e_per_angstrom2=movie.dose_e_per_angstrom2,
        dose_before_e_per_angstrom2=movie.dose_before_e_per_angstrom2,
        mean_counts=float(mean),
        nominal_defocus_angstrom=movie.nominal_defocus_angstrom,
        motion=MotionTrack(shift_xy_angstrom=corrected.shift_xy_angstrom),
    )


def _judge_light(tilts: list[Tilt], params: MotionParams) -> tuple[Tilt, ...]:
    """Flag the rows of movies that hold no picture."""
    typical = float(np.median([tilt.mean_counts for tilt in tilts]))
    judged = []
    for tilt in tilts:
        if not tilt.mean_counts > 0:
            judged.append(replace(tilt, use=False, reason="dark: the movie holds no electrons"))
        elif tilt.mean_counts < params.dark_fraction * typical:
            share = tilt.mean_counts / typical
            judged.append(replace(tilt, use=False, reason=f"dark: {share:.1%} of the series' median counts"))
        else:
            judged.append(tilt)
    return tuple(judged)
