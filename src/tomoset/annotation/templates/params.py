"""What is searched for, and how."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from tomoset.errors import ParameterError
from tomoset.model import PickableObject
from tomoset.structures import Structure

__all__ = ["HEAVY_KDA", "Template", "TemplateParams"]

TomogramChoice = Literal["raw", "denoised"]

HEAVY_KDA = 250.0
_COARSE_VOXEL_ANGSTROM = 20.0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Template:
    """A class of particles and what its members look like.

    Parameters
    ----------
    object : PickableObject
        Name, radius and symmetry under which it is labeled.
    structure : Structure
        Its scatterers, symmetry axes as in ``geometry.point_groups``.
    decoy : bool
        Whether it only competes: it takes the places that it explains best, and none of them is labeled.
    """

    object: PickableObject
    structure: Structure
    decoy: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class TemplateParams:
    """How templates are searched.

    Parameters
    ----------
    voxel_size_angstrom : float
        Voxels that hits are refined and scored on, Å; the tomogram is Fourier-cropped to the nearest size it allows (a
        ratio of small integers) and detail finer than two of these voxels is not used. The first zero of the contrast
        transfer function ends what counts: 13.3 Å keeps 90 % of the information at 3.5 µm.
    search_voxel_size_angstrom : float or None
        Voxels of the exhaustive search of the heaviest classes, Å, at least as large. None: 20 Å for classes of
        250 kDa and more, which stand out on their coarse detail alone; lighter ones are searched in what these leave,
        always on ``voxel_size_angstrom``.
    angular_step_deg : float or None
        Spacing of the rotations searched, degrees. None: chosen for each class so that half a step moves the
        particle's rim by ``rim_displacement`` of the finest detail, between 12° and 30°.
    rim_displacement : float
        See above; 0.4 of the finest detail.
    amplitude : float
        Share of the tomogram's own signal amplitude (measured on its surest hits) that the likelihood ratio assumes
        of a particle; below 1 because real particles never match a template perfectly.
    least_amplitude : float
        A hit with less than this share of the measured amplitude is a piece of something else: it takes no place.
    expected_false_positives : float
        Picks of noise expected per class and tomogram; sets the least correlation of a hit.
    score_threshold : float or None
        Threshold of the log-likelihood ratio given by hand for all classes. None keeps what is likelier true than
        false, by a mixture of true and false matches that is fitted to the amplitudes of each class.
    exclusion_fraction : float
        A particle's centre keeps this share of its compact radius (of a ball of its mass) away from the matter of
        every other, and of the sum of both radii from its centre.
    alignment_envelope_angstrom : float or None
        Error of the tilt images' shifts, Å rms per axis; it fades the template's fine detail as it faded the
        tomogram's. None: measured on the surest hits (all that blurs them counts), after a search with 5 Å.
    dose_weighted : bool
        Whether the reconstruction weighted the tilts by their dose (critical exposure of Grant & Grigorieff).
    tomogram : {"raw", "denoised"}
        Which tomogram is searched. The likelihood is that of a reconstruction's own noise: scores in a denoised one
        are no likelihoods.

    Raises
    ------
    ParameterError
        If a value is outside its range.
    """

    voxel_size_angstrom: float = 40.0 / 3.0
    search_voxel_size_angstrom: float | None = None
    angular_step_deg: float | None = None
    rim_displacement: float = 0.4
    amplitude: float = 0.7
    least_amplitude: float = 0.5
    expected_false_positives: float = 0.1
    score_threshold: float | None = None
    exclusion_fraction: float = 0.75
    alignment_envelope_angstrom: float | None = None
    dose_weighted: bool = True
    tomogram: TomogramChoice = "raw"

    def __post_init__(self) -> None:
        """Refuse what cannot be searched."""
        if self.tomogram not in get_args(TomogramChoice):
            raise ParameterError(f"templates.tomogram: expected raw or denoised, got {self.tomogram!r}")
        ranges = {
            "voxel_size_angstrom": (1.0, 100.0),
            "rim_displacement": (0.05, 2.0),
            "amplitude": (0.05, 2.0),
            "least_amplitude": (0.0, 1.0),
            "expected_false_positives": (1e-6, 1e6),
            "exclusion_fraction": (0.1, 2.0),
        }
        for name, (least, most) in ranges.items():
            value = getattr(self, name)
            if not least <= value <= most:
                raise ParameterError(f"templates.{name}: expected {least:g} to {most:g}, got {value:g}")
        if self.angular_step_deg is not None and not 1.0 <= self.angular_step_deg <= 90.0:
            raise ParameterError(
                f"templates.angular_step_deg: expected 1° to 90° or none, got {self.angular_step_deg:g}°"
            )
        if self.alignment_envelope_angstrom is not None and not 0 <= self.alignment_envelope_angstrom <= 100:
            raise ParameterError(
                "templates.alignment_envelope_angstrom: expected 0 Å to 100 Å or none, got "
                f"{self.alignment_envelope_angstrom:g} Å"
            )
        coarse = self.search_voxel_size_angstrom
        if coarse is not None and not self.voxel_size_angstrom <= coarse <= 100.0:
            raise ParameterError(
                f"templates.search_voxel_size_angstrom: expected {self.voxel_size_angstrom:g} Å (the voxels hits are "
                f"refined on) to 100 Å or none, got {coarse:g} Å"
            )

    def search_voxel_angstrom(self, masses_kda: Sequence[float]) -> float:
        """Voxel size of the exhaustive search for classes of these masses."""
        if self.search_voxel_size_angstrom is not None:
            return self.search_voxel_size_angstrom
        heavy = min(masses_kda) >= HEAVY_KDA
        return max(_COARSE_VOXEL_ANGSTROM, self.voxel_size_angstrom) if heavy else self.voxel_size_angstrom

    def step_deg(self, radius_angstrom: float, resolution_angstrom: float) -> float:
        """Angular step, degrees, for a particle of a radius seen at a resolution."""
        if self.angular_step_deg is not None:
            return self.angular_step_deg
        step = np.rad2deg(2 * self.rim_displacement * resolution_angstrom / radius_angstrom)
        return float(np.clip(step, 12.0, 30.0))
