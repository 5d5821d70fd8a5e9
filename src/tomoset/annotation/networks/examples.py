"""Labeled tomograms made ready for training."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from tomoset.annotation.networks.params import DetectorParams, SegmenterParams
from tomoset.annotation.networks.sampling import Example
from tomoset.annotation.networks.volumes import check_voxel_size, match_spectrum, normal_volume
from tomoset.errors import GeometryError, InputMissingError, ParameterError
from tomoset.model import ArraySource, Labels, PickableObject, Tomogram

__all__ = ["held_out_start", "semantic_mask", "training_examples"]


def training_examples(
    labeled: Sequence[tuple[Tomogram, Labels]],
    classes: Sequence[PickableObject],
    params: DetectorParams | SegmenterParams,
    target_spectrum: NDArray[np.float64] | None,
) -> list[Example]:
    """Check labeled tomograms, and bring densities and positions to the network's terms.

    Raises
    ------
    InputMissingError
        If there is no tomogram.
    ParameterError
        If there are no classes.
    PixelSizeError
        If a tomogram has other voxels than the network.
    GeometryError
        If labels are of another run or grid than their tomogram.
    """
    if not labeled:
        raise InputMissingError("expected labeled tomograms to train on, found none")
    if not classes:
        raise ParameterError("expected classes to learn, found none; name them in the recipe or with --target")
    return [_example(tomogram, labels, classes, params, target_spectrum) for tomogram, labels in labeled]


def _example(
    tomogram: Tomogram,
    labels: Labels,
    classes: Sequence[PickableObject],
    params: DetectorParams | SegmenterParams,
    target_spectrum: NDArray[np.float64] | None,
) -> Example:
    check_voxel_size(tomogram, params.voxel_size_angstrom)
    if labels.run != tomogram.run:
        raise GeometryError(f"expected labels of {tomogram.run}, found those of {labels.run}")
    volume = normal_volume(tomogram.volume_zyx, contrast=tomogram.contrast, run=tomogram.run)
    if target_spectrum is not None:
        volume = match_spectrum(volume, target_spectrum)
    return Example(
        run=tomogram.run,
        volume=volume,
        points_zyx=tuple(tomogram.grid.index_zyx(labels.of(item.name).positions_angstrom_xyz) for item in classes),
        mask_zyx=semantic_mask(labels, tomogram),
        trained_y=held_out_start(volume.shape[1], params.held_out),
    )


def held_out_start(length: int, share: float) -> int:
    """First voxel along y that is never trained on."""
    return length - round(share * length)


def semantic_mask(labels: Labels, tomogram: Tomogram) -> ArraySource | None:
    """The semantic mask among labels, if there is one.

    Raises
    ------
    GeometryError
        If it is not on the tomogram's grid.
    """
    for segmentation in labels.segmentations:
        if segmentation.kind == "semantic":
            if tuple(segmentation.mask_zyx.shape) != tomogram.grid.shape_zyx:
                raise GeometryError(
                    f"{tomogram.run}: expected a mask of {tomogram.grid.shape_zyx} voxels as the tomogram has, found "
                    f"{tuple(segmentation.mask_zyx.shape)}"
                )
            return segmentation.mask_zyx
    return None
