"""What was asked for and what was placed, by species and compartment."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tomoset.errors import PackingError
from tomoset.model import CompositionRow, Molecules
from tomoset.specimen.amounts import mg_per_ml_from_copies
from tomoset.specimen.insertion import Copies
from tomoset.structures import PROTEIN_ANGSTROM3_PER_DALTON

__all__ = ["Ledger", "Placement", "refuse_impossible", "refuse_shortage"]

DENSEST_RANDOM_FRACTION = 0.64  # random close packing of equal spheres


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Placement:
    """One species in one compartment of one body, or in the ice.

    Parameters
    ----------
    species, compartment : str
    mass_kda : float
        Of a copy.
    requested_copies : int
    requested_mg_per_ml : float
    volume_angstrom3 : float
        Of the compartment; nan for a membrane.
    copies : Copies
        What found room.
    note : str
    filament_index : (n,) array of int or None
        For subunits of filaments.
    """

    species: str
    compartment: str
    mass_kda: float
    requested_copies: int
    requested_mg_per_ml: float
    volume_angstrom3: float
    copies: Copies
    note: str = ""
    filament_index: NDArray[np.intp] | None = None


class Ledger:
    """Placements, summed over the bodies that hold a species in a compartment of the same name."""

    def __init__(self) -> None:
        self._entries: dict[tuple[str, str], list[Placement]] = {}

    def add(self, placement: Placement) -> None:
        """Enter a placement behind those of its species and compartment."""
        self._entries.setdefault((placement.species, placement.compartment), []).append(placement)

    def molecules(self) -> tuple[Molecules, ...]:
        """One entry a species and compartment, in the order of the first placements."""
        return tuple(_molecules(placements) for placements in self._entries.values())

    def rows(self) -> tuple[CompositionRow, ...]:
        """The composition in the same order."""
        return tuple(_row(placements) for placements in self._entries.values())


def _molecules(placements: list[Placement]) -> Molecules:
    copies = Copies.joined([placement.copies for placement in placements])
    indices = [placement.filament_index for placement in placements if placement.filament_index is not None]
    return Molecules(
        species=placements[0].species,
        positions_angstrom_xyz=copies.positions_angstrom_xyz,
        rotations=copies.rotations,
        compartment=placements[0].compartment,
        filament_index=np.concatenate(indices) if indices else None,
    )


def _row(placements: list[Placement]) -> CompositionRow:
    first = placements[0]
    volume = sum(placement.volume_angstrom3 for placement in placements)
    placed = sum(len(placement.copies) for placement in placements)
    in_volume = bool(np.isfinite(volume)) and volume > 0
    requested = sum(p.requested_mg_per_ml * p.volume_angstrom3 for p in placements) / volume if in_volume else 0.0
    notes = dict.fromkeys(placement.note for placement in placements if placement.note)
    dalton = placed * first.mass_kda * 1e3
    return CompositionRow(
        species=first.species,
        mass_kda=first.mass_kda,
        requested_mg_per_ml=first.requested_mg_per_ml if len(placements) == 1 else requested,
        requested_copies=sum(placement.requested_copies for placement in placements),
        placed_copies=placed,
        placed_mg_per_ml=mg_per_ml_from_copies(placed, first.mass_kda, volume) if in_volume else 0.0,
        compartment=first.compartment,
        volume_fraction=dalton * PROTEIN_ANGSTROM3_PER_DALTON / volume if in_volume else 0.0,
        note="; ".join(notes),
    )


def refuse_impossible(run: str, compartment: str, mass_kda: float, volume_angstrom3: float) -> None:
    """Refuse at once what no packing can hold, before time is spent on it.

    Raises
    ------
    PackingError
        If molecules of that total mass would fill more than random close packing does.
    """
    fraction = mass_kda * 1e3 * PROTEIN_ANGSTROM3_PER_DALTON / max(volume_angstrom3, 1e-9)
    if fraction > DENSEST_RANDOM_FRACTION:
        total = mg_per_ml_from_copies(1, mass_kda, max(volume_angstrom3, 1e-9))
        raise PackingError(
            f"{run}: expected molecules that fill at most {DENSEST_RANDOM_FRACTION:.0%} of the {compartment} "
            f"({total * DENSEST_RANDOM_FRACTION / fraction:.0f} mg/ml), but {total:.4g} mg/ml would fill "
            f"{fraction:.0%}; lower the concentrations (cells hold 200 to 350 mg/ml)"
        )


def refuse_shortage(run: str, rows: tuple[CompositionRow, ...]) -> None:
    """Refuse a specimen that holds fewer copies than it was asked for.

    Raises
    ------
    PackingError
        Naming each species that is short, what was placed of it, and what its compartment holds in all.
    """
    short = [row for row in rows if row.placed_copies < row.requested_copies]
    if not short:
        return
    listed = "; ".join(_shortage(row) for row in short)
    held = "; ".join(_held(name, rows) for name in dict.fromkeys(row.compartment for row in short))
    raise PackingError(
        f"{run}: not every molecule found room. {listed}. What was placed is what fits: {held}. Ask for no more than "
        "that, thicken the ice, or set allow_short = true to go on with fewer"
    )


def _shortage(row: CompositionRow) -> str:
    where = "" if row.compartment == "ice" else f" in the {row.compartment}"
    if row.volume_fraction == 0.0 and row.placed_copies:
        return f"{row.species}{where}: {row.requested_copies} asked, {row.placed_copies} placed"
    return (
        f"{row.species}{where}: {row.requested_copies} asked ({row.requested_mg_per_ml:.4g} mg/ml), "
        f"{row.placed_copies} placed ({row.placed_mg_per_ml:.4g} mg/ml)"
    )


def _held(compartment: str, rows: tuple[CompositionRow, ...]) -> str:
    inside = [row for row in rows if row.compartment == compartment]
    total = sum(row.placed_mg_per_ml for row in inside)
    if total == 0.0:
        return f"{sum(row.placed_copies for row in inside)} molecules in the {compartment}"
    fraction = sum(row.volume_fraction for row in inside)
    return f"{total:.4g} mg/ml in the {compartment} ({fraction:.1%} of its volume)"
