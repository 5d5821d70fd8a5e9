"""The simulator's truth as labels of a tomogram, whoever reconstructed it."""

import numpy as np

from tomoset.annotation.frames import FrameFit, fit_specimen_frames
from tomoset.errors import GeometryError
from tomoset.model import Labels, PickableObject, Picks, SeriesTruth, Tomogram

__all__ = ["specimen_frame", "truth_labels", "truth_methods_text"]


def truth_methods_text() -> str:
    """One citable sentence on where true labels come from."""
    return (
        "True positions and poses were taken from the simulated specimen and carried into the tomogram's frame by "
        "the rigid motion that best maps the true projection geometry of the tilts used to the estimated one."
    )


def truth_labels(truth: SeriesTruth, tomogram: Tomogram) -> Labels:
    """Labels of everything the simulated specimen holds, in the frame of a tomogram made from its images.

    Parameters
    ----------
    truth : SeriesTruth
        What was projected, and how.
    tomogram : Tomogram
        Made with any alignment of the same rows.

    Returns
    -------
    Labels
        One entry per pickable object, with the molecules whose centre lies inside the volume. ``notes`` hold
        ``geometry_residual_angstrom`` (the disagreement of the two geometries that no rigid motion of the specimen
        explains, rms per view), the same across and along the tilt axis (``…_u_…``, ``…_v_…``), the size of the
        motion that was applied, and how many molecules lie outside the volume.

    Raises
    ------
    GeometryError
        If the tomogram's geometry has another number of rows than the truth, or uses fewer than three.
    """
    fit = specimen_frame(truth, tomogram)
    picks = tuple(_carry(truth, item, tomogram, fit) for item in truth.objects if item.is_particle)
    existing = sum(len(m) for m in truth.specimen.molecules if m.species in {p.object_name for p in picks})
    return Labels(
        run=tomogram.run,
        user="ground-truth",
        session="0",
        voxel_size_angstrom=tomogram.grid.voxel_size_angstrom,
        picks=picks,
        method=truth_methods_text(),
        notes=_notes(fit) | {"outside_the_volume": float(existing - sum(len(p) for p in picks))},
    )


def specimen_frame(truth: SeriesTruth, tomogram: Tomogram) -> FrameFit:
    """Rigid motion from the frame of the simulated specimen to that of a tomogram made from its images.

    Raises
    ------
    GeometryError
        As :func:`truth_labels`.
    """
    if truth.geometry.n_tilts != tomogram.geometry.n_tilts:
        raise GeometryError(
            f"{tomogram.run}: expected an alignment of the {truth.geometry.n_tilts} tilts of the truth, "
            f"found {tomogram.geometry.n_tilts}; every tilt keeps its row"
        )
    rows = np.asarray(tomogram.tilt_indices, dtype=np.intp)
    return fit_specimen_frames(
        truth.geometry.select(rows), tomogram.geometry.select(rows), _extent_angstrom(truth, tomogram)
    )


def _extent_angstrom(truth: SeriesTruth, tomogram: Tomogram) -> tuple[float, float, float]:
    """The part of the specimen that the volume shows: projections must agree there, not in empty space."""
    x, y, z = np.minimum(tomogram.grid.size_angstrom_xyz, truth.specimen.size_angstrom_xyz)
    return float(x), float(y), float(z)


def _notes(fit: FrameFit) -> dict[str, float]:
    across, along = np.sqrt(np.mean(fit.residual_uv_angstrom**2, axis=0))
    turn = np.rad2deg(np.arccos(np.clip((np.trace(fit.rotation) - 1) / 2, -1.0, 1.0)))
    return {
        "geometry_residual_angstrom": fit.residual_angstrom,
        "geometry_residual_u_angstrom": float(across),
        "geometry_residual_v_angstrom": float(along),
        "frame_turn_deg": float(turn),
        "frame_translation_angstrom": float(np.linalg.norm(fit.translation_angstrom_xyz)),
    }


def _carry(truth: SeriesTruth, item: PickableObject, tomogram: Tomogram, fit: FrameFit) -> Picks:
    positions = [np.zeros((0, 3))]
    rotations = [np.zeros((0, 3, 3))]
    for molecules in truth.specimen.molecules:
        if molecules.species == item.name:
            positions.append(tomogram.grid.volume_from_specimen(fit.apply(molecules.positions_angstrom_xyz)))
            rotations.append(fit.rotation @ np.asarray(molecules.rotations, dtype=np.float64))
    picks = Picks(
        object_name=item.name,
        positions_angstrom_xyz=np.concatenate(positions),
        rotations=np.concatenate(rotations),
    )
    return picks.select(tomogram.grid.contains(picks.positions_angstrom_xyz))
