"""What a reconstruction may be asked to do."""

import math
from dataclasses import dataclass
from typing import Literal, get_args

from tomoset.errors import ParameterError

__all__ = ["CtfCorrection", "Filter", "ReconstructionParams"]

Filter = Literal["ramp", "hamming", "exact"]
CtfCorrection = Literal["phase-flip", "none"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReconstructionParams:
    """Parameters of :func:`tomoset.reconstruction.reconstruct`.

    Parameters
    ----------
    voxel_size_angstrom : float
        Edge of a voxel, Å; not smaller than the tilt images' pixel.
    thickness_angstrom : float
        Extent of the volume along z, Å; it should hold the whole specimen.
    filter : {"ramp", "hamming", "exact"}
        Weighting across the tilt axis: the plain ramp; the ramp times ``0.55 + 0.45 cos(2 π f)`` (AreTomo), which
        damps fine noise; or the overlap of the central slices of an object as thick as the volume (Harauz & van Heel
        1986, Optik 73:146).
    dose_weighting : bool
        Damp each tilt by the radiation damage it had seen at the middle of its exposure (Grant & Grigorieff 2015),
        normalised so that white noise keeps its spectrum.
    ctf_correction : {"phase-flip", "none"}
        Turn over the phases that the CTF has turned, with the defocus gradient of a tilted specimen.
    lateral_shape_yx : tuple of int or None
        Voxels along the tilt axis and across it; None takes the whole field of the images.
    half_sets : bool
        Also reconstruct the odd and the even frames, when the series has them.

    Raises
    ------
    ParameterError
        If a size is not positive or a word is unknown.
    """

    voxel_size_angstrom: float = 10.0
    thickness_angstrom: float = 1800.0
    filter: Filter = "ramp"
    dose_weighting: bool = True
    ctf_correction: CtfCorrection = "phase-flip"
    lateral_shape_yx: tuple[int, int] | None = None
    half_sets: bool = True

    def __post_init__(self) -> None:
        """Refuse what cannot be reconstructed."""
        for name in ("voxel_size_angstrom", "thickness_angstrom"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value > 0):
                raise ParameterError(f"reconstruction.{name}: expected a positive length in Å, found {value}")
        if self.thickness_angstrom < self.voxel_size_angstrom:
            raise ParameterError(
                f"reconstruction.thickness_angstrom: expected at least one voxel ({self.voxel_size_angstrom:g} Å), "
                f"found {self.thickness_angstrom:g} Å"
            )
        for name, words in (("filter", get_args(Filter)), ("ctf_correction", get_args(CtfCorrection))):
            if getattr(self, name) not in words:
                raise ParameterError(
                    f"reconstruction.{name}: expected one of {', '.join(words)}, found {getattr(self, name)!r}"
                )
        if self.lateral_shape_yx is not None and min(self.lateral_shape_yx) < 1:
            raise ParameterError(
                f"reconstruction.lateral_shape_yx: expected two positive numbers of voxels (y, x), "
                f"found {self.lateral_shape_yx}"
            )
