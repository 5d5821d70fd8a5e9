"""Tilt images made ready to be matched with projected filaments.

A rod that lies across the tilt axis has its whole transform in the plane that every view shares: weighted
back-projection all but removes it from the volume, and no whitening of a box brings it back. In the tilt images it is
as plain as any other. So the matched filter works there, and only its result is summed at the places of the volume.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tomoset.errors import GeometryError, ParameterError
from tomoset.model import TiltSeries, Tomogram
from tomoset.physics import (
    ctf,
    damage_amplitude,
    fourier_crop_2d,
    interaction_parameter_per_volt_angstrom,
)

__all__ = ["MatchedViews", "lies_across", "match_views"]

Floats = NDArray[np.float64]
Floats32 = NDArray[np.float32]

_LEAST_ALONG_TILT_AXIS = 0.18
_CLIP_SIGMA = 6.0
_SMOOTH_RINGS = 5
_TAPERED_PIXELS = 3


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class MatchedViews:
    """Transforms of the views, weighted for a matched filter, and where the volume lies in them.

    Parameters
    ----------
    weighted_hat : (v, ny, nx // 2 + 1) array of complex64
        ``rfft2`` of each view's contrast times transfer over noise power: multiplied with the transform of an
        object's projection and transformed back it is the log-likelihood's slope with the object's amplitude.
    gain : (v, ny, nx // 2 + 1) array of float32
        Squared transfer over noise power: what an object of amplitude one gives there.
    noise : (v, ny, nx // 2 + 1) array of float32
        Variance of the same by noise.
    pixel_xy_angstrom : (2,) array of float64
    origin_xy_angstrom : (2,) array of float64
        Position of pixel (0, 0) from the full image's index N // 2.
    shape_xy : (2,) array of int
        Pixels with data; the rest is padding.
    padded_shape_yx : tuple of int
    image_from_volume : (v, 2, 4) array of float64
        Affine map of volume-frame positions, Å, to positions in the image, Å from its index N // 2.
    camera_from_specimen : (v, 3, 3) array of float64
    unweighted : MatchedViews or None
        The same without a ramp. A long filament across the tilt axis has its signal where the ramp is zero, and its
        amplitude would be judged by that of a short one.
    """

    weighted_hat: NDArray[np.complex64]
    gain: Floats32
    noise: Floats32
    pixel_xy_angstrom: Floats
    origin_xy_angstrom: Floats
    shape_xy: NDArray[np.intp]
    padded_shape_yx: tuple[int, int]
    image_from_volume: Floats
    camera_from_specimen: Floats
    unweighted: "MatchedViews | None" = None

    def towards(self, direction_xyz: Floats) -> "MatchedViews":
        """The views to match a filament of a direction with: without the ramp where it lies across the tilt axis."""
        return self.unweighted if self.unweighted is not None and lies_across(direction_xyz) else self

    @property
    def index_from_volume(self) -> Floats:
        """Affine map (v, 2, 4) of volume-frame positions, Å, to fractional pixels x, y."""
        out = self.image_from_volume.copy()
        out[:, :, 3] -= self.origin_xy_angstrom
        return np.asarray(out / self.pixel_xy_angstrom[:, None])

    def softened(self, blur_angstrom: float) -> "MatchedViews":
        """The same with responses blurred, Å rms per axis, so that they can be sampled more coarsely."""
        ny, nx = self.padded_shape_yx
        ky = np.fft.fftfreq(ny, self.pixel_xy_angstrom[1])[:, None]
        kx = np.fft.rfftfreq(nx, self.pixel_xy_angstrom[0])
        soft = np.exp(-2 * np.square(np.pi * blur_angstrom) * (kx**2 + ky**2)).astype(np.float32)
        return replace(
            self,
            weighted_hat=self.weighted_hat * soft,
            gain=self.gain * soft,
            noise=self.noise * np.square(soft),
            unweighted=None if self.unweighted is None else self.unweighted.softened(blur_angstrom),
        )

    def pixels_of(self, positions_angstrom_xyz: ArrayLike) -> Floats:
        """Fractional pixels (v, n, 2), x then y, of places (n, 3) of the volume frame."""
        points = np.asarray(positions_angstrom_xyz, dtype=np.float64).reshape(-1, 3)
        m = self.index_from_volume
        return np.asarray(np.einsum("vij,nj->vni", m[:, :, :3], points) + m[:, None, :, 3])


def match_views(
    tomogram: Tomogram,
    series: TiltSeries,
    pixel_size_angstrom: float,
    margin_angstrom: float,
    blur_angstrom: float,
    crowd_frequency_per_angstrom: float,
) -> MatchedViews:
    """Whiten the views a tomogram was made from and weight them for a matched filter.

    Parameters
    ----------
    tomogram : Tomogram
        Gives the alignment, the tilts used and the frame of the volume.
    series : TiltSeries
        Gives images, masks, defocus, dose and optics.
    pixel_size_angstrom : float
        Wanted pixels; views are Fourier-cropped to about that.
    margin_angstrom : float
        Padding, so that what leaves one side does not come in at the other.
    blur_angstrom : float
        Alignment error, Å rms per axis.
    crowd_frequency_per_angstrom : float
        Below this frequency across the tilt axis neighbouring views show the same structures: what is summed over
        them is weighted down in proportion.

    Returns
    -------
    MatchedViews

    Raises
    ------
    GeometryError
        If tomogram and series have different numbers of rows, or no tilt was used.
    ParameterError
        If an image holds no counts, no contrast, or numbers that are not finite.
    """
    rows = np.asarray(tomogram.tilt_indices, dtype=np.intp)
    if tomogram.geometry.n_tilts != len(series.tilts) or not rows.size:
        raise GeometryError(
            f"{tomogram.run}: expected a tomogram of some of the series' {len(series.tilts)} tilts, found a geometry "
            f"of {tomogram.geometry.n_tilts} with {rows.size} tilts used; give the series it was made from"
        )
    prepared = [_view(series, int(row), pixel_size_angstrom, margin_angstrom) for row in rows]
    transfers = [
        _transfer(tomogram, series, int(row), view, blur_angstrom) for row, view in zip(rows, prepared, strict=True)
    ]
    flat = _assembled(tomogram, rows, prepared, [transfer for transfer, _ in transfers], None)
    ramped = [transfer * across / (across + crowd_frequency_per_angstrom) for transfer, across in transfers]
    return _assembled(tomogram, rows, prepared, [transfer for transfer, _ in transfers], flat, ramped)


def _assembled(
    tomogram: Tomogram,
    rows: NDArray[np.intp],
    prepared: "list[_View]",
    transfers: list[Floats],
    unweighted: MatchedViews | None,
    weights: list[Floats] | None = None,
) -> MatchedViews:
    """Views as one, weighted with ``weights`` (the transfers themselves if None) over their noise power."""
    first = prepared[0]
    ny, nx = first.padded_shape_yx
    shape = (len(rows), ny, nx // 2 + 1)
    hat = np.empty(shape, dtype=np.complex64)
    gain, noise = np.empty(shape, dtype=np.float32), np.empty(shape, dtype=np.float32)
    for i, (view, transfer) in enumerate(zip(prepared, transfers, strict=True)):
        weight = (transfer if weights is None else weights[i]) / view.power
        hat[i] = view.hat * weight
        gain[i] = transfer * weight
        noise[i] = np.square(weight) * view.power
    return MatchedViews(
        weighted_hat=hat,
        gain=gain,
        noise=noise,
        pixel_xy_angstrom=first.pixel_xy_angstrom,
        origin_xy_angstrom=first.origin_xy_angstrom,
        shape_xy=first.shape_xy,
        padded_shape_yx=first.padded_shape_yx,
        image_from_volume=_affine(tomogram, rows),
        camera_from_specimen=tomogram.geometry.image_from_specimen[rows],
        unweighted=unweighted,
    )


def lies_across(direction_xyz: Floats) -> bool:
    """Whether a direction (unit, specimen axes) is so nearly across the tilt axis that all views show it alike."""
    return bool(abs(direction_xyz[1]) < _LEAST_ALONG_TILT_AXIS)


@dataclass(frozen=True, slots=True, eq=False)
class _View:
    hat: NDArray[np.complex64]
    power: Floats
    pixel_xy_angstrom: Floats
    origin_xy_angstrom: Floats
    shape_xy: NDArray[np.intp]
    padded_shape_yx: tuple[int, int]


def _view(series: TiltSeries, row: int, pixel_angstrom: float, margin_angstrom: float) -> _View:
    """Contrast of one view on larger pixels, padded, and the power of what is in it."""
    from scipy import fft

    image = np.asarray(series.images_nyx.read((slice(row, row + 1),))[0], dtype=np.float32)
    if not np.all(np.isfinite(image)):
        raise ParameterError(
            f"{series.run}: expected finite numbers in tilt image {row}, found NaN or infinity; mend or leave it out"
        )
    image = image[: image.shape[0] // 2 * 2, : image.shape[1] // 2 * 2]
    ny, nx = image.shape
    mean = float(np.mean(image, dtype=np.float64))
    if not mean > 0:
        raise ParameterError(f"{series.run}: expected counts in tilt image {row}, found a mean of {mean:g}")
    small = [min(n, 2 * round(n * series.pixel_size_angstrom / pixel_angstrom / 2)) for n in (ny, nx)]
    my, mx = small
    contrast = fft.irfft2(fourier_crop_2d(fft.rfft2(image / mean - 1), (ny, nx), (my, mx)), s=(my, mx))
    spread = 1.4826 * float(np.median(np.abs(contrast - np.median(contrast))))
    if not spread > 0:
        raise ParameterError(f"{series.run}: expected contrast in tilt image {row}, found the same value everywhere")
    contrast = np.clip(contrast, -_CLIP_SIGMA * spread, _CLIP_SIGMA * spread)
    pixel_xy = np.array([nx / mx, ny / my]) * series.pixel_size_angstrom
    contrast -= contrast.mean()
    contrast *= _taper(my)[:, None] * _taper(mx)
    if series.masks_nyx is not None:
        contrast[_enlarged(series.masks_nyx[row], (my, mx))] = 0
    margin = np.ceil(margin_angstrom / pixel_xy)
    padded = (_even_fast_length(my + int(margin[1])), _even_fast_length(mx + int(margin[0])))
    hat = fft.rfft2(contrast.astype(np.float32), s=padded)
    return _View(
        hat=hat,
        power=_power(hat, padded, pixel_xy),
        pixel_xy_angstrom=pixel_xy,
        origin_xy_angstrom=-np.array([nx // 2, ny // 2]) * series.pixel_size_angstrom,
        shape_xy=np.array([mx, my]),
        padded_shape_yx=padded,
    )


def _even_fast_length(n: int) -> int:
    from scipy import fft

    while n % 2 or fft.next_fast_len(n, real=True) != n:
        n += 1
    return n


def _enlarged(mask_yx: NDArray[np.bool_], shape_yx: tuple[int, int]) -> NDArray[np.bool_]:
    """A coarse mask over the same field on finer pixels."""
    rows, columns = ((np.arange(n) * m) // n for n, m in zip(shape_yx, mask_yx.shape, strict=True))
    return np.asarray(mask_yx[np.ix_(rows, columns)], dtype=bool)


def _taper(n: int) -> Floats32:
    """One inside, falling to zero over the last pixels of either side."""
    from_edge = np.minimum(np.arange(n) + 0.5, np.arange(n)[::-1] + 0.5) / _TAPERED_PIXELS
    return np.asarray(0.5 - 0.5 * np.cos(np.pi * np.minimum(from_edge, 1)), dtype=np.float32)


def _power(hat: NDArray[np.complex64], shape_yx: tuple[int, int], pixel_xy: Floats) -> Floats:
    """Power spectrum of a view, averaged over rings."""
    from scipy import ndimage

    ky = np.fft.fftfreq(shape_yx[0], pixel_xy[1])[:, None]
    kx = np.fft.rfftfreq(shape_yx[1], pixel_xy[0])
    k = np.hypot(ky, kx)
    step = 1 / (min(shape_yx) * pixel_xy.max())
    ring = k / step
    index = np.rint(ring).astype(np.intp)
    total = np.bincount(index.ravel(), np.square(np.abs(hat)).ravel())
    mean = total / np.maximum(np.bincount(index.ravel()), 1)
    mean = np.exp(ndimage.uniform_filter1d(np.log(np.maximum(mean, mean.max() * 1e-9)), _SMOOTH_RINGS, mode="nearest"))
    return np.interp(ring, np.arange(len(mean)), mean)


def _transfer(
    tomogram: Tomogram, series: TiltSeries, row: int, view: _View, blur_angstrom: float
) -> tuple[Floats, Floats]:
    """Contrast per volt Å of projected potential on a view's grid, and the frequency across the tilt axis."""
    ky = np.fft.fftfreq(view.padded_shape_yx[0], view.pixel_xy_angstrom[1])[:, None]
    kx = np.fft.rfftfreq(view.padded_shape_yx[1], view.pixel_xy_angstrom[0])
    k = np.hypot(ky, kx)
    turn = np.deg2rad(tomogram.geometry.z_rot_deg[row])
    across = np.abs(np.cos(turn) * kx + np.sin(turn) * ky)
    estimate = series.tilts[row].ctf
    optics = series.optics
    contrast = np.full_like(k, -1.0)
    if estimate is not None:
        contrast = ctf(
            k,
            estimate.defocus_angstrom,
            voltage_kv=optics.voltage_kv,
            cs_mm=optics.cs_mm,
            amplitude_contrast=optics.amplitude_contrast,
        )
    tilt = series.tilts[row]
    dose = tilt.dose_before_e_per_angstrom2 + 0.5 * tilt.dose_e_per_angstrom2
    faded = damage_amplitude(np.maximum(k, 1e-6), dose, optics.voltage_kv)
    blur = np.exp(-2 * np.square(np.pi * blur_angstrom * k))
    band = k < 0.5 / view.pixel_xy_angstrom.max()
    sigma = interaction_parameter_per_volt_angstrom(optics.voltage_kv)
    return np.where(band & (k > 0), 2 * sigma * contrast * faded * blur, 0.0), across


def _affine(tomogram: Tomogram, rows: NDArray[np.intp]) -> Floats:
    """Maps (v, 2, 4) from the volume frame to the images, from four points (a field's curvature is left out)."""
    origin = tomogram.grid.specimen_origin_angstrom_xyz
    reach = 0.25 * tomogram.grid.size_angstrom_xyz
    corners = origin + np.concatenate([reach * np.eye(3), -reach * np.eye(3)])
    uv = tomogram.geometry.select(rows).project(tomogram.grid.specimen_from_volume(corners))
    slope = (uv[:, :3] - uv[:, 3:]) / (2 * reach)[None, :, None]
    middle = uv.mean(axis=1)
    offset = middle - np.einsum("vki,k->vi", slope, origin)
    return np.concatenate([np.moveaxis(slope, 1, 2), offset[:, :, None]], axis=2)
