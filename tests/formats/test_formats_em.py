"""EM volumes: byte orders, types, and what is refused."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from tomoset.errors import FormatError, InputMissingError
from tomoset.formats.em import read_em


def em_bytes(volume_zyx: NDArray[np.generic], machine: int, kind: int, pixel_milliangstrom: int = 0) -> bytes:
    order = ">" if machine == 5 else "<"
    header = bytearray(512)
    header[0], header[3] = machine, kind
    header[4:16] = np.array(volume_zyx.shape[::-1], dtype=f"{order}i4").tobytes()
    header[120:124] = np.array([pixel_milliangstrom], dtype=f"{order}i4").tobytes()
    return bytes(header) + volume_zyx.astype(volume_zyx.dtype.newbyteorder(order)).tobytes()


@pytest.mark.parametrize("machine", [5, 6])
@pytest.mark.parametrize(("kind", "dtype"), [(1, "i1"), (2, "i2"), (4, "i4"), (5, "f4"), (9, "f8")])
def test_values_shape_and_pixel_come_back(tmp_path: Path, machine: int, kind: int, dtype: str) -> None:
    volume = np.arange(24).reshape(2, 3, 4).astype(dtype)
    path = tmp_path / "v.em"
    path.write_bytes(em_bytes(volume, machine, kind, 13_480))
    found, pixel = read_em(path)
    np.testing.assert_array_equal(found, volume)
    assert found.dtype == np.dtype(dtype)
    assert found.dtype.isnative
    assert pixel == pytest.approx(13.48)


def test_header_without_a_pixel_says_zero(tmp_path: Path) -> None:
    path = tmp_path / "v.em"
    path.write_bytes(em_bytes(np.ones((2, 2, 2), np.float32), 6, 5))
    assert read_em(path)[1] == 0.0


def test_what_is_no_em_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "v.em"
    with pytest.raises(InputMissingError, match="found none"):
        read_em(path)
    path.write_bytes(b"short")
    with pytest.raises(FormatError, match="header of 512 bytes"):
        read_em(path)
    whole = em_bytes(np.ones((4, 4, 4), np.float32), 6, 5)
    path.write_bytes(whole[:-8])
    with pytest.raises(FormatError, match="8 bytes too short"):
        read_em(path)
    path.write_bytes(em_bytes(np.ones((2, 2, 2), np.float32), 6, 8))
    with pytest.raises(FormatError, match="type 8"):
        read_em(path)
    packed = tmp_path / "v.em.gz"
    packed.write_bytes(whole)
    with pytest.raises(FormatError, match="does not unpack"):
        read_em(packed)
