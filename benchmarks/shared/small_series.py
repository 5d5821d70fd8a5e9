"""Small tilt series of four frames a tilt, with or without bad views, for what is judged view by view."""

import pickle
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from tomoset.microscope import MicroscopeParams, field_of_view_size_xy_angstrom, image
from tomoset.model import Resources, SeriesTruth, Silent, TiltSeries, stream
from tomoset.motion import MotionParams, correct_motion
from tomoset.specimen import SpecimenParams, make_specimen
from tomoset.workflow.molecules import simulated_structures
from tomoset.workflow.recipe import load_recipe

__all__ = ["GOOD", "SPOILED", "small_series"]

GOOD = MicroscopeParams(
    pixel_size_angstrom=8.308,
    frame_shape_yx=(400, 400),
    n_frames=4,
    axis_jitter_deg=0.05,
    tilt_error_deg=0.2,
    magnification_error=1e-3,
)
SPOILED = replace(GOOD, dark_fraction=0.1, blocked_fraction=0.1, blurred_fraction=0.1)


def small_series(
    run: str,
    recipe_name: str,
    seed: int,
    microscope: MicroscopeParams,
    change: Callable[[SpecimenParams], SpecimenParams],
    kept: Path | None = None,
) -> tuple[TiltSeries, SeriesTruth]:
    """Simulate a series of a recipe whose specimen is changed, and correct its movies by our own stage.

    ``kept`` is a file in which an earlier call may have left it.
    """
    if kept is not None and kept.is_file():
        loaded: tuple[TiltSeries, SeriesTruth] = pickle.loads(kept.read_bytes())  # noqa: S301 our own file
        return loaded
    recipe = load_recipe(recipe_name)
    if recipe.specimen is None or recipe.microscope is None:
        raise SystemExit(f"{recipe_name}: expected a recipe that simulates")
    specimen = change(recipe.specimen)
    params = replace(microscope, defocus_angstrom=recipe.microscope.defocus_angstrom)
    structures = simulated_structures(replace(recipe, specimen=specimen), Path())
    content = make_specimen(
        run,
        specimen,
        size_xy_angstrom=field_of_view_size_xy_angstrom(params, specimen.thickness_angstrom),
        structures=structures,
        rng=stream(seed, "specimen", run),
    )
    movies, truth = image(content, structures, params, seed=seed, resources=Resources(), progress=Silent())
    series = correct_motion(movies, MotionParams(), resources=Resources(), progress=Silent())
    series = replace(series, dose_weighted_nyx=None)
    if kept is not None:
        kept.parent.mkdir(parents=True, exist_ok=True)
        kept.write_bytes(pickle.dumps((series, truth), protocol=5))
    return series, truth
