"""The frames of one movie as transforms: gain, defects and padding on the way, memory bounded."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tomoset.model import Movie
from tomoset.motion.arrays import Arrays
from tomoset.motion.camera import Camera
from tomoset.motion.defects import DefectMending, find_defects
from tomoset.motion.frame_grid import FrameGrid, crop_transform

__all__ = ["MovieFrames", "TransformStore", "load_frames", "sum_raw"]

_WORKING_FRAMES = 6  # float32 images that padding, a transform, sums and their inverse hold at once


def load_frames(movie: Movie) -> NDArray[Any]:
    """Read all raw frames of a movie, in the type they were recorded in."""
    return np.asarray(movie.frames_tyx.read(()))


def sum_raw(frames_tyx: NDArray[Any]) -> NDArray[np.float32]:
    """Sum (y, x) of raw frames."""
    from tomoset.motion import _kernels

    total = np.empty(frames_tyx.shape[1:], dtype=np.float32)
    _kernels.sum_frames(np.ascontiguousarray(frames_tyx), total)
    return total


class MovieFrames:
    """Raw frames (t, y, x) with the camera's defects known, and corrected frames on demand.

    ``total`` (y, x) is the corrected sum of all frames without motion correction; ``is_dark`` says that there is no
    electron in a sound pixel.

    Parameters
    ----------
    frames_tyx : (t, y, x) array
        As recorded.
    camera : Camera
    hot_pixel_sigma : float
    """

    def __init__(self, frames_tyx: NDArray[Any], camera: Camera, hot_pixel_sigma: float) -> None:
        self.raw = np.ascontiguousarray(frames_tyx)
        self.camera = camera
        self.total = sum_raw(self.raw)
        if camera.gain_yx is not None:
            self.total *= camera.gain_yx
        defects = find_defects(self.total, hot_pixel_sigma)
        if camera.known_defects_yx is not None:
            defects[tuple(camera.known_defects_yx.T)] = True
        self._mending = DefectMending(defects)
        self._mending.mend(self.total)
        self.is_dark = self.n_defects == self.total.size or not float(self.total.max()) > 0
        self._buffer = np.empty((0, 0), dtype=np.float32)

    def forget_total(self) -> None:
        """Free the sum when it is no longer needed."""
        self.total = np.empty((0, 0), dtype=np.float32)

    @property
    def n_frames(self) -> int:
        """Number of frames."""
        return len(self.raw)

    @property
    def n_defects(self) -> int:
        """Number of pixels that are replaced."""
        return self._mending.n_defects

    def padded(self, index: int, grid: FrameGrid) -> NDArray[np.float32]:
        """One corrected frame in the middle of the padded grid, its mean around it; the next call overwrites it."""
        from tomoset.motion import _kernels

        if self._buffer.shape != grid.padded:
            self._buffer = np.empty(grid.padded, dtype=np.float32)
        out = self._buffer
        inside = out[grid.inside]
        if self.camera.gain_yx is None:
            inside[...] = self.raw[index]
        else:
            _kernels.correct_gain(self.raw[index], self.camera.gain_yx, inside)
        self._mending.mend(inside)
        if grid.padded != grid.frame:
            (y, x), (ny, nx) = grid.frame_first, grid.frame
            mean = inside[::8].mean(dtype=np.float64)  # of whole rows, which are read in order
            out[:y] = out[y + ny :] = mean
            out[:, :x] = out[:, x + nx :] = mean
        return out


class TransformStore:
    """Transforms of a movie's frames: cropped for registration at once, on the kept grid again later.

    Those of the kept grid are held between the two uses where ``memory_gib`` has room for them beside the raw frames
    and what a transform and a sum take, and made again where not.
    """

    def __init__(
        self, arrays: Arrays, frames: MovieFrames, grid: FrameGrid, small: tuple[int, int], memory_gib: float
    ) -> None:
        self._arrays, self._frames, self._grid = arrays, frames, grid
        self._width = max(small[1], grid.kept[1]) // 2 + 1
        bytes_needed = 8.0 * frames.n_frames * grid.kept[0] * (grid.kept[1] // 2 + 1)
        others = frames.raw.nbytes + 4.0 * _WORKING_FRAMES * grid.padded[0] * grid.padded[1]
        self._keep = bytes_needed + others < memory_gib * 2**30
        self._kept: dict[int, Any] = {}
        self.small = arrays.stack([self._first_look(index, small) for index in range(frames.n_frames)])

    def __call__(self, index: int) -> Any:
        """Transform of a frame on the kept grid; one that was held is given away."""
        if index in self._kept:
            return self._kept.pop(index)
        return crop_transform(self._transform(index), self._grid.padded, self._grid.kept)

    def _transform(self, index: int) -> Any:
        return self._arrays.rfft2(self._arrays.array(self._frames.padded(index, self._grid)), self._width)

    def _first_look(self, index: int, small: tuple[int, int]) -> Any:
        transform = self._transform(index)
        if self._keep:
            self._kept[index] = crop_transform(transform, self._grid.padded, self._grid.kept)
        return crop_transform(transform, self._grid.padded, small)
