"""Views in the frame of the tilt axis to a volume: the sum over views of what lies on the rays through each voxel."""

import math
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

from tomoset.errors import GeometryError
from tomoset.geometry import TiltGeometry
from tomoset.reconstruction.plan import RowFrame, aligned_from_specimen

__all__ = [
    "back_project_blocks",
    "back_project_planes",
    "back_project_views",
    "blocks_of",
    "frame_around",
    "pack_views",
    "row_steps",
    "run_jobs",
    "say_nothing",
    "zero_rows",
]

Report = Callable[[int, int], None]


def run_jobs(jobs: list[Callable[[], None]], workers: int, report: Report) -> None:
    """Run independent jobs in threads (the kernels release Python's lock) and say after each how many are done."""
    with ThreadPoolExecutor(max_workers=max(1, workers)) as pool:
        futures = [pool.submit(job) for job in jobs]
        try:
            for done, future in enumerate(futures, start=1):
                future.result()
                report(done, len(jobs))
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


def blocks_of(n_v: int) -> int:
    """Blocks of 64 y that hold ``n_v`` samples along the tilt axis."""
    from tomoset.reconstruction import _kernels

    return -(-n_v // _kernels.ROWS_Y)


def back_project_blocks(
    rows: NDArray[np.float32],
    frame: RowFrame,
    y_tilt_deg: NDArray[np.float64],
    volume_zyx: NDArray[np.float32],
    *,
    y_first: int,
    workers: int,
    report: Report,
) -> None:
    """Fill ``volume_zyx[:, y_first:]`` as far as the blocks reach, for views tilted about y alone.

    Parameters
    ----------
    rows : (blocks, tilts, u, 64) array of float32
        Filtered views, C order.
    frame : RowFrame
    y_tilt_deg : (n,) array of float64
        Tilts of the views; n may be smaller than the number of those that there is room for.
    volume_zyx : (z, y, x) array of float32
        Overwritten where the blocks lie; voxel N // 2 is on the tilt axis.
    y_first : int
        Where the first block lies, a multiple of 64.
    workers : int
        Threads; the result does not depend on it.
    report : callable
        Called with (jobs done, jobs) after each.
    """
    from tomoset.reconstruction import _kernels

    flat = rows.reshape(rows.shape[0], -1)
    cos_rows, sin_rows = row_steps(frame, y_tilt_deg)
    n_z, _, n_x = volume_zyx.shape

    def job(z_first: int, x_first: int) -> Callable[[], None]:
        return lambda: _kernels.back_project_tile(
            flat, frame.n_u, cos_rows, sin_rows, float(frame.centre_u), volume_zyx, y_first, z_first, x_first
        )

    jobs = [job(z, x) for x in range(0, n_x, _kernels.TILE) for z in range(0, n_z, _kernels.TILE)]
    run_jobs(jobs, workers, report)


def row_steps(frame: RowFrame, y_tilt_deg: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """How many u rows of each view one voxel along x and one along z move."""
    tilt = np.deg2rad(np.asarray(y_tilt_deg, dtype=np.float64))
    a_voxel = frame.step_v_angstrom / frame.step_u_angstrom
    return np.cos(tilt) * a_voxel, np.sin(tilt) * a_voxel


def zero_rows(n_blocks: int, n_tilts: int, n_u: int) -> NDArray[np.float32]:
    """Zeros of shape (blocks, tilts, u, 64) that begin at a cache line, which halves the loads of the kernels."""
    from tomoset.reconstruction import _kernels

    shape = (n_blocks, n_tilts, n_u, _kernels.ROWS_Y)
    line = 64
    room = np.zeros(math.prod(shape) * 4 + line, np.uint8)
    first = -room.ctypes.data % line
    return room[first : first + math.prod(shape) * 4].view(np.float32).reshape(shape)


def back_project_planes(
    rows: NDArray[np.float32],
    frame: RowFrame,
    geometry: TiltGeometry,
    volume_zyx: NDArray[np.float32],
    *,
    workers: int,
    report: Report,
) -> None:
    """Fill ``volume_zyx`` for any geometry, bilinear and voxel by voxel (some ten times slower).

    ``rows`` as in :func:`back_project_blocks`; views reach beyond the volume by what ``x_tilt`` moves them.
    """
    from tomoset.reconstruction import _kernels

    n_tilts = geometry.n_tilts
    views = np.ascontiguousarray(rows[:, :n_tilts].transpose(1, 2, 0, 3)).reshape(n_tilts, rows.shape[2], -1)
    turn = aligned_from_specimen(geometry)
    to_u = np.ascontiguousarray(turn[:, 0] * (frame.step_v_angstrom / frame.step_u_angstrom))
    to_v = np.ascontiguousarray(turn[:, 1])

    def job(z: int) -> Callable[[], None]:
        return lambda: _kernels.back_project_general(
            views, to_u, to_v, float(frame.centre_u), float(frame.centre_v), volume_zyx, z
        )

    run_jobs([job(z) for z in range(volume_zyx.shape[0])], workers, report)


def back_project_views(
    views_nuv: NDArray[np.float32],
    y_tilt_deg: NDArray[np.float64],
    shape_zyx: tuple[int, int, int],
    *,
    oversampling: int = 1,
    workers: int = 1,
) -> NDArray[np.float32]:
    """Plain back-projection of views whose tilt axis is their second axis.

    Parameters
    ----------
    views_nuv : (n, u, v) array of float32
        Views; sample u // 2 lies on the tilt axis, v has one sample a voxel.
    y_tilt_deg : (n,) array of float64
        Tilts, degrees.
    shape_zyx : tuple of int
        Shape of the volume; its y must be the number of v samples. Voxel N // 2 is on the axis.
    oversampling : int
        Samples a voxel along u.
    workers : int

    Returns
    -------
    (z, y, x) array of float32
        ``Σ_t view_t(x cos t + z sin t, y)``, linearly interpolated along u, zero outside the views.

    Raises
    ------
    GeometryError
        If the shapes do not match.
    """
    tilt = np.asarray(y_tilt_deg, dtype=np.float64)
    if views_nuv.ndim != 3 or views_nuv.shape[0] != tilt.size or views_nuv.shape[2] != shape_zyx[1]:
        raise GeometryError(
            f"expected views of shape ({tilt.size}, u, {shape_zyx[1]}) for a volume of {shape_zyx}, "
            f"found {views_nuv.shape}"
        )
    frame = frame_around(shape_zyx, tilt, views_nuv.shape[1], oversampling)
    rows = pack_views(views_nuv, frame)
    volume = np.empty(shape_zyx, np.float32)
    back_project_blocks(rows, frame, tilt, volume, y_first=0, workers=workers, report=say_nothing)
    return volume


def frame_around(shape_zyx: tuple[int, ...], y_tilt_deg: NDArray[np.float64], n_u: int, oversampling: int) -> RowFrame:
    """Rows for views of ``n_u`` samples, enough that no voxel of the volume reads beyond them; a voxel is 1 Å."""
    turn = np.deg2rad(y_tilt_deg)
    reach = np.abs(np.cos(turn)) * (shape_zyx[2] / 2 + 1) + np.abs(np.sin(turn)) * (shape_zyx[0] / 2 + 1)
    half = max(n_u // 2 + 1, math.ceil(reach.max() * oversampling) + 1)
    return RowFrame(
        n_u=2 * half + 3,
        n_v=shape_zyx[1],
        centre_u=half,
        centre_v=shape_zyx[1] // 2,
        step_u_angstrom=1 / oversampling,
        step_v_angstrom=1.0,
    )


def pack_views(views_nuv: NDArray[np.float32], frame: RowFrame) -> NDArray[np.float32]:
    """Views (n, u, v), centred at u // 2, to the kernel's order (blocks, tilts, u, 64 y)."""
    from tomoset.reconstruction import _kernels

    n, n_u, n_v = views_nuv.shape
    rows = zero_rows(blocks_of(n_v), n, frame.n_u)
    first = frame.centre_u - n_u // 2
    images = views_nuv.transpose(0, 2, 1)
    if images.flags.c_contiguous and images.dtype == np.float32:
        _kernels.pack_images(images, rows, first)
        return rows
    for block in range(rows.shape[0]):
        part = views_nuv[:, :, block * _kernels.ROWS_Y : (block + 1) * _kernels.ROWS_Y]
        rows[block, :n, first : first + n_u, : part.shape[2]] = part
    return rows


def say_nothing(done: int, total: int) -> None:
    """Report nothing."""
    del done, total
