"""The gain is told from the raw frames: which way it lies, whether to divide by it, whether it belongs to them."""

import numpy as np
import pytest

from tomoset.errors import GeometryError
from tomoset.formats.gain_reference import OrientedGain
from tomoset.geometry import orient_image, orientation_name
from tomoset.model import InMemory, Movie, MovieSet, Resources, Silent
from tomoset.motion import MotionParams, check_gain, correct_motion, fit_gain

SHAPE = (160, 200)
COUNTS = 60.0


def camera(seed=0, shape=SHAPE, spread=0.04):
    """A gain with random pixels, brighter tiles and one dead pixel, and a scene that is much stronger than it."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[: shape[0], : shape[1]]
    sensitivity = 1 + spread * rng.standard_normal(shape) + 0.03 * (x // 50 % 2)
    gain = (1 / sensitivity).astype(np.float32)
    gain[3, 5] = np.nan
    scene = COUNTS * (1 + 0.3 * np.sin(x / 9) * np.cos(y / 13))
    return gain, sensitivity, scene, rng


def raw_sum(sensitivity, scene, rng):
    raw = rng.poisson(scene * sensitivity).astype(np.float32)
    raw[20, 30] = 5000
    return raw


@pytest.mark.parametrize("code", range(8))
def test_every_wrong_orientation_is_named_and_the_right_one_passes(code):
    gain, sensitivity, scene, rng = camera(shape=(160, 160))
    raw = raw_sum(sensitivity, scene, rng)
    given = next(
        turned for c in range(8) if np.array_equal(orient_image((turned := orient_image(gain, c)), code), gain, True)
    )
    if code == 0:
        assert check_gain("TS1", raw, given).slope == pytest.approx(1, abs=0.1)
        return
    with pytest.raises(GeometryError, match=f"--gain-orientation {code}$") as caught:
        check_gain("TS1", raw, given)
    assert orientation_name(code) in str(caught.value)


def test_a_gain_turned_by_a_quarter_of_a_rectangular_camera_is_named():
    gain, sensitivity, scene, rng = camera()
    with pytest.raises(GeometryError, match=r"\(200, 160\).*--gain-orientation 1"):
        check_gain("TS1", raw_sum(sensitivity, scene, rng), orient_image(gain, 3))


def test_a_gain_of_another_size_is_refused():
    gain, sensitivity, scene, rng = camera()
    with pytest.raises(GeometryError, match="give the gain of this camera mode"):
        check_gain("TS1", raw_sum(sensitivity, scene, rng), gain[:-2])


def test_a_sensitivity_given_as_gain_is_named():
    _, sensitivity, scene, rng = camera()
    raw = raw_sum(sensitivity, scene, rng)
    with pytest.raises(GeometryError, match=r"reciprocal.*--gain-use divide$"):
        check_gain("TS1", raw, sensitivity.astype(np.float32))
    with pytest.raises(GeometryError, match=r"reciprocal.*--gain-use multiply$"):
        check_gain("TS1", raw, sensitivity.astype(np.float32), divides=True)
    with pytest.raises(GeometryError, match=r"reciprocal.*--gain-use divide and --gain-orientation 2$"):
        check_gain("TS1", raw, orient_image(sensitivity.astype(np.float32), 2))


@pytest.mark.parametrize("applied", range(8))
@pytest.mark.parametrize("right", range(8))
def test_the_advice_is_the_code_for_the_file_whatever_the_import_did(applied, right):
    gain, sensitivity, scene, rng = camera(shape=(96, 96), spread=0.08)
    stored = next(
        turned for c in range(8) if np.array_equal(orient_image((turned := orient_image(gain, c)), right), gain, True)
    )
    raw = raw_sum(sensitivity, scene, rng)
    if applied == right:
        check_gain("TS1", raw, orient_image(stored, applied), orientation=applied)
        return
    with pytest.raises(GeometryError, match=f"--gain-orientation {right}$"):
        check_gain("TS1", raw, orient_image(stored, applied), orientation=applied)


def test_frames_that_are_corrected_already_are_recognised():
    gain, _, scene, rng = camera()
    with pytest.raises(GeometryError, match="gain-corrected already"):
        check_gain("TS1", raw_sum(np.ones(SHAPE), scene, rng), gain)


def test_too_little_light_to_tell_is_no_error():
    gain, _, scene, rng = camera(spread=0.01)
    found = check_gain("TS1", raw_sum(np.ones(SHAPE), scene / 200, rng), gain)
    assert found.error > 0.1
    assert check_gain("TS1", np.zeros(SHAPE, np.float32), gain) is None


def test_a_flat_gain_says_nothing():
    _, _, scene, rng = camera()
    assert check_gain("TS1", raw_sum(np.ones(SHAPE), scene, rng), np.ones(SHAPE, np.float32)) is None


@pytest.mark.parametrize("residue", [0.01, 0.04])
def test_the_slope_is_what_a_noisy_reference_leaves_of_one(residue):
    """A reference with errors of its own follows the frames by spread² / (spread² + error²)."""
    gain, sensitivity, scene, rng = camera(spread=0.04)
    noisy = (gain * (1 + residue * rng.standard_normal(SHAPE))).astype(np.float32)
    fit = fit_gain(raw_sum(sensitivity, scene, rng), noisy)[0]
    expected = 0.04**2 / (0.04**2 + residue**2)
    assert fit.slope == pytest.approx(expected, abs=0.1)
    assert abs(fit.slope - expected) < 6 * fit.error


def test_the_stage_knows_what_the_import_did_to_the_gain():
    """The file needs code 5; the import turned it by 2 and took its reciprocal."""
    gain, sensitivity, scene, rng = camera(shape=(96, 96), spread=0.08)
    frames = rng.poisson(scene * sensitivity / 4, (4, 96, 96)).astype(np.uint8)
    right = np.nan_to_num(gain, nan=1)
    stored = next(t for c in range(8) if np.array_equal(orient_image((t := orient_image(right, c)), 5), right))
    movie = Movie(
        name="0.tif",
        frames_tyx=InMemory(frames),
        nominal_tilt_deg=0.0,
        acquisition_order=0,
        dose_e_per_angstrom2=3.0,
        dose_before_e_per_angstrom2=0.0,
    )
    series = MovieSet(
        run="TS1",
        movies=(movie,),
        pixel_size_angstrom=5.0,
        gain_yx=OrientedGain(InMemory(stored), orientation=2, bins=1, divides=True, scale=1.0),
        nominal_tilt_axis_deg=85.0,
    )
    with pytest.raises(GeometryError, match=r"--gain-use multiply and --gain-orientation 5$"):
        correct_motion(series, MotionParams(), resources=Resources(), progress=Silent())
