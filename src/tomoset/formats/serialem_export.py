"""``MovieSet`` -> the mdoc that SerialEM 4.1 would have written beside these movies, in the order of acquisition.

The keys are those of a K3's tilt series, in SerialEM's order; CameraLength (diffraction) and ChannelName (scanning) do
not occur there. GainReference and DefectFile are what SerialEM writes about frames that are not corrected.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from tomoset.formats.mdoc import Fields, Mdoc, MdocSection
from tomoset.formats.serialem_facts import wrap_deg
from tomoset.model import Movie, MovieSet

__all__ = ["CountStatistics", "ScopeSettings", "movie_set_mdoc"]

_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_VERSION = "tomoset, in the form of SerialEM 4.1"
_ANGSTROM_PER_UM = 1e4
# A K3's frames at magnification 33000 have pixels of 2.5654 Å (frames of a Krios with a GIF: 1.2827 Å at binning 0.5).
_MAGNIFICATION_TIMES_PIXEL = 33000 * 2.5654


@dataclass(frozen=True, slots=True, kw_only=True)
class CountStatistics:
    """Least, greatest and mean counts of a pixel in the sum of a movie's frames."""

    least: float
    greatest: float
    mean: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ScopeSettings:
    r"""What SerialEM writes that a ``MovieSet`` does not hold.

    Parameters
    ----------
    title : str
        Text of the first title, after "SerialEM: ".
    magnification : int or None
        None for that of a K3 with the movies' pixel size.
    mag_index : int
        Of SerialEM's table of magnifications.
    intensity : float
        C2 lens or illuminated area, 0 to 1.
    spot_size, camera_index, binning : int
    uses_cds : bool
        Correlated double sampling of a K3.
    slit_width_ev, energy_loss_ev : float
        Of the energy filter.
    counts_per_electron : float
        Of the frames.
    exposure_time_s : float
        Of a movie that does not say itself.
    movie_folder : str
        Put before the movies' names in SubFramePath, e.g. ``"D:\frames"``; empty for bare names.
    gain_name, defect_name : str
        Files beside the movies; empty for none.
    """

    title: str = "tomoset"
    magnification: int | None = None
    mag_index: int = 26
    intensity: float = 0.1
    spot_size: int = 8
    camera_index: int = 1
    binning: int = 1
    uses_cds: bool = False
    slit_width_ev: float = 20.0
    energy_loss_ev: float = 0.0
    counts_per_electron: float = 1.0
    exposure_time_s: float = 1.0
    movie_folder: str = ""
    gain_name: str = ""
    defect_name: str = ""


def movie_set_mdoc(
    movie_set: MovieSet,
    *,
    settings: ScopeSettings | None = None,
    statistics: Mapping[str, CountStatistics] | None = None,
) -> Mdoc:
    """Describe a set of movies as SerialEM does.

    Parameters
    ----------
    movie_set : MovieSet
        Movies with name, tilt, dose, order; times and target defocus where known.
    settings : ScopeSettings, optional
        What else SerialEM writes.
    statistics : mapping of str to CountStatistics, optional
        By movie's name: MinMaxMean and DoseRate are written where it is known.

    Returns
    -------
    Mdoc
        One ``ZValue`` section a movie. ExposureTime stands behind SubFramePath, and DateTime has two blanks: AreTomo3
        2.3.0 skips every second tilt otherwise. RotationAngle is the tilt axis angle plus 90.
    """
    scope = settings or ScopeSettings()
    known = statistics or {}
    movies = sorted(movie_set.movies, key=lambda movie: movie.acquisition_order)
    rows, columns = movies[0].frames_tyx.shape[1:]
    first = f"SerialEM: {scope.title}"
    if movies[0].acquired_at is not None:
        first = f"{first:<50}{_serialem_time(movies[0].acquired_at)}    "
    axis = _at_least_one_decimal(movie_set.nominal_tilt_axis_deg)
    used = f"binning = {scope.binning}  spot = {scope.spot_size}  camera = {scope.camera_index}"
    return Mdoc(
        fields=(
            ("PixelSpacing", _number(movie_set.pixel_size_angstrom)),
            ("Voltage", _number(movie_set.optics.voltage_kv)),
            ("Version", _VERSION),
            ("ImageFile", f"{movie_set.run}.mrc"),
            ("ImageSize", f"{columns} {rows}"),
            ("DataMode", "1"),
        ),
        titles=(
            first,
            f"    Tilt axis angle = {axis}, {used}",
        ),
        sections=tuple(
            MdocSection(index=index, fields=_section_fields(movie, movie_set, scope, known.get(movie.name)))
            for index, movie in enumerate(movies)
        ),
    )


def _section_fields(movie: Movie, movie_set: MovieSet, scope: ScopeSettings, counts: CountStatistics | None) -> Fields:
    n_frames, rows, columns = movie.frames_tyx.shape
    exposure_s = scope.exposure_time_s if movie.exposure_time_s is None else movie.exposure_time_s
    path = f"{scope.movie_folder}\\{movie.name}" if scope.movie_folder else movie.name
    target = _defocus_um(movie.nominal_defocus_angstrom)
    shift = _numbers_um(movie.image_shift_xy_angstrom)
    magnification = scope.magnification or round(_MAGNIFICATION_TIMES_PIXEL / movie_set.pixel_size_angstrom, -2)
    fields = (
        *(_counted(counts, exposure_s, scope)[:1]),
        ("TiltAngle", _number(movie.nominal_tilt_deg)),
        ("StagePosition", _numbers_um(movie.stage_position_angstrom_xyz[:2])),
        ("StageZ", _numbers_um(movie.stage_position_angstrom_xyz[2:])),
        ("Magnification", f"{magnification:.0f}"),
        ("Intensity", _number(scope.intensity)),
        ("ExposureDose", _number(movie.dose_e_per_angstrom2)),
        *(_counted(counts, exposure_s, scope)[1:]),
        ("PixelSpacing", _number(movie_set.pixel_size_angstrom)),
        ("SpotSize", str(scope.spot_size)),
        ("Defocus", target if movie.lens_defocus_angstrom is None else _defocus_um(movie.lens_defocus_angstrom)),
        ("ImageShift", shift),
        ("RotationAngle", _number(wrap_deg(movie_set.nominal_tilt_axis_deg + 90.0))),
        ("Binning", str(scope.binning)),
        ("CameraIndex", str(scope.camera_index)),
        ("DividedBy2", "0"),
        ("OperatingMode", "1"),
        ("UsingCDS", str(int(scope.uses_cds))),
        ("MagIndex", str(scope.mag_index)),
        ("LowDoseConSet", "4"),  # the Record area
        ("CountsPerElectron", _number(scope.counts_per_electron)),
        ("TargetDefocus", target),
        ("PriorRecordDose", _number(movie.dose_before_e_per_angstrom2)),
        ("SubFramePath", path),
        ("ExposureTime", _number(exposure_s)),
        ("NumSubFrames", str(n_frames)),
        ("FrameDosesAndNumber", f"{_number(movie.dose_e_per_angstrom2 / n_frames)} {n_frames}"),
        ("GainReference", scope.gain_name or None),
        ("DefectFile", scope.defect_name or None),
        ("DateTime", None if movie.acquired_at is None else _serialem_time(movie.acquired_at)),
        ("NavigatorLabel", movie_set.run),
        ("FilterSlitAndLoss", f"{_number(scope.slit_width_ev)} {_number(scope.energy_loss_ev)}"),
        ("UncroppedSize", f"{-columns} {-rows}"),
        ("SpecimenShift", shift if any(movie.image_shift_xy_angstrom) else None),  # PACE-tomo's own key
    )
    return tuple((key, value) for key, value in fields if value is not None)


def _counted(counts: CountStatistics | None, exposure_s: float, scope: ScopeSettings) -> tuple[tuple[str, str], ...]:
    """MinMaxMean, and the electrons per pixel and second that the mean stands for."""
    if counts is None:
        return ()
    rate = counts.mean / scope.counts_per_electron / exposure_s
    return (
        ("MinMaxMean", f"{_number(counts.least)} {_number(counts.greatest)} {_number(counts.mean)}"),
        ("DoseRate", _number(rate)),
    )


def _defocus_um(underfocus_angstrom: float | None) -> str | None:
    """SerialEM's micrometres, negative = underfocus."""
    return None if underfocus_angstrom is None else _number(0.0 - underfocus_angstrom / _ANGSTROM_PER_UM)


def _numbers_um(values_angstrom: tuple[float, ...]) -> str:
    return " ".join(_number(value / _ANGSTROM_PER_UM) for value in values_angstrom)


def _number(value: float) -> str:
    """Six significant digits, as SerialEM's %g."""
    return f"{value + 0.0:g}"


def _at_least_one_decimal(value: float) -> str:
    text = f"{round(value, 4):g}"
    return text if "." in text else f"{text}.0"


def _serialem_time(iso: str) -> str:
    """dd-Mon-yy and two blanks before the time; month names are English whatever the locale."""
    at = datetime.fromisoformat(iso)
    return f"{at.day:02d}-{_MONTHS[at.month - 1]}-{at.year % 100:02d}  {at:%H:%M:%S}"
