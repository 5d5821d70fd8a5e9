"""Built-in bead models: exact symmetry, published dimensions, likeness to the real molecules."""

from pathlib import Path

import numpy as np
import pytest
from scipy import ndimage
from scipy.spatial import cKDTree

from tomoset.errors import ParameterError
from tomoset.geometry import point_group, rotation_about
from tomoset.structures import (
    BUILT_IN_NAMES,
    Structure,
    built_in_structure,
    built_in_symmetry,
    potential_map,
    read_structure,
)

SPECIES = {  # symmetry, accepted mass in kDa, outline in Å from the longest to the shortest
    "apoferritin": ("O", 490.0, (120, 120, 120)),
    "proteasome": ("D7", 690.0, (150, 120, 120)),
    "pp7-vlp": ("I", 180 * 13.9, (280, 280, 280)),
    "bsa": ("C1", 66.4, (84, 68, 55)),  # of PDB 4F5S
    "beta-amylase": ("D2", 4 * 56.0, (110, 95, 65)),
    "thyroglobulin": ("C2", 660.0, (250, 150, 110)),
    "tmv": ("C1", 49 * (17.5 + 1.0), (180, 180, 85)),
    "ribosome-70s": ("C1", 2400.0, (290, 245, 240)),  # from stalk to stalk, along the subunits, head to foot
}
FACTS = {  # symmetry, kDa, outer diameter / width across z and length along z (nm)
    "apoferritin": ("O", 480.0, 12.0, 12.0),
    "proteasome": ("D7", 690.0, 11.5, 15.0),
    "pp7-vlp": ("I", 2500.0, 28.0, 28.0),
}


@pytest.mark.parametrize("name", FACTS)
def test_model_has_the_published_mass_and_size(name: str) -> None:
    symmetry, mass_kda, width_nm, length_nm = FACTS[name]
    structure = built_in_structure(name)
    xyz = structure.positions_angstrom_xyz
    assert structure.symmetry == symmetry
    assert structure.mass_kda == pytest.approx(mass_kda, rel=0.05)
    bead_radius = 5.3  # of half a kilodalton
    width = 2 * (np.percentile(np.hypot(xyz[:, 0], xyz[:, 1]), 97.0) + bead_radius)  # some beads stick out of the ring
    length = 2 * (np.abs(xyz[:, 2]).max() + bead_radius)
    assert width == pytest.approx(10 * width_nm, rel=0.06)
    assert length == pytest.approx(10 * length_nm, rel=0.06)
    per_dalton = structure.strengths_volt_angstrom3.sum() / (1e3 * structure.mass_kda)
    assert per_dalton == pytest.approx(4.0, rel=0.05)


@pytest.mark.parametrize("name", BUILT_IN_NAMES)
def test_symmetry_is_exact(name: str) -> None:
    structure = built_in_structure(name)
    tree = cKDTree(structure.positions_angstrom_xyz)
    for rotation in point_group(structure.symmetry).rotations:
        distance, partner = tree.query(structure.positions_angstrom_xyz @ rotation.T)
        assert distance.max() < 1e-6
        assert len(np.unique(partner)) == len(partner)
        np.testing.assert_allclose(structure.strengths_volt_angstrom3[partner], structure.strengths_volt_angstrom3)


@pytest.mark.parametrize("name", BUILT_IN_NAMES)
def test_symmetry_is_not_higher_than_stated(name: str) -> None:
    structure = built_in_structure(name)
    tree = cKDTree(structure.positions_angstrom_xyz)
    distance, _ = tree.query(structure.positions_angstrom_xyz @ rotation_about("x", 24.0).T)
    assert distance.max() > 3.0


@pytest.mark.parametrize("name", BUILT_IN_NAMES)
def test_every_species_has_its_symmetry_mass_and_outline(name: str) -> None:
    symmetry, mass_kda, outline = SPECIES[name]
    structure = built_in_structure(name)
    assert structure.name == name
    assert "_" not in name
    assert structure.symmetry == built_in_symmetry(name) == symmetry
    assert structure.mass_kda == pytest.approx(mass_kda, rel=0.05)
    extent = np.ptp(structure.positions_angstrom_xyz, axis=0) + 2 * structure.spreads_angstrom.max()
    np.testing.assert_allclose(np.sort(extent)[::-1], outline, rtol=0.1)
    weights = structure.strengths_volt_angstrom3 / structure.strengths_volt_angstrom3.sum()
    assert np.abs(weights @ structure.positions_angstrom_xyz).max() < (5.0 if name == "ribosome-70s" else 0.5)


@pytest.mark.parametrize("name", BUILT_IN_NAMES)
def test_potential_is_that_of_matter_and_in_one_piece(name: str) -> None:
    volume = potential_map(built_in_structure(name), 5.0, resolution_angstrom=20.0).volume_zyx
    assert 3.0 < volume.max() < 6.0  # protein stands 3.3 V and RNA 4.8 V above ice; parts that overlap would pile up
    assert ndimage.label(volume > 0.5)[1] == 1


def test_only_the_filament_repeats() -> None:
    repeats = {name: built_in_structure(name).repeat_angstrom for name in BUILT_IN_NAMES}
    assert {name: repeat for name, repeat in repeats.items() if repeat is not None} == {"tmv": 69.0}


@pytest.mark.parametrize("name", ["beta-amylase", "thyroglobulin", "tmv", "ribosome-70s"])
def test_source_says_what_is_modelled(name: str) -> None:
    assert "modelled" in built_in_structure(name).source


def test_shells_are_hollow() -> None:
    for name, cavity_angstrom in (("apoferritin", 35.0), ("pp7-vlp", 105.0)):
        radii = np.linalg.norm(built_in_structure(name).positions_angstrom_xyz, axis=1)
        assert radii.min() > cavity_angstrom
    barrel = built_in_structure("proteasome").positions_angstrom_xyz
    assert np.hypot(barrel[:, 0], barrel[:, 1]).min() > 8.0  # the channel along the 7-fold


def test_vlp_is_ninety_dimers_evenly_over_the_sphere() -> None:
    xyz = built_in_structure("pp7-vlp").positions_angstrom_xyz
    directions = xyz / np.linalg.norm(xyz, axis=1, keepdims=True)
    assert np.abs(directions.mean(axis=0)).max() < 1e-9
    # No direction is farther than a subunit's radius from the nearest bead: no hole in the T = 3 net.
    probes = np.random.default_rng(0).standard_normal((4000, 3))
    probes /= np.linalg.norm(probes, axis=1, keepdims=True)
    assert cKDTree(126.0 * directions).query(126.0 * probes)[0].max() < 22.0
    assert len(np.unique(np.round(xyz, 6), axis=0)) == 180 * 40


def test_model_is_the_same_at_every_call() -> None:
    first, second = built_in_structure("proteasome"), built_in_structure("proteasome")
    np.testing.assert_array_equal(first.positions_angstrom_xyz, second.positions_angstrom_xyz)


def test_source_says_what_is_left_out() -> None:
    assert "RNA" in built_in_structure("pp7-vlp").source


def test_unknown_name_is_refused_with_the_list() -> None:
    for function in (built_in_structure, built_in_symmetry):
        with pytest.raises(ParameterError, match=r"apoferritin, proteasome, pp7-vlp.*'ribosome'"):
            function("ribosome")


def map_correlation(real: Structure, model: Structure) -> float:
    """Correlation of two maps at 20 Å over the ball around the molecule."""
    maps = [potential_map(s, 5.0, resolution_angstrom=20.0).volume_zyx for s in (real, model)]
    n = max(len(m) for m in maps)
    a, b = (np.pad(m, (n - len(m)) // 2) for m in maps)
    ball = np.square(np.indices(a.shape) - n // 2).sum(axis=0) <= (real.radius_angstrom / 5.0 + 2) ** 2
    return float(np.corrcoef(a[ball], b[ball])[0, 1])


@pytest.mark.parametrize(
    ("name", "file", "least"), [("apoferritin", "2fha.pdb", 0.95), ("proteasome", "3j9i.pdb", 0.93)]
)
def test_model_looks_like_the_real_molecule_at_20_angstrom(
    shared_data: Path, name: str, file: str, least: float
) -> None:
    model = built_in_structure(name)
    real = read_structure(shared_data / "structures" / file, symmetry=model.symmetry)
    assert model.mass_kda == pytest.approx(real.mass_kda, rel=0.05)
    # D7 may be found either way round: turning by half the 7-fold's angle maps the group onto itself.
    other = Structure(
        name=real.name,
        symmetry=real.symmetry,
        mass_kda=real.mass_kda,
        positions_angstrom_xyz=real.positions_angstrom_xyz @ rotation_about("z", 180.0 / 7).T,
        strengths_volt_angstrom3=real.strengths_volt_angstrom3,
        spreads_angstrom=real.spreads_angstrom,
        source=real.source,
    )
    found = [map_correlation(real, model)] + ([map_correlation(other, model)] if name == "proteasome" else [])
    assert max(found) >= least
    # A sphere of the same mass must not pass: the correlation is about shape.
    turned = Structure(
        name=model.name,
        symmetry="C1",
        mass_kda=model.mass_kda,
        positions_angstrom_xyz=model.positions_angstrom_xyz @ rotation_about("x", 50.0).T,
        strengths_volt_angstrom3=model.strengths_volt_angstrom3,
        spreads_angstrom=model.spreads_angstrom,
        source=model.source,
    )
    assert map_correlation(real, turned) < max(found) - 0.03


@pytest.mark.parametrize("file", ["4v1w.cif", "6z6u.pdb"])
def test_mass_agrees_with_other_ferritins(shared_data: Path, file: str) -> None:
    real = read_structure(shared_data / "structures" / file)
    assert built_in_structure("apoferritin").mass_kda == pytest.approx(real.mass_kda, rel=0.05)
