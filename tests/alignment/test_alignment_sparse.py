"""Few particles: where their maps put them, what the equations say of their noise, and the whole way."""

from dataclasses import replace

import numpy as np
import pytest
from alignment_phantom import make_phantom

from tomoset.alignment import AlignmentParams, align
from tomoset.alignment.bundle import solve_bundle
from tomoset.alignment.common_frame import Pose
from tomoset.alignment.marker_model import start_model
from tomoset.alignment.markers import Offsets
from tomoset.alignment.particle_maps import particle_maps, place_deviation
from tomoset.alignment.preprocess import Views
from tomoset.alignment.self_checks import own_error, specimen_slope
from tomoset.alignment.sparse_particles import _most_alike, _Tracked
from tomoset.benchmark.processing import alignment_residual
from tomoset.errors import AlignmentError
from tomoset.geometry import remove_gauge
from tomoset.model import Resources, Silent
from tomoset.physics import vertex_offset

TILTS = np.arange(-45.0, 46.0, 4.5)
PIXEL, SIZE = 15.0, 96


def noise_views(n: int, seed: int, images: np.ndarray | None = None) -> Views:
    """White noise of unit power, to which images may be added."""
    noise = np.random.default_rng(seed).normal(size=(n, SIZE, SIZE))
    k = np.arange(SIZE) / (SIZE * PIXEL)
    flat = np.ones((n, k.size))
    return Views(
        rows=np.arange(n),
        tilt_deg=np.linspace(-45, 45, n),
        pixel_size_angstrom=PIXEL,
        images_nyx=(noise if images is None else noise + images).astype(np.float32),
        frequency_per_angstrom=k,
        transfer_nk=-flat,
        power_nk=flat,
        shot_noise_n=np.full(n, 0.01),
        dose_e_per_angstrom2=np.arange(n) * 3.0,
    )


def shell(radius: float, wall: float) -> np.ndarray:
    k = np.hypot(np.fft.fftfreq(SIZE, PIXEL)[:, None], np.fft.rfftfreq(SIZE, PIXEL)[None, :])
    form = np.sinc(2 * k * radius) * np.exp(-2 * (np.pi * k * wall) ** 2) * (k > 1 / 700)
    return np.fft.fftshift(np.fft.irfft2(form, s=(SIZE, SIZE)))


def test_a_places_deviation_is_that_of_many_noisy_particles():
    template = shell(55.0, 15.0)
    strength = 9.0 / np.sqrt(np.square(template).sum())  # standard deviations of its own matched filter
    views = noise_views(60, 1, -strength * np.broadcast_to(template, (60, SIZE, SIZE)))
    maps = particle_maps(views)[1]
    middle = SIZE // 2
    heights, places = [], []
    for image in maps:
        near = image[middle - 4 : middle + 5, middle - 4 : middle + 5]
        row, column = np.unravel_index(int(near.argmax()), near.shape)
        y, x = row + middle - 4, column + middle - 4
        heights.append(image[y, x])
        places.append(
            (x - middle + vertex_offset(*image[y, x - 1 : x + 2]), y - middle + vertex_offset(*image[y - 1 : y + 2, x]))
        )
    assert np.median(heights) == pytest.approx(9.0, abs=1.0)
    expected = np.median(place_deviation(views)[1] / heights)
    assert np.std(np.array(places) * PIXEL) == pytest.approx(expected, rel=0.35)


def test_expected_errors_of_few_markers_are_those_of_many_trials():
    n, sigma = TILTS.size, 2.0
    views = replace(noise_views(n, 2), tilt_deg=TILTS)
    model = start_model(views, Pose(axis_deg=85.0, shift_uv_angstrom=np.zeros((n, 2))))
    rng = np.random.default_rng(3)
    points = rng.uniform([-600, -600, -300], [600, 600, 300], (5, 3))
    errors, expected = [], []
    for _ in range(30):
        noise = rng.normal(0, sigma, (5, n, 2))
        offsets = Offsets(uv_angstrom=noise, measured=np.ones((5, n), dtype=bool), reference_pnn=np.zeros((5, n, n)))
        bundle = solve_bundle(model, points, offsets, least_deviation_angstrom=sigma)
        residual, _ = remove_gauge(bundle.model.shift_uv_angstrom, TILTS)
        errors.append(np.mean(residual**2, axis=0))
        expected.append(bundle.error_uv_angstrom)
        assert np.all(bundle.deviation_uv_angstrom >= sigma)
    np.testing.assert_allclose(np.mean(expected, axis=0), np.sqrt(np.mean(errors, axis=0)), rtol=0.35)


def test_a_handful_of_particles_aligns_a_series():
    phantom = make_phantom(3, tilt_deg=np.arange(-45.0, 46.0, 3.0), density=0.12, shape_yx=(288, 288))
    found = align(phantom.series, AlignmentParams(), resources=Resources(), progress=Silent())
    own = found.diagnostics
    assert own["alignment.pair_agreement"] < 0.5
    assert 2 <= own["alignment.markers"] <= 20
    assert own["alignment.start_disagreement_angstrom"] <= 3.0
    residual, _ = alignment_residual(found.geometry, phantom.truth)
    rms = float(np.sqrt(np.mean(np.square(residual).sum(axis=1))))
    assert rms < 5.0  # Å; the stage's shifts are 40 Å, and the slab alone refuses this series
    assert 0.4 < own["alignment.error_angstrom"] / rms < 2.5
    assert found.geometry.z_rot_deg.mean() == pytest.approx(phantom.truth.z_rot_deg[0], abs=0.4)


def test_of_three_starts_the_two_that_agree_are_believed():
    views = replace(noise_views(TILTS.size, 2), tilt_deg=TILTS)
    wrong = np.random.default_rng(0).normal(0, 50, (TILTS.size, 2))
    moved = 30 * np.column_stack([np.cos(np.deg2rad(TILTS)), np.ones(TILTS.size)])  # the specimen's translation
    tracked = []
    for shift, particles in ((wrong, 9), (np.zeros((TILTS.size, 2)), 4), (moved, 5)):
        model = start_model(views, Pose(axis_deg=85.0, shift_uv_angstrom=shift))
        nothing = Offsets(
            uv_angstrom=np.zeros((2, TILTS.size, 2)),
            measured=np.ones((2, TILTS.size), dtype=bool),
            reference_pnn=np.zeros((2, TILTS.size, TILTS.size)),
        )
        bundle = solve_bundle(model, np.array([[0.0, 0, 0], [300.0, 200, 50]]), nothing)
        tracked.append(_Tracked(model=model, particles=particles, support=1.0, bundle=bundle))
    assert _most_alike(views, tracked) == (2, pytest.approx(0.0, abs=1e-6))
    assert _most_alike(views, tracked[:2])[1] > 20.0
    assert np.isnan(_most_alike(views, tracked[:1])[1])


def test_a_series_without_particles_to_follow_is_refused_with_numbers():
    phantom = make_phantom(4, density=0.0, tilt_deg=TILTS)
    with pytest.raises(AlignmentError, match=r"found \d+% .*expected at least 2 that stand out .*found 0"):
        align(phantom.series, AlignmentParams(), resources=Resources(), progress=Silent())
    with pytest.raises(AlignmentError, match="Allow particles as markers"):
        align(phantom.series, AlignmentParams(markers=0), resources=Resources(), progress=Silent())


def test_the_stated_error_follows_its_source_and_flags_what_is_bad():
    slab = {"alignment.slab_error_u_angstrom": 3.0, "alignment.slab_error_v_angstrom": 0.4}
    assert own_error(slab)["alignment.error_u_angstrom"] == pytest.approx(6.0)
    markers = {
        "alignment.markers_accepted": 1.0,
        "alignment.marker_error_u_angstrom": 0.4,
        "alignment.marker_error_v_angstrom": 0.3,
        "alignment.marker_residual_u_angstrom": 2.0,
    }
    quiet = own_error(slab | markers)
    assert quiet["alignment.error_u_angstrom"] == pytest.approx(np.hypot(0.4, 0.27 * 3.0))
    assert quiet["alignment.trusted"] == 1.0
    crowded = own_error(slab | markers | {"alignment.marker_residual_u_angstrom": 10.0})
    assert crowded["alignment.error_v_angstrom"] == pytest.approx(np.hypot(0.6, 0.27 * 0.4))
    few = own_error(markers | {"alignment.start_disagreement_angstrom": 0.1})
    assert few["alignment.error_angstrom"] == pytest.approx(0.5)
    assert own_error({k: 4 * v for k, v in slab.items()})["alignment.trusted"] == 0.0


def test_the_slope_of_a_slab_is_found_on_its_particles():
    rng = np.random.default_rng(5)
    x, y = rng.uniform(-3000, 3000, (2, 400))
    z = np.tan(np.deg2rad(3.0)) * x - np.tan(np.deg2rad(1.5)) * y + rng.uniform(-500, 500, 400) + 200
    slope, error = specimen_slope(np.column_stack([x, y, z]))
    assert 0.2 < error < 0.8
    np.testing.assert_allclose(slope, [3.0, -1.5], atol=3 * error)
