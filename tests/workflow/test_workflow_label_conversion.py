"""Labels go from any program to any other, nothing is lost without a word, and frames have to agree."""

from pathlib import Path

import numpy as np
import pytest

from tomoset.errors import FormatError, GeometryError, InputMissingError, ParameterError
from tomoset.formats.amira_labels import read_amira_labels
from tomoset.formats.copick import read_picks, write_config, write_picks
from tomoset.formats.mrc import read_volume, write_volume
from tomoset.formats.ome_zarr import open_volume_zarr, write_mask_zarr, write_volume_zarr
from tomoset.geometry import Grid, TiltGeometry, angle_between_deg, random_rotations
from tomoset.model import (
    FilamentTrace,
    InMemory,
    Labels,
    MembraneSurface,
    PickableObject,
    Picks,
    Segmentation,
    Silent,
    Tomogram,
)
from tomoset.workflow.converting import convert_file
from tomoset.workflow.label_files import load_labels, save_labels
from tomoset.workflow.layout import ProjectLayout
from tomoset.workflow.tomogram_files import save_tomogram

GRID = Grid(shape_zyx=(20, 40, 30), voxel_size_angstrom=10.0)
PIXEL = 2.5
OBJECTS = (
    PickableObject(name="vlp", label=3, radius_angstrom=140.0),
    PickableObject(name="tmv", label=4, radius_angstrom=90.0),
    PickableObject(name="membrane", label=5, radius_angstrom=25.0, is_particle=False),
)


@pytest.fixture
def tomogram(tmp_path: Path) -> Path:
    path = tmp_path / "wbp.zarr"
    write_volume_zarr(path, np.zeros(GRID.shape_zyx, dtype=np.float32), GRID)
    return path


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    write_config(folder / "copick_config.json", OBJECTS, name="x")
    return folder


def some_picks(n: int = 6, name: str = "vlp", *, full: bool = True) -> Picks:
    rng = np.random.default_rng(n)
    return Picks(
        object_name=name,
        positions_angstrom_xyz=rng.uniform(0, 1, (n, 3)) * (290, 390, 190),
        rotations=random_rotations(n, rng) if full else None,
        scores=rng.uniform(0.1, 1, n) if full else None,
        instance_ids=rng.integers(1, 5, n) if full else None,
        margins=rng.uniform(size=n) if full else None,
        rivals=np.array(["tmv"] * n) if full else None,
    )


def copick_file(root: Path, picks: Picks, run: str = "TS_1", voxel: float = 10.0) -> Path:
    return write_picks(root, run, picks, user="me", session="1", voxel_size_angstrom=voxel)


HELD = {
    "a.star": ("rotations scores instances", "margins, rivals dropped: relion5 holds none"),
    "b.star --to relion4": ("rotations scores instances", "margins, rivals dropped: relion4 holds none"),
    "c.star --to stopgap": ("rotations scores instances", "margins, rivals dropped: stopgap holds none"),
    "a.tbl": ("rotations scores instances", "margins, rivals dropped: dynamo holds none"),
    "a.em": ("rotations scores instances", "margins, rivals dropped: tom holds none"),
    "a.ndjson": ("rotations instances", "scores, margins, rivals dropped: portal holds none"),
    "a.cbox": ("scores", "rotations, instances, margins, rivals dropped: cbox holds none"),
    "a.json --to eman2": ("scores", "rotations, instances, margins, rivals dropped: eman2 holds none"),
    "a.mod": ("", "rotations, scores, instances, margins, rivals dropped: imod holds none"),
    "a.csv": ("rotations scores instances evidence", ""),
    "a.json": ("rotations scores instances evidence", ""),
}


@pytest.mark.parametrize("way", HELD)
def test_picks_go_there_and_back_and_losses_are_told(tmp_path: Path, tomogram: Path, way: str) -> None:
    picks = some_picks()
    source = copick_file(tmp_path / "in", picks)
    file, _, kind = way.partition(" --to ")
    held, lost = HELD[way]
    said = convert_file(
        source, tmp_path / file, tomogram=tomogram, pixel_size_angstrom=PIXEL, target_format=kind, radius_angstrom=140
    )
    assert f"{file}: 6 picks of vlp" in said
    assert ("dropped" in said) == bool(lost)
    assert lost in said
    convert_file(tmp_path / file, tmp_path / "back.csv", tomogram=tomogram, name="vlp", pixel_size_angstrom=PIXEL)
    convert_file(tmp_path / "back.csv", tmp_path / "back.json", tomogram=tomogram)
    back = read_picks(tmp_path / "back.json").picks
    assert back.object_name == "vlp"
    assert np.abs(back.positions_angstrom_xyz - picks.positions_angstrom_xyz).max() < 1e-3
    if "rotations" in held:
        assert angle_between_deg(back.rotations, picks.rotations).max() < 1e-4
    for word, name in (("scores", "scores"), ("instances", "instance_ids"), ("evidence", "margins")):
        if word in held:
            np.testing.assert_allclose(getattr(back, name), getattr(picks, name), atol=1e-6)
        else:
            assert getattr(back, name) is None


def everything() -> Labels:
    rng = np.random.default_rng(0)
    mask = rng.choice(np.array([0, 3, 5, 255], dtype=np.uint8), GRID.shape_zyx)
    curve = FilamentTrace(
        object_name="tmv",
        instance_id=2,
        points_angstrom_xyz=rng.uniform(0, 190, (6, 3)),
        radius_angstrom=90.0,
        polarity=1,
    )
    vertices = rng.uniform(0, 190, (4, 3))
    surface = MembraneSurface(
        object_name="membrane",
        instance_id=1,
        vertices_angstrom_xyz=vertices,
        faces=np.array([[0, 1, 2], [1, 2, 3]], dtype=np.int32),
        normals=np.tile([0.0, 0.0, 1.0], (4, 1)),
        thickness_angstrom=38.0,
    )
    return Labels(
        run="TS_1",
        user="me",
        session="1",
        voxel_size_angstrom=10.0,
        picks=(some_picks(),),
        segmentations=(Segmentation(name="semantic", mask_zyx=InMemory(mask), voxel_size_angstrom=10.0),),
        filaments=(curve,),
        membranes=(surface,),
        method="Made up.",
    )


@pytest.mark.parametrize("file", ["m.am", "m.mrc", "m.zarr"])
def test_masks_of_a_project_go_out_and_come_in(tmp_path: Path, project: Path, tomogram: Path, file: str) -> None:
    labels = everything()
    save_labels(ProjectLayout(project), labels)
    said = convert_file(project, tmp_path / file, tomogram=tomogram)
    assert "1 mask" in said
    for lost in ("6 picks left out", "1 filaments left out", "1 membranes left out"):
        assert lost in said
    said = convert_file(tmp_path / file, project, tomogram=tomogram, run="TS_2", user="amira-user", name="semantic")
    assert "by amira-user (session 1)" in said
    (back,) = load_labels(ProjectLayout(project), "TS_2", "amira-user", "1", None, 10.0).segmentations
    np.testing.assert_array_equal(back.mask_zyx.read(), labels.segmentations[0].mask_zyx.read())


def test_amiras_materials_are_the_projects_classes(tmp_path: Path, project: Path) -> None:
    save_labels(ProjectLayout(project), everything())
    said = convert_file(project, tmp_path / "m.am")
    assert "materials vlp, membrane" in said
    assert read_amira_labels(tmp_path / "m.am").materials == {"vlp": 1, "membrane": 2}
    text = (tmp_path / "m.am").read_bytes().replace(b"vlp {", b"xyz {")
    (tmp_path / "m.am").write_bytes(text)
    with pytest.raises(ParameterError, match="found xyz"):
        convert_file(tmp_path / "m.am", project, run="TS_2")
    said = convert_file(tmp_path / "m.am", tmp_path / "m.mrc")
    assert "xyz = 1, membrane = 2" in said


def test_a_binary_mask_gets_the_label_of_its_class(tmp_path: Path, project: Path, tomogram: Path) -> None:
    mask = np.zeros(GRID.shape_zyx, dtype=np.int8)
    mask[3] = 1
    write_volume(tmp_path / "m.mrc", mask, 10.0)
    said = convert_file(tmp_path / "m.mrc", project, tomogram=tomogram, name="membrane", run="TS_1", user="me")
    assert "1 in the mask is now 5" in said
    (back,) = load_labels(ProjectLayout(project), "TS_1", "me", "1", None, 10.0).segmentations
    np.testing.assert_array_equal(back.mask_zyx.read(), mask * 5)
    convert_file(tmp_path / "m.mrc", tmp_path / "out.zarr")
    np.testing.assert_array_equal(open_volume_zarr(tmp_path / "out.zarr")[0].read(), mask)
    assert read_volume(tmp_path / "m.mrc")[0].dtype == np.int8


@pytest.mark.parametrize(("file", "lost"), [("f.mod", "polarity"), ("f.am", "polarity"), ("f.json", "")])
def test_filaments_go_out_and_come_in(tmp_path: Path, project: Path, tomogram: Path, file: str, lost: str) -> None:
    labels = everything()
    only = Labels(run="TS_1", user="me", session="1", voxel_size_angstrom=10.0, filaments=labels.filaments)
    save_labels(ProjectLayout(project), only)
    kind = "filaments" if file.endswith("json") else ""
    said = convert_file(project, tmp_path / file, tomogram=tomogram, target_format=kind)
    assert (lost or "1 filaments of tmv") in said
    convert_file(tmp_path / file, project, tomogram=tomogram, name="tmv", run="TS_2", user="x")
    (back,) = load_labels(ProjectLayout(project), "TS_2", "x", "1", None, 10.0).filaments
    np.testing.assert_allclose(back.points_angstrom_xyz, labels.filaments[0].points_angstrom_xyz, atol=1e-3)
    assert back.radius_angstrom == 90.0
    said = convert_file(project, tmp_path / "f.tbl", tomogram=tomogram, run="TS_2", user="x")
    assert "1 filaments written as their control points" in said


@pytest.mark.parametrize("ending", [".glb", ".ply", ".obj"])
def test_membranes_go_out_and_come_in(tmp_path: Path, project: Path, tomogram: Path, ending: str) -> None:
    save_labels(ProjectLayout(project), everything())
    said = convert_file(project, tmp_path / f"m{ending}")
    assert "thickness" in said
    convert_file(tmp_path / f"m{ending}", project, tomogram=tomogram, name="membrane", run="TS_2", user="x")
    (back,) = load_labels(ProjectLayout(project), "TS_2", "x", "1", None, 10.0).membranes
    wanted = everything().membranes[0]
    np.testing.assert_allclose(back.vertices_angstrom_xyz, wanted.vertices_angstrom_xyz, atol=5e-4)
    np.testing.assert_array_equal(back.faces, wanted.faces)


def test_class_names_with_underscores_get_hyphens_and_it_is_said(tmp_path: Path, project: Path, tomogram: Path) -> None:
    (tmp_path / "a.csv").write_text("object,x,y,z\nbeta_amylase,10,20,30\n")
    said = convert_file(tmp_path / "a.csv", project, tomogram=tomogram, run="TS_1")
    assert "class 'beta_amylase' is now 'beta-amylase', because copick splits names at '_'" in said
    assert "beta-amylase not among the objects of copick_config.json" in said
    (picks,) = load_labels(ProjectLayout(project), "TS_1", "csv", "1", None, 10.0).picks
    assert picks.object_name == "beta-amylase"


def test_classes_are_chosen_and_named(tmp_path: Path, tomogram: Path) -> None:
    (tmp_path / "a.csv").write_text("run,object,x,y,z\nA,p,10,20,30\nA,q,10,20,30\nB,q,1,2,3\n")
    with pytest.raises(ParameterError, match=r"found A, B; choose with --run"):
        convert_file(tmp_path / "a.csv", tmp_path / "a.tbl", tomogram=tomogram)
    with pytest.raises(ParameterError, match=r"found p, q; choose with --name"):
        convert_file(tmp_path / "a.csv", tmp_path / "a.tbl", tomogram=tomogram, run="A")
    with pytest.raises(ParameterError, match=r"found C|expected the run C"):
        convert_file(tmp_path / "a.csv", tmp_path / "a.tbl", tomogram=tomogram, run="C")
    with pytest.raises(ParameterError, match="one of the classes p, q, found r"):
        convert_file(tmp_path / "a.csv", tmp_path / "a.tbl", tomogram=tomogram, run="A", name="r")
    said = convert_file(tmp_path / "a.csv", tmp_path / "a.tbl", tomogram=tomogram, run="A", name="q")
    assert "1 picks of q" in said
    assert "classes p not asked for" in said
    assert "first voxel is 0" in said
    said = convert_file(tmp_path / "a.csv", tmp_path / "b.csv", tomogram=tomogram, run="B", name="r")
    assert "class 'q' is now 'r'" in said


def test_a_second_class_joins_the_first(tmp_path: Path, project: Path, tomogram: Path) -> None:
    for name in ("vlp", "tmv"):
        star = tmp_path / f"{name}.star"
        convert_file(
            copick_file(tmp_path / "in", some_picks(4, name)), star, tomogram=tomogram, pixel_size_angstrom=PIXEL
        )
        convert_file(star, project, tomogram=tomogram, name=name)
    back = load_labels(ProjectLayout(project), "TS_1", "relion", "1", None, 10.0)
    assert {picks.object_name for picks in back.picks} == {"vlp", "tmv"}


def test_labels_of_another_tomogram_are_refused_with_numbers(tmp_path: Path, project: Path, tomogram: Path) -> None:
    other = copick_file(tmp_path / "in", some_picks(), voxel=13.48)
    with pytest.raises(GeometryError, match=r"tomogram of 10 Å, found those of one of 13.48 Å"):
        convert_file(other, tmp_path / "a.csv", tomogram=tomogram)
    far = Picks(object_name="vlp", positions_angstrom_xyz=np.array([[10.0, 20.0, 30.0], [100.0, 900.0, 50.0]]))
    with pytest.raises(GeometryError, match=r"found 1 of 2 outside, x, y, z from 10 to 100, 20 to 900, 30 to 50 Å"):
        convert_file(copick_file(tmp_path / "in", far), tmp_path / "a.csv", tomogram=tomogram)
    mask = np.zeros((20, 40, 31), dtype=np.uint8)
    write_mask_zarr(tmp_path / "m.zarr", mask, Grid(shape_zyx=mask.shape, voxel_size_angstrom=10.0))
    with pytest.raises(GeometryError, match=r"\(20, 40, 30\) voxels .* found \(20, 40, 31\)"):
        convert_file(tmp_path / "m.zarr", tmp_path / "m.mrc", tomogram=tomogram)
    write_volume_zarr(
        project / "ExperimentRuns" / "TS_1" / "VoxelSpacing20.000" / "wbp.zarr",
        np.zeros((4, 5, 6), dtype=np.float32),
        Grid(shape_zyx=(4, 5, 6), voxel_size_angstrom=20.0),
    )
    with pytest.raises(GeometryError, match=r"TS_1: expected labels of a tomogram of 20 Å"):
        convert_file(copick_file(tmp_path / "in", some_picks()), project, tomogram=tomogram)


def test_a_few_positions_outside_are_told_and_the_portal_gets_none(tmp_path: Path, tomogram: Path) -> None:
    positions = np.tile([[100.0, 100.0, 100.0]], (20, 1))
    positions[0, 2] = -5.0
    source = copick_file(tmp_path / "in", Picks(object_name="vlp", positions_angstrom_xyz=positions))
    said = convert_file(source, tmp_path / "a.ndjson", tomogram=tomogram)
    assert "1 of 20 positions lie outside" in said
    assert "1 picks outside the tomogram left out" in said
    assert len((tmp_path / "a.ndjson").read_text().splitlines()) == 19
    assert (tmp_path / "a_metadata.json").is_file()


def test_what_has_to_be_said_is_asked_for(tmp_path: Path, project: Path, tomogram: Path) -> None:
    source = copick_file(tmp_path / "in", some_picks())
    for target, message in (
        ("a.tbl", "--tomogram"),
        ("a.star", "--pixel-size"),
        ("a.glb", "expected membranes"),
        ("a.mrc", "expected one mask"),
        ("a.am", "expected filaments"),
        ("a.xyz", "expected a file that ends in"),
    ):
        with pytest.raises(ParameterError, match=message):
            convert_file(source, tmp_path / target)
    (tmp_path / "a.ndjson").write_text('{"type": "point", "location": {"x": 1, "y": 2, "z": 3}}\n')
    with pytest.raises(ParameterError, match="--name"):
        convert_file(tmp_path / "a.ndjson", tmp_path / "a.csv", tomogram=tomogram)
    with pytest.raises(InputMissingError, match="--tomogram"):
        convert_file(source, tmp_path / "a.tbl", tomogram=tmp_path / "no.zarr")
    with pytest.raises(ParameterError, match="found 'nonsense'"):
        convert_file(source, tmp_path / "a.tbl", target_format="nonsense")
    with pytest.raises(ParameterError, match="found none"):
        convert_file(project, tmp_path / "a.csv")
    write_volume(tmp_path / "d.mrc", np.linspace(-1, 1, 60, dtype=np.float32).reshape(3, 4, 5), 10.0)
    with pytest.raises(FormatError, match="this is a density"):
        convert_file(tmp_path / "d.mrc", tmp_path / "d.zarr")


def test_numbered_tomograms_are_chosen_and_a_project_wants_to_know_the_run(
    tmp_path: Path, project: Path, tomogram: Path
) -> None:
    row = np.zeros(35)
    lines = []
    for number in (3, 8):
        row[19], row[9], row[23:26] = number, 0.5, (1, 2, 3)
        lines.append(" ".join(f"{v:g}" for v in row))
    (tmp_path / "a.tbl").write_text("\n".join(lines))
    said = convert_file(tmp_path / "a.tbl", tmp_path / "a.csv", tomogram=tomogram, name="vlp", run="tomogram-8")
    assert "1 picks of vlp" in said
    said = convert_file(tmp_path / "a.tbl", tmp_path / "a.cbox", tomogram=tomogram, name="vlp", run="tomogram-8")
    assert "that scores are cross-correlation dropped" in said
    with pytest.raises(ParameterError, match="give --run"):
        convert_file(tmp_path / "a.tbl", project, tomogram=tomogram, name="vlp")
    (tmp_path / "b.tbl").write_text(lines[0])
    convert_file(tmp_path / "b.tbl", project, tomogram=tomogram, name="vlp", run="TS_1")
    assert len(load_labels(ProjectLayout(project), "TS_1", "dynamo", "1", None, 10.0).picks[0]) == 1


def test_positions_that_are_none_are_told(tmp_path: Path) -> None:
    (tmp_path / "a.ply").write_text(
        "ply\nformat ascii 1.0\nelement vertex 3\nproperty float x\nproperty float y\nproperty float z\n"
        "element face 1\nproperty list uchar int vertex_indices\nend_header\n0 0 nan\n1 0 0\n0 1 0\n3 0 1 2\n"
    )
    grid = Grid(shape_zyx=(4, 4, 4), voxel_size_angstrom=10.0)
    write_volume_zarr(tmp_path / "t.zarr", np.zeros(grid.shape_zyx, dtype=np.float32), grid)
    with pytest.raises((GeometryError, FormatError), match=r"NaN or infinity in 1 of 3|cannot be read"):
        convert_file(tmp_path / "a.ply", tmp_path / "a.glb", tomogram=tmp_path / "t.zarr", name="m")


def test_authors_are_chosen(tmp_path: Path, project: Path, tomogram: Path) -> None:
    for user in ("me", "you"):
        write_picks(project, "TS_1", some_picks(), user=user, session="1", voxel_size_angstrom=10.0)
    with pytest.raises(ParameterError, match=r"found me \(session 1\), you \(session 1\)"):
        convert_file(project, tmp_path / "a.csv", tomogram=tomogram)
    assert "6 picks of vlp" in convert_file(project, tmp_path / "a.csv", tomogram=tomogram, user="you")


def reconstructed(project: Path, shift: float) -> Path:
    geometry = TiltGeometry(
        y_tilt_deg=[-3.0, 0.0, 3.0], z_rot_deg=[85.0] * 3, shift_xy_angstrom=[[shift, 0.0], [0.0, 0.0], [0.0, 4.0]]
    )
    volume = InMemory(np.zeros(GRID.shape_zyx, dtype=np.float32))
    tomogram = Tomogram(run="TS_1", grid=GRID, volume_zyx=volume, tilt_indices=(0, 1, 2), geometry=geometry)
    save_tomogram(ProjectLayout(project), tomogram, Silent())
    return project / "ExperimentRuns" / "TS_1" / "VoxelSpacing10.000" / "wbp.zarr"


def test_labels_of_an_earlier_reconstruction_are_refused_with_numbers(tmp_path: Path, project: Path) -> None:
    tomogram = reconstructed(project, 0.0)
    source = copick_file(tmp_path / "in", some_picks())
    convert_file(source, project, tomogram=tomogram)
    assert "6 picks of vlp" in convert_file(project, tmp_path / "a.csv")
    reconstructed(project, 12.5)
    with pytest.raises(GeometryError, match=r"earlier one, shifts up to 12\.5 Å and angles up to 0\.00° apart; move"):
        convert_file(project, tmp_path / "b.csv")
    with pytest.raises(GeometryError, match="another --session"):
        convert_file(copick_file(tmp_path / "in", some_picks(3, "tmv")), project, tomogram=tomogram)
    convert_file(source, project, tomogram=tomogram, session="2")
    assert "6 picks of vlp" in convert_file(project, tmp_path / "b.csv", session="2")
