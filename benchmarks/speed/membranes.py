"""Cost of finding membranes: the plate filter a Mvoxel, and the whole search at three sizes.

Vesicles in noise. CPU seconds of one thread after a run that compiles.
``python benchmarks/speed/membranes.py [--quick]``; ``--quick`` takes the smallest size only.
"""

import argparse
import sys
import time
from pathlib import Path

import numpy as np

from tomoset.annotation.membranes import MembraneParams, find_membranes
from tomoset.geometry import Grid, TiltGeometry
from tomoset.model import InMemory, Resources, Silent, Tomogram

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # benchmarks/, which holds what its scripts share

from shared.figures import report

SIZES = ((120, 160, 160), (120, 320, 320), (120, 480, 640))
VOXEL = 10.0


def vesicles(shape: tuple[int, int, int]) -> Tomogram:
    """One vesicle of 350 Å in every block of 160 voxels, in white noise."""
    rng = np.random.default_rng(0)
    volume = 2.0 * rng.standard_normal(shape, dtype=np.float32)
    z, y, x = (np.arange(n, dtype=np.float32) * VOXEL for n in shape)
    dy, dx = (axis % 1600.0 - 800.0 for axis in (y, x))
    distance = np.sqrt((z[:, None, None] - z.mean()) ** 2 + dy[:, None] ** 2 + dx**2)
    volume -= 2.0 * np.exp(-(((distance - 350.0) / 16.0) ** 2) / 2)
    tilts = np.arange(-45.0, 46.0, 3.0)
    zeros = np.zeros(len(tilts))
    geometry = TiltGeometry(y_tilt_deg=tilts, z_rot_deg=zeros, shift_xy_angstrom=np.zeros((len(tilts), 2)))
    return Tomogram(
        run="vesicles",
        grid=Grid(shape_zyx=shape, voxel_size_angstrom=VOXEL),
        volume_zyx=InMemory(volume),
        tilt_indices=tuple(range(len(tilts))),
        geometry=geometry,
    )


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="the smallest size only")
    options = parser.parse_args()
    report_filter()
    find_membranes(vesicles(SIZES[0]), None, MembraneParams(), resources=Resources(), progress=Silent())
    for shape in SIZES[:1] if options.quick else SIZES:
        tomogram = vesicles(shape)
        start = time.process_time()
        found = find_membranes(tomogram, None, MembraneParams(), resources=Resources(), progress=Silent())
        seconds = time.process_time() - start
        name = f"{shape[0]} x {shape[1]} x {shape[2]} voxels, {len(found.membranes)} membranes"
        report(f"{name}: processor time a Mvoxel", seconds / (np.prod(shape) / 1e6), "s")


def report_filter() -> None:
    """Second derivatives and their eigenvalues in one pass; the best of seven runs, for the machine is shared."""
    from tomoset.annotation.membranes import _kernels

    volume = np.random.default_rng(0).standard_normal((128, 256, 256), dtype=np.float32)
    out = np.zeros_like(volume)
    times = []
    for _ in range(8):
        start = time.process_time()
        _kernels.plate_strength(volume, np.float32(1), 1, 127, out)
        times.append(time.process_time() - start)
    report("second derivatives and eigenvalues", 1e3 * min(times[1:]) / (volume.size / 1e6), "ms/Mvoxel", 4.0)


if __name__ == "__main__":
    main()
