"""Particles as markers: found in a quick tomogram, then measured in every view against their other views."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tomoset.alignment.common_frame import xy_from_uv
from tomoset.alignment.marker_model import MarkerModel
from tomoset.alignment.preprocess import Views
from tomoset.physics import vertex_offset

__all__ = ["Markers", "Offsets", "back_projected", "find_markers", "local_tops", "matched_images", "measure_offsets"]

Floats = NDArray[np.float64]
Images = NDArray[np.float32]

_APART_ANGSTROM = 130.0
_BOX_ANGSTROM = 330.0
_REFERENCE_FLOOR = 0.03
_LEAST_VISIBLE = 0.6


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Markers:
    """Particles that may serve as markers.

    Parameters
    ----------
    positions_angstrom_xyz : (p, 3) array of float64
        Specimen frame.
    significance : (p,) array of float64
        Height in the tomogram they were found in, standard deviations.
    """

    positions_angstrom_xyz: Floats
    significance: Floats


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Offsets:
    """Where markers are, relative to where they were predicted.

    Parameters
    ----------
    uv_angstrom : (p, n, 2) array of float64
        Across and along the axis.
    measured : (p, n) array of bool
        False where the marker is outside the view or its peak lies at the edge of the search.
    reference_pnn : (p, n, n) array of float64
        Share of each other view in the reference that a view was measured against; rows sum to 1.
    """

    uv_angstrom: Floats
    measured: NDArray[np.bool_]
    reference_pnn: Floats


def matched_images(views: Views, signal_k: Floats, band_angstrom: tuple[float, float]) -> Images:
    """Spline coefficients (n, ny, nx) of the views filtered so that protein is positive and signal outweighs noise.

    The whitened image is multiplied by the signed amplitude of its coherent part: CTF phases are flipped and each
    frequency counts as its share of signal.
    """
    from scipy import fft, ndimage

    coarsest, finest = band_angstrom
    k = views.frequency_per_angstrom
    share = np.clip(signal_k * np.square(views.transfer_nk) / views.power_nk, 0.0, 1.0)
    amplitude = np.sign(views.transfer_nk) * np.sqrt(share)
    amplitude *= 1 / (1 + (k * finest) ** 12)
    amplitude *= 1 - 1 / (1 + (k * coarsest) ** 4)
    _, ny, nx = views.images_nyx.shape
    frequency = np.hypot(
        np.fft.fftfreq(ny, views.pixel_size_angstrom)[:, None], np.fft.rfftfreq(nx, views.pixel_size_angstrom)[None, :]
    )
    ring = np.minimum(np.rint(frequency / k[1]).astype(np.intp), k.size - 1)
    out = np.empty(views.images_nyx.shape, dtype=np.float32)
    for i, image in enumerate(views.images_nyx):
        filtered = fft.irfft2(fft.rfft2(image) * amplitude[i][ring].astype(np.float32), s=(ny, nx))
        out[i] = ndimage.spline_filter(filtered, order=3, output=np.float32)
    return out


def find_markers(
    views: Views, coefficients_nyx: Images, model: MarkerModel, thickness_angstrom: float, most: int
) -> Markers:
    """Strongest compact things of a quick back-projection, at least 130 Å apart.

    Only particles that at least 60 % of the views show are taken, and only those that stand out of the tomogram's
    noise: a marker made of noise would follow the alignment instead of leading it.
    """
    step = 2 * views.pixel_size_angstrom
    volume_zyx, axes = back_projected(views, coefficients_nyx, model, thickness_angstrom, step)
    # Bright particles and their streaks would raise a standard deviation; the median deviation hardly sees them.
    middle = float(np.median(volume_zyx[::2, ::2, ::2]))
    noise = 1.4826 * float(np.median(np.abs(volume_zyx[::2, ::2, ::2] - middle)))
    z, y, x = local_tops(volume_zyx, middle + 5.0 * noise, int(_APART_ANGSTROM / step))
    inside = (z > 1) & (z < volume_zyx.shape[0] - 2)
    z, y, x = z[inside], y[inside], x[inside]
    heights = (volume_zyx[z, y, x] - middle) / noise
    positions = np.column_stack([axes[2][x], axes[1][y], axes[0][z]])
    visible = _inside(views, model, model.predicted_uv(positions)).mean(axis=1) >= _LEAST_VISIBLE
    order = np.argsort(-heights[visible], kind="stable")[:most]
    return Markers(positions_angstrom_xyz=positions[visible][order], significance=heights[visible][order])


def local_tops(volume_zyx: Images, least: float, reach: int) -> tuple[NDArray[np.intp], ...]:
    """Indices z, y, x of the voxels above ``least`` that are the highest within ``reach`` voxels on every axis."""
    from tomoset.alignment import _kernels

    top = np.empty(volume_zyx.shape, dtype=np.bool_)
    _kernels.find_tops(volume_zyx, least, reach, top)
    return np.nonzero(top)


def back_projected(
    views: Views, coefficients_nyx: Images, model: MarkerModel, thickness_angstrom: float, step_angstrom: float
) -> tuple[Images, tuple[Floats, Floats, Floats]]:
    """Sum of the filtered views over the slab (z, y, x) and the three axes' coordinates."""
    from tomoset.alignment import _kernels

    _, ny, nx = coefficients_nyx.shape
    geometry = model.geometry()
    c2 = np.cos(np.deg2rad(model.axis_deg)) ** 2
    pixel = views.pixel_size_angstrom
    extent_u, extent_v = (nx * c2 + ny * (1 - c2)) * pixel, (nx * (1 - c2) + ny * c2) * pixel
    depth = 0.5 * thickness_angstrom + 300.0
    x, y, z = (
        np.arange(-int(half / step_angstrom), int(half / step_angstrom) + 1, dtype=np.float64) * step_angstrom
        for half in (extent_u / 2, extent_v / 2, depth)
    )
    volume_zxy = np.zeros((z.size, x.size, y.size), dtype=np.float32)
    grid = np.stack(np.meshgrid(x, y, indexing="ij"), axis=-1).reshape(-1, 2)
    tilt = np.deg2rad(geometry.y_tilt_deg)
    for i in range(views.n):
        rigid_xy = xy_from_uv(grid, float(geometry.z_rot_deg[i]))
        xy = geometry.select([i]).distort(rigid_xy[None])[0] + geometry.shift_xy_angstrom[i]
        places = xy / pixel + [nx // 2, ny // 2]
        line_xy = np.empty((x.size, y.size), dtype=np.float32)
        _kernels.sample_points(coefficients_nyx[i], places, line_xy.reshape(-1))
        place = (x[None, :] * np.cos(tilt[i]) + z[:, None] * np.sin(tilt[i]) - x[0]) / step_angstrom
        _kernels.back_project(line_xy, place, volume_zxy)
    return np.ascontiguousarray(volume_zxy.transpose(0, 2, 1)), (z, y, x)


def _inside(views: Views, model: MarkerModel, uv_angstrom: Floats) -> NDArray[np.bool_]:
    """Whether views show places, with half a box to spare at the image's edge: (p, n)."""
    _, ny, nx = views.images_nyx.shape
    places = xy_from_uv(uv_angstrom, model.axis_deg) / views.pixel_size_angstrom + np.array([nx / 2, ny / 2])
    return views.shows(places, 0.5 * _BOX_ANGSTROM / views.pixel_size_angstrom)


def measure_offsets(
    views: Views,
    coefficients_nyx: Images,
    model: MarkerModel,
    positions_angstrom_xyz: Floats,
    *,
    reach_angstrom: float,
    width_deg: float,
) -> Offsets:
    """Offset of each marker in each view from its predicted place, relative to its other views.

    A soft round box about the predicted place is correlated with the weighted mean of the same marker's boxes in the
    other views, ``exp(−(Δt / width)²) + 0.03``; peaks further than ``reach_angstrom`` are not believed.
    """
    uv = model.predicted_uv(positions_angstrom_xyz)
    inside = _inside(views, model, uv)
    pixel = views.pixel_size_angstrom
    size = 2 * round(_BOX_ANGSTROM / pixel / 2)
    reach = max(1, round(reach_angstrom / pixel))
    boxes_pn = _cut(views, coefficients_nyx, model.axis_deg, uv, size)
    boxes_pn *= inside[:, :, None, None]
    away = np.subtract.outer(views.tilt_deg, views.tilt_deg)
    weight = np.exp(-np.square(away / width_deg)) + _REFERENCE_FLOOR
    np.fill_diagonal(weight, 0.0)
    offsets = np.zeros(uv.shape)
    measured = np.zeros(inside.shape, dtype=bool)
    for p, boxes in enumerate(boxes_pn):
        lag, interior = _correlate(boxes, weight, reach)
        offsets[p] = lag * pixel
        measured[p] = interior & inside[p]
    # A view's share in a reference grows with the signal its filtered image holds, which its power tells.
    strength = np.array([float(np.vdot(image, image)) / image.size for image in coefficients_nyx])
    reference = weight[None] * (strength * inside)[:, None, :]
    reference /= np.maximum(reference.sum(axis=2, keepdims=True), 1e-12)
    return Offsets(uv_angstrom=offsets, measured=measured, reference_pnn=reference)


def _cut(views: Views, coefficients_nyx: Images, axis_deg: float, uv_angstrom: Floats, size: int) -> Images:
    """Boxes (p, n, size, size), rows along the axis and columns across, about places (p, n, 2)."""
    from tomoset.alignment import _kernels

    n, ny, nx = coefficients_nyx.shape
    ticks = np.arange(size) - size // 2
    radius = np.hypot(ticks[:, None], ticks[None, :]) / (size / 2)
    mask = (0.5 + 0.5 * np.cos(np.pi * np.clip((radius - 0.6) / 0.4, 0.0, 1.0))).astype(np.float32)
    places = xy_from_uv(uv_angstrom, axis_deg) / views.pixel_size_angstrom + [nx // 2, ny // 2]
    c, s = np.cos(np.deg2rad(axis_deg)), np.sin(np.deg2rad(axis_deg))
    boxes = np.empty((n, len(uv_angstrom), size, size), dtype=np.float32)
    for i in range(n):
        _kernels.cut_boxes(coefficients_nyx[i], np.ascontiguousarray(places[:, i]), c, s, mask, boxes[i])
    return np.ascontiguousarray(boxes.transpose(1, 0, 2, 3))


def _correlate(boxes: Images, weight: Floats, reach: int) -> tuple[Floats, NDArray[np.bool_]]:
    """Lag (n, 2) across and along of each box against its reference, pixels, and whether it is inside the search."""
    from scipy import fft

    n, size, _ = boxes.shape
    spectra = fft.rfft2(boxes)
    references = (weight.astype(np.float32) @ spectra.reshape(n, -1)).reshape(spectra.shape)
    correlation = fft.fftshift(fft.irfft2(spectra * references.conj(), s=(size, size)), axes=(1, 2))
    middle = size // 2
    near = correlation[:, middle - reach : middle + reach + 1, middle - reach : middle + reach + 1]
    width = 2 * reach + 1
    row, column = np.divmod(near.reshape(n, -1).argmax(axis=1), width)
    views = np.arange(n)
    at = near[views, row, column]
    interior = (row > 0) & (row < width - 1) & (column > 0) & (column < width - 1) & (at > 0)
    row, column = row + middle - reach, column + middle - reach
    left, right = correlation[views, row, column - 1], correlation[views, row, column + 1]
    below, above = correlation[views, row - 1, column], correlation[views, row + 1, column]
    lag_u = column - middle + vertex_offset(left, at, right)
    lag_v = row - middle + vertex_offset(below, at, above)
    return np.column_stack([lag_u, lag_v]), interior
