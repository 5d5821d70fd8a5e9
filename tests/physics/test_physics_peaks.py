"""The vertex between samples."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tomoset.physics import vertex_offset


@given(top=st.floats(-0.5, 0.5), height=st.floats(-100, 100), sharp=st.floats(0.01, 100))
def test_the_top_of_a_parabola_is_found_exactly(top, height, sharp):
    before, at, after = (height - sharp * (x - top) ** 2 for x in (-1, 0, 1))
    assert float(vertex_offset(before, at, after)) == pytest.approx(top, abs=1e-9)


def test_arrays_are_taken_element_by_element_and_what_does_not_bend_down_stays():
    found = vertex_offset([0.0, 1.0, 3.0, -9.0], [1.0, 1.0, 1.0, 0.0], [0.5, 1.0, 3.0, 0.0])
    np.testing.assert_allclose(found, [1 / 6, 0, 0, 0.5])


def test_the_offset_stays_within_half_a_sample():
    assert float(vertex_offset(0.0, 1.0, 1.9)) == 0.5
