"""IMOD's alignment files: ``.xf`` (one linear transformation a view), ``.tlt``, ``.rawtlt`` and ``.xtilt``.

A row ``A11 A12 A21 A22 DX DY`` of an ``.xf`` takes the raw image to the aligned one, ``X' = A X + D``, in pixels about
the image centres; ``A = [[cos a, sin a], [−sin a, cos a]]`` with ``a = z_rot`` and ``D = −A · shift``. IMOD's centre is
(N − 1) / 2, ours N // 2: where an image size is given, the half pixel between them is accounted for; without it the
plain formula is used, as AreTomo3, Warp and RELION do. A magnification or stretch of the view is part of A: ``A⁻¹`` is
the rotation by a, then the linear part of the view's distortion. ``.xtilt`` is ``x_tilt`` with the same sign: in
``tilt`` (flib/tilt/tilt.f90) both sines enter negated, which together is the reversal of z that its output shows.
"""

import dataclasses
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tomoset.errors import FormatError, GeometryError, InputMissingError, PixelSizeError
from tomoset.formats.atomic import write_text_atomic
from tomoset.formats.rigid_geometry import beyond_rigid
from tomoset.geometry import TiltGeometry

__all__ = [
    "ImodAlignment",
    "geometry_from_imod",
    "imod_from_geometry",
    "read_tlt",
    "read_xf",
    "unused_rows",
    "write_tlt",
    "write_xf",
    "xf_distortion",
]

PathLike = str | os.PathLike[str]
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ImodAlignment:
    """What IMOD needs to know about an alignment; rows in the order of the stack.

    Parameters
    ----------
    xf : (n, 2, 3) array of float64
        ``[A | D]`` of each view, D in pixels.
    tilt_deg : (n,) array of float64
    xtilt_deg : (n,) array of float64
    """

    xf: Floats
    tilt_deg: Floats
    xtilt_deg: Floats


def read_xf(path: PathLike, *, n_tilts: int | None = None) -> Floats:
    """Read an ``.xf`` file.

    Parameters
    ----------
    path : path
    n_tilts : int, optional
        Number of rows that must be there.

    Returns
    -------
    (n, 2, 3) array of float64
        ``[A | D]`` of each view.

    Raises
    ------
    InputMissingError
        If there is no such file.
    FormatError
        If a row does not hold six finite numbers, A cannot be inverted, or the number of rows differs.
    """
    file = Path(path)
    rows = _read_rows(file, n_tilts, what="six numbers 'A11 A12 A21 A22 DX DY'", least=6, most=6)
    xf = np.concatenate([rows[:, :4].reshape(-1, 2, 2), rows[:, 4:, None]], axis=2)
    singular = np.flatnonzero(np.abs(np.linalg.det(xf[:, :, :2])) < 1e-3)
    if singular.size:
        raise FormatError(
            f"{file.name}, row {singular[0] + 1}: expected a transformation that can be inverted, found a "
            "singular one; align the series again"
        )
    return xf


def write_xf(path: PathLike, xf: ArrayLike) -> Path:
    """Write ``[A | D]`` (n, 2, 3) as ``.xf``, one row a view.

    Raises
    ------
    GeometryError
        If the shape is wrong or a number is not finite.
    OutputError
        If it cannot be written.
    """
    values = np.asarray(xf, dtype=np.float64)
    if values.ndim != 3 or values.shape[1:] != (2, 3) or not np.all(np.isfinite(values)):
        raise GeometryError(f"{Path(path).name}: expected finite transformations (n, 2, 3), found shape {values.shape}")
    lines = [
        "".join(f"{v:12.7f}" for v in row[:, :2].ravel()) + "".join(f"{v:12.4f}" for v in row[:, 2]) for row in values
    ]
    return write_text_atomic(path, "\n".join(lines) + "\n")


def read_tlt(path: PathLike, *, n_tilts: int | None = None) -> Floats:
    """Read a ``.tlt``, ``.rawtlt`` or ``.xtilt`` file: the first number of every row, degrees.

    Further columns (pytom and others write the acquisition order there) are left alone.

    Raises
    ------
    InputMissingError
        If there is no such file.
    FormatError
        If a row does not start with a finite number within ±360, or the number of rows differs.
    """
    file = Path(path)
    angles = _read_rows(file, n_tilts, what="an angle in degrees", least=1, most=None)[:, 0]
    if np.any(np.abs(angles) > 360):
        raise FormatError(f"{file.name}: expected angles within ±360°, found {angles[np.argmax(np.abs(angles))]:g}")
    return angles


def write_tlt(path: PathLike, angle_deg: ArrayLike) -> Path:
    """Write angles (n,), degrees, as ``.tlt``, ``.rawtlt`` or ``.xtilt``.

    Raises
    ------
    GeometryError
        If an angle is not finite.
    OutputError
        If it cannot be written.
    """
    angles = np.asarray(angle_deg, dtype=np.float64).ravel()
    if not np.all(np.isfinite(angles)):
        raise GeometryError(f"{Path(path).name}: expected finite angles, found NaN or infinity")
    return write_text_atomic(path, "".join(f"{angle:10.4f}\n" for angle in angles))


def unused_rows(xf: ArrayLike) -> NDArray[np.bool_]:
    """Which rows (n,) are the identity that stands for a view left out of the alignment.

    A view whose neighbours are hardly rotated may be the identity by right (the reference view of a series with its
    axis along y): rows count as left out only where the others are rotated by more than 0.1°.
    """
    values = np.asarray(xf, dtype=np.float64)
    identity = np.all(np.abs(values - np.eye(2, 3)) < 1e-6, axis=(1, 2))
    others = values[~identity]
    if not len(others):
        return np.zeros(len(values), dtype=np.bool_)
    turned = np.abs(np.rad2deg(_rotation_and_stretch(others[:, :, :2])[0]))
    return identity & bool(np.median(turned) > 0.1)


def xf_distortion(xf: ArrayLike) -> tuple[Floats, Floats]:
    """Magnification (n,) and anisotropy (n,) of the linear parts, both 1 for a pure rotation.

    The polar decomposition ``A = R · S`` splits off the rotation; the two principal stretches of S have the
    magnification as geometric mean and the anisotropy as ratio (large over small).
    """
    stretches = _rotation_and_stretch(np.asarray(xf, dtype=np.float64)[:, :, :2])[1]
    return np.sqrt(stretches.prod(axis=1)), stretches[:, 0] / stretches[:, 1]


def geometry_from_imod(
    xf: ArrayLike,
    tilt_deg: ArrayLike,
    pixel_size_angstrom: float,
    *,
    xtilt_deg: ArrayLike | None = None,
    image_shape_yx: tuple[int, int] | None = None,
) -> TiltGeometry:
    """Tilt geometry of an IMOD alignment, with the magnification and the stretch that its linear parts hold.

    Parameters
    ----------
    xf : (n, 2, 3) array of float
        ``[A | D]``, D in pixels; identity rows that stand for views left out (:func:`unused_rows`) get the median
        axis of the others and no shift.
    tilt_deg : (n,) array of float
    pixel_size_angstrom : float
        Of the images the .xf belongs to.
    xtilt_deg : (n,) array of float, optional
    image_shape_yx : tuple of int, optional
        Size of those images: accounts for IMOD's centre (N − 1) / 2.

    Returns
    -------
    TiltGeometry
        ``magnification`` and ``field_xy_angstrom`` (of which only terms linear in x and y are not 0) are None where
        the rows are rotations to the digits that they were written with.

    Raises
    ------
    PixelSizeError
        If the pixel size is not positive.
    FormatError
        If the numbers of rows differ, or a row mirrors.
    """
    values, tilt = np.asarray(xf, dtype=np.float64), np.asarray(tilt_deg, dtype=np.float64)
    _check_pixel_size(pixel_size_angstrom)
    xtilt = np.zeros(len(tilt)) if xtilt_deg is None else np.asarray(xtilt_deg, dtype=np.float64)
    if not len(values) == len(tilt) == len(xtilt):
        raise FormatError(
            f"expected one row a tilt in all IMOD files, found {len(values)} in .xf, {len(tilt)} in .tlt and "
            f"{len(xtilt)} in .xtilt; take the files of one alignment"
        )
    unused = unused_rows(values)
    linear, moved = values[:, :, :2], values[:, :, 2]
    if np.any(np.linalg.det(linear) < 0):
        raise FormatError("expected rotations in the .xf, found a mirror; undo the flip of the stack and align again")
    z_rot = np.rad2deg(_rotation_and_stretch(linear)[0])
    shift_px = -np.linalg.solve(linear, moved[:, :, None])[:, :, 0] - _half_pixel(image_shape_yx)
    if np.any(unused):
        z_rot[unused] = _median_angle_deg(z_rot[~unused])
        shift_px[unused] = 0.0
    magnification, field = _beyond_rotation(linear)
    return TiltGeometry(
        y_tilt_deg=tilt,
        z_rot_deg=z_rot,
        shift_xy_angstrom=shift_px * pixel_size_angstrom,
        x_tilt_deg=xtilt,
        magnification=magnification,
        field_xy_angstrom=field,
    )


def imod_from_geometry(
    geometry: TiltGeometry,
    pixel_size_angstrom: float,
    *,
    use: ArrayLike | None = None,
    image_shape_yx: tuple[int, int] | None = None,
) -> ImodAlignment:
    """IMOD's description of a tilt geometry.

    Parameters
    ----------
    geometry : TiltGeometry
        Magnification and stretch become part of A; bending (what a field holds beyond terms linear in x and y) cannot.
    pixel_size_angstrom : float
        Of the images the .xf shall be applied to.
    use : (n,) array of bool, optional
        Views that are used; the others get identity rows, which RELION expects (Warp wants them left out: select the
        used views first).
    image_shape_yx : tuple of int, optional
        Size of those images: accounts for IMOD's centre (N − 1) / 2. Give it for IMOD itself; RELION, Warp and
        AreTomo3 read D without the half pixel.

    Returns
    -------
    ImodAlignment

    Raises
    ------
    PixelSizeError
        If the pixel size is not positive.
    GeometryError
        If ``use`` does not fit, or a view is bent.
    """
    _check_pixel_size(pixel_size_angstrom)
    n = geometry.n_tilts
    image_from_rotated, moved = _stretched_views(geometry)
    used = np.ones(n, dtype=np.bool_) if use is None else np.asarray(use, dtype=np.bool_)
    if used.shape != (n,):
        raise GeometryError(f"expected one flag for each of {n} tilts, found {used.shape}")
    angle = np.deg2rad(geometry.z_rot_deg)
    cos, sin = np.cos(angle), np.sin(angle)
    linear = np.stack([np.stack([cos, sin], -1), np.stack([-sin, cos], -1)], axis=-2)
    linear = linear @ np.linalg.inv(image_from_rotated)
    shift_px = (geometry.shift_xy_angstrom + moved) / pixel_size_angstrom + _half_pixel(image_shape_yx)
    xf = np.concatenate([linear, -(linear @ shift_px[:, :, None])], axis=2)
    xf[~used] = np.eye(2, 3)
    xtilt = np.zeros(n) if geometry.x_tilt_deg is None else geometry.x_tilt_deg
    return ImodAlignment(xf=xf, tilt_deg=geometry.y_tilt_deg, xtilt_deg=xtilt)


def _half_pixel(image_shape_yx: tuple[int, int] | None) -> Floats:
    """Our centre N // 2 minus IMOD's (N − 1) / 2, pixels, x then y."""
    if image_shape_yx is None:
        return np.zeros(2)
    return np.array([n // 2 - (n - 1) / 2 for n in image_shape_yx[::-1]])


def _rotation_and_stretch(linear: Floats) -> tuple[Floats, Floats]:
    """Angle a (n,), radians, of the nearest ``[[cos a, sin a], [−sin a, cos a]]``, and principal stretches (n, 2)."""
    u, stretches, vt = np.linalg.svd(linear)
    rotation = u @ vt
    return np.arctan2(rotation[:, 0, 1] - rotation[:, 1, 0], rotation[:, 0, 0] + rotation[:, 1, 1]), stretches


def _beyond_rotation(linear: Floats) -> tuple[Floats | None, Floats | None]:
    """Magnification (n,) and field (n, 2, 6) of linear parts; None for what their digits do not show.

    ``A⁻¹ = S · R`` with R the rotation by z_rot and S symmetric: half its trace is the magnification, the rest stretch.
    """
    _, stretches, vt = np.linalg.svd(linear)
    symmetric = np.swapaxes(vt, 1, 2) @ (vt / stretches[:, :, None])
    magnification = 0.5 * np.trace(symmetric, axis1=1, axis2=2)
    stretch = symmetric - magnification[:, None, None] * np.eye(2)
    field = np.zeros((len(linear), 2, 6))
    field[:, :, 1:3] = stretch  # in Å per Å, the default unit of a field
    digits = next((k for k in range(1, 8) if np.allclose(linear, np.round(linear, k), rtol=0, atol=1e-9)), 7)
    rounding = 2.0 * 10.0**-digits
    return (
        magnification if np.abs(magnification - 1).max() > rounding else None,
        field if np.abs(stretch).max() > rounding else None,
    )


def _stretched_views(geometry: TiltGeometry) -> tuple[Floats, Floats]:
    """Linear parts (n, 2, 2) from the rotated specimen to the image, and what a field moves the centre by (n, 2), Å."""
    n = geometry.n_tilts
    magnification = np.ones(n) if geometry.magnification is None else geometry.magnification
    linear, moved = magnification[:, None, None] * np.eye(2), np.zeros((n, 2))
    field = geometry.field_xy_angstrom
    if field is None:
        return linear, moved
    bent = field.copy()
    bent[:, :, :3] = 0.0
    words = beyond_rigid(dataclasses.replace(geometry, magnification=None, field_xy_angstrom=bent))
    if words:
        raise GeometryError(
            f"an .xf file holds rotation, magnification, stretch and shift of a view, found {words}; align with "
            "alignment.motion off, or keep the geometry as JSON in the project"
        )
    return linear + field[:, :, 1:3] / geometry.field_unit_angstrom, field[:, :, 0]


def _median_angle_deg(angle_deg: Floats) -> float:
    """Median of angles that may straddle ±180°."""
    first = angle_deg[0]
    return float(first + np.median((angle_deg - first + 180) % 360 - 180))


def _check_pixel_size(pixel_size_angstrom: float) -> None:
    if not (np.isfinite(pixel_size_angstrom) and pixel_size_angstrom > 0):
        raise PixelSizeError(f"expected a positive pixel size of the tilt images, found {pixel_size_angstrom:g} Å")


def _read_rows(file: Path, n_rows: int | None, *, what: str, least: int, most: int | None) -> Floats:
    """Rows of numbers, cut to ``least`` columns; every complaint names the line."""
    if not file.is_file():
        raise InputMissingError(f"{file}: expected a file of IMOD, found nothing there; check the path")
    try:
        lines = file.read_text(encoding="utf-8").rstrip().splitlines()
    except UnicodeDecodeError as error:
        raise FormatError(f"{file.name}: expected text with {what} in each row, found binary data") from error
    rows = []
    for number, line in enumerate(lines, start=1):
        words = line.split()
        try:
            values = [float(word) for word in words[:least]]
        except ValueError:
            values = []
        too_many = most is not None and len(words) > most
        if len(values) < least or too_many or not np.all(np.isfinite(values)):
            raise FormatError(
                f"{file.name}, line {number}: expected {what}, found {line.strip()[:60]!r}; "
                "the file is cut off or of another kind"
            )
        rows.append(values)
    if not rows or (n_rows is not None and len(rows) != n_rows):
        wanted = "at least one row" if n_rows is None else f"{n_rows} rows, one a tilt"
        raise FormatError(f"{file.name}: expected {wanted}, found {len(rows)}; take the file of the same series")
    return np.array(rows, dtype=np.float64)
