"""The verb: a tilt series to one that knows which parts of its images do not show the specimen."""

from dataclasses import replace

import numpy as np

from tomoset.curation.mask_params import MaskParams
from tomoset.curation.obstacles import mask_shape_yx, obstacle_mask
from tomoset.curation.views import read_view
from tomoset.model import Progress, Resources, TiltSeries

__all__ = ["find_masks"]


def find_masks(series: TiltSeries, params: MaskParams, *, resources: Resources, progress: Progress) -> TiltSeries:
    """Mask grid bars, carbon film, crystals, drops and gold beads in every view.

    Parameters
    ----------
    series : TiltSeries
        Odd and even frames tell dark regions from cells more surely than the diagonals of the images' pixels do.
    params : MaskParams
    resources : Resources
        ``workers`` views are looked at a time.
    progress : Progress
        One step a view.

    Returns
    -------
    TiltSeries
        With ``masks_nyx`` and each tilt's ``masked_fraction``; nothing is excluded.
    """
    from concurrent.futures import ThreadPoolExecutor

    ny, nx = series.images_nyx.shape[1:]
    shape = mask_shape_yx((ny, nx), series.pixel_size_angstrom, params)
    masks = np.zeros((len(series.tilts), *shape), dtype=np.bool_)

    def work(index: int) -> int:
        masks[index] = obstacle_mask(read_view(series, index), shape, params)
        return index

    with ThreadPoolExecutor(max_workers=max(1, resources.workers)) as pool:
        for done, _ in enumerate(pool.map(work, range(len(series.tilts)))):
            progress.step("masks", done + 1, len(series.tilts))
    shares = masks.mean(axis=(1, 2))
    tilts = tuple(replace(tilt, masked_fraction=float(share)) for tilt, share in zip(series.tilts, shares, strict=True))
    return replace(series, tilts=tilts, masks_nyx=masks)
