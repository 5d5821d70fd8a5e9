"""The parts of template matching, each against an analytic answer."""

from dataclasses import replace

import annotation_phantom as phantom
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tomoset.annotation import Template, membrane_decoy
from tomoset.annotation.templates.competition import (
    Hits,
    independent_noise_threshold,
    log_likelihood_ratio,
    measure_amplitude,
    mutually_exclusive,
    noise_threshold,
)
from tomoset.annotation.templates.envelope import best_envelope
from tomoset.annotation.templates.pursuit import tiers_of
from tomoset.annotation.templates.search import full_grid, search_rotations
from tomoset.annotation.templates.template_spectrum import template_spectrum
from tomoset.annotation.templates.transfer import box_frequencies, box_transfer, tilt_steps_rad
from tomoset.annotation.templates.whitening import crop_to_voxel_size, cropping_ratio, local_spectrum
from tomoset.geometry import Grid, TiltGeometry, point_group, random_rotations, sample_rotations
from tomoset.model import InMemory, PickableObject, Tomogram
from tomoset.reconstruction.weighting import tilt_steps_rad as reconstruction_steps_rad
from tomoset.structures import Structure, built_in_structure


def gaussian_dimer():
    return Structure(
        name="dimer",
        symmetry="C1",
        mass_kda=300.0,
        positions_angstrom_xyz=np.array([[40.0, 0.0, 0.0], [-20.0, 10.0, 30.0]]),
        strengths_volt_angstrom3=np.array([1e5, 5e4]),
        spreads_angstrom=np.array([15.0, 15.0]),
        source="two Gaussians",
    )


def analytic(structure, k_xyz, voxel):
    """Transform of Gaussians, in V · voxels."""
    phase = np.exp(-2j * np.pi * k_xyz @ structure.positions_angstrom_xyz.T)
    sigma = structure.spreads_angstrom[0]
    damped = np.exp(-2 * (np.pi * sigma) ** 2 * np.sum(k_xyz**2, axis=-1))
    return (phase @ structure.strengths_volt_angstrom3) * damped / voxel**3


def test_the_spectrum_is_the_molecules_at_every_rotation():
    from tomoset.annotation.templates import _kernels

    structure, voxel = gaussian_dimer(), 13.0
    spectrum = template_spectrum(structure, voxel)
    rng = np.random.default_rng(1)
    k = rng.uniform(-0.6, 0.6, (200, 3)) * 0.5 / voxel
    for rotation in random_rotations(3, rng):
        got = _kernels.patch_product(
            k,
            np.ones(200, np.complex128),
            np.ones(200),
            spectrum.values_zyx,
            spectrum.length_angstrom,
            rotation,
        ).conj()
        turned = replace(structure, positions_angstrom_xyz=structure.positions_angstrom_xyz @ rotation.T)
        expected = analytic(turned, k, voxel)
        assert np.abs(got - expected).max() < 0.02 * np.abs(expected).max()


def test_a_planted_molecule_is_found_where_and_as_it_is():
    """z at the right voxel and rotation is the norm of the molecule; unit-variance noise has z of unit variance."""
    structure, voxel, n = gaussian_dimer(), 13.0, 48
    rotations = random_rotations(6, np.random.default_rng(2))
    k = box_frequencies(n, voxel)
    centre_zyx = np.array([20, 30, 11])
    turned = replace(structure, positions_angstrom_xyz=structure.positions_angstrom_xyz @ rotations[4].T)
    band = np.linalg.norm(k, axis=-1) < 0.5 / voxel
    volume_hat = analytic(turned, k, voxel) * np.exp(-2j * np.pi * k @ (centre_zyx[::-1] * voxel)) * band
    volume = np.fft.irfftn(volume_hat, s=(n, n, n), axes=(0, 1, 2))
    scores = search_rotations(
        np.fft.rfftn(volume).astype(np.complex64),
        (n, n, n),
        voxel,
        band.astype(np.float32),
        template_spectrum(structure, voxel),
        rotations,
        workers=2,
        step=lambda: None,
    )
    peak = np.unravel_index(np.argmax(scores.z_zyx), scores.z_zyx.shape)
    assert tuple(peak) == tuple(centre_zyx)
    assert scores.rotation_index_zyx[peak] == 4
    assert scores.z_zyx[peak] == pytest.approx(np.linalg.norm(volume), rel=0.01)
    assert scores.norms[4] == pytest.approx(np.linalg.norm(volume), rel=0.01)
    assert scores.inverted_z_zyx[peak] < 0


def test_noise_has_unit_variance_in_the_score():
    n, voxel = 48, 13.0
    noise = np.random.default_rng(3).normal(size=(n, n, n)).astype(np.float32)
    band = (np.linalg.norm(box_frequencies(n, voxel), axis=-1) < 0.5 / voxel).astype(np.float32)
    scores = search_rotations(
        np.fft.rfftn(noise).astype(np.complex64),
        (n, n, n),
        voxel,
        band,
        template_spectrum(built_in_structure("apoferritin"), voxel),
        np.eye(3)[None],
        workers=1,
        step=lambda: None,
    )
    assert scores.z_zyx.std() == pytest.approx(1.0, abs=0.03)
    np.testing.assert_array_equal(scores.inverted_z_zyx, -scores.z_zyx)


def test_symmetric_copies_of_a_rotation_score_the_same():
    n, voxel = 32, 13.0
    rng = np.random.default_rng(4)
    noise = np.fft.rfftn(rng.normal(size=(n, n, n))).astype(np.complex64)
    weight = (np.linalg.norm(box_frequencies(n, voxel), axis=-1) < 0.5 / voxel).astype(np.float32)
    rotation = random_rotations(1, rng)[0]
    maps = [
        search_rotations(
            noise,
            (n, n, n),
            voxel,
            weight,
            template_spectrum(built_in_structure("proteasome"), voxel),
            (rotation @ element)[None],
            workers=1,
            step=lambda: None,
        ).z_zyx
        for element in point_group("D7").rotations[[0, 3, 9]]
    ]
    for other in maps[1:]:
        assert np.abs(other - maps[0]).std() < 0.05


def test_fourier_cropping_leaves_voxel_zero_where_it_is():
    shape, voxel = (30, 41, 37), 10.0
    place = np.array([123.0, 231.0, 140.0])
    axes = np.meshgrid(*(np.arange(s) * voxel for s in shape), indexing="ij")
    distance = sum((a - p) ** 2 for a, p in zip(axes[::-1], place, strict=True))
    cropped = crop_to_voxel_size(np.exp(-distance / (2 * 30.0**2)).astype(np.float32), voxel, 40 / 3)
    assert cropped.voxel_size_angstrom == pytest.approx(40 / 3)
    z, y, x = cropped.used_zyx
    volume = cropped.volume_zyx[:z, :y, :x].astype(float)
    volume = np.clip(volume - np.median(volume), 0, None)
    axes = np.meshgrid(*(np.arange(s) * 40 / 3 for s in (z, y, x)), indexing="ij")
    found = [float((a * volume).sum() / volume.sum()) for a in axes[::-1]]
    np.testing.assert_allclose(found, place, atol=3.0)
    assert float(volume.max()) == pytest.approx(1.0, abs=0.15)


def test_padding_before_the_volume_has_negative_positions():
    cropped = crop_to_voxel_size(np.zeros((20, 20, 20), np.float32), 10.0, 20.0, margin_angstrom=100.0)
    assert cropped.used_zyx == (10, 10, 10)
    assert min(cropped.volume_zyx.shape) >= 20
    n = cropped.volume_zyx.shape[0]
    index = np.array([[0, 9, 12], [n - 1, n - 3, 0]])
    np.testing.assert_allclose(cropped.positions_angstrom_xyz(index), [[240, 180, 0], [0, -60, -20]])


@pytest.mark.parametrize(("voxel", "wanted"), [(18.0, 20.0), (12.0, 40.0 / 3.0), (7.0, 11.0), (10.0, 13.0)])
def test_any_pair_of_voxel_sizes_can_be_cropped(voxel, wanted):
    """Ratios such as 9/10 and 7/8 hold primes that no quick transform length has."""
    rng = np.random.default_rng(2)
    cropped = crop_to_voxel_size(rng.standard_normal((20, 33, 47)).astype(np.float32), voxel, wanted)
    assert cropped.voxel_size_angstrom == pytest.approx(wanted, rel=0.07)
    assert all(n % 2 == 0 for n in cropped.volume_zyx.shape)


def test_ratios_are_small_integers():
    assert cropping_ratio(10.0, 40 / 3) == pytest.approx(3 / 4)
    assert cropping_ratio(10.0, 20.0) == pytest.approx(1 / 2)
    assert cropping_ratio(10.0, 5.0) == 1
    assert cropping_ratio(1.0, 100.0) == pytest.approx(1 / 8)


def test_white_noise_has_a_flat_spectrum_of_one():
    noise = np.random.default_rng(0).normal(size=(48, 64, 56)).astype(np.float32)
    spectrum = local_spectrum(noise, (48, 64, 56), 16)
    inner = spectrum[3:-3, 3:-3, 3:]
    assert inner.mean() == pytest.approx(1.0, abs=0.05)
    assert inner.std() < 0.1


def test_interpolated_grids_agree_where_they_meet():
    rng = np.random.default_rng(1)
    smooth = rng.normal(size=(4, 4, 3)).astype(np.float32)
    out = full_grid(smooth, (8, 8, 8))
    np.testing.assert_allclose(out[::2, ::2, ::2], smooth, atol=1e-6)


def transfer_of(tilts, **options):
    series, _, _ = phantom.make_series(0, {}, (500.0, 500.0, 300.0), image_yx=(32, 32), tilts=tilts)
    n = len(tilts)
    geometry = TiltGeometry(
        y_tilt_deg=tilts,
        z_rot_deg=np.full(n, 85.3),
        shift_xy_angstrom=np.zeros((n, 2)),
        magnification=options.pop("magnification", None),
    )
    grid = Grid(shape_zyx=(4, 4, 4), voxel_size_angstrom=10.0)
    tomogram = Tomogram(
        run="TS-1",
        grid=grid,
        volume_zyx=InMemory(np.zeros((4, 4, 4), np.float32)),
        tilt_indices=tuple(range(n)),
        geometry=geometry,
        ctf_corrected=options.pop("ctf_corrected", True),
    )
    return box_transfer(tomogram, series, 32, 13.0, dose_weighted=False)


def test_the_missing_wedge_is_where_it_belongs():
    """With the tilt axis along y and ±45° of tilt, |kz| > |kx| was not measured."""
    transfer = transfer_of(np.arange(-45.0, 46.0, 3.0))
    k = box_frequencies(32, 13.0)
    in_band = (np.linalg.norm(k, axis=-1) < 0.5 / 13.0) & (np.abs(k[..., 0]) > 0.012)
    measured = in_band & (np.abs(k[..., 2]) < 0.8 * np.abs(k[..., 0]))
    missing = in_band & (np.abs(k[..., 2]) > 1.3 * np.abs(k[..., 0]))
    assert transfer.coverage_zyx[measured].mean() == pytest.approx(1.0, abs=0.05)
    assert transfer.coverage_zyx[measured].min() > 0.6
    assert transfer.coverage_zyx[missing].max() < 0.25


@given(
    tilts=st.lists(st.floats(-60, 60), min_size=2, max_size=12, unique_by=lambda t: round(t, 2)),
)
def test_views_weigh_as_in_the_reconstruction(tilts):
    np.testing.assert_allclose(tilt_steps_rad(np.array(tilts)), reconstruction_steps_rad(np.array(tilts)))


def test_views_beside_a_gap_stand_for_it():
    """The neighbours of two missing views weigh twice as much: what is covered does not change in all."""
    tilts = np.arange(-45.0, 46.0, 3.0)
    even, gap = transfer_of(tilts), transfer_of(np.delete(tilts, [20, 21]))  # 15° and 18°
    k = box_frequencies(32, 13.0)
    band = (np.linalg.norm(k, axis=-1) < 0.3 / 13.0) & (np.abs(k[..., 0]) > 0.012)
    slope_deg = np.abs(np.rad2deg(np.arctan2(k[..., 2], np.maximum(k[..., 0], 1e-9))))
    around = band & (slope_deg > 5) & (slope_deg < 28)
    assert gap.coverage_zyx[around].sum() / even.coverage_zyx[around].sum() == pytest.approx(1.0, abs=0.02)


def test_a_views_magnification_is_taken_out_of_its_optics():
    """A view magnified by ten per cent shows detail of 110 Å where its CTF has 121 Å."""
    tilts = np.arange(-45.0, 46.0, 3.0)
    plain, scaled = transfer_of(tilts), transfer_of(tilts, magnification=np.full(len(tilts), 1.1))
    assert np.abs(plain.signal_zyx - scaled.signal_zyx).max() > 0.01
    np.testing.assert_allclose(plain.coverage_zyx, scaled.coverage_zyx)


def test_heavy_classes_come_first_and_membranes_with_the_light_ones():
    made = phantom.templates(("apoferritin", "proteasome"))
    light = [
        Template(
            object=PickableObject(name=name, label=5, radius_angstrom=45.0),
            structure=built_in_structure(name),
        )
        for name in ("bsa", "beta-amylase")
    ]
    patch = membrane_decoy(PickableObject(name="liposome", label=7, radius_angstrom=25.0, is_particle=False))
    names = [[t.object.name for t in tier] for tier in tiers_of([*light, patch, *made])]
    assert names == [["apoferritin", "proteasome"], ["beta-amylase", "liposome"], ["bsa"]]
    assert [len(tier) for tier in tiers_of([*made, patch])] == [3]


def test_phase_flipping_makes_the_transfer_positive():
    flipped = transfer_of(np.arange(-45.0, 46.0, 3.0)).signal_zyx
    plain = transfer_of(np.arange(-45.0, 46.0, 3.0), ctf_corrected=False).signal_zyx
    assert flipped.min() >= 0
    np.testing.assert_allclose(np.abs(plain).max(), flipped.max(), rtol=1e-3)
    k = np.linalg.norm(box_frequencies(32, 13.0), axis=-1)
    assert plain[(k > 0) & (k < 1 / 60)].min() >= 0  # underfocus: protein dark, −CTF positive before the first zero


def test_the_blur_is_measured_from_correlations_in_shells():
    rng = np.random.default_rng(0)
    k = np.linspace(0.002, 0.037, 24)
    power = np.exp(-k * 30) * np.ones((10, 1))
    fading = np.exp(-2 * np.square(np.pi * 8.0 * k))
    noisy = 0.01 * power * fading + 0.0001 * rng.normal(size=power.shape) * np.sqrt(power)
    assert best_envelope(noisy, power, k) == pytest.approx(8.0, abs=0.5)


def hits(points, z, norm):
    n = len(points)
    return Hits(
        np.asarray(points, dtype=float).reshape(-1, 3),
        np.broadcast_to(np.eye(3), (n, 3, 3)),
        np.asarray(z, dtype=float),
        np.full(n, float(norm)),
    )


def test_the_likelihood_ratio_is_largest_for_the_right_amplitude():
    z, norm = 12.0, 10.0
    ratios = [float(log_likelihood_ratio(z, norm, a)) for a in (0.6, 1.2, 1.8)]
    assert ratios[1] == max(ratios) == pytest.approx(0.5 * z**2)


def test_the_better_class_takes_the_place():
    near = [np.array([[0.0, 0, 0], [300.0, 0, 0]]), np.array([[20.0, 0, 0], [600.0, 0, 0]])]
    chosen = mutually_exclusive(near, [np.array([5.0, 4.0]), np.array([9.0, 1.0])], [60.0, 75.0], 0.75)
    assert [c.tolist() for c in chosen] == [[1], [0, 1]]
    assert [c.tolist() for c in mutually_exclusive([np.zeros((0, 3))], [np.zeros(0)], [60.0], 0.75)] == [[]]


def test_the_noise_threshold_counts_chance():
    rng = np.random.default_rng(0)
    maxima = np.sqrt(2 * rng.exponential(1.0, 20_000))  # n(> z) = 20 000 exp(−z²/2), so one lies above 4.45
    assert noise_threshold(maxima, 1.0) == pytest.approx(np.sqrt(2 * np.log(20_000)), abs=0.3)
    assert noise_threshold(maxima, 0.01) > noise_threshold(maxima, 1.0) + 0.5
    assert noise_threshold([], 1.0) == float("inf")
    assert independent_noise_threshold(1e6, 1.0) == pytest.approx(4.753, abs=1e-3)


def test_the_amplitude_comes_from_the_class_that_fits_best():
    far = np.arange(5)[:, None] * np.array([1000.0, 0, 0])
    real, junk = hits(far, np.full(5, 20.0), 10.0), hits(far + np.array([0, 900.0, 0]), np.full(5, 9.0), 30.0)
    amplitude, sure = measure_amplitude([real, junk], [60.0, 140.0], [6.0, 6.0], 0.75)
    assert amplitude == pytest.approx(2.0)
    assert [len(each) for each in sure] == [5, 5]
    assert measure_amplitude([hits(far, np.full(5, 5.0), 10.0)], [60.0], [6.0], 0.75)[0] is None


def test_rotations_are_thinned_by_symmetry():
    assert len(sample_rotations(20.0, point_group("I"))) < len(sample_rotations(20.0, point_group("C1"))) / 50
