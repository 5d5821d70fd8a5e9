"""Range, mean and standard deviation of values that come a section at a time."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["RunningStatistics"]

_BLOCK = 1 << 16  # values: a block and its copy stay in a core's second cache
_FAR = 100.0  # standard deviations that the centre of a block may lie from its mean: float32 has digits to spare


class RunningStatistics:
    """Minimum, maximum, mean and standard deviation of all values added so far.

    Each block is brought near zero and summed in float32; blocks are combined in float64 (Chan, Golub & LeVeque
    1983), so that neither many values nor a mean far above the spread costs digits (six remain at worst).
    """

    def __init__(self) -> None:
        self.count = 0
        self.minimum, self.maximum, self.mean = np.inf, -np.inf, 0.0
        self._squares = 0.0  # sum of squares about the mean
        self._rest = np.empty(_BLOCK, dtype=np.float32)

    @property
    def deviation(self) -> float:
        """Standard deviation of the values, about their mean."""
        return float(np.sqrt(self._squares / max(self.count, 1)))

    def add(self, values: NDArray[Any]) -> None:
        """Add real values of any shape."""
        flat = values.reshape(-1)
        for start in range(0, flat.size, _BLOCK):
            self._add_block(np.asarray(flat[start : start + _BLOCK], dtype=np.float32))

    def _add_block(self, block: NDArray[np.float32]) -> None:
        # NaN is its own extreme, and np.minimum keeps it.
        self.minimum = float(np.minimum(self.minimum, block.min()))
        self.maximum = float(np.maximum(self.maximum, block.max()))
        mean, squares = self._moments(block)
        count = self.count + block.size
        step = mean - self.mean
        self.mean += step * block.size / count
        self._squares += squares + step * step * self.count * block.size / count
        self.count = count

    def _moments(self, block: NDArray[np.float32]) -> tuple[float, float]:
        """Mean of a block, and sum of squares about it."""
        with np.errstate(over="ignore", invalid="ignore"):
            # The mean so far is near enough to that of most blocks, and one reading less.
            for about in (np.float32(self.mean), block.mean()):
                rest = np.subtract(block, about, out=self._rest[: block.size])
                left, total = float(rest.sum()) / block.size, float(rest @ rest)
                squares = total - left * left * block.size
                if np.isfinite(total) and total <= _FAR**2 * squares:
                    return float(about) + left, squares
            # Alike to the last digits, too large for squares in float32, or not finite.
            wide = block.astype(np.float64)
            mean = float(wide.mean())
            return mean, float(np.square(wide - mean).sum())
