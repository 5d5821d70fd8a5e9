"""Labels of every voxel: volumes, places, conflicts, filaments, membranes, small things, cut things."""

from collections.abc import Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from tomoset.errors import ParameterError, PixelSizeError
from tomoset.geometry import point_group, random_rotations, rotation_about
from tomoset.model import BilayerProfile, Membrane, Molecules
from tomoset.structures import LabelVolumes, Structure, built_in_structure, globule_structure, label_volume

Floats = NDArray[np.float64]
BILAYER = BilayerProfile(
    name="phospholipid",
    offsets_angstrom=(-19.0, 19.0),
    spreads_angstrom=(4.0, 4.0),
    integrals_volt_angstrom=(30.0, 30.0),
    head_offset_angstrom=19.0,
)
HALF_THICKNESS = 24.0


def copies(species: str, positions: Sequence[Sequence[float]] | Floats, seed: int = 0) -> Molecules:
    positions_xyz = np.array(positions, dtype=np.float64).reshape(-1, 3)
    return Molecules(
        species=species,
        positions_angstrom_xyz=positions_xyz,
        rotations=random_rotations(len(positions_xyz), np.random.default_rng(seed)),
    )


def backwards(molecules: Molecules) -> Molecules:
    return Molecules(
        species=molecules.species,
        positions_angstrom_xyz=molecules.positions_angstrom_xyz[::-1],
        rotations=molecules.rotations[::-1],
    )


def solid_ball(radius: float, name: str = "ball") -> Structure:
    """Beads filling a ball of protein evenly."""
    grid = np.stack(np.meshgrid(*(np.arange(-radius, radius + 1, 4.0),) * 3), axis=-1).reshape(-1, 3)
    beads = grid[np.linalg.norm(grid, axis=1) < radius - 1]
    return Structure(
        name=name,
        symmetry="C1",
        mass_kda=4 / 3 * np.pi * radius**3 / 1.23e3,
        positions_angstrom_xyz=beads,
        strengths_volt_angstrom3=np.full(len(beads), 200.0),
        spreads_angstrom=np.full(len(beads), 2.5),
        source="test",
    )


def sphere_membrane(radius: float, centre_xyz: Sequence[float], *, name: str = "liposome") -> Membrane:
    """A sphere of triangles between circles of latitude."""
    n = 64
    theta, phi = np.linspace(0, np.pi, n + 1), np.linspace(0, 2 * np.pi, 2 * n, endpoint=False)
    normals = np.stack(
        [
            np.outer(np.sin(theta), np.cos(phi)),
            np.outer(np.sin(theta), np.sin(phi)),
            np.outer(np.cos(theta), np.ones(2 * n)),
        ],
        axis=-1,
    ).reshape(-1, 3)
    row, column = np.divmod(np.arange(n * 2 * n), 2 * n)
    a, b = row * 2 * n + column, row * 2 * n + (column + 1) % (2 * n)
    faces = np.concatenate([np.stack([a, a + 2 * n, b], 1), np.stack([b, a + 2 * n, b + 2 * n], 1)])
    return Membrane(
        name=name,
        body=0,
        vertices_angstrom_xyz=radius * normals + np.asarray(centre_xyz),
        faces=faces.astype(np.int32),
        normals=normals,
        profile=BILAYER,
    )


def voxel_positions(shape_zyx: tuple[int, int, int], voxel: float, origin_xyz: Sequence[float]) -> Floats:
    return np.moveaxis(np.indices(shape_zyx)[::-1], 0, -1) * voxel + np.asarray(origin_xyz)


def same_partition(one: LabelVolumes, other: LabelVolumes, partner: dict[int, int]) -> bool:
    lookup = np.zeros(1 + max(partner), dtype=np.uint32)
    lookup[list(partner)] = list(partner.values())
    return bool(np.array_equal(lookup[one.instance_zyx], other.instance_zyx))


def test_ball_is_where_it_is() -> None:
    voxel = 5.0
    origin = (-80.0, -70.0, 12.0)
    made = label_volume(
        (40, 44, 48),
        voxel,
        molecules=[(copies("ball", [[30.0, 41.0, 110.0]]), solid_ball(50.0), 7)],
        origin_angstrom_xyz=origin,
        first_instance=5,
    )
    distance = np.linalg.norm(voxel_positions((40, 44, 48), voxel, origin) - [30.0, 41.0, 110.0], axis=-1)
    assert set(np.unique(made.instance_zyx)) == {0, 5}
    assert set(np.unique(made.semantic_zyx)) == {0, 7}
    np.testing.assert_array_equal(made.semantic_zyx > 0, made.instance_zyx > 0)
    assert (made.instance_zyx[distance < 46] == 5).all()
    assert (made.instance_zyx[distance > 54] == 0).all()
    row = made.instances[0]
    assert (row.instance, row.kind, row.species, row.label, row.index) == (5, "molecule", "ball", 7, 0)
    assert row.voxels == np.count_nonzero(made.instance_zyx)
    assert row.voxels * voxel**3 == pytest.approx(4 / 3 * np.pi * 50.0**3, rel=0.03)
    assert made.semantic_zyx.dtype == np.uint8
    assert made.instance_zyx.dtype == np.uint32
    assert made.leaflet_zyx is None


@pytest.mark.parametrize("name", ["apoferritin", "proteasome", "bsa", "pp7-vlp"])
@pytest.mark.parametrize("voxel", [6.0, 10.0])
def test_masks_hold_the_molecules_volume(name: str, voxel: float) -> None:
    structure = built_in_structure(name)
    step = 2 * structure.radius_angstrom + 2 * voxel
    positions = np.stack(np.meshgrid([0.5, 1.5], [0.5, 1.5], [0.5]), axis=-1).reshape(-1, 3) * step
    shape = (int(step / voxel) + 1, int(2 * step / voxel) + 1, int(2 * step / voxel) + 1)
    made = label_volume(
        shape, voxel, molecules=[(copies(name, positions), structure, 1)], origin_angstrom_xyz=(0.0, 0.0, 0.0)
    )
    volumes = np.array([row.voxels for row in made.instances]) * voxel**3
    assert volumes.mean() == pytest.approx(structure.mass_kda * 1.23e3, rel=0.06)


def test_hollow_stays_background() -> None:
    made = label_volume(
        (36, 36, 36),
        10.0,
        molecules=[(copies("vlp", [[0.0, 0.0, 0.0]]), built_in_structure("pp7-vlp"), 1)],
        origin_angstrom_xyz=(-180.0,) * 3,
    )
    distance = np.linalg.norm(voxel_positions((36, 36, 36), 10.0, (-180.0,) * 3), axis=-1)
    assert not made.instance_zyx[distance < 95].any()
    assert made.instance_zyx[(distance > 118) & (distance < 130)].astype(bool).mean() > 0.85


def test_molecule_is_turned_as_its_rotation_says() -> None:
    along = np.zeros((9, 3))
    along[:, 0] = np.arange(-40.0, 41.0, 10.0)
    rod = Structure(
        name="rod",
        symmetry="C1",
        mass_kda=30.0,
        positions_angstrom_xyz=along,
        strengths_volt_angstrom3=np.full(9, 1e4),
        spreads_angstrom=np.full(9, 8.0),
        source="test",
    )
    rotation = rotation_about("z", 90.0) @ rotation_about(
        "y", 30.0
    )  # x -> (cos 30, 0, -sin 30) -> (0, cos 30, -sin 30)
    one = Molecules(species="rod", positions_angstrom_xyz=np.zeros((1, 3)), rotations=rotation[None])
    made = label_volume((40, 40, 40), 5.0, molecules=[(one, rod, 1)], origin_angstrom_xyz=(-100.0,) * 3)
    points = voxel_positions((40, 40, 40), 5.0, (-100.0,) * 3)[made.instance_zyx > 0]
    axis = np.linalg.eigh(np.cov(points.T))[1][:, -1]
    expected = np.array([0.0, np.cos(np.pi / 6), -0.5])
    assert abs(axis @ expected) > 0.998


@pytest.mark.parametrize("name", ["apoferritin", "proteasome"])
def test_symmetry_related_poses_have_one_mask(name: str) -> None:
    structure = built_in_structure(name)
    turn = random_rotations(1, np.random.default_rng(3))[0]
    masks = []
    for element in (np.eye(3), point_group(structure.symmetry).rotations[5]):
        pose = Molecules(species=name, positions_angstrom_xyz=np.zeros((1, 3)), rotations=(turn @ element)[None])
        made = label_volume((26, 26, 26), 8.0, molecules=[(pose, structure, 1)], origin_angstrom_xyz=(-101.0,) * 3)
        masks.append(made.instance_zyx > 0)
    different = np.count_nonzero(masks[0] != masks[1])
    assert different < 0.04 * np.count_nonzero(masks[0])


def test_nearest_centre_wins_whatever_the_order() -> None:
    rng = np.random.default_rng(1)
    positions = rng.uniform(20.0, 220.0, (30, 3))  # balls of 30 Å that overlap a good deal
    big, small = solid_ball(34.0), solid_ball(22.0, "small")
    first = [(copies("ball", positions[:10]), big, 1), (copies("small", positions[10:], 1), small, 2)]
    one = label_volume((48, 48, 48), 5.0, molecules=first, origin_angstrom_xyz=(0.0, 0.0, 0.0))
    back = [(backwards(molecules), structure, label) for molecules, structure, label in first[::-1]]
    other = label_volume((48, 48, 48), 5.0, molecules=back, origin_angstrom_xyz=(0.0, 0.0, 0.0))
    partner = {0: 0} | {i + 1: 30 - i for i in range(10)} | {i + 11: 20 - i for i in range(20)}
    assert same_partition(one, other, partner)
    np.testing.assert_array_equal(one.semantic_zyx, other.semantic_zyx)
    points = voxel_positions((48, 48, 48), 5.0, (0.0, 0.0, 0.0))
    distance = np.linalg.norm(points[..., None, :] - positions, axis=-1)
    radius = np.array([34.0] * 10 + [22.0] * 20)
    surely = distance < radius - 4
    nearest = np.where(distance < radius + 4, distance, np.inf).argmin(axis=-1)
    clear = np.take_along_axis(surely, nearest[..., None], axis=-1)[..., 0]  # the nearest that may is one that does
    np.testing.assert_array_equal(one.instance_zyx[clear], nearest[clear] + 1)


def test_every_molecule_inside_has_a_voxel_and_the_sums_agree() -> None:
    rng = np.random.default_rng(2)
    mini = globule_structure("peptide", 1.0)  # 1230 Å3 in voxels of 8000
    positions = rng.uniform(0.0, 380.0, (60, 3))
    large = copies("apoferritin", [[200.0, 200.0, 200.0]])
    made = label_volume(
        (20, 20, 20),
        20.0,
        molecules=[(copies("peptide", positions), mini, 1), (large, built_in_structure("apoferritin"), 300)],
        origin_angstrom_xyz=(0.0, 0.0, 0.0),
    )
    voxels = np.array([row.voxels for row in made.instances])
    np.testing.assert_array_equal(voxels, np.bincount(made.instance_zyx.ravel(), minlength=62)[1:])
    placed = {tuple(np.rint(p / 20.0)) for p in positions}
    assert np.count_nonzero(voxels[:60]) >= 0.9 * len(placed)  # two in one voxel cannot both have it
    assert made.semantic_zyx.dtype == np.uint16
    labels = np.array([0, *[row.label for row in made.instances]])
    np.testing.assert_array_equal(made.semantic_zyx, labels[made.instance_zyx])


def test_what_lies_outside_keeps_its_row() -> None:
    positions = [[-500.0, 0.0, 0.0], [0.0, 50.0, 50.0], [50.0, 50.0, 50.0]]
    made = label_volume(
        (20, 20, 20),
        5.0,
        molecules=[(copies("b", positions), solid_ball(20.0), 1)],
        origin_angstrom_xyz=(0.0, 0.0, 0.0),
    )
    outside, cut, inside = (row.voxels for row in made.instances)
    assert outside == 0
    assert inside * 125 == pytest.approx(4 / 3 * np.pi * 20.0**3, rel=0.06)
    assert cut == pytest.approx(inside / 2, rel=0.2)


def test_slabs_leave_no_seam(monkeypatch: pytest.MonkeyPatch) -> None:
    molecules = [(copies("p", np.random.default_rng(0).uniform(0, 250, (12, 3))), built_in_structure("proteasome"), 1)]
    sheet = [(sphere_membrane(90.0, (120.0, 130.0, 125.0)), 2)]
    shape, where = (26, 26, 26), (0.0, 0.0, 0.0)
    whole = label_volume(shape, 10.0, molecules=molecules, membranes=sheet, origin_angstrom_xyz=where)
    monkeypatch.setattr("tomoset.structures.masks.SLAB_VOXELS", 26 * 26 * 3)
    slabs = label_volume(shape, 10.0, molecules=molecules, membranes=sheet, origin_angstrom_xyz=where)
    np.testing.assert_array_equal(whole.instance_zyx, slabs.instance_zyx)
    np.testing.assert_array_equal(whole.leaflet_zyx, slabs.leaflet_zyx)
    assert whole.instances == slabs.instances


def test_subunits_of_a_filament_are_one_instance() -> None:
    tmv = built_in_structure("tmv")
    z = np.arange(4) * tmv.repeat_angstrom
    positions = np.concatenate([np.stack([0 * z + 120 + 230 * i, 0 * z + 120, z + 120], axis=-1) for i in range(2)])
    filaments = Molecules(
        species="tmv",
        positions_angstrom_xyz=positions,
        rotations=np.tile(np.eye(3), (8, 1, 1)),
        filament_index=np.repeat([3, 1], 4),
        compartment="ice",
    )
    made = label_volume(
        (48, 24, 48),
        10.0,
        molecules=[(copies("bsa", [[400.0, 120.0, 20.0]]), built_in_structure("bsa"), 1), (filaments, tmv, 2)],
        origin_angstrom_xyz=(0.0, 0.0, 0.0),
    )
    assert [(r.instance, r.kind, r.index, r.group) for r in made.instances] == [
        (1, "molecule", 0, 0),
        (2, "filament", 3, 1),
        (3, "filament", 1, 1),
    ]
    for row in made.instances[1:]:
        assert row.voxels * 1e3 == pytest.approx(4 * tmv.mass_kda * 1.23e3, rel=0.06)
    middle = made.instance_zyx[14:30, 12, 12]  # along the bore
    assert not middle.any()
    wall = made.instance_zyx[8:36, 12, 17]  # unbroken from repeat to repeat
    assert (wall == 2).all()


def test_membrane_is_a_shell_with_two_leaflets() -> None:
    centre, radius, voxel, shape = (260.0, 255.0, 251.0), 170.0, 8.0, (64, 64, 64)
    made = label_volume(
        shape, voxel, membranes=[(sphere_membrane(radius, centre), 4)], origin_angstrom_xyz=(0.0, 0.0, 0.0)
    )
    height = np.linalg.norm(voxel_positions(shape, voxel, (0.0, 0.0, 0.0)) - centre, axis=-1) - radius
    assert made.leaflet_zyx is not None
    assert made.leaflet_zyx.dtype == np.int8
    clear = np.abs(np.abs(height) - HALF_THICKNESS) > 0.5
    np.testing.assert_array_equal((made.instance_zyx == 1)[clear], (np.abs(height) <= HALF_THICKNESS)[clear])
    in_shell = (made.instance_zyx == 1) & (np.abs(height) > 0.5)
    np.testing.assert_array_equal(made.leaflet_zyx[in_shell], np.sign(height[in_shell]))
    assert not made.leaflet_zyx[made.instance_zyx == 0].any()
    row = made.instances[0]
    volume = 4 / 3 * np.pi * ((radius + HALF_THICKNESS) ** 3 - (radius - HALF_THICKNESS) ** 3)
    assert (row.kind, row.species, row.label) == ("membrane", "liposome", 4)
    assert row.voxels * voxel**3 == pytest.approx(volume, rel=0.01)


def test_nearer_membrane_and_embedded_molecules_win() -> None:
    shape, centre = (60, 60, 60), (300.0, 300.0, 300.0)
    outer, inner = sphere_membrane(220.0, centre, name="outer-membrane"), sphere_membrane(190.0, centre)
    protein = copies("bsa", [[300.0, 300.0, 520.0]])
    for membranes in ([(outer, 2), (inner, 3)], [(inner, 3), (outer, 2)]):
        made = label_volume(
            shape,
            10.0,
            molecules=[(protein, built_in_structure("bsa"), 1)],
            membranes=membranes,
            origin_angstrom_xyz=(0.0, 0.0, 0.0),
        )
        assert made.leaflet_zyx is not None
        radius = np.linalg.norm(voxel_positions(shape, 10.0, (0.0, 0.0, 0.0)) - centre, axis=-1)
        away = made.semantic_zyx != 1
        assert (made.semantic_zyx[away & (radius > 206) & (radius < 243)] == 2).all()
        assert (made.semantic_zyx[away & (radius > 167) & (radius < 204)] == 3).all()
        embedded = made.semantic_zyx == 1
        assert np.count_nonzero(embedded) * 1e3 == pytest.approx(66.4 * 1.23e3, rel=0.15)
        assert not made.leaflet_zyx[embedded].any()
        assert [row.species for row in made.instances] == ["bsa", *[m.name for m, _ in membranes]]


def test_empty_specimen_is_all_background() -> None:
    none = copies("bsa", np.zeros((0, 3)))
    made = label_volume(
        (4, 5, 6), 10.0, molecules=[(none, built_in_structure("bsa"), 1)], origin_angstrom_xyz=(0.0, 0.0, 0.0)
    )
    assert made.instances == ()
    assert not made.semantic_zyx.any()
    assert made.instance_zyx.shape == (4, 5, 6)


def test_impossible_labels_are_refused() -> None:
    item = [(copies("bsa", [[0.0, 0.0, 0.0]]), built_in_structure("bsa"), 0)]
    with pytest.raises(ParameterError, match="classes between 1 and 65535"):
        label_volume((4, 4, 4), 10.0, molecules=item, origin_angstrom_xyz=(0.0, 0.0, 0.0))
    with pytest.raises(ParameterError, match="first instance"):
        label_volume((4, 4, 4), 10.0, origin_angstrom_xyz=(0.0, 0.0, 0.0), first_instance=0)
    with pytest.raises(PixelSizeError, match="positive voxel size"):
        label_volume((4, 4, 4), 0.0, origin_angstrom_xyz=(0.0, 0.0, 0.0))
