"""Which chains, MODELs and assemblies of a coordinate file become the molecule."""

import gzip
import shutil
from pathlib import Path

import numpy as np
import pytest

from tomoset.errors import FormatError, ParameterError
from tomoset.structures import read_structure

ALANINE = (("N", -0.97, 0.48, 0.5), ("CA", 0.26, 0.42, -0.25), ("C", 1.4, -0.2, 0.6), ("O", 2.3, -0.8, 0.05))
ALANINE += (("CB", 0.6, 1.8, -0.8),)
ALANINE_KDA = 71.08e-3


def chain_lines(chain: str, shift: float, n_residues: int = 1, atoms: tuple[str, ...] = ()) -> list[str]:
    return [
        f"ATOM  {5 * r + i + 1:5d}  {name:<3s} ALA {chain}{r + 1:4d}    {x + shift:8.3f}{y + 4 * r:8.3f}{z:8.3f}"
        f"  1.00 20.00          {name[0]:>2s}"
        for r in range(n_residues)
        for i, (name, x, y, z) in enumerate(ALANINE)
        if not atoms or name in atoms
    ]


def biological_unit(number: int, chains: str, shifts: tuple[float, ...]) -> list[str]:
    lines = ["REMARK 350", f"REMARK 350 BIOMOLECULE: {number}", f"REMARK 350 APPLY THE FOLLOWING TO CHAINS: {chains}"]
    for n, shift in enumerate(shifts):
        for row in range(3):
            turn = "".join(f"{float(row == column):10.6f}" for column in range(3))
            lines.append(f"REMARK 350   BIOMT{row + 1}{n + 1:4d}{turn}{shift if row == 0 else 0.0:15.5f}")
    return lines


def write(path: Path, lines: list[str]) -> Path:
    path.write_text("\n".join(f"{line:80s}" for line in [*lines, "END"]) + "\n")
    return path


def test_a_crystals_two_copies_are_no_dimer(shared_data: Path) -> None:
    albumin = shared_data / "structures" / "4f5s.pdb"
    with pytest.raises(ParameterError, match=r"'deposited' \(2 chains, 133.1 kDa\); '1' \(1 chain, 66.5 kDa\); '2' "):
        read_structure(albumin)
    one, other = (read_structure(albumin, assembly=name) for name in ("1", "2"))
    both = read_structure(albumin, assembly="deposited")
    assert both.mass_kda == pytest.approx(one.mass_kda + other.mass_kda, rel=1e-9)
    assert "assembly 2" in other.source
    assert "coordinates as deposited" in both.source


def test_twenty_four_models_that_are_one_assembly_are_one_particle(shared_data: Path) -> None:
    ferritin = read_structure(shared_data / "structures" / "2fha.pdb")
    assert ferritin.mass_kda == pytest.approx(480.0, rel=0.02)
    assert "24 MODELs, which lie side by side" in ferritin.source


@pytest.mark.parametrize("file", ["4v1w.cif", "6z6u.pdb"])
def test_deposited_coordinates_that_are_the_assembly_are_taken(shared_data: Path, file: str) -> None:
    found = read_structure(shared_data / "structures" / file)
    assert "as deposited, which are assembly 1" in found.source
    built = read_structure(shared_data / "structures" / file, assembly="1")
    assert built.mass_kda == pytest.approx(found.mass_kda, rel=1e-3)


def test_an_asymmetric_unit_is_not_taken_for_the_dimer(tmp_path: Path) -> None:
    path = write(tmp_path / "half.pdb", [*biological_unit(1, "A", (0.0, 10.0)), *chain_lines("A", 0.0)])
    with pytest.raises(ParameterError, match=r"'deposited' \(1 chain, 0.1 kDa\); '1' \(2 chains, 0.1 kDa\)"):
        read_structure(path)
    assert read_structure(path, assembly="1").mass_kda == pytest.approx(2 * ALANINE_KDA, rel=1e-3)
    assert read_structure(path, assembly="deposited").mass_kda == pytest.approx(ALANINE_KDA, rel=1e-3)


def test_chains_of_the_right_number_at_the_wrong_place_are_no_assembly(tmp_path: Path) -> None:
    remark = biological_unit(1, "A", (0.0, 10.0))
    elsewhere = write(tmp_path / "a.pdb", [*remark, *chain_lines("A", 0.0), *chain_lines("B", 17.0)])
    with pytest.raises(ParameterError, match="not its assembly 1"):
        read_structure(elsewhere)
    there = write(tmp_path / "b.pdb", [*remark, *chain_lines("A", 0.0), *chain_lines("B", 10.0)])
    assert "which are assembly 1" in read_structure(there).source


def test_parts_in_models_may_also_be_told_by_transformations(tmp_path: Path) -> None:
    models = [line for i in (0, 1) for line in (f"MODEL     {i + 1:4d}", *chain_lines("A", 10.0 * i), "ENDMDL")]
    path = write(tmp_path / "unit.pdb", [*biological_unit(1, "A", (0.0, 10.0)), *models])
    whole = read_structure(path)
    assert whole.mass_kda == pytest.approx(2 * ALANINE_KDA, rel=1e-3)
    assert "2 MODELs" in whole.source
    assert "which are assembly 1" in whole.source


def test_chosen_chains_are_taken_alone(tmp_path: Path, shared_data: Path) -> None:
    path = write(tmp_path / "ab.pdb", [*chain_lines("A", 0.0), *chain_lines("B", 10.0), *chain_lines("C", 20.0)])
    two = read_structure(path, chains=["A", "C"])
    assert two.mass_kda == pytest.approx(2 * ALANINE_KDA, rel=1e-3)
    assert np.ptp(two.positions_angstrom_xyz[:, 0]) > 20.0
    assert "chains A, C of coordinates as deposited" in two.source
    with pytest.raises(ParameterError, match=r"expected chains of ab.pdb \(A, B, C\), got Q"):
        read_structure(path, chains=["A", "Q"])
    alone = read_structure(shared_data / "structures" / "4f5s.pdb", chains=["B"])
    assert alone.mass_kda == pytest.approx(66.5, rel=0.01)


def test_chosen_chains_of_an_assembly_keep_all_their_copies(tmp_path: Path) -> None:
    lines = [*biological_unit(1, "A, B", (0.0, 30.0)), *chain_lines("A", 0.0), *chain_lines("B", 10.0)]
    path = write(tmp_path / "ab.pdb", lines)
    assert read_structure(path, assembly="1").mass_kda == pytest.approx(4 * ALANINE_KDA, rel=1e-3)
    assert read_structure(path, assembly="1", chains=["B"]).mass_kda == pytest.approx(2 * ALANINE_KDA, rel=1e-3)


def test_trace_of_a_chain_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FormatError, match=r"8 atoms in 8 residues.*trace of the chain alone"):
        read_structure(write(tmp_path / "ca.pdb", chain_lines("A", 0.0, 8, ("CA",))))
    whole = read_structure(write(tmp_path / "all.pdb", chain_lines("A", 0.0, 8)))
    assert whole.mass_kda == pytest.approx(8 * ALANINE_KDA, rel=1e-3)


def test_gzipped_file_is_the_same_molecule(tmp_path: Path, shared_data: Path) -> None:
    plain = shared_data / "structures" / "4f5s.pdb"
    packed = tmp_path / "4f5s.pdb.gz"
    with plain.open("rb") as source, gzip.open(packed, "wb") as target:
        shutil.copyfileobj(source, target)
    one, other = read_structure(plain, assembly="1"), read_structure(packed, assembly="1")
    np.testing.assert_array_equal(one.positions_angstrom_xyz, other.positions_angstrom_xyz)
    assert other.name == "4f5s"


def test_gzipped_file_that_was_cut_off_is_refused(tmp_path: Path, shared_data: Path) -> None:
    packed = gzip.compress((shared_data / "structures" / "4f5s.pdb").read_bytes(), 1)
    path = tmp_path / "cut.pdb.gz"
    path.write_bytes(packed[: len(packed) // 3])
    with pytest.raises(FormatError, match=r"cut\.pdb\.gz cannot be read as one.*end-of-stream"):
        read_structure(path, assembly="deposited")
