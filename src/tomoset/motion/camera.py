"""What all movies of a series share: frame size, gain reference, known defects, and what the gain leaves behind."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tomoset.errors import GeometryError, ParameterError
from tomoset.model import MovieSet

__all__ = ["Camera", "read_camera"]


@dataclass(frozen=True, slots=True, eq=False)
class Camera:
    """Frame size (y, x), gain (NaN at dead pixels) or None, known defects (m, 2) or None, Å per pixel of the frames.

    ``pattern_variance`` is the relative variance of a pixel that the gain reference has left. ``gain_orientation`` and
    ``gain_divides`` say how the import has turned the file's gain and whether it took its reciprocal.
    """

    shape_yx: tuple[int, int]
    gain_yx: NDArray[np.float32] | None
    known_defects_yx: NDArray[np.intp] | None
    pixel_size_angstrom: float
    pattern_variance: float = 0.0
    gain_orientation: int = 0
    gain_divides: bool = False


def read_camera(movies: MovieSet) -> Camera:
    """Check that all movies have one frame size, and load the gain.

    Raises
    ------
    ParameterError
        If there is no movie.
    GeometryError
        If frame sizes differ.
    """
    if not movies.movies:
        raise ParameterError(f"{movies.run}: expected at least one movie, found none; check the import")
    shape = tuple(movies.movies[0].frames_tyx.shape[1:])
    for movie in movies.movies:
        if len(movie.frames_tyx.shape) != 3 or movie.frames_tyx.shape[0] < 1 or movie.frames_tyx.shape[1:] != shape:
            raise GeometryError(
                f"{movies.run}: {movie.name} has frames of {movie.frames_tyx.shape}, expected (frames ≥ 1, "
                f"{shape}) as in {movies.movies[0].name}; import movies of another size as another series"
            )
    ny, nx = shape
    gain = None
    if movies.gain_yx is not None:
        gain = np.asarray(movies.gain_yx.read(()), dtype=np.float32)
        gain = np.where(np.isfinite(gain) & (gain > 0), gain, np.float32(np.nan))  # a dead pixel: found as a defect
    return Camera(
        (ny, nx),
        gain,
        movies.defect_pixels_yx,
        movies.pixel_size_angstrom,
        # Only an import that turned or inverted the file has these to tell.
        gain_orientation=int(getattr(movies.gain_yx, "orientation", 0)),
        gain_divides=bool(getattr(movies.gain_yx, "divides", False)),
    )
