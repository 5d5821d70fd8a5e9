"""The tilt series that CTF estimation is measured on: thin mixtures and whole cells, through imperfect optics.

31 tilts from −45° to 45° in dose-symmetric order at 100 e/Å². The seed also chooses the sign of the defocus gradient,
the direction of the astigmatism (300 Å, and 60 Å of each view's own) and the angle of the specimen's plane against the
stage, so that any five seeds in a row see both hands and five planes. Movies hold three frames without motion.
"""

import pickle
from dataclasses import dataclass, replace
from pathlib import Path

from shared.kept_series import kept_path
from shared.simulated import few_tilts
from tomoset.microscope import MicroscopeParams, field_of_view_size_xy_angstrom, image
from tomoset.model import InMemory, Resources, SeriesTruth, Silent, TiltSeries, stream
from tomoset.motion import MotionParams, correct_motion
from tomoset.specimen import make_specimen
from tomoset.workflow.molecules import simulated_structures
from tomoset.workflow.recipe import load_recipe

__all__ = ["CTF_CASES", "CtfCase", "ctf_case"]

PRETILTS_DEG = (0.0, 8.0, -6.0, 5.0, -10.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class CtfCase:
    """A recipe and how it is looked at."""

    recipe: str
    pixel_size_angstrom: float
    frame_shape_yx: tuple[int, int]
    thickness_angstrom: float | None = None  # of the ice, where it is not the recipe's


CTF_CASES = {
    "three_proteins": CtfCase(recipe="three_proteins", pixel_size_angstrom=5.0, frame_shape_yx=(768, 864)),
    "seven_proteins": CtfCase(recipe="seven_proteins", pixel_size_angstrom=4.154, frame_shape_yx=(864, 960)),
    "three_proteins thick": CtfCase(
        recipe="three_proteins", pixel_size_angstrom=5.0, frame_shape_yx=(768, 864), thickness_angstrom=3000.0
    ),
    "pelagibacter": CtfCase(recipe="pelagibacter", pixel_size_angstrom=5.0, frame_shape_yx=(864, 960)),
    "minicell": CtfCase(recipe="minicell", pixel_size_angstrom=5.0, frame_shape_yx=(768, 768)),
    "three_proteins coarse": CtfCase(recipe="three_proteins", pixel_size_angstrom=8.308, frame_shape_yx=(768, 768)),
    "pelagibacter coarse": CtfCase(recipe="pelagibacter", pixel_size_angstrom=8.308, frame_shape_yx=(768, 768)),
}


def microscope_of(case: CtfCase, seed: int, defocus_angstrom: float) -> MicroscopeParams:
    """Settings of one series, with what the seed chooses."""
    return MicroscopeParams(
        pixel_size_angstrom=case.pixel_size_angstrom,
        frame_shape_yx=case.frame_shape_yx,
        n_frames=3,
        drift_angstrom=0.0,
        defocus_angstrom=defocus_angstrom,
        defocus_hand=1 if seed % 2 else -1,
        pretilt_deg=PRETILTS_DEG[seed % len(PRETILTS_DEG)],
        eucentric_error_angstrom=500.0,
        astigmatism_angstrom=300.0,
        astigmatism_deg=37.0 * seed % 180.0,
        astigmatism_jitter_angstrom=60.0,
        illumination_half_angle_mrad=0.02,
        focal_spread_angstrom=60.0,
        mtf="k3-standard",
        coincidence_pixels=4.0,
        ice_correlation_dose_e_per_angstrom2=4.0,
        deformation_angstrom=8.0,
        axis_jitter_deg=0.05,
        tilt_error_deg=0.2,
        magnification_error=1e-3,
    )


def ctf_case(
    name: str, seed: int, cache: Path | None = None, *, quick: bool = False
) -> tuple[TiltSeries, SeriesTruth, float]:
    """Tilt images, their truth and the angle of the specimen's plane against the stage, degrees.

    ``cache`` is a folder of tilt images that earlier calls left; ``quick`` takes every fifth tilt.
    """
    case = CTF_CASES[name]
    recipe = load_recipe(case.recipe)
    if recipe.specimen is None or recipe.microscope is None:
        raise SystemExit(f"{case.recipe}: expected a recipe that simulates")
    microscope = microscope_of(case, seed, recipe.microscope.defocus_angstrom)
    if quick:
        microscope = few_tilts(replace(microscope, n_frames=8), 5 * microscope.tilt_step_deg)
    kept = kept_path(cache, f"{name.replace(' ', '_')}-{seed}{'-quick' if quick else ''}")
    if kept is not None and kept.is_file():
        series, truth = pickle.loads(kept.read_bytes())  # noqa: S301 our own file
        return series, truth, microscope.pretilt_deg
    params = recipe.specimen
    if case.thickness_angstrom is not None:
        params = replace(params, thickness_angstrom=case.thickness_angstrom)
    structures = simulated_structures(replace(recipe, specimen=params), Path())
    run = f"{name.replace('_', '-').replace(' ', '-')}-{seed}"
    specimen = make_specimen(
        run,
        params,
        size_xy_angstrom=field_of_view_size_xy_angstrom(microscope, params.thickness_angstrom),
        structures=structures,
        rng=stream(seed, "specimen", run),
    )
    movies, truth = image(specimen, structures, microscope, seed=seed, resources=Resources(), progress=Silent())
    series = correct_motion(movies, MotionParams(), resources=Resources(), progress=Silent())
    series = replace(series, odd_nyx=None, even_nyx=None, dose_weighted_nyx=None)
    series = replace(series, images_nyx=InMemory(series.images_nyx.read(())))
    truth = replace(truth, specimen=replace(truth.specimen, molecules=()))
    if kept is not None:
        kept.parent.mkdir(parents=True, exist_ok=True)
        kept.write_bytes(pickle.dumps((series, truth), protocol=5))
    return series, truth, microscope.pretilt_deg
