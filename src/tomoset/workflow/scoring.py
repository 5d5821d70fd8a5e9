"""Score labels against the truth, which only this and the report open."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from tomoset.benchmark import (
    Confusion,
    CziiRules,
    OctopiScore,
    Panoptic,
    ShrecScore,
    confusion,
    czii_score,
    labels_from_rows,
    octopi_score,
    rows_from_labels,
    score,
)
from tomoset.benchmark.filaments import FilamentScore
from tomoset.benchmark.intervals import with_mask_intervals
from tomoset.benchmark.splits import SPLITS
from tomoset.benchmark.submission import check_frames, require_valid
from tomoset.benchmark.tasks import find_task
from tomoset.errors import InputMissingError, ParameterError
from tomoset.formats.copick import write_config
from tomoset.model import Labels, PickableObject, Progress, Resources, Score, Segmentation
from tomoset.model.labels import SegmentationKind
from tomoset.workflow.filament_scoring import filament_documents, filament_table, score_traces, true_filaments
from tomoset.workflow.label_files import load_labels, save_labels
from tomoset.workflow.layout import ProjectLayout
from tomoset.workflow.mask_scoring import score_instances, score_masks, score_shrec, true_masks
from tomoset.workflow.score_files import StoredScore, document_of, write_score
from tomoset.workflow.score_tables import mask_table, pick_table, shrec_table, strata_table
from tomoset.workflow.submissions import is_mask_folder, read_mask_folder, tomogram_extents, validated_submission
from tomoset.workflow.truth_sources import Truth, is_simulated, load_simulated_truth, load_stated_truth

__all__ = [
    "METRICS",
    "ScoreRequest",
    "ScoredProject",
    "save_scored",
    "score_and_save",
    "score_document",
    "score_labels",
    "score_project",
    "score_table",
]

METRICS = ("f1", "czii", "octopi", "shrec", "strata", "dice", "instances", "filaments")
"""What can be asked for; F1 and what goes with it is always there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoreRequest:
    """What to score and how.

    Parameters
    ----------
    predicted : Path
        A project, any copick project, a ``.csv`` of picks, or a folder of masks ``RUN.mrc`` or ``RUN.zarr``.
    truth : Path
        A simulated project's GroundTruth, a copick project, or a ``.csv``.
    user, session : str
        Whose labels of the predicted project.
    truth_user, truth_session : str
        Whose labels of a copick project are the truth; empty where there is only one author.
    metrics : tuple of str
        Of :data:`METRICS`.
    weights : mapping of str to float
        Of classes in the CZII and octopi means; 1 for those not named.
    objects : Path or None
        copick configuration with classes and radii, where neither side has one.
    project : Path or None
        Project that holds the tomograms, for a table of picks or a folder of masks.
    method : str
        Name to put on the score.
    task, split : str
        Of the benchmark, when it is one of its tasks.
    conditions : mapping of str to float
        Under which the tomograms were made, for robustness curves.
    tolerance_angstrom : float or None
        Of the normalized surface Dice.

    Raises
    ------
    ParameterError
        If a metric, task or split is unknown.
    """

    predicted: Path
    truth: Path
    user: str = "tomoset"
    session: str = "templates"
    truth_user: str = ""
    truth_session: str = ""
    metrics: tuple[str, ...] = ("f1", "czii")
    weights: Mapping[str, float] = field(default_factory=dict)
    objects: Path | None = None
    project: Path | None = None
    method: str = ""
    task: str = ""
    split: str = ""
    conditions: Mapping[str, float] = field(default_factory=dict)
    tolerance_angstrom: float | None = None

    def __post_init__(self) -> None:
        """Refuse a metric that does not exist."""
        unknown = [name for name in self.metrics if name not in METRICS]
        if unknown:
            raise ParameterError(f"--metric: expected some of {', '.join(METRICS)}, found {', '.join(unknown)}")
        if self.task:
            find_task(self.task)
        if self.split and self.split not in SPLITS:
            raise ParameterError(f"--split: expected {', '.join(SPLITS)}, found {self.split!r}")

    @property
    def is_table(self) -> bool:
        """Whether the prediction is a table of picks."""
        return self.predicted.suffix == ".csv"

    @property
    def tomograms(self) -> Path:
        """Project whose tomograms the predictions were made on."""
        if not self.is_table and not is_mask_folder(self.predicted):
            return self.predicted
        return self.project or (self.truth.parent if is_simulated(self.truth) else self.truth)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ScoredProject:
    """Scores with what they were computed from.

    Parameters
    ----------
    score : Score
    confusion : Confusion
    objects : tuple of PickableObject
    predicted, truth : tuple of Labels
        In the same tomograms' frames.
    method : str
        Name of what made the labels.
    task, split : str
    conditions : mapping of str to float
        As asked for.
    octopi : OctopiScore or None
    shrec : dict of str to ShrecScore
    panoptic : dict of str to Panoptic
    filaments : dict of str to FilamentScore
    czii_weighted : float or None
        CZII's mean with the weights that were given; None where none were.
    """

    score: Score
    confusion: Confusion
    objects: tuple[PickableObject, ...]
    predicted: tuple[Labels, ...]
    truth: tuple[Labels, ...]
    method: str = ""
    task: str = ""
    split: str = ""
    conditions: Mapping[str, float] = field(default_factory=dict)
    octopi: OctopiScore | None = None
    shrec: dict[str, ShrecScore] = field(default_factory=dict)
    panoptic: dict[str, Panoptic] = field(default_factory=dict)
    filaments: dict[str, FilamentScore] = field(default_factory=dict)
    czii_weighted: float | None = None


def score_project(
    predicted_root: Path, truth_root: Path, *, user: str = "tomoset", session: str = "templates"
) -> ScoredProject:
    """Score one author's picks of every simulated run; see :func:`score_labels`."""
    return score_labels(ScoreRequest(predicted=predicted_root, truth=truth_root, user=user, session=session))


def score_labels(
    request: ScoreRequest, *, resources: Resources | None = None, progress: Progress | None = None
) -> ScoredProject:
    """Score labels of every tomogram that has a truth.

    Raises
    ------
    InputMissingError
        If there is no truth, no labels, or no tomogram to bring the truth into.
    ParameterError
        If a table of picks cannot be scored as it is.
    """
    truth = _load_truth(request)
    predicted = _load_predicted(request, truth)
    extended = any(labels.segmentations or labels.filaments for labels in predicted)
    if not any(len(picks) for labels in predicted for picks in labels.picks) and not extended:
        raise InputMissingError(
            f"expected picks by {request.user!r} (session {request.session!r}) in {request.predicted}, found none; "
            "`tomoset annotate` makes them, --user and --session name others"
        )
    result = score(predicted, truth.labels, truth.objects, surroundings=truth.surroundings)
    result = replace(result, truth_version=truth.version)
    scored = ScoredProject(
        score=result,
        confusion=confusion(predicted, truth.labels, truth.objects),
        objects=truth.objects,
        predicted=tuple(predicted),
        truth=truth.labels,
        method=request.method or _method_name(request),
        task=request.task,
        split=request.split,
        conditions=request.conditions,
        octopi=_octopi(request, predicted, truth),
        czii_weighted=_weighted_czii(request, predicted, truth),
    )
    return _with_masks(request, scored, truth, resources, progress)


def _method_name(request: ScoreRequest) -> str:
    return (
        request.predicted.stem
        if request.is_table or is_mask_folder(request.predicted)
        else f"{request.user} {request.session}"
    )


def _load_truth(request: ScoreRequest) -> Truth:
    if is_simulated(request.truth) and not request.truth_user:
        return load_simulated_truth(request.truth, request.tomograms, user=request.user, session=request.session)
    return load_stated_truth(
        request.truth,
        request.tomograms,
        user=request.truth_user,
        session=request.truth_session,
        config=request.objects,
    )


def _load_predicted(request: ScoreRequest, truth: Truth) -> list[Labels]:
    runs = tuple(labels.run for labels in truth.labels)
    if request.is_table:
        extents = tomogram_extents(request.tomograms, runs)
        rows = validated_submission(request.predicted, truth.objects, extents)
        voxel = next((each.voxel_size_angstrom for each in extents.values() if each is not None), 1.0)
        return labels_from_rows(rows, user=request.predicted.stem, session="0", voxel_size_angstrom=voxel)
    if is_mask_folder(request.predicted):
        kind: SegmentationKind = "instance" if "instances" in request.metrics else "semantic"
        return read_mask_folder(request.predicted, runs, user=request.predicted.name, session="0", kind=kind)
    layout = ProjectLayout(request.predicted)
    names = tuple(dict.fromkeys(item.name for item in (*truth.objects, *truth.mask_objects)))
    predicted = [
        load_labels(layout, labels.run, request.user, request.session, names, labels.voxel_size_angstrom)
        for labels in truth.labels
    ]
    extents = tomogram_extents(request.tomograms, runs)
    require_valid(f"picks by {request.user} in {request.predicted}", check_frames(rows_from_labels(predicted), extents))
    return predicted


def _octopi(request: ScoreRequest, predicted: Sequence[Labels], truth: Truth) -> OctopiScore | None:
    if "octopi" not in request.metrics:
        return None
    return octopi_score(predicted, truth.labels, truth.objects, weights=request.weights)


def _weighted_czii(request: ScoreRequest, predicted: Sequence[Labels], truth: Truth) -> float | None:
    if not request.weights:
        return None
    rules = CziiRules.of_objects(truth.objects, request.weights)
    kept = {item.name for item in truth.objects}
    mine = rows_from_labels([replace(x, picks=tuple(p for p in x.picks if p.object_name in kept)) for x in predicted])
    true = rows_from_labels(
        [replace(x, picks=tuple(p for p in x.picks if p.object_name in kept)) for x in truth.labels]
    )
    return czii_score(true, mine, rules).value


def _with_masks(
    request: ScoreRequest,
    scored: ScoredProject,
    truth: Truth,
    resources: Resources | None,
    progress: Progress | None,
) -> ScoredProject:
    if "shrec" in request.metrics:
        if not truth.simulated:
            raise ParameterError("--metric shrec: expected a simulated truth, which has every particle's voxels")
        shrec = {
            labels.run: score_shrec(labels, request.truth / labels.run, *truth.simulated[labels.run], scored.objects)
            for labels in scored.predicted
        }
        scored = replace(scored, shrec=shrec)
    if "filaments" in request.metrics:
        true = true_filaments(truth.labels, truth.simulated)
        scored = replace(scored, filaments=score_traces(scored.predicted, true, request.truth))
    if not {"dice", "instances"} & set(request.metrics):
        return scored
    masks = _true_masks(request, truth)
    result = scored.score
    if "dice" in request.metrics:
        segmentations = score_masks(
            scored.predicted,
            masks,
            truth.mask_objects,
            tolerance_angstrom=request.tolerance_angstrom,
            resources=resources,
            progress=progress,
        )
        result = replace(result, segmentations=segmentations)
    panoptic = score_instances(scored.predicted, masks)
    if "instances" in request.metrics and not panoptic:
        raise InputMissingError(
            "expected instance masks in both the prediction and the truth, found no tomogram with both; "
            "leave out --metric instances"
        )
    result = replace(result, panoptic={run: item.panoptic_quality for run, item in panoptic.items()})
    return replace(scored, score=with_mask_intervals(result), panoptic=panoptic)


def _true_masks(request: ScoreRequest, truth: Truth) -> dict[str, tuple[Segmentation, ...]]:
    if truth.simulated:
        return {run: true_masks(request.truth / run, *pair) for run, pair in truth.simulated.items()}
    return {labels.run: labels.segmentations for labels in truth.labels}


def score_and_save(
    project: Path, truth_root: Path, *, user: str = "tomoset", session: str = "templates"
) -> ScoredProject:
    """Score a simulated project; write ``score.json`` and the truth as a copick project of its own.

    Arguments and errors are those of :func:`score_project`.
    """
    scored = score_project(project, truth_root, user=user, session=session)
    save_scored(scored, project, truth_root)
    return scored


def save_scored(scored: ScoredProject, project: Path, truth_root: Path) -> None:
    """Write ``score.json`` into the project and the truth, in the tomograms' frames, as a copick project."""
    write_score(ProjectLayout(project).score, score_document(scored))
    layout = ProjectLayout(truth_root)
    write_config(
        layout.copick_config, scored.objects, name="ground-truth", description="Truth in the tomograms' frames"
    )
    for labels in scored.truth:
        save_labels(layout, labels)


def score_document(scored: ScoredProject) -> dict[str, Any]:
    """Scores as plain values; undefined ones are null."""
    stored = StoredScore(
        score=scored.score,
        method=scored.method,
        session=scored.predicted[0].session,
        task=scored.task,
        split=scored.split,
        conditions=scored.conditions,
    )
    notes: dict[str, Any] = {"truth_transfer": {labels.run: labels.notes for labels in scored.truth}}
    if scored.czii_weighted is not None:
        notes["czii_f4_weighted"] = scored.czii_weighted
    if scored.filaments:
        notes["filaments"] = filament_documents(scored.filaments)
    return document_of(
        stored,
        confusion=scored.confusion,
        octopi=scored.octopi,
        shrec=scored.shrec,
        panoptic=scored.panoptic,
        notes=notes,
    )


def score_table(scored: ScoredProject, metrics: Sequence[str] = ("f1", "czii")) -> str:
    """Scores as tables for the terminal."""
    parts = [pick_table(scored.score, scored.octopi)]
    if scored.czii_weighted is not None:
        parts.append(f"CZII F4 with the given weights {scored.czii_weighted:.3f}")
    if scored.shrec:
        parts.append(shrec_table(scored.shrec))
    if scored.filaments:
        parts.append(filament_table(scored.filaments))
    if "strata" in metrics:
        parts.append(strata_table(scored.score.strata))
    if scored.score.segmentations or scored.panoptic:
        parts.append(mask_table(scored.score.segmentations, scored.panoptic))
    return "\n\n".join(parts)
