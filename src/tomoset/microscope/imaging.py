"""The verb of this room: a specimen becomes the movies of a tilt series."""

from collections.abc import Mapping

import numpy as np

from tomoset.errors import GeometryError, ParameterError
from tomoset.microscope.camera import draw_camera
from tomoset.microscope.conditions import Conditions, draw_conditions
from tomoset.microscope.field import canvas_of, field_of_view_size_xy_angstrom
from tomoset.microscope.frames import RenderedFrames, Scene
from tomoset.microscope.optics import FINEST_ANGSTROM
from tomoset.microscope.params import MicroscopeParams
from tomoset.microscope.projection import transform_molecule
from tomoset.microscope.recording import recorded_movies
from tomoset.model import MovieSet, PickableObject, Progress, Resources, SeriesTruth, Specimen
from tomoset.structures import Structure

__all__ = ["image", "methods_text"]

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
    Linear weak-phase imaging: contrast = 2 σ V · CTF, each molecule at the defocus of its own height, lipids and other
    points each at theirs, damped by the radiation damage of the middle of its frame, by coherence envelopes and by
    the camera's MTF, plus the phase noise of ice at its own heights; intensity = dose · (1 + contrast) ·
    exp(−path / mean free path), less what gold or carbon absorb beyond the ice they displace and what a grid bar
    hides, times a flat DQE; Poisson counts, less coincidence loss. ``propagation = "multislice"`` adds what multiple
    and quadratic scattering change at the middle of each movie. Left out: depth within a molecule, beam tilt, and the
    energy filter's own aberrations.
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
    canvas = canvas_of(params)
    scene = Scene(
        specimen=specimen,
        transforms=transforms,
        conditions=conditions,
        params=params,
        canvas=canvas,
        camera=draw_camera(params, specimen.run, seed),
        seed=seed,
        workers=resources.workers,
        memory_gib=0.25 * resources.memory_gib,
    )
    frames = [RenderedFrames(scene, view) for view in range(conditions.geometry.n_tilts)]
    movies = recorded_movies(specimen.run, params, conditions, scene.camera, frames)
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
        f"total at {params.defocus_angstrom / 1e4:g} µm underfocus, by linear weak-phase imaging"
        f"{_beyond_linear_text(params)} with the defocus of each molecule's height, dose-dependent damage (Grant & "
        f"Grigorieff 2015), beam-induced motion, phase noise of the ice, inelastic loss with a mean free path of "
        f"{params.mean_free_path_angstrom / 10:g} nm{_imperfections_text(params)} and Poisson counts at a DQE of "
        f"{params.dqe:g}."
    )


def _beyond_linear_text(params: MicroscopeParams) -> str:
    if params.propagation == "linear":
        return ""
    return f", to which what the electron wave through slabs of {params.slab_angstrom / 10:g} nm changes was added,"


def _imperfections_text(params: MicroscopeParams) -> str:
    """Whatever of the optional physics is on, each with its number, as further members of a list."""
    parts = (
        (params.astigmatism_angstrom, f"astigmatism of {params.astigmatism_angstrom / 10:g} nm"),
        (params.illumination_half_angle_mrad, f"an illumination of {params.illumination_half_angle_mrad:g} mrad"),
        (params.focal_spread_angstrom, f"a focal spread of {params.focal_spread_angstrom / 10:g} nm"),
        (params.mtf != "none", f"the MTF of a {params.mtf} camera"),
        (params.coincidence_pixels, f"coincidence loss within {params.coincidence_pixels:g} pixels"),
        (params.magnification_error, f"magnification errors of {100 * params.magnification_error:g} %"),
        (params.deformation_angstrom, f"a specimen that deforms by {params.deformation_angstrom:g} Å"),
        (params.local_motion_angstrom, f"local motion of {params.local_motion_angstrom:g} Å"),
    )
    return "".join(f", {text}" for on, text in parts if on)
