"""Tasks, splits that keep groups together, submissions and what is said about bad ones, ranks."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tomoset.benchmark import PickRows, score
from tomoset.benchmark.ranking import rank_scores
from tomoset.benchmark.splits import SPLITS, Splits, TomogramOrigin, check_splits, make_splits
from tomoset.benchmark.submission import TomogramExtent, check_submission, require_valid
from tomoset.benchmark.tasks import LEVELS, TASKS, find_task
from tomoset.errors import ParameterError
from tomoset.model import Labels, PickableObject, Picks

APO = PickableObject(name="apoferritin", label=1, radius_angstrom=60.0)
EXTENT = TomogramExtent(size_angstrom_xyz=(6000.0, 6000.0, 1800.0), voxel_size_angstrom=10.0)


def test_tasks_have_names_of_their_own_and_levels_grow():
    assert len({task.name for task in TASKS}) == len(TASKS)
    assert [level.number for level in LEVELS] == [1, 2, 3, 4, 5]
    assert not [task for task in TASKS if task.kind == "membrane" and task.level.number == 1]
    assert find_task("level2-membrane-simulated").main_metric == "surface_dice"
    with pytest.raises(ParameterError, match="level1-localisation-simulated"):
        find_task("level9")


origins = st.lists(
    st.tuples(st.integers(0, 30), st.integers(0, 40), st.sampled_from(["", "a", "b", "c", "d", "e"])),
    min_size=12,
    max_size=60,
).map(
    lambda rows: [
        TomogramOrigin(run=f"TS-{i:03d}", simulation_seed=seed, specimen=f"s{specimen}", session=session)
        for i, (seed, specimen, session) in enumerate(rows)
    ]
)


@given(origins, st.integers(0, 5))
@settings(max_examples=60, deadline=None)
def test_no_specimen_session_or_seed_lies_in_two_splits(made, seed):
    try:
        splits = make_splits(made, seed=seed)
    except ParameterError as error:
        assert "independent groups" in str(error)  # noqa: PT017
        return
    assert check_splits(splits, made) == []
    assert sum(len(splits.runs(name)) for name in SPLITS) == len(made)
    assert all(splits.runs(name) for name in SPLITS)
    again = make_splits(list(reversed(made)), seed=seed)
    assert again.of_run == splits.of_run
    assert again.digest == splits.digest


def test_shares_are_kept_where_groups_allow_it():
    made = [TomogramOrigin(run=f"TS-{i:03d}", simulation_seed=i) for i in range(100)]
    splits = make_splits(made)
    assert [len(splits.runs(name)) for name in SPLITS] == [60, 10, 10, 20]
    assert make_splits(made, seed=1).of_run != splits.of_run
    halves = make_splits(made, shares={"train": 1.0, "private-test": 1.0})
    assert [len(halves.runs(name)) for name in SPLITS] == [50, 0, 0, 50]


def test_splits_that_divide_a_cell_are_named():
    made = [TomogramOrigin(run=f"TS-{i}", session="grid1", specimen="cell") for i in range(2)]
    split = Splits(of_run={"TS-0": "train", "TS-1": "private-test", "TS-9": "train"})
    problems = check_splits(split, [*made, TomogramOrigin(run="TS-2", simulation_seed=4)])
    assert len(problems) == 4
    assert any("specimen cell" in problem for problem in problems)
    assert any("TS-2" in problem for problem in problems)
    with pytest.raises(ParameterError, match="found neither"):
        TomogramOrigin(run="TS-1", specimen="cell")
    with pytest.raises(ParameterError, match="TS-0 twice"):
        make_splits([made[0], made[0]])
    with pytest.raises(ParameterError, match="numbers of 0 or more"):
        make_splits(made, shares={"train": -1.0})


def table(points, run="TS-1", name="apoferritin", scores=None):
    n = len(points)
    return PickRows(
        experiments=[run] * n, particle_types=[name] * n, positions_angstrom_xyz=points, scores=scores
    )  # fmt: skip


def places(seed=0, n=40, size=EXTENT.size_angstrom_xyz):
    return np.random.default_rng(seed).uniform(0, size, (n, 3))


def problems_of(rows):
    return check_submission(rows, [APO], {"TS-1": EXTENT, "TS-2": None})


def test_a_good_submission_has_no_problem():
    assert problems_of(table(places())) == []
    assert problems_of(table(places(), run="TS-2")) == []
    require_valid("good.csv", [])


@pytest.mark.parametrize(
    ("points", "says"),
    [
        (places() / 10, "look like voxels or nanometres: multiply by 10 Å"),
        (places() - np.array(EXTENT.size_angstrom_xyz) / 2, "from the tomogram's centre"),
        (places()[:, ::-1], "look like z, y, x"),
        (places() * 3, "outside"),
        (np.vstack([places(), [[np.nan, 0, 0]]]), "NaN or infinity in line 42"),
        (np.vstack([places(), places()[3:4]]), "again in line 42"),
    ],
)
def test_mistakes_are_named_with_what_they_look_like(points, says):
    (problem,) = problems_of(table(points))
    assert says in problem


def test_voxels_of_other_sizes_and_nanometres_are_told_apart():
    fine = TomogramExtent(size_angstrom_xyz=(6000.0, 6000.0, 1800.0), voxel_size_angstrom=4.0)
    (voxels,) = check_submission(table(places() / 4), [APO], {"TS-1": fine})
    assert "multiply by 4 Å" in voxels
    coarse = replace(fine, voxel_size_angstrom=13.5)
    (nanometres,) = check_submission(table(places() / 10), [APO], {"TS-1": coarse})
    assert "nanometres: multiply by 10" in nanometres


def test_all_problems_are_told_at_once():
    rows = PickRows(
        experiments=["TS-1", "TS-7", "TS-1"],
        particle_types=["apoferritin", "apoferritin", "unicorn"],
        positions_angstrom_xyz=places(n=3),
        scores=[1.0, np.nan, 2.0],
    )
    problems = problems_of(rows)
    assert len(problems) == 3
    with pytest.raises(ParameterError) as error:
        require_valid("bad.csv", problems)
    for word in ("bad.csv", "TS-7", "unicorn", "line 3"):
        assert word in str(error.value)


def scored(recall, seed, n_runs=10):
    truth, found = [], []
    for i in range(n_runs):
        points = np.array([[200.0 * k, 0, 0] for k in range(40)])
        kept = np.random.default_rng(100 * seed + i).random(40) < recall
        for into, chosen in ((truth, points), (found, points[kept])):
            picks = (Picks(object_name=APO.name, positions_angstrom_xyz=chosen),)
            into.append(Labels(run=f"TS-{i}", user="me", session="0", voxel_size_angstrom=10.0, picks=picks))
    return score(found, truth, [APO])


def test_methods_that_cannot_be_told_apart_share_a_rank():
    lines = rank_scores([("bad", scored(0.5, 3)), ("twin", scored(0.9, 1)), ("good", scored(0.9, 2))])
    assert {line.method: line.rank for line in lines} == {"good": 1, "twin": 1, "bad": 3}
    assert [line.value for line in lines] == sorted([line.value for line in lines], reverse=True)
    assert lines[0].against["bad"].difference > 0
    few = rank_scores([("bad", scored(0.5, 3, 3)), ("good", scored(0.9, 2, 3))])
    assert {line.rank for line in few} == {1}
    with pytest.raises(ParameterError, match="several of good"):
        rank_scores([("good", scored(0.9, 1)), ("good", scored(0.8, 1))])
