"""Compiled parts of the low-rank search against numpy."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tomoset.annotation.templates.engines import _gemm_kernels, _gemm_loops, _low_rank_kernels
from tomoset.annotation.templates.engines.low_rank_search import index_type, pack_coefficients, turns


@pytest.mark.parametrize("shape", [(12, 20, 18), (15, 9, 21), (8, 8, 8)])
def test_products_with_the_transform_of_a_box(shape):
    """Boxes smaller than, and as large as, the volume; odd and even lengths; rows without support."""
    rng = np.random.default_rng(0)
    n = 8
    box = rng.normal(size=(n, n, n)).astype(np.float32)
    volume_hat = np.fft.rfftn(rng.normal(size=shape)).astype(np.complex64)
    weight = rng.uniform(0.5, 1, volume_hat.shape).astype(np.float32)
    weight[rng.random(weight.shape) < 0.3] = 0
    weight[:, 3] = 0
    weight[:, :, -2:] = 0
    support = _low_rank_kernels.row_support(weight)
    columns = weight.shape[2] - 2
    assert support[..., 1].max() == columns
    embedded = np.zeros(shape, np.float32)
    places = [(np.fft.fftfreq(n, 1 / n).astype(int)) % length for length in shape]
    np.add.at(embedded, np.ix_(*places), box)
    lines = np.zeros((n, n, shape[2]), np.float32)
    np.add.at(lines, (slice(None), slice(None), places[2]), box)
    out = np.full((shape[0], shape[1], columns), np.nan, np.complex64)
    _low_rank_kernels.template_product(
        np.fft.rfft(lines, axis=2).astype(np.complex64).view(np.float32),
        turns(shape[1], n),
        turns(shape[0], n),
        (volume_hat * weight).view(np.float32),
        support,
        np.empty((n, shape[1], 2 * columns), np.float32),
        out.view(np.float32),
    )
    expected = (volume_hat * weight * np.conj(np.fft.rfftn(embedded)))[:, :, :columns]
    np.testing.assert_allclose(out, expected, atol=2e-4 * np.abs(expected).max())


@given(st.integers(1, 40), st.integers(0, 150), st.integers(1, 60), st.integers(0, 2**32 - 1))
@settings(max_examples=20, deadline=None)
def test_sums_of_cosines_and_sines(count, low, length, seed):
    rng = np.random.default_rng(seed)
    even, odd = (rng.normal(size=(count, 256)).astype(np.float32) for _ in range(2))
    cosine, sine = (rng.normal(size=(3, count)).astype(np.float32) for _ in range(2))
    part = slice(low, low + length)
    for kernels in (_gemm_kernels, _gemm_loops):
        p, q = np.zeros(256, np.float32), np.zeros(256, np.float32)
        kernels.cosine_and_sine_sums(even, odd, cosine, sine, 2, low, low + length, p, q)
        np.testing.assert_allclose(p[part], cosine[2] @ even[:, part], atol=1e-4)
        np.testing.assert_allclose(q[part], sine[2] @ odd[:, part], atol=1e-4)


def test_pairs_are_the_nearest_bfloat16():
    rng = np.random.default_rng(1)
    planes = rng.normal(size=(2, 4, 5, 9)).astype(np.float32)
    out = np.full(3 * 4 * 6 + 7, 99, np.uint32)
    bits = planes.view(np.uint32)
    _low_rank_kernels.pack_pair(bits[0], bits[1], (1, 0, 2), (3, 4, 6), out)
    for plane, stored in ((planes[0], out << np.uint32(16)), (planes[1], out & np.uint32(0xFFFF0000))):
        core = plane[1:4, 0:4, 2:8].reshape(-1)
        np.testing.assert_allclose(stored.view(np.float32)[: core.size], core, rtol=2**-8)
        assert np.abs(stored.view(np.float32)[: core.size] / core - 1).mean() < 2**-9
    assert (out[72:] == 0).all()


def test_coefficients_fill_up_their_last_group():
    packed = pack_coefficients(np.arange(1, 22, dtype=np.float32).reshape(7, 3))
    assert packed.shape == (2, 2, _gemm_kernels.ROTATIONS)
    first = (packed[1, 0] << np.uint32(16)).view(np.float32)
    assert (first == 19).all()  # the seventh rotation, and what repeats it
    assert index_type(32767) is np.int16
    assert index_type(32768) is np.int32


def test_patches_repeat_beyond_the_ends():
    rng = np.random.default_rng(2)
    volume, box = rng.normal(size=(9, 12, 10)).astype(np.float32), rng.normal(size=(6, 6, 6)).astype(np.float32)
    index = np.array([[0, 0, 0], [4, 6, 5], [8, 11, 9]])
    around = np.fft.fftfreq(6, 1 / 6).astype(int)
    expected = [
        np.sum(volume[np.ix_(*[(around + i) % s for i, s in zip(at, volume.shape, strict=True)])] * box) for at in index
    ]
    np.testing.assert_allclose(_low_rank_kernels.dot_patches(volume, index, box), expected, rtol=1e-4)
