"""MRC files go to and come from mrcfile unchanged."""

import errno
import gzip
import warnings

import mrcfile
import numpy as np
import pytest

from tomoset.errors import FormatError, InputMissingError, OutputError, ParameterError, PixelSizeError
from tomoset.formats.mrc import StackWriter, open_mrc, read_volume, write_stack, write_volume

RNG = np.random.default_rng(7)


@pytest.fixture
def volume_zyx():
    return RNG.normal(size=(5, 6, 7)).astype(np.float32)


@pytest.mark.parametrize("dtype", ["float32", "float16", "int8", "int16", "uint16", "uint8"])
@pytest.mark.parametrize("write", [write_volume, write_stack])
def test_written_files_are_valid_and_equal(tmp_path, write, dtype, capsys):
    top = 1 if dtype == "float16" else 100  # mrcfile's own check sums squares in float16
    array = (RNG.random((4, 5, 6)) * top).astype(dtype)
    path = write(tmp_path / "new" / "x.mrc", array, 2.5)
    assert mrcfile.validate(path), capsys.readouterr()
    with mrcfile.open(path) as peer:
        np.testing.assert_array_equal(peer.data, array)
        assert peer.is_volume() == (write is write_volume)
        assert peer.is_image_stack() == (write is write_stack)
        assert peer.voxel_size.tolist() == pytest.approx((2.5, 2.5, 2.5))
        assert peer.header.dmean == pytest.approx(array.mean(dtype=np.float64), rel=1e-6)
        assert peer.header.rms == pytest.approx(array.std(dtype=np.float64), rel=1e-5)
    source, voxel = read_volume(path)
    np.testing.assert_array_equal(source.read(), array)
    assert voxel == pytest.approx(2.5)


def test_files_of_the_peer_are_read_by_region(tmp_path, volume_zyx):
    path = tmp_path / "x.mrc"
    with mrcfile.new(path) as peer:
        peer.set_data(volume_zyx)
        peer.voxel_size = 3.1
    source, voxel = read_volume(path)
    assert voxel == pytest.approx(3.1)
    for region in (
        (),
        (2,),
        (-1,),
        (slice(1, 3),),
        (slice(None, None, 2),),
        (slice(3, 3),),
        (slice(1, 3), slice(None), 4),
    ):
        np.testing.assert_array_equal(source.read(region), volume_zyx[region])
    source.read()[:] = 0  # a copy: the file does not change
    np.testing.assert_array_equal(source.read(), volume_zyx)


def test_any_array_source_is_written(tmp_path, volume_zyx):
    write_volume(tmp_path / "a.mrc", volume_zyx, 2.0)
    again = write_volume(tmp_path / "b.mrc", open_mrc(tmp_path / "a.mrc"), 2.0)
    assert again.read_bytes() == (tmp_path / "a.mrc").read_bytes()


def test_big_endian_extended_header_and_missing_stamp(tmp_path, volume_zyx):
    path = tmp_path / "x.mrc"
    with mrcfile.new(path) as peer:
        peer.set_data(volume_zyx.astype(">f4"))
        peer.set_extended_header(np.zeros(3, "V768"))
        peer.header.exttyp = b"FEI1"
        peer.voxel_size = 4.0
    np.testing.assert_array_equal(read_volume(path)[0].read(), volume_zyx)
    raw = bytearray(path.read_bytes())
    raw[208:216] = bytes(8)  # neither "MAP " nor a machine stamp, as before 2000
    path.write_bytes(raw)
    source, voxel = read_volume(path)
    assert voxel == 4
    np.testing.assert_array_equal(source.read(), volume_zyx)


def test_unsigned_bytes_by_imods_flag_and_by_statistics(tmp_path):
    values = np.array([[[0, 1, 127], [128, 200, 255]]], np.uint8)
    path = write_stack(tmp_path / "x.mrc", values.view(np.int8), 1.5)
    raw = bytearray(path.read_bytes())
    assert open_mrc(path).dtype == np.int8
    raw[152:160] = np.array([1146047817, 0], "<i4").tobytes()
    path.write_bytes(raw)
    np.testing.assert_array_equal(open_mrc(path).read(), values)
    raw[156:160] = np.array([1], "<i4").tobytes()  # signed, says IMOD
    path.write_bytes(raw)
    assert open_mrc(path).dtype == np.int8
    raw[152:160] = bytes(8)
    raw[76:84] = np.array([0, 255], "<f4").tobytes()  # no flag, but a maximum that no signed byte has
    path.write_bytes(raw)
    np.testing.assert_array_equal(open_mrc(path).read(), values)


def test_real_maps_compressed_or_not(shared_data):
    folder = shared_data / "mrc"
    with mrcfile.open(folder / "EMD-3197.map") as peer:
        expected = peer.data.copy()
    for name in ("EMD-3197.map", "EMD-3197.map.bz2", "emd_3197.map.gz"):
        source, voxel = read_volume(folder / name)
        np.testing.assert_array_equal(source.read(), expected)
        np.testing.assert_array_equal(source.read((3, slice(2, 9))), expected[3, 2:9])
        assert voxel == pytest.approx(11.4)


@pytest.mark.parametrize("name", ["EMD-3001.map", "EMD-3001.map.bz2", "emd_3001.map.gz"])
def test_permuted_axes_come_back_as_zyx(shared_data, name):
    path = shared_data / "mrc" / name
    with mrcfile.open(path) as peer:  # columns are z, rows x, sections y in this crystal map
        stored = peer.data.copy()
        header = peer.header
        assert (int(header.mapc), int(header.mapr), int(header.maps)) == (3, 1, 2)
    source = open_mrc(path)
    assert source.shape == (73, 25, 43)
    np.testing.assert_array_equal(source.read(), np.transpose(stored, (2, 0, 1)))
    np.testing.assert_array_equal(source.read((10, slice(3, 7))), np.transpose(stored, (2, 0, 1))[10, 3:7])
    with pytest.raises(PixelSizeError, match="cubic"):
        read_volume(path)


def test_every_real_map_and_mask_reads_as_the_peer_reads_it(shared_data):
    n = 0
    for path in sorted(shared_data.rglob("*.mrc")):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with mrcfile.open(path, permissive=True) as peer:
                data = peer.data if peer.data is None else np.atleast_3d(peer.data).reshape(-1, *peer.data.shape[-2:])
        if data is None:
            with pytest.raises(FormatError, match="found 0"):
                open_mrc(path)
            continue
        np.testing.assert_array_equal(open_mrc(path).read(), data)
        n += 1
    assert n >= 15


def test_a_volume_without_a_scale_is_neither_read_nor_written(tmp_path, volume_zyx):
    with mrcfile.new(tmp_path / "x.mrc") as peer:
        peer.set_data(volume_zyx)
    with pytest.raises(PixelSizeError, match="alterheader"):
        read_volume(tmp_path / "x.mrc")
    for size in (0.0, -1.0, float("nan")):
        with pytest.raises(PixelSizeError):
            write_volume(tmp_path / "y.mrc", volume_zyx, size)
    assert not (tmp_path / "y.mrc").exists()


def test_cut_off_foreign_and_missing_files(tmp_path, volume_zyx):
    path = write_volume(tmp_path / "x.mrc", volume_zyx, 1.0)
    whole = path.read_bytes()
    path.write_bytes(whole[:-1])
    with pytest.raises(FormatError, match=r"x\.mrc: expected 5 frames.*found 4"):
        open_mrc(path)
    path.write_bytes(whole[:500])
    with pytest.raises(FormatError, match="1024"):
        open_mrc(path)
    path.write_bytes(b"not an mrc file" * 100)
    with pytest.raises(FormatError, match="not an MRC"):
        open_mrc(path)
    for mode, message in ((4, "complex"), (101, "101")):
        path.write_bytes(whole[:12] + bytes([mode, 0, 0, 0]) + whole[16:])
        with pytest.raises(FormatError, match=message):
            open_mrc(path)
    packed = tmp_path / "x.mrc.gz"
    packed.write_bytes(gzip.compress(whole)[:-30])
    with pytest.raises(FormatError, match="unpack"):
        open_mrc(packed)
    with pytest.raises(InputMissingError):
        open_mrc(tmp_path / "absent.mrc")


def test_a_file_cut_after_opening_is_told(tmp_path, volume_zyx):
    path = write_volume(tmp_path / "x.mrc", volume_zyx, 1.0)
    source = open_mrc(path)
    path.write_bytes(path.read_bytes()[:1100])
    for region in ((), (1,), (slice(None), 2)):
        with pytest.raises(FormatError, match=r"x\.mrc"):
            source.read(region)


def test_wrong_promises_leave_nothing(tmp_path):
    image = np.zeros((3, 4), np.float32)

    def too_few():
        with StackWriter(tmp_path / "x.mrc", (2, 3, 4), 1.0) as writer:
            writer.write(image)

    def too_many():
        with StackWriter(tmp_path / "x.mrc", (1, 3, 4), 1.0) as writer:
            writer.write(image)
            writer.write(image)

    def wrong_shape():
        with StackWriter(tmp_path / "x.mrc", (1, 4, 3), 1.0) as writer:
            writer.write(image)

    for wrong in (too_few, too_many, wrong_shape):
        with pytest.raises(ParameterError):
            wrong()
    for bad in (image, np.zeros((1, 2, 2)), np.zeros((1, 2, 2), bool)):
        with pytest.raises(ParameterError):
            write_stack(tmp_path / "x.mrc", bad, 1.0)
    assert list(tmp_path.iterdir()) == []


class FullDisk:
    """A source whose second section is written when the disk is full."""

    shape = (3, 4, 4)
    dtype = np.dtype(np.float32)

    def read(self, region=()):
        def sections():
            yield np.zeros((4, 4), np.float32)
            raise OSError(errno.ENOSPC, "No space left on device")

        return sections()


def test_a_full_disk_keeps_the_old_file_and_leaves_no_litter(tmp_path, volume_zyx):
    path = write_volume(tmp_path / "x.mrc", volume_zyx, 1.0)
    old = path.read_bytes()
    with pytest.raises(OutputError, match="disk full"):
        write_volume(path, FullDisk(), 1.0)
    assert path.read_bytes() == old
    assert [p.name for p in tmp_path.iterdir()] == ["x.mrc"]


def test_a_disk_that_fills_while_the_header_is_written(tmp_path, volume_zyx, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(StackWriter, "_finish", full)
    with pytest.raises(OutputError, match="disk full"):
        write_volume(tmp_path / "x.mrc", volume_zyx, 1.0)
    assert list(tmp_path.iterdir()) == []
