"""Motion within the field of view: one smooth field fitted to all patches of a movie at once.

The frames, brought back by the global track, are cut into overlapping patches whose windows' squares add up to one, so
that the patches together hold the movie's information once. The likelihood of each patch's shifts (see
:mod:`tomoset.motion.shared_signal`) is not searched for a peak, which a patch of a few electrons does not have;
its slope and its expected curvature go into one least-squares problem for the field, with each patch counting by its
information and a prior that makes the field vanish where there is nothing to see (:mod:`tomoset.motion.field_prior`).
Around a field that is believed, every frame of the global track is fitted anew. Frames are then freed of the field and
cut again: a patch moves as its molecules do, which need not lie in its middle, and the less is left to be found the
less that matters.

The field is believed only if each half of the frequencies (alternate bands of rings, whose noise is independent)
predicts the other half's likelihood better with the field than without.
"""

from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tomoset.motion.arrays import Arrays
from tomoset.motion.field_prior import most_probable_field
from tomoset.motion.local_basis import space_values, time_values
from tomoset.motion.shared_signal import SharedSignal
from tomoset.motion.track_smoothing import smooth_track

__all__ = ["LocalFit", "cut_patches", "fit_local_motion"]

Floats = NDArray[np.float64]

_PASSES = 10
_TRACK_PASSES = 3
#: Log-likelihood by which the halves must predict each other better. Of 300 movies without local motion (balls of three
#: doses and pure noise, 3 to 30 frames, three sizes) one reached 6 and the others 4; motion of 0.15 pixels rms
#: gains 20 and more. Rates on simulated series: ``benchmarks/science/motion.py``.
HELD_OUT_BAR = 10.0


@dataclass(frozen=True, slots=True, eq=False)
class LocalFit:
    """A field of local motion.

    Parameters
    ----------
    coefficients_kjc : (k, 5, 2) array of float64
        Of the functions of time, space and axis of :mod:`tomoset.motion.local_basis`, pixels of the frame.
    shift_tc : (t, 2) array of float64
        Correction of the global track, pixels.
    held_out_gain : float
        Log-likelihood that each half of the frequencies gains by the field that the other half found.
    """

    coefficients_kjc: Floats
    shift_tc: Floats
    held_out_gain: float

    @property
    def believed(self) -> bool:
        """Whether the field is to be used."""
        return self.held_out_gain > HELD_OUT_BAR


@dataclass(frozen=True, slots=True, eq=False)
class _Problem:
    """Slope (2, k, 6, 2) and expected curvature (2, 12, 12) of the log-likelihood in both halves of Fourier space.

    The functions of time are orthonormal, so that each has the same curvature and none knows of the others.
    """

    slope: Floats
    curvature: Floats

    @property
    def is_blind(self) -> bool:
        """Whether a half of the frequencies does not even show the frames' common shift."""
        common = np.linalg.eigvalsh(self.curvature[:, :2, :2])
        return not bool((common > 0).all())


def cut_patches(arrays: Arrays, images_tyx: Any, n_short: int) -> tuple[Any, tuple[int, int], Floats, float]:
    """Cut overlapping patches out of frames (t, y, x) that the global track has brought back.

    Returns the transforms (p, t, my, mx // 2 + 1) of the windowed patches, the size they were padded to, their centres
    (p, 2), −0.5 to 0.5, and the sum of the window's square.
    """
    from scipy.fft import next_fast_len

    ny, nx = (int(n) for n in images_tyx.shape[1:])
    spacing = min(ny, nx) / (n_short + 0.5)
    counts = [max(n_short, round(n / spacing - 0.5)) for n in (ny, nx)]
    sizes = [int(1.5 * n / (count + 0.5)) for n, count in zip((ny, nx), counts, strict=True)]
    starts = [
        np.rint(np.linspace(0, n - size, count)).astype(int)
        for n, size, count in zip((ny, nx), sizes, counts, strict=True)
    ]
    shape = (2 * next_fast_len((sizes[0] + 1) // 2), 2 * next_fast_len((sizes[1] + 1) // 2))
    windows = [_windows(size, count) for size, count in zip(sizes, counts, strict=True)]
    n_frames, width = int(images_tyx.shape[0]), shape[1] // 2 + 1
    transforms = arrays.zeros((counts[0] * counts[1], n_frames, shape[0], width), "complex64")
    padded = arrays.zeros((n_frames, *shape), "float32")
    centres: list[list[float]] = []
    area: list[float] = []
    for y, along_y in zip(starts[0], windows[0], strict=True):
        for x, along_x in zip(starts[1], windows[1], strict=True):
            window = np.outer(along_y, along_x)
            cut = images_tyx[:, y : y + sizes[0], x : x + sizes[1]]
            padded[:, : sizes[0], : sizes[1]] = (cut - cut.mean()) * arrays.array(window.astype(np.float32))
            transforms[len(centres)] = arrays.rfft2(padded, width)
            centres.append([(x + _middle(along_x)) / nx - 0.5, (y + _middle(along_y)) / ny - 0.5])
            area.append(float(np.square(window).sum()))
    return transforms, shape, np.array(centres), float(np.mean(area))


def _windows(size: int, count: int) -> list[Floats]:
    """Flat, with edges of a third each whose squares add to one with the neighbour's; short ones at the frame's border.

    The border itself does not move, but what it leaks lies on the axes of Fourier space, which are left out.
    """
    edges = [size // 3] * (count + 1)
    edges[0] = edges[-1] = size // 12
    rises = [np.sin(0.5 * np.pi * (np.arange(edge) + 0.5) / edge) for edge in edges]
    return [
        np.concatenate([left, np.ones(size - len(left) - len(right)), right[::-1]]) for left, right in pairwise(rises)
    ]


def _middle(window: Floats) -> float:
    """Centre of what a window sees."""
    weight = np.square(window)
    return float((weight * (np.arange(len(window)) + 0.5)).sum() / weight.sum())


def fit_local_motion(
    patches: SharedSignal, centres_p2: Floats, global_shift_tc: Floats, undone: LocalFit | None = None
) -> LocalFit:
    """Fit the field to patches that the global track has brought back already.

    Parameters
    ----------
    patches : SharedSignal
    centres_p2 : (p, 2) array of float64
        Places of the patches, −0.5 to 0.5.
    global_shift_tc : (t, 2) array of float64
        The track they were brought back by, pixels of the frame: a fixed pattern lies there in the opposite direction.
    undone : LocalFit, optional
        A field that the frames were freed of before they were cut. What is returned is again the whole field.
    """
    space, time = space_values(centres_p2), time_values(patches.n_frames)
    nothing = LocalFit(np.zeros((time.shape[1], 5, 2)), np.zeros((patches.n_frames, 2)), 0.0)
    before = np.zeros((time.shape[1], 6, 2))
    before[:, 1:] = (undone or nothing).coefficients_kjc
    coefficients, gain = before, 0.0 if undone is None else undone.held_out_gain
    for iteration in range(_PASSES):
        shift = np.einsum("tk,pj,kjc->ptc", time, space, coefficients - before)
        pattern = np.einsum("tk,pj,kjc->ptc", time, space, coefficients) + global_shift_tc
        problem = _linearise(patches, shift, pattern, space, time)
        if problem.is_blind:
            return nothing
        if iteration == 0 and undone is None:
            # Later the field is where both halves put it, and neither would be held out any more.
            gain = _held_out_gain(problem)
            if gain <= HELD_OUT_BAR:
                return replace(nothing, held_out_gain=gain)
        updated = _solve(problem, coefficients)
        step = np.einsum("tk,pj,kjc->ptc", time, space, updated - coefficients)
        coefficients = updated
        if np.abs(step).max() < 0.02:
            break
    left = np.einsum("tk,pj,kjc->ptc", time, space[:, 1:], (coefficients - before)[:, 1:])
    start = np.einsum("tk,kc->tc", time, coefficients[:, 0])
    whole = np.einsum("tk,pj,kjc->ptc", time, space[:, 1:], coefficients[:, 1:])
    track = _track_around(patches, left, whole, global_shift_tc, start)
    return LocalFit(coefficients[:, 1:], track, gain)


def _track_around(
    patches: SharedSignal, left_ptc: Floats, whole_ptc: Floats, global_shift_tc: Floats, start_tc: Floats
) -> Floats:
    """Correction (t, 2) of the global track, each frame by itself, then as smooth as its errors ask for.

    ``left_ptc`` is what the patches still show of the field, ``whole_ptc`` all of it.
    """
    track = start_tc
    for _ in range(_TRACK_PASSES):
        shift, pattern = left_ptc + track, whole_ptc + global_shift_tc + track
        spectra = patches.spectra(shift, pattern)
        moments = patches.moments(shift, patches.weights(spectra.weight), pattern)
        slope = -4 * np.pi * patches.independent * moments[..., :2].sum(axis=(0, 2))
        information = patches.information(spectra).sum(axis=(0, 1))
        track = track + np.linalg.solve(patches.n_frames * information, (slope - slope.mean(axis=0)).T).T
    return smooth_track(global_shift_tc + track, information) - global_shift_tc


def _linearise(patches: SharedSignal, shift_ptc: Floats, pattern_ptc: Floats, space: Floats, time: Floats) -> _Problem:
    """Slope and curvature of the log-likelihood by the field's coefficients."""
    spectra = patches.spectra(shift_ptc, pattern_ptc)
    moments = patches.moments(shift_ptc, patches.weights(spectra.weight), pattern_ptc)
    slope_pthc = -4 * np.pi * patches.independent * moments[..., :2]
    slope = np.einsum("pthc,pj,tk->hkjc", slope_pthc, space, time)
    information = patches.information(spectra)
    n = patches.n_frames
    curvature = n * n * np.einsum("hpcd,pi,pj->hicjd", information, space, space).reshape(2, 12, 12)
    return _Problem(slope, curvature)


def _solve(problem: _Problem, coefficients: Floats) -> Floats:
    """New coefficients (k, 6, 2)."""
    slope, curvature = problem.slope.sum(axis=0), problem.curvature.sum(axis=0)
    flat = len(slope), 12
    return most_probable_field(slope.reshape(flat), curvature, coefficients.reshape(flat)).reshape(slope.shape)


def _held_out_gain(problem: _Problem) -> float:
    """Log-likelihood that the halves gain by each other's fields over each other's common shifts, from no field."""
    slopes = problem.slope.reshape(2, -1, 12)
    gain, still = 0.0, np.zeros(slopes.shape[1:])
    for fit, test in ((0, 1), (1, 0)):
        fields = most_probable_field(slopes[fit], problem.curvature[fit], still)
        for slope, field, own in zip(slopes[test], fields, slopes[fit], strict=True):
            common = _common_shift(own, problem.curvature[fit])
            gain += _likelihood(slope, problem.curvature[test], field)
            gain -= _likelihood(slope, problem.curvature[test], common)
    return gain


def _likelihood(slope: Floats, curvature: Floats, step: Floats) -> float:
    return float(slope @ step - 0.5 * step @ curvature @ step)


def _common_shift(slope: Floats, curvature: Floats) -> Floats:
    """Best coefficients of which only the constant ones differ from zero."""
    best = np.zeros(12)
    best[:2] = np.linalg.solve(curvature[:2, :2], slope[:2])
    return best
