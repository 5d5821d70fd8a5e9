"""Potential maps keep every volt, stand at N // 2 and are filtered without ringing."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tomoset.errors import ParameterError, PixelSizeError
from tomoset.structures import Structure, built_in_structure, potential_map


def points(positions: list[list[float]], strengths: list[float], spread: float = 3.0) -> Structure:
    return Structure(
        name="points",
        symmetry="C1",
        mass_kda=1.0,
        positions_angstrom_xyz=np.array(positions, dtype=np.float64),
        strengths_volt_angstrom3=np.array(strengths, dtype=np.float64),
        spreads_angstrom=np.full(len(positions), spread),
        source="test",
    )


coordinate = st.floats(-60.0, 60.0)


@settings(max_examples=25)
@given(
    st.lists(st.tuples(coordinate, coordinate, coordinate), min_size=1, max_size=5),
    st.floats(1.0, 12.0),
    st.floats(0.1, 8.0),
    st.sampled_from([None, 8.0, 30.0]),
)
def test_integral_and_centre_of_mass_are_kept(
    positions: list[tuple[float, float, float]], voxel: float, spread: float, resolution: float | None
) -> None:
    structure = points([list(p) for p in positions], [100.0 * (i + 1) for i in range(len(positions))], spread)
    made = potential_map(structure, voxel, resolution_angstrom=resolution)
    volume = made.volume_zyx.astype(np.float64)
    n = volume.shape[0]
    total = structure.strengths_volt_angstrom3.sum()
    assert volume.shape == (n, n, n)
    assert n % 2 == 0
    assert made.volume_zyx.dtype == np.float32
    assert volume.sum() * voxel**3 == pytest.approx(total, rel=1e-4)
    inner = volume[2:-2, 2:-2, 2:-2]
    assert np.count_nonzero(volume) == np.count_nonzero(inner)
    # A voxel mean of a Gaussian narrower than the voxel moves by at most half a voxel, a wide one not at all.
    centre = [
        np.tensordot(volume.sum(axis=axes), (np.arange(n) - n // 2) * voxel, 1) for axes in ((0, 1), (0, 2), (1, 2))
    ]
    expected = structure.strengths_volt_angstrom3 @ structure.positions_angstrom_xyz / total
    wide = np.hypot(spread, 0.225 * (resolution or 0.0)) > 0.8 * voxel
    np.testing.assert_allclose(np.array(centre) / volume.sum(), expected, atol=0.02 * voxel if wide else 0.51 * voxel)


def test_one_off_axis_bead_lands_on_its_voxel() -> None:
    volume = potential_map(points([[20.0, -35.0, 50.0]], [1000.0]), 5.0).volume_zyx
    n = len(volume)
    assert np.unravel_index(volume.argmax(), volume.shape) == (n // 2 + 10, n // 2 - 7, n // 2 + 4)


def test_values_are_the_mean_of_the_gaussian_over_the_voxel() -> None:
    made = potential_map(points([[0.0, 0.0, 0.0]], [1000.0], spread=6.0), 1.0)
    n = len(made.volume_zyx) // 2
    offsets = np.array([0, 3, 6, 12])
    expected = 1000.0 / (2 * np.pi * 36.0) ** 1.5 * np.exp(-(offsets**2) / 72.0)
    np.testing.assert_allclose(made.volume_zyx[n, n, n + offsets], expected, rtol=5e-3)


def test_low_pass_halves_what_it_should() -> None:
    """At spatial frequency 1 / resolution the amplitude falls to 1/e, at zero it stays."""
    structure = points([[0.0, 0.0, 0.0]], [1000.0], spread=1.0)
    plain = potential_map(structure, 2.0).volume_zyx
    low = potential_map(structure, 2.0, resolution_angstrom=16.0).volume_zyx
    n = len(low)
    profiles = [np.pad(v, (n - len(v)) // 2).sum(axis=(0, 1)) for v in (plain, low)]
    wave = np.cos(2 * np.pi * (np.arange(n) - n // 2) * 2.0 / 16.0)
    assert (profiles[1] @ wave) / (profiles[0] @ wave) == pytest.approx(np.exp(-1.0), rel=5e-3)
    assert low.min() >= 0.0


def test_protein_stands_three_volts_above_the_ice() -> None:
    """The inside of a molecule much larger than a bead has the contrast of the calibration, +3.3 V."""
    grid = np.stack(np.meshgrid(*(np.arange(-30.0, 31.0, 5.0),) * 3), axis=-1).reshape(-1, 3)
    strength = 125.0 / 1.23 * 4.05  # the protein of a 5 Å cube
    block = points(grid.tolist(), [strength] * len(grid), spread=4.5)
    volume = potential_map(block, 5.0).volume_zyx
    assert volume[len(volume) // 2, len(volume) // 2, len(volume) // 2] == pytest.approx(3.3, rel=0.03)


@pytest.mark.parametrize("voxel", [0.0, -3.0, float("nan"), 500.0])
def test_impossible_voxel_is_refused(voxel: float) -> None:
    with pytest.raises(PixelSizeError, match="voxel size between"):
        potential_map(built_in_structure("apoferritin"), voxel)


def test_voxel_larger_than_the_molecule_is_refused() -> None:
    small = points([[0.0, 0.0, 0.0], [6.0, 0.0, 0.0]], [1000.0, 1000.0])  # 24 Å across
    assert potential_map(small, 20.0).volume_zyx.sum() > 0
    with pytest.raises(PixelSizeError, match=r"voxel smaller than the molecule \(24 Å\), got 30 Å; use a finer pixel"):
        potential_map(small, 30.0)


def test_impossible_resolution_is_refused() -> None:
    with pytest.raises(ParameterError, match="positive resolution"):
        potential_map(built_in_structure("apoferritin"), 5.0, resolution_angstrom=-1.0)
