"""DNA: its mass, its place, its distance from itself."""

from functools import lru_cache

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from tomoset.errors import PackingError, ParameterError
from tomoset.model import Filament, Scatterers
from tomoset.specimen.nucleic_acid import make_dna
from tomoset.specimen.regions import Region


def ellipsoid(semi_axes: tuple[float, float, float], centre: tuple[float, float, float] = (0.0, 0.0, 0.0)) -> Region:
    a, c = np.array(semi_axes), np.array(centre)
    lower, upper = c - a, c + a
    return Region(
        contains=lambda points: np.square((points - c) / a).sum(axis=1) <= 1,
        lower_angstrom_xyz=(lower[0], lower[1], lower[2]),
        upper_angstrom_xyz=(upper[0], upper[1], upper[2]),
        volume_angstrom3=float(4 / 3 * np.pi * a.prod()),
    )


NUCLEOID = ellipsoid((600.0, 500.0, 900.0), (300.0, -100.0, 50.0))


def dna(base_pairs: int = 60_000, seed: int = 1, region: Region = NUCLEOID) -> tuple[Filament, Scatterers]:
    return make_dna(region, base_pairs=base_pairs, rng=np.random.default_rng(seed))


@lru_cache(maxsize=1)
def crowded() -> NDArray[np.float64]:
    return dna(base_pairs=120_000)[0].curve_angstrom_xyz  # 11 % of the volume, a bacterium's nucleoid


def test_length_and_mass_are_the_base_pairs() -> None:
    filament, scatterers = dna()
    assert filament.length_angstrom == pytest.approx(60_000 * 3.4)
    total = scatterers.strengths_volt_angstrom3.sum(dtype=np.float64)
    assert total == pytest.approx(60_000 * 650 * 4.45, rel=1e-5)
    assert len(scatterers) == len(filament) - 1
    assert filament.radius_angstrom == 10
    assert scatterers.fades


def test_it_stays_inside_with_its_whole_width() -> None:
    c = crowded()
    assert NUCLEOID.contains(c).all()
    assert np.square((c - [300, -100, 50]) / (np.array([600.0, 500.0, 900.0]) - 9)).sum(axis=1).max() < 1


def test_steps_are_even() -> None:
    steps = np.linalg.norm(np.diff(crowded(), axis=0), axis=1)
    np.testing.assert_allclose(steps, steps[0], rtol=1e-9)
    assert steps[0] == pytest.approx(10.0, rel=1e-3)


def test_turns_keep_apart() -> None:
    c = crowded()
    pairs = cKDTree(c).query_pairs(20.0, output_type="ndarray")
    far = pairs[np.abs(pairs[:, 0] - pairs[:, 1]) > 6]
    assert len(np.unique(far)) < 0.02 * len(c)


def test_it_fills_the_nucleoid_evenly() -> None:
    c = crowded()
    depth = np.sqrt(np.square((c - [300, -100, 50]) / [600, 500, 900]).sum(axis=1))
    shells = np.histogram(depth**3, bins=5, range=(0, 0.6))[0]
    assert shells.min() > 0.75 * shells.mean()
    assert shells.max() < 1.25 * shells.mean()


def test_it_is_stiff_where_there_is_room() -> None:
    filament, _ = dna(3_000, region=ellipsoid((3000.0, 3000.0, 3000.0)))
    t = np.diff(filament.curve_angstrom_xyz, axis=0)
    t /= np.linalg.norm(t, axis=1, keepdims=True)
    assert (t[5:] * t[:-5]).sum(axis=1).mean() == pytest.approx(np.exp(-50 / 500), abs=0.03)


def test_same_seed_same_path() -> None:
    a, b, other = dna(5_000)[0], dna(5_000)[0], dna(5_000, seed=2)[0]
    np.testing.assert_array_equal(a.curve_angstrom_xyz, b.curve_angstrom_xyz)
    assert not np.array_equal(a.curve_angstrom_xyz[1], other.curve_angstrom_xyz[1])


def test_impossible_dna_is_refused() -> None:
    with pytest.raises(ParameterError, match="6 base pairs"):
        dna(2)
    with pytest.raises(PackingError, match="enlarge the nucleoid"):
        dna(5_000_000)
    with pytest.raises(ParameterError, match="between its walls"):
        dna(100, region=ellipsoid((15.0, 15.0, 15.0)))
    endless = Region(
        contains=lambda points: np.ones(len(points), dtype=bool),
        lower_angstrom_xyz=(-np.inf, 0.0, 0.0),
        upper_angstrom_xyz=(100.0, 100.0, 100.0),
    )
    with pytest.raises(ParameterError, match="bounds"):
        dna(100, region=endless)
