"""Cost of motion correction at three sizes, where it goes, and RELION's own beside it on the same movies.

Movies of counted electrons show balls at places known exactly: a track of the whole frame, and for the patches a field
that is quadratic in space and fades in time. Errors are root mean squares over frames and places of the distance to
the truth, the mean over frames removed at every place (no method can see it).

CPU seconds, one thread: ours are those of a movie in the middle of a series, from file to image, the least of several
(a busy machine makes CPU seconds longer, never shorter); RELION (Debian's ``relion``, 3.1.3) is timed as a whole
process, start and writing included, the least of two runs. A bare transform of a K3 frame, timed in the same run, says
how busy the machine was: 0.07 CPU s on the quiet one that the bars were set on.

``python benchmarks/speed/motion.py [--quick] [--seed N]``.
"""

import argparse
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tomoset.formats.movies import open_gain, open_movie, write_gain, write_tiff_movie
from tomoset.geometry import quadratic_terms
from tomoset.model import Movie, MovieSet, Resources, Silent
from tomoset.motion import MotionParams, centred_field, correct, correct_motion
from tomoset.motion.arrays import _NumpyArrays

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # benchmarks/, which holds what its scripts share

from shared.figures import report

Floats = NDArray[np.float64]

N_FRAMES = 10
PIXEL_ANGSTROM = 1.0
BALL_RADIUS = 6.0  # standard deviation of its Gaussian, pixels
CONTRAST = 0.25
REPEATS = 3
BALL_AREA = 1000.0  # pixels a ball


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Scene:
    """Two movies of other balls and their truth: total shift (t, g, 2), pixels, at places (g, 2), −0.5 to 0.5."""

    paths: tuple[Path, ...]
    gain: Path
    places: Floats
    shift: Floats

    def error(self, shift: Floats) -> float:
        """Root mean square distance of another estimate on the grid from the truth, the frames' mean removed."""
        difference = shift - self.shift
        difference -= difference.mean(axis=0)
        return float(np.sqrt(np.square(difference).sum(axis=2).mean()))


def make_scene(
    folder: Path, shape: tuple[int, int], counts: float, local_pixels: float, seed: int, n_frames: int = N_FRAMES
) -> Scene:
    """Draw movies of balls and write them as TIFF with LZW, with a gain of 3 % spread."""
    rng = np.random.default_rng(seed)
    ny, nx = shape
    fade = np.concatenate([[0.0], np.cumsum(np.exp(-np.arange(n_frames - 1) / 2))])
    track = fade[:, None] * rng.normal(0, 2.5, 2)
    pattern = rng.standard_normal((2, 6)) * [0, 1, 1, 1, 1, 1]
    grid = (np.arange(12) + 0.5) / 12 - 0.5
    places = np.stack(np.meshgrid(grid, grid), axis=-1).reshape(-1, 2)
    field = quadratic_terms(places) @ pattern.T
    size = local_pixels / max(float(np.sqrt(np.square(field).sum(axis=1).mean())) * fade.std(), 1e-12)
    gain = (1 + 0.03 * rng.standard_normal(shape)).clip(0.8, 1.2).astype(np.float32)

    def frames() -> Iterator[NDArray[np.uint8]]:
        balls = rng.uniform((0, 0), (nx, ny), (int(ny * nx / BALL_AREA), 2))
        of_balls = quadratic_terms(balls / (nx, ny) - 0.5) @ pattern.T
        for t in range(n_frames):
            mean = counts * (1 - CONTRAST * stamped(shape, balls + track[t] + size * fade[t] * of_balls)) / gain
            yield rng.poisson(mean.clip(0)).astype(np.uint8)

    name = f"{ny}x{nx}-{local_pixels:g}-{n_frames}-{seed}"
    paths = tuple(write_tiff_movie(folder / f"{name}-{tilt}.tif", frames(), PIXEL_ANGSTROM) for tilt in range(2))
    truth = track[:, None] + size * fade[:, None, None] * field
    reference = write_gain(folder / f"{name}-gain.mrc", gain, PIXEL_ANGSTROM)
    return Scene(paths=paths, gain=reference, places=places, shift=truth)


def stamped(shape: tuple[int, int], centres: Floats) -> NDArray[np.float32]:
    """Sum of Gaussian balls of height 1 at places (x, y) between pixels."""
    reach = int(4 * BALL_RADIUS)
    image = np.zeros((shape[0] + 4 * reach, shape[1] + 4 * reach), np.float32)
    around = np.arange(-reach, reach + 1)
    for x, y in centres:
        ix, iy = round(x), round(y)
        if not (-reach < ix < shape[1] + reach and -reach < iy < shape[0] + reach):
            continue
        along_x = np.exp(-((around - (x - ix)) ** 2) / (2 * BALL_RADIUS**2)).astype(np.float32)
        along_y = np.exp(-((around - (y - iy)) ** 2) / (2 * BALL_RADIUS**2)).astype(np.float32)
        image[iy + reach : iy + 3 * reach + 1, ix + reach : ix + 3 * reach + 1] += np.outer(along_y, along_x)
    return image[2 * reach : -2 * reach, 2 * reach : -2 * reach]


def movie_set(scene: Scene, n_movies: int) -> MovieSet:
    """The movies as tilts of a series."""
    movies = tuple(
        Movie(
            name=f"{tilt}.tif",
            frames_tyx=open_movie(scene.paths[tilt % len(scene.paths)]),
            nominal_tilt_deg=float(tilt),
            acquisition_order=tilt,
            dose_e_per_angstrom2=3.0,
            dose_before_e_per_angstrom2=3.0 * tilt,
        )
        for tilt in range(n_movies)
    )
    return MovieSet(
        run="speed",
        movies=movies,
        pixel_size_angstrom=PIXEL_ANGSTROM,
        gain_yx=open_gain(scene.gain),
        nominal_tilt_axis_deg=0.0,
    )


class Stopwatch:
    """Progress that notes the CPU seconds of each movie, in all and by part, while one worker corrects them in turn."""

    seams = (
        (correct, "load_frames", "decoding"),
        (_NumpyArrays, "rfft2", "transforms"),
        (_NumpyArrays, "irfft2", "transforms"),
        (_NumpyArrays, "add_aligned", "resampling"),
        (_NumpyArrays, "warp_add", "resampling"),
        (correct, "MovieFrames", "defects"),
        (correct, "register_frames", "registration, patches and their transforms"),
        (correct, "_patches", "registration, patches and their transforms"),
        (correct, "fit_local_motion", "registration, patches and their transforms"),
    )

    def __init__(self) -> None:
        self.seconds: defaultdict[str, float] = defaultdict(float)
        self.movies: list[dict[str, float]] = []
        self._depth, self._kept, self._start = 0, [], 0.0

    def __enter__(self) -> "Stopwatch":
        """Time every seam."""
        for owner, name, part in self.seams:
            self._kept.append(getattr(owner, name))
            setattr(owner, name, self._timed(part, self._kept[-1]))
        self._start = time.process_time()
        return self

    def __exit__(self, *_: object) -> None:
        """Put the seams back."""
        for (owner, name, _part), original in zip(self.seams, self._kept, strict=True):
            setattr(owner, name, original)

    def _timed(self, part: str, work: Callable[..., Any]) -> Callable[..., Any]:
        """The same function, its time added to a part unless a part runs already."""

        def run(*args: Any, **kwargs: Any) -> Any:
            self._depth += 1
            start = time.process_time()
            try:
                return work(*args, **kwargs)
            finally:
                self._depth -= 1
                if not self._depth:
                    self.seconds[part] += time.process_time() - start

        return run

    def step(self, _stage: str, _done: int, _total: int) -> None:
        """A movie is done."""
        now = time.process_time()
        self.movies.append({"in all": now - self._start, **self.seconds})
        self.seconds.clear()
        self._start = now

    def log(self, _message: str) -> None:
        """Say nothing."""


def ours(scene: Scene, params: MotionParams, name: str, bar: float | None) -> tuple[float, float]:
    """CPU seconds of a movie in the middle of a series, the least of several, and the error."""
    found = []
    for _ in range(REPEATS):
        movies = movie_set(scene, 4)
        with Stopwatch() as watch:
            series = correct_motion(movies, params, resources=Resources(), progress=watch)
        found += watch.movies[1:-1]  # the outermost were read when the gain was examined
    least = min(found, key=lambda parts: parts["in all"])
    motion = series.tilts[0].motion
    if motion is None:
        raise SystemExit("motion correction left no track")
    n_frames = len(motion.shift_xy_angstrom)
    shift = np.repeat(motion.shift_xy_angstrom[:, None] / PIXEL_ANGSTROM, len(scene.places), axis=1)
    if motion.local_xy_angstrom is not None:
        shift = shift + centred_field(motion.local_xy_angstrom, n_frames, scene.places) / PIXEL_ANGSTROM
    total = least.pop("in all")
    if name:
        report(f"{name}: a movie of a series", total, "CPU s", bar)
        for part, spent in least.items():
            report(f"{name}: of which {part}", spent, "CPU s")
        report(f"{name}: of which the rest (gain, padding, moments)", total - sum(least.values()), "CPU s")
    return total, scene.error(shift)


def relion(scene: Scene, patches: int, folder: Path) -> tuple[float, float] | None:
    """CPU seconds and error of RELION's own motion correction, or None where it is not installed."""
    program = shutil.which("relion_run_motioncorr")
    if program is None:
        return None
    optics = ["OpticsGroupName", "OpticsGroup", "MicrographOriginalPixelSize", "Voltage"]
    optics += ["SphericalAberration", "AmplitudeContrast"]
    tables = [("optics", optics, f"opticsGroup1 1 {PIXEL_ANGSTROM} 300 2.7 0.1")]
    tables += [("movies", ["MicrographMovieName", "OpticsGroup"], f"{scene.paths[0].name} 1")]
    lines = []
    for name, labels, row in tables:
        lines += [f"data_{name}", "", "loop_", *(f"_rln{label} #{i + 1}" for i, label in enumerate(labels)), row, ""]
    (folder / "in.star").write_text("\n".join(lines))
    command = [program, "--i", "in.star", "--o", "out/", "--use_own", "--j", "1", "--bfactor", "150"]
    command += ["--patch_x", str(patches), "--patch_y", str(patches), "--gainref", scene.gain.name]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        raise SystemExit(f"RELION failed: {done.stderr[-800:]}")
    seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return seconds, relion_error(scene, next((folder / "out").glob(f"**/{scene.paths[0].stem}.star")))


def relion_error(scene: Scene, star: Path) -> float:
    """Error of the motion in RELION's star file, with the signs of x and y that suit it best."""
    import starfile

    blocks = starfile.read(star, always_dict=True)
    shifts = blocks["global_shift"]
    track = np.stack([shifts["rlnMicrographShiftX"], shifts["rlnMicrographShiftY"]], axis=1).astype(float)
    total = np.repeat(track[:, None], len(scene.places), axis=1)
    errors = [scene.error(total * sign) for sign in ([1, 1], [1, -1], [-1, 1], [-1, -1])]
    model = blocks.get("local_motion_model")
    if model is None:
        return min(errors)
    x, y = scene.places.T
    # RELION's order (micrograph_model.cpp): for each of 1, x, x², y, y², xy the coefficients of z, z², z³.
    coefficients = np.asarray(model["rlnMotionModelCoeff"], dtype=float).reshape(2, 6, 3)
    z = np.arange(N_FRAMES)[:, None] ** np.arange(1, 4)
    best = min(errors)
    for flip in (1, -1):
        at = np.stack([np.ones_like(x), x, x * x, flip * y, y * y, flip * x * y])
        local = np.einsum("tk,cqk,qg->tgc", z, coefficients, at)
        for sign in ([1, 1], [1, -1], [-1, 1], [-1, -1]):
            for way in ([1, 1], [1, -1], [-1, 1], [-1, -1]):
                best = min(best, scene.error(total * sign + local * way))
    return best


def measure(
    scenes: list[Scene],
    name: str,
    folder: Path,
    *,
    patches: int,
    bar: float | None = None,
    ratio_bar: float | None = None,
    error_bar: float | None = None,
) -> None:
    """Measure ours and RELION; costs on the first scene, errors over all."""
    name = f"{N_FRAMES} frames of {name}, {f'{patches}x{patches} patches' if patches else 'global'}"
    found = [ours(one, MotionParams(local_patches=patches), "" if i else name, bar) for i, one in enumerate(scenes)]
    error = float(np.sqrt(np.mean([one[1] ** 2 for one in found])))
    report(f"{name}: error", error, "px")
    peers = [relion(one, max(1, patches), folder) for one in (scenes[0], *scenes)]
    known = [one for one in peers if one is not None]
    if not known:
        report(f"{name}: RELION skipped, relion_run_motioncorr is not installed", 0, "")
        return
    theirs = float(np.sqrt(np.mean([one[1] ** 2 for one in known[1:]])))
    seconds = min(one[0] for one in known[:2])
    report(f"{name}: RELION", seconds, "CPU s")
    report(f"{name}: RELION's error", theirs, "px")
    report(f"{name}: times quicker than RELION", seconds / found[0][0], "x", ratio_bar, at_least=True)
    report(f"{name}: error over RELION's", error / theirs, "", error_bar)


def measure_lengths(folder: Path, seed: int) -> None:
    """Cost by number of frames."""
    seconds = {}
    for n_frames in (5, 10, 20, 40):
        scene = make_scene(folder, (2048, 2048), 0.5, 0.0, seed, n_frames)
        seconds[n_frames], _ = ours(scene, MotionParams(local_patches=0), "", None)
        report(f"{n_frames} frames of 2048x2048, global: a movie of a series", seconds[n_frames], "CPU s")
    report("cost of a frame, of 40 over that of 10", seconds[40] / seconds[10] / 4, "", 1.2)
    report("cost of a frame, of 10 over that of 5", seconds[10] / seconds[5] / 2, "", 1.2)


def bare_transform() -> float:
    """CPU seconds of the transform of a padded K3 frame."""
    from scipy import fft

    image, seconds = np.ones((4096, 5760), np.float32), []
    for _ in range(5):
        start = time.process_time()
        fft.rfft2(image)
        seconds.append(time.process_time() - start)
    return min(seconds)


def peak_gib(scene: Scene, patches: int) -> float:
    """Peak memory of a process that corrects one movie, its results included."""
    command = [sys.executable, __file__, "--one", str(scene.paths[0]), str(scene.gain), str(patches)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return float(done.stdout)


def correct_one(path: str, gain: str, patches: str) -> None:
    """Correct one movie and print the process's peak memory, GiB."""
    scene = Scene(paths=(Path(path),), gain=Path(gain), places=np.zeros((0, 2)), shift=np.zeros((0, 0, 2)))
    params = MotionParams(local_patches=int(patches))
    correct_motion(movie_set(scene, 1), params, resources=Resources(), progress=Silent())
    status = Path("/proc/self/status").read_text()  # the resource module's figure would include the parent's
    print(int(status.split("VmHWM:")[1].split()[0]) / 2**20)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--one", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        correct_one(*options.one)
        return
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        warm = make_scene(folder, (256, 256), 2.0, 1.0, 0)
        correct_motion(movie_set(warm, 2), MotionParams(), resources=Resources(), progress=Silent())  # compile
        report("a bare transform of 5760x4096", bare_transform(), "CPU s")
        small = make_scene(folder, (1024, 1024), 0.5, 0.0, options.seed)
        measure([small], "1024x1024", folder, patches=0)
        several = [make_scene(folder, (2048, 2048), 0.5, 1.0, 10 * options.seed + i) for i in range(3)]
        measure(several, "2048x2048", folder, patches=5, bar=1.7, error_bar=0.5)
        if options.quick:
            return
        measure_lengths(folder, options.seed)
        k3 = make_scene(folder, (4092, 5760), 1.4, 1.0, options.seed)
        measure([k3], "5760x4092", folder, patches=0, bar=2.6, ratio_bar=2.5)
        measure([k3], "5760x4092", folder, patches=5)
        for patches in (0, 5):
            report(f"peak memory of one movie of 5760x4092, {patches} patches", peak_gib(k3, patches), "GiB", 2.5)
        report("a bare transform of 5760x4096, at the end", bare_transform(), "CPU s")


if __name__ == "__main__":
    main()
