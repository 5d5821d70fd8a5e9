"""The search through a low-rank basis: a few correlations, then every rotation's score from them."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tomoset.annotation.templates.engines.coarse_to_fine import Cover, places_to_refine
from tomoset.annotation.templates.engines.low_rank import LowRank
from tomoset.annotation.templates.engines.tiles import Tile, TilePlan, cut_tile, plan_tiles

__all__ = ["Extremes", "index_type", "new_extremes", "pack_coefficients", "search_low_rank", "turns"]

Floats32 = NDArray[np.float32]
Pairs = NDArray[np.uint32]

_PLANE_BYTES = 3 << 27  # of a tile, unless there is less memory: the same tiles on every machine
_MEMORY_SHARE = 0.4
_CHUNK_VOXELS = 64 * 256


@dataclass(frozen=True, slots=True, eq=False)
class Extremes:
    """Largest and smallest score of voxels, and the rotations that gave them (arrays of one shape)."""

    best: Floats32
    which: NDArray[Any]
    worst: Floats32
    which_worst: NDArray[Any]


def index_type(rotations: int) -> type[np.signedinteger]:
    """Smallest integers that number rotations."""
    return np.int16 if rotations < 2**15 else np.int32


def new_extremes(shape: int | tuple[int, ...], kind: type[np.signedinteger] = np.int32) -> Extremes:
    """Nothing found yet."""
    return Extremes(
        np.full(shape, -np.inf, dtype=np.float32),
        np.zeros(shape, dtype=kind),
        np.full(shape, np.inf, dtype=np.float32),
        np.zeros(shape, dtype=kind),
    )


def pack_coefficients(coefficients: Floats32) -> Pairs:
    """Coefficients (r, k) as the compiled product reads them: (groups, pairs, 6) pairs of bfloat16."""
    from tomoset.annotation.templates.engines import _gemm_kernels

    six = _gemm_kernels.ROTATIONS
    r, k = coefficients.shape
    padded = np.zeros((-(-r // six) * six, k + k % 2), dtype=np.float32)
    padded[:r, :k] = coefficients
    padded[r:, :k] = coefficients[-1]
    bits = padded.view(np.uint32)
    upper = (bits + np.uint32(0x7FFF) + ((bits >> np.uint32(16)) & np.uint32(1))) >> np.uint32(16)
    pairs = upper[:, 0::2] | (upper[:, 1::2] << np.uint32(16))
    return np.ascontiguousarray(pairs.reshape(-1, six, pairs.shape[1]).transpose(0, 2, 1))


def turns(length: int, n: int) -> tuple[Floats32, Floats32]:
    """Cosine and sine of 2π k z / length for k to half the length and places z to half a box."""
    angle = 2 * np.pi * (np.outer(np.arange(length // 2 + 1), np.arange(n // 2 + 1)) % length) / length
    return np.cos(angle).astype(np.float32), np.sin(angle).astype(np.float32)


def search_low_rank(
    volume_zyx: Floats32,
    weight_zyx: Floats32,
    basis: LowRank,
    cover: Cover | None,
    *,
    workers: int,
    memory_gib: float,
    step: Callable[[float], None],
) -> Extremes:
    """Score every voxel in every rotation, or in a cover of them and in all where that looks promising.

    Parameters
    ----------
    volume_zyx : (z, y, x) array of float32
        White; it repeats beyond its ends.
    weight_zyx : (z, y, x // 2 + 1) array of float32
        What templates are multiplied with, on the volume's ``rfftn`` grid.
    basis : LowRank
    cover : Cover or None
        Rotations for the first pass; None tries all rotations everywhere.
    workers : int
    memory_gib : float
        A tile takes at most 0.4 of it, and not more than 0.4 GiB.
    step : callable
        Told the share of the work that is done, after every tile.

    Returns
    -------
    Extremes
        Of whole volumes.
    """
    shape = (volume_zyx.shape[0], volume_zyx.shape[1], volume_zyx.shape[2])
    pairs = -(-basis.rank // 2)
    room = min(_PLANE_BYTES, int(_MEMORY_SHARE * memory_gib * 2**30))
    plan = plan_tiles(shape, basis.reach_zyx, 4 * pairs + 16, room)
    engine = _Engine(plan, weight_zyx, basis, cover, workers)
    result = new_extremes(shape, index_type(len(basis.coefficients)))
    tiles = list(plan.tiles())
    with ThreadPoolExecutor(max(1, workers)) as pool:
        for number, tile in enumerate(tiles, 1):
            found = engine.search(cut_tile(volume_zyx, plan, tile), tile, pool)
            where = tuple(slice(f, f + c) for f, c in zip(tile.first_zyx, tile.core_zyx, strict=True))
            result.best[where], result.which[where] = found.best, found.which
            result.worst[where], result.which_worst[where] = found.worst, found.which_worst
            step(number / len(tiles))
    return result


class _Engine:
    """What all tiles share, and the room they are worked on in."""

    def __init__(self, plan: TilePlan, weight_zyx: Floats32, basis: LowRank, cover: Cover | None, workers: int) -> None:
        from tomoset.annotation.templates import _kernels
        from tomoset.annotation.templates.engines import _low_rank_kernels

        self.plan, self.basis, self.cover, self.workers = plan, basis, cover, max(1, workers)
        self.weight = _kernels.resample_half_grid(weight_zyx, plan.shape_zyx, plan.padded_zyx)
        self.support = _low_rank_kernels.row_support(self.weight)
        self.columns = max(1, int(self.support[..., 1].max()))
        self.bands = _bands(self.support)
        n = basis.boxes.shape[1]
        self.turns_y, self.turns_z = turns(plan.padded_zyx[1], n), turns(plan.padded_zyx[0], n)
        self.every = pack_coefficients(basis.coefficients)
        self.first = self.every if cover is None else pack_coefficients(basis.coefficients[cover.centres])

    def search(self, volume_zyx: Floats32, tile: Tile, pool: ThreadPoolExecutor) -> Extremes:
        """Extremes (z, y, x) of a tile's core."""
        planes = self._planes(volume_zyx, tile, pool)
        n_core = int(np.prod(tile.core_zyx))
        found = self._score(planes, self.first, pool)
        cut = Extremes(*(getattr(found, name)[:n_core].reshape(tile.core_zyx) for name in Extremes.__slots__))
        if self.cover is not None:
            np.take(self.cover.centres, cut.which, out=cut.which)
            np.take(self.cover.centres, cut.which_worst, out=cut.which_worst)
            self._refine(planes, cut, pool)
        last = np.int32(len(self.basis.coefficients) - 1)  # what fills up the last six rotations repeats the last
        np.minimum(cut.which, last, out=cut.which)
        np.minimum(cut.which_worst, last, out=cut.which_worst)
        return cut

    def _planes(self, volume_zyx: Floats32, tile: Tile, pool: ThreadPoolExecutor) -> Pairs:
        """Correlations of the tile's core with all functions, in pairs: (pairs, voxels filled up to 64)."""
        from scipy import fft

        from tomoset.annotation.templates.engines import _gemm_kernels, _low_rank_kernels

        lanes = _gemm_kernels.LANES
        n_core = int(np.prod(tile.core_zyx))
        rank = self.basis.rank
        planes = np.empty((-(-rank // 2), -(-n_core // lanes) * lanes), dtype=np.uint32)
        volume_hat = fft.rfftn(volume_zyx, workers=self.workers)
        volume_hat *= self.weight
        flat_hat = volume_hat.view(np.float32)
        margin = self.plan.margin_zyx

        def one(pair: int) -> None:
            first = self._correlate(self.basis.boxes[2 * pair], flat_hat)
            second = self._correlate(self.basis.boxes[2 * pair + 1], flat_hat) if 2 * pair + 1 < rank else first * 0
            _low_rank_kernels.pack_pair(
                first.view(np.uint32), second.view(np.uint32), margin, tile.core_zyx, planes[pair]
            )

        for _ in pool.map(one, range(len(planes))):
            pass
        return planes

    def _correlate(self, box: Floats32, flat_hat: Floats32) -> Floats32:
        from scipy import fft

        from tomoset.annotation.templates.engines import _low_rank_kernels

        n, (nz, ny, nx) = len(box), self.plan.padded_zyx
        half = n // 2
        lines = np.zeros((n, n, nx), dtype=np.float32)
        if nx >= n:
            lines[:, :, :half] = box[:, :, :half]
            lines[:, :, -half:] = box[:, :, half:]
        else:  # the box reaches around the volume
            for place in range(n):
                lines[:, :, (place if place < half else place - n) % nx] += box[:, :, place]
        product = np.empty((nz, ny, self.columns), dtype=np.complex64)
        middle = np.empty((n, ny, 2 * self.columns), dtype=np.float32)
        _low_rank_kernels.template_product(
            fft.rfft(lines, axis=2).view(np.float32),
            self.turns_y,
            self.turns_z,
            flat_hat,
            self.support,
            middle,
            product.view(np.float32),
        )
        for rows in self.bands:  # the other rows are 0
            product[:, rows] = fft.ifft(product[:, rows], axis=0)
        product = fft.ifft(product, axis=1, overwrite_x=True)
        return np.asarray(fft.irfft(product, n=nx, axis=2), dtype=np.float32)

    def _score(self, planes: Pairs, coefficients: Pairs, pool: ThreadPoolExecutor) -> Extremes:
        from tomoset.annotation.templates.engines import _gemm_kernels

        found = new_extremes(planes.shape[1])

        def one(first: int) -> None:
            last = min(first + _CHUNK_VOXELS, planes.shape[1])
            _gemm_kernels.extremes_of_blocks(
                planes, coefficients, first, last, found.best, found.which, found.worst, found.which_worst
            )

        for _ in pool.map(one, range(0, planes.shape[1], _CHUNK_VOXELS)):
            pass
        return found

    def _refine(self, planes: Pairs, cut: Extremes, pool: ThreadPoolExecutor) -> None:
        """All rotations around the local maxima of the first pass."""
        from tomoset.annotation.templates.engines import _gemm_kernels

        lanes = _gemm_kernels.LANES
        places = places_to_refine(cut.best, cut.worst)
        for some in _stretches(places):
            gathered = np.zeros((len(planes), -(-len(some) // lanes) * lanes), dtype=np.uint32)
            np.take(planes, some, axis=1, out=gathered[:, : len(some)])
            found = self._score(gathered, self.every, pool)
            for name in Extremes.__slots__:
                getattr(cut, name).reshape(-1)[some] = getattr(found, name)[: len(some)]


def _bands(support: NDArray[np.int64]) -> list[slice]:
    """Rows of a half grid, from both ends, between which nothing has support."""
    used = np.flatnonzero(support[..., 1].any(axis=0))
    count = support.shape[1]
    low = used[used < (count + 1) // 2]
    high = used[used >= (count + 1) // 2]
    first = int(low.max()) + 1 if low.size else 0
    last = int(high.min()) if high.size else count
    return [slice(0, count)] if first >= last else [slice(0, first), slice(last, count)]


def _stretches(places: NDArray[np.int64]) -> Iterator[NDArray[np.int64]]:
    """Places in portions whose planes are small beside a tile's."""
    portion = 16 * _CHUNK_VOXELS
    for start in range(0, len(places), portion):
        yield places[start : start + portion]
