"""How membranes are looked for."""

from collections.abc import Sequence
from dataclasses import dataclass

from tomoset.errors import ParameterError
from tomoset.model import PickableObject

__all__ = ["ANY_MEMBRANE", "MembraneParams", "require_membranes"]


ANY_MEMBRANE = (PickableObject(name="membrane", label=1, radius_angstrom=25.0, is_particle=False),)
"""The one class of membranes whose kind nobody has named."""


def require_membranes(objects: Sequence[PickableObject]) -> None:
    """Refuse classes that are no membranes, and none at all.

    Raises
    ------
    ParameterError
    """
    if not objects or any(item.is_particle for item in objects):
        found = ", ".join(item.name for item in objects if item.is_particle) or "none"
        raise ParameterError(
            f"membranes: expected one class of membranes or more (is_particle False), found {found}; "
            "name the membranes of the recipe"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class MembraneParams:
    """Parameters of :func:`find_membranes`.

    Parameters
    ----------
    working_voxel_angstrom : float
        Largest voxels of the search: the tomogram is averaged in blocks as long as they stay below.
    scales_angstrom : tuple of float
        Widths (standard deviations) of the Gaussians before second derivatives are taken: 30 to 40 Å fit a bilayer.
    support_angstrom : float
        Distance (standard deviation) over which crest points that lie on one smooth surface support one another.
    false_share_weak, false_share_strong : float
        Shares of the crest points of the contrast-inverted tomogram, in which there are no membranes, that have more
        support than a point must have to belong to a membrane, and to make one.
    least_area_angstrom2 : float
        A patch of membrane has this area of strong points or more.
    closed_surfaces : bool
        Whether closed surfaces are fitted through what the missing wedge hides.
    degree : int
        Of the spherical harmonics of a closed surface.
    least_coverage : float
        Share of what the wedge lets one see of a closed surface, that crest points must cover.
    largest_radius_angstrom, smallest_radius_angstrom : float
        Mean radii that closed surfaces may have; the shells of virus capsids are smaller.

    Raises
    ------
    ParameterError
        If a number is out of range.
    """

    working_voxel_angstrom: float = 20.0
    scales_angstrom: tuple[float, ...] = (30.0, 40.0)
    support_angstrom: float = 60.0
    false_share_weak: float = 0.1
    false_share_strong: float = 0.001
    least_area_angstrom2: float = 60_000.0
    closed_surfaces: bool = True
    degree: int = 10
    least_coverage: float = 0.55
    smallest_radius_angstrom: float = 140.0
    largest_radius_angstrom: float = 10_000.0

    def __post_init__(self) -> None:
        """Refuse what cannot be searched."""
        ranges = {
            "working_voxel_angstrom": (2.0, 40.0),
            "support_angstrom": (20.0, 300.0),
            "false_share_weak": (1e-4, 0.5),
            "false_share_strong": (1e-6, 0.1),
            "least_area_angstrom2": (0.0, 1e9),
            "degree": (2, 20),
            "least_coverage": (0.0, 1.0),
            "smallest_radius_angstrom": (50.0, 1e6),
            "largest_radius_angstrom": (self.smallest_radius_angstrom, 1e6),
        }
        for name, (least, most) in ranges.items():
            value = getattr(self, name)
            if not least <= value <= most:
                raise ParameterError(f"membranes.{name}: expected {least:g} to {most:g}, found {value:g}")
        if not self.scales_angstrom or not all(10 <= scale <= 200 for scale in self.scales_angstrom):
            raise ParameterError(
                f"membranes.scales_angstrom: expected one width or more of 10 Å to 200 Å, found {self.scales_angstrom}"
            )
        if self.false_share_strong > self.false_share_weak:
            raise ParameterError(
                "membranes: expected false_share_strong to be no larger than false_share_weak, found "
                f"{self.false_share_strong:g} and {self.false_share_weak:g}"
            )
