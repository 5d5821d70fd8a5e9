"""The ice's surfaces: wedge, meniscus, what lies beyond."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tomoset.errors import ParameterError
from tomoset.model import IceLayer
from tomoset.specimen.ice import IceParams, make_ice, surfaces_at, thickness_at

SIZE_XY = (4000.0, 3000.0)


def layer(thickness: float = 1500.0, **changes: object) -> IceLayer:
    ice = make_ice(IceParams(**changes), thickness, SIZE_XY, np.random.default_rng(0))  # type: ignore[arg-type]
    assert ice is not None
    return ice


def test_flat_ice_has_no_surfaces() -> None:
    assert make_ice(IceParams(hole_radius_angstrom=100.0), 1500.0, SIZE_XY, np.random.default_rng(0)) is None


def test_samples_cover_the_slab_with_the_origin_in_the_middle() -> None:
    ice = layer(meniscus_angstrom=100.0)
    ny, nx = ice.top_angstrom_yx.shape
    for n, size in ((nx, SIZE_XY[0]), (ny, SIZE_XY[1])):
        assert n // 2 * ice.spacing_angstrom >= size / 2
        assert (n - 1 - n // 2) * ice.spacing_angstrom >= size / 2


@given(st.floats(0, 360), st.floats(10, 800))
def test_wedge_is_a_plane_that_is_thickest_at_one_corner(direction_deg: float, slope: float) -> None:
    ice = layer(wedge_angstrom_per_micrometre=slope, wedge_direction_deg=direction_deg)
    direction = np.array([np.cos(np.deg2rad(direction_deg)), np.sin(np.deg2rad(direction_deg))])
    corners = np.array([(x, y) for x in (-2000.0, 2000.0) for y in (-1500.0, 1500.0)])
    thickness = thickness_at(ice, corners)
    assert thickness.max() == pytest.approx(1500.0, abs=1e-3)
    inside = np.random.default_rng(1).uniform(-1, 1, (50, 2)) * [2000, 1500]
    drop = thickness_at(ice, corners[:1]) - thickness_at(ice, inside)
    np.testing.assert_allclose(drop, slope * 1e-4 * (inside - corners[0]) @ direction, atol=2e-3)


def test_meniscus_is_a_parabola_to_the_rim_and_plane_beyond() -> None:
    ice = layer(meniscus_angstrom=400.0, hole_radius_angstrom=1500.0, hole_centre_xy_angstrom=(300.0, -200.0))
    points = np.random.default_rng(2).uniform(-1, 1, (200, 2)) * [2000, 1500]
    r = np.linalg.norm(points - [300.0, -200.0], axis=1) / 1500.0
    expected = 1500.0 - 400.0 * np.maximum(1 - r**2, 0)
    np.testing.assert_allclose(thickness_at(ice, points), expected, atol=8.0)  # bilinear across the rim's kink
    assert thickness_at(ice, np.array([[300.0, -200.0]]))[0] == pytest.approx(1100.0, abs=0.1)


def test_both_surfaces_give_way_alike_and_never_cross() -> None:
    ice = layer(200.0, meniscus_angstrom=400.0, hole_radius_angstrom=1500.0)
    bottom, top = surfaces_at(ice, np.array([[0.0, 0.0], [1999.0, 1499.0]]))
    np.testing.assert_allclose(bottom, -top)
    np.testing.assert_allclose(top, [0.0, 100.0], atol=1e-4)


def test_surfaces_go_on_beyond_the_samples() -> None:
    ice = layer(wedge_angstrom_per_micrometre=500.0)
    far, edge = thickness_at(ice, np.array([[1e6, 0.0], [2000.0, 0.0]]))
    assert far == edge


@pytest.mark.parametrize(
    "wrong",
    [
        {"wedge_angstrom_per_micrometre": -1.0},
        {"meniscus_angstrom": float("nan")},
        {"hole_radius_angstrom": 0.0},
        {"hole_centre_xy_angstrom": (float("inf"), 0.0)},
    ],
)
def test_impossible_shapes_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ParameterError, match="expected"):
        IceParams(**wrong)  # type: ignore[arg-type]


def test_ice_that_is_all_gone_is_an_error() -> None:
    with pytest.raises(ParameterError, match="thicken the ice"):
        layer(100.0, meniscus_angstrom=500.0, hole_radius_angstrom=20000.0)
