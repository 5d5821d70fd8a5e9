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

from tomoset.microscope.optics import height_nodes, height_weights
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
        assert np.abs(displacement_pixel(found, expected)).max() < 0.02
        assert np.sqrt(np.mean((found - expected) ** 2) / np.mean(expected**2)) < 0.01


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
        assert np.sqrt(np.mean(error**2) / np.mean(expected**2)) < 0.01


@given(st.floats(-4000, 0), st.floats(1, 4000), st.floats(2.0, 8.0))
def test_a_few_heights_interpolate_every_ctf(lowest, span, pixel):
    nodes = height_nodes(lowest, lowest + span, pixel, 300.0)
    heights = np.linspace(lowest, lowest + span, 17)
    k = np.linspace(0, min(np.sqrt(0.5) / pixel, 0.25), 60)
    optics = {"voltage_kv": 300.0, "cs_mm": 2.7, "amplitude_contrast": 0.07}
    exact = np.array([ctf(k, 35000 + h, **optics) for h in heights])
    combined = height_weights(nodes, heights) @ np.array([ctf(k, 35000 + node, **optics) for node in nodes])
    assert np.abs(combined - exact).max() < 2e-3


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


def test_nothing_wraps_around_the_edge():
    params = small(**QUIET, stage_shift_angstrom=0.0, axis_error_deg=0.0, tilt_axis_deg=0.0)
    half_width = 128 * 5.0
    movies, _ = record(specimen(params, [(half_width - 10, 0, 0)]), beads(), params)
    contrast = np.abs(undamaged_contrast(movies, 1))
    assert contrast[:, :64].max() < 2e-3 * contrast.max()


def test_less_memory_gives_the_same_answer():
    from tomoset.microscope.optics import molecule_spectrum

    params = small(**QUIET)
    movies, _ = record(crowd(params, 12), beads(positions=[(20, 0, 0), (-20, 10, 5)]), params)
    scene = movies.movies[0].frames_tyx.scene
    plenty, little = (
        molecule_spectrum(
            scene.specimen.molecules, scene.transforms, scene.view(0), params, scene.canvas, memory_gib=gib
        )
        for gib in (1.0, 1e-6)
    )
    np.testing.assert_array_equal(plenty, little)
