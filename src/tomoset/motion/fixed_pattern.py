"""What the gain reference has left behind: a pattern that does not move with the specimen.

A residue of the gain correlates between frames at zero shift and pulls every cross-correlation peak towards it. Its
strength is measured between two movies of different tilts, which share the camera and nothing else at high
frequency; the registration then subtracts what it must contribute.
"""

import numpy as np
from numpy.typing import NDArray

__all__ = ["STENCIL_INFLATION", "fixed_pattern_variance"]

# Neighbouring products are correlated: sum of squares of the stencil's autocorrelation (1, −4, 6, −4, 1) / 6, per axis,
# so the standard error of a mean over both axes grows by this factor.
STENCIL_INFLATION = (36 + 2 * 16 + 2 * 1) / 36


def fixed_pattern_variance(first_yx: NDArray[np.float32], second_yx: NDArray[np.float32]) -> float:
    """Relative variance, per pixel, of the pattern that two summed movies share.

    Parameters
    ----------
    first_yx, second_yx : (ny, nx) array of float32
        Sums, gain-corrected and not aligned, of movies of two different tilts.

    Returns
    -------
    float
        Variance of the residual gain (1 % of residue gives 1e-4), ≥ 0; zero when it is below three times its
        standard error.

    Notes
    -----
    Both are filtered with the second difference along y and x, which removes the scene's low frequencies and is scaled
    to keep the variance of white noise.
    """
    from tomoset.motion import _kernels

    means = float(first_yx.mean(dtype=np.float64)), float(second_yx.mean(dtype=np.float64))
    if min(means) <= 0:
        return 0.0
    product = _kernels.high_pass(first_yx, 1 / means[0]) * _kernels.high_pass(second_yx, 1 / means[1])
    variance = float(product.mean(dtype=np.float64))
    error = STENCIL_INFLATION * float(product.std(dtype=np.float64)) / np.sqrt(product.size)
    return variance if variance > 3 * error else 0.0
