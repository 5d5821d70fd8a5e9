"""Cost of searching templates: per rotation and million voxels beside pytme and our plain loop, sizes, a tomogram.

CPU seconds of one thread, everything included (basis, coefficients, transforms, extremes, exact scores), unless said.
A bare pair of transforms in the same run tells how fast the machine is at that moment. The peer is pytme in the
environment ``.venv-peers`` (GPL, so apart from ours; ``.venv-peers/bin/python -m pip install pytme==0.3.6 pyfftw``),
its cost the slope between two numbers of rotations; it is left out where it is not installed.

``python benchmarks/speed/templates.py [--seed N] [--quick] [--only rotations|agreement|sizes|tomogram|c1]``
"""

import argparse
import math
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from tomoset.annotation.templates import _kernels
from tomoset.annotation.templates.search import ScoreMap, SearchOptions, search_rotations
from tomoset.annotation.templates.template_spectrum import template_spectrum
from tomoset.annotation.templates.whitening import crop_to_voxel_size
from tomoset.formats.mrc import write_volume
from tomoset.geometry import point_group, sample_rotations
from tomoset.structures import built_in_structure, potential_map

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # benchmarks/, which holds what its scripts share

from shared.figures import report
from shared.template_cases import low_pass_weight, plant, rotation_step_deg, whitened_weight

Floats32 = NDArray[np.float32]
Result = TypeVar("Result")

PEER = Path(__file__).resolve().parents[2] / ".venv-peers" / "bin"
VOXEL = 10.0
ALL_ROTATIONS_7_DEG = 27_672  # of pytme's list at 7°; a symmetry of order n leaves one in n
QUIET_PAIR_MS = 5.2  # a pair of transforms where the bars were set, ms per Mvoxel
TOMOGRAM = (180, 553, 553)
THREE = ("apoferritin", "proteasome", "pp7-vlp")


def cost(work: Callable[[], Result]) -> tuple[float, Result]:
    """CPU seconds and result of one call."""
    start = time.process_time()
    result = work()
    return time.process_time() - start, result


def nothing() -> None:
    """No progress."""


def transform_pair(shape: tuple[int, int, int]) -> float:
    """CPU ms per Mvoxel of a bare pair of transforms, the least of five."""
    volume = np.random.default_rng(0).standard_normal(shape).astype(np.float32)
    seconds = min(cost(lambda: fft.irfftn(fft.rfftn(volume), s=shape, overwrite_x=True))[0] for _ in range(5))
    return seconds / volume.size * 1e9


def list_of(name: str, count: int) -> NDArray[np.float64]:
    """Rotations for a built-in structure, about as many as a list of ``count`` for no symmetry leaves."""
    return sample_rotations(rotation_step_deg(count), point_group(built_in_structure(name).symmetry))


def search(
    volume: Floats32, weight: Floats32, name: str, rotations: NDArray[np.float64], engine: str, **options: float
) -> ScoreMap:
    """One search from a white volume on, on one worker."""
    shape = (volume.shape[0], volume.shape[1], volume.shape[2])
    return search_rotations(
        fft.rfftn(volume),
        shape,
        VOXEL,
        weight,
        template_spectrum(built_in_structure(name), VOXEL),
        rotations,
        workers=1,
        step=nothing,
        options=SearchOptions(engine=engine, **options),  # type: ignore[arg-type]
    )


def warm_up() -> None:
    """Compile everything."""
    volume = np.random.default_rng(0).standard_normal((48, 48, 48)).astype(np.float32)
    weight = low_pass_weight((48, 48, 48), VOXEL, 30.0)
    for engine in ("exact", "low-rank", "coarse-to-fine"):
        search(volume, weight, "apoferritin", list_of("apoferritin", 1000)[:40], engine)


def peer_cost(volume: Floats32, name: str, quick: bool) -> float | None:
    """CPU ms per rotation and Mvoxel of pytme, or None where it is not installed."""
    program = PEER / "pytme"
    if not program.exists():
        print(f"pytme left out: {program.relative_to(PEER.parents[1])} is not installed", file=sys.stderr)
        return None
    structure = built_in_structure(name)
    molecule = potential_map(structure, VOXEL).volume_zyx
    n = len(molecule)
    radius = structure.radius_angstrom / VOXEL + 2
    distance = np.linalg.norm(np.stack(np.indices(molecule.shape)) - n // 2, axis=0)
    mask = (distance <= radius).astype(np.float32)
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PATH": f"{PEER}:{os.environ.get('PATH', '')}"}
    seconds = []
    with tempfile.TemporaryDirectory() as folder:
        for label, array in (("v", volume), ("t", molecule), ("m", mask)):
            write_volume(Path(folder) / f"{label}.mrc", array, VOXEL)
        for step in ("60", "45") if quick else ("60", "30"):
            before = resource.getrusage(resource.RUSAGE_CHILDREN)
            command = f"{program} match -m v.mrc -i t.mrc -I m.mrc -o o{step}.pickle -a {step} -s FLCSphericalMask"
            subprocess.run(
                [*command.split(), "--backend", "numpyfftw", "-n", "1"],
                cwd=folder,
                env=environment,
                check=True,
                capture_output=True,
            )
            after = resource.getrusage(resource.RUSAGE_CHILDREN)
            seconds.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    rotations = 60 - 24 if quick else 360 - 24
    return (seconds[1] - seconds[0]) / rotations / volume.size * 1e9


def measure_rotations(quick: bool) -> None:
    """Flat lists of rotations, ours through a basis, beside pytme and the plain loop."""
    shape = (64, 128, 128) if quick else (100, 200, 200)
    volume = np.random.default_rng(1).standard_normal(shape).astype(np.float32)
    peer = peer_cost(volume, "proteasome", quick)
    cases = (("proteasome", "D7", 30.0, 1969, 0.7), ("ribosome-70s", "C1", 40.0, 4344, 1.5))
    for name, group, resolution, count, bar in cases:
        pair = transform_pair(shape)
        weight = low_pass_weight(shape, VOXEL, resolution)
        order = point_group(group).order
        rotations = list_of(name, count * order)
        label = f"{group} {len(rotations)} rotations at {resolution:g} Å"
        each = 1e9 / volume.size
        plain, _ = cost(lambda w=weight, n=name, r=rotations[:6]: search(volume, w, n, r, "exact"))  # type: ignore[misc]
        plain *= each / 6
        ours, _ = cost(lambda w=weight, n=name, r=rotations: search(volume, w, n, r, "low-rank"))  # type: ignore[misc]
        ours *= each / len(rotations)
        quick_ms, _ = cost(lambda w=weight, n=name, r=rotations: search(volume, w, n, r, "auto"))  # type: ignore[misc]
        quick_ms *= each / len(rotations)
        report(f"transform pair beside {label}", pair, "CPU ms/Mvoxel")
        report(f"plain loop, {label}", plain, "CPU ms/rotation/Mvoxel")
        report(f"low rank, {label}", ours, "CPU ms/rotation/Mvoxel", None if quick else bar)
        report(f"low rank, {label}, had a pair taken {QUIET_PAIR_MS} ms", ours * QUIET_PAIR_MS / pair, "CPU ms", bar)
        report(f"automatic choice, {label}", quick_ms, "CPU ms/rotation/Mvoxel")
        report(f"plain loop over low rank, {label}", plain / ours, "")
        if peer is not None:
            report(f"pytme over low rank, {label}", peer / ours, "")
    if peer is not None:
        report("pytme", peer, "CPU ms/rotation/Mvoxel")


def measure_agreement(seed: int, quick: bool) -> None:
    """Score maps and planted particles against the plain loop."""
    shape = (48, 112, 112) if quick else (64, 224, 224)
    rng = np.random.default_rng(seed)
    name, mask_radius = "proteasome", 80.0
    rotations = list_of(name, 1000 if quick else 4344)
    weight = low_pass_weight(shape, VOXEL, 30.0)
    template = template_spectrum(built_in_structure(name), VOXEL)
    volume = rng.standard_normal(shape).astype(np.float32)
    spots = plant(volume, template, rotations, weight, VOXEL, 60, 6.5, rng)
    expected = search(volume, weight, name, rotations, "exact")
    # A correlation coefficient is the score over the norm of what a mask of the particle's size sees of white noise.
    used = float(np.mean(weight != 0))
    norm = math.sqrt(4 / 3 * math.pi * (mask_radius / VOXEL) ** 3 * used)
    picked = particles(expected, spots)
    for engine in ("low-rank", "coarse-to-fine"):
        found = search(volume, weight, name, rotations, engine)
        label = f"{engine} against plain loop, {len(rotations)} rotations"
        if engine == "low-rank":
            difference = float(np.sqrt(np.mean(np.square(found.z_zyx - expected.z_zyx))))
            report(f"score maps, {label}", difference / norm, "correlation coefficient rms", 0.01)
            report(f"score maps, {label}", difference, "noise sigma rms")
            chance = float(np.sqrt(np.mean(np.square(found.inverted_z_zyx - expected.inverted_z_zyx))))
            report(f"inverted score maps, {label}", chance / norm, "correlation coefficient rms", 0.01)
        apart = abs(len(particles(found, spots)) - len(picked))
        report(
            f"planted particles found, apart from the plain loop's {len(picked)} of {len(spots)}, {label}", apart, "", 1
        )
        differ = len(particles(found, spots) ^ picked)
        report(f"planted particles found by one alone, of {len(spots)}, {label}", differ, "")


def particles(scores: ScoreMap, spots: NDArray[np.int64]) -> set[int]:
    """Which planted particles are among as many highest maxima as there are particles, within 4 voxels."""
    from scipy.spatial import KDTree

    peaks = _kernels.local_maxima(scores.z_zyx, 3.0)
    peaks = peaks[np.argsort(-scores.z_zyx[tuple(peaks.T)], kind="stable")]
    chosen: list[NDArray[np.int64]] = []
    for peak in peaks:
        if len(chosen) == len(spots):
            break
        if all(np.linalg.norm(peak - other) > 7 for other in chosen):
            chosen.append(peak)
    distance, nearest = KDTree(spots).query(np.array(chosen))
    return set(nearest[distance <= 4].tolist())


def measure_sizes(quick: bool) -> None:
    """Cost per Mvoxel at three sizes."""
    shapes = (
        ((64, 96, 96), (96, 144, 144), (128, 216, 216)) if quick else ((80, 112, 112), (100, 200, 200), (160, 320, 320))
    )
    rotations = list_of("proteasome", ALL_ROTATIONS_7_DEG)
    costs = []
    for shape in shapes:
        volume = np.random.default_rng(2).standard_normal(shape).astype(np.float32)
        weight = low_pass_weight(shape, VOXEL, 30.0)
        seconds, _ = cost(lambda v=volume, w=weight: search(v, w, "proteasome", rotations, "coarse-to-fine"))  # type: ignore[misc]
        costs.append(seconds)
        mvoxels = volume.size * 1e-6
        report(f"coarse to fine, {len(rotations)} rotations, {mvoxels:.1f} Mvoxel", seconds, "CPU s")
        report(
            f"the same per transform pair of {mvoxels:.1f} Mvoxel", seconds * 1e3 / transform_pair(shape) / mvoxels, ""
        )
    sizes = np.log([np.prod(shape) for shape in shapes])
    slope = float(np.polyfit(sizes, np.log(costs), 1)[0])
    report("cost grows as voxels to the power", slope, "", 1.1)


def measure_tomogram(names: tuple[str, ...], voxel: float, bar: float | None, workers: int) -> None:
    """Wall seconds and memory of all templates in a tomogram of 55 Mvoxel of 10 Å, in a process of its own."""
    code = f"import templates; templates.search_tomogram({names!r}, {voxel!r}, {workers})"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=Path(__file__).parent, check=True, capture_output=True, text=True
    )
    wall, cpu, memory, pair = (float(word) for word in done.stdout.split())
    label = f"{' + '.join(names)} at 7° in {TOMOGRAM[0]}x{TOMOGRAM[1]}x{TOMOGRAM[2]} of 10 Å, searched at {voxel:.1f} Å"
    report(f"{label}, {workers} workers, {os.getloadavg()[0]:.1f} jobs on {os.cpu_count()} cores", wall, "wall s", bar)
    report(label, cpu, "CPU s")
    report(f"{label}, CPU seconds shared by {workers} free cores", cpu / workers, "s")
    scaled = cpu / workers * QUIET_PAIR_MS / pair
    report(f"{label}, the same had a pair of transforms taken {QUIET_PAIR_MS} ms", scaled, "s", bar)
    report(f"memory beyond the program's own, over the tomogram's, {label}", memory, "", 6.0)


def search_tomogram(names: tuple[str, ...], voxel: float, workers: int) -> None:
    """Crop, transform and search; prints wall s, CPU s, memory over the tomogram's, ms of a transform pair."""
    warm_up()
    pair = transform_pair((150, 216, 216))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    tomogram = np.random.default_rng(3).standard_normal(TOMOGRAM, dtype=np.float32)
    wall, cpu = time.perf_counter(), time.process_time()
    white = crop_to_voxel_size(tomogram, 10.0, voxel, margin_angstrom=70.0, workers=workers)
    shape = (white.volume_zyx.shape[0], white.volume_zyx.shape[1], white.volume_zyx.shape[2])
    white.volume_zyx[:] /= white.volume_zyx.std()
    weight = whitened_weight(shape, white.voxel_size_angstrom)
    volume_hat = fft.rfftn(white.volume_zyx, workers=workers)
    found = 0
    for name in names:
        structure = built_in_structure(name)
        scores = search_rotations(
            volume_hat,
            shape,
            white.voxel_size_angstrom,
            weight,
            template_spectrum(structure, white.voxel_size_angstrom),
            list_of(name, ALL_ROTATIONS_7_DEG),
            workers=workers,
            step=nothing,
        )
        found += len(_kernels.local_maxima(scores.z_zyx, 4.5))
        del scores
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(wall, cpu, (after - before) * 1024 / tomogram.nbytes, pair)


def main() -> None:
    """Measure what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--quick", action="store_true", help="small volumes; figures of small volumes are not judged")
    parser.add_argument("--only", choices=["rotations", "agreement", "sizes", "tomogram", "c1"])
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args()
    warm_up()
    parts: dict[str, Callable[[], None]] = {
        "rotations": lambda: measure_rotations(options.quick),
        "agreement": lambda: measure_agreement(options.seed, options.quick),
        "sizes": lambda: measure_sizes(options.quick),
        "tomogram": lambda: [measure_tomogram(THREE, v, 60.0, options.workers) for v in (20.0, 40.0 / 3.0)] and None,
        "c1": lambda: measure_tomogram(("ribosome-70s",), 20.0, 120.0, options.workers),
    }
    for name, measure in parts.items():
        if options.only == name or (options.only is None and not (options.quick and name in ("tomogram", "c1"))):
            measure()


if __name__ == "__main__":
    main()
