"""Make a project, from a recipe or from movies, and open one."""

import dataclasses
import difflib
import glob
import re
from pathlib import Path
from typing import TypeVar

from tomoset.errors import InputMissingError, OutputError, ParameterError, RecipeError
from tomoset.formats.atomic import atomic_path
from tomoset.formats.copick import write_config
from tomoset.formats.mdoc import read_mdoc
from tomoset.formats.serialem_import import run_name
from tomoset.specimen import CellParams, Component, LiposomeParams, SpecimenParams
from tomoset.structures import is_local_file
from tomoset.workflow.alignment_import import AlignmentSource, check_alignment, find_alignments, keep_alignment
from tomoset.workflow.layout import ProjectLayout
from tomoset.workflow.molecules import keep_structure, load_structures
from tomoset.workflow.plan import planned_runs
from tomoset.workflow.raw_files import GainUse, MovieOptions, RawPointer, read_pointed, write_pointer
from tomoset.workflow.recipe import ObjectSpec, Recipe, load_recipe, read_recipe, read_recipe_file, recipe_text
from tomoset.workflow.steps import NOUNS

__all__ = [
    "AlignmentSource",
    "GainUse",
    "MovieOptions",
    "create_imported_project",
    "create_simulated_project",
    "open_project",
    "require_noun",
    "require_runs",
]


_NAMED_RUNS = 6
_Looks = TypeVar("_Looks", ObjectSpec, Component)
_Holder = TypeVar("_Holder", SpecimenParams, LiposomeParams, CellParams)


def create_simulated_project(root: Path, recipe_name: str, *, overrides: tuple[str, ...] = ()) -> ProjectLayout:
    """Make a project that simulates its tilt series.

    Raises
    ------
    RecipeError
        If the recipe is missing, malformed or simulates nothing.
    OutputError
        If the folder exists already or cannot be made.
    """
    if not recipe_name:
        raise RecipeError("a new project needs --recipe NAME (`tomoset recipes` lists them) or --movies 'raw/*.mdoc'")
    recipe = load_recipe(recipe_name, overrides)
    if not recipe.is_simulated:
        raise RecipeError(f"recipe {recipe.name} has no [specimen] and [microscope] tables; give --movies with it")
    layout = ProjectLayout(_new_root(root))
    with atomic_path(layout.root) as temporary:
        _write_skeleton(ProjectLayout(temporary), recipe, Path(recipe_name).parent)
    return layout


def create_imported_project(
    root: Path,
    pattern: str,
    options: MovieOptions,
    *,
    recipe_name: str = "",
    overrides: tuple[str, ...] = (),
    alignments: AlignmentSource | None = None,
) -> tuple[ProjectLayout, tuple[str, ...]]:
    """Make a project on movies that came from anywhere; they stay where they are.

    Parameters
    ----------
    root : Path
        Folder to make.
    pattern : str
        Pattern of mdoc files, one per tilt series.
    options : MovieOptions
        What the mdoc files lack.
    recipe_name : str
        Recipe whose objects and processing parameters to use; its simulation is left aside.
    overrides : tuple of str
        ``table.key=value``.
    alignments : AlignmentSource or None
        Alignments by other programs, one a series, to be taken instead of aligning here.

    Returns
    -------
    layout : ProjectLayout
    notes : tuple of str
        Fallbacks the import had to take, each with the runs that it is about.

    Raises
    ------
    InputMissingError
        If no file matches, or an mdoc names movies that are not there.
    PixelSizeError, FormatError
        If pixel sizes disagree, or a file is not what it should be.
    GeometryError
        If an alignment is not of its series.
    """
    # Path.glob takes no absolute pattern, which is what people type.
    names = [pattern] if Path(pattern).is_file() else sorted(glob.glob(pattern, recursive=True))  # noqa: PTH207
    # Not resolved: the movies of a link to an mdoc lie beside the link, under the names that it has there.
    mdocs = [Path(name).absolute() for name in names]
    if not mdocs:
        raise InputMissingError(f"--movies: expected SerialEM mdoc files, found none that match {pattern!r}")
    mdocs, left_aside = _of_series(mdocs)
    recipe = _import_recipe(root, recipe_name, overrides)
    aligned: dict[str, Path] = {}
    if alignments is not None:
        aligned, also_aside = find_alignments(alignments.pattern, tuple(dict.fromkeys(run_name(m) for m in mdocs)))
        left_aside = (*left_aside, *also_aside)
    layout = ProjectLayout(_new_root(root))
    notes: dict[str, list[str]] = {}
    with atomic_path(layout.root) as temporary:
        made = ProjectLayout(temporary)
        _write_skeleton(made, recipe, Path(recipe_name).parent)
        for mdoc in mdocs:
            movies = read_pointed(RawPointer.of(mdoc, options))
            if made.raw_run(movies.run).exists():
                raise InputMissingError(
                    f"two mdoc files would both become run {movies.run} ({mdoc.name} is the second); rename one"
                )
            # Relative to where the project will be, so that project and movies can move together.
            pointer = RawPointer.of(mdoc, options)
            write_pointer(made.raw_run(movies.run), pointer, layout.raw_run(movies.run), notes=movies.notes)
            for note in movies.notes:
                notes.setdefault(note, []).append(movies.run)
            if alignments is not None:
                said = check_alignment(aligned[movies.run], movies, alignments)
                folder, final = made.alignment(movies.run), layout.alignment(movies.run)
                pixel = alignments.pixel_size_angstrom or movies.pixel_size_angstrom
                keep_alignment(folder, aligned[movies.run], pixel, said, final)
                for note in said:
                    notes.setdefault(f"alignment: {note}", []).append(movies.run)
    return layout, (*left_aside, *(f"{_named(runs, len(mdocs))}: {note}" for note, runs in notes.items()))


def _of_series(mdocs: list[Path]) -> tuple[list[Path], tuple[str, ...]]:
    """Leave aside the mdocs of single movies, which SerialEM writes too, where there are those of series; say so."""
    single = {path for path in mdocs if [s.kind for s in read_mdoc(path).sections] == ["FrameSet"]}
    if not single or len(single) == len(mdocs):
        return mdocs, ()
    note = f"{len(single)} mdoc files of single movies were left aside ({min(single).name} is the first)."
    return [path for path in mdocs if path not in single], (note,)


def _named(runs: list[str], n_all: int) -> str:
    if len(runs) == n_all > 1:
        return f"all {n_all} runs"
    return ", ".join(runs[:_NAMED_RUNS]) + (f" and {len(runs) - _NAMED_RUNS} more" if len(runs) > _NAMED_RUNS else "")


def open_project(root: Path) -> tuple[ProjectLayout, Recipe]:
    """Layout and recipe of an existing project.

    Raises
    ------
    InputMissingError
        If the folder holds no recipe.
    RecipeError
        If the recipe was edited into something invalid.
    """
    layout = ProjectLayout(root.resolve())
    if not layout.recipe.is_file():
        raise InputMissingError(
            f"expected a tomoset project (a folder with recipe.toml), found {root}; `tomoset init` makes one"
        )
    return layout, read_recipe_file(layout.recipe)


def require_noun(noun: str | None) -> str | None:
    """Check ``--until``."""
    if noun is None or noun in NOUNS:
        return noun
    near = difflib.get_close_matches(noun, NOUNS, n=1)
    hint = f"; did you mean {near[0]}?" if near else ""
    raise ParameterError(f"--until: expected one of {', '.join(NOUNS)}, found {noun!r}{hint}")


def require_runs(layout: ProjectLayout, recipe: Recipe, only: tuple[str, ...]) -> tuple[str, ...]:
    """Check ``--only``."""
    known = planned_runs(layout, recipe)
    unknown = [run for run in only if run not in known]
    if unknown:
        raise ParameterError(f"--only: expected runs of {', '.join(known) or 'none'}, found {', '.join(unknown)}")
    return only


def _new_root(root: Path) -> Path:
    if root.exists() and (not root.is_dir() or any(root.iterdir())):
        raise OutputError(f"{root} exists already and is not empty; name a new folder")
    root = root.resolve()
    if root.is_dir():
        try:
            root.rmdir()  # an empty folder is replaced by the finished project in one step
        except OSError as error:
            raise OutputError(
                f"{root}: expected to replace this empty folder by the project, found {str(error.strerror).lower()}; "
                "name a new folder inside it, or change the permissions of the folder it is in"
            ) from error
    return root


def _import_recipe(root: Path, recipe_name: str, overrides: tuple[str, ...]) -> Recipe:
    name = re.sub(r"[^A-Za-z0-9-]+", "-", root.name).strip("-") or "project"
    if not recipe_name:
        return read_recipe(f'name = "{name}"\n', overrides, origin="recipe of imported movies")
    recipe = load_recipe(recipe_name, overrides)
    return dataclasses.replace(recipe, name=name, n_series=0, specimen=None, microscope=None)


def _write_skeleton(layout: ProjectLayout, recipe: Recipe, recipe_folder: Path) -> None:
    load_structures(recipe, recipe_folder)  # one that cannot be read is found now, under the name that the user knows
    layout.root.mkdir(parents=True)
    recipe = _with_own_structures(layout, recipe, recipe_folder)
    layout.recipe.write_text(recipe_text(recipe), encoding="utf-8")
    write_config(layout.copick_config, recipe.pickable_objects(), name=recipe.name, description=recipe.title)
    layout.raw.mkdir()


def _with_own_structures(layout: ProjectLayout, recipe: Recipe, recipe_folder: Path) -> Recipe:
    """Copy structure files into the project, so that it stays whole when it moves."""

    def own(item: _Looks) -> _Looks:
        source = recipe_folder / item.structure
        if item.structure and is_local_file(item.structure) and source.is_file():
            return dataclasses.replace(item, structure=keep_structure(layout, source))
        return item

    objects = tuple(own(spec) for spec in recipe.objects)
    if recipe.specimen is None:
        return dataclasses.replace(recipe, objects=objects)

    def own_all(holder: _Holder) -> _Holder:
        return dataclasses.replace(holder, components=tuple(own(component) for component in holder.components))

    specimen = dataclasses.replace(
        own_all(recipe.specimen),
        liposomes=tuple(own_all(liposomes) for liposomes in recipe.specimen.liposomes),
        cells=tuple(own_all(cells) for cells in recipe.specimen.cells),
    )
    return dataclasses.replace(recipe, objects=objects, specimen=specimen)
