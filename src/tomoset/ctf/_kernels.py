"""Loops over the coefficients of tile spectra, compiled."""

import numba  # noqa: TID253 this module is imported only where its functions are called
import numpy as np
from numpy.typing import NDArray

__all__ = ["N_COUPLINGS", "accumulate_tilt", "add_power_by_ring"]

# By sector and ring: w, w f, w f², w r, w f r, then w v and w f v for the derivatives v in defocus and its
# gradient along x and y.
N_COUPLINGS = 11


@numba.njit(cache=True, nogil=True)
def add_power_by_ring(transform: NDArray[np.complex64], index: NDArray[np.int32], power: NDArray[np.float64]) -> None:
    """Add the squared modulus of every coefficient to its ring; index −1 is left out."""
    for i in range(transform.shape[0]):
        for j in range(transform.shape[1]):
            place = index[i, j]
            if place >= 0:
                value = transform[i, j]
                power[place] += value.real * value.real + value.imag * value.imag


@numba.njit(cache=True, nogil=True, fastmath={"contract", "reassoc", "nsz"})
def accumulate_tilt(  # noqa: PLR0913, PLR0917 one pass over the spectra
    power: NDArray[np.float32],
    weight: NDArray[np.float64],
    count: NDArray[np.float64],
    position: NDArray[np.float64],
    optics: NDArray[np.float64],
    direction: NDArray[np.float64],
    local: NDArray[np.float64],
    background: NDArray[np.float64],
    signal: NDArray[np.float64],
    amplitude: NDArray[np.float64],
    reach: NDArray[np.float64],
    couplings: NDArray[np.float64],
    gradient: NDArray[np.float64],
    information: NDArray[np.float64],
    occupancy: NDArray[np.float64],
) -> float:
    """Log-likelihood of one tilt and its derivatives in defocus, height gradient and astigmatism.

    Parameters
    ----------
    power : (t, s, r)
        Measured power by tile, sector and ring; ``weight`` (t,) tiles each stands for, ``count`` (s, r) coefficients.
    position : (t, 2)
        Of the tiles from the image's centre, Å.
    optics : (3, r)
        π λ k², the rest of the phase, and the damping of the rings.
    direction : (s, 2)
        cos 2θ and sin 2θ.
    local : (5,)
        Defocus, gradient of height along x and y, astigmatism.
    background, signal : (r,) and (s, r)
    amplitude : (t,)
        Of the signal in each tile; it counts with the power ``reach`` (r,) at each ring.
    couplings, gradient, information, occupancy : outputs
        (s, r, 11), (5,), (5, 5) and (t, 2): see ``N_COUPLINGS``; occupancy holds gradient and information of
        each tile's ln amplitude.
    """
    n_tiles, n_sectors, n_rings = power.shape
    total = 0.0
    column = np.empty(5)
    for t in range(n_tiles):
        x, y = position[t, 0], position[t, 1]
        at_tile = local[0] + local[1] * x + local[2] * y
        for a in range(n_sectors):
            defocus = at_tile + local[3] * direction[a, 0] + local[4] * direction[a, 1]
            column[0], column[1], column[2], column[3], column[4] = 1.0, x, y, direction[a, 0], direction[a, 1]
            gg, gr = 0.0, 0.0
            for r in range(n_rings):
                n = count[a, r] * weight[t]
                if n == 0.0:
                    continue
                twice = 2 * (optics[0, r] * defocus + optics[1, r])
                cosine, sine = np.cos(twice), np.sin(twice)
                bare = 0.5 * signal[a, r] * (1 - optics[2, r] * cosine)
                scaled = amplitude[t] ** reach[r]
                bare *= scaled
                f = bare
                model = background[r] + f
                measured = power[t, a, r]
                total -= n * (measured / model + np.log(model))
                w = n / (model * model)
                rest = measured - model
                strength = scaled * signal[a, r]
                g = strength * optics[2, r] * optics[0, r] * sine
                slope = reach[r] * f
                occupancy[t, 0] += w * rest * slope
                occupancy[t, 1] += w * slope * slope
                gg += w * g * g
                gr += w * g * rest
                row = couplings[a, r]
                wf = w * f
                row[0] += w
                row[1] += wf
                row[2] += wf * f
                row[3] += w * rest
                row[4] += wf * rest
                wg, wfg = w * g, wf * g
                row[5] += wg
                row[6] += wg * x
                row[7] += wg * y
                row[8] += wfg
                row[9] += wfg * x
                row[10] += wfg * y
            for i in range(5):
                gradient[i] += gr * column[i]
                for j in range(i, 5):
                    information[i, j] += gg * column[i] * column[j]
    for i in range(5):
        for j in range(i):
            information[i, j] = information[j, i]
    return total
