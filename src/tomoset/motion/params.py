"""What changes the answer of motion correction."""

from dataclasses import dataclass

from tomoset.errors import ParameterError

__all__ = ["MotionParams", "methods_text"]


@dataclass(frozen=True, slots=True, kw_only=True)
class MotionParams:
    """Settings of the motion correction.

    Parameters
    ----------
    pixel_size_angstrom : float or None
        Of the images, at least that of the frames; None keeps the frames' own.
    dose_weighted : bool
        Whether sums weighted by what the dose has left of each frequency are made too.
    local_patches : int
        Patches along the frame's shorter side in which local motion is looked for; 0 for global motion only.
    b_factor_pixel2 : float
        The first, coarse search weights the cross-correlation by ``exp(−2 B k²)``, k in cycles per pixel.
    band_cycles_per_pixel, finest_angstrom : float
        Frames are registered on the Fourier grid up to the lower of this frequency (0.5 is Nyquist) and this spacing.
    max_iterations : int
        Most passes of the refinement over all frames.
    tolerance_pixel : float
        The refinement stops when no frame moves by more.
    max_shift_angstrom : float
        Farthest a frame may lie from the mean of the others, Å.
    hot_pixel_sigma : float
        A pixel of the summed movie this many standard deviations from its local median is a defect.
    dark_fraction : float
        A movie whose mean is below this fraction of the series' median is not used.

    Raises
    ------
    ParameterError
        If a value is out of range.
    """

    pixel_size_angstrom: float | None = None
    dose_weighted: bool = False
    local_patches: int = 5
    b_factor_pixel2: float = 150.0
    band_cycles_per_pixel: float = 0.4
    finest_angstrom: float = 8.0
    max_iterations: int = 8
    tolerance_pixel: float = 0.005
    max_shift_angstrom: float = 100.0
    hot_pixel_sigma: float = 6.0
    dark_fraction: float = 0.02

    def __post_init__(self) -> None:
        """Refuse what cannot work."""
        ranges = {
            "pixel_size_angstrom": (0.05, 1e3),
            "local_patches": (0, 20),
            "b_factor_pixel2": (0.0, 1e5),
            "band_cycles_per_pixel": (0.02, 0.5),
            "finest_angstrom": (0.5, 100.0),
            "max_iterations": (1, 100),
            "tolerance_pixel": (1e-6, 1.0),
            "max_shift_angstrom": (1e-3, 1e5),
            "hot_pixel_sigma": (3.0, 1e3),
            "dark_fraction": (0.0, 0.9),
        }
        for name, (low, high) in ranges.items():
            value = getattr(self, name)
            if value is None:
                continue
            if not low <= value <= high:
                raise ParameterError(f"motion: {name} must lie in {low:g} … {high:g}, found {value:g}; correct it")
        if self.local_patches in (1, 2):
            raise ParameterError(
                f"motion: local_patches must be 0 (global motion only) or at least 3, found {self.local_patches}"
            )


def methods_text(params: MotionParams) -> str:
    """One sentence that says what was done to the movies, for a methods section."""
    local = (
        f"; motion within the field, a cubic polynomial in time and a quadratic one in space (Zivanov et al. 2018), "
        f"was fitted to {params.local_patches} patches along the shorter side at once and kept where each half of the "
        "frequencies predicted the other better with it"
        if params.local_patches
        else ""
    )
    pixel = (
        "" if params.pixel_size_angstrom is None else f"Fourier-cropped to {params.pixel_size_angstrom:g} Å per pixel, "
    )
    weighting = "with and without weights for dose" if params.dose_weighted else "without dose weighting"
    return (
        "Movies were multiplied by the gain reference, pixels more than "
        f"{params.hot_pixel_sigma:g} standard deviations from their local median were replaced by their neighbours, "
        "and frames were aligned globally by iterated leave-one-out cross-correlation (coarse search with "
        f"B = {params.b_factor_pixel2:g} px², refinement with weights from the measured signal and noise spectra up "
        f"to {params.band_cycles_per_pixel:g} cycles per pixel or {params.finest_angstrom:g} Å){local}; frames were "
        f"{pixel}summed by Fourier shifts {weighting}; sums of the odd and of the even frames were kept."
    )
