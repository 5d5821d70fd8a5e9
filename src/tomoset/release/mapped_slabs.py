"""A zarr array of uncompressed slabs of whole planes, mapped into memory."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["MappedSlabs"]


class MappedSlabs:
    """Read regions of such an array without zarr's own machinery, which costs a small patch ten times its bytes.

    Parameters
    ----------
    slabs : list of (depth, y, x) arrays
        Memory maps of the chunks, in order of z; the last may be deeper than what is left.
    shape_zyx : tuple of int
    """

    def __init__(self, slabs: list[NDArray[Any]], shape_zyx: tuple[int, int, int]) -> None:
        self._slabs, self.shape = slabs, shape_zyx

    @classmethod
    def of(cls, array: Any, folder: Path) -> "MappedSlabs | None":
        """The array mapped, or None when its chunks are compressed, sharded, or do not hold whole planes."""
        depth, height, width = array.chunks
        is_plain = array.shards is None and not array.compressors and not array.filters
        files = [folder / "c" / str(k) / "0" / "0" for k in range(-(-array.shape[0] // depth))]
        if not is_plain or (height, width) != array.shape[1:] or not all(file.is_file() for file in files):
            return None
        dtype = np.dtype(array.dtype).newbyteorder("<")
        if any(file.stat().st_size != depth * height * width * dtype.itemsize for file in files):
            return None
        slabs: list[NDArray[Any]] = [
            np.memmap(file, dtype=dtype, mode="r", shape=(depth, height, width)) for file in files
        ]
        return cls(slabs, array.shape)

    def __getitem__(self, region: tuple[slice, slice, slice]) -> NDArray[Any]:
        """Values of a region with a start and a stop along every axis."""
        planes, rows, columns = region
        depth = self._slabs[0].shape[0]
        parts = [
            self._slabs[k][max(planes.start - k * depth, 0) : planes.stop - k * depth, rows, columns]
            for k in range(planes.start // depth, -(-planes.stop // depth))
        ]
        return parts[0] if len(parts) == 1 else np.concatenate(parts)
