"""Where molecules land, how dark they are, and at which defocus: against an analytic image."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from microscope_scene import (
    QUIET,
    analytic_contrast,
    beads,
    crowd,
    displacement_pixel,
    record,
    small,
    specimen,
    undamaged_contrast,
)
from scipy.ndimage import gaussian_filter

from tomoset.microscope.heights import height_basis
from tomoset.microscope.ice import height_plane
from tomoset.microscope.optics import matter_spectrum
from tomoset.physics import ctf, wavelength_angstrom


@pytest.mark.parametrize("axis_deg", [0.0, 85.3])
def test_an_off_axis_molecule_lands_where_the_geometry_says(axis_deg):
    params = small(**QUIET, tilt_axis_deg=axis_deg, amplitude_contrast=0.1)
    point = np.array([[130.0, -90.0, 200.0]])
    movies, truth = record(specimen(params, point), beads(), params)
    landed = truth.geometry.project(point)[:, 0]
    heights = truth.geometry.height_angstrom(point)[:, 0]
    assert np.abs(truth.geometry.shift_xy_angstrom).max() > 10
    for tilt in range(3):
        expected = analytic_contrast(params, [landed[tilt]], [truth.defocus_angstrom[tilt] + heights[tilt]])
        found = undamaged_contrast(movies, tilt)
        assert np.abs(displacement_pixel(found, expected)).max() < 1e-3
        assert np.sqrt(np.mean((found - expected) ** 2) / np.mean(expected**2)) < 0.003


def test_protein_is_dark_at_low_frequency():
    params = small(**QUIET, stage_shift_angstrom=0.0)
    movies, _ = record(specimen(params, [(0, 0, 0)]), beads(), params)
    blurred = gaussian_filter(undamaged_contrast(movies, 1), 8)
    assert blurred[96, 128] == blurred.min()
    assert blurred.min() < -5 * blurred.max()


@pytest.mark.parametrize("hand", [1, -1])
def test_a_molecule_higher_up_has_the_defocus_of_its_height(hand):
    params = small(**QUIET, defocus_hand=hand, stage_shift_angstrom=0.0, tilt_max_deg=0.0, tilt_min_deg=0.0)
    movies, truth = record(specimen(params, [(0, 0, 1000.0)], thickness=2400.0), beads(spread=8.0), params)
    found = undamaged_contrast(movies, 0)
    scores = {}
    for offset in range(-1500, 1501, 100):
        model = analytic_contrast(params, [(0, 0)], [truth.defocus_angstrom[0] + offset], spread=8.0)
        scores[offset] = float((found * model).sum() / np.linalg.norm(model))
    assert max(scores, key=scores.get) == hand * 1000


def test_molecules_far_apart_in_height_keep_their_own_defocus():
    params = small(**QUIET, stage_shift_angstrom=0.0, axis_error_deg=0.0)
    rng = np.random.default_rng(2)
    points = np.column_stack([rng.uniform(-250, 250, (12, 2)), rng.uniform(-900, 900, 12)])
    movies, truth = record(specimen(params, points, thickness=2000.0), beads(), params)
    for tilt in (0, 1):
        defoci = truth.defocus_angstrom[tilt] + truth.geometry.height_angstrom(points)[tilt]
        expected = analytic_contrast(params, truth.geometry.project(points)[tilt], defoci)
        found = undamaged_contrast(movies, tilt)[24:-24, 24:-24]  # the analytic frame wraps around, the scene does not
        error = found - expected[24:-24, 24:-24]
        assert np.sqrt(np.mean(error**2) / np.mean(expected**2)) < 0.003


@given(st.floats(-4000, 0), st.floats(1, 4000), st.floats(2.0, 8.0))
def test_a_few_heights_interpolate_every_ctf(lowest, span, pixel):
    largest = min(np.sqrt(0.5) / pixel, 0.25)
    rate = np.pi * wavelength_angstrom(300.0)
    basis = height_basis(lowest, lowest + span, rate * largest**2)
    heights = np.linspace(lowest, lowest + span, 17)
    k = np.sqrt(np.linspace(0, largest**2, basis.factors_ra.shape[1]))
    optics = {"voltage_kv": 300.0, "cs_mm": 2.7, "amplitude_contrast": 0.07}
    exact = np.array([ctf(k, 35000 + h, **optics) for h in heights])
    middle = 35000 + lowest + span / 2
    sine = -ctf(k, middle, **optics)
    # A quarter turn of the phase is a quarter turn of the amplitude contrast's constant.
    phase = rate * k**2 * (middle - 0.5 * wavelength_angstrom(300.0) ** 2 * 2.7e7 * k**2) + np.arcsin(0.07)
    parts = np.where(np.arange(basis.rank)[:, None] < basis.n_even, sine, np.cos(phase)) * basis.factors_ra
    assert np.abs(-basis.weights(heights) @ parts - exact).max() < 2e-3
    assert basis.rank <= 8 + 2 / np.pi * rate * largest**2 * span / 2


def test_thon_rings_lie_at_the_defocus_asked_for():
    params = small(
        frame_shape_yx=(512, 512),
        n_frames=4,
        ice_phase_noise=0.1,
        tilt_min_deg=0,
        tilt_max_deg=0,
        defocus_jitter_angstrom=0,
    )
    movies, _ = record(specimen(params, []), beads(), params)
    frames = movies.movies[0].frames_tyx.read().astype(float) * movies.gain_yx.read()
    power = np.abs(np.fft.rfft2(frames.sum(axis=0) - frames.sum(axis=0).mean())) ** 2
    ky, kx = np.fft.fftfreq(512, 5.0)[:, None], np.fft.rfftfreq(512, 5.0)[None, :]
    ring = np.rint(np.hypot(ky, kx) * 512 * 5.0).astype(int)
    radial = np.bincount(ring.ravel(), power.ravel()) / np.bincount(ring.ravel())
    radial = gaussian_filter(radial[:256], 1.5)
    for n in (1, 2, 3, 4):
        # Cs shifts these zeros by less than 0.1 %, amplitude contrast is kept.
        zero = np.sqrt((n - np.arcsin(0.07) / np.pi) / (wavelength_angstrom(300.0) * 35000.0)) * 512 * 5.0
        window = np.arange(int(zero) - 8, int(zero) + 10)
        assert window[radial[window].argmin()] == pytest.approx(zero, abs=2.0)


@pytest.mark.parametrize("axis_deg", [0.0, 85.3])
def test_the_ice_lies_in_the_plane_that_the_geometry_projects(axis_deg):
    params = small(**QUIET, tilt_axis_deg=axis_deg)
    movies, truth = record(specimen(params, []), beads(), params)
    scene = movies.movies[0].frames_tyx.scene
    pixels_yx = np.array([[30, 40], [100, 200], [170, 90]])
    start, per_x, per_y = height_plane(scene.view(0), scene.canvas)
    (cy, cx), (ny, nx) = scene.canvas.corner_yx, params.frame_shape_yx
    image_xy = (pixels_yx[:, ::-1] - [nx // 2, ny // 2]) * 5.0
    rotation = truth.geometry.image_from_specimen[0]
    plane_xy = np.linalg.solve(rotation[:2, :2], (image_xy - truth.geometry.shift_xy_angstrom[0]).T).T
    points = np.column_stack([plane_xy, np.zeros(3)])
    np.testing.assert_allclose(truth.geometry.project(points)[0], image_xy, atol=1e-6)
    found = start + per_y * (cy + pixels_yx[:, 0]) + per_x * (cx + pixels_yx[:, 1])
    np.testing.assert_allclose(found, truth.geometry.height_angstrom(points)[0], atol=0.01)
    assert np.abs(found).max() > 200


@pytest.mark.parametrize("hand", [1, -1])
@pytest.mark.parametrize("seed", [1, 2])
def test_thon_rings_of_tilted_ice_have_the_defocus_of_each_side(hand, seed):
    changes = {**QUIET, "ice_phase_noise": 0.1, "stage_shift_angstrom": 0.0, "axis_error_deg": 0.0}
    params = small(**changes, frame_shape_yx=(512, 768), tilt_axis_deg=0.0, defocus_hand=hand)
    movies, _ = record(specimen(params, [], thickness=400.0), beads(), params, seed=seed)
    scene = movies.movies[2].frames_tyx.scene  # +45°: the side of +x is the lower one
    _, spectrum = scene.contrast_spectra(2)
    contrast = scene.canvas.frame(np.fft.irfft2(spectrum, scene.canvas.shape_yx))
    left, right = (best_defocus(contrast[:, part]) for part in (slice(0, 256), slice(512, 768)))
    # The sides' middles lie 256 pixels from the axis.
    assert left - right == pytest.approx(hand * 2 * 256 * 5.0 * np.tan(np.deg2rad(45.0)), abs=300)


def best_defocus(contrast):
    """Defocus whose CTF² correlates best with the power spectrum of an image."""
    ny, nx = contrast.shape
    power = np.square(np.abs(np.fft.rfft2(contrast * np.outer(np.hanning(ny), np.hanning(nx)))))
    k = np.hypot(np.fft.fftfreq(ny, 5.0)[:, None], np.fft.rfftfreq(nx, 5.0)[None, :])
    band = (k > 1 / 60) & (k < 1 / 12)
    optics = {"voltage_kv": 300.0, "cs_mm": 2.7, "amplitude_contrast": 0.07}
    tried = np.arange(32000.0, 38001.0, 100.0)
    scores = [np.corrcoef(power[band], np.square(ctf(k[band], defocus, **optics)))[0, 1] for defocus in tried]
    return tried[int(np.argmax(scores))]


def test_nothing_wraps_around_the_edge():
    params = small(**QUIET, stage_shift_angstrom=0.0, axis_error_deg=0.0, tilt_axis_deg=0.0)
    half_width = 128 * 5.0
    movies, _ = record(specimen(params, [(half_width - 10, 0, 0)]), beads(), params)
    contrast = np.abs(undamaged_contrast(movies, 1))
    assert contrast[:, :64].max() < 2e-3 * contrast.max()


def test_less_memory_gives_the_same_answer():
    params = small(**QUIET)
    movies, _ = record(crowd(params, 12), beads(positions=[(20, 0, 0), (-20, 10, 5)]), params)
    scene = movies.movies[0].frames_tyx.scene
    plenty, little = (
        matter_spectrum(scene.specimen.molecules, scene.transforms, scene.view(0), params, scene.canvas, memory_gib=gib)
        for gib in (1.0, 1e-6)
    )
    np.testing.assert_array_equal(plenty, little)
