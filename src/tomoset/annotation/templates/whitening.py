"""A tomogram with equal noise at every frequency and place, on the voxels of the search."""

from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

__all__ = ["WhitenedVolume", "crop_to_voxel_size", "cropping_ratio", "local_spectrum", "whiten"]

Floats32 = NDArray[np.float32]

_CLIP_SIGMA = 5.0
_LOCAL_SIGMA_ANGSTROM = 250.0
_LEAST_COVERAGE = 0.1


@dataclass(frozen=True, slots=True, eq=False)
class WhitenedVolume:
    """A volume whose noise has unit spectral density wherever the tilts measured something.

    Parameters
    ----------
    volume_zyx : (z, y, x) array of float32
        Protein bright.
    voxel_size_angstrom : float
        Voxel (0, 0, 0) is the tomogram's voxel (0, 0, 0): positions need no offset.
    used_zyx : tuple of int
        Size of the part that holds data; the rest is padding. The padding is wide enough that a particle centred a
        margin outside the data is told apart at either side; indices there count from the end, as in a Fourier grid.
    """

    volume_zyx: Floats32
    voxel_size_angstrom: float
    used_zyx: tuple[int, int, int]

    def positions_angstrom_xyz(self, index_zyx: NDArray[np.integer]) -> NDArray[np.float64]:
        """Volume-frame positions (n, 3) of indices (n, 3); padding beyond the middle lies before voxel 0."""
        used, whole = np.asarray(self.used_zyx), np.asarray(self.volume_zyx.shape)
        signed = np.where(index_zyx >= (used + whole) / 2, index_zyx - whole, index_zyx)
        return np.asarray(signed[:, ::-1] * self.voxel_size_angstrom, dtype=np.float64)


def cropping_ratio(voxel_size_angstrom: float, wanted_angstrom: float) -> Fraction:
    """Ratio of small integers, at most 1, by which the number of voxels per edge shrinks; 3/4 for 10 -> 13.33 Å."""
    if wanted_angstrom <= voxel_size_angstrom:
        return Fraction(1)
    return max(Fraction(voxel_size_angstrom / wanted_angstrom).limit_denominator(8), Fraction(1, 8))


def crop_to_voxel_size(
    volume_zyx: NDArray[np.floating],
    voxel_size_angstrom: float,
    wanted_angstrom: float,
    *,
    margin_angstrom: float = 0.0,
    workers: int = 1,
) -> WhitenedVolume:
    """Fourier-crop a volume to larger voxels, after padding it with its mean to a size that divides.

    Parameters
    ----------
    volume_zyx : (z, y, x) array of float
    voxel_size_angstrom, wanted_angstrom : float
        Voxel size it has and should have.
    margin_angstrom : float
        Least padding around the volume, Å.
    workers : int
        Threads.

    Returns
    -------
    WhitenedVolume
        With zero mean, not yet whitened; voxel (0, 0, 0) has not moved.
    """
    from scipy import fft

    ratio = cropping_ratio(voxel_size_angstrom, wanted_angstrom)
    p, q = ratio.numerator, ratio.denominator
    shape = volume_zyx.shape
    # Every axis becomes p * m voxels out of q * m, with p * m quick to transform and even.
    margin = int(np.ceil(margin_angstrom / voxel_size_angstrom))
    blocks = [_blocks(length + 2 * margin, p, q) for length in shape]
    work = np.asarray(volume_zyx, dtype=np.float32) - np.float32(np.mean(volume_zyx, dtype=np.float64))
    transform = fft.rfft(work, n=q * blocks[2], axis=2, workers=workers)[:, :, : p * blocks[2] // 2 + 1]
    del work
    for axis in (1, 0):
        transform = _cropped_fft(transform, axis, q * blocks[axis], p * blocks[axis], workers)
    small = (p * blocks[0], p * blocks[1], p * blocks[2])
    if p != q:
        transform[:, :, -1] = 0
    cropped = fft.irfftn(transform, s=small, overwrite_x=True, workers=workers)
    cropped *= np.float32(float(ratio) ** 3)
    z, y, x = (int(np.ceil(length * p / q)) for length in shape)
    return WhitenedVolume(cropped.astype(np.float32, copy=False), voxel_size_angstrom * q / p, (z, y, x))


def _blocks(length: int, p: int, q: int) -> int:
    """Smallest m with q·m ≥ length, p·m even, and m (not p·m: p may be 7) a product of 2, 3 and 5."""
    from scipy import fft

    m = -(-length // q)
    while (p * m) % 2 or fft.next_fast_len(m, real=True) != m:
        m += 1
    return m


def _cropped_fft(
    transform: NDArray[np.complex64], axis: int, padded: int, kept: int, workers: int
) -> NDArray[np.complex64]:
    """Transform one axis, padded to a length, and keep its low frequencies (the Nyquist term of a crop is dropped)."""
    from scipy import fft

    full = fft.fft(transform, n=padded, axis=axis, workers=workers)
    if kept == padded:
        return full
    low = np.take(full, np.r_[0 : kept // 2, padded - kept // 2 : padded], axis=axis)
    index: list[slice | int] = [slice(None)] * 3
    index[axis] = kept // 2
    low[tuple(index)] = 0
    return low


def local_spectrum(volume_zyx: Floats32, used_zyx: tuple[int, int, int], n: int, workers: int = 1) -> Floats32:
    """Power spectrum of a volume at the resolution of a box: Welch's average over half-overlapping Hann boxes.

    Parameters
    ----------
    volume_zyx : (z, y, x) array of float32
    used_zyx : tuple of int
        Size of the part with data.
    n : int
        Edge of the boxes, voxels; shrinks along axes that are shorter.
    workers : int

    Returns
    -------
    (n, n, n // 2 + 1) array of float32
        Mean |F|² per voxel: 1 everywhere for white noise of unit variance. The tenth of the boxes with the largest
        variance is left out (gold, edges, contamination).
    """
    from scipy import fft, ndimage

    window = np.hanning(n + 1)[:n].astype(np.float32)
    taper = window[:, None, None] * window[:, None] * window
    taper /= np.sqrt(np.mean(taper**2))
    boxes = [
        (a, b, c) for a in _starts(used_zyx[0], n) for b in _starts(used_zyx[1], n) for c in _starts(used_zyx[2], n)
    ]
    variance = [float(volume_zyx[a : a + n, b : b + n, c : c + n].var()) for a, b, c in boxes]
    limit = np.quantile(variance, 0.9)
    total = np.zeros((n, n, n // 2 + 1), dtype=np.float64)
    count = 0
    for (a, b, c), spread in zip(boxes, variance, strict=True):
        if spread > limit:
            continue
        box = np.zeros((n, n, n), dtype=np.float32)
        part = volume_zyx[a : min(a + n, used_zyx[0]), b : min(b + n, used_zyx[1]), c : min(c + n, used_zyx[2])]
        box[: part.shape[0], : part.shape[1], : part.shape[2]] = part - part.mean()
        total += np.square(np.abs(fft.rfftn(box * taper, workers=workers))) * (box.size / part.size)
        count += 1
    mean = total / (max(count, 1) * n**3)
    mean = ndimage.uniform_filter(mean, 3, mode=["wrap", "wrap", "reflect"])
    return mean.astype(np.float32)


def _starts(length: int, n: int) -> list[int]:
    if length <= n:
        return [0]
    count = int(np.ceil((length - n) / (n / 2))) + 1
    return [round(start) for start in np.linspace(0, length - n, count)]


def whiten(cropped: WhitenedVolume, whitener_zyx: Floats32, contrast: str, workers: int = 1) -> WhitenedVolume:
    """Divide by the noise amplitude at every frequency, then by the local noise level at every place.

    Parameters
    ----------
    cropped : WhitenedVolume
        From :func:`crop_to_voxel_size`; its array is overwritten.
    whitener_zyx : (z, y, x // 2 + 1) array of float32
        On the ``rfftn`` grid of the whole volume: one over the noise amplitude, 0 where nothing was measured.
    contrast : {"dark", "light"}
        Of protein in the tomogram; the result is bright.
    workers : int

    Returns
    -------
    WhitenedVolume
        Values beyond five standard deviations are clipped, so that gold and dust do not ring through the map.
    """
    from scipy import fft

    volume = cropped.volume_zyx
    z, y, x = cropped.used_zyx
    centre, spread = _robust_level(volume[:z, :y, :x])
    np.clip(volume, centre - 2 * _CLIP_SIGMA * spread, centre + 2 * _CLIP_SIGMA * spread, out=volume)
    transform = fft.rfftn(volume, workers=workers)
    transform *= whitener_zyx if contrast == "light" else -whitener_zyx
    white = fft.irfftn(transform, s=volume.shape, overwrite_x=True, workers=workers).astype(np.float32, copy=False)
    used = white[:z, :y, :x]
    _, spread = _robust_level(used)
    np.clip(used, -_CLIP_SIGMA * spread, _CLIP_SIGMA * spread, out=used)
    used /= _local_level(used, cropped.voxel_size_angstrom)
    white[z:] = 0
    white[:, y:] = 0
    white[:, :, x:] = 0
    return WhitenedVolume(white, cropped.voxel_size_angstrom, cropped.used_zyx)


def _robust_level(values: Floats32) -> tuple[float, float]:
    """Median and 1.48 median absolute deviations, from every 7th value."""
    sample = values.reshape(-1)[::7] if values.flags.c_contiguous else values[::2, ::2, ::2].reshape(-1)
    centre = float(np.median(sample))
    return centre, float(1.4826 * np.median(np.abs(sample - centre)))


def _local_level(volume_zyx: Floats32, voxel_size_angstrom: float) -> Floats32:
    """Noise level around every voxel relative to the median level: Gaussian neighbourhoods of 250 Å."""
    from scipy import ndimage

    step = max(1, int(_LOCAL_SIGMA_ANGSTROM / voxel_size_angstrom / 4))
    edges = [np.arange(0, length, step) for length in volume_zyx.shape]
    sums = np.square(volume_zyx)
    for axis, starts in enumerate(edges):
        sums = np.add.reduceat(sums, starts, axis=axis) / _lengths(starts, volume_zyx.shape[axis], axis)
    smooth = ndimage.gaussian_filter(sums, _LOCAL_SIGMA_ANGSTROM / voxel_size_angstrom / step, mode="nearest")
    level = np.sqrt(np.maximum(smooth / np.median(smooth), 0.05)).astype(np.float32)
    out = level
    for axis, length in enumerate(volume_zyx.shape):
        coordinate = np.clip((np.arange(length) - (step - 1) / 2) / step, 0, level.shape[axis] - 1)
        low = np.minimum(coordinate.astype(np.intp), max(level.shape[axis] - 2, 0))
        high = np.minimum(low + 1, level.shape[axis] - 1)
        share = _along((coordinate - low).astype(np.float32), axis)
        out = np.take(out, low, axis=axis) * (1 - share) + np.take(out, high, axis=axis) * share
    return out


def _lengths(starts: NDArray[np.intp], length: int, axis: int) -> Floats32:
    return _along(np.diff(np.append(starts, length)).astype(np.float32), axis)


def _along(values: Floats32, axis: int) -> Floats32:
    shape = [1, 1, 1]
    shape[axis] = len(values)
    return values.reshape(shape)
