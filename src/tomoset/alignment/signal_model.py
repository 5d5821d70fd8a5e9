"""How alike two views should be at each frequency: the slab model behind every weight of the alignment.

A slab of unknown matter with a Gaussian height profile of variance Z² / 12 gives, between views at tilts t and t'
in the common frame, the coherence ``exp(−2 π² (Z² / 12) kx² (tan t − tan t')²)``. (A sharp slab's sinc claims
information at high kx that real specimens do not have.)
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tomoset.alignment.common_frame import CommonFrame
from tomoset.alignment.preprocess import Views

__all__ = [
    "SlabModel",
    "amplitude_at",
    "make_slab_model",
    "parallax_coherence",
    "shot_noise_signal",
    "signal_from_neighbours",
]

Floats = NDArray[np.float64]

_MOST = 0.95  # of a view's power may be called signal: keeps every covariance well away from singular
_BLOCK = 2048


def parallax_coherence(kx: Floats, difference_tan: Floats, thickness_angstrom: float) -> Floats:
    """Coherence of two views whose tilts' tangents differ; arguments broadcast."""
    return np.exp(-2 * np.pi**2 * thickness_angstrom**2 / 12.0 * np.square(kx) * np.square(difference_tan))


def _smooth(table: Floats, width: int = 5) -> Floats:
    padded = np.pad(table, width // 2, mode="edge")
    return np.convolve(padded, np.full(width, 1.0 / width), mode="valid")


def shot_noise_signal(views: Views) -> Floats:
    """Signal spectrum (nk,) before anything is aligned: what the views' power holds above shot noise.

    Weighted least squares of ``power − noise = S T²`` over the views.
    """
    transfer2 = np.square(views.transfer_nk)
    excess = views.power_nk - views.shot_noise_n[:, None]
    signal = (transfer2 * excess).sum(axis=0) / np.maximum(np.square(transfer2).sum(axis=0), 1e-12)
    return np.maximum(_smooth(signal), 0.0)


def amplitude_at(views: Views, signal_k: Floats, kx: Floats, ky: Floats) -> Floats:
    """Signed amplitude (m, n) of the coherent part of each whitened view: ± sqrt(signal power / power)."""
    table = signal_k * np.square(views.transfer_nk) / views.power_nk
    amplitude = np.sign(views.transfer_nk) * np.sqrt(np.clip(table, 0.0, _MOST))
    step = views.frequency_per_angstrom[1]
    k = np.hypot(kx[:, None] / views.cos[None, :], ky[:, None])
    ring = np.minimum(np.rint(k / step).astype(np.intp), amplitude.shape[1] - 1)
    return amplitude[np.arange(views.n)[None, :], ring]


def signal_from_neighbours(
    views: Views, frame: CommonFrame, values_mn: NDArray[np.complexfloating], thickness: float
) -> Floats:
    """Signal spectrum (nk,) from the cross spectra of neighbouring aligned views; noise does not enter.

    Least squares of ``Re(y_i y_j*) = S T_i T_j g / sqrt(P_i P_j)`` over all neighbouring pairs, ring by ring.
    """
    step = views.frequency_per_angstrom[1]
    n_rings = views.frequency_per_angstrom.size
    relative = views.transfer_nk / np.sqrt(views.power_nk)
    rings = [
        np.minimum(np.rint(np.hypot(frame.kx / cos, frame.ky) / step).astype(np.intp), n_rings - 1) for cos in views.cos
    ]
    above, below = np.zeros(n_rings), np.zeros(n_rings)
    for i in range(views.n - 1):
        g = parallax_coherence(frame.kx, views.tan[i + 1] - views.tan[i], thickness)
        expected = relative[i, rings[i]] * relative[i + 1, rings[i + 1]] * g
        cross = (values_mn[:, i] * values_mn[:, i + 1].conj()).real
        above += np.bincount(rings[i], weights=cross * expected, minlength=n_rings)
        below += np.bincount(rings[i], weights=expected**2, minlength=n_rings)
    known = np.flatnonzero(below > 0)
    # Beyond the rings that pairs share (steep tilts reach a little further) the last known value is held.
    signal = np.interp(np.arange(n_rings), known, _smooth(above[known]) / _smooth(below[known]))
    return np.maximum(signal, 0.0)


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class SlabModel:
    """Inverse covariances of the views, shared by frequencies that look alike.

    Parameters
    ----------
    thickness_angstrom : float
    cell : (m,) array of int
        Cell of each used frequency.
    precision_cnn : (cells, n, n) array of float32
        Inverse of the views' covariance.
    log_determinant_c : (cells,) array of float64
        Of the covariance.
    fisher_x, fisher_y : (n, n) array of float64
        Information about shifts along X and Y of the common frame, 1/Å².
    """

    thickness_angstrom: float
    cell: NDArray[np.intp]
    precision_cnn: NDArray[np.float32]
    log_determinant_c: Floats
    fisher_x: Floats
    fisher_y: Floats

    @property
    def diagonal(self) -> NDArray[np.float32]:
        """Own precision of each view, (cells, n)."""
        return np.ascontiguousarray(np.diagonal(self.precision_cnn, axis1=1, axis2=2))

    def weigh(self, values_mn: NDArray[np.complex64]) -> NDArray[np.complex64]:
        """Inverse covariance times the data, (m, n)."""
        n = values_mn.shape[1]
        out = np.empty_like(values_mn)
        for start in range(0, len(values_mn), _BLOCK):
            block = slice(start, start + _BLOCK)
            pairs = values_mn[block].view(np.float32).reshape(-1, n, 2)
            out[block] = np.matmul(self.precision_cnn[self.cell[block]], pairs).reshape(-1, 2 * n).view(np.complex64)
        return out

    def log_likelihood(self, frame: CommonFrame, values_mn: NDArray[np.complex64]) -> float:
        """Log density of the data; comparable only at one signal spectrum and one resampling."""
        energy = (values_mn.conj() * self.weigh(values_mn)).real.sum(axis=1, dtype=np.float64)
        return float(-np.sum(frame.weight * (energy + self.log_determinant_c[self.cell])))


def make_slab_model(views: Views, frame: CommonFrame, signal_k: Floats, thickness_angstrom: float) -> SlabModel:
    """Covariance model of a series for one signal spectrum and thickness.

    Covariances vary slowly along ky and do not know its sign: two rows of |ky| share one cell.
    """
    rows = np.rint(np.abs(frame.ky) * frame.shape_yx[0] * frame.pixel_size_angstrom).astype(np.intp) // 2
    columns = np.rint(frame.kx * frame.shape_yx[1] * frame.pixel_size_angstrom).astype(np.intp)
    _, first, cell = np.unique(rows * (columns.max() + 1) + columns, return_index=True, return_inverse=True)
    kx, ky = frame.kx[first], np.abs(frame.ky[first])
    count = np.bincount(cell, weights=frame.weight)
    n, eye = views.n, np.eye(views.n)
    precision = np.empty((first.size, n, n), dtype=np.float32)
    log_determinant = np.empty(first.size)
    fisher_x, fisher_y = np.zeros((n, n)), np.zeros((n, n))
    amplitude = amplitude_at(views, signal_k, kx, ky)
    difference = views.tan[:, None] - views.tan[None, :]
    for start in range(0, first.size, _BLOCK):
        block = slice(start, start + _BLOCK)
        a = amplitude[block]
        covariance = (
            a[:, :, None] * a[:, None, :] * parallax_coherence(kx[block, None, None], difference, thickness_angstrom)
        )
        covariance[:, range(n), range(n)] = 1.0
        inverse = np.linalg.inv(covariance)
        precision[block] = inverse
        log_determinant[block] = np.linalg.slogdet(covariance)[1]
        information = 2 * (2 * np.pi) ** 2 * (covariance * inverse - eye)
        fisher_x += np.einsum("c,cij->ij", count[block] * kx[block] ** 2, information)
        fisher_y += np.einsum("c,cij->ij", count[block] * ky[block] ** 2, information)
    return SlabModel(
        thickness_angstrom=thickness_angstrom,
        cell=cell.reshape(-1),
        precision_cnn=precision,
        log_determinant_c=log_determinant,
        fisher_x=fisher_x,
        fisher_y=fisher_y,
    )
