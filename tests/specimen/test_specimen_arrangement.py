"""How copies lie: each in an orientation of its own, some at the surfaces, some in clusters."""

import numpy as np
import pytest
from scipy.spatial import cKDTree

from tomoset.geometry import angle_between_deg
from tomoset.model import Specimen, stream
from tomoset.specimen import Component, IceParams, SpecimenParams, make_specimen
from tomoset.structures import Structure, built_in_structure, globule_structure

THICKNESS, MARGIN, VOXEL = 1200.0, 20.0, 5.0
GLOBULE = globule_structure("globule-60", 60.0)


def plate() -> Structure:
    """A flat disc of beads, 80 Å across, normal to z."""
    side = np.arange(-40.0, 41.0, 10.0)
    x, y = np.meshgrid(side, side)
    xyz = np.stack([x.ravel(), y.ravel(), np.zeros(x.size)], axis=-1)
    xyz = xyz[np.hypot(xyz[:, 0], xyz[:, 1]) <= 40.0]
    return Structure(
        name="plate",
        symmetry="C1",
        mass_kda=0.5 * len(xyz),
        positions_angstrom_xyz=xyz,
        strengths_volt_angstrom3=np.full(len(xyz), 2000.0),
        spreads_angstrom=np.full(len(xyz), 4.5),
        source="test",
    )


STRUCTURES = {"globule-60": GLOBULE, "plate": plate(), "apoferritin": built_in_structure("apoferritin")}


def make(component: Component, seed: int = 1, **changes: object) -> Specimen:
    settings: dict[str, object] = {"thickness_angstrom": THICKNESS, "margin_angstrom": MARGIN, **changes}
    params = SpecimenParams(components=(component,), **settings)  # type: ignore[arg-type]
    rng = stream(seed, "specimen")
    return make_specimen("TS_001", params, size_xy_angstrom=(3000.0, 2600.0), structures=STRUCTURES, rng=rng)


def at_surface(specimen: Specimen, structure: Structure) -> np.ndarray:
    """+1 for copies within one radius (and a voxel) of the upper margin, −1 of the lower one, 0 for the others."""
    radius = float(np.linalg.norm(structure.positions_angstrom_xyz, axis=1).max()) + 10.0
    z = specimen.molecules[0].positions_angstrom_xyz[:, 2]
    depth = THICKNESS / 2 - MARGIN - np.abs(z)
    return np.where(depth <= radius + VOXEL, np.sign(z), 0).astype(int)


def test_every_copy_has_an_orientation_of_its_own() -> None:
    molecules = make(Component(species="globule-60", copies=700)).molecules[0]
    angles = angle_between_deg(molecules.rotations[:, None], molecules.rotations[None])
    np.fill_diagonal(angles, 180.0)
    assert angles.min() > 0.05
    # Uniform over SO(3): the angle between two rotations has the density (1 − cos ω)/π.
    upper = angles[np.triu_indices(len(angles), 1)]
    for limit_deg in (45.0, 90.0, 135.0):
        omega = np.deg2rad(limit_deg)
        assert np.mean(upper < limit_deg) == pytest.approx((omega - np.sin(omega)) / np.pi, abs=0.01)


@pytest.mark.parametrize("fraction", [0.0, 0.4, 1.0])
def test_adsorbed_share_lies_at_the_surfaces_half_at_each(fraction: float) -> None:
    specimen = make(Component(species="globule-60", copies=600, adsorbed_fraction=fraction))
    side = at_surface(specimen, GLOBULE)
    by_chance = (1 - fraction) * 600 * 2 * 45.0 / (THICKNESS - 2 * MARGIN)
    for sign in (1, -1):
        assert (side == sign).sum() == pytest.approx(300 * fraction + by_chance / 2, abs=20)
    assert len(specimen.molecules[0]) == 600


def test_adsorbed_copies_follow_a_curved_surface() -> None:
    ice = IceParams(meniscus_angstrom=600.0, hole_radius_angstrom=2000.0)
    specimen = make(Component(species="globule-60", copies=300, adsorbed_fraction=1.0), ice=ice)
    xyz = specimen.molecules[0].positions_angstrom_xyz
    top = (THICKNESS - 600.0 * np.maximum(1 - (np.hypot(xyz[:, 0], xyz[:, 1]) / 2000.0) ** 2, 0)) / 2
    depth = top - MARGIN - np.abs(xyz[:, 2])
    radius = float(np.linalg.norm(GLOBULE.positions_angstrom_xyz, axis=1).max()) + 10.0
    assert depth.max() <= radius + 2 * VOXEL
    assert depth.min() > 0


@pytest.mark.parametrize("concentration", [0.0, 2.0, 20.0])
def test_preferred_axis_has_the_mean_cosine_of_its_distribution(concentration: float) -> None:
    component = Component(
        species="apoferritin",
        copies=420,
        adsorbed_fraction=1.0,
        preferred_orientation=concentration,
        preferred_axis=(1.0, 1.0, 0.0),
    )
    specimen = make(component)
    side = at_surface(specimen, STRUCTURES["apoferritin"])
    assert (side != 0).all()
    axes = specimen.molecules[0].rotations @ (np.array([1.0, 1.0, 0.0]) / np.sqrt(2.0))
    cosine = side * axes[:, 2]
    expected = 1 / np.tanh(concentration) - 1 / concentration if concentration else 0.0
    assert cosine.mean() == pytest.approx(expected, abs=0.08)
    azimuth = np.arctan2(axes[:, 1], axes[:, 0])
    assert abs(np.exp(1j * azimuth).mean()) < 0.15
    spin = specimen.molecules[0].rotations[:, 2, 2]  # z lies across the axis: it points anywhere about it
    assert abs(spin.mean()) < 0.15


def test_copies_off_the_surface_have_no_preference() -> None:
    component = Component(species="plate", copies=400, adsorbed_fraction=0.5, preferred_orientation=50.0)
    specimen = make(component)
    # Adsorbed copies come first.
    cosine = np.abs(specimen.molecules[0].rotations[:, 2, 2])
    assert cosine[:200].mean() > 0.95
    assert cosine[200:].mean() == pytest.approx(0.5, abs=0.07)


def test_clusters_touch_and_hold_the_mean_number() -> None:
    specimen = make(Component(species="globule-60", copies=600, cluster_size=6.0))
    alone = make(Component(species="globule-60", copies=600))
    across = 2 * float(np.linalg.norm(GLOBULE.positions_angstrom_xyz, axis=1).max()) + 20.0
    nearest, clusters = [], []
    for made in (specimen, alone):
        xyz = made.molecules[0].positions_angstrom_xyz
        tree = cKDTree(xyz)
        nearest.append(np.median(tree.query(xyz, k=2)[0][:, 1]))
        clusters.append(_components(tree, len(xyz), across))
    assert nearest[0] < across < 100.0 < nearest[1]
    assert 600 / 6.0 * 0.7 < clusters[0] < 600 / 6.0 * 1.3
    assert clusters[1] > 500


def _components(tree: cKDTree, n: int, within: float) -> int:
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    pairs = tree.query_pairs(within, output_type="ndarray")
    graph = coo_array((np.ones(len(pairs)), (pairs[:, 0], pairs[:, 1])), shape=(n, n))
    return int(connected_components(graph, directed=False)[0])


def test_clusters_keep_the_clearance() -> None:
    specimen = make(Component(species="globule-60", copies=300, cluster_size=8.0))
    molecules = specimen.molecules[0]
    beads = GLOBULE.positions_angstrom_xyz
    points = np.einsum("cij,nj->cni", molecules.rotations, beads) + molecules.positions_angstrom_xyz[:, None]
    owner = np.repeat(np.arange(len(molecules)), len(beads))
    xyz = points.reshape(-1, 3)
    radius = float(np.cbrt(3 * 60.0 * 1e3 * 1.23 / len(beads) / (4 * np.pi)))
    pairs = cKDTree(xyz).query_pairs(2 * radius + 15.0, output_type="ndarray")
    pairs = pairs[owner[pairs[:, 0]] != owner[pairs[:, 1]]]
    gaps = np.linalg.norm(xyz[pairs[:, 0]] - xyz[pairs[:, 1]], axis=1) - 2 * radius
    assert 2.0 <= gaps.min() < 10.0
