"""Masks, curves and meshes through Amira, IMOD and trimesh's formats."""

import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tomoset.errors import FormatError, GeometryError, InputMissingError, ParameterError, PixelSizeError
from tomoset.formats.amira_graph import is_amira_graph, read_amira_graph, write_amira_graph
from tomoset.formats.amira_labels import read_amira_labels, write_amira_labels
from tomoset.formats.amira_mesh import decode_byte_rle, encode_byte_rle
from tomoset.formats.imod_model import read_imod_model, write_imod_model
from tomoset.formats.meshes import NamedMesh, read_meshes, write_meshes
from tomoset.geometry import Grid
from tomoset.model import FilamentTrace, Picks

GRID = Grid(shape_zyx=(6, 7, 9), voxel_size_angstrom=10.0)


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(1, 400)), max_size=12))
def test_run_lengths_come_back_and_runs_are_short(runs):
    values = np.concatenate([np.zeros(0, np.uint8), *(np.full(n, v, dtype=np.uint8) for v, n in runs)])
    encoded = encode_byte_rle(values)
    np.testing.assert_array_equal(decode_byte_rle(encoded, values.size), values)
    assert len(encoded) <= 2 * sum(-(-n // 127) for _, n in runs) + 1


@given(st.binary(max_size=600))
def test_any_bytes_come_back(content):
    values = np.frombuffer(content, dtype=np.uint8)
    encoded = encode_byte_rle(values)
    np.testing.assert_array_equal(decode_byte_rle(encoded, values.size), values)
    assert len(encoded) <= len(content) + len(content) // 2 + 2


def test_the_code_is_the_one_of_the_format():
    assert decode_byte_rle(bytes([3, 7, 0x82, 1, 2, 1, 0]), 6).tolist() == [7, 7, 7, 1, 2, 0]
    assert encode_byte_rle(np.array([7, 7, 7, 1, 2, 0], np.uint8)) == bytes([3, 7, 0x83, 1, 2, 0])
    with pytest.raises(ValueError, match="5 voxels"):
        decode_byte_rle(bytes([5, 1]), 6)


@pytest.mark.parametrize("encoding", ["ascii", "binary", "rle"])
@given(seed=st.integers(0, 99))
@settings(max_examples=10)
def test_masks_and_materials_come_back(tmp_path_factory, encoding, seed):
    rng = np.random.default_rng(seed)
    mask = rng.choice(np.array([0, 0, 3, 9, 255], dtype=np.uint8), GRID.shape_zyx)
    path = tmp_path_factory.mktemp("am") / "a.am"
    write_amira_labels(path, mask, {"vlp": 9, "apo-ferritin": 3}, GRID, encoding=encoding)
    back = read_amira_labels(path)
    assert back.grid == GRID
    assert back.materials == {"apo-ferritin": 1, "vlp": 2}
    for value, stored in ((0, 0), (3, 1), (9, 2), (255, 255)):
        np.testing.assert_array_equal(back.mask_zyx == stored, mask == value)
    assert back.first_voxel_angstrom_xyz.tolist() == [0, 0, 0]


BY_HAND = """# AmiraMesh BINARY-LITTLE-ENDIAN 3.0

define Lattice 3 2 2

Parameters {
    Materials {
        Exterior {
            Id 1
        }
        Inside_Membrane {
            Color 0.64 0 0.8,
            Id 4
        }
    }
    Units { Coordinates "nm" }
    Content "3x2x2 byte, uniform coordinates",
    BoundingBox 1 3 0 1 0 1,
    CoordType "uniform"
}

Lattice { byte Labels } @1(HxByteRLE,5)

# Data section follows
@1
"""


def test_a_field_as_amira_writes_it(tmp_path):
    (tmp_path / "a.labels").write_bytes(BY_HAND.encode() + bytes([3, 1, 9, 0, 99]))
    back = read_amira_labels(tmp_path / "a.labels")
    assert back.grid == Grid(shape_zyx=(2, 2, 3), voxel_size_angstrom=10.0)
    assert back.materials == {"Inside_Membrane": 1}
    assert back.mask_zyx[0, 0].tolist() == [1, 1, 1]
    assert back.mask_zyx.sum() == 3
    assert back.first_voxel_angstrom_xyz.tolist() == [10, 0, 0]


@pytest.mark.parametrize(
    ("old", "new", "error", "message"),
    [
        ("1 3 0 1 0 1", "1 3 0 1 0 2", PixelSizeError, "cubic"),
        ("BoundingBox", "Box", PixelSizeError, "BoundingBox"),
        ('"nm"', '"inch"', PixelSizeError, "inch"),
        ("3 2 2\n", "3 2 9\n", FormatError, "voxels after decoding"),
        ("HxByteRLE", "HxSecret", FormatError, "HxSecret"),
        ("# AmiraMesh", "# Other", FormatError, "header"),
        ("byte Labels", "float Labels", FormatError, "cut off"),
    ],
)
def test_damaged_fields_are_told(tmp_path, old, new, error, message):
    (tmp_path / "a.am").write_bytes(BY_HAND.replace(old, new).encode() + bytes([3, 1, 9, 0]))
    with pytest.raises(error, match=message):
        read_amira_labels(tmp_path / "a.am")


def test_masks_that_amira_cannot_hold_are_refused(tmp_path):
    mask = np.full(GRID.shape_zyx, 7, dtype=np.uint8)
    with pytest.raises(ParameterError, match="none for 7"):
        write_amira_labels(tmp_path / "a.am", mask, {"x": 1}, GRID)
    with pytest.raises(GeometryError, match="expected a mask of"):
        write_amira_labels(tmp_path / "a.am", mask[1:], {"x": 7}, GRID)
    assert not (tmp_path / "a.am").exists()


def curves(n=3, seed=0):
    rng = np.random.default_rng(seed)
    return tuple(
        FilamentTrace(
            object_name="tmv" if i else "dna",
            instance_id=i + 1,
            points_angstrom_xyz=rng.uniform(0, 6000, (rng.integers(2, 9), 3)),
            radius_angstrom=90.0,
        )
        for i in range(n)
    )


def test_graphs_keep_curves_and_radius(tmp_path):
    path = write_amira_graph(tmp_path / "a.am", curves())
    assert is_amira_graph(path)
    for found, wanted in zip(read_amira_graph(path, object_name="tmv", radius_angstrom=1.0), curves(), strict=True):
        np.testing.assert_allclose(found.points_angstrom_xyz, wanted.points_angstrom_xyz, atol=1e-5)
        assert (found.instance_id, found.radius_angstrom) == (wanted.instance_id, 90.0)


def test_models_keep_points_and_open_contours(tmp_path):
    rng = np.random.default_rng(2)
    grid = Grid(shape_zyx=(180, 640, 600), voxel_size_angstrom=10.0)
    picks = tuple(
        Picks(object_name=name, positions_angstrom_xyz=rng.uniform(0, 1800, (4, 3))) for name in ("vlp", "apo-ferritin")
    )
    path = write_imod_model(tmp_path / "a.mod", picks, curves(), grid, radius_angstrom=140.0)
    back = read_imod_model(path, voxel_size_angstrom=10.0)
    assert back.size_xyz == (600, 640, 180)
    for found, wanted in zip(back.picks, picks, strict=True):
        assert found.object_name == wanted.object_name
        np.testing.assert_allclose(found.positions_angstrom_xyz, wanted.positions_angstrom_xyz, atol=1e-3)
    for found, wanted in zip(back.filaments, curves(), strict=True):
        assert (found.object_name, found.instance_id) == (wanted.object_name, wanted.instance_id)
        assert found.radius_angstrom == 90.0
        np.testing.assert_allclose(found.points_angstrom_xyz, wanted.points_angstrom_xyz, atol=1e-3)


def test_the_first_voxel_of_a_model_is_half_a_pixel_in_the_plane_only(tmp_path):
    picks = Picks(object_name="x", positions_angstrom_xyz=[[0.0, 0.0, 0.0]])
    content = write_imod_model(tmp_path / "a.mod", [picks], [], GRID, radius_angstrom=10.0).read_bytes()
    at = content.index(b"CONT") + 4
    assert struct.unpack_from(">iIii", content, at) == (1, 0, 0, 0)
    assert struct.unpack_from(">3f", content, at + 16) == (0.5, 0.5, 0.0)
    moved = content.replace(b"MINX", b"MINX", 1)
    at = moved.index(b"MINX") + 8
    values = list(struct.unpack_from(">18f", moved, at))
    values[9:12], values[12:15] = [10.0] * 3, [-20.0, 0.0, 0.0]  # drawn on the part that begins at x = 2
    (tmp_path / "b.mod").write_bytes(moved[:at] + struct.pack(">18f", *values) + moved[at + 72 :])
    back = read_imod_model(tmp_path / "b.mod", voxel_size_angstrom=10.0)
    np.testing.assert_allclose(back.picks[0].positions_angstrom_xyz, [[20.0, 0, 0]], atol=1e-6)


def test_models_that_are_none_are_told(tmp_path):
    (tmp_path / "a.mod").write_bytes(b"imod 1\nobject 0")
    with pytest.raises(FormatError, match="imodtrans"):
        read_imod_model(tmp_path / "a.mod", voxel_size_angstrom=1.0)
    whole = write_imod_model(tmp_path / "b.mod", [], curves(), GRID, radius_angstrom=1.0).read_bytes()
    for cut in (100, 300, 500, len(whole) - 5):
        (tmp_path / "c.mod").write_bytes(whole[:cut])
        with pytest.raises(FormatError, match="cut off"):
            read_imod_model(tmp_path / "c.mod", voxel_size_angstrom=1.0)
    for read in (read_amira_labels, read_meshes):
        with pytest.raises(InputMissingError):
            read(tmp_path / "no")


def some_mesh(name="m", seed=0):
    rng = np.random.default_rng(seed)
    normals = rng.standard_normal((10, 3))
    return NamedMesh(
        name=name,
        vertices_angstrom_xyz=rng.uniform(0, 6000, (10, 3)),
        faces=np.array([[0, 1, 2], [1, 2, 3], [4, 5, 6], [7, 8, 9]], dtype=np.int32),
        normals=normals / np.linalg.norm(normals, axis=1, keepdims=True),
        inferred=rng.uniform(size=10) > 0.5,
    )


@pytest.mark.parametrize("ending", [".glb", ".ply", ".obj"])
def test_meshes_come_back(tmp_path, ending):
    (back,) = read_meshes(write_meshes(tmp_path / f"a{ending}", [some_mesh()]))
    wanted = some_mesh()
    np.testing.assert_allclose(back.vertices_angstrom_xyz, wanted.vertices_angstrom_xyz, atol=5e-4)
    np.testing.assert_array_equal(back.faces, wanted.faces)
    np.testing.assert_allclose(back.normals, wanted.normals, atol=1e-5)
    if ending == ".glb":
        np.testing.assert_array_equal(back.inferred, wanted.inferred)


def test_a_glb_holds_many_and_others_one(tmp_path):
    meshes = [some_mesh("b", 1), some_mesh("a", 2)]
    back = read_meshes(write_meshes(tmp_path / "a.glb", meshes))
    assert [each.name for each in back] == ["a", "b"]
    np.testing.assert_allclose(back[0].vertices_angstrom_xyz, meshes[1].vertices_angstrom_xyz, atol=5e-4)
    for bad, message in (("a.ply", "exactly one"), ("a.vtk", "ending .glb")):
        with pytest.raises(ParameterError, match=message):
            write_meshes(tmp_path / bad, meshes)
    (tmp_path / "d.glb").write_bytes(b"glTFxxxx")
    with pytest.raises(FormatError, match="cannot be read"):
        read_meshes(tmp_path / "d.glb")


def test_the_membrane_of_membrain_reads(shared_data):
    (mesh,) = read_meshes(shared_data / "labels" / "membrain" / "T1S4M8.obj")
    assert mesh.faces.max() < len(mesh.vertices_angstrom_xyz)
    np.testing.assert_allclose(mesh.vertices_angstrom_xyz[0], [2869.81, 3377.61, 6039.53])
    np.testing.assert_allclose(np.linalg.norm(mesh.normals, axis=1), 1.0, atol=1e-6)


def test_a_mesh_is_closed_when_it_has_no_border():
    faces = np.array([[0, 1, 2], [0, 2, 3], [0, 3, 1], [1, 3, 2]], dtype=np.int32)
    solid = NamedMesh(name="t", vertices_angstrom_xyz=np.eye(4, 3), faces=faces, normals=np.eye(4, 3))
    assert solid.is_closed
    assert not NamedMesh(name="t", vertices_angstrom_xyz=np.eye(4, 3), faces=faces[1:], normals=np.eye(4, 3)).is_closed
