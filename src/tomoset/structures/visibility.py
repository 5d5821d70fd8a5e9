"""What of the truth a tilt series can show: views that hold a molecule, borders that cut it, the missing wedge."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tomoset.errors import GeometryError, ParameterError
from tomoset.geometry import Grid, TiltGeometry

__all__ = ["hidden_in_wedge", "molecule_flags", "share_hidden_of_line"]

Floats = NDArray[np.float64]


def molecule_flags(
    positions_angstrom_xyz: ArrayLike,
    radius_angstrom: ArrayLike,
    geometry: TiltGeometry,
    frame_shape_yx: tuple[int, int],
    pixel_size_angstrom: float,
    grid: Grid,
) -> tuple[NDArray[np.intp], NDArray[np.bool_]]:
    """In how many views a molecule's centre lies within the frame, and whether the volume's border cuts it.

    Parameters
    ----------
    positions_angstrom_xyz : (n, 3) array of float
        Centres in the specimen frame, Å.
    radius_angstrom : float or (n,) array of float
        Of the ball that holds the molecule, Å.
    geometry : TiltGeometry
        One row for each view to count.
    frame_shape_yx : tuple of int
        Rows and columns of the frames; the geometry's origin is their index N // 2.
    pixel_size_angstrom : float
        Of the frames.
    grid : Grid
        Of the tomogram; the specimen's origin is its index N // 2.

    Returns
    -------
    views : (n,) array of int
        Views whose frame holds the centre (pixels reach half a pixel beyond their centres).
    cut : (n,) array of bool
        Whether the ball reaches through the volume's border (voxels reach half a voxel beyond their centres): part of
        it lies inside and part outside.

    Raises
    ------
    ParameterError
        If a radius is negative or the pixel size is not positive.
    """
    positions = np.asarray(positions_angstrom_xyz, dtype=np.float64).reshape(-1, 3)
    radii = np.broadcast_to(np.asarray(radius_angstrom, dtype=np.float64), len(positions))
    if not (pixel_size_angstrom > 0 and (radii >= 0).all()):
        raise ParameterError(
            f"flags: expected a positive pixel size and no negative radius, got {pixel_size_angstrom:g}"
        )
    columns_rows = np.array(frame_shape_yx[::-1])
    pixels = geometry.project(positions) / pixel_size_angstrom + columns_rows // 2
    seen = np.all((pixels >= -0.5) & (pixels < columns_rows - 0.5), axis=-1)
    voxels = grid.index_zyx(grid.volume_from_specimen(positions))
    shape = np.array(grid.shape_zyx)
    reach = (radii / grid.voxel_size_angstrom)[:, None]
    within = np.all((voxels - reach >= -0.5) & (voxels + reach <= shape - 0.5), axis=-1)
    nearest = np.clip(voxels, -0.5, shape - 0.5)
    touches = np.square(nearest - voxels).sum(axis=-1) < np.square(reach[:, 0])
    return seen.sum(axis=0), touches & ~within


def hidden_in_wedge(normals_xyz: ArrayLike, tilt_min_deg: float, tilt_max_deg: float) -> NDArray[np.bool_]:
    """Whether a flat patch of membrane is invisible because its normal lies in the missing wedge.

    The Fourier transform of a flat patch lies along its normal. The view at tilt t measures the plane through the
    origin across its beam ``(−sin t, 0, cos t)``: all ``k`` with ``kx sin t = kz cos t``. So a direction is measured if
    its angle ``atan(kz / kx)`` about the tilt axis y, between −90° and 90°, is one of the tilts; along the axis
    itself every view measures it.

    Parameters
    ----------
    normals_xyz : (n, 3) array of float
        In the specimen frame, of any length but zero; the sign does not matter.
    tilt_min_deg, tilt_max_deg : float
        Range of tilts, degrees.

    Returns
    -------
    (n,) array of bool

    Raises
    ------
    ParameterError
        If the range is not within ±90° or empty.
    GeometryError
        If a direction has no length.
    """
    _check_range(tilt_min_deg, tilt_max_deg)
    return _is_hidden(_unit(normals_xyz), tilt_min_deg, tilt_max_deg)


def share_hidden_of_line(directions_xyz: ArrayLike, tilt_min_deg: float, tilt_max_deg: float) -> Floats:
    """Share of a straight filament's Fourier transform that lies in the missing wedge: (n, 3) -> (n,), 0 to 1.

    The transform of a line is the plane across it, which the wedge cuts along two lines through the origin; the share
    is the angle between them on the wedge's side over 180°. A filament along the beam loses nothing, one along the
    tilt axis the wedge's own share, one across both all.

    Parameters
    ----------
    directions_xyz : (n, 3) array of float
        Of the filament in the specimen frame, of any length but zero; the sign does not matter.
    tilt_min_deg, tilt_max_deg : float
        Range of tilts, degrees.

    Raises
    ------
    ParameterError, GeometryError
        As :func:`hidden_in_wedge`.
    """
    _check_range(tilt_min_deg, tilt_max_deg)
    directions = _unit(directions_xyz)
    tilts = np.deg2rad([tilt_min_deg, tilt_max_deg])
    beams = np.stack([-np.sin(tilts), np.zeros(2), np.cos(tilts)], axis=-1)
    one, other = np.cross(directions, beams[0]), np.cross(directions, beams[1])
    on_border = (np.linalg.norm(one, axis=1) < 1e-9) | (np.linalg.norm(other, axis=1) < 1e-9)
    one, other = (v / np.maximum(np.linalg.norm(v, axis=1, keepdims=True), 1e-30) for v in (one, other))
    other = np.where(np.sum(one * other, axis=1, keepdims=True) < 0, -other, other)
    angle = np.arccos(np.clip(np.sum(one * other, axis=1), 0.0, 1.0))
    # The middle of the wider of the two sectors says which of them is the wedge's; the narrower one may be empty.
    wide_middle = np.cross(directions, one + other)
    hidden_wide = _is_hidden(wide_middle, tilt_min_deg, tilt_max_deg)
    share = np.where(hidden_wide, 1 - angle / np.pi, angle / np.pi)
    return np.where(
        on_border, 0.0, share
    )  # a line along the beam of the first or last view lies across that view's plane


def _check_range(tilt_min_deg: float, tilt_max_deg: float) -> None:
    if not -90.0 <= tilt_min_deg < tilt_max_deg <= 90.0:
        raise ParameterError(
            f"expected tilts from a to b with -90 ≤ a < b ≤ 90, got {tilt_min_deg:g} to {tilt_max_deg:g}"
        )


def _unit(directions_xyz: ArrayLike) -> Floats:
    directions = np.asarray(directions_xyz, dtype=np.float64).reshape(-1, 3)
    lengths = np.linalg.norm(directions, axis=1, keepdims=True)
    if not (lengths > 0).all():
        raise GeometryError("expected directions of some length, found one that is zero or not a number")
    return directions / lengths


def _is_hidden(directions: Floats, tilt_min_deg: float, tilt_max_deg: float) -> NDArray[np.bool_]:
    x, _, z = directions.T
    angle_deg = np.rad2deg(np.arctan2(np.where(x < 0, -z, z), np.abs(x)))
    slack = 1e-6  # degrees: the first and last views measure their own planes, whatever the rounding
    outside = (angle_deg < tilt_min_deg - slack) | (angle_deg > tilt_max_deg + slack)
    if tilt_max_deg >= 90.0 or tilt_min_deg <= -90.0:  # 90 and -90 degrees are one direction
        outside &= np.abs(x) > 1e-12
    return outside & (np.hypot(x, z) > 1e-12)
