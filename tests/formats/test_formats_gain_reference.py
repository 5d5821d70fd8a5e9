"""A gain reference comes to the frames as the files say or as one asks, and its odd values are told."""

import mrcfile
import numpy as np
import pytest
import tifffile
from serialem_series import SHAPE_YX, noted

from eer_encoder import write_eer
from tomoset.errors import FormatError, ParameterError
from tomoset.formats.gain_reference import GainChoices, frames_rotation_and_flip
from tomoset.formats.movies import write_gain
from tomoset.formats.serialem_import import ImportChoices, read_movie_set
from tomoset.geometry import orient_image

RNG = np.random.default_rng(5)
LYING = RNG.normal(1, 0.1, SHAPE_YX).astype(np.float32)
STANDING = RNG.normal(1, 0.1, SHAPE_YX[::-1]).astype(np.float32)


def gain_of(raw, values, name="gain.mrc", **choices):
    path = write_gain(raw.folder / name, values, 5.0)
    got = read_movie_set(raw.mdoc, gain_path=path, choices=ImportChoices(gain=GainChoices(**choices)))
    return got, got.gain_yx.read()


def title(raw, code):
    """Write the frames again with the title that SerialEMCCD's plugin gives them."""
    for index in range(len(raw.tilts)):
        frames = tifffile.imread(raw.movie(index), key=range(2))
        text = f"SerialEMCCD: Dose frac. image, scaled by 1.00  r/f {code}"
        tifffile.imwrite(raw.movie(index), frames, description=text, photometric="minisblack", metadata=None)


@pytest.mark.parametrize("code", range(8))
def test_a_code_given_turns_the_reference(raw, code):
    values = STANDING if code % 2 else LYING
    got, gain_yx = gain_of(raw, values, orientation=code)
    np.testing.assert_array_equal(gain_yx, orient_image(values, code))
    assert got.gain_yx.shape == gain_yx.shape == SHAPE_YX
    np.testing.assert_array_equal(got.gain_yx.read((slice(2, 5), 3)), gain_yx[2:5, 3])
    assert noted(got, "as --gain-orientation says")


def test_a_code_that_does_not_fit_or_exist_is_refused(raw):
    with pytest.raises(FormatError, match=r"to be turned by 90°.*--gain-orientation 0, 2, 4, 6"):
        gain_of(raw, LYING, orientation=1)
    with pytest.raises(ParameterError, match=r"code 0 to 7, found 8"):
        GainChoices(orientation=8)
    with pytest.raises(ParameterError, match="auto, multiply or divide"):
        GainChoices(use="subtract")


def test_rotation_and_flip_of_the_cameras_own_reference_is_applied(raw):
    """The mdoc names the reference: SerialEM keeps it as the camera gives it."""
    raw.write(RotationAndFlip="6", GainReference=r"D:\frames\Ref_1.dm4")
    got, gain_yx = gain_of(raw, LYING, "Ref_1.mrc")
    np.testing.assert_array_equal(gain_yx, orient_image(LYING, 6))
    assert noted(got, "turned by 180° counter-clockwise after being mirrored left to right: the mdoc's RotationAndFlip")
    assert noted(got, "the camera's own")


def test_rotation_and_flip_of_another_reference_is_told_but_not_applied(raw):
    raw.write(RotationAndFlip="6", GainReference="Ref_1.dm4")
    got, gain_yx = gain_of(raw, LYING, "prepared.mrc")
    np.testing.assert_array_equal(gain_yx, LYING)
    assert noted(got, r"taken as it is although the mdoc's RotationAndFlip is 6.*give --gain-orientation 6")


def test_rotation_and_flip_is_applied_where_the_shape_demands_it(raw):
    raw.write(RotationAndFlip="7")
    got, gain_yx = gain_of(raw, STANDING)
    np.testing.assert_array_equal(gain_yx, orient_image(STANDING, 7))
    assert noted(got, "fits the frames only so")


def test_a_rotation_and_flip_that_the_shape_forbids_is_not_applied(raw):
    raw.write(RotationAndFlip="7", GainReference="gain.dm4")
    got, gain_yx = gain_of(raw, LYING)
    np.testing.assert_array_equal(gain_yx, LYING)
    assert noted(got, "taken as it is although")


def test_the_frames_title_counts_more_than_the_cameras_property(raw):
    """Frames saved without rotation say r/f 0, whatever the camera's RotationAndFlip."""
    raw.write(RotationAndFlip="6", GainReference="gain.dm4")
    title(raw, 0)
    got, gain_yx = gain_of(raw, LYING)
    np.testing.assert_array_equal(gain_yx, LYING)
    assert got.notes == ()
    title(raw, 4)
    got, gain_yx = gain_of(raw, LYING)
    np.testing.assert_array_equal(gain_yx, orient_image(LYING, 4))
    assert noted(got, "the frames' title says r/f 4")


def test_titles_of_tiff_and_mrc_movies(tmp_path):
    tifffile.imwrite(tmp_path / "m.tif", np.zeros((4, 4), np.uint8), description="x  r/f 7", metadata=None)
    assert frames_rotation_and_flip(tmp_path / "m.tif") == 7
    tifffile.imwrite(tmp_path / "n.tif", np.zeros((4, 4), np.uint8), metadata=None)
    assert frames_rotation_and_flip(tmp_path / "n.tif") is None
    with mrcfile.new(tmp_path / "m.mrc", np.zeros((2, 4, 4), np.int16)) as peer:
        peer.add_label("SerialEMCCD: Dose frac. image, scaled by 1.00  r/f 3")
    assert frames_rotation_and_flip(tmp_path / "m.mrc") == 3


def test_a_dead_pixel_is_noted_and_no_value_that_is_none_is_left(raw):
    values = LYING.copy()
    values[0, :3] = np.nan, np.inf, -1
    values[1, :2] = 0
    got, gain_yx = gain_of(raw, values)
    assert noted(got, "3 values of the gain reference are negative or not finite")
    assert noted(got, "2 values of the gain reference are 0")
    assert np.isfinite(gain_yx).all()
    assert np.argwhere(gain_yx == 0).tolist() == [[0, 0], [0, 1], [0, 2], [1, 0], [1, 1]]
    good = gain_yx > 0
    np.testing.assert_array_equal(gain_yx[good], values[good])
    with pytest.raises(FormatError, match="positive values"):
        gain_of(raw, np.zeros(SHAPE_YX))


def test_a_reciprocal_reference_divides_when_one_says_so(raw):
    values = 800 * LYING
    values[2, 2] = 0
    got, gain_yx = gain_of(raw, values, use="divide")
    assert noted(got, "values divide; their inverse")
    good = values > 0
    np.testing.assert_allclose(gain_yx[good] * values[good], values[good].mean(), rtol=1e-5)
    assert gain_yx[2, 2] == 0


def test_a_reference_of_large_numbers_is_scaled_to_one(raw):
    got, gain_yx = gain_of(raw, 1000 * LYING)
    assert noted(got, r"mean is .*; it was scaled to 1")
    np.testing.assert_allclose(gain_yx, LYING / LYING.mean(), rtol=1e-5)


def test_a_super_resolution_reference_is_binned(raw):
    fine = np.kron(LYING, np.ones((2, 2), np.float32))
    fine[0, 0] = 0
    got, gain_yx = gain_of(raw, fine)
    assert noted(got, "2 times the frames' pixels")
    assert gain_yx[0, 0] == 0
    np.testing.assert_allclose(gain_yx[1:], LYING[1:], rtol=1e-6)


@pytest.fixture
def falcon(raw):
    for index in range(len(raw.tilts)):
        write_eer(raw.movie(index).with_suffix(".eer"), RNG.random((8, *SHAPE_YX)) < 0.1)
    raw.mdoc.write_text(raw.mdoc.read_text().replace(".tif", ".eer"))
    return raw


def test_a_falcons_gain_file_lies_as_its_frames_and_multiplies(falcon):
    tifffile.imwrite(falcon.folder / "x.gain", LYING)  # the first row on top, as in the frames
    got = read_movie_set(falcon.mdoc, gain_path=falcon.folder / "x.gain")
    np.testing.assert_array_equal(got.gain_yx.read(), LYING[::-1])
    assert not noted(got, "gain")


def test_a_falcons_mrc_reference_lies_upside_down_and_divides(falcon):
    """Its row 0 belongs to the frames' first row, which is on top here; zero is a defect."""
    stored = LYING.copy()
    stored[0, 0] = 0
    got, gain_yx = gain_of(falcon, stored)
    assert noted(got, "upside down")
    assert noted(got, "divide")
    turned = stored[::-1]
    assert gain_yx[-1, 0] == 0
    np.testing.assert_allclose(gain_yx[:-1] * turned[:-1], stored[stored > 0].mean(), rtol=1e-5)
