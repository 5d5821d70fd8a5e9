"""Local alignment of an ``.aln``: shifts of patches, between which AreTomo 3 interpolates; here fields of second order.

AreTomo reads the image at ``q + local(q) + (TX, TY)``, where q is the place on the aligned image turned by ROT, in
pixels from the centre; ``local(q)`` is the mean of the patches' shifts weighted by ``exp(−100 r²)``, r the distance in
units of the image's sides (``Correct/GCorrPatchShift.cu``). With ours, ``m q + field(q) + shift``, so ``local =
(m − 1) q + field``: patches carry magnification and bending alike. GMAG, which AreTomo writes as 1 and does not use,
stays 1.
"""

import numpy as np
from numpy.typing import NDArray

from tomoset.geometry import TiltGeometry, quadratic_terms

__all__ = ["field_from_patches", "patches_from_geometry"]

Floats = NDArray[np.float64]

_SHARPNESS = 100.0
_SPREAD = 1 / np.sqrt(2 * _SHARPNESS)
_SPACING = 0.09  # of the written patches; 1.3 spreads, so that the weighted mean is smooth to 1e-5 of its slope
_REACH = 0.81  # beyond the image's edge by four spreads, where means would else be one-sided


def patches_from_geometry(
    geometry: TiltGeometry, pixel_size_angstrom: float, image_shape_yx: tuple[int, int]
) -> Floats:
    """Rows (k, 7) of the local alignment that make AreTomo see magnification and bending; none where there is neither.

    The weighted mean over patches adds half its variance times the curvature to a field of second order; that is taken
    off before.
    """
    if geometry.magnification is None and geometry.field_xy_angstrom is None:
        return np.zeros((0, 7))
    sides = np.array(image_shape_yx[::-1], dtype=np.float64)
    steps = np.arange(-_REACH, _REACH + _SPACING / 2, _SPACING)
    places = np.stack(np.meshgrid(steps, steps), axis=-1).reshape(-1, 2) * sides
    at = places * pixel_size_angstrom
    local = geometry.distort(np.broadcast_to(at, (geometry.n_tilts, *at.shape))) - at
    if geometry.field_xy_angstrom is not None:
        # terms are 1, x, y, x², xy, y² of coordinates in units of the field
        curvature = 2 * geometry.field_xy_angstrom[:, :, [3, 5]] / geometry.field_unit_angstrom**2
        spread = _SPREAD * sides * pixel_size_angstrom
        local = local - 0.5 * (curvature @ spread**2)[:, None, :]
    local = local / pixel_size_angstrom
    n, m = geometry.n_tilts, len(places)
    rows = np.empty((n, m, 7))
    rows[:, :, 0], rows[:, :, 1] = np.arange(n)[:, None], np.arange(m)
    rows[:, :, 2:4], rows[:, :, 4:6], rows[:, :, 6] = places, local, 1.0
    return rows.reshape(-1, 7)


def field_from_patches(
    local: Floats, n_rows: int, pixel_size_angstrom: float, image_shape_yx: tuple[int, int]
) -> tuple[Floats, float, float]:
    """Fields of second order nearest to what AreTomo makes of the patches, over the image.

    Returns
    -------
    field_xy_angstrom : (n, 2, 6) array of float64
    unit_angstrom : float
        Of the field's coordinates: half of the longer side.
    off_px : float
        Root mean square of what is left, pixels.
    """
    sides = np.array(image_shape_yx[::-1], dtype=np.float64)
    steps = np.linspace(-0.45, 0.45, 13)
    places = np.stack(np.meshgrid(steps, steps), axis=-1).reshape(-1, 2) * sides
    unit = float(sides.max()) / 2
    terms = quadratic_terms(places / unit)
    field, left = np.zeros((n_rows, 2, 6)), np.zeros((n_rows, len(places), 2))
    for i in range(n_rows):
        rows = local[(local[:, 0] == i) & (local[:, 6] > 0.5)]
        if not len(rows):
            continue
        apart = (places[:, None] - rows[:, 2:4]) / sides
        exponent = -_SHARPNESS * np.einsum("pqc,pqc->pq", apart, apart)
        weight = np.exp(exponent - exponent.max(axis=1, keepdims=True))
        seen = (weight @ rows[:, 4:6]) / weight.sum(axis=1, keepdims=True)
        solved, *_ = np.linalg.lstsq(terms, seen, rcond=None)
        field[i], left[i] = solved.T, seen - terms @ solved
    return field * pixel_size_angstrom, unit * pixel_size_angstrom, float(np.sqrt(np.mean(left**2)))
