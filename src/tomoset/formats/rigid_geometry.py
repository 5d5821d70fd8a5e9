"""What of a tilt geometry other programs cannot hold: magnification and bending of single views."""

import dataclasses

import numpy as np

from tomoset.errors import GeometryError
from tomoset.geometry import TiltGeometry, quadratic_terms

__all__ = ["beyond_rigid", "require_rigid", "rigid_part", "without_bending"]

_CORNERS = np.stack(np.meshgrid([-1.0, 0.0, 1.0], [-1.0, 0.0, 1.0]), axis=-1).reshape(-1, 2)


def beyond_rigid(geometry: TiltGeometry) -> str:
    """Say in words what a geometry holds beyond rotations and shifts; empty if nothing.

    Examples
    --------
    >>> beyond_rigid(TiltGeometry(y_tilt_deg=[0], z_rot_deg=[0], shift_xy_angstrom=[[0, 0]], magnification=[1.002]))
    'magnification up to 0.20 %'
    """
    words = []
    if geometry.magnification is not None and np.abs(geometry.magnification - 1).max(initial=0.0) > 1e-6:
        words.append(f"magnification up to {100 * np.abs(geometry.magnification - 1).max():.2f} %")
    if geometry.field_xy_angstrom is not None:
        bent = np.einsum("mk,nck->nmc", quadratic_terms(_CORNERS)[:, 1:], geometry.field_xy_angstrom[..., 1:])
        largest = float(np.linalg.norm(bent, axis=-1).max(initial=0.0))
        if largest > 1e-3:
            words.append(f"bending up to {largest:.1f} Å at {geometry.field_unit_angstrom:.0f} Å from the centre")
    return " and ".join(words)


def require_rigid(geometry: TiltGeometry, target: str) -> None:
    """Refuse a geometry that ``target`` cannot hold.

    Raises
    ------
    GeometryError
        If a view is magnified or bent.
    """
    words = beyond_rigid(geometry)
    if words:
        raise GeometryError(
            f"{target} can hold rotations and shifts only, found {words}; write .xf, which holds magnification, align "
            "with alignment.motion and alignment.distortion off, or keep the geometry as JSON in the project"
        )


def rigid_part(geometry: TiltGeometry) -> TiltGeometry:
    """Return rotations and shifts alone; what a field moves the centre by goes into the shifts."""
    shift = geometry.shift_xy_angstrom
    if geometry.field_xy_angstrom is not None:
        shift = shift + geometry.field_xy_angstrom[:, :, 0]
    return dataclasses.replace(
        geometry, shift_xy_angstrom=shift, magnification=None, field_xy_angstrom=None, field_unit_angstrom=1.0
    )


def without_bending(geometry: TiltGeometry) -> TiltGeometry:
    """Return rotations, shifts, magnification and stretch: the field's terms linear in x and y, and its constant."""
    if geometry.field_xy_angstrom is None:
        return geometry
    field = geometry.field_xy_angstrom.copy()
    field[:, :, 3:] = 0.0
    stretched = bool(np.abs(field[:, :, 1:]).max(initial=0.0) > 0)
    kept = dataclasses.replace(geometry, field_xy_angstrom=field)
    return kept if stretched else dataclasses.replace(rigid_part(kept), magnification=geometry.magnification)
