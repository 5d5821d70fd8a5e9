"""Check a project for contradictions that no single step can see."""

from collections.abc import Iterator

from tomoset.errors import TomosetError
from tomoset.formats.copick import list_picks, list_tomograms, read_config, read_picks
from tomoset.formats.ome_zarr import open_volume_zarr
from tomoset.workflow.label_quality import label_findings, shortened
from tomoset.workflow.layout import ProjectLayout
from tomoset.workflow.plan import planned_runs
from tomoset.workflow.recipe import Recipe
from tomoset.workflow.series_files import load_series

__all__ = ["check_project"]

_VOXEL_TOLERANCE = 1e-3


def check_project(layout: ProjectLayout, recipe: Recipe, *, every: bool = False) -> list[str]:
    """Problems of a project, one sentence each; empty when there are none.

    Looks for: voxel sizes that contradict their folder's name, picks of an object the configuration does not know,
    labels of the configuration that contradict the recipe, series without a defocus hand or with too few tilts, runs
    without raw data, and all that :func:`tomoset.workflow.label_quality.label_findings` looks for in labels.

    Parameters
    ----------
    layout : ProjectLayout
    recipe : Recipe
    every : bool
        Whether to list every single label; else the first ten of each kind, and how many more there are.
    """
    problems: list[str] = []
    for checks in (
        _config_problems(layout, recipe),
        *(_run_problems(layout, recipe, run, every) for run in planned_runs(layout, recipe)),
    ):
        try:
            problems += checks
        except TomosetError as error:
            problems.append(str(error))
    return problems


def _config_problems(layout: ProjectLayout, recipe: Recipe) -> Iterator[str]:
    known = {item.name: item for item in read_config(layout.copick_config).objects}
    for item in recipe.pickable_objects():
        other = known.get(item.name)
        if other is None:
            yield f"copick_config.json does not know {item.name}, which the recipe labels; make the project anew"
        elif (other.label, other.radius_angstrom) != (item.label, item.radius_angstrom):
            yield (
                f"{item.name}: the recipe says label {item.label}, radius {item.radius_angstrom:g} Å; "
                f"copick_config.json says {other.label}, {other.radius_angstrom:g} Å"
            )


def _run_problems(layout: ProjectLayout, recipe: Recipe, run: str, every: bool) -> Iterator[str]:
    yield from _series_problems(layout, run)
    sizes = set()
    for entry in list_tomograms(layout.root, run):
        _, grid = open_volume_zarr(entry.path)
        sizes.add(round(entry.voxel_size_angstrom, 3))
        if abs(grid.voxel_size_angstrom / entry.voxel_size_angstrom - 1) > _VOXEL_TOLERANCE:
            yield (
                f"{run}: {entry.path.name} lies in a folder of {entry.voxel_size_angstrom:g} Å, "
                f"its metadata say {grid.voxel_size_angstrom:g} Å"
            )
    known = {item.name for item in read_config(layout.copick_config).objects}
    for picks_entry in list_picks(layout.root, run):
        name = picks_entry.path.name
        if picks_entry.object_name not in known:
            yield f"{run}: picks of {picks_entry.object_name}, which copick_config.json does not know"
        size = read_picks(picks_entry.path).voxel_size_angstrom
        if size is None:
            yield f"{run}: {name} does not say the voxel size of its tomogram; write it into the file"
        elif not sizes:
            yield f"{run}: {name} was made on a tomogram of {size:g} Å, which is not here"
    if sizes:
        findings = label_findings(layout, recipe, run)
        yield from (str(finding) for finding in findings) if every else shortened(findings)


def _series_problems(layout: ProjectLayout, run: str) -> Iterator[str]:
    folder = layout.series(run)
    if not (folder / "series.json").is_file():
        return
    series = load_series(folder, "series.json")
    if len(series.used) < len(series.tilts) / 2:
        yield f"{run}: only {len(series.used)} of {len(series.tilts)} tilts are used"
    if all(tilt.ctf is None for tilt in series.tilts):
        yield f"{run}: no tilt has a defocus"
    for name, source in (("odd", series.odd_nyx), ("even", series.even_nyx)):
        if source is not None and source.shape != series.images_nyx.shape:
            yield f"{run}: the stack of {name} frames has shape {source.shape}, that of all {series.images_nyx.shape}"
