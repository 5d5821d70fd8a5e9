"""Globules: as heavy and as large as a protein of that mass, each name with its own shape."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tomoset.errors import ParameterError
from tomoset.structures import globule_structure, potential_map

names = st.text(min_size=1, max_size=12)


@settings(max_examples=30)
@given(names, st.floats(1.0, 5000.0))
def test_globule_has_the_mass_the_strength_and_the_size_of_a_protein(name: str, mass_kda: float) -> None:
    globule = globule_structure(name, mass_kda)
    assert globule.mass_kda == mass_kda
    assert globule.symmetry == "C1"
    assert globule.strengths_volt_angstrom3.sum() == pytest.approx(4.05e3 * mass_kda)
    n = len(globule.positions_angstrom_xyz)
    assert np.clip(mass_kda / 1.1, 20, 400) * 0.7 - 3 < n < np.clip(mass_kda / 1.1, 20, 400) * 1.15 + 8
    assert np.abs(globule.positions_angstrom_xyz.mean(axis=0)).max() < 1e-6
    covariance = np.cov(globule.positions_angstrom_xyz.T, bias=True) + globule.spreads_angstrom[0] ** 2 * np.eye(3)
    variances = np.linalg.eigvalsh(covariance)
    assert variances[-1] < 2.4**2 * variances[0]  # no needle
    # A ball of the same volume, the water in large complexes included, has the least radius of gyration.
    share = np.interp(np.log(mass_kda), np.log([150.0, 800.0]), [1.0, 0.5])
    ball = np.sqrt(3 / 5) * np.cbrt(3 * 1230.0 * mass_kda / share / (4 * np.pi))
    assert 0.98 < np.sqrt(variances.sum()) / ball < 1.3


def test_same_name_same_globule_and_other_name_other_shape() -> None:
    first, again, other = (globule_structure(name, 80.0) for name in ("GroEL", "GroEL", "DnaK"))
    np.testing.assert_array_equal(first.positions_angstrom_xyz, again.positions_angstrom_xyz)
    spread = [np.sqrt(np.linalg.eigvalsh(np.cov(g.positions_angstrom_xyz.T))) for g in (first, other)]
    assert np.abs(spread[0] - spread[1]).max() > 0.3


def test_shape_belongs_to_the_name_and_not_to_the_mass() -> None:
    ratios = []
    for mass_kda in (100.0, 400.0):
        globule = globule_structure("EF-Tu", mass_kda)
        covariance = np.cov(globule.positions_angstrom_xyz.T, bias=True) + globule.spreads_angstrom[0] ** 2 * np.eye(3)
        variances = np.linalg.eigvalsh(covariance)
        ratios.append(variances / variances.sum())
    np.testing.assert_allclose(ratios[0], ratios[1], rtol=1e-6)


@pytest.mark.parametrize(("mass_kda", "share"), [(150.0, 1.0), (800.0, 0.5)])
def test_potential_inside_is_that_of_protein_and_in_large_complexes_of_half_water(
    mass_kda: float, share: float
) -> None:
    volume = potential_map(globule_structure("aldolase", mass_kda), 5.0, resolution_angstrom=20.0).volume_zyx
    inside = volume > 3.3 * share / 2
    assert np.median(volume[inside]) == pytest.approx(3.3 * share, rel=0.12)
    assert inside.sum() * 125 == pytest.approx(mass_kda * 1230 / share, rel=0.2)


def test_source_says_that_no_structure_was_given() -> None:
    assert globule_structure("orf-17", 42.5).source == "sized globule of 42.5 kDa (no structure given)"


@pytest.mark.parametrize(("name", "mass_kda"), [("", 20.0), ("a", 0.0), ("a", -3.0), ("a", float("nan")), ("a", 1e6)])
def test_globule_without_name_or_sensible_mass_is_refused(name: str, mass_kda: float) -> None:
    with pytest.raises(ParameterError, match="expected a name and a mass"):
        globule_structure(name, mass_kda)
