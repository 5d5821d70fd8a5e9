"""Coordinate files: what is read, what is refused, and how the axes are found."""

from itertools import chain
from pathlib import Path

import numpy as np
import pytest

from tomoset.errors import FormatError, InputMissingError, ParameterError
from tomoset.geometry import point_group, random_rotations
from tomoset.structures import Structure, align_to_point_group, built_in_structure, read_structure, self_correlation

ALANINE = (("N", -0.97, 0.48, 0.5), ("CA", 0.26, 0.42, -0.25), ("C", 1.4, -0.2, 0.6), ("O", 2.3, -0.8, 0.05))
ALANINE += (("CB", 0.6, 1.8, -0.8),)


def atom_line(serial: int, name: str, residue: str, chain: str, xyz: tuple[float, ...], element: str) -> str:
    x, y, z = xyz
    return (
        f"ATOM  {serial:5d}  {name:<3s} {residue:>3s} {chain}{1:4d}    {x:8.3f}{y:8.3f}{z:8.3f}  1.00 20.00"
        f"          {element:>2s}"
    )


def residue_lines(chain: str, shift: float) -> list[str]:
    return [
        atom_line(i + 1, name, "ALA", chain, (x + shift, y, z), name[0]) for i, (name, x, y, z) in enumerate(ALANINE)
    ]


def write(path: Path, lines: list[str]) -> Path:
    path.write_text("\n".join([*lines, "END", ""]))
    return path


def test_hydrogens_left_out_of_the_file_are_counted(tmp_path: Path) -> None:
    structure = read_structure(write(tmp_path / "ala.pdb", residue_lines("A", 0.0)))
    assert structure.mass_kda == pytest.approx(71.08e-3, rel=1e-3)  # C3 H5 N O: an alanine in a chain
    assert structure.name == "ala"
    assert len(structure.positions_angstrom_xyz) == 5
    assert np.abs(structure.positions_angstrom_xyz).max() < 3.0  # centred


def test_hydrogens_in_the_file_are_not_counted_twice(tmp_path: Path) -> None:
    lines = residue_lines("A", 0.0)
    hydrogens = [atom_line(10 + i, f"H{i}", "ALA", "A", (0.1 * i, 2.0, 1.0), "H") for i in range(5)]
    structure = read_structure(write(tmp_path / "ala_h.pdb", lines + hydrogens))
    assert structure.mass_kda == pytest.approx(71.08e-3, rel=1e-3)
    without = read_structure(write(tmp_path / "ala.pdb", lines))
    assert structure.strengths_volt_angstrom3.sum() == pytest.approx(without.strengths_volt_angstrom3.sum(), rel=1e-3)
    assert structure.name == "ala-h"  # no underscore: it becomes the object's name


def test_water_is_dropped_and_ions_stay(tmp_path: Path) -> None:
    lines = residue_lines("A", 0.0)
    water = atom_line(20, "O", "HOH", "A", (9.0, 9.0, 9.0), "O").replace("ATOM  ", "HETATM")
    zinc = atom_line(21, "ZN", "ZN", "B", (5.0, 0.0, 0.0), "ZN").replace("ATOM  ", "HETATM")
    structure = read_structure(write(tmp_path / "wet.pdb", [*lines, water, zinc]))
    assert structure.mass_kda == pytest.approx((71.08 + 65.38) * 1e-3, rel=1e-3)
    assert "waters left out" in structure.source


def test_models_side_by_side_are_one_assembly(tmp_path: Path) -> None:
    parts = [["MODEL     " + str(i + 1), *residue_lines("A", 12.0 * i), "ENDMDL"] for i in range(3)]
    joined = read_structure(write(tmp_path / "parts.pdb", list(chain.from_iterable(parts))))
    assert len(joined.positions_angstrom_xyz) == 15
    assert "3 MODELs, which lie side by side" in joined.source


def test_ensemble_gives_its_first_model(tmp_path: Path) -> None:
    parts = [["MODEL     " + str(i + 1), *residue_lines("A", 0.2 * i), "ENDMDL"] for i in range(3)]
    first = read_structure(write(tmp_path / "nmr.pdb", list(chain.from_iterable(parts))))
    assert len(first.positions_angstrom_xyz) == 5
    assert "first of 3 MODELs" in first.source


def test_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputMissingError, match=r"nothing\.pdb"):
        read_structure(tmp_path / "nothing.pdb")


@pytest.mark.parametrize(
    ("name", "text"), [("bad.cif", "no data block\n"), ("bad.pdb", "\x00\x01 rubbish\n"), ("e.pdb", "")]
)
def test_broken_file_is_refused(tmp_path: Path, name: str, text: str) -> None:
    path = tmp_path / name
    path.write_text(text)
    with pytest.raises(FormatError) as refusal:
        read_structure(path)
    assert name in str(refusal.value)
    assert "\n\n" not in str(refusal.value)


def test_only_water_is_not_a_molecule(tmp_path: Path) -> None:
    with pytest.raises(FormatError, match="none beside waters"):
        read_structure(write(tmp_path / "water.pdb", [atom_line(1, "O", "HOH", "A", (0.0, 0.0, 0.0), "O")]))


def test_unknown_element_is_refused(tmp_path: Path) -> None:
    lines = [*residue_lines("A", 0.0), atom_line(9, "Q", "ALA", "A", (1.0, 1.0, 1.0), "X")]
    with pytest.raises(FormatError, match="known elements, found 'X'"):
        read_structure(write(tmp_path / "odd.pdb", lines))


def test_unknown_assembly_lists_what_there_is(shared_data: Path) -> None:
    with pytest.raises(ParameterError, match=r"defines: 1, 2\), got '7'"):
        read_structure(shared_data / "structures" / "4f5s.pdb", assembly="7")


def test_unknown_point_group_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ParameterError, match="point group"):
        read_structure(write(tmp_path / "ala.pdb", residue_lines("A", 0.0)), symmetry="Q7")


def test_albumin_assembly_is_one_chain_with_a_proteins_contrast(shared_data: Path) -> None:
    structure = read_structure(shared_data / "structures" / "4f5s.pdb", assembly="1", name="bsa")
    assert structure.mass_kda == pytest.approx(66.4, rel=0.02)
    assert structure.strengths_volt_angstrom3.sum() / structure.mass_kda / 1e3 == pytest.approx(4.0, rel=0.05)


def test_ribosomal_subunit_stands_out_more_than_protein(shared_data: Path) -> None:
    structure = read_structure(shared_data / "structures" / "4v4r_30S.pdb")
    # Two thirds RNA at 4.8 V · 0.92 Å3/Da, one third protein at 3.3 V · 1.23 Å3/Da.
    assert structure.strengths_volt_angstrom3.sum() / structure.mass_kda / 1e3 == pytest.approx(4.3, rel=0.03)


@pytest.mark.parametrize("name", ["apoferritin", "proteasome"])
def test_axes_are_found_from_any_orientation(name: str) -> None:
    model = built_in_structure(name)
    turn = random_rotations(1, np.random.default_rng(5))[0]
    lost = Structure(
        name=model.name,
        symmetry="C1",
        mass_kda=model.mass_kda,
        positions_angstrom_xyz=model.positions_angstrom_xyz @ turn.T,
        strengths_volt_angstrom3=model.strengths_volt_angstrom3,
        spreads_angstrom=model.spreads_angstrom,
        source=model.source,
    )
    assert self_correlation(lost, model.symmetry) < 0.9
    found = align_to_point_group(lost, model.symmetry)
    assert found.symmetry == model.symmetry
    assert self_correlation(found, model.symmetry) > 0.999
    # Found must be the model turned by an element of the group, to a fraction of a degree, and never mirrored.
    placed, _ = np.linalg.lstsq(model.positions_angstrom_xyz, found.positions_angstrom_xyz, rcond=None)[:2]
    assert np.linalg.det(placed) == pytest.approx(1.0, abs=1e-6)
    if name == "apoferritin":
        assert point_group("O").angle_between_deg(placed.T, np.eye(3)) < 0.3


def test_deposited_proteasome_is_turned_onto_its_axes(shared_data: Path) -> None:
    structure = read_structure(shared_data / "structures" / "3j9i.pdb", symmetry="D7")
    assert structure.symmetry == "D7"
    assert self_correlation(structure, "D7") > 0.99
    extent = np.ptp(structure.positions_angstrom_xyz, axis=0)
    assert extent[2] > 1.2 * max(extent[:2])  # the long axis is the 7-fold
    assert "axes turned to D7" in structure.source


def test_symmetry_the_molecule_lacks_is_refused(shared_data: Path) -> None:
    with pytest.raises(ParameterError, match=r"expected symmetry D7.*correlates with itself by only"):
        read_structure(shared_data / "structures" / "4f5s.pdb", assembly="1", symmetry="D7")
