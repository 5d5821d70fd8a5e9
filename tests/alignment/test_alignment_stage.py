"""The whole stage on a phantom whose truth is known."""

from dataclasses import replace

import numpy as np
import pytest
from alignment_phantom import Phantom, make_phantom

from tomoset.alignment import AlignmentParams, align, methods_text
from tomoset.benchmark.processing import alignment_residual
from tomoset.errors import AlignmentError, ParameterError
from tomoset.geometry import remove_gauge
from tomoset.model import Resources, Silent, TiltSeries

TILTS = np.arange(-45.0, 46.0, 4.5)  # 21 views


def run(series: TiltSeries, **params) -> TiltSeries:
    return align(series, AlignmentParams(**params), resources=Resources(), progress=Silent())


def rms_uv(aligned: TiltSeries, phantom: Phantom) -> np.ndarray:
    """Rms shift error of the used tilts across and along the true axis, Å, without gauge."""
    residual, _ = alignment_residual(aligned.geometry.select(aligned.used), phantom.truth.select(aligned.used))
    return np.sqrt(np.mean(residual**2, axis=0))


@pytest.fixture(scope="module")
def phantom() -> Phantom:
    return make_phantom(5, tilt_deg=TILTS, density=1.5)


@pytest.fixture(scope="module")
def aligned(phantom: Phantom) -> TiltSeries:
    return run(phantom.series)


def test_shifts_and_axis_are_recovered_to_a_fraction_of_a_pixel(phantom, aligned):
    across, along = rms_uv(aligned, phantom)
    assert across < 3.0  # Å, of pixels of 10 Å; the stage shifts are 40 Å rms
    assert along < 2.0
    assert aligned.geometry.z_rot_deg[0] == pytest.approx(phantom.truth.z_rot_deg[0], abs=0.3)
    # The phantom's stage is perfect: whatever is let free must stay at nothing.
    assert np.ptp(aligned.geometry.z_rot_deg) < 0.05
    np.testing.assert_allclose(aligned.geometry.y_tilt_deg, TILTS, atol=0.1)


def test_another_seed_is_aligned_as_well():
    other = make_phantom(6, tilt_deg=TILTS, density=1.5)
    found = run(other.series)
    assert np.all(rms_uv(found, other) < [3.0, 2.0])
    assert found.diagnostics["alignment.markers_accepted"] == 1.0


def test_its_own_error_estimate_is_of_the_right_size(phantom, aligned):
    own = aligned.diagnostics
    claimed = np.array([own["alignment.marker_error_u_angstrom"], own["alignment.marker_error_v_angstrom"]])
    assert own["alignment.markers_accepted"] == 1.0
    assert np.all(claimed < 3 * rms_uv(aligned, phantom))
    assert np.all(rms_uv(aligned, phantom) < 3 * claimed)


def test_particles_improve_on_the_slab(phantom, aligned):
    slab = run(phantom.series, markers=0)
    assert np.all(rms_uv(slab, phantom) < [18.0, 4.0])  # twice its own expected error
    assert rms_uv(aligned, phantom)[0] < 0.6 * rms_uv(slab, phantom)[0]
    assert "alignment.markers" not in slab.diagnostics


def test_the_same_series_gives_the_same_bits(phantom, aligned):
    again = run(phantom.series)
    np.testing.assert_array_equal(again.geometry.shift_xy_angstrom, aligned.geometry.shift_xy_angstrom)
    assert again.diagnostics == aligned.diagnostics


def test_gauge_is_the_one_with_the_smallest_shifts(aligned):
    _, translation = remove_gauge(aligned.geometry.shift_uv_angstrom(), TILTS)
    np.testing.assert_allclose(translation, 0.0, atol=1e-6)


def test_unused_and_missing_tilts_and_oblong_images():
    tilts = np.delete(np.arange(-45.0, 46.0, 4.5), 14)
    phantom = make_phantom(7, tilt_deg=tilts, shape_yx=(180, 256), density=1.5)
    rows = [replace(t, use=i != 4, reason="" if i != 4 else "dark") for i, t in enumerate(phantom.series.tilts)]
    spoiled = phantom.series.images_nyx.array
    spoiled[4] = 0.0  # an unused image is never looked at
    found = run(phantom.series.with_tilts(rows))
    across, along = rms_uv(found, phantom)
    assert across < 5.0
    assert along < 3.0
    assert found.geometry.n_tilts == tilts.size
    np.testing.assert_array_equal(found.geometry.shift_xy_angstrom[4], 0.0)
    assert found.geometry.y_tilt_deg[4] == tilts[4]
    assert found.geometry.z_rot_deg[4] == pytest.approx(found.geometry.z_rot_deg[0], abs=0.1)


def test_an_unknown_axis_is_found_anywhere():
    phantom = make_phantom(11, tilt_deg=TILTS, density=2.0, axis_deg=85.3, axis_error_deg=0.7)
    series = replace(phantom.series, nominal_tilt_axis_deg=20.0)
    found = run(series, axis_range_deg=90.0)
    assert (found.geometry.z_rot_deg[0] - phantom.truth.z_rot_deg[0] + 90) % 180 - 90 == pytest.approx(0.0, abs=0.5)


def test_empty_ice_is_refused_with_numbers():
    phantom = make_phantom(1, density=0.0, tilt_deg=TILTS)
    with pytest.raises(AlignmentError, match=r"at least 50% .* found \d+%"):
        run(phantom.series)


def test_fewer_than_five_tilts_are_refused():
    phantom = make_phantom(1, tilt_deg=TILTS[:4], shape_yx=(64, 64))
    with pytest.raises(AlignmentError, match="at least 5 used tilts"):
        run(phantom.series)


def test_an_image_without_counts_is_refused():
    phantom = make_phantom(1, tilt_deg=TILTS[8:13], shape_yx=(64, 64))
    phantom.series.images_nyx.array[2] = 0.0
    with pytest.raises(AlignmentError, match="mean of 0 counts"):
        run(phantom.series)


@pytest.mark.parametrize(
    "wrong",
    [
        {"pixel_size_angstrom": 0.0},
        {"finest_angstrom": 15.0},
        {"coarsest_angstrom": 40.0},
        {"axis_range_deg": 120.0},
        {"newton_steps": 0},
    ],
)
def test_parameters_that_cannot_work_are_refused(wrong):
    with pytest.raises(ParameterError, match="expected"):
        AlignmentParams(**wrong)


def test_methods_text_names_what_was_done():
    assert "300 particles" in methods_text(AlignmentParams())
    assert "particles" not in methods_text(AlignmentParams(markers=0))
    assert methods_text(AlignmentParams()).endswith(".")
