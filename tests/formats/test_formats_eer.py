"""EER movies: every event at its pixel, in groups that leave no frame out."""

import sys
import threading
import time
import tracemalloc

import numpy as np
import pytest
import tifffile
from hypothesis import given
from hypothesis import strategies as st

from eer_encoder import encode, encode_quickly, metadata, write_eer, write_streams
from tomoset.errors import FormatError, ParameterError
from tomoset.formats.eer import EerGrouping, EerMovie, group_limits, open_eer
from tomoset.formats.movies import open_movie
from tomoset.model import ArraySource

XML = metadata(totalDose=5.0, sensorPixelSize__width=2e-10, exposureTime=3.2, eerGainReference=r"X:\ref\20240101.gain")
ONE = EerGrouping(frames_per_group=1)


def events(n=6, height=24, width=40, seed=0, density=0.02):
    return np.random.default_rng(seed).random((n, height, width)) < density


@pytest.mark.parametrize("compression", [65000, 65001, 65002])
@pytest.mark.parametrize("summed", [False, True])
def test_every_event_is_at_its_pixel_upside_down_as_in_every_tiff(tmp_path, compression, summed):
    frames = events()
    frames[1] = False  # runs that go on to the end
    frames[2, 0, 0] = frames[2, -1, -1] = True
    bits = (6, 3, 1) if compression == 65002 else None
    path = write_eer(tmp_path / "m.eer", frames, compression, XML, bits=bits, summed=summed)
    movie = open_movie(path, expected_frames=6, eer=ONE)
    assert isinstance(movie, EerMovie)
    assert isinstance(movie, ArraySource)
    assert (movie.shape, movie.dtype) == ((6, 24, 40), np.uint8)
    np.testing.assert_array_equal(movie.read(), frames[:, ::-1])
    np.testing.assert_array_equal(movie.read((2, slice(3, 9), 5)), frames[2, ::-1][3:9, 5])
    np.testing.assert_array_equal(movie.read((slice(1, 5, 2), slice(0, 4))), frames[1:5:2, ::-1][:, :4])


def test_the_peer_reads_our_test_file_the_same(tmp_path):
    frames = events(width=64, height=64)
    path = write_eer(tmp_path / "m.eer", frames, 65001, XML[XML.index(b"<metadata") :])
    with tifffile.TiffFile(path) as peer:
        assert peer.is_eer
        even = [page.databytecounts[0] % 2 == 0 for page in peer.pages]
        for index in np.flatnonzero(even):  # the decoder below tifffile refuses odd lengths
            np.testing.assert_array_equal(peer.pages[int(index)].asarray(), frames[index])
    assert any(even)
    assert not all(even)


def test_groups_are_sums_and_none_is_left_out(tmp_path):
    frames = events(n=13, density=0.3)
    path = write_eer(tmp_path / "m.eer", frames)
    movie = open_movie(path, eer=EerGrouping(frames_per_group=4))
    assert movie.limits.tolist() == [0, 4, 8, 13]
    np.testing.assert_array_equal(movie.read((0,)), frames[:4, ::-1].sum(0))
    np.testing.assert_array_equal(movie.read().sum(0), frames[:, ::-1].sum(0))


def test_a_pixel_that_always_fires_does_not_overflow(tmp_path):
    frames = np.zeros((300, 8, 16), bool)
    frames[:, 3, 5] = True
    movie = open_movie(write_eer(tmp_path / "m.eer", frames), eer=EerGrouping(frames_per_group=300))
    assert movie.dtype == np.uint16
    assert movie.read().max() == 300
    halves = open_movie(tmp_path / "m.eer", eer=EerGrouping(frames_per_group=150))
    assert halves.dtype == np.uint8
    assert halves.read().max() == 150


@given(st.integers(1, 2000), st.floats(0.05, 60), st.floats(0.1, 2))
def test_groups_by_dose_cover_all_frames_and_are_even(n, dose, aim):
    limits = group_limits(n, dose, EerGrouping(dose_per_group_e_per_angstrom2=aim))
    sizes = np.diff(limits)
    assert (limits[0], limits[-1]) == (0, n)
    assert sizes.min() >= 1
    assert sizes.max() - sizes.min() <= 1
    assert len(sizes) >= min(4, n)
    if 4 <= dose / aim <= n:
        assert 0.7 <= len(sizes) / (dose / aim) <= 1.4


@given(st.integers(1, 500), st.integers(1, 120))
def test_groups_of_a_given_number_keep_what_is_left_over(n, size):
    sizes = np.diff(group_limits(n, None, EerGrouping(frames_per_group=size)))
    assert sizes.sum() == n
    assert (sizes[:-1] == size).all()
    assert sizes[-1] < 1.5 * size
    assert sizes[-1] >= size / 2 or len(sizes) == 1


def test_the_dose_aimed_at_is_rounded_to_a_divisor():
    sizes = np.diff(group_limits(372, 3.2, EerGrouping()))  # 58.1 frames make 0.5 e/Å²; 62 divide 372
    assert set(sizes) == {62}
    assert len(np.diff(group_limits(373, 3.2, EerGrouping()))) == 6  # a prime number
    assert len(np.diff(group_limits(100, None, EerGrouping()))) == 10


def test_the_header_tells_dose_and_pixel_size(tmp_path):
    movie = open_movie(write_eer(tmp_path / "m.eer", events(40), xml=XML))
    assert movie.header.pixel_size_angstrom == pytest.approx(2.0)
    assert movie.header.dose_e_per_angstrom2 == pytest.approx(1.25)
    assert movie.header.exposure_time_s == 3.2
    assert movie.header.gain_name == "20240101.gain"
    assert movie.shape[0] == 4  # 1.25 e/Å² would be 2.5 groups
    other = metadata(totalDose="much", sensorPixelSize__width=1.4e-5)  # the sensor's pixel, not the specimen's
    movie = open_movie(write_eer(tmp_path / "n.eer", events(40), xml=other))
    assert movie.header.pixel_size_angstrom is None
    assert movie.header.dose_e_per_angstrom2 is None
    assert movie.shape[0] == 10


def test_an_eer_file_cut_anywhere_is_an_error_that_counts_frames(tmp_path):
    path = write_eer(tmp_path / "m.eer", events(6))
    whole = path.read_bytes()
    for cut in np.linspace(20, len(whole) - 9, 30, dtype=int):
        path.write_bytes(whole[:cut])
        with pytest.raises(FormatError, match=r"m\.eer: expected 6 frames, found \d whole ones"):
            open_eer(path, 6, ONE)


def test_a_damaged_frame_is_named(tmp_path):
    path = write_eer(tmp_path / "m.eer", events(3))
    movie = open_movie(path, eer=ONE)
    raw = bytearray(path.read_bytes())
    start, length = movie.strips[1][0]
    raw[start : start + length] = b"\xfe" * length
    path.write_bytes(raw)
    movie.read((0,))
    with pytest.raises(FormatError, match="found frame 2 damaged"):
        movie.read((1,))
    with pytest.raises(FormatError, match="expected 9 frames, found 3"):
        open_movie(path, expected_frames=9)


@pytest.mark.parametrize("wrong", [{"dose_per_group_e_per_angstrom2": 0.0}, {"frames_per_group": 0}])
def test_groups_of_nothing_are_refused(wrong):
    with pytest.raises(ParameterError, match="EER frame"):
        EerGrouping(**wrong)


def test_a_4k_movie_is_decoded_group_by_group_by_threads_at_once(tmp_path):
    n = 2048 * 2048
    rng = np.random.default_rng(3)
    stream = encode_quickly(np.sort(rng.choice(n, 20_000, replace=False)), n)
    path = write_streams(tmp_path / "m.eer", [stream] * 24, (2048, 2048))
    movie = open_movie(path, eer=EerGrouping(frames_per_group=6))
    movie.read((0,))
    tracemalloc.start()
    got = movie.read((1,))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert got.sum() == 6 * 20_000
    assert peak < 3 * n
    assert runs_beside_python(lambda: movie.read((2,)))


def test_the_quick_encoder_is_the_slow_one():
    positions = np.array([0, 5, 300, 301, 1023])
    assert encode_quickly(positions, 1024) == encode(positions, [0] * 5, 1024)


def runs_beside_python(work):
    """Whether Python code goes on while ``work`` runs in another thread, which it cannot while the GIL is held."""
    longest = 0.0
    thread = threading.Thread(target=work)
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-4)
    try:
        start = last = time.perf_counter()
        thread.start()
        while thread.is_alive():
            now = time.perf_counter()
            longest, last = max(longest, now - last), now
        return longest < 0.7 * (last - start)
    finally:
        sys.setswitchinterval(interval)
        thread.join()
