"""Picks survive the way through other programs' tables; what their numbers mean is pinned by hand-made files."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tomoset.errors import FormatError, InputMissingError, ParameterError
from tomoset.formats.cbox import read_cbox, write_cbox
from tomoset.formats.dynamo_table import read_dynamo_table, write_dynamo_table
from tomoset.formats.eman2_info import read_eman2_info, write_eman2_info
from tomoset.formats.picks_csv import read_picks_csv, write_picks_csv
from tomoset.formats.portal_points import read_portal_points, write_portal_annotation, write_portal_points
from tomoset.formats.relion_particles import RelionParticles, read_particles_star, write_particles_star
from tomoset.formats.stopgap_motl import read_stopgap_motl, write_stopgap_motl
from tomoset.formats.tom_motl import read_tom_motl, write_tom_motl
from tomoset.formats.zxz_euler import (
    dynamo_euler_from_rotations,
    rotations_from_dynamo_euler,
    rotations_from_tom_euler,
    tom_euler_from_rotations,
)
from tomoset.geometry import Grid, angle_between_deg, random_rotations, rotation_about
from tomoset.model import Optics, Picks

VOXEL = 7.84
GRID = Grid(shape_zyx=(184, 631, 640), voxel_size_angstrom=VOXEL)
POSITION_BAR, ROTATION_BAR = 1e-3, 1e-4


def some_picks(n: int, seed: int) -> Picks:
    rng = np.random.default_rng(seed)
    return Picks(
        object_name="vlp",
        positions_angstrom_xyz=rng.uniform(0, 1, (n, 3)) * (GRID.size_angstrom_xyz - VOXEL),
        rotations=random_rotations(n, rng),
        scores=rng.uniform(0.1, 1, n),
        instance_ids=rng.integers(1, 9, n),
    )


def one(by_number: dict[int, Picks]) -> Picks:
    ((_, picks),) = by_number.items()
    return picks


def relion(path, picks, version):
    particles = [RelionParticles(run="017", picks=picks, grid=GRID)]
    write_particles_star(path, particles, pixel_size_angstrom=1.96, optics=Optics(), version=version)
    return read_particles_star(path, {"017": GRID}, object_name="vlp")["017"]


def dynamo(path, picks):
    write_dynamo_table(path, picks, voxel_size_angstrom=VOXEL, first_voxel=1)
    return one(read_dynamo_table(path, object_name="vlp", voxel_size_angstrom=VOXEL, first_voxel=1))


def stopgap(path, picks):
    write_stopgap_motl(path, picks, voxel_size_angstrom=VOXEL)
    return one(read_stopgap_motl(path, object_name="vlp", voxel_size_angstrom=VOXEL))


def tom(path, picks):
    write_tom_motl(path, picks, voxel_size_angstrom=VOXEL)
    return one(read_tom_motl(path, object_name="vlp", voxel_size_angstrom=VOXEL))


def portal(path, picks):
    write_portal_points(path, picks, voxel_size_angstrom=VOXEL)
    return read_portal_points(path, object_name="vlp", voxel_size_angstrom=VOXEL)


def eman(path, picks):
    write_eman2_info(path, [picks], GRID, pixel_size_angstrom=1.96, box_angstrom=300.0)
    return read_eman2_info(path, GRID)[0]


def cbox(path, picks):
    write_cbox(path, picks, voxel_size_angstrom=VOXEL, box_angstrom=300.0)
    return read_cbox(path, object_name="vlp", voxel_size_angstrom=VOXEL)


def table(path, picks):
    write_picks_csv(path, {"017": (picks,)})
    return read_picks_csv(path)["017"][0]


WAYS = {
    "relion5": ("p.star", lambda path, picks: relion(path, picks, 5), "rotations scores instance_ids"),
    "relion4": ("p.star", lambda path, picks: relion(path, picks, 4), "rotations scores instance_ids"),
    "dynamo": ("p.tbl", dynamo, "rotations scores instance_ids"),
    "stopgap": ("m.star", stopgap, "rotations scores instance_ids"),
    "tom": ("m.em", tom, "rotations scores instance_ids"),
    "portal": ("p.ndjson", portal, "rotations instance_ids"),
    "eman2": ("x_info.json", eman, "scores"),
    "cbox": ("x.cbox", cbox, "scores"),
    "csv": ("x.csv", table, "rotations scores instance_ids"),
}


@pytest.mark.parametrize("name", WAYS)
@given(n=st.integers(2, 5), seed=st.integers(0, 999))
@settings(max_examples=6)
def test_positions_and_rotations_survive(tmp_path_factory, name, n, seed):
    file, way, held = WAYS[name]
    picks = some_picks(n, seed)
    back = way(tmp_path_factory.mktemp(name) / file, picks)
    assert back.object_name == "vlp"
    assert np.abs(back.positions_angstrom_xyz - picks.positions_angstrom_xyz).max() <= POSITION_BAR
    if "rotations" in held:
        assert angle_between_deg(back.rotations, picks.rotations).max() <= ROTATION_BAR
    else:
        assert back.rotations is None
    if "scores" in held:
        np.testing.assert_allclose(back.scores, picks.scores, atol=1e-6)
    if "instance_ids" in held:
        np.testing.assert_array_equal(back.instance_ids, picks.instance_ids)


@pytest.mark.parametrize("name", sorted(set(WAYS) - {"eman2", "cbox", "csv"}))
def test_unknown_rotations_stay_unknown(tmp_path, name):
    file, way, _ = WAYS[name]
    picks = some_picks(3, 1)
    plain = Picks(object_name="vlp", positions_angstrom_xyz=picks.positions_angstrom_xyz)
    back = way(tmp_path / file, plain)
    assert back.rotations is None
    assert back.scores is None
    assert back.instance_ids is None


angles = st.floats(-720, 720, allow_nan=False)
TRIPLE = (20.0, 35.0, 70.0)


@given(st.tuples(angles, angles, angles))
def test_zxz_angles_are_those_of_scipy(triple):
    from scipy.spatial.transform import Rotation

    np.testing.assert_allclose(
        rotations_from_tom_euler(triple), Rotation.from_euler("zxz", triple, degrees=True).as_matrix(), atol=1e-12
    )
    np.testing.assert_allclose(
        rotations_from_dynamo_euler(triple),
        Rotation.from_euler("zxz", triple, degrees=True).inv().as_matrix(),
        atol=1e-12,
    )


@given(st.integers(0, 999), st.sampled_from([0.0, 1e-9, 1e-3, 180.0, 90.0]), st.floats(-180, 180))
def test_zxz_angles_come_back_even_where_they_are_not_unique(seed, tilt, turn):
    rng = np.random.default_rng(seed)
    locked = rotation_about("z", turn) @ rotation_about("x", tilt) @ rotation_about("z", 3 * turn)
    rotations = np.concatenate([random_rotations(3, rng), locked[None], np.eye(3)[None]])
    for there, back in (
        (tom_euler_from_rotations, rotations_from_tom_euler),
        (dynamo_euler_from_rotations, rotations_from_dynamo_euler),
    ):
        triple = there(rotations)
        assert angle_between_deg(back(triple), rotations).max() < 1e-6
        assert triple[:, 1].min() >= 0


def test_a_dynamo_line_made_by_hand(tmp_path):
    row = np.zeros(35)
    row[3:6], row[6:9], row[9], row[19], row[23:26] = (1, 2, 3), TRIPLE, 0.5, 7, (10, 20, 30)
    (tmp_path / "a.tbl").write_text(" ".join(f"{v:g}" for v in row) + "\n")
    picks = read_dynamo_table(tmp_path / "a.tbl", object_name="x", voxel_size_angstrom=10.0)[7]
    np.testing.assert_allclose(picks.positions_angstrom_xyz, [[110, 220, 330]])
    wanted = rotation_about("z", -20) @ rotation_about("x", -35) @ rotation_about("z", -70)
    np.testing.assert_allclose(picks.rotations[0], wanted, atol=1e-12)
    counted = read_dynamo_table(tmp_path / "a.tbl", object_name="x", voxel_size_angstrom=10.0, first_voxel=1)[7]
    np.testing.assert_allclose(counted.positions_angstrom_xyz, [[100, 210, 320]])


def test_the_dynamo_table_of_dynamo2m_reads(shared_data):
    tables = read_dynamo_table(shared_data / "dynamo" / "example.tbl", object_name="x", voxel_size_angstrom=15.0)
    assert sum(map(len, tables.values())) == 4934
    first = tables[1]
    np.testing.assert_allclose(
        first.positions_angstrom_xyz[0], 15 * np.array([508.5 - 1.1651, 378.5 - 2.3275, 318.5 + 3.8319])
    )
    assert first.scores[0] == 0.15539


def test_a_stopgap_row_made_by_hand(tmp_path):
    header = (
        "motl_idx tomo_num object subtomo_num halfset orig_x orig_y orig_z score x_shift y_shift z_shift phi psi the"
    )
    lines = ["", "data_stopgap_motivelist", "", "loop_", *(f"_{c}" for c in [*header.split(), "class"])]
    (tmp_path / "a.star").write_text("\n".join([*lines, "1 4 0 1 A 10 20 30 0.25 0.5 -0.5 0 20 70 35 1", "", ""]))
    picks = read_stopgap_motl(tmp_path / "a.star", object_name="x", voxel_size_angstrom=10.0)[4]
    np.testing.assert_allclose(picks.positions_angstrom_xyz, [[105, 195, 300]])
    wanted = rotation_about("z", 70) @ rotation_about("x", 35) @ rotation_about("z", 20)
    np.testing.assert_allclose(picks.rotations[0], wanted, atol=1e-12)


def test_motive_lists_count_from_one_and_keep_whole_and_rest_apart(tmp_path):
    from tomoset.formats.em import read_em

    picks = Picks(
        object_name="x",
        positions_angstrom_xyz=[[104.0, 0.0, 1000.0]],
        rotations=random_rotations(1, np.random.default_rng(0)),
    )
    write_tom_motl(tmp_path / "a.em", picks, voxel_size_angstrom=10.0)
    volume, voxel = read_em(tmp_path / "a.em")
    assert volume.shape == (1, 1, 20)
    assert voxel == 10.0
    np.testing.assert_allclose(volume[0, 0, 7:13], [11, 1, 101, 0.4, 0, 0], atol=1e-6)


def test_a_portal_file_made_by_hand(tmp_path):
    turn = rotation_about("z", 30.0) @ rotation_about("y", 50.0)
    point = {"type": "orientedPoint", "location": {"x": 1, "y": 2.5, "z": 3}, "xyz_rotation_matrix": turn.tolist()}
    (tmp_path / "a.ndjson").write_text(json.dumps(point) + "\n\n")
    picks = read_portal_points(tmp_path / "a.ndjson", object_name="x", voxel_size_angstrom=10.0)
    np.testing.assert_allclose(picks.positions_angstrom_xyz, [[10, 25, 30]])
    np.testing.assert_allclose(picks.rotations[0], turn)


def test_placeholders_of_the_portals_tests_are_refused(shared_data):
    for path in sorted((shared_data / "portal").rglob("*.ndjson")):
        with pytest.raises(FormatError, match="line 1"):
            read_portal_points(path, object_name="x", voxel_size_angstrom=1.0)


def test_portal_points_say_what_they_are(tmp_path):
    picks = some_picks(2, 3)
    kinds = []
    for keep in ({"rotations"}, {"instance_ids"}, set()):
        values = {name: getattr(picks, name) for name in keep}
        part = Picks(object_name="vlp", positions_angstrom_xyz=picks.positions_angstrom_xyz, **values)
        write_portal_points(tmp_path / "a.ndjson", part, voxel_size_angstrom=VOXEL)
        line = json.loads((tmp_path / "a.ndjson").read_text().splitlines()[0])
        kinds.append(line["type"])
        np.testing.assert_allclose(line["location"]["x"], picks.positions_angstrom_xyz[0, 0] / VOXEL)
    assert kinds == ["orientedPoint", "instancePoint", "point"]
    about = write_portal_annotation(
        tmp_path / "a.json", picks, "a.ndjson", method="matched", identifier="GO:1", simulated=False
    )
    document = json.loads(about.read_text())
    assert document["object_count"] == 2
    assert document["files"][0]["shape"] == "OrientedPoint"


def test_eman_boxes_made_by_hand(tmp_path):
    boxes = {"boxes_3d": [[1, 2, 3, "manual", 0.5, 0], [-1, 0, 0, "tm", 0.25, 1]]}
    classes = {"class_list": {"0": {"name": "a", "boxsize": 32}, "1": {"name": "b", "boxsize": 32}}}
    (tmp_path / "c.json").write_text(json.dumps(boxes | classes))
    first, second = read_eman2_info(tmp_path / "c.json", GRID)
    np.testing.assert_allclose(first.positions_angstrom_xyz, [[VOXEL, 2 * VOXEL, 3 * VOXEL]])
    (tmp_path / "c.json").write_text(json.dumps(boxes | classes | {"apix_unbin": 2.0}))
    first, second = read_eman2_info(tmp_path / "c.json", GRID)
    centre = np.array([320, 315, 92]) * VOXEL
    np.testing.assert_allclose(first.positions_angstrom_xyz, np.add(centre, (2, 4, 6))[None])
    np.testing.assert_allclose(second.positions_angstrom_xyz, np.subtract(centre, (2, 0, 0))[None])
    assert (first.object_name, second.object_name, second.scores.tolist()) == ("a", "b", [0.25])


def test_what_else_an_info_file_holds_stays(tmp_path):
    (tmp_path / "a.json").write_text(json.dumps({"tlt_params": [[1, 2]], "boxes_3d": []}))
    write_eman2_info(tmp_path / "a.json", [some_picks(2, 0)], GRID, pixel_size_angstrom=2.0, box_angstrom=100.0)
    document = json.loads((tmp_path / "a.json").read_text())
    assert document["tlt_params"] == [[1, 2]]
    assert len(document["boxes_3d"]) == 2


def test_boxes_are_corners_in_the_plane_and_centres_across(tmp_path):
    picks = Picks(object_name="x", positions_angstrom_xyz=[[1000.0, 2000.0, 300.0]])
    text = write_cbox(tmp_path / "a.cbox", picks, voxel_size_angstrom=10.0, box_angstrom=200.0).read_text()
    assert "\n90.000000 190.000000 30.000000 20.0 20.0 20.0" in text
    assert "data_cryolo_include" in text


def test_a_table_keeps_all_evidence(tmp_path):
    picks = some_picks(3, 5)
    full = Picks(
        object_name="vlp",
        positions_angstrom_xyz=picks.positions_angstrom_xyz,
        rotations=picks.rotations,
        scores=picks.scores,
        score_kind="log-likelihood ratio",
        margins=np.array([0.5, np.nan, 1e-17]),
        rivals=np.array(["apo", "", "x, y"]),
        posterior_classes=("vlp", "apo"),
        posterior=np.array([[0.5, 0.25], [1.0, 0.0], [0.1, np.nan]]),
        false_discovery_rates=np.array([0.0, 0.1, 0.2]),
        orientation_known=np.array([True, False, True]),
        flags=np.array([0, 1, 6]),
    )
    plain = Picks(object_name="apo", positions_angstrom_xyz=[[1.5, 2.0, 3.0]])
    path = write_picks_csv(tmp_path / "a.csv", {"TS_1": (full, plain), "TS_2": (plain,)})
    back = read_picks_csv(path)
    assert [p.object_name for p in back["TS_1"]] == ["vlp", "apo"]
    import dataclasses

    for item in dataclasses.fields(full):
        np.testing.assert_array_equal(getattr(back["TS_1"][0], item.name), getattr(full, item.name), err_msg=item.name)
        np.testing.assert_array_equal(getattr(back["TS_2"][0], item.name), getattr(plain, item.name))


def test_the_challenges_table_reads(tmp_path):
    (tmp_path / "s.csv").write_text("id,experiment,particle_type,x,y,z\n0,TS_5_4,ribosome,10,20,30\n")
    (picks,) = read_picks_csv(tmp_path / "s.csv")["TS_5_4"]
    assert (picks.object_name, picks.positions_angstrom_xyz.tolist()) == ("ribosome", [[10, 20, 30]])


V = {"object_name": "x", "voxel_size_angstrom": 1.0}


@pytest.mark.parametrize(
    ("file", "text", "read", "message"),
    [
        ("a.tbl", "1 2 3\n", lambda p: read_dynamo_table(p, **V), "26 or more numbers"),
        ("a.tbl", " ".join(["x"] * 35), lambda p: read_dynamo_table(p, **V), "expected a Dynamo table of numbers"),
        ("a.tbl", " ".join(["nan"] * 35), lambda p: read_dynamo_table(p, **V), "NaN"),
        ("a.star", "data_\n\nloop_\n_a #1\n1\n", lambda p: read_stopgap_motl(p, **V), "stopgap_motivelist"),
        ("a.cbox", "data_\n\nloop_\n_a #1\n1\n", lambda p: read_cbox(p, **V), "block cryolo"),
        ("a.ndjson", "{}\n", lambda p: read_portal_points(p, **V), "line 1"),
        ("a.ndjson", '{"location": {"x": 1, "y": NaN, "z": 1}}', lambda p: read_portal_points(p, **V), "finite"),
        ("a.json", '{"boxes_3d": [["a", 1, 2, "m", 0, 0]]}', lambda p: read_eman2_info(p, GRID), "boxes of x"),
        ("a.json", '{"a": 1}', lambda p: read_eman2_info(p, GRID), "boxes_3d, found a"),
        ("a.csv", "x,y\n1,2\n", read_picks_csv, "columns x, y, z and object"),
        ("a.csv", "object,x,y,z\na,1,2,\n", read_picks_csv, "finite z"),
        ("a.csv", "object,x,y,z\na,1,2,b\n", read_picks_csv, "numbers in the column z"),
        ("a.csv", "object,x,y,z,r11\na,1,2,3,1\n", read_picks_csv, "all nine"),
        ("a.em", "short", lambda p: read_tom_motl(p, **V), "header of 512"),
    ],
)
def test_damaged_files_are_told(tmp_path, file, text, read, message):
    (tmp_path / file).write_text(text)
    with pytest.raises(FormatError, match=message) as caught:
        read(tmp_path / file)
    assert "\n" not in str(caught.value)


def test_files_that_are_not_there_are_told(tmp_path):
    for read in (read_dynamo_table, read_stopgap_motl, read_tom_motl, read_portal_points, read_cbox):
        with pytest.raises(InputMissingError):
            read(tmp_path / "no", **V)
    with pytest.raises(InputMissingError):
        read_picks_csv(tmp_path / "no")
    nan = Picks(object_name="x", positions_angstrom_xyz=np.full((1, 3), np.nan))
    with pytest.raises(ParameterError, match="finite"):
        write_portal_points(tmp_path / "a", nan, voxel_size_angstrom=1.0)
