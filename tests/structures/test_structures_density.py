"""Density maps as structures: mass, place, likeness, and maps that cannot be what they are said to be."""

import gzip
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage

from tomoset.errors import FormatError, InputMissingError, ParameterError, PixelSizeError
from tomoset.formats.mrc import read_volume, write_volume
from tomoset.model import InMemory
from tomoset.structures import potential_map, read_density, self_correlation
from tomoset.structures.potential import SPREAD_PER_RESOLUTION
from tomoset.structures.scattering import PROTEIN_VOLT_ANGSTROM3_PER_DALTON

Floats = NDArray[np.float64]


def ball(n: int = 32, radius: float = 9.0, centre: tuple[float, float, float] = (18.0, 15.0, 14.0)) -> Floats:
    """Density 1 in a ball with a soft edge, 0.2 around it."""
    distance = np.sqrt(sum((g - c) ** 2 for g, c in zip(np.indices((n, n, n)), centre, strict=True)))
    return 0.2 + 1 / (1 + np.exp(np.clip(8 * (distance - radius), -50, 50)))


def write(path: Path, density_zyx: Floats, voxel: float = 4.0) -> Path:
    write_volume(path, InMemory(density_zyx.astype(np.float32)), voxel)
    return path


def test_ball_has_its_mass_place_and_volume(tmp_path: Path) -> None:
    structure = read_density(write(tmp_path / "my_ball.mrc", ball()), threshold=0.7)
    volume = 4 / 3 * np.pi * (9.0 * 4.0) ** 3
    assert structure.name == "my-ball"
    assert structure.mass_kda == pytest.approx(volume / 1.23e3, rel=0.04)
    total = structure.strengths_volt_angstrom3.sum()
    assert total == pytest.approx(structure.mass_kda * 1e3 * PROTEIN_VOLT_ANGSTROM3_PER_DALTON, rel=1e-9)
    centre = structure.strengths_volt_angstrom3 @ structure.positions_angstrom_xyz / total
    np.testing.assert_allclose(centre, 0.0, atol=1e-9)
    assert np.linalg.norm(structure.positions_angstrom_xyz, axis=1).max() == pytest.approx(36.0, abs=2.5)
    made = potential_map(structure, 8.0)
    half = len(made.volume_zyx) // 2
    assert made.volume_zyx[half, half, half] == pytest.approx(PROTEIN_VOLT_ANGSTROM3_PER_DALTON / 1.23, rel=0.05)
    assert "above 0.7" in structure.source


def test_given_mass_sets_the_threshold_and_the_strength(tmp_path: Path) -> None:
    path = write(tmp_path / "ball.mrc", ball())
    structure = read_density(path, mass_kda=120.0)
    assert structure.mass_kda == 120.0
    assert len(structure.spreads_angstrom) * 4.0**3 == pytest.approx(120.0e3 * 1.23, rel=0.01)
    scaled = read_density(path, mass_kda=240.0, threshold=0.7)
    assert scaled.strengths_volt_angstrom3.sum() == pytest.approx(240.0e3 * PROTEIN_VOLT_ANGSTROM3_PER_DALTON)


def test_axes_are_kept_in_order(tmp_path: Path) -> None:
    density = np.zeros((20, 20, 20))
    density[4:16, 8:12, 6:14] = 1.0  # longest along z, then x, then y
    extent = np.ptp(read_density(write(tmp_path / "brick.mrc", density), threshold=0.5).positions_angstrom_xyz, axis=0)
    np.testing.assert_allclose(extent, np.array([7, 3, 11]) * 4.0)


def test_many_voxels_become_few_points_of_the_same_look(tmp_path: Path) -> None:
    density = ball(64, 24.0, (31.0, 32.0, 33.0))
    structure = read_density(write(tmp_path / "big.mrc", density), threshold=0.7)
    assert 5_000 < len(structure.spreads_angstrom) < 20_000
    assert structure.spreads_angstrom[0] == pytest.approx(0.6 * 2 * 4.0)
    volume_zyx = potential_map(structure, 8.0).volume_zyx
    inside = ndimage.binary_erosion(volume_zyx > 1.6, iterations=2)
    assert volume_zyx[inside].std() < 0.01 * volume_zyx[inside].mean()


def map_correlation(path: Path, **how: float) -> float:
    """Of the structure's potential at twice the voxel with the map itself, both at four voxels' resolution."""
    source, voxel = read_volume(path)
    density_zyx = np.asarray(source.read(), dtype=np.float64)
    structure = read_density(path, **how)  # type: ignore[arg-type]
    resolution = 4 * voxel
    made = potential_map(structure, 2 * voxel, resolution_angstrom=resolution).volume_zyx
    blurred = ndimage.gaussian_filter(density_zyx, resolution * SPREAD_PER_RESOLUTION / voxel)
    threshold = float(structure.source.split("above ")[1].split(" ")[0])
    weights = np.where(density_zyx > threshold, density_zyx, 0.0)
    centre = np.array(ndimage.center_of_mass(weights))
    grid = np.indices(made.shape).reshape(3, -1) - len(made) // 2
    expected = ndimage.map_coordinates(blurred, 2 * grid + centre[:, None], order=1)
    return float(np.corrcoef(expected, made.ravel())[0, 1])


@pytest.mark.parametrize(
    ("file", "how"),
    [
        ("betaGal.mrc", {"mass_kda": 465.0}),
        ("betaGal.mrc", {"threshold": 0.04}),
        ("4v4r.mrc", {"mass_kda": 2300.0}),
        ("4v4r.mrc", {"threshold": 20.0}),
        ("3j9i.mrc", {"mass_kda": 653.0}),
    ],
)
def test_potential_resembles_the_map(shared_data: Path, file: str, how: dict[str, float]) -> None:
    assert map_correlation(shared_data / "maps" / file, **how) >= 0.95


def test_beta_galactosidase_is_turned_onto_its_axes(shared_data: Path) -> None:
    structure = read_density(shared_data / "maps" / "betaGal.mrc", mass_kda=465.0, symmetry="D2")
    assert structure.symmetry == "D2"
    assert self_correlation(structure, "D2") > 0.98
    with pytest.raises(ParameterError, match="expected symmetry D7"):
        read_density(shared_data / "maps" / "betaGal.mrc", mass_kda=465.0, symmetry="D7")


def test_dark_map_is_turned_and_a_wrong_contrast_is_named(tmp_path: Path) -> None:
    light = read_density(write(tmp_path / "light.mrc", ball()), threshold=0.7)
    path = write(tmp_path / "dark.mrc", -ball())
    dark = read_density(path, threshold=0.7, contrast="dark")
    np.testing.assert_allclose(dark.positions_angstrom_xyz, light.positions_angstrom_xyz, atol=1e-3)
    with pytest.raises(ParameterError, match=r"contrast is inverted; .*give contrast='dark'"):
        read_density(path, threshold=0.3)


def test_specks_of_noise_are_left_out_and_said(tmp_path: Path) -> None:
    density = ball()
    density[1, 1, 1] = density[30, 30, 2] = 2.0
    structure = read_density(write(tmp_path / "specks.mrc", density), threshold=0.7)
    assert np.linalg.norm(structure.positions_angstrom_xyz, axis=1).max() < 40.0
    assert "2 islands" in structure.source


def test_impossible_thresholds_are_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "ball.mrc", ball())
    with pytest.raises(ParameterError, match=r"above the threshold 5, found none \(densities reach from 0.2 to 1.2\)"):
        read_density(path, threshold=5.0)
    with pytest.raises(ParameterError, match="most of its border above the threshold"):
        read_density(path, threshold=0.1)
    with pytest.raises(ParameterError, match="a threshold or a mass"):
        read_density(path)
    with pytest.raises(ParameterError, match=r"to fit 150000 kDa, found that of 15\d\.\d kDa.*check the mass \(kDa\)"):
        read_density(path, threshold=0.7, mass_kda=150e3)
    with pytest.raises(ParameterError, match="expected a map that holds 1e"):
        read_density(path, mass_kda=1e7)


def test_impossible_voxels_are_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "ball.mrc", ball())
    content = bytearray(path.read_bytes())
    content[40:52] = bytes(12)
    bare = tmp_path / "bare.mrc"
    bare.write_bytes(content)
    with pytest.raises(PixelSizeError, match=r"voxel size in the header of bare\.mrc, found 0"):
        read_density(bare, threshold=0.7)
    assert read_density(bare, threshold=0.7, voxel_size_angstrom=4.0).mass_kda > 100
    content[40:52] = np.array([128.0, 99.0, 128.0], dtype=np.float32).tobytes()
    bare.write_bytes(content)
    with pytest.raises(PixelSizeError, match="cubic voxels"):
        read_density(bare, threshold=0.7)
    speck = np.zeros((8, 8, 8))
    speck[4, 4, 4:6] = 1.0
    with pytest.raises(PixelSizeError, match="as large as the molecule"):
        read_density(write(tmp_path / "speck.mrc", speck), threshold=0.5)


def test_what_is_no_map_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputMissingError, match="nothing"):
        read_density(tmp_path / "nothing.mrc", threshold=1.0)
    broken = ball()
    broken[3, 3, 3] = np.nan
    with pytest.raises(FormatError, match="not finite"):
        read_density(write(tmp_path / "nan.mrc", broken), threshold=0.7)


def test_em_file_says_the_same(tmp_path: Path) -> None:
    density = ball().astype("<f4")
    header = bytearray(512)
    header[0], header[3] = 6, 5
    header[4:16] = np.array([32, 32, 32], dtype="<i4").tobytes()
    header[120:124] = np.array([4000], dtype="<i4").tobytes()
    path = tmp_path / "ball.em.gz"
    path.write_bytes(gzip.compress(bytes(header) + density.tobytes()))
    from_em = read_density(path, threshold=0.7)
    from_mrc = read_density(write(tmp_path / "ball.mrc", ball()), threshold=0.7)
    np.testing.assert_allclose(from_em.positions_angstrom_xyz, from_mrc.positions_angstrom_xyz, atol=1e-6)
