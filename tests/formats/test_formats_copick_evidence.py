"""What copick has no place for comes back from its files all the same."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tomoset.errors import FormatError, ParameterError
from tomoset.formats import copick
from tomoset.geometry import random_rotations
from tomoset.model import Picks

WHO = {"user": "tomoset", "session": "0", "voxel_size_angstrom": 10.0}
ARRAYS = (
    "positions_angstrom_xyz",
    "rotations",
    "scores",
    "margins",
    "rivals",
    "posterior",
    "false_discovery_rates",
    "instance_ids",
    "orientation_known",
    "flags",
)


def full_picks(n: int, seed: int = 0) -> Picks:
    rng = np.random.default_rng(seed)
    margins = rng.standard_normal(n)
    margins[::3] = np.nan  # no rival, no margin
    return Picks(
        object_name="vlp",
        positions_angstrom_xyz=rng.uniform(-10, 6000, (n, 3)),
        rotations=random_rotations(n, rng),
        scores=rng.standard_normal(n),
        score_kind="log-likelihood ratio",
        margins=margins,
        rivals=np.array(["", "apo", "ribosome"])[rng.integers(0, 3, n)],
        posterior_classes=("vlp", "apo"),
        posterior=rng.uniform(0, 0.5, (n, 2)),
        false_discovery_rates=rng.uniform(0, 1, n),
        instance_ids=rng.integers(0, 9, n),
        orientation_known=rng.integers(0, 2, n).astype(bool),
        flags=rng.integers(0, 16, n).astype(np.uint32),
    )


@given(n=st.integers(0, 7), seed=st.integers(0, 99), left_out=st.sets(st.sampled_from(ARRAYS[1:])))
def test_every_field_comes_back_bit_for_bit(tmp_path_factory, n, seed, left_out):
    import dataclasses

    without = dict.fromkeys(left_out)
    if "posterior" in left_out:
        without["posterior_classes"] = ()
    picks = dataclasses.replace(full_picks(n, seed), **without)
    path = copick.write_picks(tmp_path_factory.mktemp("p"), "TS1", picks, **WHO)
    back = copick.read_picks(path).picks
    assert (back.object_name, back.score_kind) == (picks.object_name, picks.score_kind)
    assert back.posterior_classes == picks.posterior_classes
    for name in ARRAYS:
        wanted, found = getattr(picks, name), getattr(back, name)
        if wanted is None:
            assert found is None, name
        else:
            assert found.dtype.kind == wanted.dtype.kind
            np.testing.assert_array_equal(found, wanted, err_msg=name)


def test_identities_that_we_wrote_are_poses(tmp_path):
    poses = Picks(object_name="x", positions_angstrom_xyz=np.ones((3, 3)), rotations=np.tile(np.eye(3), (3, 1, 1)))
    path = copick.write_picks(tmp_path, "r", poses, **WHO)
    assert copick.read_picks(path).picks.rotations is not None


def test_keys_of_other_programs_are_not_taken_for_ours(tmp_path):
    point = {"location": {"x": 1, "y": 2, "z": 3}, "flags": "blue", "rival": 7, "score": 0.5}
    (tmp_path / "p.json").write_text(json.dumps({"pickable_object_name": "x", "points": [point]}))
    back = copick.read_picks(tmp_path / "p.json").picks
    assert back.flags is None
    assert back.rivals is None
    assert back.scores.tolist() == [0.5]


def test_infinite_evidence_is_refused(tmp_path):
    picks = Picks(object_name="x", positions_angstrom_xyz=np.ones((1, 3)), false_discovery_rates=np.array([np.inf]))
    with pytest.raises(ParameterError, match="finite false"):
        copick.write_picks(tmp_path, "r", picks, **WHO)
    assert list(tmp_path.iterdir()) == []


def test_a_posterior_of_the_wrong_width_is_told(tmp_path):
    path = copick.write_picks(tmp_path, "r", full_picks(2), **WHO)
    document = json.loads(path.read_text())
    document["points"][0]["posterior"] = [0.1]
    path.write_text(json.dumps(document))
    with pytest.raises(FormatError, match="posterior"):
        copick.read_picks(path)
