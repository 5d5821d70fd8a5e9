"""A track is smooth: how far each frame may leave the course of its neighbours is learnt from the track itself.

The estimated shifts carry errors of a known size (the curvature of their likelihood). Their second differences in time
are errors plus the specimen's own accelerations, taken as Gaussian and independent; the accelerations' variance is the
one that makes the observed differences most probable, and the track is the most probable one given both. Where the
frames are sharp enough to say, this changes nothing; where they are not, errors that no specimen could follow go.
"""

import numpy as np
from numpy.typing import NDArray

__all__ = ["smooth_track"]

Floats = NDArray[np.float64]

_MIN_FRAMES = 5  # below that, too few second differences to learn a variance from
_GRID = np.logspace(-6, 3, 91)  # of the variance of accelerations over the largest variance of errors


def smooth_track(shift_tc: Floats, information_cd: Floats) -> Floats:
    """Most probable track (t, 2), mean zero.

    Parameters
    ----------
    shift_tc : (t, 2) array of float64
        Estimated shifts.
    information_cd : (2, 2) array of float64
        What each pair of frames says about the difference of their shifts, in inverse squares of the shifts' unit.
    """
    n = len(shift_tc)
    pair = float(np.sqrt(max(np.linalg.det(information_cd), 0.0)))
    if n < _MIN_FRAMES or not pair > 0:
        return np.asarray(shift_tc - shift_tc.mean(axis=0))
    information = pair * (n * np.eye(n) - 1.0)
    second = np.diff(np.eye(n), n=2, axis=0)
    # Errors of the second differences: the common shift, which they do not know, may take any variance.
    errors, modes = np.linalg.eigh(second @ second.T / (pair * n))
    seen = np.square(modes.T @ (second @ shift_tc)).sum(axis=1)
    variances = _GRID * errors.max()
    total = variances[:, None] + errors
    evidence = -0.5 * (seen / total + 2 * np.log(total)).sum(axis=1)
    variance = float(variances[int(np.argmax(evidence))])
    precision = information + second.T @ second / variance + pair * np.ones((n, n))
    smooth = np.linalg.solve(precision, information @ shift_tc)
    return np.asarray(smooth - smooth.mean(axis=0))
