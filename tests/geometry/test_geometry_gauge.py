"""Two alignments may differ by a translation of the specimen, and by nothing else."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tomoset.errors import GeometryError
from tomoset.geometry import TiltGeometry, remove_gauge

TILT = np.arange(-45.0, 46, 3)
OFFSET = st.floats(-200, 200)


def geometry_of(specimen_offset_xyz, axis=85.3, seed=0):
    """The alignment of the same images when the specimen's origin is put elsewhere."""
    rng = np.random.default_rng(seed)
    n = len(TILT)
    plain = TiltGeometry(y_tilt_deg=TILT, z_rot_deg=np.full(n, axis), shift_xy_angstrom=rng.normal(0, 40, (n, 2)))
    moved = plain.project([specimen_offset_xyz])[:, 0]
    return plain, TiltGeometry(y_tilt_deg=TILT, z_rot_deg=np.full(n, axis), shift_xy_angstrom=moved)


@given(x=OFFSET, y=OFFSET, z=OFFSET, axis=st.floats(-180, 180))
def test_a_translation_of_the_specimen_is_no_error_and_is_named(x, y, z, axis):
    plain, moved = geometry_of([x, y, z], axis)
    difference = moved.shift_uv_angstrom() - plain.shift_uv_angstrom()
    residual, translation = remove_gauge(difference, TILT)
    np.testing.assert_allclose(residual, 0, atol=1e-8)
    np.testing.assert_allclose(translation, [x, y, z], atol=1e-7)


@given(seed=st.integers(0, 999), x=OFFSET, z=OFFSET)
def test_removing_twice_is_removing_once_and_ignores_translations(seed, x, z):
    difference = np.random.default_rng(seed).normal(0, 3, (len(TILT), 2))
    residual, _ = remove_gauge(difference, TILT)
    again, translation = remove_gauge(residual, TILT)
    np.testing.assert_allclose(again, residual, atol=1e-10)
    np.testing.assert_allclose(translation, 0, atol=1e-10)
    t = np.deg2rad(TILT)
    moved = difference + np.stack([x * np.cos(t) + z * np.sin(t), np.full(len(t), 7.0)], -1)
    np.testing.assert_allclose(remove_gauge(moved, TILT)[0], residual, atol=1e-8)
    assert np.linalg.norm(residual) <= np.linalg.norm(difference) + 1e-12


def test_a_constant_across_the_axis_is_an_error_that_stays():
    residual, _ = remove_gauge(np.stack([np.full(len(TILT), 10.0), np.zeros(len(TILT))], -1), TILT)
    # over ±45 degrees cos t explains most of a constant; what it leaves must be left
    assert 0.5 < np.abs(residual[:, 0]).max() < 3


def test_what_cannot_be_compared_is_refused():
    with pytest.raises(GeometryError, match=r"shape \(31, 2\)"):
        remove_gauge(np.zeros((30, 2)), TILT)
    with pytest.raises(GeometryError, match="at least one view"):
        remove_gauge(np.zeros((0, 2)), [])
    with pytest.raises(GeometryError, match="finite"):
        remove_gauge(np.full((31, 2), np.nan), TILT)
