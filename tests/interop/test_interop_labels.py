"""Labels in the peers' own readers and back: copick 1.31 with dynamotable and emfile, imodmodel, eulerangles.

Set ``TOMOSET_COPICK_PYTHON`` and ``TOMOSET_PEER_PYTHON`` as ``make interop`` does.
"""

import json
import os
import subprocess
from pathlib import Path

import numpy as np
import pytest

from tomoset.formats import copick
from tomoset.formats.dynamo_table import read_dynamo_table, write_dynamo_table
from tomoset.formats.imod_model import read_imod_model, write_imod_model
from tomoset.formats.relion_particles import RelionParticles, write_particles_star
from tomoset.formats.tom_motl import read_tom_motl, write_tom_motl
from tomoset.formats.zxz_euler import dynamo_euler_from_rotations, rotations_from_tom_euler
from tomoset.geometry import Grid, angle_between_deg, random_rotations
from tomoset.model import (
    FilamentTrace,
    InMemory,
    Labels,
    MembraneSurface,
    Optics,
    PickableObject,
    Picks,
    Segmentation,
)
from tomoset.workflow.label_files import load_labels, save_labels
from tomoset.workflow.layout import ProjectLayout

COPICK = os.environ.get("TOMOSET_COPICK_PYTHON", "")
PEER = os.environ.get("TOMOSET_PEER_PYTHON", "")
needs_copick = pytest.mark.skipif(
    not COPICK or not Path(COPICK).is_file(), reason="TOMOSET_COPICK_PYTHON does not name a Python with copick 1.31.0"
)
needs_peer = pytest.mark.skipif(
    not PEER or not Path(PEER).is_file(), reason="TOMOSET_PEER_PYTHON does not name a Python with imodmodel 0.1.0"
)
VOXEL = 10.0
GRID = Grid(shape_zyx=(60, 90, 80), voxel_size_angstrom=VOXEL)


def run_peer(python: str, folder: Path, program: str) -> None:
    done = subprocess.run([python, "-c", program], cwd=folder, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr[-2000:]


def some_picks(n: int = 5) -> Picks:
    rng = np.random.default_rng(n)
    return Picks(
        object_name="vlp",
        positions_angstrom_xyz=rng.uniform(0, 590, (n, 3)),
        rotations=random_rotations(n, rng),
        scores=rng.uniform(size=n),
        score_kind="probability",
        margins=np.array([np.nan, *rng.uniform(size=n - 1)]),
        rivals=np.array(["tmv"] * n),
        posterior_classes=("vlp",),
        posterior=rng.uniform(size=(n, 1)),
        false_discovery_rates=rng.uniform(size=n),
        instance_ids=np.arange(n),
        orientation_known=np.ones(n, dtype=bool),
        flags=np.arange(n),
    )


def all_labels() -> Labels:
    rng = np.random.default_rng(7)
    vertices = rng.uniform(0, 590, (5, 3))
    return Labels(
        run="TS-001",
        user="tomoset",
        session="0",
        voxel_size_angstrom=VOXEL,
        picks=(some_picks(),),
        segmentations=tuple(
            Segmentation(name=name, mask_zyx=InMemory(values), voxel_size_angstrom=VOXEL, kind=kind)
            for name, kind, values in (
                ("semantic", "semantic", rng.integers(0, 4, GRID.shape_zyx).astype(np.uint8)),
                ("vlp", "instance", rng.integers(0, 70000, GRID.shape_zyx).astype(np.uint32)),
                ("vlp", "probability", rng.uniform(size=GRID.shape_zyx).astype(np.float32)),
            )
        ),
        filaments=(
            FilamentTrace(
                object_name="tmv",
                instance_id=4,
                points_angstrom_xyz=np.cumsum(rng.uniform(20, 80, (6, 3)), axis=0),
                radius_angstrom=90.0,
                polarity=1,
            ),
        ),
        membranes=(
            MembraneSurface(
                object_name="membrane",
                instance_id=1,
                vertices_angstrom_xyz=vertices,
                faces=np.array([[0, 1, 2], [2, 3, 4]], dtype=np.int32),
                normals=np.tile([0.0, 0.0, 1.0], (5, 1)),
                inferred=np.array([True, False, False, True, False]),
            ),
        ),
        method="Made up.",
        notes={"a": 1.0},
    )


@pytest.fixture
def project(tmp_path: Path) -> Path:
    objects = (
        PickableObject(name="vlp", label=1, radius_angstrom=140.0),
        PickableObject(name="tmv", label=2, radius_angstrom=90.0),
        PickableObject(name="membrane", label=3, radius_angstrom=20.0, is_particle=False),
    )
    copick.write_config(tmp_path / "copick_config.json", objects, name="interop")
    return tmp_path


SEE_ALL = """
import json
import copick, numpy as np
run = copick.from_file("copick_config.json").get_run("TS-001")
picks, = run.get_picks(object_name="vlp")
drawn, = run.get_picks(object_name="tmv")
masks = run.get_segmentations()
instances, = run.get_segmentations(is_instance=True)
filaments, = run.get_filaments(object_name="tmv")
filament, = filaments.filaments
mesh, = run.get_meshes(object_name="membrane")
geometry = list(mesh.mesh.geometry.values())[0] if hasattr(mesh.mesh, "geometry") else mesh.mesh
np.savez("seen.npz", matrices=picks.numpy()[1], locations=picks.numpy()[0], mask=masks[0].numpy(),
         instances=instances.numpy(), points=filament.points, vertices=geometry.vertices, faces=geometry.faces)
json.dump({
    "n_masks": len(masks), "names": sorted({p.pickable_object_name for p in run.picks}),
    "ids": [p.instance_id for p in picks.points], "drawn": [p.instance_id for p in drawn.points],
    "filament": [filament.instance_id, filament.radius, filament.polarity_known],
    "instance": [instances.name, instances.user_id],
}, open("seen.json", "w"))
# what copick itself writes back must not lose ours
filaments.store()
"""


@needs_copick
def test_copick_sees_every_kind_of_label(project: Path) -> None:
    labels = all_labels()
    save_labels(ProjectLayout(project), labels)
    run_peer(COPICK, project, SEE_ALL)
    words, seen = json.loads((project / "seen.json").read_text()), np.load(project / "seen.npz")
    assert words["n_masks"] == 1
    assert words["names"] == ["tmv", "vlp"]
    assert words["ids"] == list(range(5))
    assert words["drawn"] == [4] * 6
    assert words["filament"] == [4, 90.0, True]
    assert words["instance"] == ["vlp", "tomoset"]
    np.testing.assert_array_equal(seen["locations"], labels.picks[0].positions_angstrom_xyz)
    np.testing.assert_array_equal(seen["matrices"][:, :3, :3], labels.picks[0].rotations)
    np.testing.assert_array_equal(seen["mask"], labels.segmentations[0].mask_zyx.read())
    np.testing.assert_array_equal(seen["instances"], labels.segmentations[1].mask_zyx.read())
    np.testing.assert_allclose(seen["points"][[0, -1]], labels.filaments[0].points_angstrom_xyz[[0, -1]])
    np.testing.assert_allclose(seen["vertices"], labels.membranes[0].vertices_angstrom_xyz, atol=5e-4)
    np.testing.assert_array_equal(seen["faces"], labels.membranes[0].faces)
    (back,) = load_labels(ProjectLayout(project), "TS-001", "tomoset", "0", None, VOXEL).filaments
    np.testing.assert_array_equal(back.points_angstrom_xyz, labels.filaments[0].points_angstrom_xyz)


MAKE_OTHERS = """
import copick, numpy as np, trimesh
root = copick.from_file("copick_config.json")
run = root.new_run("TS-002")
rng = np.random.default_rng(0)
mask = (rng.uniform(size=(20, 30, 40)) > 0.5).astype(np.uint8)
np.save("mask.npy", mask)
run.new_segmentation(10.0, "membrane", "7", False, user_id="peer").from_numpy(mask)
mesh = run.new_mesh("membrane", "7", user_id="peer")
mesh.mesh = trimesh.creation.icosphere(radius=100.0)
mesh.store()
filaments = run.new_filaments("tmv", "7", user_id="peer")
filaments.meta.filaments.append(copick.models.CopickFilament.from_control_points(
    2, [[0, 0, 0], [100, 0, 0], [200, 50, 0], [300, 50, 10]], 10.0, radius=85.0))
filaments.store()
"""


@needs_copick
def test_we_see_masks_meshes_and_filaments_of_copick(project: Path) -> None:
    run_peer(COPICK, project, MAKE_OTHERS)
    labels = load_labels(ProjectLayout(project), "TS-002", "peer", "7", None, VOXEL)
    np.testing.assert_array_equal(labels.segmentations[0].mask_zyx.read(), 3 * np.load(project / "mask.npy"))
    (surface,), (filament,) = labels.membranes, labels.filaments
    np.testing.assert_allclose(np.linalg.norm(surface.vertices_angstrom_xyz, axis=1), 100.0, rtol=1e-5)
    assert np.all(np.sum(surface.normals * surface.vertices_angstrom_xyz, axis=1) > 0)
    assert (filament.instance_id, filament.radius_angstrom) == (2, 85.0)
    np.testing.assert_allclose(filament.points_angstrom_xyz[-1], [300, 50, 10])


TABLES = """
import numpy as np
from copick.util import formats, relion
positions, eulers, shifts, scores = formats.read_dynamo_table("a.tbl")
dynamo, dynamo_t = formats.dynamo_to_copick_transform(positions, eulers, shifts, 10.0)
positions, eulers, _, shifts = formats.read_em_motivelist("a.em", include_shifts=True)
tom, tom_t = formats.em_to_copick_transform(positions, eulers, 10.0, shifts)
found = {"dynamo": dynamo + dynamo_t[:, :3, 3], "dynamo_r": dynamo_t[:, :3, :3], "dynamo_s": scores,
         "tom": tom + tom_t[:, :3, 3], "tom_r": tom_t[:, :3, :3]}
for name in ("relion4", "relion5"):
    df, optics = formats.read_star_particles_with_optics(name + ".star")
    rotations, offsets = relion.relion_rows_to_poses(df)
    centre = (400.0, 450.0, 300.0)
    found[name] = formats.relion_coordinates_to_angstrom(df, optics=optics, tomogram_center=centre) - offsets
    found[name + "_r"] = rotations
    found[name + "_i"] = relion.relion_instance_ids(df)
np.savez("seen.npz", **found)
formats.write_em_motivelist("b.em", found["tom"] / 10.0, eulers)
"""


@needs_copick
def test_copick_reads_our_tables_where_we_meant(tmp_path: Path) -> None:
    picks = some_picks()
    write_dynamo_table(tmp_path / "a.tbl", picks, voxel_size_angstrom=VOXEL)
    write_tom_motl(tmp_path / "a.em", picks, voxel_size_angstrom=VOXEL)
    for version in (4, 5):
        particles = [RelionParticles(run="TS-001", picks=picks, grid=GRID)]
        write_particles_star(
            tmp_path / f"relion{version}.star",
            particles,
            pixel_size_angstrom=2.5,
            optics=Optics(),
            version=4 if version == 4 else 5,
        )
    run_peer(COPICK, tmp_path, TABLES)
    seen = np.load(tmp_path / "seen.npz")
    for name in ("dynamo", "tom", "relion4", "relion5"):
        assert np.abs(seen[name] - picks.positions_angstrom_xyz).max() <= 1e-3, name
        assert angle_between_deg(seen[f"{name}_r"], picks.rotations).max() <= 1e-4, name
    np.testing.assert_allclose(seen["dynamo_s"], picks.scores, atol=1e-8)
    np.testing.assert_array_equal(seen["relion5_i"], picks.instance_ids)
    back = read_tom_motl(tmp_path / "b.em", object_name="vlp", voxel_size_angstrom=VOXEL)[1]
    assert np.abs(back.positions_angstrom_xyz - picks.positions_angstrom_xyz).max() <= 1e-3
    assert angle_between_deg(back.rotations, picks.rotations).max() <= 1e-4


IMOD = """
import imodmodel, numpy as np
df = imodmodel.read("a.mod")
model = imodmodel.ImodModel.from_file("a.mod")
np.savez("seen.npz", xyz=df[["x", "y", "z"]].to_numpy(), objects=df["object_id"], contours=df["contour_id"],
         open=[bool(o.header.flags.open) for o in model.objects],
         scattered=[bool(o.header.flags.scattered) for o in model.objects],
         surfaces=[c.header.surf for o in model.objects for c in o.contours])
assert [o.header.name for o in model.objects][0].startswith("vlp")
imodmodel.write(df[df["object_id"] == 0].copy(), "b.mod")
"""


@needs_peer
def test_imodmodel_reads_our_models_and_we_its(tmp_path: Path) -> None:
    picks, filaments = some_picks(), all_labels().filaments
    write_imod_model(tmp_path / "a.mod", [picks], filaments, GRID, radius_angstrom=140.0)
    run_peer(PEER, tmp_path, IMOD)
    seen = np.load(tmp_path / "seen.npz")
    assert seen["open"].tolist() == [False, True]
    assert seen["scattered"].tolist() == [True, False]
    assert seen["surfaces"].tolist() == [0, 4]
    wanted = np.concatenate([picks.positions_angstrom_xyz, filaments[0].points_angstrom_xyz]) / VOXEL
    np.testing.assert_allclose(seen["xyz"], np.add(wanted, (0.5, 0.5, 0.0)), atol=1e-4)
    back = read_imod_model(tmp_path / "b.mod", voxel_size_angstrom=VOXEL, object_name="vlp")
    np.testing.assert_allclose(back.picks[0].positions_angstrom_xyz, picks.positions_angstrom_xyz, atol=1e-3)


EULERS = """
import numpy as np
from eulerangles import convert_eulers
np.save("relion.npy", convert_eulers(np.load("dynamo.npy"), source_meta="dynamo", target_meta="relion"))
"""


@needs_peer
def test_eulerangles_turns_our_dynamo_angles_into_relions(tmp_path: Path) -> None:
    from tomoset.formats.relion_euler import rotations_from_relion_euler

    rotations = np.concatenate(
        [random_rotations(20, np.random.default_rng(3)), rotations_from_tom_euler([[20.0, 35.0, 70.0]])]
    )
    np.save(tmp_path / "dynamo.npy", dynamo_euler_from_rotations(rotations))
    run_peer(PEER, tmp_path, EULERS)
    assert angle_between_deg(rotations_from_relion_euler(np.load(tmp_path / "relion.npy")), rotations).max() < 1e-4


DYNAMO = """
import dynamotable, emfile, numpy as np
df = dynamotable.read("a.tbl")
np.savez("seen.npz", xyz=df[["x", "y", "z"]].to_numpy(), tomo=df["tomo"], reg=df["reg"], em=emfile.read("a.em")[1])
dynamotable.write(df, "b.tbl")
"""


@needs_copick
def test_dynamotable_and_emfile_read_our_files_and_we_theirs(tmp_path: Path) -> None:
    picks = some_picks()
    write_dynamo_table(tmp_path / "a.tbl", picks, voxel_size_angstrom=VOXEL, tomogram_number=3)
    write_tom_motl(tmp_path / "a.em", picks, voxel_size_angstrom=VOXEL, tomogram_number=3)
    run_peer(COPICK, tmp_path, DYNAMO)
    seen = np.load(tmp_path / "seen.npz")
    np.testing.assert_allclose(seen["xyz"] * VOXEL, picks.positions_angstrom_xyz, atol=1e-4)
    assert set(seen["tomo"]) == {3}
    np.testing.assert_array_equal(seen["reg"], picks.instance_ids)
    assert seen["em"].shape == (1, 5, 20)
    np.testing.assert_allclose(
        seen["em"][0, :, 7:10] + seen["em"][0, :, 10:13] - 1, picks.positions_angstrom_xyz / VOXEL, atol=1e-4
    )
    back = read_dynamo_table(tmp_path / "b.tbl", object_name="vlp", voxel_size_angstrom=VOXEL)[3]
    assert np.abs(back.positions_angstrom_xyz - picks.positions_angstrom_xyz).max() <= 1e-3
    assert angle_between_deg(back.rotations, picks.rotations).max() <= 1e-4
