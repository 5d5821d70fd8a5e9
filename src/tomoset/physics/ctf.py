"""The contrast transfer function, in CTFFIND's sign: defocus positive = underfocus, protein dark.

``chi = π λ k² (Δz − ½ λ² k² Cs) + asin(w)`` and ``CTF = −sin(chi)``
(Rohou & Grigorieff 2015, J. Struct. Biol. 192:216).
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tomoset.physics.electrons import wavelength_angstrom
from tomoset.physics.fourier import rfft_frequency_2d

__all__ = ["coherence_envelope", "ctf", "ctf_2d", "defocus_along"]


def ctf(
    frequency_per_angstrom: ArrayLike,
    defocus_angstrom: ArrayLike,
    *,
    voltage_kv: float,
    cs_mm: float,
    amplitude_contrast: float,
) -> NDArray[np.float64]:
    """Contrast transfer function.

    Parameters
    ----------
    frequency_per_angstrom : (...) array of float
        Magnitude of the spatial frequency, 1/Å.
    defocus_angstrom : (...) array of float
        Defocus, positive = underfocus; broadcasts with the frequency (pass :func:`defocus_along` for astigmatism).
    voltage_kv, cs_mm, amplitude_contrast : float
        Of the microscope.

    Returns
    -------
    (...) array of float64
        −1 to 1; ``-amplitude_contrast`` at zero frequency.

    Examples
    --------
    >>> float(ctf(0.0, 30000.0, voltage_kv=300, cs_mm=2.7, amplitude_contrast=0.07).round(3))
    -0.07
    """
    k2 = np.square(np.asarray(frequency_per_angstrom, dtype=np.float64))
    defocus = np.asarray(defocus_angstrom, dtype=np.float64)
    wavelength = wavelength_angstrom(voltage_kv)
    path = defocus - (0.5 * wavelength**2 * cs_mm * 1e7) * k2
    return -np.sin((np.pi * wavelength) * k2 * path + np.arcsin(amplitude_contrast))


def defocus_along(
    azimuth_rad: ArrayLike, defocus_u_angstrom: ArrayLike, defocus_v_angstrom: ArrayLike, astigmatism_deg: ArrayLike
) -> NDArray[np.float64]:
    """Defocus in a direction of the image: ``½ (U + V + (U − V) cos 2(azimuth − astigmatism))``, Å.

    Azimuth and astigmatism are counted from image x, counter-clockwise.
    """
    u = np.asarray(defocus_u_angstrom, dtype=np.float64)
    v = np.asarray(defocus_v_angstrom, dtype=np.float64)
    turn = np.asarray(azimuth_rad, dtype=np.float64) - np.deg2rad(np.asarray(astigmatism_deg, dtype=np.float64))
    return 0.5 * (u + v + (u - v) * np.cos(2 * turn))


def ctf_2d(
    shape_yx: tuple[int, int],
    pixel_size_angstrom: float,
    defocus_angstrom: float,
    *,
    voltage_kv: float,
    cs_mm: float,
    amplitude_contrast: float,
) -> NDArray[np.float64]:
    """CTF without astigmatism on the half plane of ``rfft2`` of an image: (ny, nx // 2 + 1)."""
    frequency = rfft_frequency_2d(shape_yx, pixel_size_angstrom)
    return ctf(frequency, defocus_angstrom, voltage_kv=voltage_kv, cs_mm=cs_mm, amplitude_contrast=amplitude_contrast)


def coherence_envelope(
    frequency_per_angstrom: ArrayLike,
    defocus_angstrom: float,
    *,
    voltage_kv: float,
    cs_mm: float,
    half_angle_mrad: float = 0.0,
    focal_spread_angstrom: float = 0.0,
) -> NDArray[np.float64]:
    """What a beam that is neither parallel nor of one energy leaves of the contrast at a frequency.

    Parameters
    ----------
    frequency_per_angstrom : (...) array of float
        Magnitude of the spatial frequency, 1/Å.
    defocus_angstrom : float
        Positive = underfocus.
    voltage_kv, cs_mm : float
    half_angle_mrad : float
        Semi-angle α of the illumination; 0 for a parallel beam.
    focal_spread_angstrom : float
        Standard deviation Δ of the focus, from energy spread and instabilities; 0 for none.

    Returns
    -------
    (...) array of float64
        ``exp(−(π α)² (Cs λ² k³ − Δz k)²) · exp(−½ (π λ Δ k²)²)``, 1 at zero frequency.

    References
    ----------
    Frank 1973, Optik 38:519 (spatial); Wade & Frank 1977, Optik 49:81 (temporal).

    Examples
    --------
    >>> float(coherence_envelope(0.25, 0.0, voltage_kv=300, cs_mm=0, focal_spread_angstrom=100.0).round(3))
    0.928
    """
    k = np.asarray(frequency_per_angstrom, dtype=np.float64)
    wavelength = wavelength_angstrom(voltage_kv)
    slope = cs_mm * 1e7 * wavelength**2 * k**3 - defocus_angstrom * k
    spatial = np.exp(-np.square(np.pi * half_angle_mrad * 1e-3 * slope))
    return spatial * np.exp(-0.5 * np.square(np.pi * wavelength * focal_spread_angstrom * k**2))
