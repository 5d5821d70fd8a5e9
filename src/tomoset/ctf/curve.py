"""The radial spectrum of one tilt and the curve fitted to it: for the report's picture and for the quality numbers."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tomoset.ctf.joint_fit import turned_plane
from tomoset.ctf.likelihood import ENVELOPES, remove_smooth, smooth_level
from tomoset.ctf.params import CtfParams
from tomoset.ctf.spectra import RingGrid, TileSpectra, ring_grid, tile_spectra
from tomoset.errors import ParameterError
from tomoset.model import CtfEstimate, Optics, TiltSeries
from tomoset.physics import ctf, defocus_along, wavelength_angstrom

__all__ = ["CtfCurve", "ctf_curve", "fitted_curve"]

Floats = NDArray[np.float64]

_LEAST_LOCAL_CORRELATION = 0.5
# The score is that of the rings up to here, whatever finer ones are fitted; or of half of the rings.
_JUDGED_TO_ANGSTROM = 10.0


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class CtfCurve:
    """Spectrum and fit of one tilt.

    Parameters
    ----------
    frequency_per_angstrom : (r,) array of float64
        Ascending.
    spectrum : (r,) array of float64
        Power relative to the smooth background, minus it; tiles stretched to the defocus of the image centre.
    model : (r,) array of float64
        Fitted ``A g(k) CTF²``.
    score : float
        Correlation of the two, −1 to 1, after removal of every smooth function of frequency.
    resolution_angstrom : float
        Finest spacing up to which the local correlation stays above 0.5.
    """

    frequency_per_angstrom: Floats
    spectrum: Floats
    model: Floats
    score: float
    resolution_angstrom: float


def ctf_curve(series: TiltSeries, tilt_index: int, params: CtfParams) -> CtfCurve:
    """Radial spectrum of one tilt with the curve of its CTF estimate.

    Parameters
    ----------
    series : TiltSeries
        With CTF estimates.
    tilt_index : int
        Row of the tilt.
    params : CtfParams
        As used for the estimate.

    Raises
    ------
    ParameterError
        If the tilt has no estimate.
    """
    estimate = series.tilts[tilt_index].ctf
    if estimate is None:
        raise ParameterError(
            f"{series.run}: {series.tilts[tilt_index].name} has no CTF estimate; run estimate_ctf, or choose a tilt "
            "whose image is not empty"
        )
    image = np.asarray(series.images_nyx.read((tilt_index,)), dtype=np.float32)
    grid = ring_grid((image.shape[0], image.shape[1]), series.pixel_size_angstrom, params)
    spectra = tile_spectra(
        image,
        grid,
        pixel_size_angstrom=series.pixel_size_angstrom,
        mask_yx=None if series.masks_nyx is None else series.masks_nyx[tilt_index],
    )
    if spectra is None:
        raise ParameterError(f"{series.run}: the image of {series.tilts[tilt_index].name} is empty; nothing to draw")
    diagnostics = series.diagnostics or {}
    angles = [diagnostics.get(f"ctf.plane_tilt_{name}_axis_deg", 0.0) for name in ("about", "across")]
    geometry = series.geometry if series.geometry is not None else series.nominal_geometry()
    turned = turned_plane(geometry, np.array(angles))
    gradient = series.defocus_hand * turned.plane_gradient_xy[tilt_index]
    path = (params.thickness_angstrom or 0.0) / abs(turned.image_from_specimen[tilt_index, 2, 2])
    return fitted_curve(spectra, grid, estimate, gradient, series.optics, path_angstrom=float(path))


def fitted_curve(
    spectra: TileSpectra,
    grid: RingGrid,
    estimate: CtfEstimate,
    gradient_xy: Floats,
    optics: Optics,
    *,
    path_angstrom: float = 0.0,
) -> CtfCurve:
    """Stretch all spectra of a tilt to one defocus, add them up and fit amplitude and envelope of the CTF².

    ``gradient_xy`` is the change of defocus per Å of image x and y, ``path_angstrom`` the beam's way through the slab:
    the mean of CTF² over its heights has rings of less contrast, and none where their phase differs by a turn.
    """
    defocus = estimate.defocus_angstrom
    stacked = _stack(spectra, grid, estimate, gradient_xy)
    squared = np.square(
        ctf(
            grid.frequency,
            defocus,
            voltage_kv=optics.voltage_kv,
            cs_mm=optics.cs_mm,
            amplitude_contrast=optics.amplitude_contrast,
        )
    )
    turns = wavelength_angstrom(optics.voltage_kv) * np.square(grid.frequency) * path_angstrom
    squared = 0.5 - np.where(turns < 1, np.sinc(turns), 0.0) * (0.5 - squared)
    rough = remove_smooth(stacked, grid)
    fits = []
    for envelope in ENVELOPES:
        model = np.exp(-envelope * np.square(grid.frequency)) * squared
        rough_model = remove_smooth(model, grid)
        product = float((grid.ring_count * rough * rough_model).sum())
        power = float((grid.ring_count * np.square(rough_model)).sum())
        fits.append((product / np.sqrt(power), product / power, model, rough_model))
    _, amplitude, model, rough_model = max(fits, key=lambda fit: fit[0])
    amplitude = max(amplitude, 0.0)
    smooth = stacked - rough - amplitude * (model - rough_model)  # the background beside a fit of that amplitude
    resolution = _resolution_angstrom(rough, rough_model, grid, _ring_period(grid, defocus, optics))
    judged = grid.frequency <= max(1 / _JUDGED_TO_ANGSTROM, grid.frequency[len(grid.frequency) // 2])
    score = _correlation(rough[judged], rough_model[judged], grid.ring_count[judged])
    return CtfCurve(
        frequency_per_angstrom=grid.frequency,
        spectrum=stacked - smooth,
        model=amplitude * model,
        score=score,
        resolution_angstrom=resolution,
    )


def _stack(spectra: TileSpectra, grid: RingGrid, estimate: CtfEstimate, gradient_xy: Floats) -> Floats:
    """Mean of all rows, each read where its own defocus puts the phase that the image centre has at k.

    The phase grows as defocus · k² (spherical aberration hardly changes it here): ``k_row = k sqrt(D / D_row)``. The
    result is relative to the smooth level of the image, minus 1.
    """
    along = defocus_along(
        grid.azimuth, estimate.defocus_u_angstrom, estimate.defocus_v_angstrom, estimate.astigmatism_deg
    )
    mean = np.einsum("t,tsr,sr->r", spectra.n_tiles, spectra.power, grid.count)
    mean /= spectra.n_tiles.sum() * grid.ring_count
    level = smooth_level(mean, grid)
    total, weight = np.zeros(len(grid.frequency)), np.zeros(len(grid.frequency))
    heights = spectra.position_xy_angstrom @ gradient_xy
    for tiles, height, power in zip(spectra.n_tiles, heights, spectra.power, strict=True):
        stretch = np.sqrt(estimate.defocus_angstrom / np.maximum(along + height, 1.0))
        for sector, factor in enumerate(stretch):
            wanted = grid.frequency * factor
            inside = (wanted >= grid.frequency[0]) & (wanted <= grid.frequency[-1])
            values = np.interp(wanted, grid.frequency, power[sector] / level - 1)
            share = np.where(inside, tiles * grid.count[sector], 0.0)
            total += share * values
            weight += share
    stacked: Floats = total / np.maximum(weight, 1e-9)
    return stacked


def _ring_period(grid: RingGrid, defocus_angstrom: float, optics: Optics) -> Floats:
    """Width of a Thon ring, in rings of the grid, at every frequency: ``CTF²`` repeats when ``λ D k²`` grows by 1."""
    step = float(grid.frequency[1] - grid.frequency[0])
    return 1 / (2 * wavelength_angstrom(optics.voltage_kv) * defocus_angstrom * grid.frequency * step)


def _correlation(a: Floats, b: Floats, weight: Floats) -> float:
    denominator = float(np.sqrt((weight * a * a).sum() * (weight * b * b).sum()))
    return float((weight * a * b).sum()) / denominator if denominator > 0 else 0.0


def _resolution_angstrom(rough: Floats, rough_model: Floats, grid: RingGrid, period: Floats) -> float:
    """Finest spacing before the correlation over one Thon ring falls below the threshold."""
    n = len(rough)
    finest = 0
    for centre in range(n):
        half = int(np.clip(np.ceil(period[centre] / 2), 3, n // 4))
        part = slice(max(0, centre - half), min(n, centre + half + 1))
        a, b = rough[part] - rough[part].mean(), rough_model[part] - rough_model[part].mean()
        if _correlation(a, b, grid.ring_count[part]) < _LEAST_LOCAL_CORRELATION:
            break
        finest = centre
    return float(1 / grid.frequency[finest])
