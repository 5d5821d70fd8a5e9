"""Beads land where the geometry says, noise agrees with an independent sum, and only waiting depends on resources."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.ndimage import map_coordinates

from tomoset.errors import GeometryError, ParameterError
from tomoset.geometry import TiltGeometry
from tomoset.model import InMemory, Optics, Resources, Silent
from tomoset.physics import ctf, rfft_frequency_2d
from tomoset.reconstruction import ReconstructionParams, methods_text, reconstruct

PLAIN = ReconstructionParams(
    voxel_size_angstrom=10.0, thickness_angstrom=240.0, dose_weighting=False, ctf_correction="none"
)
BEAD = np.array([63.0, -41.0, 27.0])


def run(series, params=PLAIN, **resources):
    return reconstruct(series, params, resources=Resources(**resources), progress=Silent())


def darkest_index(volume, guess):
    """Sub-voxel minimum near a guess: quintic splines on ever finer grids."""
    found = np.asarray(guess, float)
    for step in (1.0, 0.25, 0.06, 0.015):
        offsets = np.stack(np.meshgrid(*[np.arange(-3, 4) * step] * 3, indexing="ij"))
        at = found[:, None, None, None] + offsets
        values = map_coordinates(volume.astype(float), at, order=5, mode="nearest")
        found = at.reshape(3, -1)[:, values.argmin()]
    return found


@pytest.mark.parametrize(
    ("axis_deg", "shape_yx", "shifts", "x_tilt", "pixel"),
    [
        (0.0, (96, 128), 0.0, 0.0, 5.0),
        (0.0, (97, 111), 35.0, 0.0, 5.0),
        (85.3, (96, 128), 35.0, 0.0, 5.0),
        (-95.0, (128, 96), 35.0, 0.0, 5.0),
        (47.0, (112, 112), 35.0, 0.0, 3.3),
        (175.0, (64, 64), 35.0, 0.0, 10.0),
        (85.0, (96, 128), 35.0, 6.0, 5.0),
    ],
)
def test_bead_appears_where_the_geometry_says(bead_series, axis_deg, shape_yx, shifts, x_tilt, pixel):
    series = bead_series(
        beads_xyz=BEAD, axis_deg=axis_deg, shape_yx=shape_yx, shifts=shifts, x_tilt=x_tilt, pixel=pixel
    )
    tomogram = run(series)
    expected = tomogram.grid.index_zyx(tomogram.grid.volume_from_specimen(BEAD))
    found = darkest_index(tomogram.volume_zyx.read(), expected)
    assert np.abs(found - expected).max() < 0.05
    assert tomogram.volume_zyx.read().min() == tomogram.volume_zyx.read()[tuple(np.round(found).astype(int))]


@pytest.mark.parametrize(
    ("axis_deg", "lateral"), [(0.0, (48, 64)), (85.3, (64, 48)), (-95.0, (64, 48)), (178.0, (48, 64))]
)
def test_volume_holds_the_whole_field(bead_series, axis_deg, lateral):
    tomogram = run(bead_series(beads_xyz=BEAD, axis_deg=axis_deg))
    assert tomogram.grid.shape_zyx == (24, *lateral)
    assert tomogram.tilt_indices == tuple(range(41))


def test_amplitude_is_the_change_of_intensity_a_voxel_makes(bead_series):
    series = bead_series(beads_xyz=np.zeros(3), tilts=np.arange(-90.0, 90.0, 2.0), sigma=25.0)
    peak = -run(series).volume_zyx.read().min()
    # The line integral through the bead's middle is 0.1 = density * sigma * sqrt(2 pi).
    assert peak == pytest.approx(0.1 / (25.0 * np.sqrt(2 * np.pi)) * 10.0, rel=0.03)


def test_noise_agrees_with_an_independent_reconstruction(bead_series):
    """Ramp along x by a long zero-padded 1-D transform, trigonometric interpolation, float64 sum."""
    tilt = np.arange(-60.0, 61.0, 6.0)
    series = bead_series(beads_xyz=BEAD, tilts=tilt, shape_yx=(40, 192), pixel=10.0)
    noise = _band_limited(np.random.default_rng(3).normal(0, 0.05, (tilt.size, 40, 192)), axes=(1, 2))
    noise -= noise.mean(axis=(1, 2), keepdims=True)
    series = replace(series, images_nyx=InMemory((100 * (1 + noise)).astype(np.float32)))
    ours = run(series).volume_zyx.read().astype(float)
    padded, k = np.fft.fft(noise, n=1024, axis=2), np.fft.fftfreq(1024)
    z, x = np.meshgrid(np.arange(24) - 12, np.arange(-16, 16), indexing="ij")
    theirs = np.zeros((24, 40, 32))
    for t, angle in enumerate(np.deg2rad(tilt)):
        u = x * np.cos(angle) + z * np.sin(angle) + 96
        waves = np.exp(2j * np.pi * k[:, None] * u.ravel()[None, :]) / 1024
        theirs += ((padded[t] * np.abs(k) * np.deg2rad(6.0)) @ waves).real.reshape(40, 24, 32).swapaxes(0, 1)
    # Away from the edges, which are continued in different ways.
    ours, theirs = ours[:, 12:-12, 80:112], theirs[:, 12:-12]
    assert np.corrcoef(ours.ravel(), theirs.ravel())[0, 1] > 0.999
    assert np.std(ours - theirs) < 0.045 * np.std(theirs)


def _band_limited(images, axes):
    """Keep 0.9 of Nyquist: the last twentieth of the band is damped on purpose."""
    spectrum = np.fft.fftn(images, axes=axes)
    for axis in axes:
        far = np.abs(np.fft.fftfreq(images.shape[axis])) > 0.45
        spectrum[tuple(far if a == axis else slice(None) for a in range(images.ndim))] = 0
    return np.fft.ifftn(spectrum, axes=axes).real


def test_reconstruction_is_linear_in_the_contrast(bead_series):
    both = bead_series(beads_xyz=[BEAD, -BEAD], axis_deg=85.0)
    one, other = (bead_series(beads_xyz=p, axis_deg=85.0) for p in (BEAD, -BEAD))
    mean = [s.images_nyx.read().mean(axis=(1, 2), dtype=float) for s in (one, other, both)]
    parts = [run(s).volume_zyx.read() for s in (one, other, both)]
    # Each image is divided by its own mean, which the beads change by less than 2 %.
    assert np.abs(mean[0] - 100).max() < 2
    np.testing.assert_allclose(parts[0] + parts[1], parts[2], atol=0.02 * np.abs(parts[2]).max())


def test_moving_the_specimen_moves_the_volume(bead_series):
    still = bead_series(beads_xyz=BEAD, axis_deg=85.0, shifts=20.0)
    moved_xyz = np.array([40.0, -30.0, 20.0])
    geometry = still.geometry
    shift = geometry.shift_xy_angstrom - np.einsum("nij,j->ni", geometry.image_from_specimen[:, :2], moved_xyz)
    moved = replace(
        still,
        geometry=TiltGeometry(y_tilt_deg=geometry.y_tilt_deg, z_rot_deg=geometry.z_rot_deg, shift_xy_angstrom=shift),
    )
    a, b = run(still).volume_zyx.read(), run(moved).volume_zyx.read()
    inner = (slice(6, -6), slice(8, -8), slice(8, -8))
    np.testing.assert_allclose(np.roll(a, (2, -3, 4), (0, 1, 2))[inner], b[inner], atol=0.01 * np.abs(a).max())


def test_result_depends_neither_on_threads_nor_on_memory(bead_series):
    series = bead_series(beads_xyz=BEAD, axis_deg=85.0, shape_yx=(96, 544), shifts=20.0)
    reference = run(series).volume_zyx.read()
    assert reference.shape[1] == 272  # three blocks along y
    for other in (run(series, workers=2), run(series, workers=2, memory_gib=1e-3)):
        np.testing.assert_array_equal(other.volume_zyx.read(), reference)


def test_progress_rises_to_its_end(bead_series):
    class Listener:
        def __init__(self):
            self.said = []

        def step(self, what, done, total):
            self.said.append((what, done / total))

    listener = Listener()
    series = bead_series(beads_xyz=BEAD, shape_yx=(300, 64))
    reconstruct(series, PLAIN, resources=Resources(workers=2, memory_gib=1e-3), progress=listener)
    shares = [share for what, share in listener.said if what == "reconstruct volume"]
    assert len(shares) == len(listener.said)
    assert shares == sorted(shares)
    assert shares[-1] == 1.0


def test_general_geometry_agrees_with_the_single_axis(bead_series):
    series = bead_series(beads_xyz=BEAD, axis_deg=85.0, shifts=20.0)
    nearly = replace(series, geometry=replace(series.geometry, x_tilt_deg=np.full(41, 1e-9)))
    a, b = run(series).volume_zyx.read(), run(nearly).volume_zyx.read()
    np.testing.assert_allclose(a, b, atol=1e-5 * np.abs(a).max())


def test_excluded_tilts_do_not_enter_any_volume(bead_series):
    series = bead_series(beads_xyz=BEAD, halves=True)
    bad = (3, 20)
    series = series.with_tilts(replace(t, use=i not in bad) for i, t in enumerate(series.tilts))
    spoiled = series.images_nyx.read().copy()
    spoiled[list(bad)] = np.nan
    broken = replace(series, images_nyx=InMemory(spoiled), odd_nyx=InMemory(spoiled), even_nyx=InMemory(spoiled))
    clean, dirty = run(series), run(broken)
    assert clean.tilt_indices == tuple(i for i in range(41) if i not in bad)
    np.testing.assert_array_equal(clean.volume_zyx.read(), dirty.volume_zyx.read())
    # Halves of equal content have the same contrast as the whole.
    np.testing.assert_allclose(clean.odd_zyx.read(), clean.volume_zyx.read(), atol=1e-7)
    assert dirty.odd_zyx is not None
    assert run(series, replace(PLAIN, half_sets=False)).odd_zyx is None


@pytest.mark.parametrize("kind", ["ramp", "hamming", "exact", "imod", "imod-sirt", "sirt-like"])
def test_every_filter_and_dose_weighting_keep_the_bead_in_place(bead_series, kind):
    params = replace(PLAIN, filter=kind, dose_weighting=True)
    tomogram = run(bead_series(beads_xyz=BEAD, axis_deg=85.0), params)
    expected = tomogram.grid.index_zyx(tomogram.grid.volume_from_specimen(BEAD))
    assert np.abs(darkest_index(tomogram.volume_zyx.read(), expected) - expected).max() < 0.05


def _through_the_lens(series, optics, defocus_at_x):
    """Every image of a one-bead series through the CTF at the bead's own defocus."""
    images = series.images_nyx.read().astype(float) / 100 - 1
    k = rfft_frequency_2d(images.shape[1:], series.pixel_size_angstrom)
    out = np.empty_like(images)
    for t, image in enumerate(images):
        transfer = ctf(k, defocus_at_x[t], voltage_kv=optics.voltage_kv, cs_mm=2.7, amplitude_contrast=0.07)
        out[t] = np.fft.irfft2(-np.fft.rfft2(image) * transfer, s=image.shape)
    return InMemory((100 * (1 + out)).astype(np.float32))


def test_phase_flip_follows_the_defocus_gradient_and_its_hand(bead_series):
    optics = Optics(voltage_kv=20.0)  # long waves: the gradient shows in a small image
    bead = np.array([380.0, 0.0, 0.0])
    params = ReconstructionParams(voxel_size_angstrom=4.0, thickness_angstrom=80.0, dose_weighting=False)
    series = bead_series(
        beads_xyz=bead, shape_yx=(96, 448), pixel=2.0, sigma=2.5, tilts=np.arange(-60.0, 61.0, 4.0), ctf=6000.0, hand=-1
    )
    defocus = 6000.0 - series.geometry.height_angstrom(bead)[:, 0]
    series = replace(series, optics=optics, images_nyx=_through_the_lens(series, optics, defocus))
    peak = {}
    for hand in (-1, 0, 1):
        tomogram = run(replace(series, defocus_hand=hand), params)
        index = np.round(tomogram.grid.index_zyx(tomogram.grid.volume_from_specimen(bead))).astype(int)
        peak[hand] = -tomogram.volume_zyx.read()[tuple(index)]
    none = run(series, replace(params, ctf_correction="none")).volume_zyx.read()[tuple(index)]
    assert peak[-1] > 1.1 * peak[0] > 1.2 * peak[1]
    assert peak[-1] > 2 * -none


def test_refusals_say_what_to_do(bead_series):
    series = bead_series(beads_xyz=BEAD)
    with pytest.raises(GeometryError, match="align it first"):
        run(replace(series, geometry=None))
    with pytest.raises(GeometryError, match="none of the 41 tilts is used"):
        run(series.with_tilts(replace(t, use=False) for t in series.tilts))
    with pytest.raises(ParameterError, match="at least the images' 5 Å"):
        run(series, replace(PLAIN, voxel_size_angstrom=4.0))
    with pytest.raises(ParameterError, match="estimate the CTF first"):
        run(series, replace(PLAIN, ctf_correction="phase-flip"))
    with pytest.raises(ParameterError, match="positive mean"):
        run(replace(series, images_nyx=InMemory(np.zeros((41, 96, 128), np.float32))))
    for wrong in (
        {"voxel_size_angstrom": 0.0},
        {"filter": "sharp"},
        {"thickness_angstrom": 3.0},
        {"lateral_shape_yx": (0, 5)},
    ):
        with pytest.raises(ParameterError, match="expected"):
            ReconstructionParams(**wrong)


def test_methods_text_names_what_was_done():
    text = methods_text(ReconstructionParams())
    assert "10 Å voxels" in text
    assert "flipping the phases" in text
    assert "flipping" not in methods_text(replace(PLAIN, half_sets=False))
