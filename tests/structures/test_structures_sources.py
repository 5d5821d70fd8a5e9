"""The one door: what a recipe's structure may say, and what does not go together."""

from pathlib import Path

import numpy as np
import pytest

from tomoset.errors import InputMissingError, ParameterError
from tomoset.structures import BUILT_IN_NAMES, built_in_structure, is_local_file, resolve_structure


@pytest.mark.parametrize("spec", BUILT_IN_NAMES)
def test_built_in_models_take_the_objects_name(spec: str, tmp_path: Path) -> None:
    structure = resolve_structure(spec, folder=tmp_path, name="my-object")
    model = built_in_structure(spec)
    assert (structure.name, structure.symmetry, structure.mass_kda) == ("my-object", model.symmetry, model.mass_kda)
    assert structure.repeat_angstrom == model.repeat_angstrom
    np.testing.assert_array_equal(structure.positions_angstrom_xyz, model.positions_angstrom_xyz)


def test_models_symmetry_may_be_given_or_given_up(tmp_path: Path) -> None:
    assert resolve_structure("apoferritin", folder=tmp_path, name="a", symmetry="o").symmetry == "O"
    assert resolve_structure("apoferritin", folder=tmp_path, name="a", symmetry="C1").symmetry == "C1"
    with pytest.raises(ParameterError, match="expected its own symmetry O"):
        resolve_structure("apoferritin", folder=tmp_path, name="a", symmetry="D7")


def test_globule_needs_its_mass(tmp_path: Path) -> None:
    structure = resolve_structure("globule", folder=tmp_path, name="sar11-0042", mass_kda=52.0)
    assert structure.name == "sar11-0042"
    assert structure.mass_kda == pytest.approx(52.0)
    with pytest.raises(ParameterError, match="give mass_kda"):
        resolve_structure("globule", folder=tmp_path, name="sar11-0042")


def test_files_are_found_from_the_folder(shared_data: Path) -> None:
    albumin = resolve_structure("structures/4f5s.pdb", folder=shared_data, name="bsa", assembly="1")
    assert albumin.mass_kda == pytest.approx(66.5, rel=0.01)
    galactosidase = resolve_structure("maps/betaGal.mrc", folder=shared_data, name="beta-gal", mass_kda=465.0)
    assert (galactosidase.name, galactosidase.mass_kda) == ("beta-gal", 465.0)
    by_threshold = resolve_structure(str(shared_data / "maps" / "betaGal.mrc"), folder=Path(), name="x", threshold=0.05)
    assert by_threshold.mass_kda == pytest.approx(606, rel=0.01)


def test_missing_file_is_named_with_the_other_choices(tmp_path: Path) -> None:
    with pytest.raises(InputMissingError, match=r"'models/x.cif': expected a file at .*apoferritin.*or pdb:ID"):
        resolve_structure("models/x.cif", folder=tmp_path, name="x")


@pytest.mark.parametrize("spec", ["ribosome", "model.txt", "", "pdb"])
def test_unknown_names_list_what_there_is(spec: str, tmp_path: Path) -> None:
    with pytest.raises(ParameterError, match=r"apoferritin.*globule, pdb:ID.*\.cif.*\.mrc"):
        resolve_structure(spec, folder=tmp_path, name="x")


def test_parameters_that_would_be_overlooked_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ParameterError, match="a threshold goes with a density map"):
        resolve_structure("model.pdb", folder=tmp_path, name="x", threshold=1.0)
    with pytest.raises(ParameterError, match="an assembly goes with coordinates"):
        resolve_structure("map.mrc.gz", folder=tmp_path, name="x", assembly="1")


def test_mass_far_from_the_files_is_refused(shared_data: Path) -> None:
    with pytest.raises(ParameterError, match=r"66 kDa, found 133\.\d kDa; .*another assembly"):
        resolve_structure("structures/4f5s.pdb", folder=shared_data, name="bsa", assembly="deposited", mass_kda=66.0)
    resolve_structure("structures/4f5s.pdb", folder=shared_data, name="bsa", assembly="1", mass_kda=66.0)


def test_files_are_told_from_names() -> None:
    assert is_local_file("maps/betaGal.mrc")
    assert not any(is_local_file(spec) for spec in ("pdb:6SCJ", "PDB:6SCJ#1", "globule", *BUILT_IN_NAMES))
