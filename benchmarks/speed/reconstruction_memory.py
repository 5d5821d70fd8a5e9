"""Peak memory and CPU time of a tomogram of the paper's size, within a given bound.

31 views of 2046 x 2880 pixels of 4.15 Å to 1440 x 1023 x 300 voxels of 8.3 Å, and of 1023 x 1440 pixels to as many
voxels x 256 at the images' own pixel; images are made as they are read and the volume is a mapped file, as in a
project. Peak is resident memory without the volume's pages. ``python benchmarks/speed/reconstruction_memory.py
[--memory-gib 2] [--quick]``.
"""

import argparse
import sys
import tempfile
import threading
import time
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import DTypeLike, NDArray

from tomoset.geometry import TiltGeometry
from tomoset.model import CtfEstimate, Region, Resources, Silent, Tilt, TiltSeries, stream
from tomoset.reconstruction import ReconstructionParams, reconstruct

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # benchmarks/, which holds what its scripts share

from shared.figures import report


@dataclass(frozen=True, slots=True)
class Noise:
    """Images of shot noise that exist while they are read."""

    shape: tuple[int, ...]

    @property
    def dtype(self) -> np.dtype[np.float32]:
        """Type of the elements."""
        return np.dtype(np.float32)

    def read(self, region: Region = ()) -> NDArray[np.float32]:
        """One image, or all."""
        rows = range(*region[0].indices(self.shape[0])) if isinstance(region[0], slice) else [region[0]]
        images = [stream(1, "noise", row).standard_normal(self.shape[1:], np.float32) + 30 for row in rows]
        return np.stack(images) if isinstance(region[0], slice) else images[0]


class Peak:
    """Largest resident memory that is no mapped file, MiB, while the block runs."""

    def __enter__(self) -> "Peak":
        self.mib, self._end = 0.0, threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._end.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._end.wait(0.02):
            lines = Path("/proc/self/status").read_text("utf-8").splitlines()
            anonymous = next(int(line.split()[1]) for line in lines if line.startswith("RssAnon"))
            self.mib = max(self.mib, anonymous / 1024)


def series_of(shape_yx: tuple[int, int], pixel: float, x_tilt_deg: float) -> TiltSeries:
    """31 views from −45° to 45°, the tilt axis near image x."""
    tilt = np.arange(-45.0, 46.0, 3.0)
    geometry = TiltGeometry(
        y_tilt_deg=tilt,
        z_rot_deg=np.full(tilt.size, 85.3),
        shift_xy_angstrom=stream(1, "shifts").uniform(-40, 40, (tilt.size, 2)),
        x_tilt_deg=np.full(tilt.size, x_tilt_deg),
    )
    ctf = CtfEstimate(
        defocus_u_angstrom=35000.0, defocus_v_angstrom=35000.0, astigmatism_deg=0.0, score=1.0, resolution_angstrom=10.0
    )
    rows = tuple(
        Tilt(
            name=f"view-{i}",
            nominal_tilt_deg=float(angle),
            acquisition_order=i,
            dose_e_per_angstrom2=3.0,
            dose_before_e_per_angstrom2=3.0 * i,
            mean_counts=30.0,
            ctf=ctf,
        )
        for i, angle in enumerate(tilt)
    )
    images = Noise((tilt.size, *shape_yx))
    return TiltSeries(
        run="paper", pixel_size_angstrom=pixel, tilts=rows, images_nyx=images, geometry=geometry, defocus_hand=1
    )


def measure(label: str, series: TiltSeries, params: ReconstructionParams, memory_gib: float) -> None:
    """Reconstruct within a bound and report what it took."""
    with tempfile.TemporaryDirectory() as folder:

        def allocate(name: str, shape: tuple[int, ...], dtype: DTypeLike) -> NDArray[np.float32]:
            return np.memmap(Path(folder) / name, dtype=dtype, mode="w+", shape=shape)

        resources = Resources(workers=2, memory_gib=memory_gib, allocate=allocate)
        start = time.process_time()
        with Peak() as peak:
            tomogram = reconstruct(series, params, resources=resources, progress=Silent())
        seconds = time.process_time() - start
        shape = "x".join(str(n) for n in tomogram.grid.shape_zyx)
    report(f"{label} -> {shape}, {memory_gib:g} GiB allowed: peak", peak.mib / 1024, "GiB", memory_gib)
    report(f"{label} -> {shape}, {memory_gib:g} GiB allowed: time", seconds, "CPU-s")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--memory-gib", type=float, default=2.0)
    parser.add_argument("--quick", action="store_true")
    options = parser.parse_args()
    fine = series_of((2046, 2880), 4.154, 0.0)
    paper = ReconstructionParams(voxel_size_angstrom=8.308, thickness_angstrom=300 * 8.308, half_sets=False)
    measure("31 x 2046 x 2880", fine, paper, options.memory_gib)
    if options.quick:
        return
    slabs = replace(paper, ctf_correction="phase-flip-slabs", ctf_slab_angstrom=200.0)
    measure("31 x 2046 x 2880, 13 slabs", fine, slabs, options.memory_gib)
    own = ReconstructionParams(voxel_size_angstrom=8.308, thickness_angstrom=256 * 8.308, half_sets=False)
    measure("31 x 1023 x 1440, pixel as voxel", series_of((1023, 1440), 8.308, 0.0), own, options.memory_gib)


if __name__ == "__main__":
    main()
