"""A volume's projections along tilted beams: the exact transpose of the back-projection."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from tomoset.errors import GeometryError
from tomoset.reconstruction.back_projection import blocks_of, frame_around, row_steps, run_jobs, say_nothing, zero_rows

__all__ = ["project_volume"]


def project_volume(
    volume_zyx: NDArray[np.float32],
    y_tilt_deg: NDArray[np.float64],
    n_u: int,
    *,
    oversampling: int = 1,
    workers: int = 1,
) -> NDArray[np.float32]:
    """Project a volume onto views whose tilt axis is their second axis.

    Parameters
    ----------
    volume_zyx : (z, y, x) array of float32
        Voxel N // 2 is on the tilt axis.
    y_tilt_deg : (n,) array of float64
        Tilts, degrees.
    n_u : int
        Samples across the axis; sample n_u // 2 lies on it.
    oversampling : int
        Samples a voxel along u.
    workers : int

    Returns
    -------
    (n, n_u, y) array of float32
        ``view_t(u, y) = Σ_zx volume(z, y, x) tent(x cos t + z sin t − u)``, with a tent as wide as two samples: what
        :func:`back_project_views` transposes, voxel for voxel.

    Raises
    ------
    GeometryError
        If the volume is not three-dimensional or there is no sample.
    """
    from tomoset.reconstruction import _kernels

    if volume_zyx.ndim != 3 or n_u < 1 or oversampling < 1:
        raise GeometryError(
            "expected a volume (z, y, x) and at least one sample a view and a voxel, found a volume of shape "
            f"{volume_zyx.shape}, {n_u} samples a view and {oversampling} a voxel"
        )
    volume = np.ascontiguousarray(volume_zyx, dtype=np.float32)
    tilt = np.asarray(y_tilt_deg, dtype=np.float64)
    frame = frame_around(volume.shape, tilt, n_u, oversampling)
    cos_rows, sin_rows = row_steps(frame, tilt)
    n_blocks = blocks_of(frame.n_v)
    # A table of rows and weights serves all blocks of a job.
    per_job = max(1, -(-n_blocks // max(1, workers)))
    views = np.empty((tilt.size, n_u, frame.n_v), np.float32)
    first_u = frame.centre_u - n_u // 2

    def job(first: int) -> Callable[[], None]:
        def work() -> None:
            rows = zero_rows(min(per_job, n_blocks - first), tilt.size, frame.n_u)
            flat = rows.reshape(rows.shape[0], -1)
            y_first = first * _kernels.ROWS_Y
            _kernels.project_volume(volume, y_first, flat, frame.n_u, cos_rows, sin_rows, float(frame.centre_u))
            for block, of_block in enumerate(rows):
                part = views[:, :, y_first + block * _kernels.ROWS_Y :][:, :, : _kernels.ROWS_Y]
                part[:] = of_block[:, first_u : first_u + n_u, : part.shape[2]]

        return work

    run_jobs([job(first) for first in range(0, n_blocks, per_job)], workers, say_nothing)
    return views
