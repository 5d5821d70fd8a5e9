"""How well a segment of filament fits at every place and in every direction."""

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tomoset.annotation.filaments.profile import RadialProfile
from tomoset.annotation.filaments.views import MatchedViews
from tomoset.errors import ParameterError
from tomoset.model import Progress, Resources

__all__ = ["DirectionMap", "SegmentResponse", "axis_directions", "search_directions", "segment_response"]

Floats = NDArray[np.float64]
Floats32 = NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class DirectionMap:
    """The best direction of a segment at every voxel of a coarse grid.

    Parameters
    ----------
    z_zyx : (z, y, x) array of float32
        Sum of the views' responses, in units of the spread of that sum over the volume.
    amplitude_zyx : (z, y, x) array of float32
        The same in units of what a segment of the filament gives there when nothing is lost.
    direction_index_zyx : (z, y, x) array of int16
    directions_xyz : (d, 3) array of float64
    spreads : (d,) array of float64
        One unit of z, in units of the noise alone.
    step_angstrom : float
        Voxel (0, 0, 0) is the tomogram's voxel (0, 0, 0).
    """

    z_zyx: Floats32
    amplitude_zyx: Floats32
    direction_index_zyx: NDArray[np.int16]
    directions_xyz: Floats
    spreads: Floats
    step_angstrom: float


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SegmentResponse:
    """All views matched with a segment of one direction.

    Parameters
    ----------
    views : MatchedViews
    responses : (v, ny, nx) array of float32
        Slope of the log-likelihood with the amplitude of a segment centred at each pixel.
    gains, variances : (v,) arrays of float32
        What a segment of amplitude one adds to it, and its variance by noise.
    """

    views: MatchedViews
    responses: Floats32
    gains: Floats32
    variances: Floats32

    def at(self, positions_angstrom_xyz: ArrayLike) -> tuple[Floats, Floats]:
        """Amplitude (n,) at places (n, 3) of the volume frame, and its standard error by noise; NaN where unseen."""
        index = self.views.pixels_of(positions_angstrom_xyz)
        total, gain, variance = np.zeros((3, index.shape[1]))
        width, height = self.views.shape_xy
        for v, (x, y) in enumerate(np.moveaxis(index, 2, 1)):
            seen = (x >= 0) & (y >= 0) & (x < width - 1) & (y < height - 1)
            jx, jy = x[seen].astype(np.intp), y[seen].astype(np.intp)
            ax, ay = x[seen] - jx, y[seen] - jy
            image = self.responses[v]
            low = image[jy, jx] * (1 - ax) + image[jy, jx + 1] * ax
            high = image[jy + 1, jx] * (1 - ax) + image[jy + 1, jx + 1] * ax
            total[seen] += low * (1 - ay) + high * ay
            gain[seen] += self.gains[v]
            variance[seen] += self.variances[v]
        with np.errstate(invalid="ignore", divide="ignore"):
            return total / gain, np.sqrt(variance) / gain


def axis_directions(step_deg: float) -> Floats:
    """Directions (n, 3) of axes, evenly over half a sphere (a Fibonacci spiral)."""
    n = int(np.ceil(2 * np.pi / np.deg2rad(step_deg) ** 2))
    i = np.arange(n) + 0.5
    z, azimuth = i / n, np.pi * (1 + np.sqrt(5)) * i
    across = np.sqrt(1 - z**2)
    return np.stack([across * np.cos(azimuth), across * np.sin(azimuth), z], axis=-1)


def segment_response(
    views: MatchedViews,
    profile: RadialProfile,
    direction_xyz: Floats,
    sigma_angstrom: float,
    out: Floats32 | None = None,
) -> SegmentResponse:
    """Match all views with a segment that fades along its axis as a Gaussian.

    Parameters
    ----------
    views : MatchedViews
    profile : RadialProfile
    direction_xyz : (3,) array of float64
        Axis in the specimen's axes, unit length.
    sigma_angstrom : float
        Standard deviation of the taper.
    out : (v, ny, nx) array of float32, optional
        Where the responses are put.
    """
    from scipy import fft

    from tomoset.annotation.filaments import _kernels

    views = views.towards(direction_xyz)
    ny, nx = views.padded_shape_yx
    n_views = len(views.gain)
    responses = np.empty((n_views, ny, nx), np.float32) if out is None else out
    sums = np.empty((n_views, 2))
    ky = np.fft.fftfreq(ny, views.pixel_xy_angstrom[1]).astype(np.float32)
    kx = np.fft.rfftfreq(nx, views.pixel_xy_angstrom[0]).astype(np.float32)
    values = profile.values_volt_angstrom2.astype(np.float32)
    product = np.empty((ny, nx // 2 + 1), np.complex64)
    for v in range(n_views):
        sums[v] = _kernels.segment_product(
            views.weighted_hat[v],
            views.gain[v],
            views.noise[v],
            ky,
            kx,
            views.camera_from_specimen[v] @ direction_xyz,
            values,
            profile.step_per_angstrom,
            sigma_angstrom,
            product,
        )
        responses[v] = fft.irfft2(product, s=(ny, nx), overwrite_x=True)
    size = ny * nx
    return SegmentResponse(
        views=views,
        responses=responses,
        gains=(sums[:, 0] / (size * np.prod(views.pixel_xy_angstrom))).astype(np.float32),
        variances=(sums[:, 1] / size**2).astype(np.float32),
    )


def search_directions(
    views: MatchedViews,
    profile: RadialProfile,
    directions_xyz: Floats,
    sigma_angstrom: float,
    size_angstrom_xyz: Floats,
    step_angstrom: float,
    resources: Resources,
    progress: Progress,
) -> DirectionMap:
    """Match segments of all directions at every voxel of a coarse grid and keep the best direction.

    Parameters
    ----------
    views : MatchedViews
    profile : RadialProfile
    directions_xyz : (d, 3) array of float64
    sigma_angstrom : float
        Of the segments' taper.
    size_angstrom_xyz : (3,) array of float64
        Of the volume.
    step_angstrom : float
        Voxels of the result.
    resources : Resources
        ``workers`` directions are tried at a time.
    progress : Progress

    Raises
    ------
    ParameterError
        If the maps of the search do not fit into the memory.

    Notes
    -----
    Directions differ in how much of the crowd their segments overlay, so that each is measured in units of its own
    spread over the volume (the median of its absolute values: filaments fill little of it).
    """
    from tomoset.annotation.filaments import _kernels

    nx, ny, nz = (int(np.ceil(size / step_angstrom)) + 1 for size in size_angstrom_xyz)
    needed = nz * ny * nx * (10 + 8 * max(1, resources.workers)) / 2**30
    if needed > resources.memory_gib:
        raise ParameterError(
            f"filaments: expected a search that fits into {resources.memory_gib:g} GiB, found one that needs "
            f"{needed:.3g} GiB on voxels of {step_angstrom:.3g} Å; a filament this thin needs a smaller tomogram, more "
            "memory or fewer workers"
        )
    best, best_amplitude = np.zeros((nz, ny, nx), np.float32), np.zeros((nz, ny, nx), np.float32)
    which = np.zeros((nz, ny, nx), np.int16)
    spreads = np.empty(len(directions_xyz))
    index_from_volume = views.index_from_volume
    lock, local = threading.Lock(), threading.local()
    done = 0

    def one(index: int) -> None:
        nonlocal done
        if not hasattr(local, "buffers"):
            local.buffers = (
                np.empty((len(views.gain), *views.padded_shape_yx), np.float32),
                np.empty((nz, ny, nx), np.float32),
                np.empty((nz, ny, nx), np.float32),
            )
        responses, z, amplitude = local.buffers
        found = segment_response(views, profile, directions_xyz[index], sigma_angstrom, responses)
        _kernels.sum_views(
            found.responses,
            found.gains,
            found.variances,
            index_from_volume,
            views.shape_xy,
            step_angstrom,
            z,
            amplitude,
        )
        spreads[index] = max(1.4826 * float(np.median(np.abs(z[::2, ::2, ::2]))), float(np.finfo(np.float32).tiny))
        with lock:
            _kernels.keep_best(z, amplitude, np.float32(1 / spreads[index]), index, best, best_amplitude, which)
            done += 1
            progress.step("match filament segments", done, len(directions_xyz))

    with ThreadPoolExecutor(max(1, resources.workers)) as pool:
        for _ in pool.map(one, range(len(directions_xyz))):
            pass
    return DirectionMap(
        z_zyx=best,
        amplitude_zyx=best_amplitude,
        direction_index_zyx=which,
        directions_xyz=directions_xyz,
        spreads=spreads,
        step_angstrom=step_angstrom,
    )
