"""Settings that cannot be, the order of tilts, and the field of view as a guarantee."""

import dataclasses
import tomllib

import numpy as np
import pytest
import tomlkit
from hypothesis import given
from hypothesis import strategies as st
from microscope_scene import small

from tomoset.errors import ParameterError
from tomoset.geometry import rotation_about
from tomoset.microscope import MicroscopeParams, acquisition_order, field_of_view_size_xy_angstrom, nominal_tilts_deg
from tomoset.microscope.conditions import draw_conditions
from tomoset.microscope.field import canvas_of


@pytest.mark.parametrize(
    "change",
    [
        {"tilt_max_deg": 90.0},
        {"tilt_min_deg": 50.0},
        {"tilt_step_deg": 0.0},
        {"pixel_size_angstrom": -1.0},
        {"pixel_size_angstrom": float("nan")},
        {"pixel_size_angstrom": 14.0},
        {"pixel_size_angstrom": 0.5},
        {"defocus_angstrom": -35000.0},
        {"frame_shape_yx": (255, 256)},
        {"frame_shape_yx": (32, 32), "pixel_size_angstrom": 2.0},
        {"n_frames": 0},
        {"total_dose_e_per_angstrom2": 1e4},
        {"dqe": 1.2},
        {"gain_spread": 0.5},
        {"hot_pixel_fraction": 0.5},
        {"defocus_hand": 0},
        {"scheme": "spiral"},
        {"drift_angstrom": -1.0},
    ],
)
def test_impossible_settings_are_refused(change):
    with pytest.raises(ParameterError, match=r"expected|take"):
        small(**change)


def test_settings_survive_toml():
    params = MicroscopeParams()
    text = tomlkit.dumps({k: list(v) if isinstance(v, tuple) else v for k, v in dataclasses.asdict(params).items()})
    read = tomllib.loads(text)
    assert MicroscopeParams(**{**read, "frame_shape_yx": tuple(read["frame_shape_yx"])}) == params


def test_the_papers_scheme_has_31_tilts():
    params = MicroscopeParams()
    tilts = nominal_tilts_deg(params)
    assert len(tilts) == params.n_tilts == 31
    assert (tilts[0], tilts[15], tilts[-1]) == (-45, 0, 45)
    order = acquisition_order(tilts, "dose-symmetric", 1)
    assert tilts[np.argsort(order)][:7].tolist() == [0, 3, -3, 6, -6, 9, -9]
    grouped = tilts[np.argsort(acquisition_order(tilts, "dose-symmetric", 2))]
    assert grouped[:7].tolist() == [0, 3, 6, -3, -6, 9, 12]
    assert tilts[np.argsort(acquisition_order(tilts, "bidirectional"))][[0, 15, 16, 30]].tolist() == [0, 45, -3, -45]


@given(
    st.floats(-80, 30),
    st.integers(0, 60),
    st.sampled_from(["dose-symmetric", "bidirectional", "unidirectional"]),
    st.integers(1, 5),
)
def test_every_scheme_records_every_tilt_once(first, n, scheme, group):
    order = acquisition_order(first + 1.5 * np.arange(n + 1), scheme, group)
    assert sorted(order.tolist()) == list(range(n + 1))


@given(st.floats(0, 60), st.floats(-180, 180), st.floats(100, 3000), st.integers(0, 1000))
def test_no_view_looks_past_the_specimen(largest, axis, thickness, seed):
    params = small(
        tilt_min_deg=-largest,
        tilt_max_deg=largest,
        tilt_step_deg=max(largest / 2, 1.0),
        tilt_axis_deg=axis,
        tilt_error_deg=0.5,
    )
    size = field_of_view_size_xy_angstrom(params, thickness)
    geometry = draw_conditions(params, "TS001", seed).geometry
    ny, nx = params.frame_shape_yx
    corners = np.array([(x, y) for x in (-nx, nx) for y in (-ny, ny)]) * 0.5 * params.pixel_size_angstrom
    for view in range(geometry.n_tilts):
        back = (corners - geometry.shift_xy_angstrom[view]) @ rotation_about("z", geometry.z_rot_deg[view])[:2, :2]
        t = np.deg2rad(geometry.y_tilt_deg[view])
        for z in (-thickness / 2, thickness / 2):
            x = (back[:, 0] - z * np.sin(t)) / np.cos(t)
            assert np.abs(x).max() <= size[0] / 2
            assert np.abs(back[:, 1]).max() <= size[1] / 2


def test_canvas_holds_the_frame_with_a_guard_on_every_side():
    params = MicroscopeParams()
    canvas = canvas_of(params)
    for n, m, corner in zip(canvas.shape_yx, canvas.frame_shape_yx, canvas.corner_yx, strict=True):
        assert n % 2 == 0
        assert corner >= 32
        assert n - m - corner >= 32
    assert canvas.origin_yx == (canvas.corner_yx[0] + 384, canvas.corner_yx[1] + 432)


def test_conditions_repeat_for_a_seed_and_differ_between_series():
    params = small()
    first, again, other = (draw_conditions(params, run, 4) for run in ("TS001", "TS001", "TS002"))
    np.testing.assert_array_equal(first.geometry.shift_xy_angstrom, again.geometry.shift_xy_angstrom)
    assert not np.array_equal(first.geometry.shift_xy_angstrom, other.geometry.shift_xy_angstrom)
    assert first.geometry.z_rot_deg[0] != params.tilt_axis_deg
