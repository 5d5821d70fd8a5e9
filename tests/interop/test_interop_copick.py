"""The real copick 1.x (zarr 2, its own environment) opens a project that we wrote, and we read what it writes.

Set ``TOMOSET_COPICK_PYTHON`` to the interpreter of an environment with ``copick==1.31.0``.
"""

import json
import os
import subprocess
from pathlib import Path

import numpy as np
import pytest

from tomoset.formats import copick
from tomoset.formats.ome_zarr import write_volume_zarr
from tomoset.geometry import Grid, random_rotations
from tomoset.model import InMemory, PickableObject, Picks, Segmentation

PEER = os.environ.get("TOMOSET_COPICK_PYTHON", "")
pytestmark = pytest.mark.skipif(
    not PEER or not Path(PEER).is_file(),
    reason="TOMOSET_COPICK_PYTHON does not name a Python with copick 1.31.0 (zarr 2 cannot share our environment)",
)

READ = """
import json, sys
import copick, numpy as np, zarr
root = copick.from_file("copick_config.json")
run = root.get_run("TS-001")
tomogram = run.get_voxel_spacing(10.0).get_tomogram("wbp")
levels = zarr.open(tomogram.zarr(), mode="r")
picks, = run.get_picks(object_name="apo-ferritin")
segmentation, = run.get_segmentations(name="truth", is_multilabel=True)
locations, matrices = picks.numpy()
np.savez(
    "seen.npz", level0=levels["0"][:], level2=levels["2"][:], full=tomogram.numpy(),
    locations=locations, matrices=matrices, mask=segmentation.numpy(),
    scores=[p.score for p in picks.points], ids=[p.instance_id for p in picks.points],
)
json.dump({
    "copick": copick.__version__, "zarr": zarr.__version__,
    "objects": [(o.name, o.label, o.radius, o.is_particle, o.identifier) for o in root.pickable_objects],
    "runs": [r.name for r in root.runs],
    "spacings": [v.voxel_size for v in run.voxel_spacings],
    "picks": [picks.user_id, picks.session_id, picks.trust_orientation],
    "segmentation": [segmentation.voxel_size, segmentation.user_id, segmentation.session_id],
}, open("seen.json", "w"))
"""

WRITE = """
import copick, numpy as np
root = copick.from_file("copick_config.json")
run = root.new_run("TS-002")
volume = np.load("volume.npy")
run.new_voxel_spacing(10.0).new_tomogram("wbp").from_numpy(volume)
matrices = np.load("matrices.npy")
picks = run.new_picks("apo-ferritin", session_id="7", user_id="peer")
picks.from_numpy(np.load("locations.npy"), matrices)
picks.store()
run.new_segmentation(10.0, "truth", "7", True, user_id="peer").from_numpy((volume > 0).astype(np.uint8))
"""


def run_peer(folder, program):
    done = subprocess.run([PEER, "-c", program], cwd=folder, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr[-2000:]


@pytest.fixture
def project(tmp_path):
    objects = (
        PickableObject(name="apo-ferritin", label=1, radius_angstrom=60.0, symmetry="O", identifier="GO:0070288"),
        PickableObject(name="membrane", label=2, radius_angstrom=10.0, is_particle=False),
    )
    copick.write_config(tmp_path / "copick_config.json", objects, name="interop")
    return tmp_path


def test_copick_sees_what_we_wrote(project):
    rng = np.random.default_rng(0)
    grid = Grid(shape_zyx=(70, 140, 150), voxel_size_angstrom=10.0)
    volume = rng.standard_normal(grid.shape_zyx).astype(np.float32)
    mask = rng.integers(0, 3, grid.shape_zyx).astype(np.uint8)
    picks = Picks(
        object_name="apo-ferritin",
        positions_angstrom_xyz=rng.uniform(0, 700, (5, 3)),
        rotations=random_rotations(5, rng),
        scores=rng.uniform(0, 1, 5),
        margins=rng.uniform(0, 1, 5),
    )
    path = copick.tomogram_path(project, "TS-001", voxel_size_angstrom=10.0, kind="wbp")
    write_volume_zarr(path, volume, grid)
    who = {"user": "tomoset", "session": "0"}
    copick.write_picks(project, "TS-001", picks, **who, voxel_size_angstrom=10.0, instance_ids=range(5))
    segmentation = Segmentation(name="truth", mask_zyx=InMemory(mask), voxel_size_angstrom=10.0)
    copick.write_segmentation(project, "TS-001", segmentation, **who)
    for sibling in ("Raw", "Curation", "GroundTruth"):
        (project / sibling).mkdir()

    run_peer(project, READ)

    words = json.loads((project / "seen.json").read_text())
    assert words["objects"] == [
        ["apo-ferritin", 1, 60.0, True, "GO:0070288"],
        ["membrane", 2, 10.0, False, None],
    ]
    assert words["runs"] == ["TS-001"]
    assert words["spacings"] == [10.0]
    assert words["picks"] == ["tomoset", "0", True]
    assert words["segmentation"] == [10.0, "tomoset", "0"]
    seen = np.load(project / "seen.npz")
    np.testing.assert_array_equal(seen["level0"], volume)
    np.testing.assert_array_equal(seen["full"], volume)
    assert seen["level2"].shape == (17, 35, 37)
    np.testing.assert_array_equal(seen["mask"], mask)
    np.testing.assert_array_equal(seen["locations"], picks.positions_angstrom_xyz)
    np.testing.assert_array_equal(seen["matrices"][:, :3, :3], picks.rotations)
    np.testing.assert_array_equal(seen["scores"], picks.scores)
    np.testing.assert_array_equal(seen["ids"], range(5))


def test_we_see_what_copick_wrote(project):
    rng = np.random.default_rng(1)
    volume = rng.standard_normal((20, 30, 40)).astype(np.float32)
    locations, matrices = rng.uniform(0, 300, (4, 3)), np.tile(np.eye(4), (4, 1, 1))
    matrices[:, :3, :3] = random_rotations(4, rng)
    for name, value in (("volume", volume), ("locations", locations), ("matrices", matrices)):
        np.save(project / f"{name}.npy", value)

    run_peer(project, WRITE)

    assert copick.list_runs(project) == ("TS-002",)
    (tomogram,) = copick.list_tomograms(project, "TS-002")
    from tomoset.formats.ome_zarr import open_volume_zarr

    source, grid = open_volume_zarr(tomogram.path)
    assert (tomogram.kind, grid.voxel_size_angstrom) == ("wbp", 10.0)
    np.testing.assert_array_equal(source.read(), volume)
    (entry,) = copick.list_picks(project, "TS-002")
    back = copick.read_picks(entry.path)
    assert (back.user, back.session, back.run) == ("peer", "7", "TS-002")
    np.testing.assert_allclose(back.picks.positions_angstrom_xyz, locations)
    np.testing.assert_allclose(back.picks.rotations, matrices[:, :3, :3])
    (segmentation,) = copick.list_segmentations(project, "TS-002")
    assert segmentation.is_multilabel
    np.testing.assert_array_equal(copick.read_segmentation(segmentation.path).mask_zyx.read(), volume > 0)
