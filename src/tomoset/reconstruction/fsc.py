"""Fourier shell correlation of two volumes, and the resolution it stands for."""

import itertools
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tomoset.errors import GeometryError, PixelSizeError
from tomoset.model import ArraySource
from tomoset.physics import rfft_frequency_3d

__all__ = [
    "ShellCorrelation",
    "finest_agreement_angstrom",
    "fourier_shell_correlation",
    "measured_region",
    "resolution_angstrom",
    "sampled_shell_correlation",
]


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


def measured_region(shape_zyx: tuple[int, int, int], y_tilt_deg: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Which Fourier coefficients views tilted about y have seen.

    Parameters
    ----------
    shape_zyx : tuple of int
        Of the volume.
    y_tilt_deg : (n,) array of float
        Tilts, degrees.

    Returns
    -------
    (z, y, x // 2 + 1) array of bool
        True where the direction in the plane of z and x lies between the first and the last view, and half a step
        beyond; the planes kx = kz = 0 too. In the layout of ``rfftn``.
    """
    tilt = np.sort(np.asarray(y_tilt_deg, dtype=np.float64))
    step = float(np.median(np.diff(tilt))) if tilt.size > 1 else 0.0
    nz, ny, nx = shape_zyx
    kz, kx = np.fft.fftfreq(nz)[:, None], np.fft.rfftfreq(nx)[None, :]
    direction = np.rad2deg(np.arctan2(kz, kx))
    seen = (direction >= tilt[0] - step / 2) & (direction <= tilt[-1] + step / 2)
    return np.ascontiguousarray(np.broadcast_to(seen[:, None, :], (nz, ny, nx // 2 + 1)))


def fourier_shell_correlation(
    a_zyx: NDArray[np.floating],
    b_zyx: NDArray[np.floating],
    voxel_size_angstrom: float,
    *,
    within: NDArray[np.bool_] | None = None,
) -> ShellCorrelation:
    """Fourier shell correlation ``Re Σ A B* / sqrt(Σ|A|² Σ|B|²)``.

    Parameters
    ----------
    a_zyx, b_zyx : (z, y, x) arrays of float
        Two volumes of one shape. Mask them softly first if their edges do not match.
    voxel_size_angstrom : float
    within : (z, y, x // 2 + 1) array of bool, optional
        Only coefficients of ``rfftn`` that are True count (``measured_region``); all of them when not given.

    Returns
    -------
    ShellCorrelation
        Shells one frequency step of the longest axis wide. Between two halves the missing wedge need not be left out:
        both are empty there, so that it adds nothing to numerator and denominator. It must be when one volume is
        known everywhere, as a simulated specimen is.

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
    if a_zyx.shape != b_zyx.shape or a_zyx.ndim != 3:
        raise GeometryError(f"expected two volumes of one shape, found {a_zyx.shape} and {b_zyx.shape}")
    if not voxel_size_angstrom > 0:
        raise PixelSizeError(f"voxel size must be positive, found {voxel_size_angstrom:g} Å")
    return _correlation(_shell_sums(a_zyx, b_zyx, within), max(a_zyx.shape), voxel_size_angstrom)


def sampled_shell_correlation(
    a: ArraySource, b: ArraySource, voxel_size_angstrom: float, *, box: int = 128, most_boxes: int = 27
) -> ShellCorrelation:
    """Fourier shell correlation of boxes spread evenly over two volumes of any size, read one at a time.

    Parameters
    ----------
    a, b : ArraySource
        Two volumes (z, y, x) of one shape.
    voxel_size_angstrom : float
    box : int
        Edge of a box; where the volumes are shorter, its whole length. Edges fade to the mean over an eighth.
    most_boxes : int
        Boxes at most; they do not overlap where there is room.

    Returns
    -------
    ShellCorrelation
        Of the sums over all boxes.

    Raises
    ------
    GeometryError, PixelSizeError
        As :func:`fourier_shell_correlation`.
    """
    if tuple(a.shape) != tuple(b.shape) or len(a.shape) != 3:
        raise GeometryError(f"expected two volumes of one shape, found {a.shape} and {b.shape}")
    if not voxel_size_angstrom > 0:
        raise PixelSizeError(f"voxel size must be positive, found {voxel_size_angstrom:g} Å")
    lengths = [min(box, n) for n in a.shape]
    corners = _corners(tuple(a.shape), lengths, most_boxes)
    window = _soft_window(lengths)
    total = np.zeros((4, max(lengths) // 2 + 1))
    for corner in corners:
        region = tuple(slice(c, c + n) for c, n in zip(corner, lengths, strict=True))
        pair = [np.asarray(source.read(region), dtype=np.float32) for source in (a, b)]
        total += _shell_sums((pair[0] - pair[0].mean()) * window, (pair[1] - pair[1].mean()) * window, None)
    return _correlation(total, max(lengths), voxel_size_angstrom)


def _corners(shape: tuple[int, ...], lengths: list[int], most: int) -> list[tuple[int, ...]]:
    """First voxels of boxes in even steps along every axis, the longest axes thinned until there are few enough."""
    numbers = [max(1, n // length) for n, length in zip(shape, lengths, strict=True)]
    while np.prod(numbers) > most:
        numbers[int(np.argmax(numbers))] -= 1
    starts = [
        np.rint((np.arange(number) + 0.5) * n / number - length / 2).astype(int).clip(0, n - length)
        for n, length, number in zip(shape, lengths, numbers, strict=True)
    ]
    return [tuple(int(c) for c in corner) for corner in itertools.product(*starts)]


def _soft_window(lengths: list[int]) -> NDArray[np.float32]:
    """Product of windows that rise as a cosine over an eighth of each axis."""
    window = np.ones(lengths, np.float32)
    for axis, n in enumerate(lengths):
        from_end = np.minimum(np.arange(n), np.arange(n)[::-1]) + 0.5
        edge = 0.5 * (1 - np.cos(np.pi * np.clip(from_end / max(1.0, n / 8), 0, 1)))
        window *= np.expand_dims(edge.astype(np.float32), tuple(a for a in range(3) if a != axis))
    return window


def _shell_sums(
    a_zyx: NDArray[np.floating], b_zyx: NDArray[np.floating], within: NDArray[np.bool_] | None
) -> NDArray[np.float64]:
    """Sums (4, shells) of cross spectrum, both power spectra and coefficients; shells are steps of the longest axis."""
    from scipy.fft import rfftn

    nz, ny, nx = (int(n) for n in a_zyx.shape)
    longest = max(nz, ny, nx)
    n_shells = longest // 2 + 1
    a, b = rfftn(a_zyx), rfftn(b_zyx)
    shell = np.rint(rfft_frequency_3d((nz, ny, nx), 1.0) * longest).astype(np.int32)
    # The half plane holds each coefficient with 0 < kx < Nyquist for itself and for its mirror image.
    twice = np.full(nx // 2 + 1, 2.0, np.float32)
    twice[0] = 1.0
    if nx % 2 == 0:
        twice[-1] = 1.0
    weight = np.broadcast_to(twice, shell.shape)
    if within is not None:
        if within.shape != shell.shape:
            raise GeometryError(f"expected a region of {shell.shape} coefficients, found {within.shape}")
        weight = weight * within

    def sums(values: NDArray[np.floating]) -> NDArray[np.float64]:
        total = np.bincount(shell.ravel(), weights=(values * weight).ravel(), minlength=n_shells)
        return np.asarray(total[:n_shells], dtype=np.float64)

    cross = (a * b.conj()).real
    return np.stack([sums(cross), sums(np.abs(a) ** 2), sums(np.abs(b) ** 2), sums(np.ones(shell.shape, np.float32))])


def _correlation(sums: NDArray[np.float64], longest: int, voxel_size_angstrom: float) -> ShellCorrelation:
    cross, power_a, power_b, count = sums
    power = np.sqrt(power_a * power_b)
    return ShellCorrelation(
        frequency_per_angstrom=np.arange(cross.size, dtype=np.float64) / (longest * voxel_size_angstrom),
        correlation=np.divide(cross, power, out=np.zeros(cross.size), where=power > 0),
        count=count.astype(np.int64),
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


def finest_agreement_angstrom(fsc: ShellCorrelation, threshold: float = 0.143) -> float:
    """Finest spacing at which the correlation, averaged over three shells, still reaches a threshold, Å.

    The curve of one tomogram dips where the CTF or its molecules' form factors vanish; unlike
    :func:`resolution_angstrom` this does not end at the first dip. Infinite when no shell beyond the mean reaches it.
    """
    correlation = np.convolve(fsc.correlation[1:], np.full(3, 1 / 3), mode="same")
    reached = np.flatnonzero(correlation >= threshold)
    return float(1 / fsc.frequency_per_angstrom[1 + reached[-1]]) if reached.size else float("inf")
