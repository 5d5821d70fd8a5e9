"""What the simulated microscope is set to."""

import math
from dataclasses import dataclass
from typing import Literal

from tomoset.microscope._param_checks import check
from tomoset.model import Optics
from tomoset.physics import ICE_MEAN_FREE_PATH_ANGSTROM, wavelength_angstrom

__all__ = ["FrameFormat", "MicroscopeParams", "Mtf", "Propagation", "Scheme"]

Scheme = Literal["dose-symmetric", "bidirectional", "unidirectional"]
Mtf = Literal["none", "k3-standard", "k3-cds"]
Propagation = Literal["linear", "multislice"]
FrameFormat = Literal["tiff", "mrc"]


@dataclass(frozen=True, slots=True, kw_only=True)
class MicroscopeParams:
    """Settings and imperfections of the microscope that records a tilt series.

    A standard deviation is that of a Gaussian draw, of which none beyond 4 sigma occurs.

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
    group_grows_from_deg : float
        Beyond this distance from the first tilt each group of the dose-symmetric scheme is one tilt larger than the
        one before on its side; 180 for never.
    start_tilt_deg : float
        Stage angle of the first exposure of the dose-symmetric and bidirectional schemes (the nearest tilt is taken).
    pretilt_deg : float
        Angle of the specimen's plane against the stage, about the tilt axis, as of a milled lamella: the specimen's
        tilt is the stage's plus this.
    total_dose_e_per_angstrom2 : float
        Of the whole series, shared evenly by all frames of all tilts.
    defocus_angstrom, defocus_jitter_angstrom : float
        Target defocus (positive = underfocus) and the standard deviation of the true one about it, per tilt.
    defocus_drift_angstrom : float
        Standard deviation of the change of defocus from first to last exposure, linear in between.
    astigmatism_angstrom, astigmatism_deg : float
        Difference U − V of the two defoci, and the angle of U from image x, counter-clockwise; the series' mean.
    astigmatism_jitter_angstrom : float
        Standard deviation of both components (A cos 2φ, A sin 2φ) of the astigmatism, per view.
    tilt_axis_deg, axis_error_deg : float
        Tilt axis angle the microscope writes, and the standard deviation of the true one (one offset a series).
    axis_jitter_deg : float
        Standard deviation of each view's axis about the series' true one.
    stage_shift_angstrom : float
        Standard deviation of the specimen's shift that tracking left, per image axis and view.
    eucentric_error_angstrom : float
        Standard deviation of the specimen's height z off the eucentric height, one a series: the image moves by
        z sin(tilt) across the axis and the defocus changes by z (cos(tilt) − cos(first tilt)).
    tilt_error_deg : float
        Standard deviation of the true tilt about the nominal one, per view.
    magnification_error : float
        Relative standard deviation of the magnification, per view.
    drift_angstrom : float
        Typical distance the specimen moves between the first two frames of a movie; later steps fade exponentially.
    deformation_angstrom : float
        Root mean square displacement, at the field's edge, that dose has brought about between first and last
        exposure: a quadratic field in x, y, z, fastest in the first exposures.
    local_motion_angstrom : float
        Root mean square, over field, frames and movies, of the motion within a movie beyond that of the whole frame:
        quadratic in x and y, strongest in the first frames and in the first movies.
    mean_free_path_angstrom : float
        Of inelastic scattering in ice, with an energy filter (395 nm on a 300 kV microscope: Rice et al. 2018).
    propagation : {"linear", "multislice"}
        Weak-phase imaging of each molecule at its own defocus, or the electron wave through slabs.
    slab_angstrom : float
        Thickness of a slab of the multislice calculation.
    illumination_half_angle_mrad : float
        Half-angle of the illumination for the spatial coherence envelope; 0 for none.
    focal_spread_angstrom : float
        Standard deviation of the focal spread for the temporal coherence envelope; 0 for none.
    ice_phase_noise : float
        Standard deviation of the phase that the ice's structure adds to a 10 Å pixel at 1800 Å of path, radians;
        grows with the square root of the path.
    ice_correlation_dose_e_per_angstrom2 : float
        Dose over which moving water forgets its structure; 0 for one structure a tilt.
    dqe : float
        Share of electrons that are counted, the same at all frequencies.
    mtf : {"none", "k3-standard", "k3-cds"}
        Modulation transfer of the camera's pixels.
    gain_spread : float
        Relative standard deviation of the pixels' sensitivity.
    hot_pixel_fraction, dead_pixel_fraction : float
        Shares of pixels that count too much in every frame (other ones in every series), and that never count.
    dose_rate_e_per_pixel_s : float
        Electrons at a pixel and second without specimen; gives the exposure time.
    internal_frames_per_s : float
        Frames in which the camera looks for electrons (K3: 1500).
    coincidence_pixels : float
        Area, pixels, within which two electrons of one internal frame count as one; 0 for no loss, else 1 to 9.
    dark_fraction, blocked_fraction, blurred_fraction, missing_fraction : float
        Probability that a view is nearly dark (beam partly off), covered by a grid bar on one side, blurred by drift
        within its frames, or was never saved; a third of a series at most is bad, and its first view is never missing.
    parallel_targets : int
        Series that share one stage position and are recorded side by side by beam-image shift, as PACE-tomo does.
    target_spacing_angstrom : float
        Distance between such neighbours on the specimen.
    frame_format : {"tiff", "mrc"}
        Of the movies' files.
    amplitude_contrast, voltage_kv, cs_mm : float
        Optics.
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
    group_grows_from_deg: float = 180.0
    start_tilt_deg: float = 0.0
    pretilt_deg: float = 0.0
    total_dose_e_per_angstrom2: float = 100.0
    defocus_angstrom: float = 35000.0
    defocus_jitter_angstrom: float = 300.0
    defocus_drift_angstrom: float = 0.0
    astigmatism_angstrom: float = 0.0
    astigmatism_deg: float = 0.0
    astigmatism_jitter_angstrom: float = 0.0
    tilt_axis_deg: float = 85.3
    axis_error_deg: float = 0.7
    axis_jitter_deg: float = 0.0
    stage_shift_angstrom: float = 40.0
    eucentric_error_angstrom: float = 0.0
    tilt_error_deg: float = 0.0
    magnification_error: float = 0.0
    drift_angstrom: float = 10.0
    deformation_angstrom: float = 0.0
    local_motion_angstrom: float = 0.0
    mean_free_path_angstrom: float = ICE_MEAN_FREE_PATH_ANGSTROM
    propagation: Propagation = "linear"
    slab_angstrom: float = 100.0
    illumination_half_angle_mrad: float = 0.0
    focal_spread_angstrom: float = 0.0
    ice_phase_noise: float = 0.0175
    ice_correlation_dose_e_per_angstrom2: float = 0.0
    dqe: float = 0.85
    mtf: Mtf = "none"
    gain_spread: float = 0.03
    hot_pixel_fraction: float = 1e-4
    dead_pixel_fraction: float = 0.0
    dose_rate_e_per_pixel_s: float = 15.0
    internal_frames_per_s: float = 1500.0
    coincidence_pixels: float = 0.0
    dark_fraction: float = 0.0
    blocked_fraction: float = 0.0
    blurred_fraction: float = 0.0
    missing_fraction: float = 0.0
    parallel_targets: int = 1
    target_spacing_angstrom: float = 15000.0
    frame_format: FrameFormat = "tiff"
    amplitude_contrast: float = 0.07
    voltage_kv: float = 300.0
    cs_mm: float = 2.7
    defocus_hand: int = 1

    def __post_init__(self) -> None:
        """Refuse what no microscope can do and what the simulation cannot."""
        check(self)

    @property
    def optics(self) -> Optics:
        """Voltage, spherical aberration and amplitude contrast."""
        return Optics(voltage_kv=self.voltage_kv, cs_mm=self.cs_mm, amplitude_contrast=self.amplitude_contrast)

    @property
    def n_tilts(self) -> int:
        """Number of planned views; those that are missing are counted."""
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
    def exposure_time_s(self) -> float:
        """Time of one movie, s."""
        return self.electrons_per_pixel_and_frame * self.n_frames / self.dose_rate_e_per_pixel_s

    @property
    def internal_frames_per_frame(self) -> float:
        """Internal frames of the camera that are summed in one saved frame, at least 1."""
        return max(self.exposure_time_s / self.n_frames * self.internal_frames_per_s, 1.0)

    @property
    def field_angstrom(self) -> float:
        """Half of the frame's longer side, Å: the unit of coordinates of the truth's polynomials."""
        return 0.5 * max(self.frame_shape_yx) * self.pixel_size_angstrom

    @property
    def delocalisation_angstrom(self) -> float:
        """How far the defocus carries the finest detail sideways: ``λ Δz k`` at Nyquist, Å."""
        nyquist = 0.5 / self.pixel_size_angstrom
        return wavelength_angstrom(self.voltage_kv) * self.defocus_angstrom * nyquist
