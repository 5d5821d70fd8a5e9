"""What the simulated microscope is set to."""

import math
from dataclasses import dataclass
from typing import Literal

from tomoset.errors import ParameterError
from tomoset.model import Optics
from tomoset.physics import ICE_MEAN_FREE_PATH_ANGSTROM, wavelength_angstrom

__all__ = ["MicroscopeParams", "Scheme"]

Scheme = Literal["dose-symmetric", "bidirectional", "unidirectional"]

_POSITIVE = (
    "pixel_size_angstrom",
    "tilt_step_deg",
    "total_dose_e_per_angstrom2",
    "defocus_angstrom",
    "mean_free_path_angstrom",
    "voltage_kv",
)
_NOT_NEGATIVE = (
    "defocus_jitter_angstrom",
    "axis_error_deg",
    "stage_shift_angstrom",
    "tilt_error_deg",
    "drift_angstrom",
    "ice_phase_noise",
    "gain_spread",
    "cs_mm",
)
# Frames are stored in one byte; a mean of this many counts leaves room for contrast, gain and ten standard deviations.
_LARGEST_MEAN_COUNTS = 100.0


@dataclass(frozen=True, slots=True, kw_only=True)
class MicroscopeParams:
    """Settings and imperfections of the microscope that records a tilt series.

    Parameters
    ----------
    pixel_size_angstrom : float
        Of the recorded frames.
    frame_shape_yx : tuple of int
        Height and width of a frame, pixels; both even.
    n_frames : int
        Frames of each movie.
    tilt_min_deg, tilt_max_deg, tilt_step_deg : float
        Nominal tilts: from the smallest to at most the largest, ends included.
    scheme : {"dose-symmetric", "bidirectional", "unidirectional"}
        Order of acquisition.
    group_size : int
        Tilts recorded on one side before the dose-symmetric scheme changes sides.
    total_dose_e_per_angstrom2 : float
        Of the whole series, shared evenly by all frames of all tilts.
    defocus_angstrom, defocus_jitter_angstrom : float
        Target defocus (positive = underfocus) and the standard deviation of the true one about it, per tilt.
    tilt_axis_deg, axis_error_deg : float
        Tilt axis angle the microscope writes, and the standard deviation of the true one (one offset a series).
    stage_shift_angstrom : float
        Standard deviation of the specimen's shift, per image axis and view; larger draws than 4 sigma do not occur.
    tilt_error_deg : float
        Standard deviation of the true tilt about the nominal one, per view.
    drift_angstrom : float
        Typical distance the specimen moves between the first two frames of a movie; later steps fade exponentially.
    mean_free_path_angstrom : float
        Of inelastic scattering in ice, with an energy filter (395 nm on a 300 kV microscope: Rice et al. 2018).
    dqe : float
        Share of electrons that are counted, the same at all frequencies.
    ice_phase_noise : float
        Standard deviation of the phase that the ice's structure adds to a 10 Å pixel at 1800 Å of path, radians;
        grows with the square root of the path.
    hot_pixel_fraction : float
        Share of pixels that count too much in every frame.
    gain_spread : float
        Relative standard deviation of the pixels' sensitivity.
    amplitude_contrast, voltage_kv, cs_mm : float
        Optics; no astigmatism.
    defocus_hand : int
        +1 or −1, sign h in ``defocus(p) = defocus(origin) + h · height(p)``.

    Raises
    ------
    ParameterError
        If a value is outside what can be simulated.
    """

    pixel_size_angstrom: float = 5.0
    frame_shape_yx: tuple[int, int] = (768, 864)
    n_frames: int = 8
    tilt_min_deg: float = -45.0
    tilt_max_deg: float = 45.0
    tilt_step_deg: float = 3.0
    scheme: Scheme = "dose-symmetric"
    group_size: int = 1
    total_dose_e_per_angstrom2: float = 100.0
    defocus_angstrom: float = 35000.0
    defocus_jitter_angstrom: float = 300.0
    tilt_axis_deg: float = 85.3
    axis_error_deg: float = 0.7
    stage_shift_angstrom: float = 40.0
    tilt_error_deg: float = 0.0
    drift_angstrom: float = 10.0
    mean_free_path_angstrom: float = ICE_MEAN_FREE_PATH_ANGSTROM
    dqe: float = 0.85
    ice_phase_noise: float = 0.0175
    hot_pixel_fraction: float = 1e-4
    gain_spread: float = 0.03
    amplitude_contrast: float = 0.07
    voltage_kv: float = 300.0
    cs_mm: float = 2.7
    defocus_hand: int = 1

    def __post_init__(self) -> None:
        """Refuse what no microscope can do and what the simulation cannot."""
        self._check_numbers()
        self._check_tilts()
        self._check_sampling()

    @property
    def optics(self) -> Optics:
        """Voltage, spherical aberration and amplitude contrast."""
        return Optics(voltage_kv=self.voltage_kv, cs_mm=self.cs_mm, amplitude_contrast=self.amplitude_contrast)

    @property
    def n_tilts(self) -> int:
        """Number of views."""
        return math.floor((self.tilt_max_deg - self.tilt_min_deg) / self.tilt_step_deg + 1e-6) + 1

    @property
    def dose_per_tilt_e_per_angstrom2(self) -> float:
        """Dose of one view."""
        return self.total_dose_e_per_angstrom2 / self.n_tilts

    @property
    def electrons_per_pixel_and_frame(self) -> float:
        """Electrons that arrive at a pixel in one frame before any are lost."""
        return self.dose_per_tilt_e_per_angstrom2 / self.n_frames * self.pixel_size_angstrom**2

    @property
    def delocalisation_angstrom(self) -> float:
        """How far the defocus carries the finest detail sideways: ``λ Δz k`` at Nyquist, Å."""
        nyquist = 0.5 / self.pixel_size_angstrom
        return wavelength_angstrom(self.voltage_kv) * self.defocus_angstrom * nyquist

    def _check_numbers(self) -> None:
        for name in _POSITIVE:
            value = getattr(self, name)
            if not (math.isfinite(value) and value > 0):
                raise ParameterError(f"{name}: expected a positive number, got {value}")
        for name in _NOT_NEGATIVE:
            value = getattr(self, name)
            if not (math.isfinite(value) and value >= 0):
                raise ParameterError(f"{name}: expected zero or a positive number, got {value}")
        if self.n_frames < 1 or self.group_size < 1:
            raise ParameterError(f"expected n_frames and group_size ≥ 1, got {self.n_frames} and {self.group_size}")
        if not 0 < self.dqe <= 1 or not 0 <= self.amplitude_contrast < 1:
            raise ParameterError(
                f"expected 0 < dqe ≤ 1 and 0 ≤ amplitude_contrast < 1, got {self.dqe} and {self.amplitude_contrast}"
            )
        if not 0 <= self.hot_pixel_fraction <= 0.01 or self.gain_spread > 0.2:
            raise ParameterError(
                "expected hot_pixel_fraction between 0 and 0.01 and gain_spread at most 0.2, "
                f"got {self.hot_pixel_fraction} and {self.gain_spread}"
            )
        if self.defocus_hand not in {-1, 1}:
            raise ParameterError(f"defocus_hand: expected +1 or -1, got {self.defocus_hand}")

    def _check_tilts(self) -> None:
        if not -90 < self.tilt_min_deg <= self.tilt_max_deg < 90:
            raise ParameterError(
                "expected -90 < tilt_min_deg <= tilt_max_deg < 90, "
                f"got {self.tilt_min_deg} and {self.tilt_max_deg}; a slab cannot be seen edge-on"
            )
        if self.scheme not in {"dose-symmetric", "bidirectional", "unidirectional"}:
            raise ParameterError(
                f"scheme: expected 'dose-symmetric', 'bidirectional' or 'unidirectional', got {self.scheme!r}"
            )

    def _check_sampling(self) -> None:
        shape = self.frame_shape_yx
        if any(n < 32 or n % 2 for n in shape):
            raise ParameterError(f"frame_shape_yx: expected two even numbers of at least 32 pixels, got {shape}")
        if self.pixel_size_angstrom < 1.0:
            raise ParameterError(
                f"pixel_size_angstrom: expected 1 Å or more, got {self.pixel_size_angstrom:g} Å; molecules are "
                "modelled on a grid of half a pixel, which is not made finer than 0.5 Å"
            )
        first_zero_angstrom = math.sqrt(wavelength_angstrom(self.voltage_kv) * self.defocus_angstrom)
        if 2 * self.pixel_size_angstrom > first_zero_angstrom:
            raise ParameterError(
                f"pixel_size_angstrom: at {self.defocus_angstrom:g} Å defocus the first CTF zero lies at "
                f"{first_zero_angstrom:.1f} Å and a pixel of at most {first_zero_angstrom / 2:.1f} Å is needed to see "
                f"it, got {self.pixel_size_angstrom:g} Å; take finer pixels or more defocus"
            )
        field_angstrom = min(shape) * self.pixel_size_angstrom
        if field_angstrom < 2 * self.delocalisation_angstrom:
            raise ParameterError(
                f"frame_shape_yx: the defocus carries detail {self.delocalisation_angstrom:.0f} Å sideways and the "
                f"frame is only {field_angstrom:.0f} Å wide; take larger frames, coarser pixels or less defocus"
            )
        if self.electrons_per_pixel_and_frame > _LARGEST_MEAN_COUNTS:
            raise ParameterError(
                f"{self.electrons_per_pixel_and_frame:.0f} electrons a pixel and frame do not fit the one byte that "
                f"counts are stored in (at most {_LARGEST_MEAN_COUNTS:.0f}); take more frames or finer pixels"
            )
