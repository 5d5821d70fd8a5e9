"""Key photos of a tomogram: the mean of a slab about its middle."""

from pathlib import Path

import numpy as np

from tomoset.formats.atomic import atomic_path
from tomoset.model import Tomogram

__all__ = ["save_section_pictures"]

_SLAB_ANGSTROM = 150.0
_PERCENTILES = (1.0, 99.5)
_THUMBNAIL = 512


def save_section_pictures(folder: Path, tomogram: Tomogram) -> tuple[Path, Path]:
    """Write ``key-photo-snapshot.png`` (a voxel a pixel) and ``key-photo-thumbnail.png`` (512 pixels at most)."""
    from PIL import Image

    nz = tomogram.grid.shape_zyx[0]
    n = min(nz, max(1, round(_SLAB_ANGSTROM / tomogram.grid.voxel_size_angstrom)))
    first = (nz - n) // 2
    slab = np.asarray(tomogram.volume_zyx.read((slice(first, first + n),))).mean(axis=0, dtype=np.float64)
    low, high = np.percentile(slab, _PERCENTILES)
    grey = np.clip((slab - low) / max(high - low, 1e-12), 0, 1)
    picture = Image.fromarray(np.rint(255 * grey[::-1]).astype(np.uint8))  # y upwards, as in the volume
    paths = (folder / "key-photo-snapshot.png", folder / "key-photo-thumbnail.png")
    small = picture.copy()
    small.thumbnail((_THUMBNAIL, _THUMBNAIL))
    for path, image in zip(paths, (picture, small), strict=True):
        with atomic_path(path) as temporary:
            image.save(temporary, "PNG")
    return paths
