"""Masks of a project against the true ones, and picks against the true individuals' voxels (SHREC)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tomoset.annotation import TomogramFrame, specimen_frame
from tomoset.annotation.label_transfer import carry_mask
from tomoset.benchmark import Panoptic, ShrecScore, panoptic_quality, score_segmentation, shrec_score
from tomoset.errors import InputMissingError, ParameterError, PixelSizeError
from tomoset.formats.json_documents import read_json, understood
from tomoset.formats.ome_zarr import open_volume_zarr
from tomoset.model import (
    IGNORE,
    ArraySource,
    InMemory,
    Labels,
    PickableObject,
    Progress,
    Region,
    Resources,
    Segmentation,
    SegmentationScore,
    SeriesTruth,
    Tomogram,
)
from tomoset.model.labels import SegmentationKind

__all__ = ["fill_hollow", "score_instances", "score_masks", "score_shrec", "true_masks"]


def true_masks(folder: Path, truth: SeriesTruth, tomogram: Tomogram) -> tuple[Segmentation, ...]:
    """Semantic and instance masks of a simulated run, carried onto a tomogram's grid; none where none were kept.

    Parameters
    ----------
    folder : Path
        Of the run's truth.
    truth : SeriesTruth
    tomogram : Tomogram
        Any reconstruction of the run.
    """
    fit = specimen_frame(truth, tomogram)
    target = TomogramFrame(
        run=tomogram.run, grid=tomogram.grid, geometry=tomogram.geometry, tilt_indices=tuple(tomogram.tilt_indices)
    )
    kinds: tuple[SegmentationKind, ...] = ("semantic", "instance")
    carried = []
    for kind in kinds:
        if (folder / f"{kind}.zarr").is_dir():
            source, grid = open_volume_zarr(folder / f"{kind}.zarr")
            mask = Segmentation(name=kind, mask_zyx=source, voxel_size_angstrom=grid.voxel_size_angstrom, kind=kind)
            frame = TomogramFrame(
                run=tomogram.run, grid=grid, geometry=truth.geometry, tilt_indices=tuple(tomogram.tilt_indices)
            )
            carried.append(carry_mask(mask, frame, target, fit))
    return tuple(carried)


def score_masks(
    predicted: Sequence[Labels],
    truth: Mapping[str, Sequence[Segmentation]],
    objects: Sequence[PickableObject],
    *,
    tolerance_angstrom: float | None = None,
    resources: Resources | None = None,
    progress: Progress | None = None,
) -> tuple[SegmentationScore, ...]:
    """Semantic masks of every tomogram and class.

    A class is looked for in the mask of its name, else in the one that holds many.

    Raises
    ------
    InputMissingError
        If no tomogram has both.
    """
    scores: list[SegmentationScore] = []
    for labels in predicted:
        mine = [each for each in labels.segmentations if each.kind == "semantic"]
        true = [each for each in truth.get(labels.run, ()) if each.kind == "semantic"]
        for claimed, real, classes in _pairs(mine, true, objects):
            _check_grids(labels.run, claimed, real)
            scores += score_segmentation(
                claimed.mask_zyx,
                real.mask_zyx,
                classes,
                real.voxel_size_angstrom,
                run=labels.run,
                tolerance_angstrom=tolerance_angstrom,
                known_labels=[item.label for item in objects],
                resources=resources,
                progress=progress,
            )
    if not scores:
        raise InputMissingError(
            "expected semantic masks in both the prediction and the truth, found no tomogram with both; "
            "leave out --metric dice, or name whose masks to score with --user and --session"
        )
    return tuple(scores)


def _pairs(
    mine: Sequence[Segmentation], true: Sequence[Segmentation], objects: Sequence[PickableObject]
) -> list[tuple[Segmentation, Segmentation, list[PickableObject]]]:
    """Predicted and true mask with the classes that both tell; classes of the same two masks together."""
    pairs: dict[tuple[int, int], tuple[Segmentation, Segmentation, list[PickableObject]]] = {}
    for item in objects:
        claimed, real = _mask_of(item, mine, objects), _mask_of(item, true, objects)
        if claimed is not None and real is not None:
            pairs.setdefault((id(claimed), id(real)), (claimed, real, []))[2].append(item)
    return [
        (_as_labelled(claimed, classes), _as_labelled(real, classes), classes)
        for claimed, real, classes in pairs.values()
    ]


def _mask_of(
    item: PickableObject, masks: Sequence[Segmentation], objects: Sequence[PickableObject]
) -> Segmentation | None:
    names = {one.name for one in objects}
    own = [each for each in masks if each.name == item.name]
    shared = [each for each in masks if each.name not in names]
    return next(iter(own or shared), None)


def _as_labelled(mask: Segmentation, classes: Sequence[PickableObject]) -> Segmentation:
    """A mask of one class by its name may hold any value but 0 for it: give it the class's own."""
    if len(classes) == 1 and mask.name == classes[0].name:
        return replace(mask, mask_zyx=_OneClass(mask.mask_zyx, classes[0].label))
    return mask


def _check_grids(run: str, claimed: Segmentation, real: Segmentation) -> None:
    ours, theirs = claimed.voxel_size_angstrom, real.voxel_size_angstrom
    if abs(ours - theirs) > 1e-3 * theirs:
        raise PixelSizeError(
            f"{run}: expected a mask {claimed.name!r} of the truth's {theirs:g} Å a voxel, found {ours:g} Å; "
            "resample it to the tomogram it was made for"
        )


def score_instances(predicted: Sequence[Labels], truth: Mapping[str, Sequence[Segmentation]]) -> dict[str, Panoptic]:
    """Panoptic quality of the instance masks of every tomogram that has both."""
    result = {}
    for labels in predicted:
        mine = next((each for each in labels.segmentations if each.kind == "instance"), None)
        true = next((each for each in truth.get(labels.run, ()) if each.kind == "instance"), None)
        if mine is not None and true is not None:
            semantic = next((each for each in truth[labels.run] if each.kind == "semantic"), None)
            hidden = None if semantic is None else _Ignored(semantic.mask_zyx)
            result[labels.run] = panoptic_quality(mine.mask_zyx, true.mask_zyx, ignore_zyx=hidden)
    return result


@dataclass(frozen=True, slots=True, eq=False)
class _Ignored:
    """Where a semantic mask is ``IGNORE``, as a source."""

    mask: ArraySource

    @property
    def shape(self) -> tuple[int, ...]:
        """Lengths of the axes."""
        return self.mask.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the elements."""
        return np.dtype(bool)

    def read(self, region: Region = ()) -> NDArray[Any]:
        """Elements of a region."""
        return np.asarray(self.mask.read(region) == IGNORE)


@dataclass(frozen=True, slots=True, eq=False)
class _OneClass:
    """A mask whose every value but 0 and ``IGNORE`` is one label, as a source."""

    mask: ArraySource
    label: int

    @property
    def shape(self) -> tuple[int, ...]:
        """Lengths of the axes."""
        return self.mask.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the elements."""
        return np.dtype(np.uint8)

    def read(self, region: Region = ()) -> NDArray[Any]:
        """Elements of a region."""
        values = np.asarray(self.mask.read(region))
        return np.where((values == 0) | (values == IGNORE), values, self.label).astype(np.uint8)


def score_shrec(
    predicted: Labels, folder: Path, truth: SeriesTruth, tomogram: Tomogram, objects: Sequence[PickableObject]
) -> ShrecScore:
    """SHREC's score of the picks of one simulated tomogram, surest picks first.

    The cavities of shells (apoferritin, virus-like particles) belong to their particle, see :func:`fill_hollow`.

    Raises
    ------
    InputMissingError
        If no instance mask was kept.
    ParameterError
        If the masks were made of other particles.
    """
    masks = {each.kind: each for each in true_masks(folder, truth, tomogram)}
    if "instance" not in masks or not (folder / "masks.json").is_file():
        raise InputMissingError(
            f"SHREC scores look picks up in the particles' voxels: expected {folder / 'instance.zarr'}, found none"
        )
    voxel = tomogram.grid.voxel_size_angstrom
    number_of, centres, classes = _particles(folder / "masks.json", truth, tomogram, objects)
    hitbox = masks["instance"].mask_zyx.read()
    renumbered = np.zeros(max(int(hitbox.max()), *number_of, 0) + 1, dtype=np.uint32)
    renumbered[list(number_of)] = list(number_of.values())
    positions, names = _ordered(predicted, objects)
    known = set(classes)
    kept = [i for i, name in enumerate(names) if name in known]
    return shrec_score(
        positions[kept][:, ::-1] / voxel,
        [names[i] for i in kept],
        InMemory(fill_hollow(renumbered[hitbox], centres[:, ::-1] / voxel)),
        centres[:, ::-1] / voxel,
        classes,
    )


def fill_hollow(hitbox_zyx: NDArray[np.uint32], centres_index_zyx: NDArray[np.float64]) -> NDArray[np.uint32]:
    """Give each particle the background voxels that are nearer to its centre than half of its own.

    A hit in the middle of a shell is a hit; solid particles gain nothing. The array is changed and returned.

    Parameters
    ----------
    hitbox_zyx : (z, y, x) array of uint32
        Number 1 … m of the particle that a voxel belongs to.
    centres_index_zyx : (m, 3) array of float64
    """
    from scipy.ndimage import find_objects

    for number, box in enumerate(find_objects(hitbox_zyx.astype(np.int32)), start=1):
        if box is None:
            continue
        inside = hitbox_zyx[box]
        index = np.stack(np.meshgrid(*[np.arange(s.start, s.stop) for s in box], indexing="ij"), axis=-1)
        distance = np.linalg.norm(index - centres_index_zyx[number - 1], axis=-1)
        own = inside == number
        inside[(inside == 0) & (distance < np.median(distance[own]))] = number
    return hitbox_zyx


def _particles(
    path: Path, truth: SeriesTruth, tomogram: Tomogram, objects: Sequence[PickableObject]
) -> tuple[dict[int, int], NDArray[np.float64], list[str]]:
    """Number 1 … m of each particle in the volume by its number in the mask, and their centres (Å) and classes."""
    fit = specimen_frame(truth, tomogram)
    wanted = {item.name for item in objects}
    number_of: dict[int, int] = {}
    centres: list[NDArray[np.float64]] = []
    classes: list[str] = []
    with understood(path):
        rows = [row for row in read_json(path)["instances"] if row["kind"] == "molecule" and row["species"] in wanted]
        for row in rows:
            molecules = truth.specimen.molecules[row["group"]]
            if molecules.species != row["species"]:
                raise ParameterError(
                    f"{path}: expected masks of this specimen, found other particles; simulate it again"
                )
            place = tomogram.grid.volume_from_specimen(fit.apply(molecules.positions_angstrom_xyz[row["index"]]))
            if tomogram.grid.contains(place):
                number_of[int(row["instance"])] = len(centres) + 1
                centres.append(place)
                classes.append(str(row["species"]))
    return number_of, np.array(centres, dtype=np.float64).reshape(-1, 3), classes


def _ordered(labels: Labels, objects: Sequence[PickableObject]) -> tuple[NDArray[np.float64], list[str]]:
    """All picks, the surest first where they have scores: SHREC lets the first class said about a particle count."""
    each = [(item.name, labels.of(item.name)) for item in objects]
    positions = np.concatenate([np.zeros((0, 3)), *(picks.positions_angstrom_xyz for _, picks in each)])
    names = [name for name, picks in each for _ in range(len(picks))]
    scores = np.concatenate([np.zeros(0), *(np.zeros(len(p)) if p.scores is None else p.scores for _, p in each)])
    order = np.argsort(-scores, kind="stable")
    return positions[order], [names[i] for i in order]
