"""How fast training patches come out of a local release, and what a mapped read costs beside zarr's own.

Two runs of 180 x 640 x 640 voxels of noise with masks and 3000 picks each; patches of 64³, two workers.
One JSON line a figure. Usage: ``python benchmarks/speed/loader.py [--quick]``.
"""

import argparse
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import zarr

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # benchmarks/, which holds what its scripts share
sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tests" / "release"))  # a small dataset to enlarge

from small_dataset import a_run, an_info

import tomoset
from shared.figures import report
from tomoset.geometry import Grid
from tomoset.model import InMemory, Picks, Segmentation, Silent
from tomoset.release import RunToRelease, write_release

PATCHES_PER_SECOND = 200.0


def large_run(name: str, seed: int, shape_zyx: tuple[int, int, int]) -> RunToRelease:
    """A run of noise with a mask and many picks."""
    run, rng = a_run(name, seed), np.random.default_rng(seed)
    grid = Grid(shape_zyx=shape_zyx, voxel_size_angstrom=10.0)
    places = rng.uniform(0, 1, (3000, 3)) * (np.array(shape_zyx[::-1]) - 1) * 10.0
    mask = np.zeros(shape_zyx, dtype=np.uint8)
    mask[shape_zyx[0] // 3 : shape_zyx[0] // 2] = 3
    labels = replace(
        run.labels[0],
        picks=(Picks(object_name="bsa", positions_angstrom_xyz=places),),
        segmentations=(Segmentation(name="semantic", mask_zyx=InMemory(mask), voxel_size_angstrom=10.0),),
    )
    volume = InMemory(rng.standard_normal(shape_zyx, dtype=np.float32))
    return replace(run, tomogram=replace(run.tomogram, grid=grid, volume_zyx=volume), labels=(labels,))


def main() -> None:
    """Write, read, time."""
    from torch.utils.data import DataLoader

    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--quick", action="store_true", help="smaller volumes")
    options = parser.parse_args()
    shape = (96, 256, 256) if options.quick else (180, 640, 640)
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "release"
        runs = iter([large_run("TS1", 1, shape), large_run("TS2", 2, shape)])
        write_release(out, an_info(formats=("ml",), splits={}), runs, n_runs=2, progress=Silent())
        data = tomoset.load(out, n_patches=300 if options.quick else 800)
        began = time.process_time()
        for i in range(100):
            data[i]
        alone = (time.process_time() - began) / 100
        report("a patch of 64³ with its mask", 1e3 * alone, "CPU ms")
        array = zarr.open_group(out / "ml" / "train" / "TS1.zarr", mode="r")["tomogram"]
        began = time.process_time()
        for i in range(20):
            z, y, x = (int(v) for v in data[i]["start_zyx"])
            np.asarray(array[z : z + 64, y : y + 64, x : x + 64])
        report("the same volume through zarr alone", 1e3 * ((time.process_time() - began) / 20 - alone), "CPU ms")
        loader = DataLoader(data, batch_size=8, num_workers=2, collate_fn=data.collate)
        for round_ in range(2):  # the first one starts the workers and fills the page cache
            began, count = time.perf_counter(), 0
            for batch in loader:
                count += len(batch["run"])
            speed = count / (time.perf_counter() - began)
            data.set_epoch(round_ + 1)
        report("patches of 64³ with two workers", speed, "1/s", PATCHES_PER_SECOND, at_least=True)


if __name__ == "__main__":
    main()
