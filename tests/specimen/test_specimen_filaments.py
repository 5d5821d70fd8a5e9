"""Filaments: their lengths, their bends, their repeats, and what they keep clear of."""

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from tomoset.errors import PackingError, ParameterError
from tomoset.model import Filament
from tomoset.specimen import PackingBox
from tomoset.specimen.filaments import FilamentParams, PlacedFilaments, place_filaments
from tomoset.specimen.poses import scatterer_radius_angstrom
from tomoset.specimen.worm_like_chain import (
    chain_nodes,
    mean_square_end_to_end,
    transported_frames,
    turn_concentration,
)
from tomoset.structures import Structure, built_in_structure

SIZE = (5000.0, 4000.0, 1500.0)
VOXEL = 10.0


def tube(repeat: float | None = 50.0, radius: float = 60.0) -> Structure:
    """A repeat of rings of beads, one of which is heavy, so that the azimuth shows."""
    angle, z = np.meshgrid(np.arange(24) * 2 * np.pi / 24, np.arange(-20.0, 21.0, 10.0))
    xyz = np.stack([radius * np.cos(angle), radius * np.sin(angle), z], axis=-1).reshape(-1, 3)
    return Structure(
        name="tube",
        symmetry="C1",
        mass_kda=120.0,
        positions_angstrom_xyz=xyz,
        strengths_volt_angstrom3=np.full(len(xyz), 4000.0),
        spreads_angstrom=np.full(len(xyz), 5.0),
        source="test",
        repeat_angstrom=repeat,
    )


def place(
    seed: int = 1,
    structure: Structure | None = None,
    box: PackingBox | None = None,
    size: tuple[float, float, float] = SIZE,
    **changes: object,
) -> PlacedFilaments:
    settings: dict[str, object] = {"species": "tube", "copies": 20, "length_angstrom": 1500.0, **changes}
    return place_filaments(
        PackingBox.empty(size, VOXEL) if box is None else box,
        FilamentParams(**settings),  # type: ignore[arg-type]
        structure or tube(),
        first_filament=3,
        size_angstrom_xyz=size,
        clearance_angstrom=5.0,
        rng=np.random.default_rng(seed),
    )


def unit(vectors: NDArray[np.float64]) -> NDArray[np.float64]:
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)


def dense(filament: Filament) -> NDArray[np.float64]:
    c = filament.curve_angstrom_xyz
    steps = np.arange(10)[None, :, None] / 10
    return np.concatenate([(c[:-1, None] * (1 - steps) + c[1:, None] * steps).reshape(-1, 3), c[-1:]])


class TestWormLikeChain:
    @pytest.mark.parametrize("persistence", [40.0, 500.0, 3e5])
    def test_end_to_end_distance_is_kratky_and_porods(self, persistence: float) -> None:
        rng = np.random.default_rng(5)
        ends = np.array([chain_nodes(60, 10.0, persistence, rng)[-1] for _ in range(200)])
        squares = np.square(ends).sum(axis=1)
        expected = mean_square_end_to_end(600.0, persistence)
        # The discrete chain has chords of 10 Å where the curve has arcs: its own sum of cosines, in closed form.
        c = np.exp(-10.0 / persistence)
        discrete = 100 * (60 * (1 + c) / (1 - c) - 2 * c * (1 - c**60) / (1 - c) ** 2)
        assert expected == pytest.approx(discrete, rel=0.02)
        assert squares.mean() == pytest.approx(discrete, abs=4 * squares.std() / np.sqrt(200) + 1e-3 * discrete)

    def test_directions_forget_at_the_persistence_length(self) -> None:
        nodes = chain_nodes(20000, 10.0, 200.0, np.random.default_rng(6))
        t = unit(np.diff(nodes, axis=0))
        for steps in (1, 10, 20):
            assert (t[steps:] * t[:-steps]).sum(axis=1).mean() == pytest.approx(np.exp(-steps / 20), abs=0.03)

    @pytest.mark.parametrize("ratio", [1e-7, 1e-3, 0.1, 1.0, 10.0])
    def test_concentration_gives_the_mean_cosine(self, ratio: float) -> None:
        kappa = turn_concentration(ratio, 1.0)
        lost = 1 / kappa - 2 / np.expm1(2 * min(kappa, 300.0))
        assert lost == pytest.approx(-np.expm1(-ratio), rel=1e-6)

    def test_frames_follow_the_curve_without_twist(self) -> None:
        """Along a plane curve the normal of the plane keeps its place in the frame."""
        angle = np.linspace(0, 2.5, 100)
        directions = np.stack([np.cos(angle), np.sin(angle), 0 * angle], axis=-1)
        frames = transported_frames(directions, 33.0)
        np.testing.assert_allclose(frames[..., 2], directions, atol=1e-12)
        np.testing.assert_allclose(np.linalg.det(frames), 1.0)
        normal = frames.transpose(0, 2, 1) @ [0.0, 0.0, 1.0]
        np.testing.assert_allclose(normal, np.broadcast_to(normal[0], normal.shape), atol=1e-12)

    def test_wrong_lengths_are_refused(self) -> None:
        with pytest.raises(ParameterError, match="positive step"):
            turn_concentration(10.0, 0.0)


class TestRepeats:
    def test_spacing_tangent_and_index(self) -> None:
        placed = place(persistence_length_angstrom=5000.0)
        molecules, index = placed.molecules, placed.molecules.filament_index
        assert index is not None
        assert index.min() == 3
        assert index.max() == 2 + len(placed.filaments)
        assert (np.diff(index) >= 0).all()
        for number, filament in enumerate(placed.filaments):
            own = index == 3 + number
            xyz, z_axes = molecules.positions_angstrom_xyz[own], molecules.rotations[own][..., 2]
            curve = filament.curve_angstrom_xyz
            np.testing.assert_allclose(np.linalg.norm(np.diff(curve, axis=0), axis=1), 50.0)
            np.testing.assert_allclose(xyz, (curve[1:] + curve[:-1]) / 2)
            np.testing.assert_allclose(z_axes, np.diff(curve, axis=0) / 50.0, atol=1e-12)
            # no twist: one frame follows from the last by the least rotation
            turn = molecules.rotations[own][1:] @ molecules.rotations[own][:-1].transpose(0, 2, 1)
            angle = np.arccos(np.clip((np.trace(turn, axis1=1, axis2=2) - 1) / 2, -1, 1))
            bend = np.arccos(np.clip((z_axes[1:] * z_axes[:-1]).sum(axis=1), -1, 1))
            np.testing.assert_allclose(angle, bend, atol=1e-6)

    def test_concentration_is_met_to_the_repeat(self) -> None:
        placed = place(copies=None, mg_per_ml=3.0)
        volume_ml = np.prod(SIZE) * 1e-24
        wanted = 3.0 * 1e-3 * volume_ml / (120e3 / 6.02214076e23)
        assert abs(placed.requested_copies - wanted) <= 0.5
        assert placed.placed_copies == placed.requested_copies == len(placed.molecules)

    def test_whole_filaments_have_the_length_and_broken_ones_less(self) -> None:
        whole, broken = place(length_spread=0.0), place(length_spread=0.5)
        assert whole.requested_copies == 20 * 30
        assert 20 * 10 < broken.requested_copies < 20 * 25

    def test_centres_lie_in_the_slab(self) -> None:
        placed = place(copies=25, length_angstrom=3000.0)
        assert (np.abs(placed.molecules.positions_angstrom_xyz) <= np.array(SIZE) / 2).all()
        assert len(placed.filaments) > 25  # those that cross a side go on at the other

    def test_a_box_elsewhere_is_filled_where_it_is(self) -> None:
        box = PackingBox.empty((1500.0, 1500.0, 1000.0), VOXEL, (4000.0, -300.0, 200.0))
        placed = place(box=box, copies=4, length_angstrom=600.0)
        offset = placed.molecules.positions_angstrom_xyz - [4000.0, -300.0, 200.0]
        assert len(placed.molecules) > 0
        assert (np.abs(offset) <= [750, 750, 500 - 60]).all()


class TestRoom:
    def test_walls_hold(self) -> None:
        placed = place(copies=30, persistence_length_angstrom=3000.0)
        for filament in placed.filaments:
            assert np.abs(filament.curve_angstrom_xyz[:, 2]).max() <= 750 - 60

    @pytest.mark.parametrize("bundle", [1.0, 4.0])
    def test_no_two_nearer_than_allowed(self, bundle: float) -> None:
        placed = place(copies=40, bundle_size=bundle, persistence_length_angstrom=20000.0)
        points = [dense(filament) for filament in placed.filaments]
        owner = np.repeat(np.arange(len(points)), [len(p) for p in points])
        xyz = np.concatenate(points)
        periods = np.array([*SIZE[:2], 1e5])
        tree = cKDTree(xyz % periods, boxsize=periods)
        # pieces of one filament meet where the slab ends: chain ends touch there
        pairs = tree.query_pairs(2 * 60 + 10.0, output_type="ndarray")
        foreign = pairs[owner[pairs[:, 0]] != owner[pairs[:, 1]]]
        ends = np.concatenate([np.r_[True, np.zeros(len(p) - 2, bool), True] for p in points])
        end_tree = cKDTree(xyz[ends] % periods, boxsize=periods)
        near_cut = end_tree.query((xyz % periods)[foreign[:, 0]], k=1)[0] < 300
        radius = placed.filaments[0].radius_angstrom
        assert radius == pytest.approx(60 + scatterer_radius_angstrom(tube()))
        distance = np.linalg.norm(
            xyz[foreign[:, 0]]
            - xyz[foreign[:, 1]]
            - periods * np.round((xyz[foreign[:, 0]] - xyz[foreign[:, 1]]) / periods),
            axis=1,
        )
        assert distance[~near_cut].min(initial=np.inf) >= 2 * radius

    def test_bundled_ones_lie_side_by_side(self) -> None:
        placed = place(copies=40, bundle_size=5.0, length_spread=0.0)
        middles = np.array([f.curve_angstrom_xyz.mean(axis=0) for f in placed.filaments])
        directions = unit(np.array([f.curve_angstrom_xyz[-1] - f.curve_angstrom_xyz[0] for f in placed.filaments]))
        pitch = 2 * placed.filaments[0].radius_angstrom + 5.0
        offset = middles[:, None] - middles[None]
        across = np.linalg.norm(offset - (offset * directions[None]).sum(-1, keepdims=True) * directions[None], axis=-1)
        parallel = np.abs(directions @ directions.T) > 0.999
        beside = parallel & (np.abs(across - pitch) < 2) & (np.linalg.norm(offset, axis=-1) < 1000)
        assert beside.any(axis=1).mean() > 0.5

    def test_later_molecules_keep_off(self) -> None:
        """A voxel that stays free keeps a bead anywhere in it off the filament's own beads."""
        size = (2000.0, 1800.0, 700.0)
        box = PackingBox.empty(size, VOXEL)
        placed = place(box=box, copies=2, length_angstrom=800.0)
        assert len(placed.molecules) > 10
        taken = np.unpackbits(box.bits_zyb, axis=2, bitorder="little")[:, :, : box.shape_zyx[2]].astype(bool)
        tree = cKDTree(np.concatenate([dense(f) for f in placed.filaments]))
        index = np.argwhere(~taken)
        free = (index - (np.array(box.shape_zyx) - 1) / 2)[:, ::-1] * VOXEL
        keep_off = 60 + 2 * scatterer_radius_angstrom(tube()) + 5.0
        inside = (np.abs(free[:, :2]) < np.array(size[:2]) / 2 - 200).all(axis=1)
        assert tree.query(free[inside], distance_upper_bound=400)[0].min() >= keep_off + np.sqrt(3) / 2 * VOXEL - 0.5

    def test_taken_room_is_not_entered(self) -> None:
        box = PackingBox.empty(SIZE, VOXEL)
        pillar = np.array([[0.0, 0.0, z] for z in np.arange(-750.0, 751.0, 20.0)])
        box.mark_points(pillar, 600.0)
        placed = place(box=box, copies=15)
        assert len(placed.molecules) > 100
        assert np.linalg.norm(placed.molecules.positions_angstrom_xyz[:, :2], axis=1).min() > 600 + 60 - VOXEL

    def test_thin_ice_lays_them_flat(self) -> None:
        placed = place(size=(5000.0, 4000.0, 300.0), copies=10)
        assert placed.placed_copies == placed.requested_copies
        assert np.abs(placed.molecules.rotations[:, 2, 2]).max() < 0.25

    def test_thick_ice_lets_them_stand(self) -> None:
        placed = place(size=(3000.0, 3000.0, 6000.0), copies=60, length_angstrom=500.0, length_spread=0.0)
        cosines = np.abs(placed.molecules.rotations[:, 2, 2])
        assert cosines.mean() == pytest.approx(0.5, abs=0.12)  # all directions alike


class TestTobaccoMosaicVirus:
    def test_the_mixtures_virus_finds_room(self) -> None:
        """5.66 mg/ml as in the mixture of seven proteins, in a field of 4000 Å."""
        structure = built_in_structure("tmv")
        box = PackingBox.empty((4600.0, 4600.0, 1460.0), 5.0)
        placed = place_filaments(
            box,
            FilamentParams(species="tmv", mg_per_ml=5.66),
            structure,
            first_filament=0,
            size_angstrom_xyz=(4600.0, 4600.0, 1500.0),
            clearance_angstrom=2.0,
            rng=np.random.default_rng(0),
        )
        assert placed.placed_copies == placed.requested_copies > 80
        assert 85 <= placed.filaments[0].radius_angstrom <= 95


class TestRefusals:
    def test_same_seed_same_filaments(self) -> None:
        a, b, other = place(1), place(1), place(2)
        np.testing.assert_array_equal(a.molecules.rotations, b.molecules.rotations)
        assert not np.array_equal(a.molecules.positions_angstrom_xyz[0], other.molecules.positions_angstrom_xyz[0])

    def test_what_finds_no_room_is_counted(self) -> None:
        box = PackingBox.empty(SIZE, VOXEL)
        box.bits_zyb[:] = 255
        placed = place(box=box, copies=1)
        assert placed.placed_copies == 0
        assert placed.requested_copies > 0
        assert placed.filaments == ()

    @pytest.mark.parametrize("nothing", [{"copies": 0}, {"copies": None, "mg_per_ml": 0.0}])
    def test_none_asked_none_given(self, nothing: dict[str, object]) -> None:
        placed = place(**nothing)
        assert placed.filaments == ()
        assert len(placed.molecules) == placed.requested_copies == 0

    @pytest.mark.parametrize(
        "wrong",
        [
            {"copies": None},
            {"mg_per_ml": 1.0},
            {"copies": -1},
            {"length_angstrom": 0.0},
            {"persistence_length_angstrom": float("nan")},
            {"length_spread": 2.0},
            {"bundle_size": 0.5},
        ],
    )
    def test_impossible_filaments_are_refused(self, wrong: dict[str, object]) -> None:
        with pytest.raises(ParameterError, match="filament tube: expected"):
            place(**wrong)

    def test_a_molecule_that_stands_alone_is_no_filament(self) -> None:
        with pytest.raises(ParameterError, match="stands alone"):
            place(structure=tube(repeat=None))

    def test_ice_thinner_than_the_filament_is_an_error(self) -> None:
        with pytest.raises(PackingError, match="thicken the ice"):
            place(size=(5000.0, 4000.0, 100.0))
