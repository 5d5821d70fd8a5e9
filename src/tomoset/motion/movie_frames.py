"""The frames of one movie as transforms: gain, defects and padding on the way, memory bounded."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tomoset.model import Movie
from tomoset.motion.arrays import Arrays
from tomoset.motion.camera import Camera
from tomoset.motion.defects import find_defects, replace_defects
from tomoset.motion.frame_grid import FrameGrid, crop_transform

__all__ = ["MovieFrames", "load_frames"]


def load_frames(movie: Movie) -> NDArray[Any]:
    """Read all raw frames of a movie, in the type they were recorded in."""
    return np.asarray(movie.frames_tyx.read(()))


class MovieFrames:
    """Raw frames (t, y, x) with the camera's defects known, and their transforms on demand.

    Parameters
    ----------
    frames_tyx : (t, y, x) array
        As recorded.
    camera : Camera
    hot_pixel_sigma : float
    """

    def __init__(self, frames_tyx: NDArray[Any], camera: Camera, hot_pixel_sigma: float) -> None:
        self.raw = frames_tyx
        self.camera = camera
        total = frames_tyx.sum(axis=0, dtype=np.float32)
        if camera.gain_yx is not None:
            total *= camera.gain_yx
        self.defects = find_defects(total, hot_pixel_sigma)
        if camera.known_defects_yx is not None:
            self.defects[tuple(camera.known_defects_yx.T)] = True
        self.total: NDArray[np.float32] = total

    @property
    def n_frames(self) -> int:
        """Number of frames."""
        return len(self.raw)

    @property
    def is_dark(self) -> bool:
        """Whether there is no electron in a sound pixel."""
        return bool(self.defects.all()) or not float(self.total[~self.defects].max()) > 0

    def mended_sum(self) -> NDArray[np.float32]:
        """Gain-corrected sum of all frames without motion correction, defects replaced."""
        replace_defects(self.total, self.defects)
        return self.total

    def padded(self, index: int, grid: FrameGrid) -> NDArray[np.float32]:
        """One corrected frame in the middle of the padded grid, its mean around it."""
        out = np.empty(grid.padded, dtype=np.float32)
        inside = out[grid.inside]
        if self.camera.gain_yx is None:
            inside[...] = self.raw[index]
        else:
            np.multiply(self.raw[index], self.camera.gain_yx, out=inside, casting="unsafe")
        replace_defects(inside, self.defects)
        if grid.padded != grid.frame:
            (y, x), (ny, nx) = grid.frame_first, grid.frame
            mean = inside.mean(dtype=np.float64)
            out[:y] = out[y + ny :] = mean
            out[:, :x] = out[:, x + nx :] = mean
        return out


class TransformStore:
    """Transforms of a movie's frames: cropped for registration at once, on the kept grid again later.

    Those of the kept grid are held between the two uses where ``keep_gib`` allows it, and made again where not.
    """

    def __init__(
        self, arrays: Arrays, frames: MovieFrames, grid: FrameGrid, small: tuple[int, int], keep_gib: float
    ) -> None:
        self._arrays, self._frames, self._grid = arrays, frames, grid
        self._width = max(small[1], grid.kept[1]) // 2 + 1
        bytes_needed = 8.0 * frames.n_frames * grid.kept[0] * (grid.kept[1] // 2 + 1)
        self._keep = bytes_needed < keep_gib * 2**30
        self._kept: dict[int, Any] = {}
        self.small = arrays.stack([self._first_look(index, small) for index in range(frames.n_frames)])

    def __call__(self, index: int) -> Any:
        """Transform of a frame on the kept grid."""
        if index in self._kept:
            return self._kept[index]
        return crop_transform(self._transform(index), self._grid.padded, self._grid.kept)

    def _transform(self, index: int) -> Any:
        return self._arrays.rfft2(self._arrays.array(self._frames.padded(index, self._grid)), self._width)

    def _first_look(self, index: int, small: tuple[int, int]) -> Any:
        transform = self._transform(index)
        if self._keep:
            self._kept[index] = crop_transform(transform, self._grid.padded, self._grid.kept)
        return crop_transform(transform, self._grid.padded, small)
