"""What changes the answer of motion correction."""

from dataclasses import dataclass

from tomoset.errors import ParameterError

__all__ = ["MotionParams", "methods_text"]


@dataclass(frozen=True, slots=True, kw_only=True)
class MotionParams:
    """Settings of the global motion correction.

    Parameters
    ----------
    b_factor_pixel2 : float
        The first, coarse search weights the cross-correlation by ``exp(−2 B k²)``, k in cycles per pixel.
    band_cycles_per_pixel : float
        Frames are registered on the Fourier grid up to this frequency (0.5 is Nyquist).
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

    b_factor_pixel2: float = 150.0
    band_cycles_per_pixel: float = 0.4
    max_iterations: int = 8
    tolerance_pixel: float = 0.005
    max_shift_angstrom: float = 100.0
    hot_pixel_sigma: float = 6.0
    dark_fraction: float = 0.02

    def __post_init__(self) -> None:
        """Refuse what cannot work."""
        ranges = {
            "b_factor_pixel2": (0.0, 1e5),
            "band_cycles_per_pixel": (0.02, 0.5),
            "max_iterations": (1, 100),
            "tolerance_pixel": (1e-6, 1.0),
            "max_shift_angstrom": (1e-3, 1e5),
            "hot_pixel_sigma": (3.0, 1e3),
            "dark_fraction": (0.0, 0.9),
        }
        for name, (low, high) in ranges.items():
            value = getattr(self, name)
            if not low <= value <= high:
                raise ParameterError(f"motion: {name} must lie in {low:g} … {high:g}, found {value:g}; correct it")


def methods_text(params: MotionParams) -> str:
    """One sentence that says what was done to the movies, for a methods section."""
    return (
        "Movies were multiplied by the gain reference, pixels more than "
        f"{params.hot_pixel_sigma:g} standard deviations from their local median were replaced by their neighbours, "
        "and frames were aligned globally by iterated leave-one-out cross-correlation (coarse search with "
        f"B = {params.b_factor_pixel2:g} px², refinement with weights from the measured signal and noise spectra up "
        f"to {params.band_cycles_per_pixel:g} cycles per pixel) and summed by Fourier shifts, without dose weighting; "
        "sums of the odd and of the even frames were kept."
    )
