"""Cross-sections of tomograms as the field prints them: 100 nm scale bar, one arrowhead colour a class."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tomoset.model import Tomogram
from tomoset.report.landmarks import Landmarks
from tomoset.report.pictures import save_picture

__all__ = ["best_height_index", "draw_section", "slab_mean"]

_SCALE_BAR_ANGSTROM = 1000.0
_MOST_ARROWS, _MOST_ARROWS_TO_A_CROWD = 40, 8  # of one class in a picture; hundreds of arrowheads would hide it
_CROWD = 200


def slab_mean(tomogram: Tomogram, centre_index: int, thickness_angstrom: float, axis: int = 0) -> NDArray[np.float32]:
    """Mean over a slab of the tomogram.

    Parameters
    ----------
    tomogram : Tomogram
    centre_index : int
        Middle of the slab along the axis.
    thickness_angstrom : float
        Of the slab; at least one voxel is taken.
    axis : {0, 1, 2}
        0 gives an XY section (y, x), 1 an XZ section (z, x), 2 a YZ section (z, y).
    """
    half = max(0, round(thickness_angstrom / tomogram.grid.voxel_size_angstrom / 2))
    low, high = max(0, centre_index - half), min(tomogram.grid.shape_zyx[axis], centre_index + half + 1)
    region = tuple(slice(low, high) if i == axis else slice(None) for i in range(3))
    return tomogram.volume_zyx.read(region).mean(axis=axis, dtype=np.float64).astype(np.float32)


def best_height_index(tomogram: Tomogram, landmarks: Sequence[Landmarks], slab_angstrom: float) -> int:
    """Height (z index) of the slab that shows most classes, then most of them; the middle when nothing is labeled."""
    middle = tomogram.grid.shape_zyx[0] // 2
    heights = [each.points_angstrom_xyz[:, 2] for each in landmarks if len(each.points_angstrom_xyz)]
    if not heights:
        return middle
    voxel = tomogram.grid.voxel_size_angstrom
    candidates = np.arange(tomogram.grid.shape_zyx[0])
    inside = np.stack([(np.abs(z[None] - candidates[:, None] * voxel) < slab_angstrom / 2).sum(1) for z in heights])
    merit = 1000 * (inside > 0).sum(0) + np.minimum(inside, _MOST_ARROWS).sum(0) - 1e-2 * np.abs(candidates - middle)
    return int(np.argmax(merit))


def draw_section(
    path: Path,
    tomogram: Tomogram,
    landmarks: Sequence[Landmarks],
    *,
    slab_angstrom: float = 150.0,
    title: str = "",
) -> int:
    """Draw an XY section and the XZ section below it; returns the z index that is shown.

    Parameters
    ----------
    path : Path
        PNG to write.
    tomogram : Tomogram
    landmarks : sequence of Landmarks
        What to point at, as far as it lies in the slab; of a crowd, those nearest to the slab's middle.
    slab_angstrom : float
        Thickness that is averaged.
    title : str
    """
    from matplotlib.figure import Figure

    height = best_height_index(tomogram, landmarks, slab_angstrom)
    nz, ny, nx = tomogram.grid.shape_zyx
    voxel = tomogram.grid.voxel_size_angstrom
    width_inch = 8.0
    figure = Figure(figsize=(width_inch, width_inch * (ny + nz) / nx + 0.5), layout="constrained")
    top, bottom = figure.subplots(2, 1, gridspec_kw={"height_ratios": [ny, nz]})
    _show(top, slab_mean(tomogram, height, slab_angstrom))
    _show(bottom, slab_mean(tomogram, ny // 2, slab_angstrom, axis=1))
    _scale_bar(top, voxel)
    for each in landmarks:
        away = np.abs(each.points_angstrom_xyz[:, 2] - height * voxel)
        order = np.argsort(away, kind="stable")[: _MOST_ARROWS if each.count < _CROWD else _MOST_ARROWS_TO_A_CROWD]
        points = each.points_angstrom_xyz[order[away[order] < slab_angstrom / 2], :2] / voxel
        # A membrane or filament is pointed at where it is, a particle beside itself.
        gap = each.item.radius_angstrom / voxel if each.item.is_particle else 0.0
        label = f"{each.item.name} ({each.count})"
        _arrowheads(top, points, gap, each.item.color_rgba, label, (nx / 2, ny / 2))
    if landmarks:
        top.legend(loc="upper right", fontsize=8, framealpha=0.85)
    where = f"{tomogram.run}, XY, z = {height * voxel / 10:.0f} nm, {slab_angstrom / 10:.0f} nm slab"
    top.set_title(f"{title}{': ' if title else ''}{where}", fontsize=10)
    bottom.set_title("XZ through the middle", fontsize=8)
    save_picture(path, figure, dpi=90)
    return height


def _show(axes: Any, image_yx: NDArray[np.float32]) -> None:
    from scipy.ndimage import gaussian_filter

    smooth = gaussian_filter(image_yx, 0.7)
    low, high = np.percentile(smooth, (1.0, 99.5))
    axes.imshow(smooth, cmap="gray", vmin=low, vmax=high, origin="lower", interpolation="bilinear")
    axes.set_axis_off()


def _scale_bar(axes: Any, voxel_size_angstrom: float) -> None:
    from matplotlib.patches import Rectangle

    length = _SCALE_BAR_ANGSTROM / voxel_size_angstrom
    axes.add_patch(Rectangle((6, 6), length + 8, 26, facecolor="white", edgecolor="none", alpha=0.85))
    axes.add_patch(Rectangle((10, 10), length, 5, facecolor="black", edgecolor="none"))
    axes.text(10 + length / 2, 17, "100 nm", ha="center", va="bottom", fontsize=9, color="black")


def _arrowheads(
    axes: Any,
    points_xy: NDArray[np.float64],
    radius: float,
    color_rgba: tuple[int, int, int, int],
    label: str,
    middle_xy: tuple[float, float],
) -> None:
    """Triangles that point at the particles, from the side of the picture's middle so that none lies outside it."""
    color = tuple(c / 255 for c in color_rgba)
    away = (radius + 3.0) / np.sqrt(2.0)
    side = np.where(points_xy < middle_xy, 1.0, -1.0)
    style = {"s": 420, "color": [color], "edgecolors": "white", "linewidths": 0.8}
    for x_side, y_side in ((1, 1), (1, -1), (-1, 1), (-1, -1)):
        tips = (points_xy + side * away)[np.all(side == (x_side, y_side), axis=1)]
        axes.scatter(tips[:, 0], tips[:, 1], marker=_arrowhead(x_side, y_side), **style)
    axes.scatter([], [], marker="^", s=60, color=[color], edgecolors="white", label=label)


def _arrowhead(x_side: int, y_side: int) -> Any:
    """A triangle with its tip at the marker's origin and its body towards the given side."""
    from matplotlib.path import Path as Outline

    corners = [(0.0, 0.0), (1.0, 0.35), (0.35, 1.0), (0.0, 0.0)]
    return Outline([(x * x_side, y * y_side) for x, y in corners], closed=True)
