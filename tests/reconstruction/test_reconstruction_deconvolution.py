"""Deconvolution: Warp's formula, its contrast, and blocks that leave no trace."""

from dataclasses import replace

import numpy as np
import pytest
import scipy.fft

from tomoset.errors import GeometryError, ParameterError
from tomoset.geometry import Grid
from tomoset.model import InMemory, Optics, Resources, Silent, Tomogram
from tomoset.physics import ctf, rfft_frequency_3d
from tomoset.reconstruction import DeconvolutionParams, deconvolution_methods_text, deconvolve
from tomoset.reconstruction.deconvolution import deconvolution_filter

OPTICS = Optics()


def transfer(k, defocus):
    return -ctf(k, defocus, voltage_kv=300.0, cs_mm=OPTICS.cs_mm, amplitude_contrast=OPTICS.amplitude_contrast)


def tomogram_of(volume, geometry, *, corrected=False, voxel=10.0):
    return Tomogram(
        run="beads", grid=Grid(shape_zyx=volume.shape, voxel_size_angstrom=voxel), volume_zyx=InMemory(volume),
        tilt_indices=(0,), geometry=geometry, ctf_corrected=corrected,
    )  # fmt: skip


def test_the_filter_is_warps():
    k = np.array([1e-3, 5e-3, 0.02, 0.04])
    params = DeconvolutionParams(strength=0.8, falloff=1.2, high_pass_angstrom=400.0)
    found = deconvolution_filter(k, 30000.0, 10.0, OPTICS, params, phases_flipped=False)
    r, c = k * 10.0, transfer(k, 30000.0)
    high_pass = 0.5 * (1 - np.cos(np.pi * np.minimum(1, r / (10.0 / 400.0))))
    snr = np.exp(-200 * 1.2 * r / 10.0) * 10 ** (3 * 0.8) * high_pass
    np.testing.assert_allclose(found, c / (c**2 + 1 / snr), rtol=1e-9)
    flipped = deconvolution_filter(k, 30000.0, 10.0, OPTICS, params, phases_flipped=True)
    np.testing.assert_allclose(flipped, np.abs(found), rtol=1e-9)
    assert deconvolution_filter(np.zeros(1), 30000.0, 10.0, OPTICS, params, phases_flipped=True) == 0


@pytest.mark.parametrize("corrected", [False, True])
def test_a_bead_seen_through_the_lens_comes_back_dark_and_narrow(bead_series, corrected):
    series = bead_series(beads_xyz=np.zeros(3), tilts=[0.0, 10.0], ctf=30000.0)
    shape = (48, 64, 56)
    z, y, x = np.meshgrid(*(np.arange(n) - n // 2 for n in shape), indexing="ij")
    bead = -np.exp(-(z**2 + y**2 + x**2) / 2 / 2.0**2)
    k = rfft_frequency_3d(shape, 10.0)
    seen = transfer(k, 30000.0)
    seen = np.abs(seen) if corrected else seen
    volume = scipy.fft.irfftn(np.fft.rfftn(bead) * seen, s=shape).astype(np.float32)
    made = deconvolve(
        tomogram_of(volume, series.geometry, corrected=corrected), series, DeconvolutionParams(),
        resources=Resources(), progress=Silent(),
    )  # fmt: skip
    after = made.volume_zyx.read()
    assert (made.kind, made.contrast, made.ctf_corrected) == ("deconv", "dark", corrected)
    assert np.unravel_index(after.argmin(), shape) == tuple(n // 2 for n in shape)
    correlation = [np.corrcoef(v.ravel(), bead.ravel())[0, 1] for v in (volume, after)]
    assert correlation[1] > correlation[0] + 0.05


def test_blocks_leave_no_trace(bead_series):
    series = bead_series(beads_xyz=np.zeros(3), tilts=[0.0, 10.0], ctf=30000.0)
    volume = np.random.default_rng(1).standard_normal((24, 300, 20)).astype(np.float32)
    params = DeconvolutionParams(high_pass_angstrom=150.0)
    whole, blocks = (
        deconvolve(
            tomogram_of(volume, series.geometry), series, params, resources=Resources(memory_gib=m), progress=Silent()
        ).volume_zyx.read()
        for m in (1.0, 1e-6)
    )
    np.testing.assert_allclose(blocks, whole, atol=0.02 * whole.std())


def test_what_cannot_be_deconvolved_is_refused(bead_series):
    series = bead_series(beads_xyz=np.zeros(3), tilts=[0.0, 10.0])
    tomogram = tomogram_of(np.zeros((8, 8, 8), np.float32), series.geometry)
    with pytest.raises(GeometryError, match="estimate the CTF first"):
        deconvolve(tomogram, series, DeconvolutionParams(), resources=Resources(), progress=Silent())
    given = replace(DeconvolutionParams(), defocus_angstrom=2e4)
    assert deconvolve(tomogram, series, given, resources=Resources(), progress=Silent()).kind == "deconv"
    for wrong in ({"strength": -1.0}, {"falloff": 20.0}, {"high_pass_angstrom": 0.0}, {"defocus_angstrom": -5.0}):
        with pytest.raises(ParameterError, match="deconvolution"):
            DeconvolutionParams(**wrong)
    assert "Warp" in deconvolution_methods_text(given)
