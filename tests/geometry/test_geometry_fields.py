"""Images that lie otherwise, and specimens that move beyond the rigid model."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tomoset.errors import GeometryError, ParameterError
from tomoset.geometry import N_ORIENTATIONS, TiltGeometry, orient_image, orientation_name, quadratic_terms


def test_orientations_are_the_eight_of_a_rectangle() -> None:
    image = np.arange(6).reshape(2, 3)
    found = {orient_image(image, code).tobytes() + bytes(orient_image(image, code).shape) for code in range(8)}
    assert len(found) == N_ORIENTATIONS
    assert len({orientation_name(code) for code in range(8)}) == N_ORIENTATIONS


def test_a_turn_carries_the_right_edge_to_the_top() -> None:
    image = np.zeros((3, 3))
    image[1, 2] = 1.0  # right, halfway up
    assert orient_image(image, 1)[2, 1] == 1.0  # row 2 is the top: rows count from the bottom
    assert orient_image(image, 4)[1, 0] == 1.0
    assert orient_image(image, 5)[0, 1] == 1.0  # mirrored to the left, then turned to the bottom


def test_an_unknown_code_is_refused() -> None:
    with pytest.raises(ParameterError, match="code 0 to 7, found 8"):
        orient_image(np.zeros((2, 2)), 8)


@given(st.floats(0.9, 1.1), st.floats(-30, 30), st.floats(-60, 60))
def test_magnification_and_field_act_before_the_shift(scale: float, bend: float, tilt: float) -> None:
    point = np.array([[300.0, -200.0, 50.0]])
    plain = TiltGeometry(y_tilt_deg=[tilt], z_rot_deg=[84.0], shift_xy_angstrom=np.array([[11.0, -7.0]]))
    field = np.zeros((1, 2, 6))
    field[0, 0, 4] = bend  # x moves by bend · x y
    bent = TiltGeometry(
        y_tilt_deg=[tilt],
        z_rot_deg=[84.0],
        shift_xy_angstrom=np.array([[11.0, -7.0]]),
        magnification=[scale],
        field_xy_angstrom=field,
        field_unit_angstrom=500.0,
    )
    rigid = plain.project(point)[0, 0] - [11.0, -7.0]
    expected = scale * rigid + [bend * quadratic_terms(rigid / 500.0)[4], 0.0] + [11.0, -7.0]
    np.testing.assert_allclose(bent.project(point)[0, 0], expected, atol=1e-9)
    assert bent.select([0]).field_unit_angstrom == 500.0


def test_a_field_of_another_length_is_refused() -> None:
    with pytest.raises(GeometryError, match="field_xy_angstrom"):
        TiltGeometry(
            y_tilt_deg=[0.0, 3.0],
            z_rot_deg=[0.0, 0.0],
            shift_xy_angstrom=np.zeros((2, 2)),
            field_xy_angstrom=np.zeros((1, 2, 6)),
        )
