"""The camera's curves against Gatan's tables, the envelopes against their own limits."""

import numpy as np
import pytest

from tomoset.errors import ParameterError
from tomoset.physics import coherence_envelope, mtf


@pytest.mark.parametrize(
    ("camera", "file"),
    [("k3-standard", "mtf_k3_standard_300kV_FL2.star"), ("k3-cds", "mtf_k3_CDS_300kV_FL1.star")],
)
def test_curves_are_those_measured(camera, file, shared_data):
    lines = (shared_data / "detectors" / file).read_text().splitlines()
    table = np.array([[float(v) for v in line.split()] for line in lines if line[:1].isdigit()])
    np.testing.assert_allclose(mtf(table[:, 0], camera), table[:, 1], atol=2e-3)


def test_no_curve_changes_nothing_and_an_unknown_one_is_refused():
    assert np.all(mtf([0.0, 0.3, 0.7], "none") == 1)
    assert np.all(np.diff(mtf(np.linspace(0, 0.71, 50), "k3-standard")) < 0)
    with pytest.raises(ParameterError, match="k3-standard"):
        mtf(0.1, "film")


def test_a_perfect_beam_has_no_envelope():
    k = np.linspace(0, 0.3, 20)
    assert np.all(coherence_envelope(k, 35000.0, voltage_kv=300, cs_mm=2.7) == 1)


def test_envelopes_are_what_blurred_focus_and_direction_leave():
    # A Gaussian spread of focus averages exp(i pi lambda k^2 d); a spread of direction averages exp(i 2 pi shift k).
    k, wavelength = 0.2, 0.0196875
    d = np.linspace(-2000, 2000, 4001)
    weight = np.exp(-0.5 * (d / 300.0) ** 2)
    averaged = np.sum(weight * np.cos(np.pi * wavelength * k**2 * d)) / weight.sum()
    found = coherence_envelope(k, 0.0, voltage_kv=300, cs_mm=0.0, focal_spread_angstrom=300.0)
    assert found == pytest.approx(averaged, rel=1e-3)
    slope = 2.7e7 * wavelength**2 * k**3 - 20000.0 * k
    expected = np.exp(-((np.pi * 5e-5 * slope) ** 2))
    assert coherence_envelope(k, 20000.0, voltage_kv=300, cs_mm=2.7, half_angle_mrad=0.05) == pytest.approx(expected)
