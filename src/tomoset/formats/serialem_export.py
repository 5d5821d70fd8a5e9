"""``MovieSet`` -> the mdoc that SerialEM 4.1 would have written beside these movies, in the order of acquisition."""

from dataclasses import dataclass
from datetime import datetime

from tomoset.formats.mdoc import Fields, Mdoc, MdocSection
from tomoset.formats.serialem_facts import wrap_deg
from tomoset.model import Movie, MovieSet

__all__ = ["ScopeSettings", "movie_set_mdoc"]

_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


@dataclass(frozen=True, slots=True, kw_only=True)
class ScopeSettings:
    r"""What SerialEM writes that a ``MovieSet`` does not hold.

    Parameters
    ----------
    title : str
        Text of the first title, after "SerialEM: ".
    magnification : int
    intensity : float
        C2 lens or illuminated area, 0 to 1.
    spot_size, camera_index, binning : int
    exposure_time_s : float
        Of a whole movie.
    stage_position_um_xy : tuple of float
    stage_z_um : float
    movie_folder : str
        Put before the movies' names in SubFramePath, e.g. ``"D:\frames"``; empty for bare names.
    """

    title: str = "tomoset"
    magnification: int = 33000
    intensity: float = 0.1
    spot_size: int = 8
    camera_index: int = 1
    binning: int = 1
    exposure_time_s: float = 1.0
    stage_position_um_xy: tuple[float, float] = (0.0, 0.0)
    stage_z_um: float = 0.0
    movie_folder: str = ""


def movie_set_mdoc(movie_set: MovieSet, *, settings: ScopeSettings | None = None) -> Mdoc:
    """Describe a set of movies as SerialEM does.

    Parameters
    ----------
    movie_set : MovieSet
        Movies with name, tilt, dose, order; times and target defocus where known.
    settings : ScopeSettings, optional
        What else SerialEM writes.

    Returns
    -------
    Mdoc
        One ``ZValue`` section a movie. ExposureTime stands behind SubFramePath, and DateTime has two blanks: AreTomo3
        2.3.0 skips every second tilt otherwise. RotationAngle is the tilt axis angle plus 90.
    """
    scope = settings or ScopeSettings()
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
            ("ImageFile", f"{movie_set.run}.mrc"),
            ("ImageSize", f"{columns} {rows}"),
            ("DataMode", "1"),
        ),
        titles=(
            first,
            f"    Tilt axis angle = {axis}, {used}",
        ),
        sections=tuple(
            MdocSection(index=index, fields=_section_fields(movie, movie_set, scope))
            for index, movie in enumerate(movies)
        ),
    )


def _section_fields(movie: Movie, movie_set: MovieSet, scope: ScopeSettings) -> Fields:
    n_frames = movie.frames_tyx.shape[0]
    x, y = scope.stage_position_um_xy
    rotation = wrap_deg(movie_set.nominal_tilt_axis_deg + 90.0)
    target = None if movie.nominal_defocus_angstrom is None else _number(0.0 - movie.nominal_defocus_angstrom / 1e4)
    path = f"{scope.movie_folder}\\{movie.name}" if scope.movie_folder else movie.name
    fields = (
        ("TiltAngle", _number(movie.nominal_tilt_deg)),
        ("StagePosition", f"{_number(x)} {_number(y)}"),
        ("StageZ", _number(scope.stage_z_um)),
        ("Magnification", str(scope.magnification)),
        ("Intensity", _number(scope.intensity)),
        ("ExposureDose", _number(movie.dose_e_per_angstrom2)),
        ("PixelSpacing", _number(movie_set.pixel_size_angstrom)),
        ("SpotSize", str(scope.spot_size)),
        ("Defocus", target),
        ("ImageShift", "0 0"),
        ("RotationAngle", _number(rotation)),
        ("Binning", str(scope.binning)),
        ("CameraIndex", str(scope.camera_index)),
        ("TargetDefocus", target),
        ("PriorRecordDose", _number(movie.dose_before_e_per_angstrom2)),
        ("SubFramePath", path),
        ("ExposureTime", _number(scope.exposure_time_s)),
        ("NumSubFrames", str(n_frames)),
        ("FrameDosesAndNumber", f"{_number(movie.dose_e_per_angstrom2 / n_frames)} {n_frames}"),
        ("DateTime", None if movie.acquired_at is None else _serialem_time(movie.acquired_at)),
    )
    return tuple((key, value) for key, value in fields if value is not None)


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
