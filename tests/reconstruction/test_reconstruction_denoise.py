"""Denoising brings a noisy phantom closer to the clean one, in its own units."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from tomoset.errors import GeometryError, ParameterError
from tomoset.geometry import Grid, TiltGeometry
from tomoset.model import InMemory, Resources, Silent, Tomogram
from tomoset.networks import TrainingParams, UNetParams
from tomoset.reconstruction import DenoiseParams, denoise, denoise_methods_text

SHAPE = (40, 56, 64)
PARAMS = DenoiseParams(
    network=UNetParams(channels=(8, 16)),
    training=TrainingParams(steps=60, learning_rate=5e-3),
    patch=24,
    batch=2,
    tile=64,
)


def phantom(seed):
    """Dark balls in flat ice, and halves with twice as much noise as the balls are deep."""
    rng = np.random.default_rng(seed)
    places = np.zeros(SHAPE)
    places[tuple(rng.integers(0, n, 40) for n in SHAPE)] = -1
    clean = 0.3 + 0.001 * gaussian_filter(places, 2.0) / gaussian_filter(places, 2.0).std()
    odd, even = (InMemory((clean + 0.002 * rng.standard_normal(SHAPE)).astype(np.float32)) for _ in range(2))
    geometry = TiltGeometry(y_tilt_deg=[0.0], z_rot_deg=[0.0], shift_xy_angstrom=[[0.0, 0.0]])
    grid = Grid(shape_zyx=SHAPE, voxel_size_angstrom=10.0)
    mean = InMemory((odd.read() + even.read()) / 2)
    tomogram = Tomogram(
        run="phantom", grid=grid, volume_zyx=mean, odd_zyx=odd, even_zyx=even, tilt_indices=(0,), geometry=geometry
    )
    return clean, tomogram


def correlation(a, b):
    return np.corrcoef(a.ravel(), b.ravel())[0, 1]


def test_denoising_raises_the_correlation_with_the_clean_phantom():
    clean, tomogram = phantom(1)
    result = denoise(tomogram, PARAMS, resources=Resources(), seed=1, progress=Silent())
    before = correlation(tomogram.volume_zyx.read(), clean)
    after = correlation(result.volume_zyx.read(), clean)
    assert before < 0.65
    assert after > 0.9
    # Units and sense of the contrast are kept: a regression on the truth has a slope of about one.
    centred = result.volume_zyx.read() - np.float64(result.volume_zyx.read().mean())
    slope = np.sum(centred * (clean - clean.mean())) / np.sum(centred**2)
    assert 0.7 < slope < 1.4
    assert result.volume_zyx.read().mean() == pytest.approx(clean.mean(), rel=1e-3)
    assert (result.kind, result.odd_zyx, result.grid, result.contrast) == ("denoised", None, tomogram.grid, "dark")
    agreed = result.diagnostics
    assert agreed["denoise.half_map_after_angstrom"] <= agreed["denoise.half_map_before_angstrom"]


def test_the_seed_decides_and_untrained_networks_do_not_help():
    clean, tomogram = phantom(2)
    short = replace(PARAMS, training=TrainingParams(steps=1, learning_rate=1e-6))
    one, same, other = (
        denoise(tomogram, short, resources=Resources(), seed=s, progress=Silent()).volume_zyx.read() for s in (1, 1, 2)
    )
    np.testing.assert_array_equal(one, same)
    assert np.abs(one - other).max() > 0
    assert abs(correlation(one, clean)) < correlation(tomogram.volume_zyx.read(), clean) + 0.15


def test_what_cannot_be_denoised_is_refused():
    _, tomogram = phantom(3)
    with pytest.raises(GeometryError, match="reconstruct with half_sets"):
        denoise(replace(tomogram, odd_zyx=None), PARAMS, resources=Resources(), seed=0, progress=Silent())
    with pytest.raises(GeometryError, match="smaller patch"):
        denoise(tomogram, replace(PARAMS, patch=48), resources=Resources(), seed=0, progress=Silent())
    for wrong in ({"patch": 30}, {"batch": 0}, {"tile": 16}, {"network": UNetParams(n_out=2)}):
        with pytest.raises(ParameterError, match="denoise"):
            DenoiseParams(**wrong)


def test_methods_text_names_the_method():
    assert "Noise2Noise" in denoise_methods_text(PARAMS)
