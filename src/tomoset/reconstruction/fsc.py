"""Fourier shell correlation of two volumes, and the resolution it stands for."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tomoset.errors import GeometryError, PixelSizeError
from tomoset.physics import rfft_frequency_3d

__all__ = ["ShellCorrelation", "fourier_shell_correlation", "resolution_angstrom"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ShellCorrelation:
    """Correlation of two volumes by shells of spatial frequency.

    Parameters
    ----------
    frequency_per_angstrom : (s,) array of float64
        Middle of each shell, from 0 to Nyquist.
    correlation : (s,) array of float64
        −1 to 1; 0 in shells where a volume has no power.
    count : (s,) array of int64
        Fourier coefficients in each shell (of the whole sphere).
    """

    frequency_per_angstrom: NDArray[np.float64]
    correlation: NDArray[np.float64]
    count: NDArray[np.int64]


def fourier_shell_correlation(
    a_zyx: NDArray[np.floating], b_zyx: NDArray[np.floating], voxel_size_angstrom: float
) -> ShellCorrelation:
    """Fourier shell correlation ``Re Σ A B* / sqrt(Σ|A|² Σ|B|²)``.

    Parameters
    ----------
    a_zyx, b_zyx : (z, y, x) arrays of float
        Two volumes of one shape. Mask them softly first if their edges do not match.
    voxel_size_angstrom : float

    Returns
    -------
    ShellCorrelation
        Shells one frequency step of the longest axis wide. The missing wedge of tomograms is not left out: both
        halves are empty there, so that it adds nothing to numerator and denominator.

    Raises
    ------
    GeometryError
        If the shapes differ or are not three-dimensional.
    PixelSizeError
        If the voxel size is not positive.

    References
    ----------
    Harauz & van Heel 1986, Optik 73:146.
    """
    from scipy.fft import rfftn

    if a_zyx.shape != b_zyx.shape or a_zyx.ndim != 3:
        raise GeometryError(f"expected two volumes of one shape, found {a_zyx.shape} and {b_zyx.shape}")
    if not voxel_size_angstrom > 0:
        raise PixelSizeError(f"voxel size must be positive, found {voxel_size_angstrom:g} Å")
    nz, ny, nx = (int(n) for n in a_zyx.shape)
    step = 1 / (max(nz, ny, nx) * voxel_size_angstrom)
    n_shells = max(nz, ny, nx) // 2 + 1
    a, b = rfftn(a_zyx), rfftn(b_zyx)
    shell = np.rint(rfft_frequency_3d((nz, ny, nx), voxel_size_angstrom) / step).astype(np.int64)
    # The half plane holds each coefficient with 0 < kx < Nyquist for itself and for its mirror image.
    twice = np.full(nx // 2 + 1, 2.0)
    twice[0] = 1.0
    if nx % 2 == 0:
        twice[-1] = 1.0
    weight = np.broadcast_to(twice, shell.shape)

    def sums(values: NDArray[np.floating]) -> NDArray[np.float64]:
        total = np.bincount(shell.ravel(), weights=(values * weight).ravel(), minlength=n_shells)
        return np.asarray(total[:n_shells], dtype=np.float64)

    cross = sums((a * b.conj()).real)
    power = np.sqrt(sums(np.abs(a) ** 2) * sums(np.abs(b) ** 2))
    return ShellCorrelation(
        frequency_per_angstrom=np.asarray(np.arange(n_shells) * step, dtype=np.float64),
        correlation=np.divide(cross, power, out=np.zeros(n_shells), where=power > 0),
        count=sums(np.ones(shell.shape)).astype(np.int64),
    )


def resolution_angstrom(fsc: ShellCorrelation, threshold: float = 0.143) -> float:
    """Spacing at which the correlation first falls below a threshold, linearly between shells, Å.

    Twice the voxel when it never does; infinite when already the first shell beyond the mean lies below.
    """
    k, c = fsc.frequency_per_angstrom[1:], fsc.correlation[1:]
    below = np.flatnonzero(c < threshold)
    if below.size == 0:
        return float(1 / k[-1])
    first = int(below[0])
    if first == 0:
        return float("inf")
    share = (c[first - 1] - threshold) / (c[first - 1] - c[first])
    return float(1 / (k[first - 1] + share * (k[first] - k[first - 1])))
