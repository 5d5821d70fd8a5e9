"""Parts of filament tracing, each against what it must give on made-up input."""

import numpy as np
import pytest
from scipy.spatial import KDTree

from tomoset.annotation.filaments import FilamentParams
from tomoset.annotation.filaments.centre_line import along_curve, transverse_axes
from tomoset.annotation.filaments.extent import seen_extent
from tomoset.annotation.filaments.judge import Line, join_collinear, without_doubles
from tomoset.annotation.filaments.profile import radial_profile
from tomoset.annotation.filaments.response import DirectionMap, axis_directions
from tomoset.annotation.filaments.segments import instance_mask, segments_along
from tomoset.annotation.filaments.tracking import Stiffness, follow_filaments
from tomoset.errors import ParameterError
from tomoset.geometry import Grid
from tomoset.model import FilamentTrace, PickFlag
from tomoset.structures import built_in_structure

STIFFNESS = Stiffness(
    radius_angstrom=90.0,
    seed_z=5.0,
    seed_amplitude=0.5,
    least_z=3.0,
    least_amplitude=0.3,
    gap_angstrom=270.0,
    bend_radius_angstrom=1800.0,
)


def straight(start, end, n=30):
    return np.linspace(np.asarray(start, float), np.asarray(end, float), n)


def drawn(curves, size_xyz, step=45.0, hidden=None):
    """A direction map with a ridge along each curve."""
    shape = tuple(int(s / step) + 1 for s in size_xyz[::-1])
    at = np.stack(np.meshgrid(*(np.arange(n) * step for n in shape), indexing="ij"), -1)[..., ::-1]
    directions = axis_directions(12.0)
    amplitude, which = np.zeros(shape, np.float32), np.zeros(shape, np.int16)
    for curve in curves:
        fine = along_curve(curve, 20.0)
        t = np.gradient(fine, axis=0)
        t /= np.linalg.norm(t, axis=1, keepdims=True)
        d = np.linalg.norm(at[..., None, :] - fine, axis=-1)
        nearest = d.argmin(-1)
        value = np.exp(-0.5 * (d.min(-1) / 45) ** 2).astype(np.float32)
        here = value > amplitude
        amplitude[here] = value[here]
        which[here] = np.abs(t[nearest[here]] @ directions.T).argmax(-1)
    if hidden is not None:
        amplitude[hidden(at)] = 0
    return DirectionMap(
        z_zyx=20 * amplitude,
        amplitude_zyx=amplitude,
        direction_index_zyx=which,
        directions_xyz=directions,
        spreads=np.ones(len(directions)),
        step_angstrom=step,
    )


def away(points, curve):
    return np.linalg.norm(points[:, None] - along_curve(curve, 10.0), axis=2).min(1)


def test_the_profile_of_tmv_holds_its_mass_and_its_radius():
    structure = built_in_structure("tmv")
    profile = radial_profile(structure, 40.0)
    assert profile.at(0.0) == pytest.approx(structure.strengths_volt_angstrom3.sum() / 69.0)
    assert profile.radius_angstrom == pytest.approx(90, abs=2)
    assert profile.at(1.0) == 0


def test_the_profile_is_the_transform_of_the_projection():
    structure = built_in_structure("tmv")
    k = np.linspace(0.001, 0.02, 8)
    rng = np.random.default_rng(1)
    turns = rng.uniform(0, 2 * np.pi, 400)
    rho = np.hypot(*structure.positions_angstrom_xyz[:, :2].T)
    phase = np.exp(2j * np.pi * k[:, None, None] * rho * np.cos(turns)[:, None])
    fading = np.exp(-2 * (np.pi * 5.5 * k) ** 2)
    direct = (phase.mean(1).real @ structure.strengths_volt_angstrom3) * fading / 69.0
    np.testing.assert_allclose(radial_profile(structure, 40.0).at(k), direct, atol=0.06 * direct.max())


def test_the_built_in_tmv_looks_the_same_from_both_ends():
    """Turned about x it falls on itself: with this model no data could decide a polarity, and none is claimed."""
    structure = built_in_structure("tmv")
    turn = 2 * np.pi * 3 / 49 * 48
    x, y, z = (structure.positions_angstrom_xyz * [1, -1, -1]).T
    reversed_xyz = np.stack([x * np.cos(turn) - y * np.sin(turn), x * np.sin(turn) + y * np.cos(turn), z], 1)
    distance, which = KDTree(structure.positions_angstrom_xyz).query(reversed_xyz)
    assert distance.max() < 1e-6
    np.testing.assert_allclose(structure.strengths_volt_angstrom3[which], structure.strengths_volt_angstrom3)


def test_a_molecule_that_stands_alone_is_no_filament():
    with pytest.raises(ParameterError, match="repeat of a filament"):
        radial_profile(built_in_structure("apoferritin"), 40.0)


def test_directions_cover_half_a_sphere():
    directions = axis_directions(12.0)
    np.testing.assert_allclose(np.linalg.norm(directions, axis=1), 1)
    wanted = np.random.default_rng(0).normal(size=(500, 3))
    wanted /= np.linalg.norm(wanted, axis=1, keepdims=True)
    assert np.rad2deg(np.arccos(np.abs(wanted @ directions.T).max(1))).max() < 12


def test_a_curve_is_resampled_evenly_and_goes_on_straight():
    angle = np.linspace(0, 1, 6)
    arc = 2000 * np.stack([np.cos(angle), np.sin(angle), 0 * angle], 1)
    fine = along_curve(arc, 50.0)
    np.testing.assert_allclose(np.linalg.norm(fine, axis=1), 2000, atol=1)
    steps = np.linalg.norm(np.diff(fine, axis=0), axis=1)
    np.testing.assert_allclose(steps, steps.mean(), rtol=0.01)
    longer = along_curve(arc, 50.0, extend_angstrom=200.0)
    assert len(longer) == len(fine) + 8
    np.testing.assert_allclose(np.linalg.norm(longer[0] - longer[4]), 200, atol=1)


def test_transverse_axes_are_across_and_right_handed():
    t = np.random.default_rng(3).normal(size=(20, 3))
    t /= np.linalg.norm(t, axis=1, keepdims=True)
    a, b = np.moveaxis(transverse_axes(t), 1, 0)
    np.testing.assert_allclose(np.cross(a, b), t, atol=1e-12)


def test_ends_are_where_the_amplitude_halves():
    s = np.arange(0, 2000, 15.0)
    amplitude = 1 / (1 + np.exp(-(s - 400) / 20)) / (1 + np.exp((s - 1500) / 20))
    found = seen_extent(amplitude, 15.0, 270.0, 90.0)
    assert abs(s[found.first] - 400) <= 15
    assert abs(s[found.last] - 1500) <= 15
    assert not found.bridged.any()


def test_a_gap_is_bridged_if_short_and_ends_the_filament_if_long():
    amplitude = np.ones(200)
    amplitude[100:110] = 0
    found = seen_extent(amplitude, 15.0, 270.0, 90.0)
    assert (found.first, found.last, found.bridged.sum()) == (0, 199, 10)
    amplitude[100:130] = 0
    found = seen_extent(amplitude, 15.0, 270.0, 90.0)
    assert (found.first, found.last) == (0, 99)
    assert seen_extent(np.full(50, np.nan), 15.0, 270.0, 90.0) is None


def test_a_bent_filament_is_followed_from_end_to_end():
    angle = np.linspace(0, 0.5, 20)
    arc = 4000 * np.stack([np.sin(angle), 1.05 - np.cos(angle), 0.1 + 0 * angle], 1) + np.array([300, 300, 200])
    chains = follow_filaments(drawn([arc], (2800, 1500, 1200)), np.array([2800.0, 1500, 1200]), STIFFNESS, 300.0)
    assert len(chains) == 1
    assert np.median(away(chains[0].points_angstrom_xyz, arc)) < 10
    assert chains[0].length_angstrom == pytest.approx(2000, abs=200)


def test_filaments_that_cross_stay_two():
    first, second = straight((200, 200, 400), (1800, 1800, 400)), straight((200, 1800, 600), (1800, 200, 600))
    size = np.array([2000.0, 2000, 1000])
    chains = follow_filaments(drawn([first, second], size), size, STIFFNESS, 300.0)
    assert len(chains) == 2
    for curve in (first, second):
        assert min(away(along_curve(curve, 30), chain.points_angstrom_xyz).max() for chain in chains) < 90


def test_a_gap_is_crossed_and_marked():
    curve = straight((100, 500, 500), (1900, 500, 500))
    size = np.array([2000.0, 1000, 1000])
    found = drawn([curve], size, hidden=lambda at: np.abs(at[..., 0] - 1000) < 100)
    (chain,) = follow_filaments(found, size, STIFFNESS, 300.0)
    assert chain.length_angstrom > 1700
    assert 2 <= chain.gap.sum() <= 7


def test_nothing_is_followed_in_nothing():
    size = np.array([900.0, 900, 900])
    assert follow_filaments(drawn([], size), size, STIFFNESS, 300.0) == []


def test_at_a_crossing_each_chain_goes_on_with_the_one_opposite():
    arms = [straight(d, 5 * np.asarray(d)) for d in ((100, 0, 0), (-100, 0, 0), (0, 100, 0), (0, -100, 0))]
    joined = join_collinear(arms, 90.0, 270.0)
    assert len(joined) == 2
    for chain in joined:
        assert np.ptp(chain, axis=0).max() == 1000
        assert np.ptp(chain, axis=0).min() == np.sort(np.ptp(chain, axis=0))[1] == 0


def test_neighbours_and_far_ends_are_not_joined():
    side_by_side = [straight((0, 0, 0), (900, 0, 0)), straight((1000, 185, 0), (1900, 185, 0))]
    assert len(join_collinear(side_by_side, 90.0, 270.0)) == 2
    far = [straight((0, 0, 0), (900, 0, 0)), straight((1300, 0, 0), (1900, 0, 0))]
    assert len(join_collinear(far, 90.0, 270.0)) == 2


def line(points, likelihood):
    n = len(points)
    return Line(
        points_angstrom_xyz=points,
        amplitude=np.ones(n),
        z=np.ones(n),
        bridged=np.zeros(n, bool),
        ends=("end", "end"),
        log_likelihood=likelihood,
    )


def test_of_two_classes_at_one_place_the_likelier_stays():
    here, there = straight((0, 0, 0), (900, 0, 0)), straight((0, 400, 0), (900, 400, 0))
    lines = [(0, line(here, 10.0)), (1, line(here + 20.0, 30.0)), (0, line(there, 5.0))]
    kept = without_doubles(lines, [90.0, 40.0])
    assert [(number, each.log_likelihood) for number, each in kept] == [(1, 30.0), (0, 5.0)]


def trace(points, polarity=0, inferred=None):
    return FilamentTrace(
        object_name="tmv",
        instance_id=7,
        points_angstrom_xyz=points,
        radius_angstrom=90.0,
        polarity=polarity,
        inferred=inferred,
    )


def test_segments_follow_the_tangent_from_minus_to_plus():
    grid = Grid(shape_zyx=(60, 120, 120), voxel_size_angstrom=10.0)
    points = straight((100, 200, 300), (900, 800, 300), 9)
    along = (points[-1] - points[0]) / 1000
    for polarity in (0, 1, -1):
        picks = segments_along(trace(points, polarity), 69.0, grid)
        assert len(picks) == 14
        np.testing.assert_allclose(np.linalg.norm(np.diff(picks.positions_angstrom_xyz, axis=0), axis=1), 69.0)
        sign = -1 if polarity < 0 else 1
        np.testing.assert_allclose(picks.rotations[:, :, 2], np.tile(sign * along, (14, 1)), atol=1e-9)
        assert set(picks.instance_ids) == {7}


def test_segments_in_a_bridge_are_inferred_and_those_at_the_border_say_so():
    grid = Grid(shape_zyx=(60, 60, 120), voxel_size_angstrom=10.0)
    points = straight((0, 300, 300), (1190, 300, 300), 12)
    inferred = np.zeros(12, bool)
    inferred[5:7] = True
    picks = segments_along(trace(points, inferred=inferred), 69.0, grid)
    x = picks.positions_angstrom_xyz[:, 0]
    np.testing.assert_array_equal((picks.flags & PickFlag.INFERRED) > 0, (x > 487) & (x < 703))
    np.testing.assert_array_equal((picks.flags & PickFlag.EDGE) > 0, (x < 90) | (x > 1100))


def test_the_mask_of_a_filament_is_a_tube():
    grid = Grid(shape_zyx=(40, 40, 100), voxel_size_angstrom=10.0)
    mask = instance_mask((trace(straight((200, 200, 200), (800, 200, 200))),), grid)
    assert set(np.unique(mask)) == {0, 7}
    tube = np.pi * 9.0**2 * 60 + 4 / 3 * np.pi * 9.0**3
    assert (mask == 7).sum() == pytest.approx(tube, rel=0.03)


@pytest.mark.parametrize(
    "wrong", [{"segment_radii": 0.0}, {"amplitude": float("nan")}, {"segment_spacing_angstrom": -1.0}]
)
def test_parameters_that_trace_nothing_are_refused(wrong):
    with pytest.raises(ParameterError, match="filaments"):
        FilamentParams(**wrong)
