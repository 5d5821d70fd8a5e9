"""The data portal's alignments: rotation matrices, offsets in pixels, sections that are left out."""

import json
from pathlib import Path

import numpy as np
import pytest

from tomoset.errors import FormatError, GeometryError, InputMissingError, PixelSizeError
from tomoset.formats.portal_alignment import is_portal_alignment, read_portal_alignment, write_portal_alignment
from tomoset.geometry import TiltGeometry


def some_geometry() -> TiltGeometry:
    rng = np.random.default_rng(4)
    return TiltGeometry(
        y_tilt_deg=np.linspace(-45, 45, 5),
        z_rot_deg=rng.normal(-95.0, 0.3, 5),
        shift_xy_angstrom=rng.normal(0, 40, (5, 2)),
        x_tilt_deg=rng.normal(0, 1, 5),
    )


def test_comes_back_without_the_unused_sections(tmp_path: Path) -> None:
    geometry, use = some_geometry(), np.array([True, True, False, True, True])
    path = write_portal_alignment(
        tmp_path / "a.json", geometry, 1.7, use=use, volume_size_angstrom_xyz=(100.0, 200.0, 50.0)
    )
    assert is_portal_alignment(path)
    back = read_portal_alignment(path, 1.7)
    np.testing.assert_array_equal(back.section, [0, 1, 3, 4])
    bead = np.array([120.0, -310.0, 90.0])
    np.testing.assert_allclose(back.geometry.project(bead), geometry.select(use).project(bead), atol=1e-9)
    assert back.volume_size_angstrom_xyz == (100.0, 200.0, 50.0)
    entry = json.loads(path.read_text())["per_section_alignment_parameters"][0]
    a = np.deg2rad(geometry.z_rot_deg[0])
    np.testing.assert_allclose(entry["in_plane_rotation"], [[np.cos(a), -np.sin(a)], [np.sin(a), np.cos(a)]])
    assert entry["x_offset"] == pytest.approx(geometry.shift_xy_angstrom[0, 0] / 1.7)


def test_what_is_no_alignment_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    assert not is_portal_alignment(path)
    with pytest.raises(InputMissingError):
        read_portal_alignment(path, 1.0)
    path.write_text(json.dumps({"per_section_alignment_parameters": [{"z_index": 0}]}))
    with pytest.raises(FormatError, match="with z_index, angles"):
        read_portal_alignment(path, 1.0)
    with pytest.raises(PixelSizeError):
        read_portal_alignment(path, 0.0)
    section = {"z_index": 0, "tilt_angle": 0, "volume_x_rotation": 0, "x_offset": 0, "y_offset": 0}
    path.write_text(
        json.dumps({"per_section_alignment_parameters": [{**section, "in_plane_rotation": [[2, 0], [0, 1]]}]})
    )
    with pytest.raises(FormatError, match="off orthonormal"):
        read_portal_alignment(path, 1.0)
    with pytest.raises(GeometryError, match="one flag"):
        write_portal_alignment(path, some_geometry(), 1.0, use=[True])
