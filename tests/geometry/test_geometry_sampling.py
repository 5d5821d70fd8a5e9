"""Samples of SO(3): no hole larger than the step, no crowding, and one of each set of equivalents."""

import numpy as np
import pytest

from tomoset.errors import ParameterError
from tomoset.geometry import (
    check_rotations,
    point_group,
    quaternions_from_matrices,
    random_rotations,
    sample_rotations,
)

CASES = [("C1", 30.0), ("C1", 15.0), ("C3", 15.0), ("D2", 15.0), ("D7", 10.0), ("T", 15.0), ("O", 7.5), ("I", 7.5)]


def distances_deg(group, quaternions, samples):
    """Symmetry-aware angles (m, n) between poses and samples."""
    overlap = np.zeros((len(quaternions), len(samples)))
    for element in group.rotations:
        np.maximum(overlap, np.abs(quaternions @ quaternions_from_matrices(samples @ element).T), out=overlap)
    return np.rad2deg(2 * np.arccos(np.clip(overlap, 0, 1)))


@pytest.mark.parametrize(("name", "step"), CASES)
def test_the_number_is_the_volume_over_the_cube_of_the_step(name, step):
    group = point_group(name)
    samples = sample_rotations(step, group)
    check_rotations(samples)
    assert len(samples) == pytest.approx(8 * np.pi**2 / np.deg2rad(step) ** 3 / group.order, rel=0.03, abs=1)


@pytest.mark.parametrize(("name", "step"), CASES)
def test_no_pose_is_farther_from_a_sample_than_the_step(name, step):
    group = point_group(name)
    samples = sample_rotations(step, group)
    poses = quaternions_from_matrices(random_rotations(800, np.random.default_rng(2)))
    nearest = distances_deg(group, poses, samples).min(axis=1)
    # a cubic lattice of this density has 0.87 steps at worst and 0.48 on average
    assert nearest.max() < 1.1 * step
    assert nearest.mean() < 0.53 * step


@pytest.mark.parametrize(("name", "step"), [case for case in CASES if case != ("C1", 15.0)])
def test_no_sample_is_lonely_and_most_are_a_step_apart(name, step):
    group = point_group(name)
    samples = sample_rotations(step, group)
    distance = distances_deg(group, quaternions_from_matrices(samples), samples)
    np.fill_diagonal(distance, np.inf)
    nearest = distance.min(axis=1)
    assert nearest.max() < 1.1 * step
    assert np.median(nearest) > 0.65 * step
    assert nearest.min() > 0.05 * step  # no two samples are equivalents of one another


def test_finer_steps_resolve_more():
    group = point_group("D7")
    counts = [len(sample_rotations(step, group)) for step in (30.0, 15.0, 7.5)]
    assert counts[0] < counts[1] < counts[2]
    assert counts[2] / counts[1] == pytest.approx(8, rel=0.05)


def test_every_group_has_at_least_one_sample():
    for name in ("C1", "C60", "D30", "I"):
        assert len(sample_rotations(90.0, point_group(name))) >= 1


@pytest.mark.parametrize("step", [0.0, 0.99, 91.0, -5.0, np.nan])
def test_steps_out_of_range_are_refused(step):
    with pytest.raises(ParameterError, match="between 1° and 90°"):
        sample_rotations(step, point_group("C1"))
