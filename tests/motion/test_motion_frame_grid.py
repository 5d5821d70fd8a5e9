"""From frame to image: index N // 2 stays where it is, counts stay counts, whatever the sizes and the pixel."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tomoset.errors import ParameterError
from tomoset.model import InMemory, Movie, MovieSet, Resources, Silent
from tomoset.motion import MotionParams, correct_motion, make_frame_grid

sizes = st.integers(40, 6000)


@given(ny=sizes, nx=sizes, ratio=st.floats(0.2, 1.0))
def test_grids_are_even_and_share_their_centre_and_scale(ny, nx, ratio):
    if min(ny, nx) * ratio < 18:
        return
    grid = make_frame_grid((ny, nx), 2.0, None if ratio > 0.98 else 2.0 / ratio)
    wanted = 1.0 if ratio > 0.98 else ratio
    for frame, padded, kept, image, first, cut in zip(
        grid.frame, grid.padded, grid.kept, grid.image, grid.frame_first, grid.image_first, strict=True
    ):
        assert padded % 2 == kept % 2 == image % 2 == 0
        assert padded >= frame
        assert kept >= image
        assert first + frame // 2 == padded // 2
        assert cut + image // 2 == kept // 2
        assert abs(image - frame * wanted) < 2
        # What the scale is off by moves nothing in the image by more than a part of a pixel.
        assert abs(kept / padded / wanted - 1) * image / 2 < (0.4 if frame < 1000 else 0.25)


def bead_movie(shape, bead):
    frames = np.zeros((3, *shape), np.uint8)
    y, x = np.mgrid[: shape[0], : shape[1]]
    blob = np.rint(200 * np.exp(-((y - bead[0]) ** 2 + (x - bead[1]) ** 2) / (2 * 3.0**2)))
    frames[:] = blob.astype(np.uint8)
    movie = Movie(
        name="bead",
        frames_tyx=InMemory(frames),
        nominal_tilt_deg=0.0,
        acquisition_order=0,
        dose_e_per_angstrom2=3.0,
        dose_before_e_per_angstrom2=0.0,
    )
    movies = MovieSet(run="TS1", movies=(movie,), pixel_size_angstrom=2.0, gain_yx=None, nominal_tilt_axis_deg=0.0)
    return movies, float(frames.sum())


@pytest.mark.parametrize("shape", [(120, 160), (121, 160), (121, 155), (120, 155)])
@pytest.mark.parametrize("pixel", [None, 3.0, 4.0, 4.37])
def test_a_bead_stays_at_its_place_from_the_centre(shape, pixel):
    offset = np.array([-20.0, 32.0])  # y, x, pixels of the frame
    movies, total = bead_movie(shape, np.array(shape) // 2 + offset)
    series = correct_motion(movies, MotionParams(pixel_size_angstrom=pixel), resources=Resources(), progress=Silent())
    image = series.images_nyx.read((0,))
    assert series.pixel_size_angstrom == (pixel or 2.0)
    assert all(n % 2 == 0 for n in image.shape)
    y, x = np.mgrid[: image.shape[0], : image.shape[1]]
    expected = np.array(image.shape) // 2 + offset * 2 / series.pixel_size_angstrom
    near = np.hypot(y - expected[0], x - expected[1]) < 24 / series.pixel_size_angstrom
    place = np.array([(y * image)[near].sum(), (x * image)[near].sum()]) / image[near].sum()
    np.testing.assert_allclose((place - np.array(image.shape) // 2) * series.pixel_size_angstrom, offset * 2, atol=0.05)
    assert image[near].sum() == pytest.approx(total, rel=0.01)
    assert series.tilts[0].mean_counts == pytest.approx(float(image.mean()), rel=1e-5)


def test_an_odd_last_row_is_left_out_and_the_rest_is_untouched():
    frames = np.random.default_rng(0).poisson(9, (1, 61, 75)).astype(np.uint8)
    movies, _ = bead_movie((61, 75), (30, 37))
    movies = replace(movies, movies=(replace(movies.movies[0], frames_tyx=InMemory(frames)),))
    series = correct_motion(movies, MotionParams(hot_pixel_sigma=100), resources=Resources(), progress=Silent())
    np.testing.assert_allclose(series.images_nyx.read((0,)), frames[0, :60, :74], atol=1e-4)


def test_impossible_pixels_are_refused():
    with pytest.raises(ParameterError, match="finer than the recorded"):
        make_frame_grid((100, 100), 2.0, 1.0)
    with pytest.raises(ParameterError, match="at least 16 pixels"):
        make_frame_grid((100, 100), 2.0, 50.0)
