"""Views that go wrong, with labels: nearly dark, covered by a grid bar, blurred, never saved."""

import numpy as np
from numpy.typing import NDArray

from tomoset.microscope.params import MicroscopeParams
from tomoset.microscope.reach import LARGEST_BLUR_ANGSTROM, LARGEST_BLURRED_PATH_ANGSTROM

__all__ = [
    "BLOCKED",
    "BLURRED",
    "DARK",
    "GOOD",
    "MISSING",
    "draw_blocked_half_plane",
    "draw_blur",
    "draw_dark_intensity",
    "draw_states",
]

GOOD, DARK, BLOCKED, BLURRED, MISSING = "good", "dark", "blocked", "blurred", "missing"
_DARK_INTENSITY = (0.01, 0.10)
_BLOCKED_FIELD = (0.15, 0.6)  # share of the field's extent across the tilt axis
_BAR_TURN_DEG = 15.0  # a grid bar's edge against the tilt axis
_SMALLEST_BLUR_SHARE = 0.5
_TURN_RAD = 0.2

Floats = NDArray[np.float64]


def draw_states(
    params: MicroscopeParams, tilts_deg: Floats, order: NDArray[np.intp], streams: list[np.random.Generator]
) -> tuple[str, ...]:
    """Label of every planned view.

    One uniform number a view decides. The view nearest 0° is never missing; a third of the views at most is bad:
    later ones in the order of acquisition are good then.
    """
    chances = (params.missing_fraction, params.dark_fraction, params.blocked_fraction, params.blurred_fraction)
    labels = (MISSING, DARK, BLOCKED, BLURRED, GOOD)
    limits = np.cumsum(chances)
    states = [labels[int(np.searchsorted(limits, rng.random(), side="right"))] for rng in streams]
    left = len(states) // 3
    flattest = int(np.argmin(np.abs(tilts_deg)))
    for view in np.argsort(order):
        if left == 0 or (states[view] == MISSING and view == flattest):
            states[view] = GOOD
        left -= states[view] != GOOD
    return tuple(states)


def draw_dark_intensity(rng: np.random.Generator) -> float:
    """Share of the beam that is left of a dark view."""
    return float(rng.uniform(*_DARK_INTENSITY))


def draw_blocked_half_plane(params: MicroscopeParams, axis_deg: float, rng: np.random.Generator) -> Floats:
    """Half plane (nx, ny, offset) that a grid bar covers: ``nx x + ny y > offset``, Å from index N // 2.

    The bar comes in from one side across the tilt axis and covers 15 to 60 % of the field's extent that way.
    """
    side = 180.0 * rng.integers(2)
    direction = np.deg2rad(axis_deg + side + rng.uniform(-_BAR_TURN_DEG, _BAR_TURN_DEG))
    nx, ny = float(np.cos(direction)), float(np.sin(direction))
    height, width = (n * params.pixel_size_angstrom for n in params.frame_shape_yx)
    half_extent = 0.5 * (abs(nx) * width + abs(ny) * height)
    covered = float(rng.uniform(*_BLOCKED_FIELD))
    return np.array([nx, ny, half_extent * (1 - 2 * covered)])


def draw_blur(n_frames: int, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """Motion of a stage that does not come to rest.

    Returns
    -------
    path_xy_angstrom : (t, 2) array of float64
        Position at the middle of each frame, mean zero.
    blur_xy_angstrom : (t, 2) array of float64
        Displacement between beginning and end of each frame: 20 to 40 Å, or less where many frames would carry the
        specimen more than 400 Å.
    """
    length = min(LARGEST_BLUR_ANGSTROM, LARGEST_BLURRED_PATH_ANGSTROM / n_frames)
    length *= rng.uniform(_SMALLEST_BLUR_SHARE, 1.0)
    direction = rng.uniform(0, 2 * np.pi) + np.cumsum(_TURN_RAD * rng.standard_normal(n_frames))
    blur = length * np.stack([np.cos(direction), np.sin(direction)], axis=1)
    path = np.cumsum(blur, axis=0) - 0.5 * blur
    return path - path.mean(axis=0), blur
