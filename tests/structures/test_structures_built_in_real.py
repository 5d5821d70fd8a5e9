"""Serum albumin and the ribosome against the real ones."""

import itertools
from dataclasses import replace
from pathlib import Path

import mrcfile
import numpy as np
import pytest
from scipy import ndimage

from tomoset.structures import Structure, built_in_structure, models_ribosome, potential_map, read_structure

SPREAD_PER_RESOLUTION = 1.0 / (np.pi * np.sqrt(2.0))


def turned(structure: Structure, matrix: np.ndarray) -> Structure:
    """A structure after a rotation, or a reflection."""
    return replace(structure, positions_angstrom_xyz=structure.positions_angstrom_xyz @ matrix.T)


def map_correlation(real: Structure, model: Structure) -> float:
    """Correlation of two maps at 20 Å over the ball around the molecule."""
    maps = [potential_map(s, 5.0, resolution_angstrom=20.0).volume_zyx for s in (real, model)]
    n = max(len(m) for m in maps)
    a, b = (np.pad(m, (n - len(m)) // 2) for m in maps)
    ball = np.square(np.indices(a.shape) - n // 2).sum(axis=0) <= (real.radius_angstrom / 5.0 + 2) ** 2
    return float(np.corrcoef(a[ball], b[ball])[0, 1])


def to_principal_axes(structure: Structure) -> np.ndarray:
    """Rotation that lays the long axis along x and the thin one along z."""
    weights = structure.strengths_volt_angstrom3 / structure.strengths_volt_angstrom3.sum()
    xyz = structure.positions_angstrom_xyz - weights @ structure.positions_angstrom_xyz
    _, axes = np.linalg.eigh((weights[:, None] * xyz).T @ xyz)
    rows = axes[:, ::-1].T
    return rows * np.array([1.0, 1.0, np.linalg.det(rows)])[:, None]


def test_albumin_looks_like_the_real_one(shared_data: Path) -> None:
    model = built_in_structure("bsa")
    real = read_structure(shared_data / "structures" / "4f5s.pdb", chains=["A"])
    assert model.mass_kda == pytest.approx(real.mass_kda, rel=0.05)
    signs = [np.diag(s) for s in itertools.product((1.0, -1.0), repeat=3)]
    home = to_principal_axes(real)
    found = {np.linalg.det(s): [] for s in signs}
    for sign in signs:
        found[np.linalg.det(sign)].append(
            map_correlation(turned(real, sign @ home), turned(model, to_principal_axes(model)))
        )
    assert max(found[1.0]) >= 0.93
    assert max(found[-1.0]) < max(found[1.0]) - 0.02  # and not like its mirror image


def ribosome_correlation(path: Path, model: Structure, resolution_angstrom: float) -> float:
    """Correlation with the density of PDB 4V4R, whose frame the model has, over the ball around it."""
    with mrcfile.open(path) as file:
        density = np.asarray(file.data, dtype=np.float64)
        voxel = float(file.voxel_size.x)
    centre = np.array(ndimage.center_of_mass(density))
    real = ndimage.gaussian_filter(density, resolution_angstrom * SPREAD_PER_RESOLUTION / voxel)
    made = potential_map(model, voxel, resolution_angstrom=resolution_angstrom).volume_zyx.astype(np.float64)
    from_centre = np.indices(real.shape) - centre[:, None, None, None]
    seen = ndimage.map_coordinates(made, from_centre + len(made) // 2, order=3)
    ball = np.square(from_centre).sum(axis=0) <= (model.radius_angstrom / voxel + 2) ** 2
    return float(np.corrcoef(real[ball], seen[ball])[0, 1])


@pytest.mark.parametrize(("resolution_angstrom", "least"), [(20.0, 0.93), (30.0, 0.95)])
def test_ribosome_looks_like_the_real_one(shared_data: Path, resolution_angstrom: float, least: float) -> None:
    path = shared_data / "maps" / "4v4r.mrc"
    model = built_in_structure("ribosome-70s")
    found = ribosome_correlation(path, model, resolution_angstrom)
    assert found >= least
    mirrored = turned(model, np.diag([-1.0, 1.0, 1.0]))
    assert ribosome_correlation(path, mirrored, resolution_angstrom) < found - 0.05


def test_ribosome_has_two_subunits_of_rna_and_protein() -> None:
    tables = models_ribosome
    mass = {
        name: sum(row[0] for row in getattr(tables, name))
        for name in ("SMALL_RNA", "SMALL_PROTEIN", "LARGE_RNA", "LARGE_PROTEIN", "TRANSFER_RNA", "STALK_L7_L12")
    }
    assert mass["SMALL_RNA"] + mass["SMALL_PROTEIN"] == pytest.approx(800.0, rel=0.03)
    assert mass["LARGE_RNA"] + mass["LARGE_PROTEIN"] + mass["STALK_L7_L12"] == pytest.approx(1450.0, rel=0.03)
    rna = mass["SMALL_RNA"] + mass["LARGE_RNA"] + mass["TRANSFER_RNA"]
    assert rna / sum(mass.values()) == pytest.approx(0.67, abs=0.03)
    small = np.array([row[1] for row in tables.SMALL_RNA + tables.SMALL_PROTEIN])
    large = np.array([row[1] for row in tables.LARGE_RNA + tables.LARGE_PROTEIN])
    assert small[:, 2].max() < -20.0  # z runs from the small to the large subunit
    assert large[:, 2].min() > -20.0
    # Fewer beads lie at the interface than on either side of it: the gap between the subunits.
    heights = built_in_structure("ribosome-70s").positions_angstrom_xyz[:, 2]
    counts, edges = np.histogram(heights, bins=np.arange(-120.0, 121.0, 20.0))
    gap = counts[(edges[:-1] >= -40.0) & (edges[:-1] < 20.0)].min()
    assert gap < 0.75 * counts[edges[:-1] < -40.0].max()
    assert gap < 0.75 * counts[edges[:-1] >= 20.0].max()


def test_ribosome_has_its_two_stalks() -> None:
    x = built_in_structure("ribosome-70s").positions_angstrom_xyz[:, 0]
    assert (x < -110.0).sum() in range(5, 40)  # L1
    assert (x > 110.0).sum() in range(5, 40)  # L7/L12
