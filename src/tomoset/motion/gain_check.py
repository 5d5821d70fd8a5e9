"""Whether the gain reference fits the raw frames: the way it lies, and whether it is to be applied at all.

The camera's sensitivity is printed into every raw frame: the sum of raw frames, freed of the scene by second
differences along both axes, follows the reciprocal of the gain that belongs to them. The regression's slope says how:
1 where the gain fits, −1 where the reference is the sensitivity itself and must be divided by, 0 where the frames show
nothing of it. Applying the gain changes the variance of the pattern by (1 − 2 · slope) times its own, so that below one
half it adds more pattern than it removes.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tomoset.errors import GeometryError
from tomoset.geometry import N_ORIENTATIONS, orient_image, orientation_name
from tomoset.motion.fixed_pattern import STENCIL_INFLATION

__all__ = ["GainCheck", "check_gain", "fit_gain"]

# Eight ways are looked at in every series: at 6 standard errors chance finds a wrong one once in 10⁸ series.
_SIGNIFICANT = 6.0
_OUTLIER = 6.0


@dataclass(frozen=True, slots=True)
class GainCheck:
    """How one orientation of the gain fits raw frames: the regression's slope and its standard error."""

    slope: float
    error: float

    @property
    def significance(self) -> float:
        """Slope in standard errors."""
        return self.slope / self.error if self.error > 0 else 0.0


def check_gain(
    run: str,
    raw_sum_yx: NDArray[np.float32],
    gain_yx: NDArray[np.float32],
    *,
    orientation: int = 0,
    divides: bool = False,
) -> GainCheck | None:
    """Compare the sum of raw frames with a gain in all ways it can lie.

    Returns how well the gain fits as it was given; None where there is no light to tell by.

    Parameters
    ----------
    run : str
        For messages.
    raw_sum_yx : (ny, nx) array of float32
        Sum of raw frames, of several movies if possible.
    gain_yx : array of float32
        As given; dead pixels are not finite.
    orientation : int
        Code by which the import has turned the file's image already: what is advised is the code for the file.
    divides : bool
        Whether the import has taken the reciprocal of the file's values.

    Raises
    ------
    GeometryError
        If the sizes do not fit, if the gain lies another way, is a sensitivity to be divided by, or would add more
        pattern than it removes.
    """
    fits = fit_gain(raw_sum_yx, gain_yx)
    best = max(fits, key=lambda code: abs(fits[code].significance), default=None)
    given = fits.get(0)
    if given is None and raw_sum_yx.shape == gain_yx.shape:
        return None
    if given is None:
        raise GeometryError(_size_message(run, raw_sum_yx.shape, gain_yx.shape, best, fits, orientation))
    if best is None or abs(fits[best].significance) < _SIGNIFICANT:
        _refuse_absent(run, given)
        return given
    found = fits[best]
    clearly = abs(found.significance) > abs(given.significance) + _SIGNIFICANT
    if best != 0 and clearly:
        inverted = found.slope < 0
        raise GeometryError(
            f"{run}: expected the gain reference in the orientation of the frames, found that the raw frames follow "
            f"{'the reciprocal of ' if inverted else ''}it {orientation_name(best)} ({_numbers(found)}) and not as it "
            f"was given ({_numbers(given)}); import the movies again with "
            f"{f'{_other_use(divides)} and ' if inverted else ''}--gain-orientation {_after(orientation, best)}"
        )
    if given.slope < 0 and -given.significance > _SIGNIFICANT:
        raise GeometryError(
            f"{run}: expected a gain reference that frames are multiplied by, found its reciprocal: the raw frames are "
            f"brighter where it is larger ({_numbers(given)}); import the movies again with {_other_use(divides)}"
        )
    _refuse_absent(run, given)
    return given


def fit_gain(raw_sum_yx: NDArray[np.float32], gain_yx: NDArray[np.float32]) -> dict[int, GainCheck]:
    """Fit of every orientation (SerialEM's code) of a gain whose shape is that of the raw frames."""
    from tomoset.motion import _kernels

    mean = float(raw_sum_yx.mean(dtype=np.float64))
    sensitivity = np.where(np.isfinite(gain_yx) & (gain_yx > 0), 1 / np.where(gain_yx > 0, gain_yx, 1), np.nan)
    typical = float(np.nanmedian(sensitivity)) if np.isfinite(sensitivity).any() else 0.0
    if mean <= 0 or typical <= 0:
        return {}
    expected = _clipped(_kernels.high_pass(np.nan_to_num(sensitivity, nan=typical).astype(np.float32), 1 / typical))
    seen = _clipped(_kernels.high_pass(np.ascontiguousarray(raw_sum_yx, dtype=np.float32), 1 / mean))
    power, total = (float(np.square(one).sum(dtype=np.float64)) for one in (expected, seen))
    fits = {}
    for code in range(N_ORIENTATIONS):
        turned = orient_image(expected, code)  # the stencil is symmetric: turning and filtering commute
        if turned.shape != seen.shape or power == 0:
            continue
        slope = float(np.einsum("yx,yx->", turned, seen, dtype=np.float64)) / power
        rest = max(total - slope**2 * power, 0.0) / seen.size
        fits[code] = GainCheck(slope, STENCIL_INFLATION * float(np.sqrt(rest / power)))
    return fits


def _clipped(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Hot and dead pixels count no more than other outliers do."""
    bound = _OUTLIER * 1.4826 * float(np.median(np.abs(values[::3, ::3])))
    return np.clip(values, -bound, bound) if bound > 0 else values


def _other_use(divides: bool) -> str:
    return f"--gain-use {'multiply' if divides else 'divide'}"


def _after(first: int, second: int) -> int:
    """Code of one orientation after another: a mirror in the second reverses the sense of the first one's turn."""
    turn = second % 4 + (-first if second >= 4 else first) % 4
    return turn % 4 + 4 * (first // 4 ^ second // 4)


def _numbers(fit: GainCheck) -> str:
    return f"slope {fit.slope:.2f}, {fit.significance:.0f} standard errors"


def _refuse_absent(run: str, given: GainCheck) -> None:
    """Refuse a gain that would imprint itself; what is not known well enough stays a diagnostic."""
    if given.error <= 0 or given.slope + _SIGNIFICANT * given.error >= 0.5:
        return
    raise GeometryError(
        f"{run}: expected raw frames that show the gain reference's pattern, found next to none of it in any "
        f"orientation ({_numbers(given)}; 1 would be a fit): the frames are gain-corrected already, or the reference "
        "is another camera mode's, and applying it would print it into them; import the movies again without a gain, "
        "or with theirs"
    )


def _size_message(
    run: str,
    frame_shape: tuple[int, ...],
    gain_shape: tuple[int, ...],
    best: int | None,
    fits: dict[int, GainCheck],
    orientation: int,
) -> str:
    message = f"{run}: the gain is {tuple(gain_shape)}, the frames are {tuple(frame_shape)}; "
    if best is not None and fits[best].significance > _SIGNIFICANT:
        return (
            f"{message}it fits {orientation_name(best)} ({_numbers(fits[best])}): import the movies again with "
            f"--gain-orientation {_after(orientation, best)}"
        )
    return f"{message}give the gain of this camera mode in the frames' orientation"
