"""Score semantic masks of a tomogram, class by class."""

from collections.abc import Collection, Sequence

from tomoset.benchmark.blocks import Mask, as_mask_source
from tomoset.benchmark.overlap import Overlap, count_overlap
from tomoset.benchmark.skeletons import centreline_dice, surface_dice
from tomoset.benchmark.surfaces import surface_distances
from tomoset.errors import ParameterError
from tomoset.model import PickableObject, Progress, Resources, SegmentationScore, Silent

__all__ = ["score_segmentation", "segmentation_methods_text"]


def segmentation_methods_text(tolerance_angstrom: float) -> str:
    """One citable sentence on how masks were scored."""
    return (
        "Masks were compared voxel by voxel (Dice, intersection over union), by their borders (normalized surface Dice "
        f"at {tolerance_angstrom:g} Å, 95th-percentile Hausdorff distance), by their medial surfaces (surface Dice "
        "after MemBrain-seg) and by their centre lines (clDice), leaving out voxels marked to be ignored."
    )


def score_segmentation(
    predicted_zyx: Mask,
    true_zyx: Mask,
    objects: Sequence[PickableObject],
    voxel_size_angstrom: float,
    *,
    run: str = "",
    tolerance_angstrom: float | None = None,
    known_labels: Collection[int] | None = None,
    resources: Resources | None = None,
    progress: Progress | None = None,
) -> tuple[SegmentationScore, ...]:
    """Score a semantic mask against the true one.

    Parameters
    ----------
    predicted_zyx, true_zyx : ArraySource or (z, y, x) array of uint8
        Values of ``PickableObject.label``; ``IGNORE`` in the truth is left out.
    objects : sequence of PickableObject
        The classes to score.
    voxel_size_angstrom : float
    run : str
        Name of the tomogram.
    tolerance_angstrom : float, optional
        Of the normalized surface Dice; two voxels unless told otherwise.
    known_labels : collection of int, optional
        Values that a predicted voxel may have beside 0 and ``IGNORE``; any unless told.
    resources, progress
        Threads; how far it has come.

    Returns
    -------
    tuple of SegmentationScore
        One a class.

    Raises
    ------
    GeometryError
        If the shapes differ.
    ParameterError
        If the tolerance or the voxel size makes no sense, or the prediction holds a value that no class has.
    """
    if not voxel_size_angstrom > 0:
        raise ParameterError(f"masks of {run}: expected a voxel size above 0 Å, found {voxel_size_angstrom:g}")
    tolerance = 2 * voxel_size_angstrom if tolerance_angstrom is None else tolerance_angstrom
    predicted, true = as_mask_source(predicted_zyx), as_mask_source(true_zyx)
    overlaps = count_overlap(predicted, true)
    claimed = {value for value, overlap in overlaps.items() if overlap.both + overlap.predicted_only}
    strange = sorted(claimed - set(claimed if known_labels is None else known_labels))
    if strange:
        raise ParameterError(
            f"mask of {run}: expected the values {', '.join(map(str, sorted(known_labels or ())))} of the classes, "
            f"found {', '.join(map(str, strange))}; write the labels of the configuration"
        )
    report = progress or Silent()
    scores = []
    for i, item in enumerate(objects):
        report.step(f"{run} {item.name}", i, len(objects))
        overlap = overlaps.get(item.label, Overlap(0, 0, 0))
        distances = surface_distances(
            predicted, true, voxel_size_angstrom, label=item.label, workers=(resources or Resources()).workers
        )
        scores.append(
            SegmentationScore(
                object_name=item.name,
                run=run,
                n_truth=overlap.both + overlap.true_only,
                n_predicted=overlap.both + overlap.predicted_only,
                dice=overlap.dice,
                iou=overlap.iou,
                precision=overlap.precision,
                recall=overlap.recall,
                surface_dice=surface_dice(predicted, true, label=item.label),
                normalized_surface_dice=distances.normalized_surface_dice(tolerance),
                tolerance_angstrom=tolerance,
                centreline_dice=centreline_dice(predicted, true, label=item.label),
                hausdorff_95_angstrom=distances.hausdorff_95_angstrom,
                mean_distance_angstrom=distances.mean_angstrom,
            )
        )
    return tuple(scores)
