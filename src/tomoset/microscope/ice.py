"""Ice: how far the beam travels through it, and the noise of its own structure."""

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from tomoset.microscope.field import Canvas
from tomoset.microscope.optics import largest_frequency, signal_filter
from tomoset.microscope.params import MicroscopeParams
from tomoset.microscope.planes import PlaneSum
from tomoset.microscope.views import View
from tomoset.model import IceLayer, Specimen
from tomoset.physics import rfft_axes_2d, wavelength_angstrom

__all__ = ["IcePath", "blend_weights", "height_plane", "ice_path", "ice_spectrum"]

_TABLE_STEPS = 4096
_ICE_PIXEL_ANGSTROM, _ICE_PATH_ANGSTROM = 10.0, 1800.0  # what params.ice_phase_noise refers to

Floats = NDArray[np.float64]
Singles = NDArray[np.float32]
Spectrum = NDArray[np.complex64]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class IcePath:
    """Way of the beam through the ice of one view.

    Parameters
    ----------
    mean_angstrom : float
        Over the canvas where there is ice; zero for none at all.
    angstrom_yx : (ny, nx) array of float32 or None
        At every pixel of a canvas; None where it is the mean everywhere.
    """

    mean_angstrom: float
    angstrom_yx: Singles | None = None

    def on(self, canvas: Canvas, coarser: Canvas) -> "IcePath":
        """Return the same path on a coarser canvas of the same extent: what lies nearest to its pixels."""
        if self.angstrom_yx is None or canvas.shape_yx == coarser.shape_yx:
            return self
        rows, columns = (
            np.minimum(np.rint(np.arange(m) * (n / m)).astype(np.intp), n - 1)
            for n, m in zip(canvas.shape_yx, coarser.shape_yx, strict=True)
        )
        return replace(self, angstrom_yx=self.angstrom_yx[np.ix_(rows, columns)])

    def transmission(self, mean_free_path_angstrom: float) -> tuple[float, Singles | None]:
        """Share of electrons that pass: of the mean path, and at every pixel relative to that."""
        mean = math.exp(-self.mean_angstrom / mean_free_path_angstrom)
        if self.angstrom_yx is None:
            return mean, None
        relative = np.exp((np.float32(self.mean_angstrom) - self.angstrom_yx) / np.float32(mean_free_path_angstrom))
        return mean, relative


def plane_gradient(view: View) -> tuple[float, float]:
    """Camera-frame height of the specimen's middle plane per Å of image x and y."""
    rotation = view.image_from_specimen
    slope_x, slope_y = rotation[2, :2] @ np.linalg.inv(rotation[:2, :2])
    return float(slope_x), float(slope_y)


def image_axes(view: View, canvas: Canvas) -> tuple[Floats, Floats]:
    """Places x (nx,) and y (ny,) of a canvas's pixels from where the specimen's origin lands, Å."""
    (ny, nx), (origin_y, origin_x) = canvas.shape_yx, canvas.origin_yx
    x = (np.arange(nx) - origin_x) * canvas.pixel_size_angstrom - view.shift_xy_angstrom[0]
    y = (np.arange(ny) - origin_y) * canvas.pixel_size_angstrom - view.shift_xy_angstrom[1]
    return x, y


def ice_path(specimen: Specimen, view: View, canvas: Canvas) -> IcePath:
    """How far the beam through each pixel travels in ice: the thickness where it meets the middle plane, / cos."""
    cosine = abs(float(view.image_from_specimen[2, 2]))
    if specimen.ice is None:
        return IcePath(mean_angstrom=specimen.thickness_angstrom / cosine)
    thickness_yx = _thickness_seen(specimen.ice, view, canvas)
    thickness_yx /= np.float32(cosine)
    wet = float(np.count_nonzero(thickness_yx))
    mean = float(thickness_yx.sum(dtype=np.float64)) / max(wet, 1.0)
    return IcePath(mean_angstrom=mean, angstrom_yx=thickness_yx)


def _thickness_seen(ice: IceLayer, view: View, canvas: Canvas) -> Singles:
    """Thickness of the ice (ny, nx) where the beam through each pixel meets the specimen's middle plane, Å."""
    from tomoset.microscope import _optics_kernels

    inverse = np.asarray(np.linalg.inv(view.image_from_specimen[:2, :2]) / ice.spacing_angstrom, dtype=np.float64)
    x, y = image_axes(view, canvas)
    thickness_yx = np.ascontiguousarray(ice.thickness_angstrom_yx, dtype=np.float32)
    seen_yx = np.empty(canvas.shape_yx, dtype=np.float32)
    _optics_kernels.look_up(thickness_yx, inverse, x, y, seen_yx)
    return seen_yx


def blend_weights(n_frames: int, dose_per_tilt: float, correlation_dose: float) -> Singles:
    """Shares of independent structures of the ice in each frame: (fields, n_frames), squares add up to 1.

    Water moves by 1.1 Å² per e⁻/Å² (McMullan, Vinothkumar & Henderson 2015, Ultramicroscopy 158:26), so that a
    structure is forgotten over a few e⁻/Å². Structures follow each other at steps of at most that dose, and a frame
    between two of them holds parts of both.
    """
    if correlation_dose == 0:
        return np.ones((1, n_frames), dtype=np.float32)
    steps = max(1, math.ceil(dose_per_tilt / correlation_dose))
    position = (np.arange(n_frames) + 0.5) / n_frames * steps
    hats = np.clip(1 - np.abs(position[None, :] - np.arange(steps + 1)[:, None]), 0, None)
    return (hats / np.sqrt(np.square(hats).sum(axis=0))).astype(np.float32)


def ice_spectrum(
    view: View,
    path: IcePath,
    params: MicroscopeParams,
    canvas: Canvas,
    rng: np.random.Generator,
    *,
    workers: int = 1,
) -> Spectrum:
    """Transform of the contrast of the ice's own structure: white phase noise through the CTF of its own height.

    Its variance grows with the path through the ice and with the inverse area of a pixel.

    Notes
    -----
    Grains lie at random heights along the beam's way L through the tilted slab. Averaged over them, the power at a
    place whose middle has phase χ is ``½ (1 − s cos 2χ)`` with ``s = sinc(λ k² L)`` (the depth blurs the rings:
    DeRosier 2000, Ultramicroscopy 81:83). The same power at every place and frequency, and the defocus gradient,
    have two independent white noises: ``√s · sin χ`` times one and ``√(½ (1 − s))`` times the other, which knows no
    height. The rings that come back beyond the first zero of s, with a fifth of the contrast at most, are left out
    (s = 0), so that the first noise needs only the frequencies below.
    """
    from scipy.fft import rfft2

    from tomoset.microscope import _optics_kernels

    spectrum = np.zeros((canvas.shape_yx[0], canvas.shape_yx[1] // 2 + 1), dtype=np.complex64)
    if params.ice_phase_noise == 0 or path.mean_angstrom == 0:
        return spectrum
    rings, ring_canvas = _rings(view, path, params, canvas, rng, workers=workers)
    enlarged = np.float32(ring_canvas.coarseness**2 / canvas.coarseness**2)
    _optics_kernels.pad_into(spectrum, rings, enlarged)
    largest = largest_frequency(canvas)
    k = np.sqrt(np.linspace(0, largest**2, _TABLE_STEPS + 1))
    steady = np.sqrt(0.5 * (1 - _coherence(k, path, params))) * signal_filter(k, view, params)
    grains_yx = _grains(path, params, canvas, rng)
    ky, kx = (axis.ravel() for axis in rfft_axes_2d(canvas.shape_yx, canvas.pixel_size_angstrom))
    _optics_kernels.add_factored(
        spectrum, rfft2(grains_yx, workers=workers), ky, kx, largest**2, steady.astype(np.float32)
    )
    return spectrum


def _coherence(k: Floats, path: IcePath, params: MicroscopeParams) -> Floats:
    """What the depth of the ice leaves of the rings' contrast, 0 to 1; zero beyond its first zero."""
    turns = wavelength_angstrom(params.voltage_kv) * k**2 * path.mean_angstrom
    return np.where(turns < 1, np.sinc(turns), 0.0)


def _grains(path: IcePath, params: MicroscopeParams, canvas: Canvas, rng: np.random.Generator) -> Singles:
    """Twice the phase of the grains at every pixel of a canvas: white noise."""
    grains_yx = rng.standard_normal(canvas.shape_yx, dtype=np.float32)
    scale = 2 * params.ice_phase_noise * _ICE_PIXEL_ANGSTROM / canvas.pixel_size_angstrom
    if path.angstrom_yx is None:
        grains_yx *= np.float32(scale * math.sqrt(path.mean_angstrom / _ICE_PATH_ANGSTROM))
    else:
        grains_yx *= np.sqrt(path.angstrom_yx * np.float32(scale**2 / _ICE_PATH_ANGSTROM))
    return grains_yx


def _rings(
    view: View, path: IcePath, params: MicroscopeParams, canvas: Canvas, rng: np.random.Generator, *, workers: int
) -> tuple[Spectrum, Canvas]:
    """The noise that has Thon rings, on a canvas that resolves them."""
    from scipy.fft import rfft2

    from tomoset.microscope import _optics_kernels

    first_zero = 1 / math.sqrt(wavelength_angstrom(params.voltage_kv) * path.mean_angstrom)
    coarse = canvas.resolving(first_zero)
    total = PlaneSum.empty(
        coarse, _plane_range(view, coarse), min(first_zero, largest_frequency(coarse)), params.voltage_kv
    )
    grains_yx = _grains(path.on(canvas, coarse), params, coarse, rng)
    basis, plane_yx = total.basis, np.empty(coarse.shape_yx, dtype=np.float32)
    for index, weights_h in enumerate(basis.weights_rh):
        _optics_kernels.weigh_plane(plane_yx, grains_yx, height_plane(view, coarse), weights_h, basis.table_scale)
        total.add(rfft2(plane_yx, workers=workers), index)
    k = total.squared_frequency_table()
    dimming = np.sqrt(_coherence(k, path, params)) * signal_filter(k, view, params)
    return total.through_lens(view, params, dimming.astype(np.float32)), coarse


def height_plane(view: View, canvas: Canvas) -> tuple[float, float, float]:
    """Height of the middle plane at pixel (0, 0), and its change per pixel of x and y, Å."""
    slope_x, slope_y = plane_gradient(view)
    x, y = image_axes(view, canvas)
    pixel = canvas.pixel_size_angstrom
    return float(slope_x * x[0] + slope_y * y[0]), slope_x * pixel, slope_y * pixel


def _plane_range(view: View, canvas: Canvas) -> tuple[float, float]:
    """Lowest and highest height of the middle plane on a canvas, Å."""
    base, per_x, per_y = height_plane(view, canvas)
    ny, nx = canvas.shape_yx
    corners = [base + per_x * i + per_y * j for i in (0, nx - 1) for j in (0, ny - 1)]
    return min(corners), max(corners)
