"""How exactly labels survive the way through each format, and what keeping all of them costs.

Random picks, filaments, a mask and a mesh in a field of 640 x 640 x 180 voxels of 10 Å go into every format through
the conversion that ``tomoset convert`` is, and come back. Bars: positions 1e-3 Å, rotations 1e-4°, masks equal; where a
format holds less, it has no figure for it.

One JSON line a figure. Usage: ``python benchmarks/science/label_formats.py --seed 0 [--quick]``.
"""

import argparse
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from tomoset.formats.copick import read_picks, write_config, write_picks
from tomoset.formats.ome_zarr import write_volume_zarr
from tomoset.geometry import Grid, angle_between_deg, random_rotations
from tomoset.model import FilamentTrace, InMemory, Labels, MembraneSurface, PickableObject, Picks, Segmentation, stream
from tomoset.workflow.converting import convert_file
from tomoset.workflow.label_files import load_labels, save_labels
from tomoset.workflow.layout import ProjectLayout

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # benchmarks/, which holds what its scripts share

from shared.figures import report

VOXEL, PIXEL = 10.0, 1.96
POSITION_BAR_ANGSTROM, ROTATION_BAR_DEG = 1e-3, 1e-4
OBJECTS = (
    PickableObject(name="vlp", label=1, radius_angstrom=140.0),
    PickableObject(name="tmv", label=2, radius_angstrom=90.0),
    PickableObject(name="membrane", label=3, radius_angstrom=20.0, is_particle=False),
)
# file, name of the format where its ending leaves it open, whether it holds rotations
PICKS = (
    ("a.json", "copick", True),
    ("a.csv", "", True),
    ("a.ndjson", "", True),
    ("a5.star", "relion5", True),
    ("a4.star", "relion4", True),
    ("as.star", "stopgap", True),
    ("a.tbl", "", True),
    ("a.em", "", True),
    ("a_info.json", "eman2", False),
    ("a.cbox", "", False),
    ("a.mod", "", False),
)


def main() -> None:
    """Measure and report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--quick", action="store_true", help="a smaller field and fewer picks")
    options = parser.parse_args()
    shape, n = ((60, 160, 160), 200) if options.quick else ((180, 640, 640), 5000)
    grid = Grid(shape_zyx=shape, voxel_size_angstrom=VOXEL)
    with tempfile.TemporaryDirectory() as folder:
        labels = _labels(grid, n, options.seed)
        _picks(Path(folder), grid, labels)
        _storage(Path(folder) / "project", grid, labels)
        _volumes(Path(folder), labels)


def _labels(grid: Grid, n: int, seed: int) -> Labels:
    rng = stream(seed, "label formats")
    size = grid.size_angstrom_xyz - VOXEL
    mask = np.zeros(grid.shape_zyx, dtype=np.uint8)
    for centre in rng.uniform(0, 1, (200, 3)) * grid.shape_zyx:
        z, y, x = (slice(max(0, int(c) - 8), int(c) + 8) for c in centre)
        mask[z, y, x] = rng.choice((1, 2, 3, 255))
    curves = tuple(
        FilamentTrace(
            object_name="tmv",
            instance_id=i + 1,
            points_angstrom_xyz=np.sort(rng.uniform(0, 1, (12, 3)), axis=0) * size,
            radius_angstrom=90.0,
        )
        for i in range(10)
    )
    vertices = rng.uniform(0, 1, (3000, 3)) * size
    surface = MembraneSurface(
        object_name="membrane",
        instance_id=1,
        vertices_angstrom_xyz=vertices,
        faces=np.arange(3000, dtype=np.int32).reshape(-1, 3),
        normals=np.tile([0.0, 0.0, 1.0], (3000, 1)),
    )
    picks = Picks(
        object_name="vlp",
        positions_angstrom_xyz=rng.uniform(0, 1, (n, 3)) * size,
        rotations=random_rotations(n, rng),
        scores=rng.uniform(size=n),
        margins=rng.uniform(size=n),
        rivals=np.full(n, "tmv"),
    )
    return Labels(
        run="TS-001",
        user="truth",
        session="1",
        voxel_size_angstrom=VOXEL,
        picks=(picks,),
        segmentations=(Segmentation(name="semantic", mask_zyx=InMemory(mask), voxel_size_angstrom=VOXEL),),
        filaments=curves,
        membranes=(surface,),
    )


def _picks(folder: Path, grid: Grid, labels: Labels) -> None:
    tomogram = write_volume_zarr(folder / "t.zarr", np.zeros(grid.shape_zyx, np.int8), grid, dtype=np.int8)
    (wanted,) = labels.picks
    source = write_picks(folder / "in", "TS-001", wanted, user="me", session="1", voxel_size_angstrom=VOXEL)
    said = {"tomogram": tomogram, "pixel_size_angstrom": PIXEL, "name": "vlp"}
    for file, kind, oriented in PICKS:
        label = kind or Path(file).suffix.lstrip(".")
        convert_file(source, folder / file, target_format=kind, **said)
        convert_file(folder / file, folder / "back.json", target_format="copick", source_format="", **said)
        back = read_picks(folder / "back.json").picks
        error = np.abs(back.positions_angstrom_xyz - wanted.positions_angstrom_xyz).max()
        report(f"{label}: position after writing and reading", error, "Å", POSITION_BAR_ANGSTROM)
        if oriented:
            turn = angle_between_deg(back.rotations, wanted.rotations).max()
            report(f"{label}: rotation after writing and reading", turn, "°", ROTATION_BAR_DEG)


def _storage(folder: Path, grid: Grid, labels: Labels) -> None:
    layout = ProjectLayout(folder)
    write_config(layout.copick_config, OBJECTS, name="labels")
    begin = time.process_time()
    save_labels(layout, labels)
    report("saving all labels of a tomogram", time.process_time() - begin, "CPU s")
    begin = time.process_time()
    back = load_labels(layout, labels.run, labels.user, labels.session, None, VOXEL)
    report("loading them, masks opened", time.process_time() - begin, "CPU s")
    kept = [
        np.array_equal(back.picks[0].rivals, labels.picks[0].rivals),
        np.array_equal(back.picks[0].positions_angstrom_xyz, labels.picks[0].positions_angstrom_xyz),
        np.array_equal(back.segmentations[0].mask_zyx.read(), labels.segmentations[0].mask_zyx.read()),
        all(
            np.array_equal(a.points_angstrom_xyz, b.points_angstrom_xyz)
            for a, b in zip(back.filaments, labels.filaments, strict=True)
        ),
        np.array_equal(back.membranes[0].faces, labels.membranes[0].faces),
    ]
    report("kinds of labels that come back as they were saved", sum(kept), "of 5", 5, at_least=True)
    moved = np.abs(back.membranes[0].vertices_angstrom_xyz - labels.membranes[0].vertices_angstrom_xyz).max()
    report("glb: vertex after writing and reading", moved, "Å", POSITION_BAR_ANGSTROM)


def _volumes(folder: Path, labels: Labels) -> None:
    wanted = labels.segmentations[0].mask_zyx.read()
    layout = ProjectLayout(folder / "project")
    for i, file in enumerate(("m.am", "m.mrc", "m.zarr")):
        begin = time.process_time()
        convert_file(layout.root, folder / file, run=labels.run, user=labels.user)
        convert_file(folder / file, layout.root, run=f"B{i}", user="x", name="semantic")
        cost = time.process_time() - begin
        (back,) = load_labels(layout, f"B{i}", "x", "1", None, VOXEL).segmentations
        wrong = np.count_nonzero(back.mask_zyx.read() != wanted)
        report(f"{file[2:]}: voxels that differ after writing and reading", wrong, "", 0)
        report(f"{file[2:]}: writing and reading a mask", cost / (wanted.size / 1e6), "CPU s per Mvoxel")
    for i, file in enumerate(("f.mod", "f.am", "f.json")):
        kind = {"f.json": "filaments", "f.am": "amira-graph"}.get(file, "")
        said = {"tomogram": folder / "t.zarr", "name": "tmv"}
        convert_file(layout.root, folder / file, run=labels.run, user=labels.user, target_format=kind, **said)
        convert_file(folder / file, layout.root, run=f"F{i}", user="y", **said)
        found = load_labels(layout, f"F{i}", "y", "1", None, VOXEL).filaments
        error = max(
            np.abs(a.points_angstrom_xyz - b.points_angstrom_xyz).max()
            for a, b in zip(found, labels.filaments, strict=True)
        )
        report(f"{kind or 'imod'}: filament after writing and reading", error, "Å", POSITION_BAR_ANGSTROM)


if __name__ == "__main__":
    main()
