"""Evidence for labels, kept in the project: averages, their figures and a picture of each class."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tomoset.annotation import ClassEvidence, EvidenceParams, evidence_methods_text, gather_evidence
from tomoset.errors import GeometryError, InputMissingError
from tomoset.formats.atomic import write_json_atomic
from tomoset.formats.json_documents import read_json, understood
from tomoset.formats.mrc_writing import write_volume
from tomoset.model import InMemory, Labels, Picks, Progress, Resources, Silent, TiltSeries, Tomogram, stream
from tomoset.workflow.evidence_picture import save_picture
from tomoset.workflow.label_origin import frame_key, frame_of, labels_of, parse_author
from tomoset.workflow.layout import ProjectLayout
from tomoset.workflow.molecules import load_structure
from tomoset.workflow.plan import planned_runs
from tomoset.workflow.recipe import Recipe
from tomoset.workflow.series_files import load_series
from tomoset.workflow.tomogram_files import load_tomogram, reconstructed_kind

__all__ = ["evidence_folder", "evidence_lines", "figures_of", "load_evidence", "make_evidence"]


def evidence_folder(layout: ProjectLayout, user: str, session: str) -> Path:
    """Folder of the evidence for one author's labels."""
    return layout.evidence / f"{user}_{session}"


def make_evidence(
    layout: ProjectLayout,
    recipe: Recipe,
    source: str,
    *,
    params: EvidenceParams | None = None,
    only: tuple[str, ...] = (),
    progress: Progress | None = None,
) -> tuple[ClassEvidence, ...]:
    """Average the labeled particles of every class over all runs and keep figures, volumes and pictures.

    Parameters
    ----------
    layout : ProjectLayout
    recipe : Recipe
        Gives classes, structures and the seed.
    source : str
        ``USER/SESSION`` of the labels.
    params : EvidenceParams or None
    only : tuple of str
        Runs; all when empty.
    progress : Progress or None

    Returns
    -------
    tuple of ClassEvidence
        Of the classes with two or more oriented picks. ``Evidence/USER_SESSION`` holds ``CLASS.json``, ``CLASS.mrc``
        and ``CLASS.png`` of each.

    Raises
    ------
    InputMissingError
        If there are no labels, or none of them is oriented.
    """
    user, session = parse_author(source, "--from")
    chosen = params or EvidenceParams()
    tomograms, series, labels = _gather(layout, recipe, user, session, only)
    taken = [_positions(each.picks) for each in labels]
    made = []
    for item in recipe.pickable_objects():
        spec = next((spec for spec in recipe.objects if spec.name == item.name and spec.kind == "particle"), None)
        if spec is None:
            continue
        sets = [(tomogram, each.of(item.name)) for tomogram, each in zip(tomograms, labels, strict=True)]
        try:
            evidence = gather_evidence(
                sets,
                item,
                chosen,
                rng=stream(recipe.seed, "evidence", source, item.name),
                resources=Resources(),
                progress=progress or Silent(),
                template=load_structure(spec, layout.root),
                series=series,
                taken=taken,
            )
        except GeometryError:
            continue  # fewer than two oriented particles: nothing to average
        made.append(evidence)
        _save(evidence_folder(layout, user, session), evidence, chosen)
    if not made:
        raise InputMissingError(
            f"expected two or more picks with orientation of a class by {source}, found none; averages need poses"
        )
    return tuple(made)


def _gather(
    layout: ProjectLayout, recipe: Recipe, user: str, session: str, only: tuple[str, ...]
) -> tuple[list[Tomogram], list[TiltSeries], list[Labels]]:
    tomograms, series, sets = [], [], []
    for run in (r for r in planned_runs(layout, recipe) if not only or r in only):
        found = labels_of(layout, run, user, session)
        if found is None:
            continue
        labels, frame = found
        voxel = frame.grid.voxel_size_angstrom
        tomogram = load_tomogram(layout, run, voxel, reconstructed_kind(layout, run, voxel))
        if frame_key(frame_of(tomogram)) != frame_key(frame):
            raise InputMissingError(
                f"{run}: expected the tomogram that {user}/{session} was made in, found another one in its place; "
                "move the labels to it first (`tomoset transfer`)"
            )
        tomograms.append(tomogram)
        sets.append(labels)
        if (layout.series(run) / "series.json").is_file():
            series.append(load_series(layout.series(run), "series.json"))
    if not sets:
        raise InputMissingError(f"expected labels by {user}/{session} in {layout.root}, found none in any run")
    return tomograms, series, sets


def _positions(picks: Sequence[Picks]) -> NDArray[np.float64]:
    return np.concatenate([np.zeros((0, 3)), *(each.positions_angstrom_xyz for each in picks)])


def _save(folder: Path, evidence: ClassEvidence, params: EvidenceParams) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    voxel = evidence.averages.voxel_size_angstrom
    write_volume(folder / f"{evidence.object_name}.mrc", InMemory(evidence.averages.whole_zyx), voxel)
    save_picture(folder / f"{evidence.object_name}.png", evidence)
    write_json_atomic(
        folder / f"{evidence.object_name}.json", figures_of(evidence) | {"method": evidence_methods_text(params)}
    )


def figures_of(evidence: ClassEvidence) -> dict[str, Any]:
    """The figures as plain values; what is not defined or infinite is null."""
    return {
        "object": evidence.object_name,
        "particles": evidence.n_particles,
        "left_out": evidence.n_left_out,
        "voxel_size_angstrom": evidence.averages.voxel_size_angstrom,
        "compared_at_angstrom": evidence.compared_at_angstrom,
        "resolution_angstrom": _finite(evidence.resolution_angstrom),
        "correlation": _finite(evidence.correlation),
        "random_correlation": [_finite(value) for value in evidence.random_correlation],
        "half_correlation": _finite(evidence.half_correlation),
        "random_half_correlation": _finite(evidence.random_half_correlation),
        "coverage": _finite(evidence.coverage),
        "share_alike": _finite(evidence.share_alike),
        "frequency_per_angstrom": [_finite(value) for value in evidence.frequency_per_angstrom],
        "fsc": [_finite(value) for value in evidence.fsc],
        "random_fsc": [_finite(value) for value in evidence.random_fsc],
    }


def load_evidence(layout: ProjectLayout, user: str, session: str) -> list[dict[str, Any]]:
    """Figures of every class as they were kept, in the order of their names; empty where none were made.

    Raises
    ------
    FormatError
        If a document is damaged.
    """
    out = []
    for path in sorted(evidence_folder(layout, user, session).glob("*.json")):
        document = read_json(path)
        with understood(path):
            out.append({**document, "object": str(document["object"])})
    return out


def evidence_lines(made: Sequence[ClassEvidence]) -> list[str]:
    """One line a class for the terminal."""
    out = []
    for each in made:
        nulls = [value for value in each.random_correlation if math.isfinite(value)]
        chance = f"{max(nulls):.2f} at most at random places" if nulls else "no room for random places"
        seen = f"{each.resolution_angstrom:.0f} Å" if math.isfinite(each.resolution_angstrom) else "nothing"
        out.append(
            f"{each.object_name}: {each.n_particles} particles; halves agree to {seen} (mean correlation "
            f"{each.half_correlation:.2f}, random places {each.random_half_correlation:.2f}); with the template "
            f"{each.correlation:.2f} at {each.compared_at_angstrom:g} Å, {chance}"
            + (f"; about {each.share_alike:.0%} hold it" if math.isfinite(each.share_alike) else "")
        )
    return out


def _finite(value: float) -> float | None:
    return round(float(value), 5) if math.isfinite(value) else None
