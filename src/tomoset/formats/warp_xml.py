"""Warp's metadata of one tilt series (``<TiltSeries>`` XML): angles, axis, offsets, dose, and which tilts it uses.

Warp projects with ``Euler(0, Angle + LevelAngleY, −AxisAngle) · RotX(LevelAngleX)``, adds AxisOffset in Å and takes
GridMovement away (``WarpLib/TiltSeries.cs``): y_tilt = −(Angle + LevelAngleY), x_tilt = LevelAngleX, z_rot = AxisAngle,
shift = AxisOffset − movement. Its defocus grows with height unless AreAnglesInverted: that is hand −1. Grids that vary
over the field or turn views, which M fits, have no place in a tilt geometry of rotations and shifts; they are named.
"""

import os
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tomoset.errors import FormatError, GeometryError, InputMissingError
from tomoset.formats.atomic import write_text_atomic
from tomoset.formats.rigid_geometry import require_rigid
from tomoset.geometry import TiltGeometry

__all__ = ["WarpSeries", "is_warp_series", "read_warp_xml", "write_warp_xml"]

PathLike = str | os.PathLike[str]
Floats = NDArray[np.float64]

_TURNS = ("GridAngleX", "GridAngleY", "GridAngleZ")
_VOLUME = ("GridVolumeWarpX", "GridVolumeWarpY", "GridVolumeWarpZ")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class WarpSeries:
    """What Warp's XML says of a series, rows in its order.

    Parameters
    ----------
    geometry : TiltGeometry
    use : (n,) array of bool
    dose_before_e_per_angstrom2 : (n,) array of float64
    movie_names : tuple of str
        Empty where the file names none.
    defocus_hand : int
        +1, or −1 where AreAnglesInverted.
    image_size_angstrom_xy, volume_size_angstrom_xyz : tuple of float or None
    left_out : tuple of str
        Names of grids that the geometry cannot hold.
    """

    geometry: TiltGeometry
    use: NDArray[np.bool_]
    dose_before_e_per_angstrom2: Floats
    movie_names: tuple[str, ...] = ()
    defocus_hand: int = 1
    image_size_angstrom_xy: tuple[float, ...] | None = None
    volume_size_angstrom_xyz: tuple[float, ...] | None = None
    left_out: tuple[str, ...] = ()


def is_warp_series(path: PathLike) -> bool:
    """Whether a file is an XML with the root ``TiltSeries``."""
    try:
        return ElementTree.fromstring(Path(path).read_bytes()).tag == "TiltSeries"  # noqa: S314 no entities are fetched
    except (OSError, ElementTree.ParseError):
        return False


def read_warp_xml(path: PathLike) -> WarpSeries:
    """Read the XML of one series as Warp, WarpTools and M write it.

    Raises
    ------
    InputMissingError
        If there is no such file.
    FormatError
        If it is no XML of a tilt series, or the numbers of values differ.
    """
    file = Path(path)
    if not file.is_file():
        raise InputMissingError(f"{file}: expected Warp's XML of a tilt series, found nothing there; check the path")
    try:
        root = ElementTree.fromstring(file.read_bytes())  # noqa: S314 no entities are fetched
    except ElementTree.ParseError as error:
        raise FormatError(f"{file.name}: expected Warp's XML of a tilt series, found {error}") from error
    if root.tag != "TiltSeries" or not (root.findtext("Angles") or "").strip():
        raise FormatError(f"{file.name}: expected <TiltSeries> with <Angles>, found <{root.tag}>; take a series' file")
    angle = _values(file, root, "Angles", None)
    n = angle.size
    level = [_attribute(file, root, f"LevelAngle{axis}", 1)[0] for axis in "XY"]
    moved, left_out = _movement(file, root, n)
    offset = np.stack([_values(file, root, f"AxisOffset{axis}", n) for axis in "XY"], axis=1)
    geometry = TiltGeometry(
        y_tilt_deg=-(angle + level[1]),
        z_rot_deg=_values(file, root, "AxisAngle", n),
        shift_xy_angstrom=offset - moved,
        x_tilt_deg=np.full(n, level[0]),
    )
    volume, constant = _volume_warp(file, root)
    if np.any(constant):
        # The specimen is moved before it is turned.
        turned = np.einsum("nij,j->ni", geometry.image_from_specimen[:, :2], constant)
        geometry = TiltGeometry(
            y_tilt_deg=geometry.y_tilt_deg,
            z_rot_deg=geometry.z_rot_deg,
            shift_xy_angstrom=geometry.shift_xy_angstrom + turned,
            x_tilt_deg=geometry.x_tilt_deg,
        )
    names = tuple(line.strip() for line in (root.findtext("MoviePath") or "").split("\n") if line.strip())
    used = (root.findtext("UseTilt") or "").split()
    if len(names) not in (0, n) or len(used) not in (0, n):
        raise FormatError(
            f"{file.name}: expected {n} tilts, found {len(names)} in MoviePath and {len(used)} in UseTilt"
        )
    return WarpSeries(
        geometry=geometry,
        use=np.array([word != "False" for word in used], dtype=np.bool_) if used else np.ones(n, dtype=np.bool_),
        dose_before_e_per_angstrom2=_values(file, root, "Dose", n),
        movie_names=names,
        defocus_hand=-1 if root.get("AreAnglesInverted") == "True" else 1,
        image_size_angstrom_xy=_size(file, root, "ImageDimensionsAngstrom", 2),
        volume_size_angstrom_xyz=_size(file, root, "VolumeDimensionsAngstrom", 3),
        left_out=(*left_out, *volume, *_turned(file, root), *_magnified(root)),
    )


def write_warp_xml(path: PathLike, series: WarpSeries) -> Path:
    """Write the alignment of a series as Warp's XML; Warp takes everything else at its defaults.

    Raises
    ------
    GeometryError
        If a view is magnified or bent, or the views differ in their tilt about x.
    OutputError
        If it cannot be written.
    """
    geometry = series.geometry
    require_rigid(geometry, "Warp's XML")
    x_tilt = np.zeros(geometry.n_tilts) if geometry.x_tilt_deg is None else geometry.x_tilt_deg
    if np.ptp(x_tilt) > 1e-3:
        raise GeometryError(
            f"Warp's XML holds one tilt about x for all views, found {x_tilt.min():g}° to {x_tilt.max():g}°; write .xf "
            "with .xtilt instead"
        )
    root = ElementTree.Element("TiltSeries", AreAnglesInverted=str(series.defocus_hand < 0))
    root.set("LevelAngleX", f"{x_tilt.mean():.6g}")
    root.set("LevelAngleY", "0")
    for name, size in (
        ("ImageDimensionsAngstrom", series.image_size_angstrom_xy),
        ("VolumeDimensionsAngstrom", series.volume_size_angstrom_xyz),
    ):
        if size is not None:
            root.set(name, ", ".join(f"{value:.9g}" for value in size))
    columns: dict[str, ArrayLike] = {
        "Angles": -geometry.y_tilt_deg,
        "Dose": series.dose_before_e_per_angstrom2,
        "AxisAngle": geometry.z_rot_deg,
        "AxisOffsetX": geometry.shift_xy_angstrom[:, 0],
        "AxisOffsetY": geometry.shift_xy_angstrom[:, 1],
    }
    for name, values in columns.items():
        ElementTree.SubElement(root, name).text = "\n".join(f"{value:.9g}" for value in np.asarray(values))
    ElementTree.SubElement(root, "UseTilt").text = "\n".join(str(bool(use)) for use in series.use)
    if series.movie_names:
        ElementTree.SubElement(root, "MoviePath").text = "\n".join(series.movie_names)
    ElementTree.indent(root, space="\t")
    text = ElementTree.tostring(root, encoding="unicode")
    return write_text_atomic(path, f'<?xml version="1.0" encoding="utf-8"?>\n{text}\n')


def _values(file: Path, root: ElementTree.Element, name: str, n: int | None) -> Floats:
    """Values of an element, one a line; zeros where it is absent."""
    words = (root.findtext(name) or "").split()
    if not words and n is not None:
        return np.zeros(n)
    try:
        values = np.array([float(word) for word in words])
    except ValueError as error:
        raise FormatError(f"{file.name}: expected numbers in <{name}>, found {error}") from error
    if (n is not None and values.size != n) or not np.all(np.isfinite(values)):
        raise FormatError(f"{file.name}: expected {n} finite numbers in <{name}>, one a tilt, found {values.size}")
    return values


def _attribute(file: Path, root: ElementTree.Element, name: str, count: int) -> Floats:
    """Numbers of an attribute, separated by commas; zeros where it is absent."""
    try:
        values = np.array([float(word) for word in root.get(name, ",".join("0" * count)).split(",")])
    except ValueError as error:
        raise FormatError(f"{file.name}: expected {count} numbers in {name}, found {error}") from error
    if values.size != count:
        raise FormatError(f"{file.name}: expected {count} numbers in {name}, found {values.size}")
    return values


def _size(file: Path, root: ElementTree.Element, name: str, count: int) -> tuple[float, ...] | None:
    size = _attribute(file, root, name, count)
    return tuple(size.tolist()) if np.all(size > 0) else None


def _grid(file: Path, root: ElementTree.Element, name: str) -> tuple[tuple[int, int, int, int], Floats]:
    """Nodes (width, height, depth, duration) of a grid and their values, in the file's order."""
    element = root.find(name)
    if element is None:
        return (1, 1, 1, 1), np.zeros(1)
    try:
        size = tuple(int(element.get(side, "1")) for side in ("Width", "Height", "Depth", "Duration"))
        values = np.array([float(node.get("Value", "0")) for node in element.iter("Node")])
    except ValueError as error:
        raise FormatError(f"{file.name}: expected a grid of numbers in <{name}>, found {error}") from error
    return (size[0], size[1], size[2], size[3]), values if values.size else np.zeros(1)


def _movement(file: Path, root: ElementTree.Element, n: int) -> tuple[Floats, list[str]]:
    """Movement (n, 2), Å, of every view as a whole, and the names of grids that hold more."""
    moved, left_out = np.zeros((n, 2)), []
    for side, name in enumerate(("GridMovementX", "GridMovementY")):
        (width, height, depth, _), values = _grid(file, root, name)
        if width == height == 1 and depth in (1, n) and values.size == depth:
            moved[:, side] = values
        elif np.any(values):
            left_out.append(name)
    return moved, left_out


def _volume_warp(file: Path, root: ElementTree.Element) -> tuple[list[str], Floats]:
    """Grids of the specimen's motion that vary, and its constant part (3,), Å."""
    left_out, constant = [], np.zeros(3)
    for axis, name in enumerate(_VOLUME):
        _, values = _grid(file, root, name)
        if np.ptp(values) > 0:
            left_out.append(name)
        else:
            constant[axis] = values[0]
    return left_out, constant


def _turned(file: Path, root: ElementTree.Element) -> list[str]:
    return [name for name in _TURNS if np.any(_grid(file, root, name)[1])]


def _magnified(root: ElementTree.Element) -> list[str]:
    """Warp 1 wrote "1, 1, 0" for none (two scales and an angle), WarpTools writes the unit matrix."""
    said = [word.strip() for word in root.get("MagnificationCorrection", "").split(",") if word.strip()]
    none = said in ([], ["1", "1", "0"], ["1", "0", "0", "1"])
    return [] if none else ["MagnificationCorrection"]
