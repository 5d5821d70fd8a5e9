"""Where on the grid a series is recorded: stage position, and beam-image shift to a target of its own.

Parallel acquisition records several targets at one stage position, tilt by tilt, going from one to the next by
beam-image shift. A target at (x, y) on a specimen plane that is tilted by p about the tilt axis lies, at stage tilt t,
at ``u = x cos(t + p)`` across the axis and ``v = y`` along it, and at the height ``−x sin(t + p)``; the microscope
follows u and v with image shift and the height with the lens (Eisenstein et al. 2023, Nat. Methods 20:131).
"""

import re
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tomoset.microscope.params import MicroscopeParams
from tomoset.model import stream

__all__ = ["Target", "draw_target", "target_number", "target_offset_xy"]

Floats = NDArray[np.float64]

_STAGE_REACH_ANGSTROM = np.array([8e6, 8e6, 1e6])  # of a grid's bars, and of its height


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Where a series lies.

    Parameters
    ----------
    offset_xy_angstrom : tuple of float
        From the stage position, on the specimen's plane: across and along the tilt axis.
    pretilt_deg : float
        Of this plane against the stage.
    stage_position_angstrom_xyz : tuple of float
    """

    offset_xy_angstrom: tuple[float, float]
    pretilt_deg: float
    stage_position_angstrom_xyz: tuple[float, float, float]

    def seen_at(self, stage_tilts_deg: Floats, axis_deg: float) -> tuple[Floats, Floats]:
        """Image shift (n, 2), image x then y, and rise above the tilt axis (n,) at each stage tilt, Å."""
        x, y = self.offset_xy_angstrom
        tilt = np.deg2rad(stage_tilts_deg + self.pretilt_deg)
        axis = np.deg2rad(axis_deg)
        u, v = x * np.cos(tilt), np.full(len(tilt), y)
        shift = np.stack([u * np.cos(axis) - v * np.sin(axis), u * np.sin(axis) + v * np.cos(axis)], axis=1)
        return shift, -x * np.sin(tilt)


def draw_target(params: MicroscopeParams, run: str, seed: int) -> Target:
    """Target of a run: its number says which of the stage position's targets it is."""
    prefix, number = target_number(run)
    group, index = divmod(number, params.parallel_targets)
    rng = stream(seed, "image", f"{prefix}group {group}", "stage position")
    x, y, z = (_STAGE_REACH_ANGSTROM * rng.uniform(-0.5, 0.5, 3)).tolist()
    ox, oy = target_offset_xy(index)
    return Target(
        offset_xy_angstrom=(ox * params.target_spacing_angstrom, oy * params.target_spacing_angstrom),
        pretilt_deg=params.pretilt_deg,
        stage_position_angstrom_xyz=(x, y, z),
    )


def target_number(run: str) -> tuple[str, int]:
    """Text before the number at a run's end, and that number counted from zero.

    Examples
    --------
    >>> target_number("TS012")
    ('TS', 11)
    """
    match = re.fullmatch(r"(.*?)(\d*)", run)
    prefix, digits = match.groups() if match else (run, "")
    return (prefix, max(int(digits) - 1, 0)) if digits else (run, 0)


def target_offset_xy(index: int) -> tuple[int, int]:
    """Place of a target on a square spiral about the first, in units of the spacing.

    Examples
    --------
    >>> [target_offset_xy(i) for i in range(4)]
    [(0, 0), (1, 0), (1, 1), (0, 1)]
    """
    x, y, dx, dy = 0, 0, 1, 0
    leg, left, turns = 1, 1, 0
    for _ in range(index):
        x, y, left = x + dx, y + dy, left - 1
        if left == 0:
            dx, dy, turns = -dy, dx, turns + 1
            leg += turns % 2 == 0
            left = leg
    return x, y
