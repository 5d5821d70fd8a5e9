"""Where every sample of a reconstruction comes from, fixed before a pixel is read."""

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from tomoset.errors import GeometryError, ParameterError
from tomoset.geometry import Grid, TiltGeometry, rotation_about
from tomoset.model import TiltSeries
from tomoset.reconstruction.params import ReconstructionParams
from tomoset.reconstruction.windows import seen_from, slab_edges

__all__ = [
    "IMAGE_SAMPLES",
    "ROW_SAMPLES",
    "PaddedFrame",
    "Plan",
    "RowFrame",
    "aligned_from_specimen",
    "field_shape_yx",
    "make_plan",
    "padded_frame",
]

Floats = NDArray[np.float64]

# Samples a voxel of the images, read by four taps a direction, and of the aligned rows, read linearly across the tilt
# axis. The average loss of both is divided out in the filter; what is left is measured in
# benchmarks/science/reconstruction.py.
IMAGE_SAMPLES = 1.25
ROW_SAMPLES = 3
_TAPER_FRACTION = 0.03
_TAPER_PIXEL_MIN = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class PaddedFrame:
    """The tilt images' pixels, with room for the taper, before and after the change of sampling in Fourier space.

    Parameters
    ----------
    shape_yx : tuple of int
        Of the images.
    pixel_size_angstrom : float
        Of the images.
    taper : int
        Pixels beyond each edge over which mirrored content fades to the mean; image pixel (0, 0) lies at
        (taper, taper).
    padded_yx : tuple of int
        Images with taper and room, even, quick to transform.
    plain_yx : tuple of int
        The same field sampled as coarsely as what a volume can hold allows, at whatever angle its axes lie.
    fine_yx : tuple of int
        The same field with ``IMAGE_SAMPLES`` times as many samples.
    """

    shape_yx: tuple[int, int]
    pixel_size_angstrom: float
    taper: int
    padded_yx: tuple[int, int]
    plain_yx: tuple[int, int]
    fine_yx: tuple[int, int]

    @property
    def columns(self) -> int:
        """Columns of a half-plane spectrum that hold something, the last plain one left out."""
        return self.plain_yx[1] // 2

    @property
    def rows(self) -> int:
        """Rows of the padded image that are not zero."""
        return self.shape_yx[0] + 2 * self.taper

    def rows_at(self, sampled_yx: tuple[int, int]) -> int:
        """As many rows of another sampling, and those that the taps reach beyond."""
        return min(sampled_yx[0], math.ceil(self.rows * sampled_yx[0] / self.padded_yx[0]) + 2)

    @property
    def fine_pixel_yx_angstrom(self) -> Floats:
        """Pixel size after resampling, Å."""
        return np.array(
            [p * self.pixel_size_angstrom / f for p, f in zip(self.padded_yx, self.fine_yx, strict=True)], float
        )

    @property
    def field_yx(self) -> Floats:
        """First y, last y, first x, last x of the tapered image, in resampled pixels of the padded one.

        A pixel at the beginning and two at the end belong to the taps that reach beyond.
        """
        pixel_y, pixel_x = self.fine_pixel_yx_angstrom
        last = [(n - 1 + 2 * self.taper) * self.pixel_size_angstrom for n in self.shape_yx]
        return np.array([1, last[0] / pixel_y - 2, 1, last[1] / pixel_x - 2])


@dataclass(frozen=True, slots=True, kw_only=True)
class RowFrame:
    """Samples of the aligned views: u across the tilt axis, v along it.

    Parameters
    ----------
    n_u, n_v : int
        Number of samples.
    centre_u, centre_v : int
        Samples that hold u = 0 and v = 0.
    step_u_angstrom, step_v_angstrom : float
        Distances of the samples.
    """

    n_u: int
    n_v: int
    centre_u: int
    centre_v: int
    step_u_angstrom: float
    step_v_angstrom: float

    @property
    def u_angstrom(self) -> Floats:
        """Positions of the samples across the axis, from the specimen's origin."""
        return np.asarray((np.arange(self.n_u) - self.centre_u) * self.step_u_angstrom, dtype=np.float64)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Plan:
    """Frames, geometry and indices of one reconstruction.

    Parameters
    ----------
    used : (n,) array of int
        Rows of the series that are used.
    series_geometry, geometry : TiltGeometry
        Of all rows, and of the used ones, about the volume's voxel N // 2.
    grid : Grid
    source : PaddedFrame
    rows : RowFrame
    middle_z_angstrom : float
        Where the volume's plane N // 2 lies in the specimen frame of the series.
    """

    used: NDArray[np.intp]
    series_geometry: TiltGeometry
    geometry: TiltGeometry
    grid: Grid
    source: PaddedFrame
    rows: RowFrame
    middle_z_angstrom: float = 0.0

    @property
    def cut_per_angstrom(self) -> float:
        """Nyquist frequency of the voxels."""
        return 0.5 / self.grid.voxel_size_angstrom

    @property
    def is_single_axis(self) -> bool:
        """Whether every view is tilted about the volume's y axis alone."""
        return not np.any(self.geometry.x_tilt_deg)

    def slabs(self, thickness_angstrom: float) -> list[tuple[slice, "Plan"]]:
        """Planes and plans of slabs along z that together are the volume."""
        voxel = self.grid.voxel_size_angstrom
        depth, *lateral = self.grid.shape_zyx
        found = []
        for first, end in slab_edges(depth, thickness_angstrom / voxel):
            z = (first + (end - first) // 2 - depth // 2) * voxel
            geometry = seen_from(self.geometry, (0.0, 0.0, z))
            grid = Grid(shape_zyx=(end - first, lateral[0], lateral[1]), voxel_size_angstrom=voxel)
            plan = replace(
                self,
                series_geometry=seen_from(self.series_geometry, (0.0, 0.0, z)),
                geometry=geometry,
                grid=grid,
                rows=_row_frame(grid, geometry, ROW_SAMPLES),
                middle_z_angstrom=self.middle_z_angstrom + z,
            )
            found.append((slice(first, end), plan))
        return found


def field_shape_yx(
    shape_yx: tuple[int, int], pixel_size_angstrom: float, voxel_size_angstrom: float, z_rot_deg: float
) -> tuple[int, int]:
    """Voxels along (y) and across (x) the tilt axis that hold an image's field.

    The image is turned by the axis angle to the nearest multiple of 90°: an axis near image x puts the image's x extent
    along the volume's y.
    """
    ny, nx = (max(1, round(n * pixel_size_angstrom / voxel_size_angstrom)) for n in shape_yx)
    return (nx, ny) if round(z_rot_deg / 90) % 2 else (ny, nx)


def padded_frame(
    shape_yx: tuple[int, int], pixel_size_angstrom: float, voxel_size_angstrom: float, z_rot_deg: Floats
) -> PaddedFrame:
    """Choose the padding, a quarter of the image, and the samplings of the padded image.

    The square band of a volume, turned by the axis angle, reaches ``|cos| + |sin|`` times its Nyquist frequency.
    """
    taper = max(_TAPER_PIXEL_MIN, math.ceil(_TAPER_FRACTION * max(shape_yx)))
    taper = min(taper, min(shape_yx) - 1)
    padded = [_even_fast(n + max(2 * taper, n // 4)) for n in shape_yx]
    turn = np.deg2rad(z_rot_deg)
    reach = float((np.abs(np.cos(turn)) + np.abs(np.sin(turn))).max())
    finest = max(pixel_size_angstrom, voxel_size_angstrom / reach)
    plain, fine = (
        [_even_fast(math.ceil(n * pixel_size_angstrom / finest * samples - 1e-6)) for n in padded]
        for samples in (1, IMAGE_SAMPLES)
    )
    return PaddedFrame(
        shape_yx=shape_yx,
        pixel_size_angstrom=pixel_size_angstrom,
        taper=taper,
        padded_yx=(padded[0], padded[1]),
        plain_yx=(plain[0], plain[1]),
        fine_yx=(fine[0], fine[1]),
    )


def make_plan(series: TiltSeries, params: ReconstructionParams) -> Plan:
    """Fix all frames of a reconstruction.

    Raises
    ------
    GeometryError
        If the series is not aligned or no tilt is used.
    ParameterError
        If the voxels are smaller than the pixels.
    """
    if series.geometry is None:
        raise GeometryError(f"{series.run}: expected an aligned tilt series, found no geometry; align it first")
    if series.used.size == 0:
        raise GeometryError(f"{series.run}: none of the {len(series.tilts)} tilts is used; accept some in the curation")
    voxel = params.voxel_size_angstrom
    if voxel < series.pixel_size_angstrom * (1 - 1e-6):
        raise ParameterError(
            f"reconstruction.voxel_size_angstrom: expected at least the images' {series.pixel_size_angstrom:g} Å, "
            f"found {voxel:g} Å; a smaller voxel would hold no more"
        )
    series_geometry = series.geometry
    if any(params.centre_angstrom_xyz):
        series_geometry = seen_from(series_geometry, params.centre_angstrom_xyz)
    geometry = series_geometry.select(series.used)
    shape_yx = (int(series.images_nyx.shape[1]), int(series.images_nyx.shape[2]))
    lateral = params.lateral_shape_yx or field_shape_yx(
        shape_yx, series.pixel_size_angstrom, voxel, float(np.median(geometry.z_rot_deg))
    )
    depth = max(1, round(params.thickness_angstrom / voxel))
    grid = Grid(shape_zyx=(depth, *lateral), voxel_size_angstrom=voxel)
    return Plan(
        used=series.used,
        series_geometry=series_geometry,
        geometry=geometry,
        grid=grid,
        source=padded_frame(shape_yx, series.pixel_size_angstrom, voxel, geometry.z_rot_deg),
        # Iterations compare the projections of voxels with the views, one sample a voxel.
        rows=_row_frame(grid, geometry, ROW_SAMPLES if params.method == "wbp" else 1),
        middle_z_angstrom=params.centre_angstrom_xyz[2],
    )


def _row_frame(grid: Grid, geometry: TiltGeometry, samples: int) -> RowFrame:
    """Enough samples that no voxel of any view reads beyond them."""
    half_xyz = np.asarray(grid.shape_zyx[::-1]) / 2 + 1
    reach = np.abs(aligned_from_specimen(geometry)) @ half_xyz
    centre_u = math.ceil(reach[:, 0].max() * samples) + 1
    n_y = grid.shape_zyx[1]
    centre_v, n_v = n_y // 2, n_y
    if np.any(geometry.x_tilt_deg):
        centre_v = math.ceil(reach[:, 1].max()) + 1
        n_v = 2 * centre_v + 1
    voxel = grid.voxel_size_angstrom
    return RowFrame(
        # An odd number of rows keeps the tilts off each other's cache sets.
        n_u=2 * centre_u + 3,
        n_v=n_v,
        centre_u=centre_u,
        centre_v=centre_v,
        step_u_angstrom=voxel / samples,
        step_v_angstrom=voxel,
    )


def aligned_from_specimen(geometry: TiltGeometry) -> Floats:
    """Rotations (n, 3, 3) from the specimen into the frame of the tilt axis: the geometry's, without z_rot."""
    return rotation_about("z", -geometry.z_rot_deg) @ geometry.image_from_specimen


def _even_fast(n: int) -> int:
    """Smallest even length from ``n`` that the transform handles quickly."""
    from scipy.fft import next_fast_len

    length = int(next_fast_len(n, real=True))
    while length % 2:
        length = int(next_fast_len(length + 1, real=True))
    return length
