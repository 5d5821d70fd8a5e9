"""Cost of the simulated microscope: ``python benchmarks/speed/simulator.py [--seed N] [--quick] [--whole]``.

Views and frames of the seven-protein content at three sizes of camera, to that of a whole K3, and what a series of
31 x 10 frames costs by these figures; ``--whole`` records such a series as files. One JSON line a figure.
"""

import argparse
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np

from tomoset.formats.movies import write_tiff_movie
from tomoset.geometry import random_rotations
from tomoset.microscope import MicroscopeParams, field_of_view_size_xy_angstrom, image
from tomoset.microscope.camera import poisson_counts
from tomoset.microscope.frames import Scene
from tomoset.model import Molecules, MovieSet, Resources, Scatterers, Silent, Specimen
from tomoset.specimen import copies_from_mg_per_ml
from tomoset.structures import built_in_structure
from tomoset.workflow.raw_files import write_raw

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # benchmarks/, which holds what its scripts share

from shared.figures import report

SEVEN_MG_PER_ML = {
    "thyroglobulin": 10.4,
    "beta-amylase": 8.9,
    "bsa": 6.32,
    "apoferritin": 1.21,
    "pp7-vlp": 0.9,
    "proteasome": 0.09,
    "tmv": 5.66,
}
THICKNESS_ANGSTROM = 1500.0
LIPIDS_PER_SQUARE_ANGSTROM = 0.002  # points of a few liposomes, over the specimen's area
PHYSICS = {
    "n_frames": 10,
    "astigmatism_angstrom": 300.0,
    "illumination_half_angle_mrad": 0.02,
    "focal_spread_angstrom": 60.0,
    "mtf": "k3-standard",
    "coincidence_pixels": 4.0,
    "deformation_angstrom": 8.0,
}
K3_YX = (4092, 5760)
VIEWS_DEG = (0.0, 24.0, 45.0)
N_TILTS, N_FRAMES = 31, 10
K3_SECONDS, K3_GIB = 960.0, 10.0  # eight minutes on two cores


def content(params: MicroscopeParams, seed: int) -> Specimen:
    """Molecules and lipids at random places; overlaps do not matter for the cost."""
    rng = np.random.default_rng(seed)
    size = np.array([*field_of_view_size_xy_angstrom(params, THICKNESS_ANGSTROM), THICKNESS_ANGSTROM])
    molecules = []
    for name, mg_per_ml in SEVEN_MG_PER_ML.items():
        copies = copies_from_mg_per_ml(mg_per_ml, built_in_structure(name).mass_kda, float(size.prod()))
        positions = (rng.random((copies, 3)) - 0.5) * size * [1, 1, 0.85]
        molecules.append(
            Molecules(species=name, positions_angstrom_xyz=positions, rotations=random_rotations(copies, rng))
        )
    lipids = int(LIPIDS_PER_SQUARE_ANGSTROM * size[0] * size[1])
    places = ((rng.random((lipids, 3)) - 0.5) * size).astype(np.float32)
    cloud = Scatterers(
        name="lipids",
        positions_angstrom_xyz=places,
        strengths_volt_angstrom3=np.full(lipids, 60.0, dtype=np.float32),
        spread_angstrom=4.0,
    )
    return Specimen(
        run="TS001",
        size_angstrom_xyz=(size[0], size[1], size[2]),
        molecules=tuple(molecules),
        composition=(),
        scatterers=(cloud,),
    )


def camera(fraction: int) -> MicroscopeParams:
    """K3 with every ``fraction`` pixels taken as one."""
    height, width = (n // fraction // 2 * 2 for n in K3_YX)
    return MicroscopeParams(pixel_size_angstrom=2.077 * fraction, frame_shape_yx=(height, width), **PHYSICS)


def seconds(work: Callable[[], object]) -> float:
    """CPU seconds of one call."""
    start = time.process_time()
    work()
    return time.process_time() - start


def recorded(params: MicroscopeParams, seed: int) -> MovieSet:
    """Series whose frames are not yet computed."""
    specimen = content(params, seed)
    structures = {name: built_in_structure(name) for name in SEVEN_MG_PER_ML}
    report(f"molecules in the specimen, {params.frame_shape_yx}", sum(len(m) for m in specimen.molecules), "")
    report(f"lipids in the specimen, {params.frame_shape_yx}", len(specimen.scatterers[0]), "")
    return image(specimen, structures, params, seed=seed, resources=Resources(memory_gib=8.0), progress=Silent())[0]


def views_and_frames(params: MicroscopeParams, seed: int) -> tuple[float, float]:
    """CPU seconds of a view, by the mean over three tilts, and of a frame."""
    movies = recorded(params, seed)
    scene: Scene = movies.movies[0].frames_tyx.scene
    label = "{} x {} pixels of {:.3g} Å".format(*params.frame_shape_yx, params.pixel_size_angstrom)
    per_view, per_frame = [], []
    for tilt_deg in VIEWS_DEG:
        tilt = round((tilt_deg - params.tilt_min_deg) / params.tilt_step_deg)
        per_view.append(seconds(lambda tilt=tilt: scene.rendered(tilt)))
        per_frame += [seconds(lambda tilt=tilt, frame=frame: scene.counts(tilt, frame)) for frame in range(3)]
        report(f"view at {tilt_deg:g}°, {label}", per_view[-1], "CPU-s")
    report(f"frame, {label}", float(np.median(per_frame)), "CPU-s")
    return float(np.mean(per_view)), float(np.median(per_frame))


def counting(params: MicroscopeParams, seed: int, frame_seconds: float) -> float:
    """CPU seconds to count and to write a frame, of which the first has a bar."""
    mean = params.electrons_per_pixel_and_frame * params.dqe * 0.68
    expected = np.full(params.frame_shape_yx, mean, dtype=np.float32)
    poisson_counts(expected, key=(seed, 1), frame=0)
    counted = min(seconds(lambda: poisson_counts(expected, key=(seed, 2), frame=0)) for _ in range(3))
    report("counts of a K3 frame", counted, "CPU-s", 0.05)
    frames = [poisson_counts(expected, key=(seed, 3), frame=i) for i in range(2)]
    with tempfile.TemporaryDirectory() as folder:
        written = seconds(lambda: write_tiff_movie(Path(folder) / "a.tif", iter(frames), params.pixel_size_angstrom))
    report("TIFF (LZW) of a K3 frame", written / 2, "CPU-s")
    report("share of a frame's time that is counting", 100 * counted / frame_seconds, "%")
    return written / 2


def whole_series(params: MicroscopeParams, seed: int) -> None:
    """Record 31 x 10 frames of a K3 as files, on two cores."""
    start, cpu = time.perf_counter(), time.process_time()
    movies = recorded(params, seed)
    with tempfile.TemporaryDirectory() as folder:
        write_raw(Path(folder) / "raw", movies, Resources(workers=2, memory_gib=8.0), Silent())
    report("whole K3 series as files, time", time.perf_counter() - start, "s", K3_SECONDS / 2)
    report("whole K3 series as files, CPU", time.process_time() - cpu, "CPU-s", K3_SECONDS)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--whole", action="store_true")
    options = parser.parse_args()
    warm = replace(camera(3), frame_shape_yx=(256, 320), pixel_size_angstrom=5.0)
    recorded(warm, options.seed).movies[0].frames_tyx.read((0,))  # compile
    if options.whole:
        whole_series(camera(1), options.seed)
    else:
        sizes = (3, 2) if options.quick else (3, 2, 1)
        for fraction in sizes:
            view_seconds, frame_seconds = views_and_frames(camera(fraction), options.seed)
        if not options.quick:
            written = counting(camera(1), options.seed, frame_seconds)
            total = N_TILTS * view_seconds + N_TILTS * N_FRAMES * (frame_seconds + written)
            report(f"K3 series of {N_TILTS} x {N_FRAMES} frames by these figures", total, "CPU-s", K3_SECONDS)
    report("peak memory", resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20, "GiB", K3_GIB)


if __name__ == "__main__":
    main()
