"""Counted tilt images -> small whitened images with what is known about signal and noise in each."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tomoset.errors import AlignmentError
from tomoset.model import Progress, TiltSeries
from tomoset.physics import ctf, damage_amplitude, fourier_crop_2d, rfft_frequency_2d

__all__ = ["Views", "crop_to_bin", "edge_taper", "prepare_views", "radial_power"]

Floats = NDArray[np.float64]
Images = NDArray[np.float32]

_MASK_EDGE_ANGSTROM = 60.0
_LEAST_CLEAR = 0.1  # of an image
_TAPER = 0.05  # of each edge, in the camera frame: no hard edge may reach a Fourier transform


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Views:
    """The used tilts of a series, ready to be aligned.

    Parameters
    ----------
    rows : (n,) array of int
        Their rows in the series.
    tilt_deg : (n,) array of float64
        Nominal tilt angles, ascending.
    pixel_size_angstrom : float
        After binning.
    images_nyx : (n, ny, nx) array of float32
        Mean-normalised, edge-tapered and whitened: unit power at every frequency; origin at index N // 2.
    frequency_per_angstrom : (nk,) array of float64
        Ring centres of the two tables below.
    transfer_nk : (n, nk) array of float64
        Signal transfer of each view: CTF × radiation damage / sqrt(cos tilt) (a tilted slab shows more matter).
    power_nk : (n, nk) array of float64
        Power spectrum before whitening, per pixel of unit mean.
    shot_noise_n : (n,) array of float64
        Power of the shot noise in the same units: 1 / counts per binned pixel.
    dose_e_per_angstrom2 : (n,) array of float64
        What the specimen had received at the middle of each exposure.
    masks_nyx : (n, my, mx) array of bool or None
        True where a view does not show the specimen, over the same field; the images are 0 there.
    """

    rows: NDArray[np.intp]
    tilt_deg: Floats
    pixel_size_angstrom: float
    images_nyx: Images
    frequency_per_angstrom: Floats
    transfer_nk: Floats
    power_nk: Floats
    shot_noise_n: Floats
    dose_e_per_angstrom2: Floats
    masks_nyx: NDArray[np.bool_] | None = None

    @property
    def n(self) -> int:
        """Number of views."""
        return len(self.rows)

    @property
    def cos(self) -> Floats:
        """Cosines of the tilt angles."""
        return np.cos(np.deg2rad(self.tilt_deg))

    @property
    def tan(self) -> Floats:
        """Tangents of the tilt angles."""
        return np.tan(np.deg2rad(self.tilt_deg))

    def shows(self, places_pn2: Floats, margin: float) -> NDArray[np.bool_]:
        """Whether views show places (p, n, 2) unmasked and ``margin`` inside; (x, y) in pixels from the corner."""
        ny, nx = self.images_nyx.shape[1:]
        inside = np.all((places_pn2 > margin) & (places_pn2 < np.array([nx, ny]) - margin), axis=-1)
        if self.masks_nyx is None:
            return np.asarray(inside)
        my, mx = self.masks_nyx.shape[1:]
        column, row = (np.clip(places_pn2 * [mx / nx, my / ny], 0, [mx - 1, my - 1]).astype(np.intp))[..., :2].T
        return np.asarray(inside & ~self.masks_nyx[np.arange(self.n)[:, None], row, column].T)

    def outward(self) -> list[tuple[int, int]]:
        """Pairs (view, its aligned neighbour towards 0°) in the order in which they are joined."""
        start = int(np.argmin(np.abs(self.tilt_deg)))
        up = [(i, i - 1) for i in range(start + 1, self.n)]
        down = [(i, i + 1) for i in range(start - 1, -1, -1)]
        return up + down


def edge_taper(shape_yx: tuple[int, int], fraction: float) -> Images:
    """Window (ny, nx) that falls to zero as a raised cosine over ``fraction`` of the size at every edge."""
    sides = []
    for size in shape_yx:
        distance = (np.minimum(np.arange(size), np.arange(size)[::-1]) + 0.5) / max(fraction * size, 1.0)
        sides.append(0.5 - 0.5 * np.cos(np.pi * np.minimum(distance, 1.0)))
    return np.asarray(sides[0][:, None] * sides[1][None, :], dtype=np.float32)


def crop_to_bin(image_yx: NDArray[np.floating], factor: int) -> Images:
    """Bin by an integer factor in Fourier space, with index N // 2 staying at index N // 2.

    Rows and columns that do not fill an even number of binned pixels are cut at the edges.
    """
    from scipy import fft

    shape = tuple(2 * (size // (2 * factor)) for size in image_yx.shape)
    starts = [size // 2 - binned * factor // 2 for size, binned in zip(image_yx.shape, shape, strict=True)]
    cut = image_yx[tuple(slice(s, s + m * factor) for s, m in zip(starts, shape, strict=True))]
    if factor == 1:
        return np.asarray(cut, dtype=np.float32)
    spectrum = fft.rfft2(np.asarray(cut, dtype=np.float32))
    small = fourier_crop_2d(spectrum, (cut.shape[0], cut.shape[1]), (shape[0], shape[1]))
    return np.asarray(fft.irfft2(small, s=shape), dtype=np.float32)


def radial_power(power_yx: NDArray[np.floating], ring_yx: NDArray[np.intp], n_rings: int) -> Floats:
    """Mean of a half-plane power spectrum over each ring, smoothed over three rings."""
    total = np.bincount(ring_yx.ravel(), weights=power_yx.ravel(), minlength=n_rings)[:n_rings]
    count = np.maximum(np.bincount(ring_yx.ravel(), minlength=n_rings)[:n_rings], 1)
    mean = total / count
    padded = np.concatenate([mean[1:2], mean[1:], mean[-1:]])  # ring 0 holds the mean, which carries nothing
    smooth = np.convolve(padded, np.full(3, 1 / 3), mode="valid")
    return np.concatenate([smooth[:1], smooth])[:n_rings]


def prepare_views(series: TiltSeries, pixel_size_angstrom: float, progress: Progress) -> Views:
    """Read, bin, normalise and whiten the used tilts of a series.

    Parameters
    ----------
    series : TiltSeries
        Images in counted electrons; CTF estimates are used where they exist.
    pixel_size_angstrom : float
        Wanted pixel; the nearest integer binning is used.
    progress : Progress

    Returns
    -------
    Views

    Raises
    ------
    AlignmentError
        If an image holds no counts.
    """
    from scipy import fft

    rows = series.used[np.argsort(series.nominal_tilt_deg[series.used], kind="stable")]
    factor = max(1, round(pixel_size_angstrom / series.pixel_size_angstrom))
    pixel = series.pixel_size_angstrom * factor
    masks = None if series.masks_nyx is None or not series.masks_nyx[rows].any() else series.masks_nyx[rows]
    images, powers, means = [], [], []
    ring_yx, rings = np.zeros((0, 0), dtype=np.intp), np.zeros(0)
    window = np.zeros((0, 0), dtype=np.float32)
    for done, row in enumerate(rows):
        image = crop_to_bin(series.images_nyx.read((int(row),)), factor)
        clear = None if masks is None else _clear_of(masks[done], image.shape, pixel)
        if clear is not None and float(clear.mean()) < _LEAST_CLEAR:
            raise AlignmentError(
                f"{series.run}: tilt {series.tilts[row].name} shows the specimen on {clear.mean():.0%} of its image; "
                f"expected at least {_LEAST_CLEAR:.0%} outside the masks; mark the tilt as unused"
            )
        mean = float(np.average(image, weights=clear))
        if not mean > 0:
            raise AlignmentError(
                f"{series.run}: tilt {series.tilts[row].name} has a mean of {mean:g} counts; expected counted "
                "electrons > 0; mark the tilt as unused or repeat the motion correction"
            )
        if done == 0:
            window = edge_taper(image.shape, _TAPER)
            ring_yx, rings = _rings(image.shape, pixel)
        taper = window if clear is None else window * clear
        spectrum = fft.rfft2((image / mean - 1.0) * taper)
        power = radial_power(np.abs(spectrum) ** 2 / np.square(taper, dtype=np.float64).sum(), ring_yx, rings.size)
        whitened = spectrum / np.sqrt(np.maximum(power, 1e-12))[np.minimum(ring_yx, rings.size - 1)]
        whitened[0, 0] = 0
        images.append(fft.irfft2(whitened.astype(np.complex64), s=image.shape).astype(np.float32))
        powers.append(power)
        means.append(mean)
        progress.step("prepare", done + 1, len(rows))
    return Views(
        rows=rows,
        tilt_deg=series.nominal_tilt_deg[rows],
        pixel_size_angstrom=pixel,
        images_nyx=np.stack(images),
        frequency_per_angstrom=rings,
        transfer_nk=_transfer(series, rows, rings),
        power_nk=np.stack(powers),
        # Cropping keeps the mean, so a binned pixel's mean is that of one fine pixel: it holds factor² as many counts.
        shot_noise_n=1.0 / (np.array(means) * factor**2),
        dose_e_per_angstrom2=series.dose_middle_e_per_angstrom2[rows],
        masks_nyx=masks,
    )


def _clear_of(mask_yx: NDArray[np.bool_], shape_yx: tuple[int, ...], pixel_size_angstrom: float) -> Images:
    """Weight (ny, nx) that is 0 on a mask over the same field and rises to 1 softly beside it."""
    from scipy import ndimage

    row, column = ((np.arange(n) + 0.5) * m // n for n, m in zip(shape_yx, mask_yx.shape, strict=True))
    fine = mask_yx[np.ix_(row.astype(np.intp), column.astype(np.intp))].astype(np.float32)
    soft = ndimage.gaussian_filter(fine, _MASK_EDGE_ANGSTROM / pixel_size_angstrom, mode="nearest")
    return np.asarray(np.clip(1.0 - 2.0 * soft, 0.0, 1.0) * (1.0 - fine), dtype=np.float32)


def _rings(shape_yx: tuple[int, ...], pixel_size_angstrom: float) -> tuple[NDArray[np.intp], Floats]:
    """Ring number of each half-plane frequency and the rings' frequencies, out to the corner."""
    frequency = rfft_frequency_2d((shape_yx[0], shape_yx[1]), pixel_size_angstrom)
    step = 1.0 / (min(shape_yx) * pixel_size_angstrom)
    ring_yx = np.rint(frequency / step).astype(np.intp)
    return ring_yx, np.arange(int(ring_yx.max()) + 1, dtype=np.float64) * step


def _transfer(series: TiltSeries, rows: NDArray[np.intp], frequency: Floats) -> Floats:
    """CTF × damage / sqrt(cos tilt) of each view; without a CTF estimate the sign is that before the first zero."""
    optics = series.optics
    table = np.empty((len(rows), frequency.size))
    for out, row in zip(table, rows, strict=True):
        tilt = series.tilts[row]
        if tilt.ctf is None:
            phase_contrast: Floats | float = -1.0
        else:
            phase_contrast = ctf(
                frequency,
                tilt.ctf.defocus_angstrom,
                voltage_kv=optics.voltage_kv,
                cs_mm=optics.cs_mm,
                amplitude_contrast=optics.amplitude_contrast,
            )
        damage = damage_amplitude(frequency, series.dose_middle_e_per_angstrom2[row], optics.voltage_kv)
        out[:] = phase_contrast * damage / np.sqrt(np.cos(np.deg2rad(tilt.nominal_tilt_deg)))
    return table
