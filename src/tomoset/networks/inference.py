"""Run a network over a volume of any size, tile by tile, without seams."""

import itertools
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from tomoset.errors import GeometryError, ParameterError
from tomoset.model import ArraySource, Progress, Resources
from tomoset.networks.training import torch_threads

if TYPE_CHECKING:
    from torch import nn

__all__ = ["predict_volume", "tile_starts"]


def tile_starts(length: int, tile: int, overlap: int) -> list[int]:
    """First voxels of the tiles along one axis: even steps, so that poolings fall on the same voxels in all of them.

    The last tile may reach beyond the axis.
    """
    step = tile - 2 * overlap
    return list(range(0, max(1, length - 2 * overlap), step))


def predict_volume(
    module: "nn.Module",
    source: ArraySource,
    out_zyx: NDArray[np.float32],
    *,
    mean: float,
    scale: float,
    tile: int,
    overlap: int,
    multiple: int,
    resources: Resources,
    progress: Progress,
) -> None:
    """Add the answer to ``out_zyx``.

    Parameters
    ----------
    module : torch.nn.Module
        One channel in, one out.
    source : ArraySource
        (z, y, x); read tile by tile.
    out_zyx : (z, y, x) array of float32
        The answer, in the units the module gives, is added to it.
    mean, scale : float
        The module sees ``(volume − mean) / scale``.
    tile : int
        Edge of a tile; it and twice the overlap are multiples of ``multiple``.
    overlap : int
        Voxels at a tile's edge that are thrown away where a neighbour has better ones. Seams vanish when it is the
        module's reach, and are small from half of that.
    multiple : int
        The module asks for lengths that are multiples of this; tiles that reach beyond the volume are mirrored up to
        the next one.
    resources : Resources
    progress : Progress

    Raises
    ------
    ParameterError
        If the overlap leaves nothing of a tile.
    GeometryError
        If the shapes differ.
    """
    import torch

    if not 0 <= 2 * overlap < tile:
        raise ParameterError(f"expected an overlap below half of the tile ({tile}), found {overlap}")
    if tuple(source.shape) != out_zyx.shape:
        raise GeometryError(f"expected an output of shape {tuple(source.shape)}, found {out_zyx.shape}")
    device = torch.device(resources.device)
    starts = [tile_starts(n, tile, overlap) for n in out_zyx.shape]
    corners = list(itertools.product(*starts))
    with torch_threads(resources.workers), torch.inference_mode():
        for done, corner in enumerate(corners, start=1):
            read = tuple(slice(c, min(c + tile, n)) for c, n in zip(corner, out_zyx.shape, strict=True))
            values = (np.asarray(source.read(read), dtype=np.float32) - np.float32(mean)) / np.float32(scale)
            missing = [(0, -n % multiple) for n in values.shape]
            padded = np.pad(values, missing, mode="symmetric")
            answer = module(torch.from_numpy(padded)[None, None].to(device))[0, 0].cpu().numpy()
            keep = tuple(_kept(c, s, tile, n, overlap) for c, s, n in zip(corner, starts, out_zyx.shape, strict=True))
            inside = tuple(slice(k.start - c, k.stop - c) for k, c in zip(keep, corner, strict=True))
            out_zyx[keep] += answer[inside]
            progress.step("predict", done, len(corners))


def _kept(start: int, starts: list[int], tile: int, length: int, overlap: int) -> slice:
    """Voxels of the axis that this tile answers for: every voxel belongs to exactly one tile."""
    first = 0 if start == starts[0] else start + overlap
    last = length if start == starts[-1] else start + tile - overlap
    return slice(first, last)
