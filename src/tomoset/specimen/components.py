"""How much of which molecule, where, and how it lies there."""

from dataclasses import dataclass

import numpy as np

from tomoset.errors import ParameterError
from tomoset.structures import GLOBULE

__all__ = ["COMPARTMENTS", "MEMBRANE_COMPARTMENTS", "Component"]

MEMBRANE_COMPARTMENTS = ("inner-membrane", "outer-membrane", "plasma-membrane", "liposome")
MOST = 1e9  # copies or mg/ml; whole numbers have no end, and no floating-point number holds the longest
COMPARTMENTS = ("ice", "lumen", "cytosol", "nucleoid", "periplasm", *MEMBRANE_COMPARTMENTS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Component:
    """How much of one species: a concentration or a number of copies, one of the two.

    Parameters
    ----------
    species : str
        Name of the molecule; letters, digits, hyphens.
    mg_per_ml : float, optional
        Concentration in its compartment, ≥ 0.
    copies : int, optional
        Number of copies, ≥ 0: in the whole slab for the ice, in each vesicle or cell for its compartments.
    structure : str
        How the molecule looks: a built-in model, an identifier or a file, which the workflow resolves; empty for the
        object of the species' name.
    mass_kda : float, optional
        Molecular mass, for a ``globule`` (a sized blob where no structure is known).
    symmetry : str
        Point group, where the structure does not say; empty takes the structure's own.
    compartment : str
        ``ice``, or a part of a vesicle or cell: ``lumen``, ``cytosol``, ``nucleoid``, ``periplasm``, or a membrane
        that it is embedded in: ``inner-membrane``, ``outer-membrane``, ``plasma-membrane``, ``liposome``.
    adsorbed_fraction : float
        Share of the copies at the air-water interface, half of them on each surface, with their centres within one
        radius of where molecules may lie; 0 to 1.
    preferred_orientation : float
        Concentration κ ≥ 0 of the adsorbed copies' preferred axis about the surface's outward normal, in a
        von Mises-Fisher distribution (density ∝ exp(κ cos θ)); 0 is uniform.
    preferred_axis : (3,) tuple of float
        That axis in the molecule's frame.
    cluster_size : float
        Mean number of touching copies in a cluster, ≥ 1; 1 places each on its own.
    membrane_offset_angstrom : float
        Height of the molecule's centre above the mid-surface of the membrane that it is embedded in, along the outward
        normal (its own z axis), Å: 0 spans the membrane, some 50 sits on its outer, −50 on its inner leaflet.

    Raises
    ------
    ParameterError
        If neither or both amounts are given, or a value means nothing.
    """

    species: str
    mg_per_ml: float | None = None
    copies: int | None = None
    structure: str = ""
    mass_kda: float | None = None
    symmetry: str = ""
    compartment: str = "ice"
    adsorbed_fraction: float = 0.0
    preferred_orientation: float = 0.0
    preferred_axis: tuple[float, float, float] = (0.0, 0.0, 1.0)
    cluster_size: float = 1.0
    membrane_offset_angstrom: float = 0.0

    def __post_init__(self) -> None:
        """Refuse amounts and places that mean nothing."""
        self._check_amount()
        if not self.species or any(c in self.species for c in "_ /\\"):
            raise ParameterError(
                f"component {self.species!r}: expected a species name of letters, digits and hyphens; "
                "use a hyphen instead of '_'"
            )
        if self.compartment not in COMPARTMENTS:
            raise ParameterError(
                f"component {self.species}: expected a compartment ({', '.join(COMPARTMENTS)}), "
                f"found {self.compartment!r}"
            )
        if self.mass_kda is not None and not (np.isfinite(self.mass_kda) and self.mass_kda > 0):
            raise ParameterError(f"component {self.species}: expected a positive mass in kDa, found {self.mass_kda:g}")
        if self.structure == GLOBULE and self.mass_kda is None:
            raise ParameterError(
                f"component {self.species}: expected mass_kda for a globule, found none; a globule is sized by it"
            )
        self._check_arrangement()

    @property
    def note(self) -> str:
        """What the composition should say about its look."""
        return "sized globule: no structure given" if self.structure == GLOBULE else ""

    def _check_amount(self) -> None:
        if (self.mg_per_ml is None) == (self.copies is None):
            raise ParameterError(
                f"component {self.species}: expected either mg_per_ml or copies, found "
                f"{'neither' if self.copies is None else 'both'}; keep one of them"
            )
        amount = self.mg_per_ml if self.mg_per_ml is not None else self.copies
        if amount is None or not 0 <= amount <= MOST:
            raise ParameterError(
                f"component {self.species}: expected an amount of zero or more, {MOST:g} at most, found {amount}"
            )
        if self.mg_per_ml is not None and self.compartment in MEMBRANE_COMPARTMENTS:
            raise ParameterError(
                f"component {self.species}: expected a number of copies for what is embedded in a membrane "
                f"({self.compartment}), found mg_per_ml; a membrane has no volume to refer it to"
            )

    def _check_arrangement(self) -> None:
        if not 0 <= self.adsorbed_fraction <= 1:
            raise ParameterError(
                f"component {self.species}: expected an adsorbed fraction of 0 to 1, found {self.adsorbed_fraction:g}"
            )
        if self.adsorbed_fraction and self.compartment != "ice":
            raise ParameterError(
                f"component {self.species}: expected adsorbed_fraction = 0 in the {self.compartment}, found "
                f"{self.adsorbed_fraction:g}; only what floats in the ice meets its surfaces"
            )
        if not 0 <= self.preferred_orientation <= 1e4:
            raise ParameterError(
                f"component {self.species}: expected a concentration of orientations of 0 to 10000, found "
                f"{self.preferred_orientation:g}"
            )
        if self.preferred_orientation and not self.adsorbed_fraction:
            raise ParameterError(
                f"component {self.species}: expected an adsorbed_fraction above 0 with preferred_orientation = "
                f"{self.preferred_orientation:g}; only adsorbed copies prefer an orientation"
            )
        axis = np.asarray(self.preferred_axis, dtype=np.float64)
        if axis.shape != (3,) or not np.isfinite(axis).all() or not np.linalg.norm(axis) > 0:
            raise ParameterError(
                f"component {self.species}: expected a preferred axis x, y, z that is not zero, found "
                f"{self.preferred_axis}"
            )
        if not 1 <= self.cluster_size <= 1000:
            raise ParameterError(
                f"component {self.species}: expected a mean cluster size of 1 to 1000 copies, found "
                f"{self.cluster_size:g}"
            )
        if not abs(self.membrane_offset_angstrom) <= 1000:
            raise ParameterError(
                f"component {self.species}: expected a membrane offset of -1000 to 1000 Å, found "
                f"{self.membrane_offset_angstrom:g} Å"
            )
        if self.membrane_offset_angstrom and self.compartment not in MEMBRANE_COMPARTMENTS:
            raise ParameterError(
                f"component {self.species}: expected membrane_offset_angstrom = 0 in the {self.compartment}, found "
                f"{self.membrane_offset_angstrom:g} Å; heights are those above a membrane "
                f"({', '.join(MEMBRANE_COMPARTMENTS)})"
            )
