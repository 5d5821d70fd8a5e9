"""A tomogram as networks see it: protein dark, robustly scaled, clipped, zero beyond its ends."""

import itertools
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tomoset.errors import GeometryError, PixelSizeError
from tomoset.model import ArraySource, InMemory, Tomogram

__all__ = ["Floats", "NormalVolume", "check_voxel_size", "match_spectrum", "normal_volume", "radial_amplitude"]

Floats = NDArray[np.float32]

_CLIP = 5.0
_TOLERANCE = 0.02
_SAMPLES = 16
_PATCH = 64


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class NormalVolume:
    """An :class:`ArraySource` read as ``(values − centre) / scale``, clipped.

    Parameters
    ----------
    source : ArraySource
    centre : float
        Median.
    scale : float
        1.4826 × the median absolute deviation, negative where protein is light.
    """

    source: ArraySource
    centre: float
    scale: float

    @property
    def shape(self) -> tuple[int, int, int]:
        """Voxels along z, y, x."""
        z, y, x = self.source.shape
        return z, y, x

    def read(self, start_zyx: tuple[int, int, int], lengths_zyx: tuple[int, int, int]) -> Floats:
        """Voxels of a box that may reach beyond the volume, where it is zero."""
        out = np.zeros(lengths_zyx, dtype=np.float32)
        bounds = list(zip(start_zyx, lengths_zyx, self.shape, strict=True))
        inside = tuple(slice(max(s, 0), max(min(s + n, m), 0)) for s, n, m in bounds)
        if any(part.stop <= part.start for part in inside):
            return out
        target = tuple(slice(p.start - s, p.stop - s) for p, s in zip(inside, start_zyx, strict=True))
        values = np.asarray(self.source.read(inside), dtype=np.float32)
        out[target] = np.clip((values - self.centre) / self.scale, -_CLIP, _CLIP)
        return out


def normal_volume(source: ArraySource, *, contrast: str, run: str) -> NormalVolume:
    """Measure a volume's median and spread on patches across it.

    Raises
    ------
    GeometryError
        If it is no volume, holds values that are not finite, or is the same everywhere.
    """
    if len(source.shape) != 3:
        raise GeometryError(f"{run}: expected a volume of three axes, found {len(source.shape)}")
    sample = np.concatenate([np.asarray(source.read(where), dtype=np.float32).ravel() for where in _patches(source)])
    if not np.all(np.isfinite(sample)):
        raise GeometryError(f"{run}: expected finite densities, found NaN or infinity; reconstruct the tomogram again")
    centre = float(np.median(sample))
    scale = 1.4826 * float(np.median(np.abs(sample - centre)))
    if not scale > 0:
        raise GeometryError(f"{run}: expected a tomogram with content, found {centre:g} nearly everywhere")
    return NormalVolume(source=source, centre=centre, scale=scale if contrast == "dark" else -scale)


def check_voxel_size(tomogram: Tomogram, voxel_size_angstrom: float) -> None:
    """Refuse a tomogram on another grid than the network's.

    Raises
    ------
    PixelSizeError
        If the voxel sizes differ by more than 2 %.
    """
    found = tomogram.grid.voxel_size_angstrom
    if abs(found / voxel_size_angstrom - 1) > _TOLERANCE:
        raise PixelSizeError(
            f"{tomogram.run}: expected voxels of {voxel_size_angstrom:g} Å as the network works on, found {found:g} Å; "
            f"reconstruct the tomogram at {voxel_size_angstrom:g} Å, or train a network for {found:g} Å"
        )


def radial_amplitude(volume: NormalVolume, *, n_bins: int = 32) -> NDArray[np.float64]:
    """Root mean square Fourier amplitude per shell of equal width from 0 to Nyquist, over patches across a volume.

    Returns
    -------
    (n_bins,) array of float64
        Of Hann-windowed patches without their mean; one for white noise of standard deviation 1.
    """
    from scipy import fft

    power = np.zeros(n_bins)
    count = np.zeros(n_bins)
    for where in _patches(volume.source):
        lengths = [part.stop - part.start for part in where]
        patch = volume.read((where[0].start, where[1].start, where[2].start), (lengths[0], lengths[1], lengths[2]))
        window = _outer([np.hanning(n + 2)[1:-1] for n in lengths])
        spectrum = fft.rfftn((patch - patch.mean()) * window)
        shell = np.minimum((_frequency(patch.shape) * 2 * n_bins).astype(np.intp), n_bins)
        amplitude = np.abs(spectrum) ** 2 / np.sum(window**2)
        power += np.bincount(shell.ravel(), amplitude.ravel(), n_bins + 1)[:n_bins]
        count += np.bincount(shell.ravel(), minlength=n_bins + 1)[:n_bins]
    return np.asarray(np.sqrt(power / np.maximum(count, 1)))


def match_spectrum(volume: NormalVolume, wanted: NDArray[np.float64]) -> NormalVolume:
    """The volume with the radial amplitude spectrum of others.

    Parameters
    ----------
    volume : NormalVolume
    wanted : (n,) array of float64
        As :func:`radial_amplitude` gives it.

    Returns
    -------
    NormalVolume
        In memory. Phases stay; amplitudes are multiplied by the ratio of the two spectra, within a factor of 10.
        Fourier amplitude matching after MemBrain-seg (Lamm et al. 2024, bioRxiv 2024.01.05.574336).
    """
    from scipy import fft

    own = radial_amplitude(volume, n_bins=len(wanted))
    ratio = np.clip(np.asarray(wanted) / np.maximum(own, 1e-6), 0.1, 10.0)
    values = volume.read((0, 0, 0), volume.shape)
    centres = (np.arange(len(ratio)) + 0.5) / (2 * len(ratio))
    spectrum = fft.rfftn(values, workers=1)
    for i, frequency in enumerate(_planes(values.shape)):  # plane by plane: no third volume
        spectrum[i] *= np.interp(frequency, centres, ratio).astype(np.float32)
    matched = fft.irfftn(spectrum, s=values.shape, workers=1).astype(np.float32, copy=False)
    return normal_volume(InMemory(matched), contrast="dark", run="matched spectrum")


def _planes(shape_zyx: tuple[int, ...]) -> "itertools.chain[NDArray[np.float64]]":
    z, y, x = (np.fft.fftfreq(shape_zyx[0]), np.fft.fftfreq(shape_zyx[1]), np.fft.rfftfreq(shape_zyx[2]))
    lateral = y[:, None] ** 2 + x**2
    return itertools.chain(np.sqrt(f**2 + lateral) for f in z)


def _frequency(shape_zyx: tuple[int, ...]) -> NDArray[np.float64]:
    return np.stack(list(_planes(shape_zyx)))


def _patches(source: ArraySource) -> list[tuple[slice, ...]]:
    """Some patches, evenly spread: across the volume, in the middle third of its height where the specimen is."""
    shape = source.shape
    lengths = [min(_PATCH, n) for n in shape]
    per_axis = max(1, round(_SAMPLES**0.5))
    lateral = [
        np.unique(np.linspace(0, n - m, per_axis).round()).astype(int) for n, m in zip(shape, lengths, strict=True)
    ]
    lateral[0] = np.array([(shape[0] - lengths[0]) // 2])
    return [
        tuple(slice(int(s), int(s) + m) for s, m in zip(corner, lengths, strict=True))
        for corner in itertools.product(*lateral)
    ]


def _outer(axes: list[NDArray[np.float64]]) -> NDArray[np.float64]:
    return np.asarray(axes[0][:, None, None] * axes[1][:, None] * axes[2])
