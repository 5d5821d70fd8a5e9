"""The highest point of a correlation map, to a fraction of a pixel."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tomoset.physics import vertex_offset

__all__ = ["Peak", "find_peak"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Peak:
    """Where a correlation map is highest.

    Parameters
    ----------
    shift_xy : tuple of float
        Lag of the peak, pixels, x then y.
    height : float
        Value at the peak.
    significance : float
        Height in standard deviations of the whole map.
    """

    shift_xy: tuple[float, float]
    height: float
    significance: float


def find_peak(map_yx: NDArray[np.floating], radius_xy: tuple[float, float]) -> Peak:
    """Highest point within an ellipse about zero lag, refined by a parabola along each axis.

    Parameters
    ----------
    map_yx : (ny, nx) array of float
        Correlation with zero lag at index (0, 0), periodic.
    radius_xy : tuple of float
        Half axes of the search, pixels; at least 1 is used.
    """
    ny, nx = map_yx.shape
    reach_x, reach_y = (min(int(max(r, 1.0)), size // 2 - 1) for r, size in zip(radius_xy, (nx, ny), strict=True))
    lag_y, lag_x = np.arange(-reach_y, reach_y + 1), np.arange(-reach_x, reach_x + 1)
    near = map_yx[np.ix_(lag_y % ny, lag_x % nx)]
    inside = (lag_y[:, None] / max(radius_xy[1], 1.0)) ** 2 + (lag_x[None, :] / max(radius_xy[0], 1.0)) ** 2 <= 1.0
    row, column = np.unravel_index(np.argmax(np.where(inside, near, -np.inf)), near.shape)
    y, x = int(lag_y[row]), int(lag_x[column])
    centre = float(map_yx[y % ny, x % nx])
    dx = float(vertex_offset(float(map_yx[y % ny, (x - 1) % nx]), centre, float(map_yx[y % ny, (x + 1) % nx])))
    dy = float(vertex_offset(float(map_yx[(y - 1) % ny, x % nx]), centre, float(map_yx[(y + 1) % ny, x % nx])))
    spread = float(map_yx.std(dtype=np.float64))
    return Peak(shift_xy=(x + dx, y + dy), height=centre, significance=centre / spread if spread > 0 else 0.0)
