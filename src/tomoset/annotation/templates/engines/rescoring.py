"""Exact scores where a search that approximates found something."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

from tomoset.annotation.templates.engines.low_rank import weighted_templates
from tomoset.annotation.templates.template_spectrum import TemplateSpectrum

__all__ = ["exact_scores"]


def exact_scores(
    volume_zyx: NDArray[np.float32],
    index_zyx: NDArray[np.int64],
    which: NDArray[np.integer],
    template: TemplateSpectrum,
    rotations: NDArray[np.float64],
    norms: NDArray[np.float64],
    weight_zyx: NDArray[np.float32],
    voxel_size_angstrom: float,
    *,
    workers: int,
) -> NDArray[np.float32]:
    """Correlations of whole templates with a white volume at some voxels.

    Parameters
    ----------
    volume_zyx : (z, y, x) array of float32
        It repeats beyond its ends.
    index_zyx : (n, 3) array of int
    which : (n,) array of int
        Rotation of the template at each.
    template : TemplateSpectrum
    rotations : (r, 3, 3) array of float64
    norms : (r,) array of float64
        Of the weighted templates.
    weight_zyx : (b, b, b // 2 + 1) array of float32
        On the ``rfftn`` grid of a box that holds the weighted template.
    voxel_size_angstrom : float
    workers : int

    Returns
    -------
    (n,) array of float32
        In units of the noise.

    Notes
    -----
    Each template is made once, in real space, and laid on every place where it was found: a sum over its box is far
    cheaper than a transform of every place's surroundings.
    """
    from tomoset.annotation.templates.engines import _low_rank_kernels

    order = np.argsort(which, kind="stable")
    used, firsts = np.unique(which[order], return_index=True)
    groups = np.split(order, firsts[1:])
    out = np.zeros(len(which), dtype=np.float32)
    boxes = weighted_templates(template, rotations[used], weight_zyx, voxel_size_angstrom)

    def one(group: NDArray[np.intp], box: NDArray[np.float32]) -> None:
        out[group] = _low_rank_kernels.dot_patches(volume_zyx, index_zyx[group], box)

    with ThreadPoolExecutor(max(1, workers)) as pool:
        for task in [pool.submit(one, group, box) for group, box in zip(groups, boxes, strict=False) if len(group)]:
            task.result()
    return out / norms[which].astype(np.float32)
