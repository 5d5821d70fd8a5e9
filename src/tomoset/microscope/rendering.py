"""What all frames of a view share: the transforms of what fades and what stays, and what dims the beam."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tomoset.microscope.field import Canvas
from tomoset.microscope.ice import blend_weights, ice_path, ice_spectrum
from tomoset.microscope.multislice import beyond_linear
from tomoset.microscope.optics import largest_frequency, matter_spectrum
from tomoset.microscope.params import MicroscopeParams
from tomoset.microscope.projection import MoleculeTransform
from tomoset.microscope.splatting import Cloud, absorbance
from tomoset.microscope.views import View
from tomoset.model import Molecules, Scatterers, Specimen
from tomoset.physics import damage_amplitude

__all__ = ["RenderedView", "render_view", "surviving_frequency"]

_LEAST_SURVIVAL = 0.01  # amplitude, of what radiation damage has left
_LEAST_AMPLITUDE = 1e-4  # of that and of the points' own Gaussian together
_FINER_FOR_BEADS = 1.3
_BAR_EDGE_ANGSTROM = 50.0  # over which the shadow of a grid bar, far out of focus, sets in

Floats = NDArray[np.float64]
Singles = NDArray[np.float32]
Spectrum = NDArray[np.complex64]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RenderedView:
    """What the frames of one view are made of.

    Parameters
    ----------
    canvas : Canvas
        At the view's magnification.
    fading_canvas : Canvas
        Of the same extent, as coarse as what damage has left allows.
    fading : complex64 array
        Transform of the contrast of undamaged matter that fades, on its canvas, scaled for ``canvas``.
    steady : (n, ny, nx // 2 + 1) complex64 array
        Transforms of the contrast of the ice's structures and of matter that does not fade.
    shares : (n, n_frames) array of float32
        How much of each of these is in each frame.
    transmission : float
        Share of the electrons that pass.
    attenuation_yx : (ny, nx) array of float32 or None
        What varies of that over the canvas, as a factor: ice, absorbing matter, a grid bar; None for nothing.
    """

    canvas: Canvas
    fading_canvas: Canvas
    fading: Spectrum
    steady: Spectrum
    shares: Singles
    transmission: float
    attenuation_yx: Singles | None


def surviving_frequency(
    spread_angstrom: float, dose_e_per_angstrom2: float, largest: float, voltage_kv: float
) -> float:
    """Largest frequency at which points of a Gaussian still show after a dose, 1/Å.

    Damage must have left 1 % of the amplitude, and damage and Gaussian together 1e-4.
    """
    k = np.linspace(0, largest, 513)
    left = damage_amplitude(k, dose_e_per_angstrom2, voltage_kv)
    amplitude = left * np.exp(-2 * (np.pi * spread_angstrom * k) ** 2)
    return float(k[(left >= _LEAST_SURVIVAL) & (amplitude >= _LEAST_AMPLITUDE)].max())


def render_view(
    specimen: Specimen,
    transforms: Mapping[str, MoleculeTransform],
    view: View,
    params: MicroscopeParams,
    canvas: Canvas,
    *,
    doses_e_per_angstrom2: tuple[float, float],
    blocked_half_plane: Floats,
    rng: np.random.Generator,
    memory_gib: float,
    workers: int,
) -> RenderedView:
    """Compute all that the frames of one view have in common.

    Parameters
    ----------
    specimen, transforms, params
        As in ``matter_spectrum``.
    view : View
    canvas : Canvas
        Of magnification 1.
    doses_e_per_angstrom2 : tuple of float
        Received at the middle of the first frame, and at the middle of the movie.
    blocked_half_plane : (3,) array of float64
        See ``Conditions``.
    rng : numpy.random.Generator
        Of the ice's structure in this view.
    memory_gib : float
        For the planes.
    workers : int
        Threads of the Fourier transforms.
    """
    shadow_yx = bar_shadow(blocked_half_plane, canvas)
    canvas = canvas.magnified(view.magnification)
    work = _Work(specimen, transforms, view, params, memory_gib, workers)
    fading, fading_canvas = _fading(work, canvas, doses_e_per_angstrom2[0])
    path = ice_path(specimen, view, canvas)
    shares = blend_weights(
        params.n_frames, params.dose_per_tilt_e_per_angstrom2, params.ice_correlation_dose_e_per_angstrom2
    )
    steady = [ice_spectrum(view, path, params, canvas, rng, workers=workers) for _ in shares]
    steady += _same_in_all_frames(work, canvas, doses_e_per_angstrom2[1])
    always = np.ones((len(steady) - len(shares), params.n_frames), dtype=np.float32)
    transmission, ice_yx = path.transmission(params.mean_free_path_angstrom)
    absorbing = [points for points in specimen.scatterers if points.absorptions_angstrom2 is not None]
    absorbed_yx = absorbance([Cloud.seen(points, view, canvas) for points in absorbing], canvas, workers=workers)
    return RenderedView(
        canvas=canvas,
        fading_canvas=fading_canvas,
        fading=fading,
        steady=np.stack(steady),
        shares=np.concatenate([shares, always]),
        transmission=transmission,
        attenuation_yx=_attenuation(ice_yx, absorbed_yx, shadow_yx),
    )


class _Work(NamedTuple):
    specimen: Specimen
    transforms: Mapping[str, MoleculeTransform]
    view: View
    params: MicroscopeParams
    memory_gib: float
    workers: int


class _Part(NamedTuple):
    """Contrast of some of the matter, on a canvas as coarse as it allows."""

    spectrum: Spectrum
    canvas: Canvas


def _fading(work: _Work, canvas: Canvas, dose_before: float) -> tuple[Spectrum, Canvas]:
    """Contrast of undamaged matter that fades, on the coarsest canvas that resolves what a dose has left of it."""
    parts = []
    if work.specimen.molecules:
        spreads = {work.transforms[copies.species].finest_spread_angstrom for copies in work.specimen.molecules}
        band = max(_band(work, canvas, spread, dose_before) for spread in spreads)
        coarse = canvas.resolving(max([band, *_slightly_finer(work, band)]))
        parts.append(_part(work, coarse, work.specimen.molecules, (), band))
    fading = tuple(points for points in work.specimen.scatterers if points.fades)
    parts += _points_by_spread(work, canvas, fading, dose_before)
    finest = max((part.canvas for part in parts), key=lambda one: one.shape_yx, default=canvas.resolving(0.0))
    return _together(parts, finest, canvas), finest


def _points_by_spread(
    work: _Work, canvas: Canvas, scatterers: tuple[Scatterers, ...], dose_before: float
) -> list[_Part]:
    """Points of each width by themselves: the wider ones need only coarse canvases."""
    parts = []
    for spread in sorted({points.spread_angstrom for points in scatterers}):
        some = tuple(points for points in scatterers if points.spread_angstrom == spread)
        band = _band(work, canvas, spread, dose_before)
        parts.append(_part(work, canvas.resolving(band), (), some, band))
    return parts


def _band(work: _Work, canvas: Canvas, spread: float, dose_before: float) -> float:
    return surviving_frequency(spread, dose_before, largest_frequency(canvas), work.params.voltage_kv)


def _part(
    work: _Work, canvas: Canvas, molecules: tuple[Molecules, ...], scatterers: tuple[Scatterers, ...], band: float
) -> _Part:
    spectrum = matter_spectrum(
        molecules,
        work.transforms,
        work.view,
        work.params,
        canvas,
        scatterers=scatterers,
        frequency_per_angstrom=band,
        memory_gib=work.memory_gib,
        workers=work.workers,
    )
    return _Part(spectrum, canvas)


def _together(parts: list[_Part], onto: Canvas, scaled_for: Canvas) -> Spectrum:
    """Sum of parts on one canvas, scaled as transforms of another one are."""
    from tomoset.microscope import _optics_kernels

    total = np.zeros((onto.shape_yx[0], onto.shape_yx[1] // 2 + 1), dtype=np.complex64)
    for part in parts:
        enlarged = (part.canvas.coarseness / scaled_for.coarseness) ** 2
        _optics_kernels.pad_into(total, part.spectrum, np.float32(enlarged))
    return total


def _slightly_finer(work: _Work, band: float) -> list[float]:
    """Nyquist frequencies, not far beyond a band, at which molecules can be splatted as beads: faster than slices."""
    beads = [work.transforms[copies.species].beads for copies in work.specimen.molecules]
    frequencies = {model.resolving_frequency for model in beads if model is not None}
    return [frequency for frequency in frequencies if frequency <= _FINER_FOR_BEADS * band]


def _same_in_all_frames(work: _Work, canvas: Canvas, dose: float) -> list[Spectrum]:
    """Contrast of matter that does not fade, and what the electron wave adds to the linear image."""
    specimen, view, params = work.specimen, work.view, work.params
    lasting = tuple(points for points in specimen.scatterers if not points.fades)
    spectra = []
    if lasting:
        spectra.append(_together(_points_by_spread(work, canvas, lasting, 0.0), canvas, canvas))
    if params.propagation == "multislice":
        matter = (specimen.molecules, work.transforms, specimen.scatterers)
        spectra.append(beyond_linear(*matter, view, params, canvas, dose_e_per_angstrom2=dose, workers=work.workers))
    return spectra


def _attenuation(ice_yx: Singles | None, absorbed_yx: Singles | None, shadow_yx: Singles | None) -> Singles | None:
    factors = [ice_yx, None if absorbed_yx is None else np.exp(-absorbed_yx), shadow_yx]
    present = [factor for factor in factors if factor is not None]
    return None if not present else np.ascontiguousarray(math.prod(present[1:], start=present[0]))


def bar_shadow(half_plane: Floats, canvas: Canvas) -> Singles | None:
    """Share of electrons (y, x) that pass beside a grid bar with a soft edge; None for no bar."""
    if not math.isfinite(half_plane[2]):
        return None
    (ny, nx), (origin_y, origin_x) = canvas.shape_yx, canvas.origin_yx
    pixel = canvas.pixel_size_angstrom
    x, y = (np.arange(nx) - origin_x) * pixel, (np.arange(ny) - origin_y) * pixel
    inside = half_plane[0] * x[None, :] + half_plane[1] * y[:, None] - half_plane[2]
    return np.asarray(0.5 - 0.5 * np.tanh(inside / _BAR_EDGE_ANGSTROM), dtype=np.float32)
