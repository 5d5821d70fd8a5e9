"""What is where in a tomogram, who says so, and how sure they are."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tomoset.errors import GeometryError, ParameterError
from tomoset.geometry import check_rotations
from tomoset.model.array_source import ArraySource

__all__ = ["Labels", "PickableObject", "Picks", "Segmentation"]


@dataclass(frozen=True, slots=True, kw_only=True)
class PickableObject:
    """A class of things that can be labeled.

    Parameters
    ----------
    name : str
        Letters, digits and hyphens (copick allows no underscore).
    label : int
        Value in semantic masks; 1 or more, unique in a dataset.
    radius_angstrom : float
        Radius of the particle; half of it is the CZII matching distance.
    symmetry : str
        Point group of the particle.
    color_rgba : tuple of int
        0–255, for pictures and viewers.
    is_particle : bool
        False for membranes and other extended things.
    identifier : str
        GO, UniProtKB or PDB identifier; empty when none is known.

    Raises
    ------
    ParameterError
        If the name holds an underscore or blank, or the label or radius is not positive.
    """

    name: str
    label: int
    radius_angstrom: float
    symmetry: str = "C1"
    color_rgba: tuple[int, int, int, int] = (128, 128, 128, 255)
    is_particle: bool = True
    identifier: str = ""

    def __post_init__(self) -> None:
        """Refuse names that other programs would split."""
        if not self.name or any(c in self.name for c in "_ /\\"):
            raise ParameterError(
                f"object name {self.name!r}: expected letters, digits, hyphens; use a hyphen instead of '_'"
            )
        if self.label < 1 or not self.radius_angstrom > 0:
            raise ParameterError(f"object {self.name}: label must be ≥ 1 and radius > 0 Å")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Picks:
    """Positions and poses of the particles of one class in one tomogram.

    Parameters
    ----------
    object_name : str
        The class.
    positions_angstrom_xyz : (n, 3) array of float64
        In the tomogram's *volume* frame: Å from the centre of voxel (0, 0, 0).
    rotations : (n, 3, 3) array of float64 or None
        Active, particle -> tomogram; None when orientations were not determined.
    scores : (n,) array of float64 or None
        Larger is surer; None for truth and hand-made picks.
    margins : (n,) array of float64 or None
        Score minus that of the best other class at the same place.

    Raises
    ------
    GeometryError
        If lengths differ or a rotation is none.
    """

    object_name: str
    positions_angstrom_xyz: NDArray[np.float64]
    rotations: NDArray[np.float64] | None = None
    scores: NDArray[np.float64] | None = None
    margins: NDArray[np.float64] | None = None

    def __post_init__(self) -> None:
        """Bring everything to float64 and check lengths."""
        positions = np.asarray(self.positions_angstrom_xyz, dtype=np.float64).reshape(-1, 3)
        object.__setattr__(self, "positions_angstrom_xyz", positions)
        n = len(positions)
        if self.rotations is not None:
            rotations = np.asarray(self.rotations, dtype=np.float64).reshape(-1, 3, 3)
            object.__setattr__(self, "rotations", check_rotations(rotations, f"picks of {self.object_name}"))
        for name in ("rotations", "scores", "margins"):
            value = getattr(self, name)
            if value is not None and len(value) != n:
                raise GeometryError(f"picks of {self.object_name}: {n} positions but {len(value)} {name}")
        for name in ("scores", "margins"):
            value = getattr(self, name)
            if value is not None:
                object.__setattr__(self, name, np.asarray(value, dtype=np.float64))

    def __len__(self) -> int:
        """Number of picks."""
        return len(self.positions_angstrom_xyz)

    def select(self, which: ArrayLike) -> "Picks":
        """Return some of the picks: a mask or indices."""
        chosen = np.asarray(which)
        return Picks(
            object_name=self.object_name,
            positions_angstrom_xyz=self.positions_angstrom_xyz[chosen],
            rotations=None if self.rotations is None else self.rotations[chosen],
            scores=None if self.scores is None else self.scores[chosen],
            margins=None if self.margins is None else self.margins[chosen],
        )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Segmentation:
    """A mask on a tomogram's grid: 0 is background, other values are ``PickableObject.label``."""

    name: str
    mask_zyx: ArraySource
    voxel_size_angstrom: float


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Labels:
    """All labels that one author made of one tomogram in one round.

    Parameters
    ----------
    run : str
        Name of the series.
    user, session : str
        Who or what made them, and in which round (copick's user_id and session_id; no underscores).
    voxel_size_angstrom : float
        Of the tomogram they were made on.
    picks : tuple of Picks
        One per class.
    segmentations : tuple of Segmentation
    method : str
        One sentence on how they were made.
    """

    run: str
    user: str
    session: str
    voxel_size_angstrom: float
    picks: tuple[Picks, ...] = ()
    segmentations: tuple[Segmentation, ...] = ()
    method: str = ""
    notes: dict[str, float] = field(default_factory=dict)

    def of(self, object_name: str) -> Picks:
        """Return the picks of one class; an empty set when there are none."""
        for picks in self.picks:
            if picks.object_name == object_name:
                return picks
        return Picks(object_name=object_name, positions_angstrom_xyz=np.zeros((0, 3)))
