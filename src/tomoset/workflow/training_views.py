"""Labeled reconstructions of a project's series to train on: its own, and with errors added to the alignment."""

import dataclasses
from collections.abc import Iterator, Sequence

import numpy as np

from tomoset.annotation import TomogramFrame, TransferParams, specimen_frame, transfer_labels, truth_labels
from tomoset.errors import InputMissingError
from tomoset.model import InMemory, Labels, Progress, Resources, Segmentation, SeriesTruth, TiltSeries, Tomogram, stream
from tomoset.reconstruction import reconstruct
from tomoset.structures import Structure, label_volume
from tomoset.workflow.label_files import load_labels
from tomoset.workflow.layout import ProjectLayout
from tomoset.workflow.molecules import simulated_structures
from tomoset.workflow.recipe import Recipe
from tomoset.workflow.series_files import load_series
from tomoset.workflow.tomogram_files import load_tomogram
from tomoset.workflow.truth_files import load_truth

__all__ = ["LabelSource", "Labeled", "labeled_views", "misaligned"]

Labeled = tuple[Tomogram, Labels]
LabelSource = tuple[str, str] | None
"""User and session of the labels to learn; None for the truth of a simulated project."""

# An added error moves labels by the rigid part of it only; the rest is the blur that shall be learned.
_FOLLOW = TransferParams(rigid_only=True, largest_error_angstrom=1e3)


def labeled_views(
    layout: ProjectLayout,
    recipe: Recipe,
    run: str,
    source: LabelSource,
    errors_angstrom: Sequence[float],
    *,
    with_masks: bool,
    seed: int,
    resources: Resources,
    progress: Progress,
) -> Iterator[Labeled]:
    """Reconstructions of one run with their labels.

    Parameters
    ----------
    layout, recipe
        The project.
    run : str
    source : (str, str) or None
        Whose labels.
    errors_angstrom : sequence of float
        Independent errors that are added to the shifts of the views, Å rms per axis, a reconstruction for each; 0 is
        the project's own tomogram.
    with_masks : bool
        Whether to make semantic masks of the truth.
    seed : int
        Of the errors.
    resources, progress

    Raises
    ------
    InputMissingError
        If there is no tomogram, truth or label.
    """
    params = recipe.reconstruction
    own = load_tomogram(layout, run, params.voxel_size_angstrom, params.method)
    truth = load_truth(layout.truth(run)) if source is None else None
    made = None if source is None else _made_by(layout, own, source)
    looks = simulated_structures(recipe, layout.root) if with_masks and truth is not None else {}
    for number, error in enumerate(errors_angstrom):
        tomogram = own
        if error > 0:
            series = misaligned(load_series(layout.series(run), "series.json"), error, seed, number)
            halves = dataclasses.replace(params, half_sets=False)
            tomogram = reconstruct(series, halves, resources=resources, progress=progress)
        if truth is not None:
            labels = truth_labels(truth, tomogram)
            if with_masks:
                mask = _true_mask(truth, looks, recipe, tomogram, resources, progress)
                labels = dataclasses.replace(labels, segmentations=(mask,))
        elif made is not None:
            labels = made if error == 0 else transfer_labels(made, _frame(own), _frame(tomogram), _FOLLOW)
        yield tomogram, labels


def misaligned(series: TiltSeries, error_angstrom: float, seed: int, number: int = 0) -> TiltSeries:
    """The series with an independent error added to every view's shift, Å rms per axis.

    Raises
    ------
    InputMissingError
        If the series has not been aligned.
    """
    geometry = series.geometry
    if geometry is None:
        raise InputMissingError(f"{series.run}: expected an aligned series, found none; `tomoset run` aligns it")
    draw = stream(seed, "shift error", series.run, number).normal(size=geometry.shift_xy_angstrom.shape)
    shift = geometry.shift_xy_angstrom + error_angstrom * draw
    return dataclasses.replace(series, geometry=dataclasses.replace(geometry, shift_xy_angstrom=shift))


def _made_by(layout: ProjectLayout, tomogram: Tomogram, source: tuple[str, str]) -> Labels:
    labels = load_labels(layout, tomogram.run, *source, None, tomogram.grid.voxel_size_angstrom)
    if not any(len(picks) for picks in labels.picks) and not labels.segmentations:
        raise InputMissingError(
            f"{tomogram.run}: expected labels by {source[0]!r} (session {source[1]!r}) at "
            f"{tomogram.grid.voxel_size_angstrom:g} Å, found none; --labels truth or USER/SESSION names others"
        )
    return labels


def _frame(tomogram: Tomogram) -> TomogramFrame:
    return TomogramFrame(
        run=tomogram.run, grid=tomogram.grid, geometry=tomogram.geometry, tilt_indices=tomogram.tilt_indices
    )


def _true_mask(
    truth: SeriesTruth,
    looks: dict[str, Structure],
    recipe: Recipe,
    tomogram: Tomogram,
    resources: Resources,
    progress: Progress,
) -> Segmentation:
    """Semantic mask of the truth on a tomogram's grid, in its frame; species that are no objects are background."""
    fit = specimen_frame(truth, tomogram)
    labels = {item.name: item.label for item in recipe.pickable_objects()}
    molecules = [
        dataclasses.replace(
            each,
            positions_angstrom_xyz=fit.apply(each.positions_angstrom_xyz),
            rotations=fit.rotation @ np.asarray(each.rotations, dtype=np.float64),
        )
        for each in truth.specimen.molecules
        if each.species in labels
    ]
    membranes = [
        dataclasses.replace(
            each,
            vertices_angstrom_xyz=fit.apply(each.vertices_angstrom_xyz),
            normals=np.asarray(each.normals) @ fit.rotation.T,
        )
        for each in truth.specimen.membranes
        if each.name in labels
    ]
    volumes = label_volume(
        tomogram.grid.shape_zyx,
        tomogram.grid.voxel_size_angstrom,
        molecules=[(m, looks[m.species], labels[m.species]) for m in molecules],
        membranes=[(m, labels[m.name]) for m in membranes],
        origin_angstrom_xyz=-tomogram.grid.volume_from_specimen(np.zeros(3)),
        progress=progress,
        allocate=resources.allocate,
    )
    mask = np.asarray(volumes.semantic_zyx, dtype=np.uint8)
    return Segmentation(name="semantic", mask_zyx=InMemory(mask), voxel_size_angstrom=tomogram.grid.voxel_size_angstrom)
