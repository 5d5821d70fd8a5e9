"""The steps that label a tomogram, each from the tomogram alone: particles, filaments, membranes."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from tomoset import annotation, structures
from tomoset.model import Labels, Tomogram
from tomoset.workflow import label_files, tomogram_files
from tomoset.workflow.label_origin import frame_of, save_origin
from tomoset.workflow.molecules import filament_templates, templates
from tomoset.workflow.recipe import ObjectSpec, Recipe
from tomoset.workflow.series_files import load_series
from tomoset.workflow.step import Step, StepContext

__all__ = ["ANNOTATION_STEPS", "appearance", "asked_labels", "labeling_sentences", "raw_tomogram"]


def raw_tomogram(context: StepContext) -> Tomogram:
    """The tomogram as it was reconstructed."""
    params = context.recipe.reconstruction
    return tomogram_files.load_tomogram(context.layout, context.run, params.voxel_size_angstrom, params.method)


def _particles(context: StepContext) -> list[Path]:
    layout, run, recipe = context.layout, context.run, context.recipe
    tomogram = raw_tomogram(context)
    if recipe.annotation.tomogram == "denoised":
        tomogram = tomogram_files.load_tomogram(layout, run, recipe.reconstruction.voxel_size_angstrom, "denoised")
    labels = annotation.match_templates(
        tomogram,
        load_series(layout.series(run), "series.json"),
        templates(recipe, layout.root),
        recipe.annotation,
        resources=context.resources,
        progress=context.progress,
    )
    return _saved(context, labels, tomogram)


def _filaments(context: StepContext) -> list[Path]:
    tomogram = raw_tomogram(context)
    labels = annotation.trace_filaments(
        tomogram,
        load_series(context.layout.series(context.run), "series.json"),
        filament_templates(context.recipe, context.layout.root),
        context.recipe.filaments,
        resources=context.resources,
        progress=context.progress,
    )
    return _saved(context, labels, tomogram)


def _membranes(context: StepContext) -> list[Path]:
    recipe, tomogram = context.recipe, raw_tomogram(context)
    named = {spec.name for spec in _of_kind(recipe, "membrane")}
    labels = annotation.find_membranes(
        tomogram,
        load_series(context.layout.series(context.run), "series.json"),
        recipe.membranes,
        objects=tuple(item for item in recipe.pickable_objects() if item.name in named),
        resources=context.resources,
        progress=context.progress,
    )
    return _saved(context, replace(labels, user="tomoset", session="membranes"), tomogram)


def _saved(context: StepContext, labels: Labels, tomogram: Tomogram) -> list[Path]:
    saved = label_files.save_labels(context.layout, labels)
    return [*saved, save_origin(context.layout, labels, frame_of(tomogram))]


def appearance(spec: ObjectSpec) -> dict[str, Any]:
    """What of an object changes a result: neither its colour nor its identifier does."""
    return {
        "name": spec.name,
        "kind": spec.kind,
        "structure": spec.structure,
        "symmetry": spec.symmetry,
        "assembly": spec.assembly,
        "threshold": spec.threshold,
        "mass_kda": spec.mass_kda,
        "radius_angstrom": spec.radius_angstrom,
    }


def _of_kind(recipe: Recipe, kind: str) -> tuple[ObjectSpec, ...]:
    return tuple(spec for spec in recipe.objects if spec.kind == kind and spec.search)


def _competing(recipe: Recipe) -> tuple[ObjectSpec, ...]:
    """Particles that are searched, and the filaments and membranes whose pieces compete with them."""
    sought = set(_of_kind(recipe, "particle"))
    return tuple(spec for spec in recipe.objects if spec in sought or spec.kind in {"filament", "membrane"})


def asked_labels(recipe: Recipe) -> dict[str, bool]:
    """Which of the steps a recipe asks for, by the kinds of its objects."""
    return {
        "membranes": bool(_of_kind(recipe, "membrane")),
        "filaments": bool(_of_kind(recipe, "filament")),
        "annotate": bool(_of_kind(recipe, "particle")),
    }


def labeling_sentences(recipe: Recipe) -> list[str]:
    """How a recipe's labels are made, a sentence a method."""
    asked = asked_labels(recipe)
    said = {
        "annotate": annotation.methods_text(recipe.annotation),
        "filaments": annotation.filament_methods_text(recipe.filaments),
        "membranes": annotation.membranes_methods_text(recipe.membranes),
    }
    return [sentence for name, sentence in said.items() if asked[name]]


ANNOTATION_STEPS = (
    Step(
        name="membranes",
        noun="membranes",
        version=annotation.STAGE_VERSION,
        params=lambda r: {"membranes": r.membranes, "objects": [spec.name for spec in _of_kind(r, "membrane")]},
        execute=_membranes,
        needs=lambda _: "reconstruct",
    ),
    Step(
        name="filaments",
        noun="filaments",
        version=f"{structures.STAGE_VERSION}.{annotation.STAGE_VERSION}",
        params=lambda r: {"filaments": r.filaments, "objects": [appearance(spec) for spec in _of_kind(r, "filament")]},
        execute=_filaments,
        needs=lambda _: "reconstruct",
    ),
    Step(
        name="annotate",
        noun="labels",
        version=f"{structures.STAGE_VERSION}.{annotation.STAGE_VERSION}",
        params=lambda r: {"templates": r.annotation, "molecules": [appearance(spec) for spec in _competing(r)]},
        execute=_particles,
        needs=lambda r: "denoise" if r.annotation.tomogram == "denoised" else "reconstruct",
    ),
)
