"""Labels hold together: lengths agree, selections keep every column, meshes and curves are whole."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tomoset.errors import GeometryError
from tomoset.model import FilamentTrace, MembraneSurface, PickFlag, Picks


def full_picks(n: int) -> Picks:
    rng = np.random.default_rng(n)
    return Picks(
        object_name="apoferritin",
        positions_angstrom_xyz=rng.normal(size=(n, 3)),
        rotations=np.tile(np.eye(3), (n, 1, 1)),
        scores=np.arange(n),
        score_kind="probability",
        margins=np.arange(n) + 0.5,
        rivals=np.array([f"class-{i}" for i in range(n)], dtype=np.str_),
        posterior_classes=("apoferritin", "proteasome"),
        posterior=rng.uniform(size=(n, 2)) / 2,
        false_discovery_rates=np.linspace(0, 1, n),
        instance_ids=np.arange(n),
        orientation_known=np.arange(n) % 2 == 0,
        flags=np.full(n, PickFlag.EDGE | PickFlag.INFERRED),
    )


@given(st.integers(0, 6), st.data())
def test_select_takes_the_same_rows_of_every_column(n: int, data: st.DataObject) -> None:
    picks = full_picks(n)
    rows = data.draw(st.lists(st.integers(0, n - 1), max_size=8)) if n else []
    chosen = picks.select(np.array(rows, dtype=np.intp))
    assert len(chosen) == len(rows)
    for name in ("rotations", "scores", "margins", "rivals", "posterior", "false_discovery_rates", "instance_ids"):
        assert np.array_equal(getattr(chosen, name), getattr(picks, name)[rows])
    assert np.array_equal(chosen.flags, picks.flags[rows])
    assert np.array_equal(chosen.orientation_known, picks.orientation_known[rows])
    assert chosen.score_kind == "probability"
    assert chosen.posterior_classes == picks.posterior_classes


@pytest.mark.parametrize("column", ["scores", "rivals", "instance_ids", "flags"])
def test_columns_of_another_length_are_refused(column: str) -> None:
    with pytest.raises(GeometryError, match=f"2 positions but 3 {column}"):
        Picks(object_name="a", positions_angstrom_xyz=np.zeros((2, 3)), **{column: np.zeros(3, dtype=int)})


def test_a_posterior_needs_its_classes() -> None:
    with pytest.raises(GeometryError, match="together with its classes"):
        Picks(object_name="a", positions_angstrom_xyz=np.zeros((1, 3)), posterior=np.ones((1, 1)))
    with pytest.raises(GeometryError, match="posterior"):
        Picks(
            object_name="a",
            positions_angstrom_xyz=np.zeros((1, 3)),
            posterior=np.ones((1, 3)),
            posterior_classes=("a", "b"),
        )


def test_a_filament_has_a_length() -> None:
    trace = FilamentTrace(
        object_name="tmv", instance_id=1, points_angstrom_xyz=np.array([[0, 0, 0], [30, 40, 0]]), radius_angstrom=90.0
    )
    assert trace.length_angstrom == pytest.approx(50.0)
    with pytest.raises(GeometryError, match="at least two points"):
        FilamentTrace(object_name="tmv", instance_id=1, points_angstrom_xyz=np.zeros((1, 3)), radius_angstrom=90.0)


def test_a_membrane_names_only_its_own_vertices() -> None:
    with pytest.raises(GeometryError, match="vertices 0 to 2"):
        MembraneSurface(
            object_name="liposome",
            instance_id=1,
            vertices_angstrom_xyz=np.zeros((3, 3)),
            faces=np.array([[0, 1, 3]]),
            normals=np.tile([0.0, 0.0, 1.0], (3, 1)),
        )
