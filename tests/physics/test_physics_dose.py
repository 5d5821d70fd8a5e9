"""Radiation damage against the values of Grant & Grigorieff (2015)."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tomoset.errors import ParameterError
from tomoset.physics import critical_dose, damage_amplitude


@pytest.mark.parametrize(("spacing", "dose"), [(20.0, 38.7), (10.0, 14.1), (5.0, 6.4), (3.0, 4.3)])
def test_critical_dose_at_published_spacings(spacing, dose):
    assert critical_dose(1 / spacing) == pytest.approx(dose, abs=0.06)


@pytest.mark.parametrize(("spacing", "amplitude"), [(20.0, 0.275), (10.0, 0.029), (5.0, 0.0)])
def test_amplitude_after_the_whole_dose_of_a_series(spacing, amplitude):
    assert damage_amplitude(1 / spacing, 100.0) == pytest.approx(amplitude, abs=1e-3)


@given(st.floats(0.001, 0.5), st.floats(0, 100), st.floats(0, 100))
def test_damage_of_two_doses_multiplies(frequency, first, second):
    both = damage_amplitude(frequency, first) * damage_amplitude(frequency, second)
    assert damage_amplitude(frequency, first + second) == pytest.approx(both, rel=1e-9, abs=1e-300)


def test_power_at_the_critical_dose_is_one_over_e():
    assert damage_amplitude(0.07, critical_dose(0.07)) ** 2 == pytest.approx(np.exp(-1))


def test_zero_frequency_never_fades_and_lower_voltage_damages_more():
    assert damage_amplitude(0.0, 1e6) == 1
    assert critical_dose(0.1, 200.0) == pytest.approx(0.8 * critical_dose(0.1))


def test_negative_frequencies_are_refused():
    with pytest.raises(ParameterError, match="≥ 0"):
        critical_dose([0.1, -0.1])
