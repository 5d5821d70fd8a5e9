"""What is where in a tomogram, who says so, and how sure they are."""

from dataclasses import dataclass, field, fields
from enum import IntFlag
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tomoset.errors import GeometryError, ParameterError
from tomoset.geometry import check_rotations
from tomoset.model.array_source import ArraySource
from tomoset.model.traces import FilamentTrace, MembraneSurface

__all__ = ["COMPARTMENTS", "IGNORE", "Labels", "PickFlag", "PickableObject", "Picks", "Segmentation"]

IGNORE = 255
"""Value of a semantic mask where nobody has said what is there: neither class nor background, never trained on or
scored."""

COMPARTMENTS = {"outside": 0, "lumen": 1, "cytosol": 2, "periplasm": 3, "interlamellar": 4, "membrane": 5}
"""Values of a mask of what lies on which side of membranes; kept in files, they never change their meaning."""

SegmentationKind = Literal["semantic", "instance", "probability", "compartment"]


class PickFlag(IntFlag):
    """What is special about one pick; values are kept in files and never change their meaning."""

    NONE = 0
    EDGE = 1
    """A part of the particle lies outside the volume."""
    INFERRED = 2
    """Placed by a rule (along a filament, on a lattice, in a closed surface) and not seen by itself."""
    EXCLUDED_REGION = 4
    """Inside a region where labels are not trusted: gold, carbon, ice contamination, beyond the ice."""
    CONFLICT = 8
    """Another label claims the same place."""


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


_PER_PICK = (
    "rotations",
    "scores",
    "margins",
    "rivals",
    "posterior",
    "false_discovery_rates",
    "instance_ids",
    "orientation_known",
    "flags",
)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Picks:
    """Positions and poses of the particles of one class in one tomogram, each with what is known of its certainty.

    Everything but the positions is optional: None says that nobody has determined it.

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
    score_kind : str
        What the scores are: ``"log-likelihood ratio"``, ``"probability"`` …; empty when unknown.
    margins : (n,) array of float64 or None
        Score minus that of the best other class at the same place.
    rivals : (n,) array of str or None
        Name of that other class; ``""`` where there is none.
    posterior_classes : tuple of str
        Columns of ``posterior``.
    posterior : (n, k) array of float64 or None
        Probability of each class; what is missing to one is the probability that nothing is there.
    false_discovery_rates : (n,) array of float64 or None
        Estimated share of false picks among those of the class with this score or a better one.
    instance_ids : (n,) array of int64 or None
        The individual a pick belongs to (all picks along one filament share one); 0 = none.
    orientation_known : (n,) array of bool or None
        For labels in which only some rotations are meant; None means all, when there are rotations.
    flags : (n,) array of uint32 or None
        Sums of ``PickFlag``.

    Raises
    ------
    GeometryError
        If lengths differ or a rotation is none.
    """

    object_name: str
    positions_angstrom_xyz: NDArray[np.float64]
    rotations: NDArray[np.float64] | None = None
    scores: NDArray[np.float64] | None = None
    score_kind: str = ""
    margins: NDArray[np.float64] | None = None
    rivals: NDArray[np.str_] | None = None
    posterior_classes: tuple[str, ...] = ()
    posterior: NDArray[np.float64] | None = None
    false_discovery_rates: NDArray[np.float64] | None = None
    instance_ids: NDArray[np.int64] | None = None
    orientation_known: NDArray[np.bool_] | None = None
    flags: NDArray[np.uint32] | None = None

    def __post_init__(self) -> None:
        """Bring everything to its type and check lengths."""
        self._become("positions_angstrom_xyz", np.float64, (-1, 3))
        self._become("rotations", np.float64, (-1, 3, 3))
        if self.rotations is not None:
            checked = check_rotations(self.rotations, f"picks of {self.object_name}")
            object.__setattr__(self, "rotations", checked)
        for name in ("scores", "margins", "false_discovery_rates"):
            self._become(name, np.float64, (-1,))
        self._become("posterior", np.float64, (-1, max(1, len(self.posterior_classes))))
        self._become("instance_ids", np.int64, (-1,))
        self._become("orientation_known", np.bool_, (-1,))
        self._become("flags", np.uint32, (-1,))
        if self.rivals is not None:
            object.__setattr__(self, "rivals", np.asarray(self.rivals, dtype=np.str_).reshape(-1))
        for name in _PER_PICK:
            value = getattr(self, name)
            if value is not None and len(value) != len(self):
                raise GeometryError(f"picks of {self.object_name}: {len(self)} positions but {len(value)} {name}")
        if (self.posterior is None) != (not self.posterior_classes):
            raise GeometryError(f"picks of {self.object_name}: expected a posterior together with its classes")

    def _become(self, name: str, dtype: type[np.generic], shape: tuple[int, ...]) -> None:
        value = getattr(self, name)
        if value is None:
            return
        try:
            object.__setattr__(self, name, np.asarray(value, dtype=dtype).reshape(shape))
        except ValueError as error:
            raise GeometryError(f"picks of {self.object_name}: {name}: {error}") from error

    def __len__(self) -> int:
        """Number of picks."""
        return len(self.positions_angstrom_xyz)

    def select(self, which: ArrayLike) -> "Picks":
        """Return some of the picks: a mask or indices."""
        chosen = np.asarray(which)
        values = {item.name: getattr(self, item.name) for item in fields(self)}
        for name in ("positions_angstrom_xyz", *_PER_PICK):
            if values[name] is not None:
                values[name] = values[name][chosen]
        return Picks(**values)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Segmentation:
    """A mask on a tomogram's grid.

    Parameters
    ----------
    name : str
        The class, or ``"semantic"`` or the like for many at once.
    mask_zyx : ArraySource
        By ``kind``: uint8 values of ``PickableObject.label``, 0 for background and ``IGNORE`` where nobody has said;
        uint32 numbers of individuals; float32 probabilities of the class ``name``; or uint8 values of
        ``COMPARTMENTS``.
    voxel_size_angstrom : float
        Of the tomogram's grid.
    kind : {"semantic", "instance", "probability", "compartment"}
    """

    name: str
    mask_zyx: ArraySource
    voxel_size_angstrom: float
    kind: SegmentationKind = "semantic"


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
    filaments : tuple of FilamentTrace
    membranes : tuple of MembraneSurface
    method : str
        One sentence on how they were made.
    notes : dict of str to float
        Numbers the method reports about itself.
    """

    run: str
    user: str
    session: str
    voxel_size_angstrom: float
    picks: tuple[Picks, ...] = ()
    segmentations: tuple[Segmentation, ...] = ()
    filaments: tuple[FilamentTrace, ...] = ()
    membranes: tuple[MembraneSurface, ...] = ()
    method: str = ""
    notes: dict[str, float] = field(default_factory=dict)

    def of(self, object_name: str) -> Picks:
        """Return the picks of one class; an empty set when there are none."""
        for picks in self.picks:
            if picks.object_name == object_name:
                return picks
        return Picks(object_name=object_name, positions_angstrom_xyz=np.zeros((0, 3)))
