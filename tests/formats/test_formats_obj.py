"""Meshes as OBJ: what is written is what another reader finds."""

from pathlib import Path

import numpy as np

from tomoset.formats.obj import write_obj


def test_vertices_normals_and_faces_are_those_given(tmp_path: Path) -> None:
    vertices = np.array([[0.0, 0, 0], [10, 0, 0], [0, 10, 0], [0, 0, 10]])
    faces = np.array([[0, 2, 1], [0, 1, 3]], dtype=np.int32)
    normals = np.tile([0.0, 0, 1], (4, 1))
    lines = write_obj(tmp_path / "mesh.obj", vertices, faces, normals).read_text().splitlines()
    rows = [line.split() for line in lines]
    np.testing.assert_allclose([[float(v) for v in r[1:]] for r in rows if r[0] == "v"], vertices)
    np.testing.assert_allclose([[float(v) for v in r[1:]] for r in rows if r[0] == "vn"], normals)
    assert [r[1:] for r in rows if r[0] == "f"] == [["1//1", "3//3", "2//2"], ["1//1", "2//2", "4//4"]]
