"""The tomogram as membranes are looked for in it: coarser, bright on dark, in units of its own spread."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tomoset.errors import GeometryError
from tomoset.model import Progress, Resources, Tomogram

__all__ = ["WorkingVolume", "make_working_volume"]

Floats = NDArray[np.float32]
LEAST_VOXELS = 12
CLIP = 5.0  # gold and dust reach far beyond and would shine through the filters


@dataclass(frozen=True, slots=True, eq=False)
class WorkingVolume:
    """A volume whose membranes are bright.

    Parameters
    ----------
    volume_zyx : (z, y, x) array of float32
        Median 0, and robust standard deviation 1; clipped at ±5.
    voxel_size_angstrom : float
    offset_angstrom : float
        Where the centre of voxel 0 lies in the tomogram's volume frame, on every axis.
    wedge_deg : float
        Largest tilt: planes whose normal is inclined further towards the beam, about the tilt axis (y), are not seen.
    """

    volume_zyx: Floats
    voxel_size_angstrom: float
    offset_angstrom: float
    wedge_deg: float

    def positions_angstrom_xyz(self, places_zyx: NDArray[np.floating]) -> NDArray[np.float64]:
        """Volume-frame positions (n, 3) of fractional indices (n, 3)."""
        return np.asarray(places_zyx, dtype=np.float64)[:, ::-1] * self.voxel_size_angstrom + self.offset_angstrom


def make_working_volume(
    tomogram: Tomogram, largest_voxel_angstrom: float, resources: Resources, progress: Progress
) -> WorkingVolume:
    """Read a tomogram slab by slab and average blocks of its voxels.

    Raises
    ------
    GeometryError
        If the tomogram is too small, or holds no signal or values that are no numbers.
    """
    fine = tomogram.grid.voxel_size_angstrom
    factor = max(1, int(largest_voxel_angstrom / fine + 1e-6))
    shape = tuple(n // factor for n in tomogram.grid.shape_zyx)
    if min(shape) < LEAST_VOXELS:
        raise GeometryError(
            f"{tomogram.run}: expected at least {LEAST_VOXELS * factor} voxels along every axis to look for membranes, "
            f"found {tomogram.grid.shape_zyx}; give a larger part of the tomogram"
        )
    volume = resources.allocate("membranes_working_zyx", shape, np.float32)
    planes = max(1, 8_000_000 // (tomogram.grid.shape_zyx[1] * tomogram.grid.shape_zyx[2] * factor))
    for first in range(0, shape[0], planes):
        last = min(first + planes, shape[0])
        slab = np.asarray(tomogram.volume_zyx.read((slice(first * factor, last * factor),)), dtype=np.float32)
        if not np.isfinite(slab).all():
            raise GeometryError(
                f"{tomogram.run}: expected finite densities, found NaN or infinity between planes {first * factor} and "
                f"{last * factor}; reconstruct the tomogram again or fill what is missing with its mean"
            )
        cut = slab[:, : shape[1] * factor, : shape[2] * factor]
        blocks = cut.reshape(last - first, factor, shape[1], factor, shape[2], factor)
        volume[first:last] = blocks.mean(axis=(1, 3, 5), dtype=np.float32)
        progress.step("read tomogram", last, shape[0])
    _standardise(volume, tomogram)
    tilts = np.abs(tomogram.geometry.y_tilt_deg[np.asarray(tomogram.tilt_indices, dtype=np.intp)])
    return WorkingVolume(volume, fine * factor, (factor - 1) / 2 * fine, float(tilts.max(initial=0.0)))


def _standardise(volume_zyx: Floats, tomogram: Tomogram) -> None:
    """Turn the contrast so that protein is bright; zero median and unit robust spread, clipped, in place."""
    step = max(1, round((volume_zyx.size / 4_000_000) ** (1 / 3)))
    sample = np.asarray(volume_zyx[::step, ::step, ::step], dtype=np.float64)
    centre = float(np.median(sample))
    spread = 1.4826 * float(np.median(np.abs(sample - centre)))
    if not spread > 0:
        raise GeometryError(
            f"{tomogram.run}: expected a tomogram with signal, found the same value ({centre:g}) in most voxels; check "
            "that it was reconstructed"
        )
    sign = -1.0 if tomogram.contrast == "dark" else 1.0
    for z in range(len(volume_zyx)):
        volume_zyx[z] = np.clip((volume_zyx[z] - np.float32(centre)) * np.float32(sign / spread), -CLIP, CLIP)
