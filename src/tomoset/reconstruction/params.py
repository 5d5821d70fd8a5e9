"""What a reconstruction may be asked to do."""

import math
from dataclasses import dataclass
from typing import Literal, get_args

from tomoset.errors import ParameterError

__all__ = ["CtfCorrection", "Filter", "Method", "ReconstructionParams"]

Method = Literal["wbp", "sirt", "sart"]
Filter = Literal["ramp", "hamming", "exact", "imod", "imod-sirt", "sirt-like"]
CtfCorrection = Literal["phase-flip", "multiply", "phase-flip-slabs", "multiply-slabs", "none"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReconstructionParams:
    """Parameters of :func:`tomoset.reconstruction.reconstruct`.

    Parameters
    ----------
    voxel_size_angstrom : float
        Edge of a voxel, Å; not smaller than the tilt images' pixel.
    thickness_angstrom : float
        Extent of the volume along z, Å; it should hold the whole specimen.
    method : {"wbp", "sirt", "sart"}
        Weighted back-projection; or iterations that bring the volume's projections towards the unfiltered views, all
        views at once (Gilbert 1972, J. Theor. Biol. 36:105) or some at a time. ``filter`` belongs to the first.
    iterations : int
        Passes over all views, for ``sirt`` and ``sart``.
    relaxation : float
        Share of the remaining difference that an iteration takes, above 0 and below 2; noisy views want less of it
        with ``sart``.
    subset_tilts : int
        Views that ``sart`` takes at a time, spread over the tilt range.
    filter : {"ramp", "hamming", "exact", "imod", "imod-sirt", "sirt-like"}
        Weighting across the tilt axis: the plain ramp; the ramp times ``0.55 + 0.45 cos(2 π f)`` (AreTomo), which
        damps fine noise; the overlap of the central slices of an object as thick as ``specimen_thickness_angstrom``
        (Harauz & van Heel 1986, Optik 73:146); IMOD's ramp with its Gaussian roll-off; IMOD's imitation of
        ``sirt_iterations`` iterations of SIRT; or what so many iterations do to an object of that thickness, both of
        which damp fine detail.
    imod_cutoff_cycles_per_voxel, imod_falloff_cycles_per_voxel : float
        Where the ramp of ``imod`` and ``imod-sirt`` ends, and the standard deviation of the Gaussian by which it falls
        from there (IMOD's RADIAL, with FalloffIsTrueSigma).
    sirt_iterations : int
        How many iterations ``sirt-like`` and ``imod-sirt`` (IMOD's FakeSIRTiterations) stand for.
    dose_weighting : bool
        Damp each tilt by the radiation damage it had seen at the middle of its exposure (Grant & Grigorieff 2015),
        normalised so that white noise keeps its spectrum.
    ctf_correction : {"phase-flip", "multiply", "phase-flip-slabs", "multiply-slabs", "none"}
        Turn over the phases that the CTF has turned, with the defocus gradient of a tilted specimen; or multiply by
        the CTF, which does this and damps what is noise near its zeros. With ``-slabs`` every slab along z gets the
        defocus of its own height (Turoňová et al. 2017, J. Struct. Biol. 199:187) rather than the middle plane's.
    ctf_slab_angstrom : float
        Thickness of these slabs, Å. Time and memory of the views grow with the number of slabs.
    specimen_thickness_angstrom : float or None
        Diameter of the object for ``exact`` and ``sirt-like``; None takes ``thickness_angstrom``.
    lateral_shape_yx : tuple of int or None
        Voxels along the tilt axis and across it; None takes the whole field of the images.
    centre_angstrom_xyz : tuple of float
        Where the volume's voxel N // 2 lies, Å from the specimen's origin; with ``lateral_shape_yx`` and
        ``thickness_angstrom`` this makes any region of interest.
    half_sets : bool
        Also reconstruct the odd and the even frames, when the series has them.

    Raises
    ------
    ParameterError
        If a size is not positive or a word is unknown.
    """

    voxel_size_angstrom: float = 10.0
    thickness_angstrom: float = 1800.0
    method: Method = "wbp"
    iterations: int = 10
    relaxation: float = 1.0
    subset_tilts: int = 4
    filter: Filter = "ramp"
    imod_cutoff_cycles_per_voxel: float = 0.35
    imod_falloff_cycles_per_voxel: float = 0.035
    sirt_iterations: int = 10
    dose_weighting: bool = True
    ctf_correction: CtfCorrection = "phase-flip"
    ctf_slab_angstrom: float = 180.0
    specimen_thickness_angstrom: float | None = None
    lateral_shape_yx: tuple[int, int] | None = None
    centre_angstrom_xyz: tuple[float, float, float] = (0.0, 0.0, 0.0)
    half_sets: bool = True

    def __post_init__(self) -> None:
        """Refuse what cannot be reconstructed."""
        _check_lengths(self)
        if self.thickness_angstrom < self.voxel_size_angstrom:
            raise ParameterError(
                f"reconstruction.thickness_angstrom: expected at least one voxel ({self.voxel_size_angstrom:g} Å), "
                f"found {self.thickness_angstrom:g} Å"
            )
        for name, words in (
            ("method", get_args(Method)),
            ("filter", get_args(Filter)),
            ("ctf_correction", get_args(CtfCorrection)),
        ):
            if getattr(self, name) not in words:
                raise ParameterError(
                    f"reconstruction.{name}: expected one of {', '.join(words)}, found {getattr(self, name)!r}"
                )
        if self.lateral_shape_yx is not None and min(self.lateral_shape_yx) < 1:
            raise ParameterError(
                f"reconstruction.lateral_shape_yx: expected two positive numbers of voxels (y, x), "
                f"found {self.lateral_shape_yx}"
            )
        if not all(math.isfinite(x) for x in self.centre_angstrom_xyz):
            raise ParameterError(
                f"reconstruction.centre_angstrom_xyz: expected three finite lengths in Å, "
                f"found {self.centre_angstrom_xyz}"
            )
        _check_filter(self)
        _check_iterations(self)

    @property
    def in_slabs(self) -> bool:
        """Whether every slab along z gets the defocus of its own height."""
        return self.ctf_correction.endswith("-slabs")


def _check_lengths(params: ReconstructionParams) -> None:
    for name in ("voxel_size_angstrom", "thickness_angstrom", "ctf_slab_angstrom", "specimen_thickness_angstrom"):
        value = getattr(params, name)
        if value is not None and not (math.isfinite(value) and value > 0):
            raise ParameterError(f"reconstruction.{name}: expected a positive length in Å, found {value}")


def _check_filter(params: ReconstructionParams) -> None:
    cutoff, falloff = params.imod_cutoff_cycles_per_voxel, params.imod_falloff_cycles_per_voxel
    if not (0 < cutoff <= 0.5 and 0 < falloff <= 0.5):
        raise ParameterError(
            "reconstruction.imod_cutoff_cycles_per_voxel and imod_falloff_cycles_per_voxel: expected numbers above 0 "
            f"and up to 0.5, found {cutoff:g} and {falloff:g}"
        )
    if params.sirt_iterations < 1:
        raise ParameterError(
            f"reconstruction.sirt_iterations: expected one iteration or more, found {params.sirt_iterations}"
        )


def _check_iterations(params: ReconstructionParams) -> None:
    for name in ("iterations", "subset_tilts"):
        if getattr(params, name) < 1:
            raise ParameterError(f"reconstruction.{name}: expected 1 or more, found {getattr(params, name)}")
    if not 0 < params.relaxation < 2:
        raise ParameterError(
            f"reconstruction.relaxation: expected a number above 0 and below 2, found {params.relaxation:g}"
        )
    if params.method != "wbp" and params.in_slabs:
        raise ParameterError(
            f"reconstruction.ctf_correction: expected phase-flip, multiply or none with the method {params.method}, "
            f"found {params.ctf_correction}: a view has one defocus at each place there; use the method wbp for slabs"
        )
