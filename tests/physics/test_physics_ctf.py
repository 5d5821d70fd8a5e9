"""The CTF's sign, zeros and astigmatism."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tomoset.physics import ctf, ctf_2d, defocus_along, wavelength_angstrom

OPTICS = {"voltage_kv": 300.0, "cs_mm": 2.7, "amplitude_contrast": 0.07}


@given(st.floats(5e3, 1e5), st.floats(0.0, 0.5))
def test_underfocus_makes_protein_dark_below_the_first_zero(defocus, contrast):
    first_zero = np.sqrt((1 - np.arcsin(contrast) / np.pi) / (wavelength_angstrom(300.0) * defocus))
    k = np.linspace(0, 0.99 * first_zero, 50)
    assert np.all(ctf(k, defocus, voltage_kv=300.0, cs_mm=0.0, amplitude_contrast=contrast) <= 0)


def test_zeros_lie_where_the_phase_is_a_multiple_of_pi():
    wavelength, defocus, cs = wavelength_angstrom(300.0), 35000.0, 2.7e7
    for n in range(1, 6):
        # Roots of a quadratic in k²: π λ Δz k² − ½ π λ³ Cs k⁴ = n π − asin w.
        a, b, c = -0.5 * np.pi * wavelength**3 * cs, np.pi * wavelength * defocus, np.arcsin(0.07) - n * np.pi
        k = np.sqrt((-b + np.sqrt(b * b - 4 * a * c)) / (2 * a))
        assert abs(ctf(k, defocus, **OPTICS)) < 1e-9
        assert np.sign(ctf(k * 0.99, defocus, **OPTICS)) == (-1) ** n


def test_amplitude_contrast_is_what_is_left_at_zero_frequency():
    assert ctf(0.0, 35000.0, **OPTICS) == pytest.approx(-0.07)


def test_image_ctf_is_the_radial_one():
    image = ctf_2d((32, 48), 4.0, 30000.0, **OPTICS)
    assert image.shape == (32, 25)
    assert image[3, 5] == pytest.approx(float(ctf(np.hypot(3 / 128, 5 / 192), 30000.0, **OPTICS)), abs=1e-12)
    assert image[-3, 5] == pytest.approx(image[3, 5], abs=1e-12)


@given(st.floats(1e4, 6e4), st.floats(0, 3e3), st.floats(-90, 90))
def test_astigmatic_defocus_is_u_along_its_axis_and_v_across(mean, half, angle_deg):
    axis = np.deg2rad(angle_deg)
    u, v = mean + half, mean - half
    assert defocus_along(axis, u, v, angle_deg) == pytest.approx(u)
    assert defocus_along(axis + np.pi / 2, u, v, angle_deg) == pytest.approx(v)
    assert defocus_along(axis + np.pi / 4, u, v, angle_deg) == pytest.approx(mean)
