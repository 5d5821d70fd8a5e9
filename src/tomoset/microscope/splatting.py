"""Matter without a pose: points of potential spread over pixels, and what they take from the beam."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tomoset.microscope.field import Canvas
from tomoset.microscope.planes import PlaneSum
from tomoset.microscope.views import View
from tomoset.model import Scatterers
from tomoset.physics import rfft_axes_2d

__all__ = ["Cloud", "absorbance", "splat_clouds", "splatted"]

# Points of a narrower Gaussian are splatted onto pixels of half the size, so that what folds back is hidden by it.
_NARROWEST_PIXELS = 1.05
_PLANES_AT_ONCE = 4  # more would not fit into the caches, and fresh memory costs more than another pass

Floats = NDArray[np.float64]
Spectrum = NDArray[np.complex64]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Cloud:
    """Scatterers of one kind that touch the canvas in one view, in the order of its rows.

    Parameters
    ----------
    pixel_xy : (m, 2) array of float64
        Canvas index.
    heights : (m,) array of float64
        Camera-frame z, Å.
    strengths_volt_angstrom3 : (m,) array of float32
    absorptions_angstrom2 : (m,) array of float32 or None
    spread_angstrom : float
    oversampling : int
        Pixels of the planes they are spread over, per pixel of the canvas and axis.
    """

    pixel_xy: Floats
    heights: Floats
    strengths_volt_angstrom3: NDArray[np.float32]
    absorptions_angstrom2: NDArray[np.float32] | None
    spread_angstrom: float
    oversampling: int

    @classmethod
    def seen(cls, points: Scatterers, view: View, canvas: Canvas) -> "Cloud":
        """Place the points of a specimen and leave out those beyond the canvas."""
        position, heights = view.place(points.positions_angstrom_xyz, canvas)
        ny, nx = canvas.shape_yx
        inside = np.flatnonzero(np.all((position >= 0) & (position <= [nx - 1, ny - 1]), axis=1))
        # Neighbours in memory are then neighbours on the planes, which therefore stay in the cache.
        order = inside[np.argsort(position[inside, 1].astype(np.int16), kind="stable")]
        absorptions = points.absorptions_angstrom2
        wide = points.spread_angstrom >= _NARROWEST_PIXELS * canvas.pixel_size_angstrom
        return cls(
            pixel_xy=position[order],
            heights=heights[order],
            strengths_volt_angstrom3=points.strengths_volt_angstrom3[order],
            absorptions_angstrom2=None if absorptions is None else absorptions[order],
            spread_angstrom=points.spread_angstrom,
            oversampling=1 if wide else 2,
        )


def splat_clouds(clouds: list[Cloud], total: PlaneSum, *, memory_gib: float, workers: int) -> None:
    """Add points of one spread to a sum of planes, as projected potential (V Å)."""
    from scipy.fft import rfft2

    from tomoset.microscope import _optics_kernels

    canvas, basis, fineness = total.canvas, total.basis, clouds[0].oversampling
    fine_yx = tuple(fineness * n for n in canvas.shape_yx)
    per_area = np.float32(canvas.pixel_size_angstrom**-2)
    at_once = min(_PLANES_AT_ONCE, max(1, int(memory_gib * 2**30 / (4 * math.prod(fine_yx)))), basis.rank)
    planes_hyx = np.empty((at_once, *fine_yx), dtype=np.float32)
    for first in range(0, basis.rank, at_once):
        weights = np.ascontiguousarray(basis.weights_rh[first : first + at_once])
        planes_hyx[: len(weights)] = 0
        for cloud in clouds:
            strengths = cloud.strengths_volt_angstrom3 * per_area
            _optics_kernels.splat_points(
                planes_hyx[: len(weights)],
                cloud.pixel_xy,
                cloud.heights,
                strengths,
                weights,
                basis.table_scale,
                fineness,
            )
        for offset in range(len(weights)):
            spectrum = rfft2(planes_hyx[offset], workers=workers)
            total.add(_spread_out(spectrum, canvas, clouds[0].spread_angstrom, fineness), first + offset)


def splatted(
    cloud: Cloud,
    strengths: NDArray[np.float32],
    canvas: Canvas,
    *,
    workers: int,
    chosen: slice | NDArray[np.bool_] = slice(None),
) -> Spectrum:
    """Transform of some points of a cloud on one plane, their strengths taken per Å²."""
    from scipy.fft import rfft2

    from tomoset.microscope import _optics_kernels

    plane_hyx = np.zeros((1, *(cloud.oversampling * n for n in canvas.shape_yx)), dtype=np.float32)
    _optics_kernels.splat_points(
        plane_hyx,
        cloud.pixel_xy[chosen],
        cloud.heights[chosen],
        strengths[chosen] * np.float32(canvas.pixel_size_angstrom**-2),
        np.ones((1, 2), dtype=np.float32),
        (0.0, 0.0),
        cloud.oversampling,
    )
    return _spread_out(rfft2(plane_hyx[0], workers=workers), canvas, cloud.spread_angstrom, cloud.oversampling)


def absorbance(clouds: list[Cloud], canvas: Canvas, *, workers: int) -> NDArray[np.float32] | None:
    """What the points take from the beam beyond the ice they displace: τ (y, x) of exp(−τ); None for nothing."""
    from scipy.fft import irfft2

    total: Spectrum | None = None
    for cloud in clouds:
        if cloud.absorptions_angstrom2 is not None:
            spectrum = splatted(cloud, cloud.absorptions_angstrom2, canvas, workers=workers)
            total = spectrum if total is None else total + spectrum
    if total is None:
        return None
    return np.asarray(irfft2(total, canvas.shape_yx, workers=workers, overwrite_x=True), dtype=np.float32)


def _spread_out(spectrum: Spectrum, canvas: Canvas, spread_angstrom: float, fineness: int) -> Spectrum:
    """Middle of a plane's transform as the canvas has it, the splines with which points were splatted made Gaussians.

    The planes hold cubic B-splines, whose transform is ``sinc⁴`` along each axis.
    """
    ny, nx = canvas.shape_yx
    if fineness > 1:
        spectrum = np.concatenate([spectrum[: ny // 2, : nx // 2 + 1], spectrum[-(ny // 2) :, : nx // 2 + 1]])
    ky, kx = rfft_axes_2d(canvas.shape_yx, canvas.pixel_size_angstrom)
    pixel = canvas.pixel_size_angstrom / fineness
    for k in (ky, kx):
        spectrum *= (np.exp(-2 * (np.pi * spread_angstrom * k) ** 2) / np.sinc(k * pixel) ** 4).astype(np.float32)
    return spectrum
