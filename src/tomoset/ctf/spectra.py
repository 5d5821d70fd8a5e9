"""Power spectra of the tiles of one image.

Each tile keeps its place, because its defocus differs from the image's by the height of the specimen's plane there and
that plane is fitted. Within a tile power is summed over rings and sectors of azimuth (for astigmatism). Frequencies
reach into the corners of the Fourier plane, where the rings tell most about the defocus.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tomoset.ctf.params import CtfParams
from tomoset.errors import ParameterError
from tomoset.physics import rfft_axes_2d

__all__ = ["INDEPENDENT_SHARE", "N_SECTORS", "RingGrid", "TileSpectra", "merge_tiles", "ring_grid", "tile_spectra"]

Floats = NDArray[np.float64]

N_SECTORS = 8
_FEWEST_RINGS = 24
# Independent values per Fourier coefficient of Hann-windowed tiles that overlap by half: the window correlates
# neighbours (power 4/9 and 1/36 at distance 1 and 2: a factor 1 / 1.94² in two dimensions), the overlap 0.9.
INDEPENDENT_SHARE = 0.9 / 1.944**2
# Beyond this share of Nyquist along x or y the camera's edge of the band is left out; diagonals reach further.
_USED_BAND = 0.95
_FARTHEST = 1.3
# A tile counts when no more than this share of it is masked, and when it is not dark beside the image.
_LARGEST_MASKED_SHARE = 0.5
_DARK = 0.1
# Variance of the frequency of a Hann window's power (4/6, and 1/6 on both sides), in coefficients.
_HANN_FREQUENCY_VARIANCE = 1 / 3
# Variance of x under a squared Hann window of width 1.
_HANN_VARIANCE = 0.0200


@dataclass(frozen=True, slots=True, eq=False)
class RingGrid:
    """Rings and sectors of the Fourier plane of a tile.

    Parameters
    ----------
    tile_pixels : int
        Edge of the tile.
    ring_width : float
        Distance of neighbouring rings, 1/Å.
    frequency : (r,) array of float64
        Mean frequency of each ring, 1/Å, ascending.
    azimuth : (s,) array of float64
        Middle of each sector, radians from image x, counter-clockwise; a half turn in all.
    index : (tile, tile // 2 + 1) array of int32
        ``sector · r + ring`` of every coefficient; −1 outside the fit.
    count : (s, r) array of float64
        Coefficients of a ring in each sector.
    """

    tile_pixels: int
    ring_width: float
    frequency: Floats
    azimuth: Floats
    index: NDArray[np.int32]
    count: Floats

    @property
    def ring_spread(self) -> float:
        """Standard deviation, 1/Å, of the frequencies whose power a ring holds: its own width and the window's."""
        return self.ring_width * float(np.sqrt(1 / 12 + _HANN_FREQUENCY_VARIANCE))

    @property
    def ring_count(self) -> Floats:
        """Coefficients of each ring (r,)."""
        total: Floats = self.count.sum(axis=0)
        return total


@dataclass(frozen=True, slots=True, eq=False)
class TileSpectra:
    """Mean power spectra of the tiles of one image.

    Parameters
    ----------
    power : (t, s, r) array of float32
        By tile, sector and ring; relative to white noise of the tile's mean.
    position_xy_angstrom : (t, 2) array of float64
        Middle of each tile, from the image's index N // 2, Å.
    n_tiles : (t,) array of float64
        Tiles that each row stands for (one before :func:`merge_tiles`).
    extent_angstrom : float
        Standard deviation, along any direction, of the places whose power a row holds.
    """

    power: NDArray[np.float32]
    position_xy_angstrom: Floats
    n_tiles: Floats
    extent_angstrom: float


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
    band = _USED_BAND * 0.5 / pixel_size_angstrom
    low = 1 / params.coarsest_angstrom
    high = min(1 / params.finest_angstrom, _FARTHEST * band)
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
    inside = (ring >= 0) & (ring < n_rings) & (np.abs(ky) <= band) & (np.abs(kx) <= band)
    inside &= (ky != 0) & (kx != 0)  # the image's edges and bad lines of the camera live on the axes
    index = np.where(inside, sector * n_rings + ring, -1).astype(np.int32)
    count = np.bincount(index[inside], minlength=N_SECTORS * n_rings).astype(np.float64).reshape(N_SECTORS, n_rings)
    mean = np.bincount(ring[inside], weights=frequency[inside], minlength=n_rings) / count.sum(axis=0)
    azimuth = (np.arange(N_SECTORS) + 0.5) * np.pi / N_SECTORS
    return RingGrid(tile, width, mean, azimuth, index, count)


def tile_spectra(
    image_yx: NDArray[np.float32],
    grid: RingGrid,
    *,
    pixel_size_angstrom: float,
    mask_yx: NDArray[np.bool_] | None = None,
) -> TileSpectra | None:
    """Power spectra of the tiles of one image.

    Parameters
    ----------
    image_yx : (ny, nx) array of float32
        Motion-corrected image, counts.
    grid : RingGrid
        From :func:`ring_grid`.
    pixel_size_angstrom : float
        Of the image.
    mask_yx : (my, mx) array of bool or None
        True where the image does not show the specimen, on a coarser grid over the same field; tiles that lie in it
        for more than half are left out, and so are dark ones.

    Returns
    -------
    TileSpectra or None
        None when nothing is left (an image of one value, of values that are not finite, or masked everywhere).
    """
    from scipy import fft

    from tomoset.ctf._kernels import add_power_by_ring

    mean = float(image_yx.mean(dtype=np.float64))
    if not np.isfinite(mean) or mean <= 0 or float(np.ptp(image_yx)) == 0:
        return None
    tile = grid.tile_pixels
    ny, nx = image_yx.shape
    window = np.hanning(tile + 2)[1:-1].astype(np.float32)
    taper = np.outer(window, window) / np.float32(np.square(window).sum())
    places, rows = [], []
    for y in _starts(ny, tile):
        for x in _starts(nx, tile):
            patch = image_yx[y : y + tile, x : x + tile]
            level = float(patch.mean(dtype=np.float64))
            if level <= _DARK * mean or _masked_share(mask_yx, (ny, nx), int(y), int(x), tile) > _LARGEST_MASKED_SHARE:
                continue
            transform = fft.rfft2((patch - np.float32(level)) * taper)
            sums = np.zeros(grid.count.size)
            add_power_by_ring(transform, grid.index, sums)
            rows.append(sums / level)
            places.append((x + (tile - 1) / 2 - nx // 2, y + (tile - 1) / 2 - ny // 2))
    if not rows:
        return None
    power = np.asarray(rows).reshape(-1, *grid.count.shape) / np.maximum(grid.count, 1)
    return TileSpectra(
        power=power.astype(np.float32),
        position_xy_angstrom=np.asarray(places) * pixel_size_angstrom,
        n_tiles=np.ones(len(rows)),
        extent_angstrom=float(np.sqrt(_HANN_VARIANCE)) * tile * pixel_size_angstrom,
    )


def merge_tiles(spectra: TileSpectra, gradient_xy: Floats, most: tuple[int, int]) -> TileSpectra:
    """Average neighbouring tiles of a large image, so that no more rows than ``most`` lie along and across a slope.

    Parameters
    ----------
    spectra : TileSpectra
    gradient_xy : (2,) array of float64
        Direction in which the height changes; image x where it is zero.
    most : tuple of int
        Cells along the gradient, and across it.
    """
    length = float(np.hypot(*gradient_xy))
    along = np.asarray(gradient_xy) / length if length > 0 else np.array([1.0, 0.0])
    axes = np.stack([along, [-along[1], along[0]]])
    place = spectra.position_xy_angstrom @ axes.T
    cell = np.zeros(len(place), dtype=np.intp)
    widest = 0.0
    for axis, n in enumerate(most):
        low, high = place[:, axis].min(), place[:, axis].max()
        width = max((high - low) / n, 1e-6)
        cell = cell * n + np.minimum(((place[:, axis] - low) / width).astype(np.intp), n - 1)
        widest = max(widest, width)
    names, group = np.unique(cell, return_inverse=True)
    if len(names) > 0.7 * len(place):  # hardly anything to merge
        return spectra
    tiles = np.bincount(group, weights=spectra.n_tiles).astype(np.float64)
    power = np.zeros((len(names), *spectra.power.shape[1:]))
    np.add.at(power, group, spectra.power * spectra.n_tiles[:, None, None])
    position = np.stack(
        [np.bincount(group, weights=spectra.n_tiles * xy) / tiles for xy in spectra.position_xy_angstrom.T], axis=1
    )
    return TileSpectra(
        power=(power / tiles[:, None, None]).astype(np.float32),
        position_xy_angstrom=position,
        n_tiles=tiles,
        extent_angstrom=float(np.sqrt(spectra.extent_angstrom**2 + widest**2 / 12)),
    )


def _masked_share(mask_yx: NDArray[np.bool_] | None, shape_yx: tuple[int, int], y: int, x: int, tile: int) -> float:
    """Share of a tile that the coarse mask covers."""
    if mask_yx is None:
        return 0.0
    (my, mx), (ny, nx) = mask_yx.shape, shape_yx
    part = mask_yx[
        int(y * my / ny) : max(int(np.ceil((y + tile) * my / ny)), int(y * my / ny) + 1),
        int(x * mx / nx) : max(int(np.ceil((x + tile) * mx / nx)), int(x * mx / nx) + 1),
    ]
    return float(part.mean())


def _starts(size: int, tile: int) -> NDArray[np.intp]:
    """First pixels of half-overlapping tiles that cover an axis evenly."""
    n = int(np.ceil((size - tile) / (tile / 2))) + 1
    return np.round(np.linspace(0, size - tile, n)).astype(np.intp)
