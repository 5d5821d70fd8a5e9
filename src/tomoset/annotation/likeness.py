"""How much of the average each labeled particle holds, and from that the share of labels that are right.

A particle that is there holds the average of the *other* half with some amplitude; where nothing is, it is 0 with the
scatter that random places have. If a share p of the labels is right, the average has p of a particle's amplitude, and
amplitudes relative to it scatter, beyond random places, by 1 / p − 1: the averages alone do not show this.
"""

import numpy as np
from numpy.typing import NDArray

from tomoset.annotation.averaging import standard_box, wedge_coverage
from tomoset.model import Picks, Tomogram

__all__ = ["amplitudes", "share_alike"]

Floats = NDArray[np.float64]
Floats32 = NDArray[np.float32]


def amplitudes(
    tomogram: Tomogram,
    picks: Picks,
    references_zyx: Floats32,
    which: NDArray[np.intp],
    mask_zyx: Floats32,
    low_pass: Floats,
) -> Floats:
    """Amplitude of a reference, turned as each pick and seen through the wedge, in the density at each pick.

    Parameters
    ----------
    tomogram : Tomogram
    picks : Picks
        All with known rotations.
    references_zyx : (k, n, n, n) array of float32
        Protein bright.
    which : (m,) array of int
        Reference of each pick.
    mask_zyx : (n, n, n) array of float32
        Round, soft.
    low_pass : (n, n, n // 2 + 1) array of float64
        On the ``rfftn`` grid.

    Returns
    -------
    (m,) array of float64
    """
    from scipy.fft import irfftn, rfftn

    from tomoset.annotation._average_kernels import rotate_add

    volume = np.asarray(tomogram.volume_zyx.read(), dtype=np.float32)
    sign = np.float32(-1.0 if tomogram.contrast == "dark" else 1.0)
    n = mask_zyx.shape[0]
    edge, radius = n + 2, n / 2 - 1.5
    rows = np.asarray(tomogram.tilt_indices, dtype=np.intp)
    wedge = np.fft.ifftshift(wedge_coverage(tomogram.geometry.select(rows), n, tomogram.grid.voxel_size_angstrom))
    transfer = wedge[..., : n // 2 + 1] * low_pass
    padded = [np.pad(reference, 1).astype(np.float32).ravel() for reference in references_zyx]
    rotations = np.ascontiguousarray(picks.rotations)
    weight = mask_zyx.astype(np.float64) / float(mask_zyx.sum())
    out = np.zeros(len(picks))
    for i, centre in enumerate(tomogram.grid.index_zyx(picks.positions_angstrom_xyz)):
        corner = np.round(centre).astype(np.intp) - edge // 2
        box = standard_box(volume, corner, edge) * sign
        density, turned = np.zeros((n, n, n), np.float32), np.zeros((n, n, n), np.float32)
        rotate_add(box.ravel(), edge, np.eye(3), centre - corner, radius, density)
        rotate_add(padded[which[i]], edge, np.ascontiguousarray(rotations[i].T), np.full(3, edge / 2), radius, turned)
        model = irfftn(rfftn(turned * mask_zyx) * transfer, s=turned.shape)
        model -= np.sum(weight * model)
        power = float(np.sum(weight * model**2))
        out[i] = float(np.sum(weight * model * density)) / power if power > 0 else 0.0
    return out


def share_alike(found: Floats, random: Floats) -> float:
    """Share of right labels from the amplitudes of labels and of random places; NaN where there are too few.

    True particles whose amplitudes differ among themselves make it a little too small.
    """
    if len(found) < 5 or len(random) < 5:
        return float("nan")
    mean = float(np.mean(found))
    if mean <= 0:
        return 0.0
    excess = (float(np.var(found)) - float(np.var(random))) / mean**2
    return float(1 / (1 + max(0.0, excess)))
