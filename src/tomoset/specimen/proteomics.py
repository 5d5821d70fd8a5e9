"""A cell's composition from a proteomics table."""

import csv
import io
import re
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from tomoset.errors import FormatError, ParameterError
from tomoset.specimen.components import COMPARTMENTS, MOST, Component
from tomoset.structures import GLOBULE

__all__ = ["proteome_components"]

AMOUNT_COLUMNS = ("copies", "abundance")
MASS_COLUMNS = {"mass_kda": 1.0, "mass_da": 1e-3}
LISTED_AT_MOST = 5

Row = Mapping[str, str | None]


def proteome_components(
    table: str | Sequence[Row],
    *,
    compartment: str = "cytosol",
    mg_per_ml: float | None = None,
    origin: str = "proteome",
) -> tuple[Component, ...]:
    """Components of a cell from a table of its proteins.

    Parameters
    ----------
    table : str or sequence of mappings
        The text of a CSV file (comma, semicolon or tab between the columns; lines that start with # are notes), or
        its rows by column. Columns: ``identifier``; ``copies`` (per cell) or ``abundance`` (relative, by number);
        ``mass_kda`` or ``mass_da``; and, where wanted, ``structure``, ``symmetry`` and ``compartment``. Others are
        left alone.
    compartment : str
        Where proteins lie whose row does not say.
    mg_per_ml : float, optional
        Concentration of all proteins together, in the volume of each compartment; needed with ``abundance``, refused
        with ``copies``. Each compartment holds its own proteins at this concentration.
    origin : str
        Name of the table for messages.

    Returns
    -------
    tuple of Component
        In the order of the rows; numbers of copies are rounded to whole ones, so that some may have none. A protein
        without a structure becomes a globule of its mass; identifiers become species names: letters, digits and
        hyphens.

    Raises
    ------
    FormatError
        If a column is missing, or a value is no number, or out of range; with its row and column.
    ParameterError
        If an identifier is named twice in a compartment, or the total concentration is missing or not wanted.
    """
    rows = _rows(table, origin)
    if not rows:
        raise FormatError(f"{origin}: expected a row for each protein, found none below the columns' names")
    columns = {name for _, row in rows for name in row}
    mass_column = _one_of(columns, tuple(MASS_COLUMNS), origin)
    amount_column = _one_of(columns, AMOUNT_COLUMNS, origin)
    if "identifier" not in columns:
        raise FormatError(_missing("identifier", columns, origin))
    _check_total(amount_column, mg_per_ml, origin)
    proteins = [_Protein(number, row, mass_column, amount_column, compartment, origin) for number, row in rows]
    _check_once(proteins, origin)
    if not any(protein.amount for protein in proteins):
        raise FormatError(f"{origin}: expected some protein above zero in column {amount_column}, found none")
    if amount_column == "copies":
        return tuple(protein.component(copies=round(protein.amount)) for protein in proteins)
    return tuple(_by_abundance(proteins, mg_per_ml or 0.0))


class _Protein:
    """One row, read."""

    def __init__(
        self, number: int, row: Row, mass_column: str, amount_column: str, compartment: str, origin: str
    ) -> None:
        self.number = number
        self._where = f"{origin}, row {number}"
        self.species = _species_name(row.get("identifier") or "", self._where)
        self.mass_kda = self._number(row, mass_column, positive=True) * MASS_COLUMNS[mass_column]
        self.amount = self._number(row, amount_column, positive=False)
        self._structure = (row.get("structure") or "").strip()
        self._symmetry = (row.get("symmetry") or "").strip()
        self.compartment = (row.get("compartment") or "").strip() or compartment
        if self.compartment not in COMPARTMENTS:
            raise FormatError(
                f"{self._where}, column compartment: expected one of {', '.join(COMPARTMENTS)}, found "
                f"{self.compartment!r}"
            )

    def _number(self, row: Row, column: str, *, positive: bool) -> float:
        text = (row.get(column) or "").strip()
        try:
            value = float(text)
        except ValueError:
            value = float("nan")
        if not np.isfinite(value) or value < 0 or (positive and value == 0):
            wanted = "a positive number" if positive else "a number of zero or more"
            raise FormatError(f"{self._where}, column {column}: expected {wanted}, found {text!r}")
        return value

    def component(self, *, copies: int | None = None, mg_per_ml: float | None = None) -> Component:
        """The protein as a component."""
        return Component(
            species=self.species,
            copies=copies,
            mg_per_ml=mg_per_ml,
            structure=self._structure or GLOBULE,
            mass_kda=self.mass_kda,
            symmetry=self._symmetry,
            compartment=self.compartment,
        )


def _by_abundance(proteins: Sequence[_Protein], mg_per_ml: float) -> Iterable[Component]:
    """Concentrations in proportion to abundance times mass, to the same total in each compartment."""
    totals: dict[str, float] = {}
    for protein in proteins:
        totals[protein.compartment] = totals.get(protein.compartment, 0.0) + protein.amount * protein.mass_kda
    for protein in proteins:
        share = protein.amount * protein.mass_kda
        yield protein.component(mg_per_ml=mg_per_ml * share / totals[protein.compartment] if share else 0.0)


def _rows(table: str | Sequence[Row], origin: str) -> list[tuple[int, Row]]:
    """Rows with the number of their line (or, of rows that were handed over, their own)."""
    if not isinstance(table, str):
        return list(enumerate(table, start=1))
    lines = table.removeprefix("\ufeff").splitlines()
    kept = [(number, line) for number, line in enumerate(lines, start=1) if line.strip() and line.lstrip()[0] != "#"]
    if not kept:
        raise FormatError(f"{origin}: expected a table with columns' names in its first line, found an empty text")
    header = kept[0][1]
    separator = max(",;\t", key=header.count)
    names = [name.strip().lower() for name in next(csv.reader(io.StringIO(header), delimiter=separator))]
    if len(set(names)) < len(names):
        raise FormatError(f"{origin}: expected each column once, found {', '.join(names)}; drop or rename one")
    rows: list[tuple[int, Row]] = []
    for number, line in kept[1:]:
        values = next(csv.reader(io.StringIO(line), delimiter=separator))
        if len(values) != len(names):
            raise FormatError(
                f"{origin}, row {number}: expected {len(names)} columns ({', '.join(names)}), found {len(values)}"
            )
        rows.append((number, dict(zip(names, values, strict=True))))
    return rows


def _one_of(columns: set[str], known: tuple[str, ...], origin: str) -> str:
    present = [name for name in known if name in columns]
    if not present:
        raise FormatError(_missing(" or ".join(known), columns, origin))
    if len(present) > 1:
        raise FormatError(f"{origin}: expected one of the columns {' and '.join(present)}, found both; drop one")
    return present[0]


def _missing(column: str, columns: set[str], origin: str) -> str:
    return f"{origin}: expected a column {column}, found {', '.join(sorted(columns)) or 'none'}; name it so"


def _check_total(amount_column: str, mg_per_ml: float | None, origin: str) -> None:
    if amount_column == "abundance" and not (mg_per_ml is not None and 0 < mg_per_ml <= MOST):
        raise ParameterError(
            f"{origin}: expected a total concentration in mg/ml, above zero, because the table holds relative "
            f"abundances; found {'none' if mg_per_ml is None else f'{mg_per_ml:g}'}"
        )
    if amount_column == "copies" and mg_per_ml is not None:
        raise ParameterError(
            f"{origin}: expected no total concentration, because the table holds copies per cell, found "
            f"{mg_per_ml:g} mg/ml; leave it out, or name the column abundance"
        )


def _check_once(proteins: Sequence[_Protein], origin: str) -> None:
    seen: dict[tuple[str, str], int] = {}
    twice = []
    for protein in proteins:
        key = (protein.species, protein.compartment)
        if key in seen:
            twice.append(f"{protein.species} (rows {seen[key]} and {protein.number})")
        seen.setdefault(key, protein.number)
    if twice:
        more = f" and {len(twice) - LISTED_AT_MOST} more" if len(twice) > LISTED_AT_MOST else ""
        raise ParameterError(
            f"{origin}: expected each identifier once in a compartment (column identifier), found "
            f"{', '.join(twice[:LISTED_AT_MOST])}{more}; add their amounts up"
        )


def _species_name(identifier: str, where: str) -> str:
    """Letters, digits and hyphens, as labels allow them."""
    name = re.sub(r"[^A-Za-z0-9.+-]+", "-", identifier.strip()).strip("-")
    if not name:
        raise FormatError(f"{where}, column identifier: expected a name with letters or digits, found {identifier!r}")
    return name
