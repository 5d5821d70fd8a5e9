"""The three-protein mixture of the demonstration, simulated, and its truth put in the place of estimates."""

from dataclasses import replace

from tomoset.benchmark.processing import true_defocus_at_centre_angstrom
from tomoset.microscope import MicroscopeParams, field_of_view_size_xy_angstrom, image
from tomoset.model import (
    CtfEstimate,
    InMemory,
    MovieSet,
    Resources,
    SeriesTruth,
    Silent,
    TiltSeries,
    stream,
)
from tomoset.specimen import Component, SpecimenParams, make_specimen
from tomoset.structures import built_in_structure

__all__ = ["MIXTURE_MG_PER_ML", "THICKNESS_ANGSTROM", "few_tilts", "simulate", "with_true_geometry_and_defocus"]

MIXTURE_MG_PER_ML = {"apoferritin": 3.2, "proteasome": 0.25, "pp7-vlp": 2.4}
THICKNESS_ANGSTROM = 1500.0


def few_tilts(microscope: MicroscopeParams, step_deg: float) -> MicroscopeParams:
    """Take tilts ``step_deg`` apart, each with the dose that it has in the series of ``microscope``."""
    fewer = replace(microscope, tilt_step_deg=step_deg)
    dose = microscope.total_dose_e_per_angstrom2 * fewer.n_tilts / microscope.n_tilts
    return replace(fewer, total_dose_e_per_angstrom2=dose)


def simulate(seed: int, microscope: MicroscopeParams, run: str = "TS1") -> tuple[MovieSet, SeriesTruth]:
    """Simulate one series of the mixture in 150 nm of ice, its frames already rendered into memory."""
    structures = {name: built_in_structure(name) for name in MIXTURE_MG_PER_ML}
    specimen = make_specimen(
        run,
        SpecimenParams(
            components=tuple(Component(species=name, mg_per_ml=mg) for name, mg in MIXTURE_MG_PER_ML.items()),
            thickness_angstrom=THICKNESS_ANGSTROM,
        ),
        size_xy_angstrom=field_of_view_size_xy_angstrom(microscope, THICKNESS_ANGSTROM),
        structures=structures,
        rng=stream(seed, "specimen", run),
    )
    movies, truth = image(specimen, structures, microscope, seed=seed, resources=Resources(), progress=Silent())
    rendered = tuple(replace(m, frames_tyx=InMemory(m.frames_tyx.read(()))) for m in movies.movies)
    return replace(movies, movies=rendered), truth


def with_true_geometry_and_defocus(series: TiltSeries, truth: SeriesTruth) -> TiltSeries:
    """Give a motion-corrected series its true alignment, defocus and hand, to measure a later stage alone."""
    tilts = [
        replace(
            tilt,
            ctf=CtfEstimate(
                defocus_u_angstrom=float(defocus),
                defocus_v_angstrom=float(defocus),
                astigmatism_deg=0.0,
                score=1.0,
                resolution_angstrom=10.0,
            ),
        )
        for tilt, defocus in zip(series.tilts, true_defocus_at_centre_angstrom(truth), strict=True)
    ]
    return replace(series.with_tilts(tilts), geometry=truth.geometry, defocus_hand=truth.defocus_hand)
