"""Which views hold a molecule, which borders cut it, and what the missing wedge hides."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tomoset.errors import GeometryError, ParameterError
from tomoset.geometry import Grid, TiltGeometry, random_rotations, rotation_about
from tomoset.structures import hidden_in_wedge, molecule_flags, share_hidden_of_line


def tilts(*angles: float, axis_deg: float = 0.0, shift_x: float = 0.0) -> TiltGeometry:
    n = len(angles)
    return TiltGeometry(
        y_tilt_deg=np.array(angles), z_rot_deg=np.full(n, axis_deg), shift_xy_angstrom=np.tile([shift_x, 0.0], (n, 1))
    )


GRID = Grid(shape_zyx=(20, 100, 80), voxel_size_angstrom=10.0)


def test_views_that_hold_the_centre_are_counted() -> None:
    # x cos t: 450 Å is 90 pixels of 5 Å off at 0°, 78 at 30°, 45 at 60°; the frame holds columns up to 80.
    points = [[450.0, 0.0, 0.0], [10.0, -260.0, 0.0], [0.0, 0.0, 0.0], [450.0, 600.0, 0.0]]
    views, _ = molecule_flags(points, 10.0, tilts(-60.0, -30.0, 0.0, 30.0, 60.0), (120, 160), 5.0, GRID)
    np.testing.assert_array_equal(views, [4, 5, 5, 0])


def test_turned_axis_and_shift_move_the_frame() -> None:
    up = tilts(0.0, axis_deg=90.0)  # specimen x lies along image y
    np.testing.assert_array_equal(
        molecule_flags([[350.0, 0, 0], [0, 350.0, 0]], 1.0, up, (160, 120), 5.0, GRID)[0], [1, 0]
    )
    shifted = tilts(0.0, shift_x=100.0)
    points = [[310.0, 0.0, 0.0], [-310.0, 0.0, 0.0]]
    np.testing.assert_array_equal(molecule_flags(points, 1.0, shifted, (160, 160), 5.0, GRID)[0], [0, 1])


def test_frame_ends_half_a_pixel_beyond_its_last_pixel() -> None:
    points = [[394.0 + d, 0.0, 0.0] for d in (0.0, 3.0, 4.0)]  # columns 0 to 159, the origin at 80: up to 79.5 · 5 Å
    views, _ = molecule_flags(points, 1.0, tilts(0.0), (160, 160), 5.0, GRID)
    np.testing.assert_array_equal(views, [1, 1, 0])


def test_border_cuts_what_reaches_through_it() -> None:
    # x: voxels 0 to 79 about 40: from -405 to +395 Å; z: 0 to 19 about 10: from -105 to +95 Å.
    points = [[0, 0, 0], [380, 0, 0], [380, 0, 0], [410, 0, 0], [500, 0, 0], [0, 0, -90], [0, 0, -80], [-390, 0, 0]]
    radii = [20.0, 10.0, 20.0, 20.0, 20.0, 20.0, 20.0, 14.0]
    _, cut = molecule_flags(np.array(points, float), radii, tilts(0.0), (160, 160), 5.0, GRID)
    np.testing.assert_array_equal(cut, [False, False, True, True, False, True, False, False])


def test_ball_beyond_a_corner_touches_only_if_it_reaches_it() -> None:
    corner = np.array([395.0, 495.0, 95.0])
    points = corner + np.array([[10.0, 10.0, 10.0], [12.0, 12.0, 12.0]])
    _, cut = molecule_flags(points, 19.0, tilts(0.0), (160, 160), 5.0, GRID)  # the corner is 17.3 and 20.8 Å away
    np.testing.assert_array_equal(cut, [True, False])


def test_impossible_flags_are_refused() -> None:
    with pytest.raises(ParameterError, match="no negative radius"):
        molecule_flags([[0, 0, 0]], -1.0, tilts(0.0), (10, 10), 5.0, GRID)


def test_flat_membranes_along_the_axes() -> None:
    hidden = hidden_in_wedge(np.eye(3), -45.0, 45.0)
    np.testing.assert_array_equal(hidden, [False, False, True])  # only the one lying in the ice's plane is lost


def test_wedge_begins_behind_the_last_tilt() -> None:
    angles = np.deg2rad([-61.0, -59.0, 0.0, 49.0, 51.0, 90.0])
    normals = np.stack([np.cos(angles), 0.7 + 0 * angles, np.sin(angles)], axis=-1)
    expected = [True, False, False, False, True, True]
    np.testing.assert_array_equal(hidden_in_wedge(normals, -60.0, 50.0), expected)
    np.testing.assert_array_equal(hidden_in_wedge(-3 * normals, -60.0, 50.0), expected)


@given(st.floats(-89.0, 89.0))
def test_every_view_measures_its_own_plane(tilt: float) -> None:
    """The directions across a view's beam, found by turning as the tilt geometry does, are measured by that view."""
    across_beam = tilts(tilt).image_from_specimen[0][:2]  # rows: image x and y in specimen axes
    mixed = np.array([[1.0, 0.3], [0.2, -1.0], [1.0, 0.0]]) @ across_beam
    assert not hidden_in_wedge(mixed, tilt - 0.5, tilt + 0.5).any()
    beam = tilts(tilt).image_from_specimen[0][2]
    assert hidden_in_wedge(beam, tilt - 0.5, tilt + 0.5)[0]


@given(st.floats(-80.0, 10.0), st.floats(5.0, 80.0))
def test_share_of_hidden_directions_is_the_wedges(lowest: float, width: float) -> None:
    rng = np.random.default_rng(0)
    share = hidden_in_wedge(rng.standard_normal((4000, 3)), lowest, lowest + width).mean()
    assert share == pytest.approx(1 - width / 180, abs=0.03)


def test_lines_along_the_axes() -> None:
    """Across axis and beam all is lost, along the axis the wedge's share, along the beam nothing."""
    np.testing.assert_allclose(share_hidden_of_line(np.eye(3), -60.0, 60.0), [1.0, 1 / 3, 0.0], atol=1e-9)
    np.testing.assert_allclose(share_hidden_of_line(-np.eye(3), -45.0, 45.0), [1.0, 0.5, 0.0], atol=1e-9)


@pytest.mark.parametrize(("lowest", "highest"), [(-45, 45), (-60, 60), (-30, 50), (0, 60), (-60, -10), (-90, 90)])
def test_share_of_a_line_is_the_share_of_the_plane_across_it(lowest: float, highest: float) -> None:
    turns = random_rotations(40, np.random.default_rng(4))
    phi = np.deg2rad(np.arange(0.0, 180.0, 0.05) + 0.025)
    ring = np.stack([np.cos(phi), np.sin(phi), 0 * phi], axis=-1)
    expected = [hidden_in_wedge(ring @ turn.T, lowest, highest).mean() for turn in turns]
    np.testing.assert_allclose(share_hidden_of_line(turns[:, :, 2], lowest, highest), expected, atol=1e-3)


def test_line_along_an_extreme_beam_lies_in_its_view() -> None:
    beams = np.stack([tilts(t).image_from_specimen[0][2] for t in (-45.0, 45.0)])
    np.testing.assert_array_equal(share_hidden_of_line(beams, -45.0, 45.0), 0.0)
    near = beams @ rotation_about("x", 0.01).T
    assert (share_hidden_of_line(near, -45.0, 45.0) < 1.0).all()


def test_impossible_ranges_and_directions_are_refused() -> None:
    for lowest, highest in ((-100.0, 60.0), (60.0, -60.0), (0.0, 0.0)):
        with pytest.raises(ParameterError, match="expected tilts from a to b"):
            hidden_in_wedge([[0, 0, 1]], lowest, highest)
    with pytest.raises(GeometryError, match="directions of some length"):
        share_hidden_of_line([[0, 0, 0]], -60.0, 60.0)
