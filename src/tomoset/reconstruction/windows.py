"""Parts of a volume as volumes of their own: the same views seen from another origin."""

import itertools
from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike

from tomoset.geometry import TiltGeometry

__all__ = ["seen_from", "slab_edges"]


def seen_from(geometry: TiltGeometry, origin_angstrom_xyz: ArrayLike) -> TiltGeometry:
    """Return the geometry of the same views about another origin.

    Parameters
    ----------
    geometry : TiltGeometry
    origin_angstrom_xyz : (3,) array of float
        The new origin in the old specimen frame, Å.

    Returns
    -------
    TiltGeometry
        ``result.project(p) == geometry.project(p + origin)``, magnification and field included.

    Notes
    -----
    With q₀ the origin's rigid projection, ``shift + m (q + q₀) + field(q + q₀)`` is again a shift, a magnification
    and a quadratic field of q.
    """
    origin = np.asarray(origin_angstrom_xyz, dtype=np.float64)
    moved = np.einsum("nij,j->ni", geometry.image_from_specimen[:, :2], origin)
    scale = 1.0 if geometry.magnification is None else geometry.magnification[:, None]
    field = geometry.field_xy_angstrom
    if field is not None:
        a, b = (moved / geometry.field_unit_angstrom).T[:, :, None]
        one, x, y, xx, xy, yy = np.moveaxis(field, -1, 0)
        terms = [
            one + x * a + y * b + xx * a * a + xy * a * b + yy * b * b,
            x + 2 * xx * a + xy * b,
            y + xy * a + 2 * yy * b,
            xx,
            xy,
            yy,
        ]
        field = np.stack(terms, axis=-1)
    return replace(geometry, shift_xy_angstrom=geometry.shift_xy_angstrom + scale * moved, field_xy_angstrom=field)


def slab_edges(depth: int, voxels_a_slab: float) -> list[tuple[int, int]]:
    """First and end plane of slabs of nearly the same thickness, none thicker than asked for (but for one voxel)."""
    number = min(depth, max(1, int(np.ceil(depth / voxels_a_slab - 1e-9))))
    edges = np.rint(np.linspace(0, depth, number + 1)).astype(int)
    return [(int(a), int(b)) for a, b in itertools.pairwise(edges)]
