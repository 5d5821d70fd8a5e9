"""Power spectra of the tiles of one image, sorted by the height of the specimen under each tile.

A tile's own defocus differs from the image's by ``hand · height`` of the specimen plane there. Spectra are added up in
bins of height (narrow enough that the CTF does not change within one), in sectors of azimuth (for astigmatism) and
in two halves, the black and the white tiles of a chess board (to judge a fit on tiles it has not seen).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tomoset.ctf.params import CtfParams
from tomoset.errors import ParameterError
from tomoset.physics import rfft_axes_2d

__all__ = ["RingGrid", "TileSpectra", "ring_grid", "tile_spectra"]

Floats = NDArray[np.float64]

N_SECTORS = 12
_FEWEST_RINGS = 24
# Independent values per Fourier coefficient of Hann-windowed tiles that overlap by half: the window correlates
# neighbours (power 4/9 and 1/36 at distance 1 and 2: a factor 1 / 1.94² in two dimensions), the overlap 0.9.
INDEPENDENT_SHARE = 0.9 / 1.944**2


@dataclass(frozen=True, slots=True, eq=False)
class RingGrid:
    """Rings and sectors of the Fourier plane of a tile.

    Parameters
    ----------
    tile_pixels : int
        Edge of the tile.
    frequency : (r,) array of float64
        Mean frequency of each ring, 1/Å, ascending.
    azimuth : (s,) array of float64
        Middle of each sector, radians from image x, counter-clockwise; a half turn in all.
    index : (tile, tile // 2 + 1) array of int
        ``sector · r + ring`` of every coefficient; ``s · r`` outside the fit.
    count : (r,) array of float64
        Coefficients of a ring in one sector, mean over sectors.
    """

    tile_pixels: int
    frequency: Floats
    azimuth: Floats
    index: NDArray[np.intp]
    count: Floats


@dataclass(frozen=True, slots=True, eq=False)
class TileSpectra:
    """Mean power spectra of the tiles of one image.

    Parameters
    ----------
    power : (2, h, s, r) array of float64
        By half of the chess board, bin of height, sector and ring; relative to white noise of the image's mean.
    n_tiles : (2, h) array of float64
        Tiles in each bin.
    height_step : (h,) array of int
        Height of the bins in units of the step.
    step_angstrom : float
        Width of a bin.
    """

    power: Floats
    n_tiles: Floats
    height_step: NDArray[np.intp]
    step_angstrom: float


def ring_grid(image_shape_yx: tuple[int, int], pixel_size_angstrom: float, params: CtfParams) -> RingGrid:
    """Lay out rings and sectors for images of one size.

    Raises
    ------
    ParameterError
        If the images are too small or too coarse for Thon rings to be fitted.
    """
    tile = 2 * round(params.tile_angstrom / pixel_size_angstrom / 2)
    tile = min(tile, *(n // 2 * 2 for n in image_shape_yx))
    ky, kx = rfft_axes_2d((tile, tile), pixel_size_angstrom)
    frequency = np.hypot(ky, kx)
    low = 1 / params.coarsest_angstrom
    high = min(1 / params.finest_angstrom, 0.95 * 0.5 / pixel_size_angstrom)
    width = 1 / (tile * pixel_size_angstrom)
    n_rings = int((high - low) / width)
    if n_rings < _FEWEST_RINGS:
        raise ParameterError(
            f"ctf: tiles of {tile} pixels of {pixel_size_angstrom:g} Å hold {max(n_rings, 0)} rings between "
            f"{params.coarsest_angstrom:g} and {1 / high:.1f} Å, at least {_FEWEST_RINGS} are needed; use larger "
            "images, smaller pixels or a coarser coarsest_angstrom"
        )
    ring = np.floor((frequency - low) / width).astype(np.intp)
    sector = np.floor((np.arctan2(ky, kx) % np.pi) / np.pi * N_SECTORS).astype(np.intp) % N_SECTORS
    inside = (ring >= 0) & (ring < n_rings)
    inside &= (ky != 0) & (kx != 0)  # the image's edges and bad lines of the camera live on the axes
    index = np.where(inside, sector * n_rings + ring, N_SECTORS * n_rings)
    count = np.bincount(ring[inside], minlength=n_rings)
    mean = np.bincount(ring[inside], weights=frequency[inside], minlength=n_rings) / count
    azimuth = (np.arange(N_SECTORS) + 0.5) * np.pi / N_SECTORS
    return RingGrid(tile, mean, azimuth, index, count / N_SECTORS)


def tile_spectra(
    image_yx: NDArray[np.float32],
    grid: RingGrid,
    gradient_xy: Floats,
    *,
    pixel_size_angstrom: float,
    step_angstrom: float,
) -> TileSpectra | None:
    """Power spectra of the tiles of one image.

    Parameters
    ----------
    image_yx : (ny, nx) array of float32
        Motion-corrected image, counts.
    grid : RingGrid
        From :func:`ring_grid`.
    gradient_xy : (2,) array of float64
        Height of the specimen's plane per Å of image x and y.
    pixel_size_angstrom : float
        Of the image.
    step_angstrom : float
        Width of a bin of height.

    Returns
    -------
    TileSpectra or None
        None when the image holds nothing (all one value, or values that are not finite).
    """
    from scipy import fft

    mean = float(image_yx.mean(dtype=np.float64))
    if not np.isfinite(mean) or mean <= 0 or float(np.ptp(image_yx)) == 0:
        return None
    tile = grid.tile_pixels
    start_y, start_x = (_starts(n, tile) for n in image_yx.shape)
    ny, nx = image_yx.shape
    offset_x = (start_x + (tile - 1) / 2 - nx // 2) * pixel_size_angstrom
    offset_y = (start_y + (tile - 1) / 2 - ny // 2) * pixel_size_angstrom
    height = gradient_xy[0] * offset_x[None, :] + gradient_xy[1] * offset_y[:, None]
    step = np.round(height / step_angstrom).astype(np.intp)
    steps, bins = np.unique(step, return_inverse=True)
    bins = bins.reshape(step.shape)
    window = np.hanning(tile + 2)[1:-1].astype(np.float32)
    taper = np.outer(window, window) / np.float32(np.sqrt(np.square(window).sum() ** 2 * mean))
    summed = np.zeros((2, len(steps), tile, tile // 2 + 1))
    n_tiles = np.zeros((2, len(steps)))
    for j, y in enumerate(start_y):
        for i, x in enumerate(start_x):
            patch = image_yx[y : y + tile, x : x + tile]
            transform = fft.rfft2((patch - patch.mean()) * taper)
            half = (i + j) % 2
            summed[half, bins[j, i]] += np.square(transform.real) + np.square(transform.imag)
            n_tiles[half, bins[j, i]] += 1
    return TileSpectra(_by_ring(summed, n_tiles, grid), n_tiles, steps, step_angstrom)


def _starts(size: int, tile: int) -> NDArray[np.intp]:
    """First pixels of half-overlapping tiles that cover an axis evenly."""
    n = int(np.ceil((size - tile) / (tile / 2))) + 1
    return np.round(np.linspace(0, size - tile, n)).astype(np.intp)


def _by_ring(summed: Floats, n_tiles: Floats, grid: RingGrid) -> Floats:
    """Mean over the coefficients of every ring of every sector."""
    n_rings = len(grid.frequency)
    size = N_SECTORS * n_rings
    index = grid.index.ravel()
    count = np.bincount(index, minlength=size + 1)[:size]
    power = np.zeros((*n_tiles.shape, size))
    for half, row in np.argwhere(n_tiles > 0):
        total = np.bincount(index, weights=summed[half, row].ravel(), minlength=size + 1)[:size]
        power[half, row] = total / np.maximum(count, 1) / n_tiles[half, row]
    return power.reshape(*n_tiles.shape, N_SECTORS, n_rings)
