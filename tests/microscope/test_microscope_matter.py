"""Points of potential, absorption, ice maps, lens and specimen imperfections: against closed forms."""

import dataclasses

import numpy as np
import pytest
from microscope_scene import QUIET, analytic_contrast, beads, record, small, specimen, undamaged_contrast

from tomoset.geometry import quadratic_terms, random_rotations
from tomoset.microscope.beads import bead_model, project_beads
from tomoset.microscope.field import canvas_of
from tomoset.microscope.ice import ice_path, ice_spectrum
from tomoset.microscope.optics import matter_spectrum
from tomoset.microscope.projection import project_molecules, transform_molecule
from tomoset.microscope.rendering import bar_shadow, surviving_frequency
from tomoset.model import IceLayer, Scatterers, deformation_terms
from tomoset.physics import damage_amplitude

STILL = {**QUIET, "stage_shift_angstrom": 0.0, "axis_error_deg": 0.0, "gain_spread": 0.0}


def points(positions, strength=4e6, spread=12.0, **changes):
    positions = np.asarray(positions, dtype=np.float32).reshape(-1, 3)
    return Scatterers(
        name="points",
        positions_angstrom_xyz=positions,
        strengths_volt_angstrom3=np.full(len(positions), strength, dtype=np.float32),
        spread_angstrom=spread,
        **changes,
    )


def with_matter(params, *scatterers, thickness=1000.0, ice=None, molecules=()):
    return dataclasses.replace(specimen(params, molecules, thickness=thickness), scatterers=scatterers, ice=ice)


def relative_error(found, expected, border=24):
    inner = (slice(border, -border), slice(border, -border))
    return np.sqrt(np.mean((found - expected)[inner] ** 2) / np.mean(expected[inner] ** 2))


def expected_view(params, truth, tilt, positions, **changes):
    landed = truth.geometry.project(positions)[tilt]
    heights = truth.geometry.height_angstrom(positions)[tilt]
    return analytic_contrast(params, landed, truth.defocus_angstrom[tilt] + heights, **changes)


@pytest.mark.parametrize(("spread", "bar"), [(12.0, 0.002), (5.0, 0.005)])
def test_scatterers_are_imaged_at_their_own_place_and_height(spread, bar):
    params = small(**QUIET, cs_mm=0.0)
    rng = np.random.default_rng(4)
    positions = np.column_stack([rng.uniform(-250, 250, (12, 2)), rng.uniform(-400, 400, 12)])
    movies, truth = record(with_matter(params, points(positions, spread=spread)), beads(), params)
    for tilt in range(3):
        expected = expected_view(params, truth, tilt, positions.astype(np.float32), spread=spread)
        assert relative_error(undamaged_contrast(movies, tilt), expected) < bar


def test_what_does_not_fade_is_seen_undimmed_in_the_last_frame():
    params = small(**STILL, total_dose_e_per_angstrom2=90.0, n_frames=10)
    late = {}
    for fades in (True, False):
        movies, _ = record(with_matter(params, points([(0, 0, 0)], fades=fades)), beads(), params)
        scene = movies.movies[0].frames_tyx.scene
        first, last = (np.fft.rfft2(scene.contrast(tilt, frame)) for tilt, frame in ((1, 0), (0, 9)))
        late[fades] = abs(last[0, 4] / first[0, 4])
    k = 4 / (256 * 5.0)
    assert late[True] == pytest.approx(damage_amplitude(k, 88.5) / damage_amplitude(k, 1.5), rel=0.03)
    assert late[False] > 0.98


def test_absorbing_matter_takes_its_share_and_moves_with_the_frame():
    params = small(**{**STILL, "drift_angstrom": 20.0})
    spread, absorption = 60.0, 8000.0
    gold = points([(0, 0, 0)], strength=0.0, spread=spread, absorptions_angstrom2=np.array([absorption], np.float32))
    movies, truth = record(with_matter(params, gold), beads(), params)
    scene = movies.movies[1].frames_tyx.scene
    y, x = np.mgrid[-96:96, -128:128] * 5.0
    for frame in range(3):
        shift_x, shift_y = truth.frame_shift_xy_angstrom[1, frame]
        square = ((x - shift_x) ** 2 + (y - shift_y) ** 2) / (2 * spread**2)
        expected = np.exp(-absorption / (2 * np.pi * spread**2) * np.exp(-square))
        found = scene.expected_counts(1, frame)
        assert expected.min() < 0.72
        np.testing.assert_allclose(found / np.median(found[:20]), expected, atol=2e-3)


def test_ice_follows_its_map_and_holes_are_bright_and_silent():
    params = small(**{**STILL, "ice_phase_noise": 0.05}, tilt_axis_deg=0.0)
    spacing, n = 20.0, 256
    x = (np.arange(n) - n // 2) * spacing
    thickness = np.where(x > 100, 0.0, 800.0 - 0.3 * x)[None, :].repeat(n, axis=0).astype(np.float32)
    ice = IceLayer(bottom_angstrom_yx=-thickness / 2, top_angstrom_yx=thickness / 2, spacing_angstrom=spacing)
    movies, _ = record(with_matter(params, ice=ice), beads(), params)
    flat = params.electrons_per_pixel_and_frame * params.dqe
    image_x = (np.arange(256) - 128) * 5.0
    for tilt, cosine in ((1, 1.0), (2, np.sqrt(0.5))):
        scene = movies.movies[tilt].frames_tyx.scene
        expected = scene.expected_counts(tilt, 0)
        share = expected.mean(axis=0) / flat
        beyond, within = image_x / cosine > 150, image_x / cosine < 50
        np.testing.assert_allclose(share[beyond], 1.0, atol=0.01)
        path = (800.0 - 0.3 * image_x / cosine) / cosine
        np.testing.assert_allclose(share[within], np.exp(-path / 3950.0)[within], rtol=0.03)
        noise = scene.contrast(tilt, 0)
        assert noise[:, image_x / cosine > 500].std() < 0.1 * noise[:, image_x / cosine < 0].std()


def test_astigmatism_and_envelopes_change_the_image_as_written_down():
    changes = {"astigmatism_angstrom": 1500.0, "astigmatism_deg": 30.0, "illumination_half_angle_mrad": 0.08}
    params = small(**STILL, **changes, focal_spread_angstrom=900.0, mtf="k3-standard", frame_shape_yx=(256, 256))
    movies, truth = record(with_matter(params, points([(0, 0, 0)], spread=8.0)), beads(), params)
    found = np.fft.rfft2(np.fft.ifftshift(undamaged_contrast(movies, 1)))
    ky, kx = np.fft.fftfreq(256, 5.0)[:, None], np.fft.rfftfreq(256, 5.0)[None, :]
    k, azimuth = np.hypot(kx, ky), np.arctan2(ky, kx)
    wavelength, mean = 0.0196875, truth.defocus_angstrom[1]
    defocus = mean + 750.0 * np.cos(2 * (azimuth - np.deg2rad(30.0)))
    chi = np.pi * wavelength * k**2 * (defocus - 0.5 * wavelength**2 * 2.7e7 * k**2) + np.arcsin(0.07)
    slope = 2.7e7 * wavelength**2 * k**3 - mean * k
    envelope = np.exp(-((np.pi * 8e-5 * slope) ** 2) - 0.5 * (np.pi * wavelength * 900.0 * k**2) ** 2)
    camera = np.interp(k * 5.0, [0, 0.127, 0.254, 0.381, 0.508], [1.0, 0.9613, 0.8859, 0.7650, 0.6279])
    scale = 2 * 6.526e-4 * 4e6 / 25.0
    expected = -scale * np.exp(-2 * (np.pi * 8.0 * k) ** 2) * np.sin(chi) * envelope * camera
    band = (k > 0.005) & (k < 0.07)
    error = np.sqrt(np.mean(np.abs(found - expected)[band] ** 2) / np.mean(expected[band] ** 2))
    assert error < 0.01
    # Without any of these the image is another one.
    plain, _ = record(
        with_matter(small(**STILL, frame_shape_yx=(256, 256)), points([(0, 0, 0)], spread=8.0)),
        beads(),
        small(**STILL, frame_shape_yx=(256, 256)),
    )
    other = np.fft.rfft2(np.fft.ifftshift(undamaged_contrast(plain, 1)))
    assert np.sqrt(np.mean(np.abs(other - expected)[band] ** 2) / np.mean(expected[band] ** 2)) > 0.08


def test_magnification_and_deformation_move_matter_as_the_truth_says():
    params = small(**QUIET, magnification_error=0.01, deformation_angstrom=60.0, total_dose_e_per_angstrom2=3.0)
    rng = np.random.default_rng(7)
    positions = np.column_stack([rng.uniform(-250, 250, (10, 2)), rng.uniform(-300, 300, 10)])
    matter = specimen(params, positions[:5])
    matter = dataclasses.replace(matter, scatterers=(points(positions[5:]),))
    movies, truth = record(matter, beads(), params)
    assert np.abs(truth.magnification - 1).max() > 0.002
    for tilt in range(3):
        moved = positions + deformation_terms(positions / truth.field_angstrom) @ truth.deformation[tilt].T
        assert np.abs(moved - positions).max() > 3.0
        landed = truth.magnification[tilt] * truth.geometry.project(moved)[tilt]
        defoci = truth.defocus_angstrom[tilt] + truth.geometry.height_angstrom(moved)[tilt]
        scale = truth.magnification[tilt]
        # A magnified Gaussian is a wider one of the same area integral; its CTF is that of the specimen's frequencies.
        expected = analytic_contrast(params, landed, defoci, spread=12.0 * scale, strength=4e6 * scale**2)
        assert relative_error(undamaged_contrast(movies, tilt), expected) < 0.03
        still = analytic_contrast(params, truth.geometry.project(positions)[tilt], defoci)
        assert relative_error(undamaged_contrast(movies, tilt), still) > 0.1


def test_local_motion_warps_each_frame_by_the_polynomials():
    params = small(**QUIET, local_motion_angstrom=5.0)
    grid = np.array([(x, y, 0.0) for x in (-350, 0, 350) for y in (-250, 0, 250)])
    movies, truth = record(with_matter(params, points(grid, spread=10.0, fades=False)), beads(), params)
    scene = movies.movies[1].frames_tyx.scene
    landed = truth.geometry.project(grid)[1]
    for frame in range(3):
        motion = quadratic_terms(landed / truth.field_angstrom) @ truth.local_motion[1, frame].T
        expected = expected_places(params, truth, landed + motion)
        assert relative_error(scene.contrast(1, frame), expected, border=40) < 0.04
        if np.abs(motion).max() > 4:
            assert relative_error(scene.contrast(1, frame), expected_places(params, truth, landed), border=40) > 0.08


def expected_places(params, truth, landed):
    return analytic_contrast(params, landed, np.full(len(landed), truth.defocus_angstrom[1]), spread=10.0)


def test_a_moving_frame_is_the_first_frame_moved_for_splines_too():
    quiet = {**STILL, "drift_angstrom": 20.0}
    plain, warped = small(**quiet), small(**quiet, local_motion_angstrom=1e-9)
    images = [
        record(with_matter(p, points([(30, 20, 0)], spread=6.0)), beads(), p)[0]
        .movies[1]
        .frames_tyx.scene.contrast(1, 2)
        for p in (plain, warped)
    ]
    assert relative_error(images[1], images[0]) < 1e-3


def test_structures_of_the_ice_are_forgotten_over_the_dose():
    params = small(**{**QUIET, "ice_phase_noise": 0.1}, n_frames=8, ice_correlation_dose_e_per_angstrom2=2.0)
    movies, _ = record(specimen(params, []), beads(), params)
    scene = movies.movies[1].frames_tyx.scene
    frames = [scene.contrast(1, frame) for frame in range(8)]
    alike = [np.corrcoef(frames[0].ravel(), frame.ravel())[0, 1] for frame in frames]
    assert np.all(np.diff(alike[:5]) < 0.02)
    assert alike[1] > 0.8
    assert abs(alike[-1]) < 0.1
    powers = [frame.var() for frame in frames]
    assert max(powers) / min(powers) < 1.1


@pytest.mark.parametrize("tilt", [0, 1])
def test_the_ice_has_the_power_of_its_depth_at_every_place(tilt):
    thickness, n = 1500.0, 512
    params = small(**{**QUIET, "ice_phase_noise": 0.05}, frame_shape_yx=(n, n), tilt_axis_deg=0.0)
    movies, truth = record(specimen(params, [], thickness=thickness), beads(), params)
    scene = movies.movies[tilt].frames_tyx.scene
    rendered = scene.rendered(tilt)
    rng = np.random.default_rng(3)
    path = ice_path(scene.specimen, scene.view(tilt), rendered.canvas)
    width = 128  # a strip along the tilt axis, narrow enough for one height
    window = np.outer(np.hanning(n), np.hanning(width))
    power = 0.0
    for _ in range(12):
        spectrum = ice_spectrum(scene.view(tilt), path, params, rendered.canvas, rng)
        contrast = scene.canvas.frame(np.fft.irfft2(spectrum, rendered.canvas.shape_yx))
        power = power + np.abs(np.fft.rfft2(contrast[:, -width:] * window)) ** 2 / 12
    k = np.hypot(np.fft.fftfreq(n, 5.0)[:, None], np.fft.rfftfreq(width, 5.0)[None, :])
    # Power of white noise of the phase, its rings blurred by the depth and by the heights within the strip.
    x = ((np.arange(n)[-width:] - n // 2) * 5.0)[:, None] - truth.geometry.shift_xy_angstrom[tilt, 0]
    height = -x * np.tan(np.deg2rad(truth.geometry.y_tilt_deg[tilt]))
    weight = np.hanning(width)[:, None] ** 2 / (np.hanning(width) ** 2).sum()
    length = thickness / np.cos(np.deg2rad(truth.geometry.y_tilt_deg[tilt]))
    rings = np.linspace(0.02, 0.095, 60)
    chi = np.pi * 0.0196875 * rings**2 * (truth.defocus_angstrom[tilt] + height - 5232.0 * rings**2) + np.arcsin(0.07)
    blurred = np.sinc(0.0196875 * rings**2 * length) * (weight * np.cos(2 * chi)).sum(axis=0)
    phase = 2 * 0.05 * (10.0 / 5.0) * np.sqrt(length / 1800.0)
    expected = phase**2 * 0.5 * (1 - blurred) * (window**2).sum()
    found = [power[np.abs(k - ring) < 0.0006].mean() for ring in rings]
    assert np.sqrt(np.mean((found / expected.mean() - expected / expected.mean()) ** 2)) < 0.12
    assert np.mean(found) == pytest.approx(expected.mean(), rel=0.03)
    assert np.corrcoef(found, expected)[0, 1] > 0.85


def test_late_views_are_computed_on_a_coarse_canvas_and_look_the_same():
    params = small(**QUIET, pixel_size_angstrom=2.0, frame_shape_yx=(256, 288), total_dose_e_per_angstrom2=100.0)
    rng = np.random.default_rng(1)
    structure = beads(positions=rng.normal(scale=25.0, size=(80, 3)), spread=1.5)
    positions = np.column_stack([rng.uniform(-200, 200, (8, 2)), rng.uniform(-300, 300, 8)])
    scene_specimen = specimen(params, positions, rotations=random_rotations(8, rng))
    movies, _ = record(scene_specimen, structure, params)
    scene = movies.movies[0].frames_tyx.scene
    rendered = scene.rendered(0)
    assert rendered.fading_canvas.shape_yx[0] < 0.7 * scene.canvas.shape_yx[0]
    found = scene.contrast(0, 0)
    whole = matter_spectrum(scene_specimen.molecules, scene.transforms, scene.view(0), params, rendered.canvas)
    ky, kx = np.fft.fftfreq(rendered.canvas.shape_yx[0], 2.0), np.fft.rfftfreq(rendered.canvas.shape_yx[1], 2.0)
    dose = params.dose_per_tilt_e_per_angstrom2 * (2 + 0.5 / 3)
    whole = whole * damage_amplitude(np.hypot(ky[:, None], kx[None, :]), dose)
    expected = scene.canvas.frame(np.fft.irfft2(whole, rendered.canvas.shape_yx))
    shift = scene.conditions.frame_shift_xy_angstrom[0, 0]
    assert np.abs(shift).max() < 1e-9
    assert relative_error(found, expected) < 0.01


def test_points_of_each_width_have_their_own_canvas_and_add_up():
    params = small(**QUIET, pixel_size_angstrom=2.0, frame_shape_yx=(256, 288), total_dose_e_per_angstrom2=3.0)
    rng = np.random.default_rng(2)
    clouds = []
    for spread, fades in ((2.5, True), (8.0, True), (5.0, False), (20.0, False)):
        places = np.column_stack([rng.uniform(-200, 200, (9, 2)), rng.uniform(-300, 300, 9)])
        clouds.append(points(places, strength=3e4 * spread**2, spread=spread, fades=fades))
    matter = with_matter(params, *clouds)
    movies, _ = record(matter, beads(), params)
    scene = movies.movies[0].frames_tyx.scene
    rendered = scene.rendered(0)
    whole = matter_spectrum((), {}, scene.view(0), params, rendered.canvas, scatterers=tuple(clouds))
    expected = scene.canvas.frame(np.fft.irfft2(whole, rendered.canvas.shape_yx))
    found = sum(np.fft.irfft2(part, rendered.canvas.shape_yx) for part in scene.contrast_spectra(0))
    assert relative_error(scene.canvas.frame(found), expected) < 0.005


def test_what_survives_a_dose_is_told_by_damage_and_the_points_width():
    assert surviving_frequency(0.5, 0.0, 0.25, 300.0) == 0.25
    late = surviving_frequency(0.5, 100.0, 0.25, 300.0)
    assert damage_amplitude(late, 100.0) >= 0.01 > damage_amplitude(late + 0.001, 100.0)
    assert surviving_frequency(6.0, 0.0, 0.25, 300.0) < 0.12


@pytest.mark.parametrize("pixel", [2.0, 3.5])
def test_beads_and_slices_give_the_same_projection(pixel):
    rng = np.random.default_rng(5)
    structure = beads(positions=rng.normal(scale=20.0, size=(50, 3)), spread=4.5)
    rotations, offsets = random_rotations(4, rng), rng.uniform(-0.5, 0.5, (4, 2))
    sliced = project_molecules(transform_molecule(structure, pixel), rotations, offsets)
    splatted = project_beads(bead_model(structure), pixel, rotations, offsets)
    half = min(sliced.shape[1], splatted.shape[1]) // 2
    middles = [p[:, (n := p.shape[1] // 2) - half : n + half, n - half : n + half] for p in (sliced, splatted)]
    assert np.sqrt(np.mean((middles[0] - middles[1]) ** 2) / np.mean(middles[0] ** 2)) < 0.002


def test_a_grid_bar_hides_one_side():
    params = small()
    shadow = bar_shadow(np.array([1.0, 0.0, 200.0]), canvas_of(params))
    frame = canvas_of(params).frame(shadow)
    assert frame[:, :140].min() > 0.98
    assert frame[:, 190:].max() < 0.02
    assert bar_shadow(np.array([0.0, 0.0, np.inf]), canvas_of(params)) is None
