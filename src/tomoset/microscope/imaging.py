"""The verb of this room: a specimen becomes the movies of a tilt series."""

from collections.abc import Mapping
from datetime import datetime, timedelta

import numpy as np

from tomoset.errors import GeometryError, ParameterError
from tomoset.microscope.camera import draw_gain, draw_hot_pixels
from tomoset.microscope.conditions import Conditions, draw_conditions
from tomoset.microscope.field import canvas_of, field_of_view_size_xy_angstrom
from tomoset.microscope.frames import RenderedFrames, Scene
from tomoset.microscope.optics import FINEST_ANGSTROM
from tomoset.microscope.params import MicroscopeParams
from tomoset.microscope.projection import transform_molecule
from tomoset.model import InMemory, Movie, MovieSet, PickableObject, Progress, Resources, SeriesTruth, Specimen
from tomoset.structures import Structure

__all__ = ["image", "methods_text"]

# The clock of the simulated microscope: a start and one minute an exposure, only so that files can be sorted by time.
_CLOCK_START = datetime.fromisoformat("2025-01-01T00:00:00")
_CLOCK_STEP = timedelta(minutes=1)
_COLORS = (
    (0, 158, 115, 255),
    (204, 121, 167, 255),
    (0, 114, 178, 255),
    (230, 159, 0, 255),
    (86, 180, 233, 255),
    (213, 94, 0, 255),
    (240, 228, 66, 255),
)  # Okabe & Ito's palette, which colour-blind eyes tell apart


def image(
    specimen: Specimen,
    structures: Mapping[str, Structure],
    params: MicroscopeParams,
    *,
    seed: int,
    resources: Resources,
    progress: Progress,
) -> tuple[MovieSet, SeriesTruth]:
    """Record a tilt series of a specimen.

    Parameters
    ----------
    specimen : Specimen
        At least as large as :func:`field_of_view_size_xy_angstrom` asks.
    structures : mapping of str to Structure
        Every species of the specimen; their order gives the classes' labels (1, 2, …).
    params : MicroscopeParams
    seed : int
        Of the dataset; the series' name keeps the series apart.
    resources : Resources
        Threads of the Fourier transforms when frames are read; a quarter of the memory holds the planes of one view.
    progress : Progress
        Told of each species that has been prepared.

    Returns
    -------
    movies : MovieSet
        Ascending tilt; frames (uint8 counts before gain correction) are rendered when they are read, and are the
        same bits in any order of reading and in any process.
    truth : SeriesTruth
        What really happened.

    Raises
    ------
    ParameterError
        If a species has no structure.
    GeometryError
        If some view would look past the specimen's edge.

    Notes
    -----
    Linear weak-phase imaging: contrast = 2 σ V · CTF, each molecule at the defocus of its own height, damped by the
    radiation damage of the middle of its frame, plus the phase noise of ice at its own heights; intensity = dose ·
    (1 + contrast) · exp(−thickness / (mean free path · cos tilt)), times a flat DQE; Poisson counts. Left out:
    multiple and quadratic scattering (a 20S proteasome on end shifts the phase by about 0.3 rad), depth within a
    molecule, the detector's MTF, astigmatism, beam tilt, coherence envelopes, local motion and coincidence loss.
    """
    _check(specimen, structures, params)
    species = [name for name in structures if any(m.species == name for m in specimen.molecules)]
    transforms = {}
    for done, name in enumerate(species):
        transforms[name] = transform_molecule(
            structures[name], params.pixel_size_angstrom, finest_angstrom=FINEST_ANGSTROM
        )
        progress.step("preparing molecules", done + 1, len(species))
    conditions = draw_conditions(params, specimen.run, seed)
    gain_yx = draw_gain(params.frame_shape_yx, params.gain_spread, seed)
    canvas = canvas_of(params)
    scene = Scene(
        specimen=specimen,
        transforms=transforms,
        conditions=conditions,
        params=params,
        canvas=canvas,
        inverse_gain_yx=np.reciprocal(gain_yx),
        hot_pixels=draw_hot_pixels(params.frame_shape_yx, params.hot_pixel_fraction, specimen.run, seed),
        seed=seed,
        workers=resources.workers,
        memory_gib=0.25 * resources.memory_gib,
    )
    movies = MovieSet(
        run=specimen.run,
        movies=tuple(_movie(scene, tilt) for tilt in range(conditions.geometry.n_tilts)),
        pixel_size_angstrom=params.pixel_size_angstrom,
        gain_yx=InMemory(gain_yx),
        nominal_tilt_axis_deg=params.tilt_axis_deg,
        optics=params.optics,
    )
    return movies, _truth(specimen, structures, conditions, params)


def _check(specimen: Specimen, structures: Mapping[str, Structure], params: MicroscopeParams) -> None:
    missing = sorted({m.species for m in specimen.molecules} - set(structures))
    if missing:
        raise ParameterError(
            f"{specimen.run}: expected a structure for every species, none was given for {', '.join(missing)}"
        )
    needed = field_of_view_size_xy_angstrom(params, specimen.thickness_angstrom)
    if any(has < needs * (1 - 1e-6) for has, needs in zip(specimen.size_angstrom_xyz, needed, strict=False)):
        x, y = specimen.size_angstrom_xyz[:2]
        raise GeometryError(
            f"{specimen.run}: the views need a specimen of at least {needed[0]:.0f} x {needed[1]:.0f} Å (x, y), "
            f"this one has {x:.0f} x {y:.0f} Å; pack a larger one or take smaller frames"
        )


def _movie(scene: Scene, tilt: int) -> Movie:
    params, conditions = scene.params, scene.conditions
    order = int(conditions.acquisition_order[tilt])
    return Movie(
        name=conditions.names[tilt],
        frames_tyx=RenderedFrames(scene, tilt),
        nominal_tilt_deg=float(conditions.nominal_tilt_deg[tilt]),
        acquisition_order=order,
        dose_e_per_angstrom2=params.dose_per_tilt_e_per_angstrom2,
        dose_before_e_per_angstrom2=order * params.dose_per_tilt_e_per_angstrom2,
        nominal_defocus_angstrom=params.defocus_angstrom,
        acquired_at=(_CLOCK_START + order * _CLOCK_STEP).isoformat(),
    )


def _truth(
    specimen: Specimen, structures: Mapping[str, Structure], conditions: Conditions, params: MicroscopeParams
) -> SeriesTruth:
    objects = tuple(
        PickableObject(
            name=name,
            label=label + 1,
            radius_angstrom=structure.radius_angstrom,
            symmetry=structure.symmetry,
            color_rgba=_COLORS[label % len(_COLORS)],
        )
        for label, (name, structure) in enumerate(structures.items())
    )
    return SeriesTruth(
        specimen=specimen,
        objects=objects,
        geometry=conditions.geometry,
        frame_shift_xy_angstrom=np.array(conditions.frame_shift_xy_angstrom),
        defocus_angstrom=np.array(conditions.defocus_angstrom),
        defocus_hand=params.defocus_hand,
        astigmatism_angstrom=np.array(conditions.astigmatism_angstrom),
        astigmatism_deg=np.array(conditions.astigmatism_deg),
        magnification=np.array(conditions.magnification),
        deformation=conditions.deformation,
        local_motion=conditions.local_motion,
        conditions=conditions.condition,
        missing_tilts_deg=conditions.missing_tilts_deg,
        field_angstrom=params.field_angstrom,
    )


def methods_text(params: MicroscopeParams) -> str:
    """Return one sentence for a methods section."""
    height, width = params.frame_shape_yx
    return (
        f"Tilt series were simulated at {params.voltage_kv:g} kV (Cs {params.cs_mm:g} mm, amplitude contrast "
        f"{params.amplitude_contrast:g}) from {params.tilt_min_deg:g}° to {params.tilt_max_deg:g}° in steps of "
        f"{params.tilt_step_deg:g}° ({params.scheme} scheme), as movies of {params.n_frames} frames of {width} x "
        f"{height} pixels of {params.pixel_size_angstrom:g} Å, with {params.total_dose_e_per_angstrom2:g} e⁻/Å² in "
        f"total at {params.defocus_angstrom / 1e4:g} µm underfocus, by linear weak-phase imaging with the defocus of "
        "each molecule's height, dose-dependent damage (Grant & Grigorieff 2015), beam-induced motion, phase noise "
        f"of the ice, inelastic loss with a mean free path of {params.mean_free_path_angstrom / 10:g} nm and Poisson "
        f"counts at a DQE of {params.dqe:g}."
    )
