"""Pictures beside each tomogram: its middle in XY, XZ and YZ, with a scale bar, for whoever opens the folder."""

import math
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tomoset.formats.atomic import atomic_path
from tomoset.model import Tomogram
from tomoset.workflow.layout import ProjectLayout

__all__ = ["PLANES", "preview_path", "save_previews", "scale_bar_angstrom", "section_mean", "with_scale_bar"]

PLANES = {"xy": 0, "xz": 1, "yz": 2}
"""Name of each section and the axis of the volume that it is averaged along."""

_SLAB_ANGSTROM = 150.0
_PERCENTILES = (1.0, 99.5)
_SMALLEST_SIDE, _LARGEST_SIDE = 512, 2048  # longer side of a picture, pixels
_MARGIN, _BAR_HEIGHT, _LETTERS = 34, 6, 16
_NICE = (1.0, 2.0, 5.0)


def preview_path(layout: ProjectLayout, run: str, voxel_size_angstrom: float, kind: str, plane: str) -> Path:
    """Where the picture of a section lies: beside the tomogram."""
    volume = layout.tomogram(run, voxel_size_angstrom, kind)
    return volume.with_name(f"{kind}-{plane}.png")


def save_previews(layout: ProjectLayout, tomogram: Tomogram) -> list[Path]:
    """Draw the three sections through the middle of a tomogram; returns the files."""
    voxel, written = tomogram.grid.voxel_size_angstrom, []
    for plane, axis in PLANES.items():
        path = preview_path(layout, tomogram.run, voxel, tomogram.kind, plane)
        picture = with_scale_bar(section_mean(tomogram, axis, _SLAB_ANGSTROM), voxel)
        with atomic_path(path) as temporary:
            picture.save(temporary, "PNG")
        written.append(path)
    return written


def section_mean(tomogram: Tomogram, axis: int, slab_angstrom: float) -> NDArray[np.float32]:
    """Mean over a slab about the middle.

    Parameters
    ----------
    tomogram : Tomogram
    axis : {0, 1, 2}
        0 gives an XY section (y, x), 1 an XZ section (z, x), 2 a YZ section (z, y).
    slab_angstrom : float
        At least one voxel is taken.
    """
    length = tomogram.grid.shape_zyx[axis]
    n = min(length, max(1, round(slab_angstrom / tomogram.grid.voxel_size_angstrom)))
    first = (length - n) // 2
    region = tuple(slice(first, first + n) if i == axis else slice(None) for i in range(3))
    return np.asarray(tomogram.volume_zyx.read(region).mean(axis=axis, dtype=np.float64), dtype=np.float32)


def scale_bar_angstrom(width_angstrom: float) -> float:
    """Round length of at most 30 % of a picture's width: 1, 2 or 5 times a power of ten, Å."""
    largest = 0.3 * width_angstrom
    power = 10.0 ** math.floor(math.log10(largest))
    return max(nice * power for nice in _NICE if nice * power <= largest)


def with_scale_bar(image_yx: NDArray[np.float32], pixel_size_angstrom: float) -> Any:
    """Grey picture with row 0 at the bottom and, below it, where it hides nothing, a scale bar.

    Parameters
    ----------
    image_yx : (ny, nx) array of float32
    pixel_size_angstrom : float

    Returns
    -------
    PIL.Image.Image
    """
    from PIL import Image, ImageDraw, ImageFont

    ny, nx = image_yx.shape
    zoom = min(_LARGEST_SIDE / max(ny, nx), max(1.0, math.ceil(_SMALLEST_SIDE / max(ny, nx))))
    width, height = max(1, round(nx * zoom)), max(1, round(ny * zoom))
    resampling = Image.Resampling.BOX if zoom < 1 else Image.Resampling.BICUBIC
    grey = Image.fromarray(_grey(image_yx)[::-1]).resize((width, height), resampling)
    picture = Image.new("L", (max(width, 160), height + _MARGIN), 255)
    picture.paste(grey, (0, 0))
    length = scale_bar_angstrom(nx * pixel_size_angstrom)
    bar = round(length / (nx * pixel_size_angstrom) * width)
    draw, top = ImageDraw.Draw(picture), height + (_MARGIN - _BAR_HEIGHT) // 2
    draw.rectangle((6, top, 6 + bar - 1, top + _BAR_HEIGHT - 1), fill=0)
    words = f"{length / 10:g} nm"
    draw.text((14 + bar, height + _MARGIN // 2), words, fill=0, anchor="lm", font=ImageFont.load_default(_LETTERS))
    return picture


def _grey(image_yx: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Percentiles as black and white; an even picture is grey."""
    values = image_yx[np.isfinite(image_yx)]
    low, high = np.percentile(values, _PERCENTILES) if values.size else (0.0, 0.0)
    if not high > low:
        return np.full(image_yx.shape, 128, dtype=np.uint8)
    scaled = np.nan_to_num((image_yx - low) * (255.0 / (high - low)), nan=0.0, posinf=255.0, neginf=0.0)
    return np.rint(np.clip(scaled, 0.0, 255.0)).astype(np.uint8)
