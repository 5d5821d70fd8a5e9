"""A tilt series: one image and one row of facts per tilt, none ever dropped."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tomoset.errors import GeometryError
from tomoset.geometry import TiltGeometry, quadratic_terms
from tomoset.model.array_source import ArraySource
from tomoset.model.movies import Optics

__all__ = ["CtfEstimate", "MotionTrack", "Tilt", "TiltSeries"]


@dataclass(frozen=True, slots=True, kw_only=True)
class CtfEstimate:
    """Defocus of one tilt and how well the data say so.

    Parameters
    ----------
    defocus_u_angstrom, defocus_v_angstrom : float
        Largest and smallest defocus at the image centre, positive = underfocus.
    astigmatism_deg : float
        Angle of the U direction from image x, counter-clockwise, degrees.
    score : float
        Correlation of the background-free spectrum with the fitted CTF², −1 to 1.
    resolution_angstrom : float
        Finest spacing at which the fit still follows the data.
    defocus_error_angstrom : float or None
        Standard error of the mean defocus; None where nobody estimated it.
    """

    defocus_u_angstrom: float
    defocus_v_angstrom: float
    astigmatism_deg: float
    score: float
    resolution_angstrom: float
    defocus_error_angstrom: float | None = None

    @property
    def defocus_angstrom(self) -> float:
        """Mean defocus."""
        return 0.5 * (self.defocus_u_angstrom + self.defocus_v_angstrom)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class MotionTrack:
    """Motion of one movie.

    Parameters
    ----------
    shift_xy_angstrom : (t, 2) array of float64
        Where the specimen has moved to in each frame, relative to the mean over frames, Å, image x then y.
    local_xy_angstrom : (2, 3, 6) array of float64 or None
        Motion within the field beyond that, RELION's model: for x and y, the coefficients of
        ``z^k · quadratic_terms(p)``, k = 1, 2, 3, with z the number of the frame (0 for the first) and p the position
        in the frame divided by its width and height, −0.5 to 0.5. Relative to the first frame, as RELION writes it;
        sums show every place at the mean over its frames. None where the data do not ask for it.
    """

    shift_xy_angstrom: NDArray[np.float64]
    local_xy_angstrom: NDArray[np.float64] | None = None

    def local_shift_xy_angstrom(self, position_xy: ArrayLike) -> NDArray[np.float64]:
        """Local motion (t, ..., 2), Å, of each frame at positions (..., 2) in the frame, −0.5 to 0.5."""
        terms = quadratic_terms(position_xy)
        n_frames = len(self.shift_xy_angstrom)
        if self.local_xy_angstrom is None:
            return np.zeros((n_frames, *terms.shape[:-1], 2))
        powers = np.arange(n_frames, dtype=np.float64)[:, None] ** np.arange(1, 4)
        return np.einsum("tk,...q,ckq->t...c", powers, terms, self.local_xy_angstrom)

    @property
    def total_angstrom(self) -> float:
        """Length of the path from the first frame to the last."""
        return float(np.linalg.norm(np.diff(self.shift_xy_angstrom, axis=0), axis=1).sum())


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Tilt:
    """One row of a tilt series.

    Parameters
    ----------
    name : str
        Name of the movie it came from.
    nominal_tilt_deg : float
        Stage angle, degrees.
    acquisition_order : int
        0 for the first exposure.
    dose_e_per_angstrom2, dose_before_e_per_angstrom2 : float
        Dose of this exposure, and what the specimen had received before.
    mean_counts : float
        Mean electrons counted per pixel over all frames (sets the shot noise).
    nominal_defocus_angstrom : float or None
        Target defocus, positive = underfocus; None when the microscope did not write it.
    use : bool
        Whether later stages use this tilt.
    reason : str
        Why not, when ``use`` is False; may also carry a remark when it is True.
    motion : MotionTrack or None
    ctf : CtfEstimate or None
    masked_fraction : float or None
        Share of the image that does not show the specimen (carbon, gold, grid bar, crystals); None before masking.
    """

    name: str
    nominal_tilt_deg: float
    acquisition_order: int
    dose_e_per_angstrom2: float
    dose_before_e_per_angstrom2: float
    mean_counts: float
    nominal_defocus_angstrom: float | None = None
    use: bool = True
    reason: str = ""
    motion: MotionTrack | None = None
    ctf: CtfEstimate | None = None
    masked_fraction: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TiltSeries:
    """Motion-corrected tilt images with their metadata, sorted by nominal tilt.

    Parameters
    ----------
    run : str
        Name of the series.
    pixel_size_angstrom : float
        Of the images.
    tilts : tuple of Tilt
        One row per image, ascending tilt.
    images_nyx : ArraySource
        Sums of all frames, float32, in counted electrons, not dose-weighted.
    odd_nyx, even_nyx : ArraySource or None
        Sums of the odd and the even frames (first frame counts as odd).
    dose_weighted_nyx : ArraySource or None
        Sums of all frames, each weighted by what the dose before it has left of every frequency.
    masks_nyx : (n, my, mx) array of bool or None
        True where an image does not show the specimen, on a grid coarser than the images over the same field.
    nominal_tilt_axis_deg : float
        Tilt axis angle the microscope wrote (``z_rot_deg``), degrees.
    optics : Optics
    geometry : TiltGeometry or None
        The alignment, one row per tilt (rows of unused tilts hold the nominal values); None before ``align``.
    defocus_hand : int
        +1 or −1: sign h in ``defocus(p) = defocus(origin) + h · height(p)``; 0 = undetermined.
    diagnostics : dict
        Numbers the stages report about their own quality (``"alignment.residual_angstrom"`` …).

    Raises
    ------
    GeometryError
        If the number of rows, images and geometry rows differ.
    """

    run: str
    pixel_size_angstrom: float
    tilts: tuple[Tilt, ...]
    images_nyx: ArraySource
    odd_nyx: ArraySource | None = None
    even_nyx: ArraySource | None = None
    dose_weighted_nyx: ArraySource | None = None
    masks_nyx: NDArray[np.bool_] | None = None
    nominal_tilt_axis_deg: float = 0.0
    optics: Optics = field(default_factory=Optics)
    geometry: TiltGeometry | None = None
    defocus_hand: int = 0
    diagnostics: dict[str, float] | None = None

    def __post_init__(self) -> None:
        """Check that every tilt has its row."""
        n = len(self.tilts)
        sources = {
            "images": self.images_nyx,
            "odd": self.odd_nyx,
            "even": self.even_nyx,
            "dose-weighted": self.dose_weighted_nyx,
            "masks": self.masks_nyx,
        }
        for name, source in sources.items():
            if source is not None and source.shape[0] != n:
                raise GeometryError(
                    f"{self.run}: {n} tilts but {source.shape[0]} {name} images; every tilt keeps its row"
                )
        if self.geometry is not None and self.geometry.n_tilts != n:
            raise GeometryError(f"{self.run}: {n} tilts but an alignment of {self.geometry.n_tilts}")

    @property
    def nominal_tilt_deg(self) -> NDArray[np.float64]:
        """Stage angles (n,), degrees."""
        return np.array([tilt.nominal_tilt_deg for tilt in self.tilts])

    @property
    def used(self) -> NDArray[np.intp]:
        """Indices of the tilts that are used."""
        return np.flatnonzero([tilt.use for tilt in self.tilts])

    @property
    def dose_middle_e_per_angstrom2(self) -> NDArray[np.float64]:
        """Dose the specimen had received at the middle of each exposure (n,)."""
        return np.array([t.dose_before_e_per_angstrom2 + t.dose_e_per_angstrom2 / 2 for t in self.tilts])

    def nominal_geometry(self) -> TiltGeometry:
        """Return the geometry the microscope believed in: stage angles, nominal axis, no shifts."""
        n = len(self.tilts)
        return TiltGeometry(
            y_tilt_deg=self.nominal_tilt_deg,
            z_rot_deg=np.full(n, self.nominal_tilt_axis_deg),
            shift_xy_angstrom=np.zeros((n, 2)),
        )

    def with_tilts(self, tilts: Iterable[Tilt]) -> "TiltSeries":
        """Return a copy with other rows (same number)."""
        return replace(self, tilts=tuple(tilts))
