"""The verb: movies of a tilt series to motion-corrected images."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tomoset.model import InMemory, MotionTrack, Movie, MovieSet, Progress, Resources, Tilt, TiltSeries
from tomoset.motion.arrays import Arrays, select_arrays
from tomoset.motion.camera import Camera, read_camera
from tomoset.motion.fixed_pattern import fixed_pattern_variance
from tomoset.motion.frame_grid import FrameGrid, crop_transform, make_frame_grid
from tomoset.motion.gain_check import GainCheck, check_gain
from tomoset.motion.local_band import band_for_field
from tomoset.motion.local_basis import from_relion, to_relion
from tomoset.motion.local_motion import LocalFit, cut_patches, fit_local_motion
from tomoset.motion.movie_frames import MovieFrames, TransformStore, load_frames, sum_raw
from tomoset.motion.params import MotionParams
from tomoset.motion.registration import register_frames, registration_band
from tomoset.motion.shared_signal import SharedSignal
from tomoset.motion.sums import FrameSums, add_warped, dose_weights, sum_frames

__all__ = ["correct_motion"]

Floats = NDArray[np.float64]

_CUTS = 3  # of patches, at most
_SETTLED_PIXELS = 0.07


@dataclass(frozen=True, slots=True, eq=False)
class _Corrected:
    """One corrected movie."""

    sums: FrameSums
    track: MotionTrack
    n_defects: int
    held_out_gain: float


@dataclass(frozen=True, slots=True, eq=False)
class _Job:
    """What the correction of every movie of a series needs."""

    arrays: Arrays
    camera: Camera
    grid: FrameGrid
    params: MotionParams
    voltage_kv: float
    memory_gib: float


def correct_motion(movies: MovieSet, params: MotionParams, *, resources: Resources, progress: Progress) -> TiltSeries:
    """Correct gain, defects and motion of every movie and sum its frames.

    Parameters
    ----------
    movies : MovieSet
        Raw frames, one movie a tilt.
    params : MotionParams
        See there.
    resources : Resources
        ``workers`` movies are corrected at a time, each held in memory once; images go where ``allocate`` says.
        With ``device="cuda"`` transforms, registration and sums are torch's.
    progress : Progress
        One step a movie.

    Returns
    -------
    TiltSeries
        One row a movie. A movie without electrons, or with fewer than ``dark_fraction`` of the series' median, keeps
        its row with ``use=False`` and the reason. Images have even sizes: of an odd number of rows or columns the last
        one is left out, and index N // 2 stays the same pixel. ``diagnostics`` hold ``motion.gain_residue`` (standard
        deviation of what the gain reference left, as a fraction), ``motion.gain_fit`` (how much of the gain's pattern
        the raw frames show: 1 all, 0 none; where there is a gain), ``motion.defects_replaced`` (pixels, all tilts)
        and ``motion.local_accepted`` (movies in which local motion was believed).

    Raises
    ------
    GeometryError
        If movies differ in frame size, or the gain does not fit or lies another way than given.
    ParameterError
        If there is no movie, or the wanted pixel size cannot be made.
    """
    camera = read_camera(movies)
    grid = make_frame_grid(camera.shape_yx, camera.pixel_size_angstrom, params.pixel_size_angstrom)
    camera, gain_check, at_hand = _examine_camera(movies, camera, params, resources.memory_gib / 4)
    job = _Job(
        select_arrays(resources.device),
        camera,
        grid,
        params,
        movies.optics.voltage_kv,
        resources.memory_gib / max(1, resources.workers),
    )
    n_tilts = len(movies.movies)
    names = ("images", "odd", "even") + (("dose_weighted",) if params.dose_weighted else ())
    stacks = {name: resources.allocate(name, (n_tilts, *grid.image), np.float32) for name in names}

    def work(index: int) -> _Corrected:
        frames = at_hand.pop(index, None)
        if frames is None:
            frames = MovieFrames(load_frames(movies.movies[index]), camera, params.hot_pixel_sigma)
            frames.forget_total()
        corrected = _correct_movie(movies.movies[index], frames, job)
        _store(stacks, index, corrected.sums)
        return replace(corrected, sums=_means(corrected.sums))

    done: list[_Corrected] = []
    with ThreadPoolExecutor(max_workers=max(1, resources.workers)) as pool:
        for corrected in pool.map(work, range(n_tilts)):
            done.append(corrected)
            progress.step("motion correction", len(done), n_tilts)
    tilts = [_tilt(movie, corrected) for movie, corrected in zip(movies.movies, done, strict=True)]
    weighted = stacks.get("dose_weighted")
    return TiltSeries(
        run=movies.run,
        pixel_size_angstrom=grid.pixel_size_angstrom,
        tilts=_judge_light(tilts, params),
        images_nyx=InMemory(stacks["images"]),
        odd_nyx=InMemory(stacks["odd"]),
        even_nyx=InMemory(stacks["even"]),
        dose_weighted_nyx=None if weighted is None else InMemory(weighted),
        nominal_tilt_axis_deg=movies.nominal_tilt_axis_deg,
        optics=movies.optics,
        diagnostics=_diagnostics(camera, gain_check, done),
    )


def _diagnostics(camera: Camera, gain_check: GainCheck | None, done: list[_Corrected]) -> dict[str, float]:
    found = {
        "motion.gain_residue": float(np.sqrt(camera.pattern_variance)),
        "motion.defects_replaced": float(sum(one.n_defects for one in done)),
        "motion.local_accepted": float(sum(one.track.local_xy_angstrom is not None for one in done)),
    }
    if gain_check is not None:
        found["motion.gain_fit"] = gain_check.slope
    return found


def _examine_camera(
    movies: MovieSet, camera: Camera, params: MotionParams, memory_gib: float
) -> tuple[Camera, GainCheck | None, dict[int, MovieFrames]]:
    """Check the gain and measure what it leaves behind, on the movie nearest to 0° and the outermost ones.

    Their frames are given back for the correction, where memory allows it, so that they are read once.
    """
    tilt = np.array([movie.nominal_tilt_deg for movie in movies.movies])
    chosen = sorted({int(np.argmin(tilt)), int(np.argmin(np.abs(tilt))), int(np.argmax(tilt))})
    raw = {index: load_frames(movies.movies[index]) for index in chosen}
    check = None
    if camera.gain_yx is not None:
        check = check_gain(
            movies.run,
            np.sum([sum_raw(one) for one in raw.values()], axis=0),
            camera.gain_yx,
            orientation=camera.gain_orientation,
            divides=camera.gain_divides,
        )
    frames = {index: MovieFrames(one, camera, params.hot_pixel_sigma) for index, one in raw.items()}
    sums = [one.total for one in frames.values()]
    found = [fixed_pattern_variance(a, b) for i, a in enumerate(sums) for b in sums[i + 1 :]]
    for one in frames.values():
        one.forget_total()
    if sum(one.nbytes for one in raw.values()) > memory_gib * 2**30:
        frames = {}
    return replace(camera, pattern_variance=float(np.median(found)) if found else 0.0), check, frames


def _correct_movie(movie: Movie, frames: MovieFrames, job: _Job) -> _Corrected:
    """Register and sum one movie."""
    n_defects = frames.n_defects
    if frames.is_dark:
        return _Corrected(_nothing(job), MotionTrack(shift_xy_angstrom=np.zeros((frames.n_frames, 2))), n_defects, 0.0)
    band = registration_band(job.params, job.camera.pixel_size_angstrom)
    small = _grid_up_to(job, band)
    store = TransformStore(job.arrays, frames, job.grid, small, job.memory_gib)
    shift, local, gain = _measure_motion(store.small, small, job)
    weights = _weights(movie, job, frames.n_frames) if job.params.dose_weighted else None
    sums = sum_frames(job.arrays, store, job.grid, shift, local, weights)
    pixel = job.camera.pixel_size_angstrom
    track = MotionTrack(shift_xy_angstrom=shift * pixel, local_xy_angstrom=None if local is None else local * pixel)
    return _Corrected(sums, track, n_defects, gain)


def _measure_motion(transforms: Any, small: tuple[int, int], job: _Job) -> tuple[Floats, Floats | None, float]:
    """Global track (t, 2), local field (RELION's coefficients) or None, pixels of the frame, and what it gained."""
    grid, pixel, params = job.grid, job.camera.pixel_size_angstrom, job.params
    zoom = grid.padded[1] / small[1], grid.padded[0] / small[0]
    # A white pattern of relative variance g² has the power (pixels) · g² · mean² in every coefficient.
    light = np.array([float(job.arrays.host(one[:1, :1]).real[0, 0]) for one in transforms])
    pattern = light * np.sqrt(job.camera.pattern_variance / (grid.frame[0] * grid.frame[1]))
    shift = register_frames(
        transforms, small, params, pixel_size_angstrom=pixel, zoom_xy=zoom, pattern_t=pattern, arrays=job.arrays
    )
    if not params.local_patches or len(shift) < 3:
        return shift, None, 0.0
    highest = registration_band(params, pixel)
    whole = SharedSignal(job.arrays, transforms[None], small, zoom_xy=zoom, band=highest, pattern_t=pattern)
    band = band_for_field(whole, shift, pixel)
    coarse = _grid_up_to(job, band)
    if coarse != small:
        transforms = job.arrays.stack([crop_transform(one, small, coarse) for one in transforms])
        small, zoom = coarse, (grid.padded[1] / coarse[1], grid.padded[0] / coarse[0])
    fit: LocalFit | None = None
    for _ in range(_CUTS):
        patches, centres = _patches(transforms, small, zoom, shift, fit, pattern, band, job)
        found = fit_local_motion(patches, centres, shift, fit)
        if not found.believed:
            return shift, None, found.held_out_gain
        # The functions of space and time are orthonormal: the root of the sum of squares is the field's rms.
        settled = fit is not None and np.linalg.norm(found.coefficients_kjc - fit.coefficients_kjc) < _SETTLED_PIXELS
        fit, shift = found, shift + found.shift_tc
        if settled:
            break
    return shift, to_relion(found.coefficients_kjc, len(shift)), found.held_out_gain


def _grid_up_to(job: _Job, band: float) -> tuple[int, int]:
    """A small fast grid that holds all frequencies up to the band, cycles per pixel of the frame."""
    from scipy.fft import next_fast_len

    ny, nx = (min(n, 2 * next_fast_len(max(8, round(n * band)))) for n in job.grid.padded)
    return ny, nx


def _patches(
    transforms: Any,
    small: tuple[int, int],
    zoom: tuple[float, float],
    shift: Floats,
    undone: LocalFit | None,
    pattern: Floats,
    band: float,
    job: _Job,
) -> tuple[SharedSignal, Floats]:
    """Patches of the frames brought back by the global track, and by a field where there is one already."""
    whole = SharedSignal(job.arrays, transforms[None], small, zoom_xy=zoom, band=1.0, pattern_t=pattern)
    # Only the frame itself is cut: the padding around it holds nothing.
    first = [round(f / z) for f, z in zip(job.grid.frame_first, zoom[::-1], strict=True)]
    size = [int(n / z) for n, z in zip(job.grid.frame, zoom[::-1], strict=True)]
    n_frames = len(shift)
    fields = None if undone is None else from_relion(to_relion(undone.coefficients_kjc, n_frames), n_frames)
    images = []
    for t in range(n_frames):
        factors = whole.phases(shift[None, t : t + 1])
        if fields is None:
            moved = job.arrays.zeros((1, *transforms.shape[1:]), "complex64")
            job.arrays.add_aligned(transforms[None, t : t + 1], *factors, moved)
            image = job.arrays.irfft2(moved[0], small)[first[0] : first[0] + size[0], first[1] : first[1] + size[1]]
        else:
            image = job.arrays.zeros((size[0], size[1]), "float32")
            field = fields[t] / np.array(zoom)[:, None]
            add_warped(job.arrays, transforms[t], factors, small, field, (first[0], first[1]), image)
        images.append(image)
    stack = job.arrays.stack(images)
    cut, shape, centres, area = cut_patches(job.arrays, stack, job.params.local_patches)
    # A window holds its area's share of the pattern's power.
    scale = np.sqrt(area / (small[0] * small[1]))
    signal = SharedSignal(
        job.arrays,
        cut,
        shape,
        zoom_xy=zoom,
        band=band,
        pattern_t=pattern * scale,
        independent=area / (shape[0] * shape[1]),
    )
    return signal, centres


def _weights(movie: Movie, job: _Job, n_frames: int) -> Any:
    """Dose weights of a movie's frames."""
    dose = movie.frame_dose_e_per_angstrom2
    if dose is None or len(dose) != n_frames:
        dose = np.full(n_frames, movie.dose_e_per_angstrom2 / n_frames)
    return dose_weights(job.grid, movie.dose_before_e_per_angstrom2 + np.cumsum(dose), job.voltage_kv)


def _nothing(job: _Job) -> FrameSums:
    empty = np.zeros(job.grid.image, dtype=np.float32)
    return FrameSums(empty, empty, empty if job.params.dose_weighted else None)


def _store(stacks: dict[str, NDArray[Any]], index: int, sums: FrameSums) -> None:
    stacks["odd"][index], stacks["even"][index] = sums.odd_yx, sums.even_yx
    stacks["images"][index] = sums.odd_yx + sums.even_yx
    if sums.dose_weighted_yx is not None:
        stacks["dose_weighted"][index] = sums.dose_weighted_yx


def _means(sums: FrameSums) -> FrameSums:
    """One pixel that holds the mean, in the place of each image: all that the row of a tilt needs."""
    means = [np.full((1, 1), one.mean(dtype=np.float64)) for one in (sums.odd_yx, sums.even_yx)]
    return FrameSums(means[0], means[1], None)


def _tilt(movie: Movie, corrected: _Corrected) -> Tilt:
    """Make the row of one movie; whether its light suffices is judged when all are known."""
    return Tilt(
        name=movie.name,
        nominal_tilt_deg=movie.nominal_tilt_deg,
        acquisition_order=movie.acquisition_order,
        dose_e_per_angstrom2=movie.dose_e_per_angstrom2,
        dose_before_e_per_angstrom2=movie.dose_before_e_per_angstrom2,
        mean_counts=float(corrected.sums.odd_yx[0, 0] + corrected.sums.even_yx[0, 0]),
        nominal_defocus_angstrom=movie.nominal_defocus_angstrom,
        motion=corrected.track,
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
