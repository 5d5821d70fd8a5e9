"""A reconstructed volume and what it was made from."""

from dataclasses import dataclass
from typing import Literal

from tomoset.errors import GeometryError
from tomoset.geometry import Grid, TiltGeometry
from tomoset.model.array_source import ArraySource

__all__ = ["Tomogram"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Tomogram:
    """A volume in the specimen's axes, the tilt axis along y.

    Parameters
    ----------
    run : str
        Name of the series it was made from.
    grid : Grid
        Shape and voxel size; the specimen frame's origin is its index N // 2.
    volume_zyx : ArraySource
        Density, float32.
    odd_zyx, even_zyx : ArraySource or None
        The same from the odd and from the even frames.
    kind : str
        How it was made, one word: ``"wbp"``, ``"denoised"`` … (copick's tomo type, no underscore).
    contrast : {"dark", "light"}
        Whether protein is darker or lighter than ice.
    tilt_indices : tuple of int
        Rows of the tilt series that were used.
    geometry : TiltGeometry
        The alignment of *all* rows it was reconstructed with.
    ctf_corrected : bool
        Whether the phases were corrected.
    diagnostics : dict of str to float, or None
        Numbers the stage reports about its own quality (``"denoise.half_map_before_angstrom"`` …).

    Raises
    ------
    GeometryError
        If a volume does not have the grid's shape.
    """

    run: str
    grid: Grid
    volume_zyx: ArraySource
    odd_zyx: ArraySource | None = None
    even_zyx: ArraySource | None = None
    kind: str = "wbp"
    contrast: Literal["dark", "light"] = "dark"
    tilt_indices: tuple[int, ...]
    geometry: TiltGeometry
    ctf_corrected: bool = False
    diagnostics: dict[str, float] | None = None

    def __post_init__(self) -> None:
        """Check that volumes and grid agree."""
        for source in (self.volume_zyx, self.odd_zyx, self.even_zyx):
            if source is not None and tuple(source.shape) != self.grid.shape_zyx:
                raise GeometryError(f"{self.run}: volume of {source.shape} voxels on a grid of {self.grid.shape_zyx}")
