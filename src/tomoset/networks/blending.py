"""Run a network over a volume of any size, tiles overlapping and blended into each other."""

import itertools
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from tomoset.errors import GeometryError, ParameterError
from tomoset.model import Progress, Resources
from tomoset.networks.precision import mixed_precision
from tomoset.networks.training import torch_threads

if TYPE_CHECKING:
    import torch

__all__ = ["Floats", "blend_tiles", "blending_starts", "blending_weight"]

Floats = NDArray[np.float32]


def blending_starts(length: int, tile: int, overlap: int, stride: int) -> list[int]:
    """First voxels of the tiles along one axis: multiples of the stride that cover it, the last one ending with it.

    An axis shorter than a tile gets one tile that reaches beyond it.
    """
    last = max(0, -(-(length - tile) // stride) * stride)
    return [*range(0, last, tile - overlap), last]


def blending_weight(length: int, overlap: int) -> Floats:
    """Weight along one axis of a tile, in voxels of the answer: 1 inside, falling over the overlap to its ends."""
    from_end = np.minimum(np.arange(length), np.arange(length)[::-1]) + 1.0
    return np.minimum(from_end / (overlap + 1.0), 1.0).astype(np.float32)


def blend_tiles(
    answer: Callable[["torch.Tensor"], "torch.Tensor"],
    read: Callable[[tuple[int, int, int], tuple[int, int, int]], Floats],
    shape_zyx: tuple[int, int, int],
    *,
    n_out: int,
    stride: int,
    tile: int,
    overlap: int,
    multiple: int,
    resources: Resources,
    progress: Progress,
) -> Floats:
    """Weighted mean of the answers of overlapping tiles.

    Parameters
    ----------
    answer : callable
        (1, 1, z, y, x) on the device -> (n_out, z / stride, y / stride, x / stride).
    read : callable
        ``(start, lengths) -> (z, y, x)`` voxels of the volume as the network wants them, also beyond its ends.
    shape_zyx : tuple of int
        Of the volume.
    n_out, stride : int
        Channels of the answer, and voxels of the volume per voxel of it.
    tile, overlap : int
        Edge of a tile and what two neighbours share, voxels; both multiples of ``multiple``. An axis that is shorter
        than a tile has one tile of the next multiple.
    multiple : int
        The network asks for lengths that are multiples of this.
    resources : Resources
    progress : Progress

    Returns
    -------
    (n_out, ceil(z / stride), ceil(y / stride), ceil(x / stride)) array of float32
        From ``resources.allocate``.

    Raises
    ------
    ParameterError
        If tile and overlap do not fit each other or the network.
    GeometryError
        If the volume is empty.
    """
    import torch

    if tile < 1 or tile % multiple or overlap % multiple or not 0 <= 2 * overlap <= tile:
        raise ParameterError(
            f"tiles: expected multiples of {multiple} that overlap by half a tile at most, found {tile} and {overlap}"
        )
    if min(shape_zyx) < 1:
        raise GeometryError(f"expected a volume with voxels, found {shape_zyx}")
    tiles = [min(tile, -(-n // multiple) * multiple) for n in shape_zyx]
    starts = [blending_starts(n, t, min(overlap, t // 2), multiple) for n, t in zip(shape_zyx, tiles, strict=True)]
    cells = tuple(-(-n // stride) for n in shape_zyx)
    total = resources.allocate("network", (n_out, *cells), np.float32)
    weights = np.zeros(cells, dtype=np.float32)
    weight = _outer([blending_weight(t // stride, overlap // stride) for t in tiles])
    device = torch.device(resources.device)
    corners = list(itertools.product(*starts))
    with torch_threads(resources.workers), torch.inference_mode(), mixed_precision(device.type):
        for done, (z, y, x) in enumerate(corners, start=1):
            values = torch.from_numpy(read((z, y, x), (tiles[0], tiles[1], tiles[2])))[None, None].to(device)
            got = answer(values).float().cpu().numpy()
            where = tuple(slice(c // stride, c // stride + t // stride) for c, t in zip((z, y, x), tiles, strict=True))
            inside = tuple(slice(0, min(w.stop, n) - w.start) for w, n in zip(where, cells, strict=True))
            total[(slice(None), *where)] += got[(slice(None), *inside)] * weight[inside]
            weights[where] += weight[inside]
            progress.step("predict", done, len(corners))
    total /= weights
    return np.asarray(total)


def _outer(axes: list[Floats]) -> Floats:
    return np.asarray(axes[0][:, None, None] * axes[1][:, None] * axes[2], dtype=np.float32)
