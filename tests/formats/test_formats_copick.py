"""copick projects: what is written is found again, and names that copick would split are refused."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tomoset.errors import FormatError, GeometryError, InputMissingError, ParameterError
from tomoset.formats import copick
from tomoset.formats.ome_zarr import write_volume_zarr
from tomoset.geometry import Grid, random_rotations
from tomoset.model import InMemory, PickableObject, Picks, Segmentation

OBJECTS = (
    PickableObject(name="apo-ferritin", label=1, radius_angstrom=60.0, symmetry="O", identifier="GO:0070288"),
    PickableObject(name="membrane", label=2, radius_angstrom=100.0, is_particle=False, color_rgba=(1, 2, 3, 4)),
)
WHO = {"user": "tomoset", "session": "0"}


def some_picks(n, seed=0, *, oriented=True, scored=True):
    rng = np.random.default_rng(seed)
    return Picks(
        object_name="apo-ferritin",
        positions_angstrom_xyz=rng.uniform(0, 6000, (n, 3)),
        rotations=random_rotations(n, rng) if oriented else None,
        scores=rng.standard_normal(n) if scored else None,
        margins=rng.standard_normal(n) if scored else None,
    )


def same(a, b):
    return (a is None and b is None) or (a is not None and b is not None and np.array_equal(a, b))


@given(n=st.integers(0, 6), oriented=st.booleans(), scored=st.booleans(), seed=st.integers(0, 99))
def test_picks_come_back_bit_for_bit(tmp_path_factory, n, oriented, scored, seed):
    root = tmp_path_factory.mktemp("project")
    picks = some_picks(n, seed, oriented=oriented, scored=scored)
    ids = np.arange(n) * 3
    path = copick.write_picks(root, "TS-001", picks, **WHO, voxel_size_angstrom=10.0, instance_ids=ids)
    back = copick.read_picks(path)
    assert (back.run, back.user, back.session, back.voxel_size_angstrom) == ("TS-001", "tomoset", "0", 10.0)
    assert back.picks.object_name == "apo-ferritin"
    assert np.array_equal(back.picks.positions_angstrom_xyz, picks.positions_angstrom_xyz)
    assert np.array_equal(back.instance_ids, ids)
    if n:  # no point, no score: an empty file cannot say whether there would have been any
        assert same(back.picks.rotations, picks.rotations)
        assert same(back.picks.scores, picks.scores)
        assert same(back.picks.margins, picks.margins)


def test_picks_json_has_the_keys_copick_reads(tmp_path):
    picks = some_picks(1)
    path = copick.write_picks(tmp_path, "TS_001", picks, **WHO, voxel_size_angstrom=10.0)
    assert path == tmp_path / "ExperimentRuns" / "TS_001" / "Picks" / "tomoset_0_apo-ferritin.json"
    document = json.loads(path.read_text())
    assert document["unit"] == "angstrom"
    assert document["trust_orientation"] is True
    (point,) = document["points"]
    matrix = np.array(point["transformation_"])
    assert matrix.shape == (4, 4)
    np.testing.assert_array_equal(matrix[:3, :3], picks.rotations[0])
    np.testing.assert_array_equal(matrix[3], [0, 0, 0, 1])
    np.testing.assert_array_equal(matrix[:3, 3], 0)
    assert list(point["location"].values()) == picks.positions_angstrom_xyz[0].tolist()


def test_identity_poses_are_poses_when_the_file_says_so(tmp_path):
    poses = Picks(object_name="x", positions_angstrom_xyz=np.ones((1, 3)), rotations=np.eye(3)[None])
    path = copick.write_picks(tmp_path, "r", poses, **WHO, voxel_size_angstrom=1.0)
    assert copick.read_picks(path).picks.rotations is not None


def test_the_czii_training_file_reads(shared_data):
    file = copick.read_picks(shared_data / "copick" / "apo-ferritin.json")
    assert (file.run, file.user, file.session) == ("TS_99_9", "curation", "0")
    assert file.voxel_size_angstrom is None
    assert len(file.picks) == 36
    assert file.picks.rotations is None  # 36 identities are no orientations
    assert file.picks.scores is None
    np.testing.assert_allclose(file.picks.positions_angstrom_xyz[0], [6072.464, 4038.0, 715.679])


def test_translations_that_repeat_the_location_are_not_added_twice(shared_data):
    path = shared_data / "copick" / "CCDC147C_001_microtubule.json"
    first = json.loads(path.read_text())["points"][0]
    file = copick.read_picks(path)
    assert file.voxel_size_angstrom == 8.2
    np.testing.assert_allclose(file.picks.positions_angstrom_xyz[0], list(first["location"].values()))
    np.testing.assert_allclose(file.picks.rotations[0], np.array(first["transformation_"])[:3, :3])


def test_a_real_translation_is_added(tmp_path):
    matrix = np.eye(4)
    matrix[:3, 3] = 1, 2, 3
    point = {"location": {"x": 10, "y": 20, "z": 30}, "transformation_": matrix.tolist()}
    (tmp_path / "p.json").write_text(json.dumps({"pickable_object_name": "x", "points": [point]}))
    assert copick.read_picks(tmp_path / "p.json").picks.positions_angstrom_xyz.tolist() == [[11, 22, 33]]


def test_config_comes_back_and_travels(tmp_path):
    path = copick.write_config(tmp_path / "a" / "copick_config.json", OBJECTS, name="demo", user="me", session="1")
    (tmp_path / "a").rename(tmp_path / "b")
    config = copick.read_config(tmp_path / "b" / path.name)
    assert config.objects == OBJECTS
    assert config.root == tmp_path / "b"
    assert (config.name, config.user, config.session) == ("demo", "me", "1")


def test_config_of_others_reads_with_copicks_defaults(tmp_path):
    document = {
        "name": "x",
        "overlay_root": f"local://{tmp_path}/over",
        "pickable_objects": [{"name": "ribo", "is_particle": True, "go_id": "GO:1"}],
    }
    (tmp_path / "c.json").write_text(json.dumps(document))
    config = copick.read_config(tmp_path / "c.json", default_radius_angstrom=150.0)
    assert config.root == tmp_path / "over"
    assert config.objects[0].radius_angstrom == 150.0
    assert config.objects[0].identifier == "GO:1"


def test_listing_finds_what_was_written_and_nothing_else(tmp_path):
    grid = Grid(shape_zyx=(4, 5, 6), voxel_size_angstrom=10.0)
    mask = np.arange(120, dtype=np.uint8).reshape(grid.shape_zyx) % 3
    copick.write_picks(tmp_path, "TS-001", some_picks(2), **WHO, voxel_size_angstrom=10.0)
    for kind in ("wbp", "denoised"):
        path = copick.tomogram_path(tmp_path, "TS-001", voxel_size_angstrom=10.0, kind=kind)
        write_volume_zarr(path, mask.astype(np.float32), grid)
    segmentation = Segmentation(name="truth", mask_zyx=InMemory(mask), voxel_size_angstrom=10.0)
    copick.write_segmentation(tmp_path, "TS-001", segmentation, **WHO)
    copick.write_segmentation(tmp_path, "TS-001", segmentation, **WHO, is_multilabel=False)
    runs = tmp_path / "ExperimentRuns"
    (runs / "TS-001" / "VoxelSpacing10.000" / "wbp_sobel_features.zarr").mkdir()
    (runs / "TS-001" / "Picks" / ".hidden_0_x.json").write_text("")
    (runs / ".partial").mkdir()

    assert copick.list_runs(tmp_path) == ("TS-001",)
    (picks,) = copick.list_picks(tmp_path, "TS-001")
    assert (picks.user, picks.session, picks.object_name) == ("tomoset", "0", "apo-ferritin")
    assert [(t.kind, t.voxel_size_angstrom) for t in copick.list_tomograms(tmp_path, "TS-001")] == [
        ("denoised", 10.0),
        ("wbp", 10.0),
    ]
    many, single = copick.list_segmentations(tmp_path, "TS-001")
    assert many.path.name == "10.000_tomoset_0_truth-multilabel.zarr"
    assert (many.name, many.is_multilabel, single.is_multilabel) == ("truth", True, False)
    back = copick.read_segmentation(many.path)
    assert (back.name, back.voxel_size_angstrom) == ("truth", 10.0)
    np.testing.assert_array_equal(back.mask_zyx.read(), mask)
    assert copick.list_picks(tmp_path, "none") == ()
    assert copick.list_runs(tmp_path / "none") == ()


@pytest.mark.parametrize("bad", ["a_b", "a b", "", "-a", "a/b", "a\n"])
def test_names_that_copick_would_split_or_change_are_refused(tmp_path, bad):
    with pytest.raises(ParameterError, match=r"user .*expected letters.*use '") as caught:
        copick.write_picks(tmp_path, "r", some_picks(1), user=bad, session="0", voxel_size_angstrom=1.0)
    assert "\n" not in str(caught.value)
    with pytest.raises(ParameterError, match="tomogram kind"):
        copick.tomogram_path(tmp_path, "r", voxel_size_angstrom=1.0, kind=bad)
    assert list(tmp_path.iterdir()) == []


def test_other_things_that_cannot_be_written_are_refused(tmp_path):
    with pytest.raises(ParameterError, match="folder"):
        copick.picks_path(tmp_path, "../r", **WHO, object_name="x")
    with pytest.raises(GeometryError, match="1 instance ids"):
        copick.write_picks(tmp_path, "r", some_picks(2), **WHO, voxel_size_angstrom=1.0, instance_ids=[1])
    nan = Picks(object_name="x", positions_angstrom_xyz=np.full((1, 3), np.nan))
    with pytest.raises(ParameterError, match="finite positions"):
        copick.write_picks(tmp_path, "r", nan, **WHO, voxel_size_angstrom=1.0)
    with pytest.raises(ParameterError, match="own name and label"):
        copick.write_config(tmp_path / "c.json", (OBJECTS[0], OBJECTS[0]), name="x")
    with pytest.raises(ParameterError, match="leave it out"):
        copick.segmentation_path(tmp_path, "r", **WHO, voxel_size_angstrom=1.0, name="a-multilabel", is_multilabel=True)


POINT = {"location": {"x": 1, "y": 2, "z": 3}}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "expected JSON"),
        ("[]", "JSON object"),
        ("{}", "'points'"),
        (json.dumps({"pickable_object_name": "x", "unit": "nm", "points": []}), "'nm'"),
        (json.dumps({"pickable_object_name": "x", "points": [{"location": {"x": 1, "y": 2}}]}), "point 0"),
        (
            json.dumps({"pickable_object_name": "x", "points": [POINT | {"transformation_": [[1]]}]}),
            "point 0: expected a location",
        ),
        (json.dumps({"pickable_object_name": "x", "points": [POINT | {"score": "high"}]}), "score"),
        ('{"pickable_object_name": "x", "points": [{"location": {"x": NaN, "y": 2, "z": 3}}]}', "finite"),
        (
            json.dumps(
                {"pickable_object_name": "x", "points": [POINT | {"transformation_": (2 * np.eye(4)).tolist()}]}
            ),
            "determinant",
        ),
    ],
)
def test_bad_picks_files_are_refused_in_one_paragraph(tmp_path, text, message):
    (tmp_path / "p.json").write_text(text)
    with pytest.raises(FormatError, match=message) as caught:
        copick.read_picks(tmp_path / "p.json")
    assert "\n" not in str(caught.value)
    with pytest.raises(InputMissingError):
        copick.read_picks(tmp_path / "none.json")


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ({"config_type": "cryoet_data_portal", "overlay_root": "x"}, "filesystem"),
        ({"config_type": "filesystem"}, "overlay_root"),
        ({"overlay_root": "s3://bucket"}, "local overlay_root"),
        ({"overlay_root": ".", "pickable_objects": [{"name": "x"}]}, "is_particle"),
    ],
)
def test_configs_that_cannot_be_opened_are_refused(tmp_path, document, message):
    (tmp_path / "c.json").write_text(json.dumps(document))
    with pytest.raises(FormatError, match=message):
        copick.read_config(tmp_path / "c.json")


def test_segmentations_with_strange_names_are_refused(tmp_path):
    mask = np.zeros((2, 2, 2), np.uint8)
    from tomoset.formats.ome_zarr import write_mask_zarr

    write_mask_zarr(tmp_path / "mine.zarr", mask, Grid(shape_zyx=(2, 2, 2), voxel_size_angstrom=1.0))
    with pytest.raises(FormatError, match="rename"):
        copick.read_segmentation(tmp_path / "mine.zarr")
