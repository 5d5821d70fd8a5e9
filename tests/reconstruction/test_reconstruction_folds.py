"""Stripes for two networks: they share the volume, and nobody answers for what it was trained on."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tomoset.errors import GeometryError
from tomoset.model import InMemory
from tomoset.reconstruction.folds import Part, cut_stripes


@given(st.integers(32, 400), st.integers(32, 400), st.sampled_from([16, 32]))
def test_stripes_share_the_field_and_keep_training_out_of_their_answers(ny, nx, patch):
    stripes = cut_stripes((40, ny, nx), patch)
    length = max(ny, nx)
    assert len(stripes) % 2 == 0
    assert {s.axis for s in stripes} == ({1} if ny >= nx else {2})
    total, trained = np.zeros(length), np.zeros((2, length))
    for stripe in stripes:
        first, end = stripe.answered
        total[first:end] += stripe.weights()
        assert stripe.trained[1] - stripe.trained[0] >= patch
        trained[stripe.fold, slice(*stripe.trained)] = 1
    np.testing.assert_allclose(total, 1.0, atol=1e-6)
    for stripe in stripes:
        # Its network saw the stripes of the other fold only.
        assert not trained[1 - stripe.fold, slice(*stripe.answered)].any()


def test_too_narrow_a_field_is_refused():
    with pytest.raises(GeometryError, match="smaller patch"):
        cut_stripes((40, 50, 60), 32)


def test_a_part_reads_as_the_volume_does():
    volume = np.random.default_rng(0).random((5, 9, 7))
    part = Part(InMemory(volume), 1, 2, 8)
    assert part.shape == (5, 6, 7)
    np.testing.assert_array_equal(part.read(), volume[:, 2:8])
    np.testing.assert_array_equal(part.read((slice(1, 3), slice(2, 9), slice(0, 4))), volume[1:3, 4:8, :4])
