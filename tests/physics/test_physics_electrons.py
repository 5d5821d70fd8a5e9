"""Electron wavelength, interaction and loss against tabulated values (CODATA; Kirkland, table 5.1)."""

import pytest

from tomoset.errors import ParameterError
from tomoset.physics import interaction_parameter_per_volt_angstrom, transmission, wavelength_angstrom


@pytest.mark.parametrize(
    ("voltage_kv", "wavelength", "sigma"),
    [(300.0, 0.0196875, 6.5262e-4), (200.0, 0.0250793, 7.2884e-4), (100.0, 0.0370144, 9.2440e-4)],
)
def test_electrons_have_the_tabulated_wavelength_and_interaction(voltage_kv, wavelength, sigma):
    assert wavelength_angstrom(voltage_kv) == pytest.approx(wavelength, abs=5e-8)
    assert interaction_parameter_per_volt_angstrom(voltage_kv) == pytest.approx(sigma, rel=1e-4)


@pytest.mark.parametrize(
    ("mean_free_path", "straight", "at_45_deg"), [(3100.0, 0.53, 0.40), (3500.0, 0.57, 0.45), (3950.0, 0.60, 0.49)]
)
def test_transmission_of_200_nm_of_ice(mean_free_path, straight, at_45_deg):
    assert transmission(2000.0, 0.0, mean_free_path) == pytest.approx(straight, abs=0.007)
    assert transmission(2000.0, -45.0, mean_free_path) == pytest.approx(at_45_deg, abs=0.007)


@pytest.mark.parametrize(("thickness", "tilt"), [(-1.0, 0.0), (1000.0, 90.0), (1000.0, float("nan"))])
def test_transmission_refuses_slabs_that_cannot_be(thickness, tilt):
    with pytest.raises(ParameterError):
        transmission(thickness, tilt)
