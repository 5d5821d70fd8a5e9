"""Deconvolve a tomogram by its contrast transfer function: what the eye wants, not what averaging wants."""

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from tomoset.errors import GeometryError, ParameterError
from tomoset.model import InMemory, Optics, Progress, Resources, TiltSeries, Tomogram
from tomoset.physics import ctf, rfft_frequency_3d

__all__ = ["DeconvolutionParams", "deconvolution_filter", "deconvolve", "methods_text"]

Floats = NDArray[np.float64]

# What a block sees beyond its own planes, in wavelengths of the high pass: there the filter's answer has died away.
_REACH_HIGH_PASS = 2.0
_BLOCK_PLANES_LEAST = 16
# Float32 arrays of a block's size that are held at once.
_ARRAYS_A_BLOCK = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class DeconvolutionParams:
    """Parameters of :func:`deconvolve`, those of Warp.

    Parameters
    ----------
    strength : float
        Signal-to-noise ratio at zero frequency as a power of 1000.
    falloff : float
        How fast it falls: by ``exp(−200 · falloff · r / pixel)`` with r in cycles a voxel.
    high_pass_angstrom : float
        Wavelength from which coarser detail is damped to nothing, Å.
    defocus_angstrom : float or None
        Positive = underfocus; None takes the used tilt nearest to 0°.

    Raises
    ------
    ParameterError
        If a number is out of range.
    """

    strength: float = 1.0
    falloff: float = 1.0
    high_pass_angstrom: float = 300.0
    defocus_angstrom: float | None = None

    def __post_init__(self) -> None:
        """Refuse what makes no filter."""
        for name in ("strength", "falloff"):
            value = getattr(self, name)
            if not 0 <= value <= 10:
                raise ParameterError(f"deconvolution.{name}: expected a number from 0 to 10, found {value}")
        for name in ("high_pass_angstrom", "defocus_angstrom"):
            value = getattr(self, name)
            if value is not None and not (math.isfinite(value) and value > 0):
                raise ParameterError(f"deconvolution.{name}: expected a positive length in Å, found {value}")


def deconvolution_filter(
    frequency_per_angstrom: Floats,
    defocus_angstrom: float,
    voxel_size_angstrom: float,
    optics: Optics,
    params: DeconvolutionParams,
    *,
    phases_flipped: bool,
) -> Floats:
    """Wiener-like weights ``c / (c² + 1 / SNR)`` with ``SNR = exp(−200 f r / pixel) · 10^(3 s) · hp``.

    Parameters
    ----------
    frequency_per_angstrom : array of float
    defocus_angstrom : float
    voxel_size_angstrom : float
    optics : Optics
    params : DeconvolutionParams
    phases_flipped : bool
        Whether the volume's phases were corrected: c is then the CTF's magnitude; else its sign is such that coarse
        detail keeps its contrast.

    Returns
    -------
    array of float64, of the frequencies' shape

    Notes
    -----
    Warp's formula (Tegunov & Cramer 2019, Nat. Methods 16:1146; Deconv.cu): r in cycles a voxel, and hp =
    ½ (1 − cos(π min(1, r / r_hp))).
    """
    transfer = -ctf(
        frequency_per_angstrom,
        defocus_angstrom,
        voltage_kv=optics.voltage_kv,
        cs_mm=optics.cs_mm,
        amplitude_contrast=optics.amplitude_contrast,
    )
    if phases_flipped:
        transfer = np.abs(transfer)
    high_pass = 0.5 * (1 - np.cos(np.pi * np.minimum(1, frequency_per_angstrom * params.high_pass_angstrom)))
    cycles = frequency_per_angstrom * voxel_size_angstrom
    ratio = np.exp(-200 * params.falloff * cycles / voxel_size_angstrom) * 10 ** (3 * params.strength) * high_pass
    # c / (c² + 1 / SNR), written so that a ratio of zero needs no division.
    return transfer * ratio / (transfer**2 * ratio + 1)


def deconvolve(
    tomogram: Tomogram, series: TiltSeries, params: DeconvolutionParams, *, resources: Resources, progress: Progress
) -> Tomogram:
    """Deconvolve a tomogram with the CTF of one defocus.

    Parameters
    ----------
    tomogram : Tomogram
    series : TiltSeries
        The series it was made from: optics and defocus.
    params : DeconvolutionParams
    resources : Resources
        Threads and memory (blocks of y planes are transformed one at a time); the result is made by
        ``allocate("deconv_zyx", …)``.
    progress : Progress

    Returns
    -------
    Tomogram
        Of kind ``"deconv"``, on the same grid, without halves, as dark or light as before, in units of its own.

    Raises
    ------
    GeometryError
        If no defocus is given and none was estimated.
    """
    defocus = params.defocus_angstrom or _defocus_at_zero(series)
    nz, ny, nx = tomogram.grid.shape_zyx
    voxel = tomogram.grid.voxel_size_angstrom
    reach = min(ny, math.ceil(_REACH_HIGH_PASS * params.high_pass_angstrom / voxel))
    planes = _planes_at_once((nz, ny, nx), reach, resources.memory_gib)
    out = resources.allocate("deconv_zyx", tomogram.grid.shape_zyx, np.float32)
    for first in range(0, ny, planes):
        end = min(ny, first + planes)
        seen = slice(max(0, first - reach), min(ny, end + reach))
        block = np.asarray(tomogram.volume_zyx.read((slice(None), seen)), dtype=np.float32)
        filtered = _filtered(block, reach, defocus, voxel, series.optics, params, tomogram, resources.workers)
        out[:, first:end] = filtered[:, first - seen.start : end - seen.start]
        progress.step("deconvolve", end, ny)
    return replace(tomogram, volume_zyx=InMemory(out), odd_zyx=None, even_zyx=None, kind="deconv")


def methods_text(params: DeconvolutionParams) -> str:
    """One sentence for a methods section."""
    return (
        f"Tomograms for display were deconvolved by the CTF with Warp's filter (strength {params.strength:g}, falloff "
        f"{params.falloff:g}, high pass at {params.high_pass_angstrom:g} Å; Tegunov & Cramer 2019) (tomoset)."
    )


def _defocus_at_zero(series: TiltSeries) -> float:
    rows = [int(i) for i in series.used if series.tilts[int(i)].ctf is not None]
    if not rows:
        raise GeometryError(
            f"{series.run}: deconvolution needs a defocus, found none; estimate the CTF first, or give "
            "deconvolution.defocus_angstrom"
        )
    estimate = series.tilts[min(rows, key=lambda i: abs(series.tilts[i].nominal_tilt_deg))].ctf
    return 0.0 if estimate is None else estimate.defocus_angstrom


def _planes_at_once(shape_zyx: tuple[int, int, int], reach: int, memory_gib: float) -> int:
    """Planes of y of a block, so that it fits with what it sees beyond and is padded by."""
    nz, ny, nx = shape_zyx
    a_plane = _ARRAYS_A_BLOCK * 4 * (nz + 2 * reach) * (nx + 2 * reach)
    return int(np.clip(memory_gib * 2**30 // a_plane - 4 * reach, _BLOCK_PLANES_LEAST, ny))


def _filtered(
    block_zyx: NDArray[np.float32],
    reach: int,
    defocus_angstrom: float,
    voxel: float,
    optics: Optics,
    params: DeconvolutionParams,
    tomogram: Tomogram,
    workers: int,
) -> NDArray[np.float32]:
    """A block, mirrored beyond its faces, through the filter."""
    from scipy.fft import irfftn, next_fast_len, rfftn

    before = [min(reach, n - 1) for n in block_zyx.shape]
    lengths = [next_fast_len(n + 2 * b, real=True) for n, b in zip(block_zyx.shape, before, strict=True)]
    pads = [(b, min(length - n - b, n - 1)) for n, b, length in zip(block_zyx.shape, before, lengths, strict=True)]
    padded = np.pad(block_zyx, pads, mode="reflect")
    frequency = rfft_frequency_3d(_three(padded.shape), voxel)
    # The filter is radial and smooth: a table is as good as itself.
    table = np.linspace(0, float(frequency.max()), 4096)
    weights = deconvolution_filter(
        table, defocus_angstrom, voxel, optics, params, phases_flipped=tomogram.ctf_corrected
    )
    spectrum = rfftn(padded, workers=workers)
    spectrum *= np.interp(frequency, table, weights).astype(np.float32)
    whole = irfftn(spectrum, s=padded.shape, workers=workers)
    inside = tuple(slice(b, b + n) for b, n in zip(before, block_zyx.shape, strict=True))
    return np.asarray(whole[inside], dtype=np.float32)


def _three(shape: tuple[int, ...]) -> tuple[int, int, int]:
    z, y, x = shape
    return z, y, x
