"""What of a geometry other programs cannot hold is named, refused, or left out on demand."""

import numpy as np
import pytest

from tomoset.errors import GeometryError
from tomoset.formats.rigid_geometry import beyond_rigid, require_rigid, rigid_part, without_bending
from tomoset.geometry import TiltGeometry


def geometry(field: np.ndarray | None = None, magnification: list[float] | None = None) -> TiltGeometry:
    return TiltGeometry(
        y_tilt_deg=np.array([-30.0, 0.0, 30.0]),
        z_rot_deg=np.full(3, 85.0),
        shift_xy_angstrom=np.arange(6.0).reshape(3, 2),
        magnification=None if magnification is None else np.array(magnification),
        field_xy_angstrom=field,
        field_unit_angstrom=1000.0,
    )


def test_a_rigid_geometry_passes() -> None:
    assert not beyond_rigid(geometry())
    assert not beyond_rigid(geometry(np.zeros((3, 2, 6)), [1.0, 1.0, 1.0]))
    require_rigid(geometry(), "a test")


def test_magnification_and_bending_are_named() -> None:
    field = np.zeros((3, 2, 6))
    field[1, 0, 3] = 7.0
    with pytest.raises(GeometryError, match=r"magnification up to 0\.30 % and bending up to 7\.0 Å at 1000 Å"):
        require_rigid(geometry(field, [1.0, 1.003, 1.0]), "a test")


def test_what_is_left_projects_the_centre_alike() -> None:
    field = np.random.default_rng(0).normal(0, 5, (3, 2, 6))
    whole = geometry(field, [1.01, 1.0, 0.99])
    origin = np.zeros((1, 3))
    for part in (rigid_part(whole), without_bending(whole)):
        np.testing.assert_allclose(part.project(origin), whole.project(origin))
    near = np.array([[1.0, 2.0, 0.5]])  # so near that bending is a ten-thousandth of an Å
    np.testing.assert_allclose(without_bending(whole).project(near), whole.project(near), atol=1e-4)
    quadratic = field.copy()
    quadratic[:, :, :3] = 0.0
    assert without_bending(geometry(quadratic)).field_xy_angstrom is None
