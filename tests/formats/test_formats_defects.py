"""Lists of defects: SerialEM's layout out, any of IMOD's entries in, rows counted from the top in the file."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tomoset.errors import FormatError, InputMissingError, ParameterError
from tomoset.formats.defects import read_defects, write_defects


def test_a_pixel_near_the_bottom_is_far_from_the_top_in_the_file(tmp_path):
    path = write_defects(tmp_path / "defects.txt", np.array([[1, 7]]), (20, 30))
    assert path.read_text().splitlines() == [
        "CameraSizeX 30",
        "CameraSizeY 20",
        "RotationAndFlip 0",
        "WasScaled 0",
        "K2Type 0",
        "FalconType 0",
        "NumToAvgSuperRes 0",
        "UsableArea 0 0 0 0",
        "BadPixels 7 18",
    ]


@given(st.integers(0, 10**6), st.integers(0, 200))
def test_what_is_written_comes_back(tmp_path_factory, seed, n):
    rng = np.random.default_rng(seed)
    flat = np.sort(rng.choice(48 * 64, size=n, replace=False))
    pixels = np.stack(np.unravel_index(flat, (48, 64)), axis=1)
    path = write_defects(tmp_path_factory.mktemp("d") / "defects.txt", pixels, (48, 64))
    got = read_defects(path)
    assert got.camera_shape_yx == (48, 64)
    np.testing.assert_array_equal(got.pixels_yx, pixels)
    # What IMOD's parser takes: at most 511 characters and 50 numbers a line.
    for line in path.read_text().splitlines():
        assert len(line) < 512
        assert len(line.split()) <= 51


def test_columns_rows_and_parts_of_them_are_taken_apart(tmp_path):
    path = tmp_path / "defects.txt"
    path.write_text(
        "# made by hand\nCameraSizeX 12\r\nCameraSizeY\t10\nWasScaled 0\nBadColumns 3 4\nBadRows 0\n"
        "PartialBadColumn 8 2 5 7\nPartialBadRow 9 1 0 1\nBadPixels 6 2 7 3\nSomethingNew a b\n\n"
    )
    bad = np.zeros((10, 12), dtype=bool)
    bad[tuple(read_defects(path).pixels_yx.T)] = True
    expected = np.zeros((10, 12), dtype=bool)  # rows from the top
    expected[:, 3:5] = True
    expected[0] = True
    expected[5:8, 8:10] = True
    expected[9, 0:2] = True
    expected[2, 6] = expected[3, 7] = True
    np.testing.assert_array_equal(bad, expected[::-1])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("BadPixels 1 2\n", "CameraSizeX and CameraSizeY, found neither"),
        ("CameraSizeX 8\n", "found CameraSizeX"),
        ("CameraSizeX 8\nCameraSizeY 8\nBadPixels 1\n", "line 3: expected more numbers"),
        ("CameraSizeX 8\nCameraSizeY 8\nBadPixels 1 2 3\n", "line 3"),
        ("CameraSizeX 8\nCameraSizeY 8\nBadRows one\n", "whole numbers after BadRows"),
        ("CameraSizeX 8\nCameraSizeY 8\nBadPixels 8 1\n", "camera of 8 x 8, found BadPixels"),
        ("CameraSizeX 8\nCameraSizeY 8\nPartialBadColumn 7 2 0 3\n", "found PartialBadColumn"),
    ],
)
def test_a_list_that_cannot_be_is_refused(tmp_path, text, message):
    path = tmp_path / "defects.txt"
    path.write_text(text)
    with pytest.raises(FormatError, match=message):
        read_defects(path)


def test_a_missing_list_and_a_pixel_outside_are_named(tmp_path):
    with pytest.raises(InputMissingError, match="absent"):
        read_defects(tmp_path / "absent.txt")
    with pytest.raises(ParameterError, match="outside"):
        write_defects(tmp_path / "d.txt", np.array([[20, 1]]), (20, 30))
