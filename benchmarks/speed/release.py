"""What it costs to release one large tomogram in every layout, and how much memory it takes.

A tomogram of 300 x 1024 x 1440 voxels with its tilt series, a mask and 3000 picks; the writing runs in a process of its
own so that its peak memory is its own. One JSON line a figure. Usage: ``python benchmarks/speed/release.py [--quick]``.
"""

import argparse
import multiprocessing
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # benchmarks/, which holds what its scripts share
sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tests" / "release"))  # a small dataset to enlarge

from small_dataset import a_run, an_info

from shared.figures import report
from tomoset.formats.ome_zarr import open_volume_zarr, write_mask_zarr, write_volume_zarr
from tomoset.geometry import Grid
from tomoset.model import InMemory, Picks, Segmentation, Silent
from tomoset.release import write_release

SHAPE_ZYX, QUICK_ZYX = (300, 1024, 1440), (96, 320, 384)
WALL_BAR_SECONDS, MEMORY_BAR = 60.0, 3.0


def peak_bytes() -> int:
    """Largest resident memory of this process since it began (Linux)."""
    status = Path("/proc/self/status").read_text()
    return 1024 * int(next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM")))


def lay_out(folder: Path, shape_zyx: tuple[int, int, int]) -> None:
    """Write volume and mask as a project has them, slab by slab."""
    rng, grid = np.random.default_rng(1), Grid(shape_zyx=shape_zyx, voxel_size_angstrom=10.0)
    write_volume_zarr(folder / "volume.zarr", rng.standard_normal(shape_zyx, dtype=np.float32), grid)
    mask = np.zeros(shape_zyx, dtype=np.uint8)
    mask[shape_zyx[0] // 3 : shape_zyx[0] // 2, 100:200] = 3
    write_mask_zarr(folder / "mask.zarr", mask, grid)


def write(folder: Path, answers: Any) -> None:
    """Release what lies there; answers wall and CPU seconds and the peak of memory beyond the start's, bytes."""
    volume, grid = open_volume_zarr(folder / "volume.zarr")
    mask, _ = open_volume_zarr(folder / "mask.zarr")
    run, rng = a_run("TS1", 1), np.random.default_rng(2)
    picks = Picks(
        object_name="bsa",
        positions_angstrom_xyz=rng.uniform(0, 1, (3000, 3)) * (np.array(grid.shape_zyx[::-1]) - 1) * 10.0,
    )
    labels = replace(
        run.labels[0],
        picks=(picks,),
        segmentations=(Segmentation(name="semantic", mask_zyx=mask, voxel_size_angstrom=10.0),),
    )
    images = InMemory(rng.normal(6, 2, (7, 1024, 1440)).astype(np.float32))
    large = replace(
        run,
        series=replace(run.series, images_nyx=images),
        tomogram=replace(run.tomogram, grid=grid, volume_zyx=volume),
        labels=(labels,),
    )
    before = peak_bytes()
    began, cpu = time.perf_counter(), time.process_time()
    write_release(folder / "out", an_info(), iter([large]), n_runs=1, progress=Silent())
    answers.put((time.perf_counter() - began, time.process_time() - cpu, peak_bytes() - before))


def main() -> None:
    """Lay out, write, measure."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--quick", action="store_true", help="a smaller tomogram")
    options = parser.parse_args()
    shape = QUICK_ZYX if options.quick else SHAPE_ZYX
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        lay_out(folder, shape)
        context = multiprocessing.get_context("spawn")
        answers = context.Queue()
        process = context.Process(target=write, args=(folder, answers))
        process.start()
        wall, cpu, peak = answers.get()
        process.join()
        files = [path for path in (folder / "out").rglob("*") if path.is_file()]
        once = {(path.stat().st_dev, path.stat().st_ino): path.stat().st_size for path in files}
        size = 4.0 * float(np.prod(shape))
        report("release in all layouts", wall, "s", WALL_BAR_SECONDS)
        report("release in all layouts, processor", cpu, "CPU s")
        report("memory over the tomogram's size", peak / size, "", MEMORY_BAR)
        report("room on the disk over the tomogram's size", sum(once.values()) / size, "")


if __name__ == "__main__":
    main()
