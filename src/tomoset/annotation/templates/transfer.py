"""How a molecule's potential passes through microscope and reconstruction: the tomogram's transfer function.

In Fourier space a tilt image fills a slice through the origin. Seen through a box of edge L the slice is a slab of
thickness 1 / L; weighted back-projection adds the slabs with the ramp |u|, so that evenly spaced tilts sum to one
inside the measured wedge and to nothing outside.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tomoset.errors import GeometryError
from tomoset.geometry import rotation_about
from tomoset.model import TiltSeries, Tomogram
from tomoset.physics import ctf, damage_amplitude

__all__ = ["BoxTransfer", "box_frequencies", "box_transfer", "tilt_steps_rad"]

Floats32 = NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class BoxTransfer:
    """Transfer function on the ``rfftn`` grid of a cubic box.

    Parameters
    ----------
    signal_zyx : (n, n, n // 2 + 1) array of float32
        What a potential is multiplied with, up to the tomogram's unit of density; positive where the molecule has
        the sign of its potential after the tomogram's contrast has been accounted for.
    coverage_zyx : (n, n, n // 2 + 1) array of float32
        The same without optics and dose: 1 where tilts are dense, 0 in the missing wedge.
    voxel_size_angstrom : float
    """

    signal_zyx: Floats32
    coverage_zyx: Floats32
    voxel_size_angstrom: float


def box_frequencies(n: int, voxel_size_angstrom: float) -> NDArray[np.float64]:
    """Frequencies (n, n, n // 2 + 1, 3) of ``rfftn`` of a cubic box, xyz, 1/Å."""
    full = np.fft.fftfreq(n, voxel_size_angstrom)
    half = np.fft.rfftfreq(n, voxel_size_angstrom)
    kz, ky, kx = np.meshgrid(full, full, half, indexing="ij")
    return np.stack([kx, ky, kz], axis=-1)


def box_transfer(
    tomogram: Tomogram,
    series: TiltSeries,
    n: int,
    voxel_size_angstrom: float,
    *,
    dose_weighted: bool,
) -> BoxTransfer:
    """Transfer function of a tomogram for particles that fit into a box.

    Parameters
    ----------
    tomogram : Tomogram
        Gives the geometry, the tilts used and whether phases were flipped.
    series : TiltSeries
        Gives defocus, dose and optics of each tilt.
    n : int
        Edge of the box, voxels; even.
    voxel_size_angstrom : float
    dose_weighted : bool
        Whether the reconstruction multiplied each tilt with the damage amplitude of its dose (the specimen's own
        damage is in the images either way).

    Returns
    -------
    BoxTransfer

    Raises
    ------
    GeometryError
        If tomogram and series have different numbers of rows, or no tilt was used.
    """
    rows = np.asarray(tomogram.tilt_indices, dtype=np.intp)
    if tomogram.geometry.n_tilts != len(series.tilts) or not rows.size:
        raise GeometryError(
            f"{tomogram.run}: expected a tomogram of some of the series' {len(series.tilts)} tilts, found a geometry "
            f"of {tomogram.geometry.n_tilts} with {rows.size} tilts used; give the series it was made from"
        )
    k_xyz = box_frequencies(n, voxel_size_angstrom)
    untilt = rotation_about("z", -tomogram.geometry.z_rot_deg) @ tomogram.geometry.image_from_specimen
    steps_rad = tilt_steps_rad(tomogram.geometry.y_tilt_deg[rows])
    scale = tomogram.geometry.magnification
    length = n * voxel_size_angstrom
    signal = np.zeros(k_xyz.shape[:-1])
    coverage = np.zeros_like(signal)
    for row, step_rad in zip(rows, steps_rad, strict=True):
        u, v, w = np.moveaxis(k_xyz @ untilt[row].T, -1, 0)
        slab = np.abs(u) * step_rad * length * np.exp(-np.pi * np.square(w * length))
        in_image = np.hypot(u, v) / (1.0 if scale is None else scale[row])
        faded = _surviving(series, int(row), in_image)
        weight = faded if dose_weighted else 1.0
        coverage += slab
        signal += slab * weight * faded * _contrast(series, int(row), in_image, tomogram.ctf_corrected)
    if dose_weighted:  # the reconstruction's weights have a mean square of one over the tilts
        k = np.linalg.norm(k_xyz, axis=-1)
        power = np.mean([np.square(_surviving(series, int(row), k)) for row in rows], axis=0)
        signal /= np.sqrt(np.maximum(power, np.finfo(np.float64).tiny))
    return BoxTransfer(signal.astype(np.float32), coverage.astype(np.float32), voxel_size_angstrom)


def tilt_steps_rad(y_tilt_deg: NDArray[np.float64]) -> NDArray[np.float64]:
    """Angle that each view stands for, radians: half its neighbours' distance, as weighted back-projection has it.

    The first and the last view stand for the distance to their only neighbour, so that beside a gap views weigh more;
    one tilt alone counts as if it had neighbours 3° away.
    """
    tilt = np.deg2rad(np.asarray(y_tilt_deg, dtype=np.float64))
    if tilt.size == 1:
        return np.array([np.deg2rad(3.0)])
    order = np.argsort(tilt, kind="stable")
    gaps = np.diff(tilt[order])
    steps = np.empty_like(tilt)
    steps[order] = 0.5 * (np.concatenate([gaps[:1], gaps]) + np.concatenate([gaps, gaps[-1:]]))
    return steps


def _surviving(series: TiltSeries, row: int, frequency_per_angstrom: NDArray[np.float64]) -> NDArray[np.float64]:
    """Amplitude that radiation has left in the middle of an exposure."""
    dose = float(series.dose_middle_e_per_angstrom2[row])
    return damage_amplitude(frequency_per_angstrom, dose, series.optics.voltage_kv)


def _contrast(
    series: TiltSeries, row: int, frequency_per_angstrom: NDArray[np.float64], ctf_corrected: bool
) -> NDArray[np.float64]:
    """−CTF, which is positive at low frequency (underfocus makes protein dark), or |CTF| after phase flipping."""
    estimate = series.tilts[row].ctf
    if estimate is None:
        return np.ones_like(frequency_per_angstrom)
    contrast = -ctf(
        frequency_per_angstrom,
        estimate.defocus_angstrom,
        voltage_kv=series.optics.voltage_kv,
        cs_mm=series.optics.cs_mm,
        amplitude_contrast=series.optics.amplitude_contrast,
    )
    return np.abs(contrast) if ctf_corrected else contrast
