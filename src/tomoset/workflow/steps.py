"""The chain: one step per stage, from raw movies to labels, each reading and writing its place in the project."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from tomoset import alignment, ctf, curation, microscope, motion, reconstruction, specimen, structures
from tomoset.model import TiltSeries, stream
from tomoset.release import write_exchange_files
from tomoset.workflow import raw_files, tomogram_files
from tomoset.workflow.alignment_import import apply_alignment, words_on_alignment
from tomoset.workflow.annotation_steps import ANNOTATION_STEPS, appearance, asked_labels, raw_tomogram
from tomoset.workflow.curation_files import people_on_tilts, save_curation, words_on_tilts
from tomoset.workflow.keys import raw_fingerprint
from tomoset.workflow.layout import ProjectLayout
from tomoset.workflow.molecules import simulated_structures
from tomoset.workflow.previews import save_previews
from tomoset.workflow.recipe import Recipe
from tomoset.workflow.series_files import load_series, save_images, save_masks, save_series
from tomoset.workflow.step import Step, StepContext
from tomoset.workflow.truth_files import save_truth
from tomoset.workflow.truth_flags import save_truth_flags, truth_flags
from tomoset.workflow.truth_masks import field_grid, save_truth_masks

__all__ = ["NOUNS", "STEPS", "Step", "StepContext", "steps_for", "steps_until"]


def _simulate(context: StepContext) -> list[Path]:
    recipe, layout, run = context.recipe, context.layout, context.run
    if recipe.specimen is None or recipe.microscope is None:
        raise ValueError("a step of simulation was planned for a recipe that simulates nothing")
    molecules = simulated_structures(recipe, layout.root)
    size_xy = microscope.field_of_view_size_xy_angstrom(recipe.microscope, recipe.specimen.thickness_angstrom)
    content = specimen.make_specimen(
        run,
        recipe.specimen,
        size_xy_angstrom=size_xy,
        structures=molecules,
        rng=stream(recipe.seed, "specimen", run),
        progress=context.progress,
    )
    movies, truth = microscope.image(
        content,
        molecules,
        recipe.microscope,
        seed=recipe.seed,
        resources=context.resources,
        progress=context.progress,
    )
    raw = raw_files.write_raw(layout.raw_run(run), movies, context.resources, context.progress)
    # The recipe's classes, radii and labels, not those that the microscope derives from the structures.
    names = {*molecules, *(membrane.name for membrane in content.membranes)}
    objects = tuple(item for item in recipe.pickable_objects() if item.name in names)
    truth_paths = save_truth(layout.truth(run), replace(truth, objects=objects))
    grid = field_grid(recipe.microscope, recipe.specimen.thickness_angstrom, recipe.specimen.mask_voxel_angstrom)
    flags = truth_flags(truth, molecules, recipe.microscope, grid)
    truth_paths.append(save_truth_flags(layout.truth(run), flags))
    masks = save_truth_masks(
        layout.truth(run),
        content,
        molecules,
        objects,
        grid,
        resources=context.resources,
        progress=context.progress,
    )
    return [raw, *truth_paths, *masks]


def _motion(context: StepContext) -> list[Path]:
    movies = raw_files.read_raw(context.layout.raw_run(context.run))
    series = motion.correct_motion(
        movies, context.recipe.motion, resources=context.resources, progress=context.progress
    )
    folder = context.layout.series(context.run)
    return [*save_images(folder, series), save_series(folder / "motion.json", series)]


def _ctf(context: StepContext) -> list[Path]:
    folder = context.layout.series(context.run)
    series = load_series(folder, "motion.json")
    series = curation.find_masks(
        series, context.recipe.curation.masks, resources=context.resources, progress=context.progress
    )
    estimated = ctf.estimate_ctf(series, context.recipe.ctf, resources=context.resources, progress=context.progress)
    estimated = replace(estimated, masks_nyx=series.masks_nyx)
    return [*save_masks(folder, estimated), save_series(folder / "ctf.json", estimated)]


def _judged(context: StepContext, series: TiltSeries) -> TiltSeries:
    """The series without the tilts that the rules find bad; a person's word on a tilt overrules them."""
    verdict = curation.suggest(curation.measure(series), context.recipe.curation)
    verdict = curation.overruled(verdict, people_on_tilts(context.layout, context.run), series)
    return curation.apply_verdict(series, verdict)


def _align(context: StepContext) -> list[Path]:
    folder = context.layout.series(context.run)
    series = load_series(folder, "ctf.json")
    # Tilts that the rules find blocked, drifting or without CTF keep their row, but would only mislead the alignment.
    series = _judged(context, series)
    aligned = apply_alignment(context.layout, series) or alignment.align(
        series, context.recipe.alignment, resources=context.resources, progress=context.progress
    )
    aligned = _judged(context, aligned)  # once more: now it shows which tilts jump away from their neighbours
    stacks = f"{folder.relative_to(context.layout.root).as_posix()}/"
    return [save_series(folder / "series.json", aligned), *write_exchange_files(folder, aligned, stacks)]


def _words_on_alignment(layout: ProjectLayout, run: str) -> dict[str, str]:
    """What an alignment depends on beside its parameters: people's words on tilts, and one that was imported."""
    return words_on_tilts(layout, run) | words_on_alignment(layout, run)


def _reconstruct(context: StepContext) -> list[Path]:
    series = load_series(context.layout.series(context.run), "series.json")
    tomogram = reconstruction.reconstruct(
        series, context.recipe.reconstruction, resources=context.resources, progress=context.progress
    )
    saved = tomogram_files.save_tomogram(context.layout, tomogram, context.progress)
    return [*saved, *save_previews(context.layout, tomogram)]


def _denoise(context: StepContext) -> list[Path]:
    recipe, layout, run = context.recipe, context.layout, context.run
    if recipe.denoising is None:
        raise ValueError("a step of denoising was planned for a recipe without [denoising]")
    seed = int(stream(recipe.seed, "denoise", run).integers(2**31))
    denoised = reconstruction.denoise(
        raw_tomogram(context), recipe.denoising, resources=context.resources, seed=seed, progress=context.progress
    )
    return [*tomogram_files.save_tomogram(layout, denoised, context.progress), *save_previews(layout, denoised)]


def _deconvolve(context: StepContext) -> list[Path]:
    recipe, layout, run = context.recipe, context.layout, context.run
    if recipe.deconvolution is None:
        raise ValueError("a step of deconvolution was planned for a recipe without [deconvolution]")
    made = reconstruction.deconvolve(
        raw_tomogram(context),
        load_series(layout.series(run), "series.json"),
        recipe.deconvolution,
        resources=context.resources,
        progress=context.progress,
    )
    return [*tomogram_files.save_tomogram(layout, made, context.progress), *save_previews(layout, made)]


def _curate(context: StepContext) -> list[Path]:
    layout, run = context.layout, context.run
    series = load_series(layout.series(run), "series.json")
    measurements = curation.measure(series, raw_tomogram(context))
    verdict = curation.suggest(measurements, context.recipe.curation)
    verdict = curation.overruled(verdict, people_on_tilts(layout, run), series)
    return [save_curation(layout, run, measurements, verdict)]


def _simulated_objects(recipe: Recipe) -> list[dict[str, Any]]:
    """Looks of the objects that the specimen holds: others may be added without simulating again."""
    if recipe.specimen is None:
        return []
    species = {each.species for each in specimen.required_species(recipe.specimen)}
    return [appearance(spec) for spec in recipe.objects if spec.name in species or spec.kind == "membrane"]


STEPS = (
    Step(
        name="simulate",
        noun="movies",
        version=f"{structures.STAGE_VERSION}.{specimen.STAGE_VERSION}.{microscope.STAGE_VERSION}",
        params=lambda r: {"specimen": r.specimen, "microscope": r.microscope, "molecules": _simulated_objects(r)},
        execute=_simulate,
        needs=lambda _: "",
    ),
    Step(
        name="motion",
        noun="images",
        version=motion.STAGE_VERSION,
        params=lambda r: r.motion,
        execute=_motion,
        needs=lambda _: "simulate",
    ),
    Step(
        name="ctf",
        noun="defocus",
        version=f"{ctf.STAGE_VERSION}.{curation.STAGE_VERSION}",
        params=lambda r: {"ctf": r.ctf, "masks": r.curation.masks},
        execute=_ctf,
        needs=lambda _: "motion",
    ),
    Step(
        name="align",
        noun="tiltseries",
        version=f"{alignment.STAGE_VERSION}.{curation.STAGE_VERSION}",
        params=lambda r: {"alignment": r.alignment, "curation": r.curation},
        execute=_align,
        needs=lambda _: "ctf",
        said=_words_on_alignment,
    ),
    Step(
        name="reconstruct",
        noun="tomogram",
        version=reconstruction.STAGE_VERSION,
        params=lambda r: r.reconstruction,
        execute=_reconstruct,
        needs=lambda _: "align",
    ),
    Step(
        name="denoise",
        noun="denoised",
        version=reconstruction.STAGE_VERSION,
        params=lambda r: r.denoising,
        execute=_denoise,
        needs=lambda _: "reconstruct",
    ),
    Step(
        name="deconvolve",
        noun="deconv",
        version=reconstruction.STAGE_VERSION,
        params=lambda r: r.deconvolution,
        execute=_deconvolve,
        needs=lambda _: "reconstruct",
    ),
    Step(
        name="curate",
        noun="verdict",
        version=curation.STAGE_VERSION,
        params=lambda r: r.curation,
        execute=_curate,
        needs=lambda _: "reconstruct",
    ),
    *ANNOTATION_STEPS,
)
NOUNS = tuple(step.noun for step in STEPS)


def steps_for(recipe: Recipe) -> tuple[Step, ...]:
    """The steps a recipe asks for: no simulation of imported movies, no labels without objects, nothing unasked."""
    asked = {
        "simulate": recipe.is_simulated,
        "denoise": recipe.denoising is not None,
        "deconvolve": recipe.deconvolution is not None,
    } | asked_labels(recipe)
    skipped = {name for name, wanted in asked.items() if not wanted}
    return tuple(step for step in STEPS if step.name not in skipped)


def steps_until(steps: tuple[Step, ...], noun: str | None, recipe: Recipe) -> tuple[Step, ...]:
    """The step that yields ``noun`` and those it starts from; all of them for None."""
    if noun is None:
        return steps
    by_name = {step.name: step for step in steps}
    wanted = [step.name for step in steps if step.noun == noun]
    needed = list(wanted)
    while wanted:
        upstream = by_name[wanted.pop()].needs(recipe)
        if upstream in by_name:
            needed.append(upstream)
            wanted.append(upstream)
    return tuple(step for step in steps if step.name in needed)


def raw_key(layout: ProjectLayout, run: str) -> str:
    """Key of a run's raw data that did not come from a step of ours."""
    return raw_fingerprint(raw_files.raw_file_list(layout.raw_run(run)))
