"""Movies and gain references cross to tifffile and mrcfile and back; rows are flipped where they must be."""

import errno
import tracemalloc

import mrcfile
import numpy as np
import pytest
import tifffile

from tomoset.errors import FormatError, InputMissingError, OutputError, ParameterError, PixelSizeError
from tomoset.formats.movies import open_gain, open_movie, write_gain, write_tiff_movie
from tomoset.model import ArraySource

RNG = np.random.default_rng(3)


def counts(n=4, rows=20, columns=31, dtype="uint8"):
    """Frames of which no two, and no frame and its mirror image, are alike."""
    return RNG.poisson(2.0, (n, rows, columns)).astype(dtype) + np.arange(rows, dtype=dtype)[:, None]


@pytest.mark.parametrize("compression", ["lzw", "zstd", "deflate", "none"])
@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int16", "float32"])
def test_a_written_movie_is_flipped_for_the_peer_and_comes_back(tmp_path, compression, dtype):
    movie_tyx = counts(dtype=dtype)
    path = write_tiff_movie(tmp_path / "new" / "m.tif", iter(movie_tyx), 5.0, compression)
    with tifffile.TiffFile(path) as peer:
        assert len(peer.pages) == 4
        tags = peer.pages[2].tags
        assert tags["XResolution"].value[0] / tags["XResolution"].value[1] == pytest.approx(1e8 / 5.0)
        assert tags["ResolutionUnit"].value == 3  # centimetre
    peers = tifffile.imread(path, key=range(4))
    np.testing.assert_array_equal(peers, movie_tyx[:, ::-1])
    source = open_movie(path, expected_frames=4)
    assert isinstance(source, ArraySource)
    assert source.dtype == dtype
    assert source.shape == movie_tyx.shape
    np.testing.assert_array_equal(source.read(), movie_tyx)


def test_row_zero_is_the_bottom_row_of_a_tiff_and_the_first_row_of_an_mrc(tmp_path):
    image = np.zeros((6, 9), np.uint8)
    image[0, 7] = 1  # top right corner of the picture, as TIFF viewers show it
    tifffile.imwrite(tmp_path / "m.tif", image)
    assert np.argwhere(open_movie(tmp_path / "m.tif").read((0,))).tolist() == [[5, 7]]
    with mrcfile.new(tmp_path / "m.mrc") as peer:
        peer.set_data(image.astype(np.int8))
    assert np.argwhere(open_movie(tmp_path / "m.mrc").read((0,))).tolist() == [[0, 7]]


@pytest.mark.parametrize(
    "region",
    [(), (1,), (-1,), (slice(1, 3),), (slice(None, None, 2), 3), (2, slice(4, 9), slice(None, None, 3)), (0, 1, 2)],
)
def test_regions_are_those_of_the_array(tmp_path, region):
    movie_tyx = counts()
    source = open_movie(write_tiff_movie(tmp_path / "m.tif", movie_tyx, 5.0))
    np.testing.assert_array_equal(source.read(region), movie_tyx[region])


@pytest.mark.parametrize(
    "options",
    [
        {"bigtiff": True},
        {"byteorder": ">"},
        {"rowsperstrip": 1, "compression": "lzw"},
        {"rowsperstrip": 7, "compression": "zstd", "predictor": True},
        {"tile": (16, 16), "compression": "zlib"},
        {"photometric": "minisblack"},
    ],
)
def test_layouts_of_other_writers(tmp_path, options):
    movie_tyx = counts(dtype="uint16")
    tifffile.imwrite(tmp_path / "m.tif", movie_tyx, **{"photometric": "minisblack", **options})
    np.testing.assert_array_equal(open_movie(tmp_path / "m.tif").read(), movie_tyx[:, ::-1])


@pytest.mark.parametrize("dtype", ["int8", "int16", "float32", "uint16", "float16"])
def test_mrc_movies_of_every_mode(tmp_path, dtype):
    movie_tyx = counts(dtype=dtype)
    with mrcfile.new(tmp_path / "m.mrcs") as peer:
        peer.set_data(movie_tyx)
    source = open_movie(tmp_path / "m.mrcs")
    assert source.dtype == dtype
    np.testing.assert_array_equal(source.read((2, slice(3, 5))), movie_tyx[2, 3:5])


@pytest.mark.parametrize("compression", ["lzw", "none"])
def test_a_movie_cut_anywhere_is_an_error_that_counts_frames(tmp_path, compression):
    movie_tyx = counts(6, 64, 64)
    path = write_tiff_movie(tmp_path / "m.tif", movie_tyx, 5.0, compression)
    whole = path.read_bytes()
    messages = set()
    for cut in np.linspace(9, len(whole) - 40, 40, dtype=int):
        path.write_bytes(whole[:cut])
        with pytest.raises(FormatError, match=r"m\.tif: expected 6 frames, found \d whole ones") as error:
            open_movie(path, expected_frames=6).read()
        messages.add(str(error.value))
    assert len(messages) >= 5  # the number found changes with the cut


def test_an_interrupted_mrc_movie_counts_frames(tmp_path):
    with mrcfile.new(tmp_path / "m.mrc") as peer:
        peer.set_data(counts(dtype="int16"))
    raw = (tmp_path / "m.mrc").read_bytes()
    (tmp_path / "m.mrc").write_bytes(raw[: 1024 + 2 * 20 * 31 * 2 + 5])
    with pytest.raises(FormatError, match=r"m\.mrc: expected 4 frames.*found 2"):
        open_movie(tmp_path / "m.mrc")


def test_fewer_frames_than_the_microscope_saved(tmp_path):
    path = write_tiff_movie(tmp_path / "m.tif", counts(3), 5.0)
    with pytest.raises(FormatError, match=r"m\.tif: expected 8 frames, found 3"):
        open_movie(path, expected_frames=8)


def test_damaged_data_are_told_with_the_frame(tmp_path):
    path = write_tiff_movie(tmp_path / "m.tif", counts(3), 5.0, "zstd")
    with tifffile.TiffFile(path) as peer:
        start = peer.pages[1].dataoffsets[0]
    raw = bytearray(path.read_bytes())
    raw[start : start + 8] = b"\xff" * 8
    path.write_bytes(raw)
    source = open_movie(path)
    source.read((0,))
    with pytest.raises(FormatError, match=r"m\.tif: expected 3 frames, found frame 2 damaged"):
        source.read((1,))


def test_what_is_no_movie_is_refused(tmp_path):
    with pytest.raises(InputMissingError, match=r"absent\.tif"):
        open_movie(tmp_path / "absent.tif")
    (tmp_path / "x.tif").write_bytes(b"")
    with pytest.raises(FormatError, match=r"x\.tif"):
        open_movie(tmp_path / "x.tif")
    (tmp_path / "loop.tif").write_bytes(b"II*\0" + (8).to_bytes(4, "little") + bytes(2) + (8).to_bytes(4, "little"))
    with pytest.raises(FormatError, match=r"loop\.tif"):
        open_movie(tmp_path / "loop.tif")
    tifffile.imwrite(tmp_path / "rgb.tif", np.zeros((4, 4, 3), np.uint8), photometric="rgb")
    with pytest.raises(FormatError, match="grey"):
        open_movie(tmp_path / "rgb.tif")
    with tifffile.TiffWriter(tmp_path / "mixed.tif") as peer:
        peer.write(np.zeros((4, 4), np.uint8), metadata=None)
        peer.write(np.zeros((4, 5), np.uint8), metadata=None)
    with pytest.raises(FormatError, match="one size"):
        open_movie(tmp_path / "mixed.tif")


def test_gain_references_keep_the_frames_orientation(tmp_path):
    gain_yx = RNG.normal(1, 0.1, (20, 31)).astype(np.float32)
    as_mrc = open_gain(write_gain(tmp_path / "gain.mrc", gain_yx, 5.0))
    assert mrcfile.validate(tmp_path / "gain.mrc")
    tifffile.imwrite(tmp_path / "x.gain", gain_yx[::-1])
    as_tiff = open_gain(tmp_path / "x.gain")
    for source in (as_mrc, as_tiff):
        assert source.shape == (20, 31)
        assert source.dtype == np.float32
        np.testing.assert_array_equal(source.read(), gain_yx)
        np.testing.assert_array_equal(source.read((3, slice(5, 8))), gain_yx[3, 5:8])


def test_what_is_no_gain_reference_is_refused(tmp_path):
    with pytest.raises(FormatError, match="found 4"):
        open_gain(write_tiff_movie(tmp_path / "m.tif", counts(), 5.0))
    (tmp_path / "gain.dm4").write_bytes(b"\0" * 100)
    with pytest.raises(FormatError, match="dm2mrc"):
        open_gain(tmp_path / "gain.dm4")
    with pytest.raises(InputMissingError, match="gain reference"):
        open_gain(tmp_path / "absent.mrc")


def test_what_cannot_be_a_movie_is_not_written(tmp_path):
    good = counts(1)[0]
    for frames in ([], [good, good[:-1]], [good, good.astype(np.uint16)], [good.astype(float)], [good[0]]):
        with pytest.raises(ParameterError):
            write_tiff_movie(tmp_path / "m.tif", frames, 5.0)
    with pytest.raises(PixelSizeError):
        write_tiff_movie(tmp_path / "m.tif", [good], 0.0)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("failure", "expected"),
    [(OSError(errno.ENOSPC, "No space left on device"), OutputError), (ValueError("data too large"), OutputError)],
)
def test_a_writer_that_fails_leaves_nothing(tmp_path, monkeypatch, failure, expected):
    movie_tyx = counts()
    path = write_tiff_movie(tmp_path / "m.tif", movie_tyx, 5.0)
    old = path.read_bytes()
    write, calls = tifffile.TiffWriter.write, []

    def failing(self, *args, **options):
        calls.append(1)
        if len(calls) == 3:
            raise failure
        return write(self, *args, **options)

    monkeypatch.setattr(tifffile.TiffWriter, "write", failing)
    with pytest.raises(expected, match=r"m\.tif"):
        write_tiff_movie(path, movie_tyx + np.uint8(1), 5.0)
    assert path.read_bytes() == old
    assert [p.name for p in tmp_path.iterdir()] == ["m.tif"]


def test_frames_that_fail_to_come_leave_nothing(tmp_path):
    def frames():
        yield counts(1)[0]
        raise RuntimeError("the simulation stopped")

    with pytest.raises(RuntimeError, match="simulation"):
        write_tiff_movie(tmp_path / "m.tif", frames(), 5.0)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("suffix", ["tif", "mrc"])
def test_a_k3_movie_is_read_and_written_frame_by_frame(tmp_path, suffix):
    shape, frame_bytes = (6, 4092, 5760), 4092 * 5760
    tile = RNG.poisson(1.3, (4092, 64)).astype(np.uint8)
    frames = (np.roll(np.tile(tile, 90), i, axis=0) for i in range(shape[0]))
    path = tmp_path / f"m.{suffix}"
    tracemalloc.start()
    if suffix == "tif":
        write_tiff_movie(path, frames, 0.85)
    else:
        path.write_bytes(b"")
        with mrcfile.new_mmap(path, shape, mrc_mode=0, overwrite=True) as peer:
            for index, frame in enumerate(frames):
                peer.data[index] = frame.view(np.int8)
    source = open_movie(path)
    one = source.read((4,))
    strip = source.read((slice(None), slice(100, 110)))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert source.shape == shape
    np.testing.assert_array_equal(one, np.roll(np.tile(tile, 90), 4, axis=0))
    assert strip.shape == (6, 10, 5760)
    np.testing.assert_array_equal(strip[4], one[100:110])
    assert peak < 5 * frame_bytes, f"{peak / frame_bytes:.1f} frames in memory"
