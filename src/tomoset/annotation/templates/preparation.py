"""A tomogram made ready for correlation at one voxel size."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tomoset.annotation.templates.params import Template, TemplateParams
from tomoset.annotation.templates.search import full_grid
from tomoset.annotation.templates.transfer import box_frequencies, box_transfer
from tomoset.annotation.templates.whitening import WhitenedVolume, crop_to_voxel_size, local_spectrum, whiten
from tomoset.errors import GeometryError
from tomoset.model import Resources, TiltSeries, Tomogram

__all__ = ["Prepared", "prepare"]

_FRINGE_ANGSTROM = 80.0
_LEAST_COVERAGE = 0.1


@dataclass(frozen=True, slots=True, eq=False)
class Prepared:
    """The whitened tomogram, and what a template's transform is multiplied with to match it.

    Parameters
    ----------
    white : WhitenedVolume
    weight_box_zyx : (n, n, n // 2 + 1) array of float32
        Transfer function over noise amplitude on the ``rfftn`` grid of a box; 0 outside the band and in the wedge.
    """

    white: WhitenedVolume
    weight_box_zyx: NDArray[np.float32]

    def faded(self, envelope_angstrom: float) -> "Prepared":
        """Return the same for templates blurred by an alignment error, Å rms per axis."""
        k = np.linalg.norm(box_frequencies(len(self.weight_box_zyx), self.white.voxel_size_angstrom), axis=-1)
        fading = np.exp(-2 * np.square(np.pi * envelope_angstrom * k)).astype(np.float32)
        return Prepared(self.white, self.weight_box_zyx * fading)


def prepare(
    tomogram: Tomogram,
    series: TiltSeries,
    templates: Sequence[Template],
    params: TemplateParams,
    voxel_size_angstrom: float,
    resources: Resources,
) -> Prepared:
    """Crop, measure the noise, whiten, and weight templates accordingly.

    Parameters
    ----------
    tomogram, series, templates, params
        As for :func:`tomoset.annotation.match_templates`.
    voxel_size_angstrom : float
        Wanted voxel size, Å.
    resources : Resources

    Returns
    -------
    Prepared

    Raises
    ------
    GeometryError
        If the volume is empty or holds NaN, or the series is not the tomogram's.

    Notes
    -----
    The noise is everything in the tomogram, its crowd of molecules included: that is what a template must be told
    from. Its spectrum is measured at the resolution of a box that holds the largest template and its fringes, in
    which tilt images are slabs rather than planes.
    """
    largest = max(template.structure.radius_angstrom for template in templates)
    volume = tomogram.volume_zyx.read()
    _refuse_nothing(tomogram.run, volume)
    cropped = crop_to_voxel_size(
        volume,
        tomogram.grid.voxel_size_angstrom,
        voxel_size_angstrom,
        margin_angstrom=largest / 2,  # a particle centred outside must be known as one, or its rim is taken for others
        workers=resources.workers,
    )
    voxel = cropped.voxel_size_angstrom
    n = 2 * int(np.ceil((largest + _FRINGE_ANGSTROM) / voxel))
    transfer = box_transfer(tomogram, series, n, voxel, dose_weighted=params.dose_weighted)
    spectrum = local_spectrum(cropped.volume_zyx, cropped.used_zyx, n, resources.workers)
    k = np.linalg.norm(box_frequencies(n, voxel), axis=-1)
    band = (transfer.coverage_zyx > _LEAST_COVERAGE) & (k > 0) & (k < 0.5 / voxel)
    whitener = np.where(band, 1 / np.sqrt(np.maximum(spectrum, np.finfo(np.float32).tiny)), 0).astype(np.float32)
    z, y, x = cropped.volume_zyx.shape
    white = whiten(cropped, full_grid(whitener, (z, y, x)), tomogram.contrast, resources.workers)
    return Prepared(white, np.ascontiguousarray(transfer.signal_zyx * whitener))


def _refuse_nothing(run: str, volume_zyx: NDArray[np.floating]) -> None:
    """A volume without numbers or without contrast cannot be searched."""
    broken = int(volume_zyx.size - np.count_nonzero(np.isfinite(volume_zyx)))
    if broken:
        raise GeometryError(f"{run}: expected a tomogram of numbers, found {broken} voxels of NaN or infinity; mend it")
    if not np.ptp(volume_zyx) > 0:
        raise GeometryError(f"{run}: expected a tomogram with something in it, found {volume_zyx.size} equal voxels")
