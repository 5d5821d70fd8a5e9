"""What really happened during the series: the draws that the microscope's files do not tell."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tomoset.geometry import TiltGeometry
from tomoset.microscope.field import LARGEST_DRAW_SIGMAS
from tomoset.microscope.params import MicroscopeParams
from tomoset.microscope.scheme import acquisition_order, nominal_tilts_deg
from tomoset.model import stream

__all__ = ["Conditions", "draw_conditions", "draw_drift"]

_DRIFT_FADES_OVER_FRAMES = 2.0
_DRIFT_JITTER = 0.1  # of the first step, random in every frame
_DRIFT_TURN_RAD = 0.3  # change of direction from frame to frame

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Conditions:
    """Nominal and true conditions of all views; rows by ascending nominal tilt.

    Parameters
    ----------
    names : tuple of str
        File name of each movie: run, order (1 for the first) and tilt.
    nominal_tilt_deg : (n,) array of float64
    acquisition_order : (n,) array of int
    geometry : TiltGeometry
        How the specimen is projected at the mean of a movie's frames.
    defocus_angstrom : (n,) array of float64
        At the specimen's origin.
    frame_shift_xy_angstrom : (n, t, 2) array of float64
        Motion of each frame about the movie's mean.
    """

    names: tuple[str, ...]
    nominal_tilt_deg: Floats
    acquisition_order: NDArray[np.intp]
    geometry: TiltGeometry
    defocus_angstrom: Floats
    frame_shift_xy_angstrom: Floats


def _normal(rng: np.random.Generator, sigma: float, shape: int | tuple[int, ...]) -> Floats:
    """Gaussian draws, clipped where the field of view stops being guaranteed."""
    return sigma * np.clip(rng.standard_normal(shape), -LARGEST_DRAW_SIGMAS, LARGEST_DRAW_SIGMAS)


def draw_drift(n_frames: int, drift_angstrom: float, rng: np.random.Generator) -> Floats:
    """Path of the specimen during one movie.

    Returns
    -------
    (n_frames, 2) array of float64
        Shift of each frame, image x then y, mean zero, Å. Steps fade with exp(−frame / 2): beam-induced motion is
        strongest at the start of an exposure (Brilot et al. 2012, J. Struct. Biol. 177:630).
    """
    if n_frames == 1:
        return np.zeros((1, 2))
    steps = np.arange(n_frames - 1)
    length = drift_angstrom * rng.uniform(0.5, 1.5) * np.exp(-steps / _DRIFT_FADES_OVER_FRAMES)
    direction = rng.uniform(0, 2 * np.pi) + np.cumsum(_DRIFT_TURN_RAD * rng.standard_normal(n_frames - 1))
    step_xy = length[:, None] * np.stack([np.cos(direction), np.sin(direction)], axis=1)
    step_xy += _DRIFT_JITTER * drift_angstrom * rng.standard_normal(step_xy.shape) / np.sqrt(2)
    path = np.concatenate([np.zeros((1, 2)), np.cumsum(step_xy, axis=0)])
    return path - path.mean(axis=0)


def draw_conditions(params: MicroscopeParams, run: str, seed: int) -> Conditions:
    """Draw the truth of one series; every quantity has a stream of its own."""
    tilts = nominal_tilts_deg(params)
    n = len(tilts)
    order = acquisition_order(tilts, params.scheme, params.group_size)
    names = tuple(f"{run}_{position + 1:03d}_{tilt:.1f}.tif" for position, tilt in zip(order, tilts, strict=True))
    axis = params.tilt_axis_deg + float(_normal(stream(seed, "image", run, "axis"), params.axis_error_deg, 1)[0])
    rows = [stream(seed, "image", run, name, "stage") for name in names]
    tilt_error = np.array([_normal(rng, params.tilt_error_deg, 1)[0] for rng in rows])
    shifts = np.array([_normal(rng, params.stage_shift_angstrom, 2) for rng in rows])
    jitter = np.array([_normal(rng, params.defocus_jitter_angstrom, 1)[0] for rng in rows])
    drift = [
        draw_drift(params.n_frames, params.drift_angstrom, stream(seed, "image", run, name, "drift")) for name in names
    ]
    return Conditions(
        names=names,
        nominal_tilt_deg=tilts,
        acquisition_order=order,
        geometry=TiltGeometry(
            y_tilt_deg=tilts + tilt_error, z_rot_deg=np.full(n, axis), shift_xy_angstrom=shifts.reshape(n, 2)
        ),
        defocus_angstrom=params.defocus_angstrom + jitter,
        frame_shift_xy_angstrom=np.stack(drift),
    )
