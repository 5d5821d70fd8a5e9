"""How filaments are traced."""

from dataclasses import dataclass

import numpy as np

from tomoset.errors import ParameterError

__all__ = ["FilamentParams"]


@dataclass(frozen=True, slots=True, kw_only=True)
class FilamentParams:
    """How filaments are traced.

    Amplitudes are in units of what the class's own structure gives in these images when nothing is lost (its
    potential, the optics and the dose are known), so that thresholds need no tuning.

    Parameters
    ----------
    segment_radii : float
        Standard deviation of the segments that are matched, along their axis, in radii of the filament.
    angular_step_deg : float
        Spacing of the directions searched.
    pixel_radii, grid_radii : float
        Pixels of the views and voxels of the search, in radii of the filament.
    search_blur_radii : float
        Blur of the views in the search, in radii (rms per axis): its voxels are too coarse for all that they show.
    seed_amplitude, least_amplitude : float
        What the search must find for a trace to begin, and to go on.
    amplitude : float
        Median that a whole trace must reach after its centre line has been refined.
    least_z : float
        Likewise in units of the spread of the responses over the tomogram.
    least_length_radii : float
        Shorter traces are not kept, in radii.
    gap_radii : float
        Longest stretch that is bridged, in radii.
    bend_radius_radii : float
        Sharpest bend that is followed, in radii.
    persistence_length_angstrom : float
        Stiffness assumed where the images say little.
    alignment_envelope_angstrom : float
        Error of the tilt images' shifts, Å rms per axis.
    crowd_angstrom : float
        Structure in a tomogram is common to all views as noise is not: frequencies across the tilt axis below one
        over this length are weighted down in proportion, as in a back-projection.
    segment_spacing_angstrom : float or None
        Distance of the picks along a filament; None for the repeat of its structure.
    instance_mask : bool
        Whether a mask of individuals is made too.

    Raises
    ------
    ParameterError
        If a value is outside its range.
    """

    segment_radii: float = 1.45
    angular_step_deg: float = 12.0
    pixel_radii: float = 0.22
    search_blur_radii: float = 0.14
    grid_radii: float = 0.5
    seed_amplitude: float = 0.5
    least_amplitude: float = 0.3
    amplitude: float = 0.6
    least_z: float = 4.0
    least_length_radii: float = 3.0
    gap_radii: float = 3.0
    bend_radius_radii: float = 20.0
    persistence_length_angstrom: float = 1e5
    alignment_envelope_angstrom: float = 5.0
    crowd_angstrom: float = 100.0
    segment_spacing_angstrom: float | None = None
    instance_mask: bool = False

    def __post_init__(self) -> None:
        """Refuse what cannot be traced."""
        ranges = {
            "segment_radii": (0.3, 20.0),
            "angular_step_deg": (2.0, 45.0),
            "pixel_radii": (0.02, 0.5),
            "search_blur_radii": (0.0, 1.0),
            "grid_radii": (0.05, 0.7),
            "seed_amplitude": (0.05, 2.0),
            "least_amplitude": (0.05, 2.0),
            "amplitude": (0.05, 2.0),
            "least_z": (1.0, 100.0),
            "least_length_radii": (1.0, 1000.0),
            "gap_radii": (0.0, 100.0),
            "bend_radius_radii": (1.0, 1e6),
            "persistence_length_angstrom": (10.0, 1e9),
            "alignment_envelope_angstrom": (0.0, 100.0),
            "crowd_angstrom": (1.0, 1e6),
        }
        for name, (least, most) in ranges.items():
            value = getattr(self, name)
            if not (np.isfinite(value) and least <= value <= most):
                raise ParameterError(f"filaments.{name}: expected {least:g} to {most:g}, got {value:g}")
        spacing = self.segment_spacing_angstrom
        if spacing is not None and not 1.0 <= spacing <= 1e5:
            raise ParameterError(
                f"filaments.segment_spacing_angstrom: expected 1 Å to 100000 Å or none, got {spacing:g} Å"
            )
