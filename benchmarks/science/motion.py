"""How well frames are aligned: estimated against true motion of simulated movies.

4 tilts from −45° to 45° (31 with ``--all-tilts``) of 8 frames, 3.2 e⁻/Å² a tilt: the three-protein mixture (150 nm of
ice), the seven-protein mixture, a cell 330 nm thick and ten particles in 100 nm, at 5 Å; with the ice's own signal and
without (then only molecules hold the frames together: in real ice, water moves within an exposure); with local
motion of 0 to 5 Å rms. Movies are also corrected with a gain that is 2 % wrong in every pixel, and with the gain lying
in every wrong way.

The global error is that of the track about the true field's mean; the local one is the rms over frames and a grid of
places of the rest, the mean over the frames removed at every place, which no method can see. Beside the global error
stands the Cramér-Rao bound of frames that know nothing of their neighbours, from the measured spectra; without ice a
case is held to a bar only where that bound does not lie above it. False acceptance counts movies without local motion
in which some was believed.

One JSON line a figure, over all seeds. Usage: ``python benchmarks/science/motion.py --seeds 1 2 3 4 5 [--quick]
[--all-tilts]``; ``--quick`` takes half of the cases.
"""

import argparse
import sys
import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tomoset.errors import GeometryError
from tomoset.geometry import N_ORIENTATIONS, orient_image, quadratic_terms
from tomoset.microscope import MicroscopeParams
from tomoset.model import InMemory, MovieSet, Resources, SeriesTruth, Silent, TiltSeries, stream
from tomoset.motion import MotionParams, centred_field, correct_motion, make_frame_grid, registration
from tomoset.motion.arrays import numpy_arrays
from tomoset.motion.sums import sum_frames

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # benchmarks/, which holds what its scripts share

from shared.figures import report
from shared.series_cases import simulate_case
from shared.simulated import few_tilts, simulate

Floats = NDArray[np.float64]
_AXIS = (np.arange(16) + 0.5) / 16 - 0.5
PLACES = np.stack(np.meshgrid(_AXIS, _AXIS), axis=-1).reshape(-1, 2)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Errors:
    """Rms errors of each tilt, pixels; the local motion there was; whether some was believed; the bound; CPU s."""

    whole: Floats
    local: Floats
    motion: Floats
    believed: NDArray[np.bool_]
    bound: Floats
    seconds: float


class BoundKeeper:
    """Notes the Cramér-Rao bound of each movie's track while it is registered."""

    def __init__(self) -> None:
        self.bounds: list[float] = []
        self._smooth = registration.smooth_track

    def __enter__(self) -> "BoundKeeper":
        """Listen where the track's information is known."""

        def listening(shift: Floats, information: Floats) -> Floats:
            n = len(shift)
            self.bounds.append(float(np.sqrt(np.trace(np.linalg.inv(information)) * (n - 1) / n**2)))
            return self._smooth(shift, information)

        registration.smooth_track = listening
        return self

    def __exit__(self, *_: object) -> None:
        """Listen no longer."""
        registration.smooth_track = self._smooth


def true_field(truth: SeriesTruth, movies: MovieSet, tilt: int) -> Floats:
    """Local motion (t, places, 2), Å."""
    n_frames = truth.frame_shift_xy_angstrom.shape[1]
    if truth.local_motion is None:
        return np.zeros((n_frames, len(PLACES), 2))
    size = np.array(movies.movies[0].frames_tyx.shape[:0:-1]) * movies.pixel_size_angstrom
    terms = quadratic_terms(PLACES * size / truth.field_angstrom)
    return np.einsum("tcq,gq->tgc", truth.local_motion[tilt], terms)


def errors_of(series: TiltSeries, movies: MovieSet, truth: SeriesTruth, bounds: list[float], seconds: float) -> Errors:
    """Compare tracks and fields with the truth."""
    whole, local, motion, believed = [], [], [], []
    for tilt, row in enumerate(series.tilts):
        if row.motion is None:
            raise SystemExit("motion correction left a tilt without a track")
        field = true_field(truth, movies, tilt)
        track = truth.frame_shift_xy_angstrom[tilt] + field.mean(axis=1)
        rest = field - field.mean(axis=1, keepdims=True)
        found = np.zeros_like(rest)
        if row.motion.local_xy_angstrom is not None:
            found = centred_field(row.motion.local_xy_angstrom, len(track), PLACES)
            found = found - found.mean(axis=1, keepdims=True)
        whole.append(np.sqrt(np.square(row.motion.shift_xy_angstrom - track).sum(axis=1).mean()))
        local.append(np.sqrt(np.square(found - rest).sum(axis=2).mean()))
        motion.append(np.sqrt(np.square(rest).sum(axis=2).mean()))
        believed.append(row.motion.local_xy_angstrom is not None)
    pixel = movies.pixel_size_angstrom
    return Errors(
        whole=np.array(whole) / pixel,
        local=np.array(local) / pixel,
        motion=np.array(motion) / pixel,
        believed=np.array(believed),
        bound=np.array(bounds),
        seconds=seconds,
    )


def measure(movies: MovieSet, truth: SeriesTruth) -> Errors:
    """Correct one series."""
    start = time.process_time()
    with BoundKeeper() as keeper:
        series = correct_motion(movies, MotionParams(), resources=Resources(), progress=Silent())
    return errors_of(series, movies, truth, keeper.bounds, time.process_time() - start)


def with_wrong_gain(movies: MovieSet, residue: float, seed: int) -> MovieSet:
    """Return the same movies with a gain reference that is wrong by a random fraction in every pixel."""
    if movies.gain_yx is None:
        raise SystemExit("the simulated series should come with a gain reference")
    gain = movies.gain_yx.read(())
    error = stream(seed, "gain residue").standard_normal(gain.shape, dtype=np.float32)
    return replace(movies, gain_yx=InMemory((gain * (1 + residue * error)).astype(np.float32)))


def orientations_named(movies: MovieSet) -> list[bool]:
    """Whether each wrong orientation of the gain is refused, and the code that mends it is the one that is named."""
    if movies.gain_yx is None:
        raise SystemExit("the simulated series should come with a gain reference")
    gain, named = movies.gain_yx.read(()), []
    for wrong in range(1, N_ORIENTATIONS):
        given = orient_image(gain, wrong)
        right = next(c for c in range(N_ORIENTATIONS) if np.array_equal(orient_image(given, c), gain))
        try:
            correct_motion(
                replace(movies, gain_yx=InMemory(np.ascontiguousarray(given))),
                MotionParams(local_patches=0),
                resources=Resources(),
                progress=Silent(),
            )
            named.append(False)
        except GeometryError as error:
            named.append(str(error).endswith(f"--gain-orientation {right}"))
    return named


def report_global(name: str, seeds: list[Errors], bar: float | None = 0.1) -> None:
    """Median over tilts and seeds, worst seed and worst tilt, beside what is possible."""
    whole = [errors.whole for errors in seeds]
    report(f"{name}: global, median", float(np.median(np.concatenate(whole))), "px", bar)
    report(f"{name}: global, worst seed's median", float(max(np.median(one) for one in whole)), "px", bar)
    report(f"{name}: global, worst tilt", float(np.concatenate(whole).max()), "px")
    bound = np.concatenate([errors.bound for errors in seeds])
    report(f"{name}: global, bound of independent frames, median", float(np.median(bound)), "px")


def report_local(name: str, seeds: list[Errors], *, must_be_seen: bool, bar: float | None) -> None:
    """Error of the field and how often it was believed."""
    local = [errors.local for errors in seeds]
    amount = f"(motion {np.median(np.concatenate([errors.motion for errors in seeds])):.2f} px rms)"
    report(f"{name}: local {amount}, median", float(np.median(np.concatenate(local))), "px", bar)
    report(f"{name}: local {amount}, worst seed's median", float(max(np.median(one) for one in local)), "px", bar)
    report(f"{name}: local {amount}, worst tilt", float(np.concatenate(local).max()), "px")
    share = float(np.concatenate([errors.believed for errors in seeds]).mean())
    report(f"{name}: local {amount}, believed", share, "", 1.0 if must_be_seen else None, at_least=True)


def cases(microscope: MicroscopeParams, seed: int, quick: bool) -> Iterator[tuple[str, MovieSet, SeriesTruth]]:
    """Every recipe, with ice and without, at rest and moving."""
    bare = replace(microscope, ice_phase_noise=0.0)
    for ice, base, motions in (("with ice", microscope, (0.0, 1.0, 5.0)), ("molecules only", bare, (0.0, 5.0))):
        for motion in motions:
            if quick and (base is bare or motion == 1):
                continue
            moving = replace(base, local_motion_angstrom=motion)
            yield f"three proteins, {ice}, {motion:g} Å", *simulate(seed, moving)
    for recipe in ("seven_proteins", "cell", "ten_particles"):
        for motion in (5.0,) if quick else (0.0, 5.0):
            moving = replace(microscope, local_motion_angstrom=motion)
            yield f"{recipe}, with ice, {motion:g} Å", *simulate_case(recipe, seed, moving)


def report_warp(seed: int) -> None:
    """Power that a field of all fractions of a pixel leaves of white noise, by frequency."""
    size = 512
    noise = stream(seed, "warp").standard_normal((size, size), dtype=np.float32)
    transform = np.fft.rfft2(noise).astype(np.complex64)
    field = np.zeros((2, 3, 6))
    field[:, 0, 1:3] = [[3.0, 5.0], [4.0, -6.0]]
    grid = make_frame_grid((size, size), 1.0, None)
    sums = sum_frames(numpy_arrays(), lambda _: transform.copy(), grid, np.zeros((2, 2)), field, None)
    kept, had = (np.square(np.abs(np.fft.fft2(one))) for one in (sums.odd_yx, noise))
    radius = np.hypot(*np.meshgrid(np.fft.fftfreq(size), np.fft.fftfreq(size)))
    for k in (0.2, 0.3, 0.4, 0.45):
        ring = np.abs(radius - k) < 0.02
        report(f"warp: power left at {k:g} cycles per pixel", float(kept[ring].sum() / had[ring].sum()), "")


def report_case(name: str, seeds: list[Errors]) -> None:
    """Print one case."""
    bound = float(np.median(np.concatenate([errors.bound for errors in seeds])))
    report_global(name, seeds, 0.1 if "ice" in name or bound <= 0.1 else None)
    if any(errors.motion.any() for errors in seeds):
        # Where the bound of a whole frame is 0.3 px, no patch can know anything.
        held = "ice" in name or bound < 0.3
        report_local(name, seeds, must_be_seen="ice, 5 Å" in name, bar=0.3 if held else None)


def main() -> None:
    """Simulate, correct, compare."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--seeds", type=int, nargs="+", help="several, in the place of --seed")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--all-tilts", action="store_true")
    options = parser.parse_args()
    microscope = MicroscopeParams() if options.all_tilts else few_tilts(MicroscopeParams(), 30.0)
    found: defaultdict[str, list[Errors]] = defaultdict(list)
    named: list[bool] = []
    for seed in options.seeds or [options.seed]:
        for name, movies, truth in cases(microscope, seed, options.quick):
            found[name].append(measure(movies, truth))
            if name == "three proteins, with ice, 0 Å":
                found[f"{name}, gain 2 % wrong"].append(measure(with_wrong_gain(movies, 0.02, seed), truth))
                named += orientations_named(movies)
    for name, seeds in found.items():
        report_case(name, seeds)
    first = found["three proteins, with ice, 0 Å"][0]
    report(f"three proteins: processor time of {len(first.whole)} movies", first.seconds, "CPU s")
    still = [errors for seeds in found.values() for errors in seeds if not errors.motion.any()]
    believed = np.concatenate([errors.believed for errors in still])
    report(f"no local motion: share of {len(believed)} movies with some believed", believed.mean(), "", 0.02)
    report("no local motion: largest field believed", max(float(one.local.max()) for one in still), "px", 0.1)
    report(f"share of {len(named)} wrong orientations of the gain named right", np.mean(named), "", 1.0, at_least=True)
    report_warp((options.seeds or [options.seed])[0])


if __name__ == "__main__":
    main()
