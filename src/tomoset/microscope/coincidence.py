"""Coincidence loss of a counting camera: two electrons close by in one internal frame count as one.

The electrons of a saved frame are spread over F internal frames. Two of them whose places are within each other's
neighbourhood (``area`` pixels) are in the same internal frame with probability 1 / F, and then one of the two is lost.
So each electron is lost with ``1 − exp(−S / 2F)``, where S is the number of others around it. For Poisson electrons of
mean λ this gives in closed form both the loss, ``λ exp(−τ λ)``, and the correlations it leaves: counts are less noisy
than Poisson's at low frequency, because electrons keep a distance (Li et al. 2013, J. Struct. Biol. 184:251).
"""

import math
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

if TYPE_CHECKING:
    from tomoset.microscope.params import MicroscopeParams

__all__ = ["coincidence_ntf2", "lose_coincidences", "ntf2", "surviving_share"]

Floats = NDArray[np.float64]

_DIRECTIONS = 32


def _edge_weight(area_pixels: float) -> float:
    """Share of a neighbouring pixel that a square of this area about a pixel covers, along one axis."""
    return 0.5 * (math.sqrt(area_pixels) - 1)


def lose_coincidences(
    counts_yx: NDArray[np.uint8], *, internal_frames: float, area_pixels: float, key: tuple[int, int], frame: int
) -> NDArray[np.uint8]:
    """Counts of one frame that are left.

    Parameters
    ----------
    counts_yx : (y, x) array of uint8
        Electrons that arrived.
    internal_frames : float
        Frames of the camera that this one sums, ≥ 1.
    area_pixels : float
        Neighbourhood within which two electrons of one internal frame count as one, 1 to 9; 0 for no loss.
    key, frame : tuple of int, int
        As for :func:`tomoset.microscope.camera.poisson_counts`; movie, frame and pixel alone decide the random numbers.

    Returns
    -------
    (y, x) array of uint8
    """
    if not area_pixels:
        return counts_yx
    from tomoset.microscope import _coincidence_kernels

    kept_yx = np.empty_like(counts_yx)
    edge, per_neighbour = np.float32(_edge_weight(area_pixels)), np.float32(0.5 / internal_frames)
    _coincidence_kernels.lose_coincidences(np.ascontiguousarray(counts_yx), edge, per_neighbour, frame, key, kept_yx)
    return kept_yx


def surviving_share(electrons_per_pixel: float, internal_frames: float, area_pixels: float) -> float:
    """Share of the electrons that are counted, ``exp(−τ λ)``, where λ arrive at a pixel in a saved frame."""
    if not area_pixels:
        return 1.0
    return math.exp(-electrons_per_pixel * float(np.sum(-np.expm1(-_weights(area_pixels) / (2 * internal_frames)))))


def coincidence_ntf2(
    frequency_y: ArrayLike,
    frequency_x: ArrayLike,
    *,
    electrons_per_pixel: float,
    internal_frames: float,
    area_pixels: float,
) -> Floats:
    """Power spectrum of the counts' noise over that of Poisson counts of the same mean.

    Parameters
    ----------
    frequency_y, frequency_x : array of float
        Cycles a pixel; broadcast together.
    electrons_per_pixel : float
        Mean λ that arrives in a saved frame.
    internal_frames, area_pixels : float
        As above.

    Returns
    -------
    array of float64
        Exact for the model: moments of a thinned Poisson field by Mecke's formula.
    """
    fy, fx = np.broadcast_arrays(np.asarray(frequency_y, dtype=np.float64), np.asarray(frequency_x, dtype=np.float64))
    result = np.ones(fy.shape)
    if not area_pixels:
        return result
    rate = electrons_per_pixel
    weights = np.zeros((7, 7))
    weights[2:5, 2:5] = _weights(area_pixels) / (2 * internal_frames)
    mean = rate * math.exp(-rate * float(np.sum(-np.expm1(-weights))))
    for dy in range(-2, 3):
        for dx in range(-2, 3):
            moved = np.zeros((7, 7))
            moved[2 + dy : 5 + dy, 2 + dx : 5 + dx] = weights[2:5, 2:5]
            near = float(weights[3 + dy, 3 + dx]) if max(abs(dy), abs(dx)) <= 1 else 0.0
            both = rate**2 * math.exp(-2 * near - rate * float(np.sum(-np.expm1(-weights - moved))))
            result += (both - mean**2) / mean * np.cos(2 * np.pi * (fy * dy + fx * dx))
    return result


def ntf2(frequency: ArrayLike, params: "MicroscopeParams", *, transmission: float = 1.0) -> Floats:
    """Noise power of the simulated camera relative to Poisson's, mean over directions.

    Parameters
    ----------
    frequency : array of float
        Cycles a pixel.
    params : MicroscopeParams
    transmission : float
        Share of the electrons that the specimen lets pass.

    Returns
    -------
    array of float64
        1 everywhere without coincidence loss: each electron is counted in one pixel.
    """
    k = np.asarray(frequency, dtype=np.float64)[..., None]
    angle = 2 * np.pi * (np.arange(_DIRECTIONS) + 0.5) / _DIRECTIONS
    values = coincidence_ntf2(
        k * np.sin(angle),
        k * np.cos(angle),
        electrons_per_pixel=params.electrons_per_pixel_and_frame * params.dqe * transmission,
        internal_frames=params.internal_frames_per_frame,
        area_pixels=params.coincidence_pixels,
    )
    return np.asarray(values.mean(axis=-1), dtype=np.float64)


def _weights(area_pixels: float) -> Floats:
    """How much of each of nine pixels the neighbourhood covers."""
    edge = _edge_weight(area_pixels)
    line = np.array([edge, 1.0, edge])
    return np.outer(line, line)
