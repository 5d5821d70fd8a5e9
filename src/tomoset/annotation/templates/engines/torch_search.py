"""The low-rank search as torch tensors: on a graphics card, or anywhere for comparison."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tomoset.annotation.templates.engines.low_rank import LowRank
from tomoset.annotation.templates.engines.low_rank_search import Extremes, index_type, new_extremes
from tomoset.annotation.templates.engines.tiles import Tile, TilePlan, cut_tile, plan_tiles

__all__ = ["search_torch"]

Floats32 = NDArray[np.float32]

_TILE_BYTES = 4 << 30
_ROTATIONS_AT_ONCE = 256
_VOXELS_AT_ONCE = 1 << 18


def search_torch(
    volume_zyx: Floats32,
    weight_zyx: Floats32,
    basis: LowRank,
    *,
    device: str,
    memory_gib: float,
    step: Callable[[float], None],
) -> Extremes:
    """Score every voxel in every rotation on a torch device, in float32.

    Parameters
    ----------
    volume_zyx : (z, y, x) array of float32
        White; it repeats beyond its ends.
    weight_zyx : (z, y, x // 2 + 1) array of float32
    basis : LowRank
    device : str
        As torch names it.
    memory_gib : float
        A tile takes at most 0.4 of it, and not more than 4 GiB.
    step : callable
        Told the share of the work that is done, after every tile.

    Returns
    -------
    Extremes
        As the compiled search gives them, whose planes are bfloat16: scores differ by some 0.01 of the noise.
    """
    from tomoset.annotation.templates import _kernels

    shape = (volume_zyx.shape[0], volume_zyx.shape[1], volume_zyx.shape[2])
    room = min(_TILE_BYTES, int(0.4 * memory_gib * 2**30))
    plan = plan_tiles(shape, basis.reach_zyx, 4 * basis.rank + 16, room)
    weight = _kernels.resample_half_grid(weight_zyx, shape, plan.padded_zyx)
    result = new_extremes(shape, index_type(len(basis.coefficients)))
    tiles = list(plan.tiles())
    for number, tile in enumerate(tiles, 1):
        found = _search_tile(cut_tile(volume_zyx, plan, tile), weight, basis, plan, tile, device)
        where = tuple(slice(f, f + c) for f, c in zip(tile.first_zyx, tile.core_zyx, strict=True))
        for name in Extremes.__slots__:
            getattr(result, name)[where] = getattr(found, name).reshape(tile.core_zyx)
        step(number / len(tiles))
    return result


def _search_tile(
    volume_zyx: Floats32, weight: Floats32, basis: LowRank, plan: TilePlan, tile: Tile, device: str
) -> Extremes:
    """Extremes of a tile's core, flat."""
    import torch

    with torch.no_grad():
        volume_hat = torch.fft.rfftn(torch.from_numpy(volume_zyx).to(device)) * torch.from_numpy(weight).to(device)
        core = tuple(slice(m, m + c) for m, c in zip(plan.margin_zyx, tile.core_zyx, strict=True))
        planes = torch.empty((basis.rank, int(np.prod(tile.core_zyx))), dtype=torch.float32, device=device)
        for plane, box in zip(planes, basis.boxes, strict=True):
            spectrum = torch.fft.rfftn(_wrapped(torch.from_numpy(box).to(device), plan.padded_zyx))
            correlation = torch.fft.irfftn(volume_hat * spectrum.conj(), s=plan.padded_zyx)
            plane[:] = correlation[core].reshape(-1)
        return _extremes(planes, torch.from_numpy(basis.coefficients).to(device))


def _wrapped(box: Any, shape_zyx: tuple[int, int, int]) -> Any:
    """A box whose centre is at index 0, in a larger volume whose centre is there too; both repeat."""
    out = box.new_zeros(shape_zyx)
    half = box.shape[0] // 2
    n = box.shape[0]
    places = [(np.r_[0:half, half - n : 0]) % length for length in shape_zyx]
    out[np.ix_(*places)] = box
    return out


def _stretches(count: int, length: int) -> Iterator[slice]:
    for start in range(0, count, length):
        yield slice(start, min(start + length, count))


def _extremes(planes: Any, coefficients: Any) -> Extremes:
    """Extremes over tensors of planes (k, voxels) and coefficients (r, k)."""
    import torch

    found = new_extremes(planes.shape[1])
    for voxels in _stretches(planes.shape[1], _VOXELS_AT_ONCE):
        count = voxels.stop - voxels.start
        best, worst = planes.new_full((count,), -np.inf), planes.new_full((count,), np.inf)
        which = torch.zeros(count, dtype=torch.int32, device=planes.device)
        which_worst = torch.zeros_like(which)
        for some in _stretches(len(coefficients), _ROTATIONS_AT_ONCE):
            scores = coefficients[some] @ planes[:, voxels]
            for values, kept, numbers, better in (
                (scores.max(0), best, which, torch.gt),
                (scores.min(0), worst, which_worst, torch.lt),
            ):
                beats = better(values.values, kept)
                kept[beats] = values.values[beats]
                numbers[beats] = (values.indices[beats] + some.start).to(torch.int32)
        for name, values in zip(Extremes.__slots__, (best, which, worst, which_worst), strict=True):
            getattr(found, name)[voxels] = values.cpu().numpy()
    return found
