"""A proteomics table becomes components, or says which row and column is wrong."""

import pytest

from tomoset.errors import FormatError, ParameterError, TomosetError
from tomoset.specimen import CellParams, SpecimenParams, proteome_components, required_species

TABLE = """\
# supplementary table 3
identifier,copies,mass_kda,structure,compartment,description
GroEL_1,120,57.2,pdb:1GRL,cytosol,"chaperone, large"
ATPase F1,40.4,380,,inner-membrane,
 OppA ,0.2,60.9,,periplasm,binds peptides
"""


def test_copies_become_components_and_the_unknown_become_globules() -> None:
    first, second, third = proteome_components(TABLE)
    assert (first.species, first.copies, first.mass_kda, first.structure) == ("GroEL-1", 120, 57.2, "pdb:1GRL")
    assert (second.species, second.copies, second.structure) == ("ATPase-F1", 40, "globule")
    assert second.compartment == "inner-membrane"
    assert (third.species, third.copies, third.compartment) == ("OppA", 0, "periplasm")
    assert first.mg_per_ml is None


def test_abundances_share_the_total_by_mass() -> None:
    rows = [
        {"identifier": "a", "abundance": "3", "mass_da": "20000"},
        {"identifier": "b", "abundance": "1", "mass_da": "60000"},
        {"identifier": "c", "abundance": "7", "mass_da": "50000", "compartment": "periplasm"},
    ]
    components = proteome_components(rows, mg_per_ml=200.0, compartment="nucleoid")
    assert [c.mg_per_ml for c in components] == pytest.approx([100.0, 100.0, 200.0])
    assert [c.compartment for c in components] == ["nucleoid", "nucleoid", "periplasm"]
    assert [c.mass_kda for c in components] == [20.0, 60.0, 50.0]


@pytest.mark.parametrize("separator", [";", "\t"])
def test_other_separators_and_a_byte_order_mark_are_read(separator: str) -> None:
    text = "\ufeffIdentifier,Copies,Mass_kDa\np1,3,40\n".replace(",", separator)
    assert proteome_components(text)[0].copies == 3


@pytest.mark.parametrize(
    ("table", "error", "message"),
    [
        ("identifier,copies\na,3\n", FormatError, "column mass_kda or mass_da, found copies, identifier"),
        ("identifier,mass_kda\na,3\n", FormatError, "column copies or abundance, found identifier, mass_kda"),
        ("name,copies,mass_kda\na,3,40\n", FormatError, "column identifier, found copies, mass_kda, name"),
        ("identifier,copies,mass_kda,mass_da\na,3,40,1\n", FormatError, "mass_kda and mass_da, found both"),
        ("identifier,copies,mass_kda\na,many,40\n", FormatError, "row 2, column copies: .* found 'many'"),
        ("identifier,copies,mass_kda\n\na,3,\n", FormatError, "row 3, column mass_kda: .* found ''"),
        ("identifier,copies,mass_kda\na,3,nan\n", FormatError, "row 2, column mass_kda: .* positive number"),
        ("identifier,copies,mass_kda\na,-3,40\n", FormatError, "row 2, column copies: .* zero or more"),
        ("identifier,copies,mass_kda\na,3,0\n", FormatError, "row 2, column mass_kda"),
        ("identifier,copies,mass_kda\n_ ,3,4\n", FormatError, "row 2, column identifier"),
        ("identifier,copies,mass_kda\na,3\n", FormatError, "row 2: expected 3 columns"),
        ("identifier,copies,mass_kda\n", FormatError, "row for each protein"),
        ("# nothing\n", FormatError, "empty text"),
        ("identifier,copies,mass_kda,compartment\na,3,40,mitochondrion\n", FormatError, "row 2, column compartment"),
        ("identifier,copies,mass_kda\na_1,3,40\na-1,4,40\n", ParameterError, r"a-1 \(rows 2 and 3\)"),
        ("identifier,abundance,mass_kda\na,3,40\n", ParameterError, "total concentration in mg/ml"),
    ],
)
def test_bad_table_is_refused_by_row_and_column(table: str, error: type[TomosetError], message: str) -> None:
    with pytest.raises(error, match=f"^cells.csv.*{message}"):
        proteome_components(table, origin="cells.csv")


def test_total_is_refused_where_the_table_has_copies() -> None:
    with pytest.raises(ParameterError, match="no total concentration"):
        proteome_components(TABLE, mg_per_ml=200.0)


def test_abundance_of_a_membrane_protein_is_refused() -> None:
    table = "identifier,abundance,mass_kda,compartment\na,3,40,inner-membrane\n"
    with pytest.raises(ParameterError, match="number of copies for what is embedded"):
        proteome_components(table, mg_per_ml=200.0)


def test_a_cell_takes_the_proteins_and_the_specimen_asks_for_their_looks() -> None:
    cell = CellParams(kind="minicell", components=proteome_components(TABLE))
    needed = required_species(SpecimenParams(cells=(cell,)))
    assert [(n.species, n.structure, n.mass_kda) for n in needed] == [
        ("GroEL-1", "pdb:1GRL", 57.2),
        ("ATPase-F1", "globule", 380.0),
        ("OppA", "globule", 60.9),
    ]
