"""The tilt series that alignment is measured on: three recipes thin and thick, ten particles, moving and empty ice.

A field of 768² pixels of 8.308 Å (638 nm), 31 tilts from −45° to 45° in dose-symmetric order at 100 e/Å²; the true
axis, tilts and magnifications are off the nominal ones as a good microscope's are. Movies hold three frames without
motion: what is measured begins with the tilt images.
"""

import pickle
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from shared.kept_series import kept_path
from tomoset.ctf import CtfParams, estimate_ctf
from tomoset.microscope import MicroscopeParams, field_of_view_size_xy_angstrom, image
from tomoset.model import InMemory, MovieSet, Resources, SeriesTruth, Silent, TiltSeries, stream
from tomoset.motion import MotionParams, correct_motion
from tomoset.specimen import Component, SpecimenParams, make_specimen
from tomoset.workflow.molecules import simulated_structures
from tomoset.workflow.recipe import Recipe, load_recipe

__all__ = ["CASES", "SeriesCase", "prepared_series", "simulate_case"]

MICROSCOPE = MicroscopeParams(
    pixel_size_angstrom=8.308,
    frame_shape_yx=(768, 768),
    n_frames=3,
    drift_angstrom=0.0,
    axis_jitter_deg=0.05,
    tilt_error_deg=0.2,
    magnification_error=1e-3,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class SeriesCase:
    """A kind of series.

    Parameters
    ----------
    recipe : str
        Built-in recipe that it is taken from.
    specimen : callable or None
        Changes the recipe's specimen.
    deformation_angstrom : float
        Of the specimen at the field's edge, root mean square, between first and last exposure.
    """

    recipe: str
    specimen: Callable[[SpecimenParams], SpecimenParams] | None = None
    deformation_angstrom: float = 0.0


def _ten_particles(specimen: SpecimenParams) -> SpecimenParams:
    copies = (Component(species="pp7-vlp", copies=4), Component(species="apoferritin", copies=6))
    return replace(specimen, components=copies, thickness_angstrom=1000.0)


def _nothing(specimen: SpecimenParams) -> SpecimenParams:
    return replace(specimen, components=())


CASES = {
    "three_proteins": SeriesCase(recipe="three_proteins"),
    "seven_proteins": SeriesCase(recipe="seven_proteins"),
    "cell": SeriesCase(recipe="pelagibacter"),
    "ten_particles": SeriesCase(recipe="three_proteins", specimen=_ten_particles),
    "moving": SeriesCase(recipe="three_proteins", deformation_angstrom=40.0),
    "empty_ice": SeriesCase(recipe="three_proteins", specimen=_nothing),
}


def simulate_case(name: str, seed: int, microscope: MicroscopeParams = MICROSCOPE) -> tuple[MovieSet, SeriesTruth]:
    """Simulate one series; its frames are rendered into memory."""
    case = CASES[name]
    recipe = load_recipe(case.recipe)
    if recipe.specimen is None or recipe.microscope is None:
        raise SystemExit(f"{case.recipe}: expected a recipe that simulates")
    specimen = recipe.specimen if case.specimen is None else case.specimen(recipe.specimen)
    params = replace(
        microscope,
        deformation_angstrom=case.deformation_angstrom,
        defocus_angstrom=recipe.microscope.defocus_angstrom,
    )
    structures = simulated_structures(replace(recipe, specimen=specimen), Path())
    run = f"{name.replace('_', '-')}-{seed}"
    content = make_specimen(
        run,
        specimen,
        size_xy_angstrom=field_of_view_size_xy_angstrom(params, specimen.thickness_angstrom),
        structures=structures,
        rng=stream(seed, "specimen", run),
    )
    movies, truth = image(content, structures, params, seed=seed, resources=Resources(), progress=Silent())
    rendered = tuple(replace(m, frames_tyx=InMemory(m.frames_tyx.read(()))) for m in movies.movies)
    return replace(movies, movies=rendered), truth


def prepared_series(name: str, seed: int, cache: Path | None = None) -> tuple[TiltSeries, SeriesTruth, Recipe]:
    """Tilt images with their CTF estimates by our own stages, the truth, and the recipe with its stages' parameters.

    ``cache`` is a folder of tilt images that earlier calls left; CTF estimates are always made anew.
    """
    recipe = load_recipe(CASES[name].recipe)
    kept = kept_path(cache, f"{name}-{seed}")
    if kept is not None and kept.is_file():
        series, truth = pickle.loads(kept.read_bytes())  # noqa: S301 our own file
    else:
        movies, truth = simulate_case(name, seed)
        series = correct_motion(movies, MotionParams(), resources=Resources(), progress=Silent())
        series = replace(series, odd_nyx=None, even_nyx=None)
        if kept is not None:
            kept.parent.mkdir(parents=True, exist_ok=True)
            kept.write_bytes(pickle.dumps((series, truth), protocol=5))
    return estimate_ctf(series, CtfParams(), resources=Resources(), progress=Silent()), truth, recipe
