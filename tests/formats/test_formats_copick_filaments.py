"""copick's filaments: its points follow our spline, our control points come back, and edits by others count."""

import dataclasses
import json

import numpy as np
import pytest

from tomoset.errors import FormatError, ParameterError
from tomoset.formats.copick_filaments import read_filaments, write_filaments
from tomoset.model import FilamentTrace

WHO = {"run": "TS_1", "user": "me", "session": "1", "voxel_size_angstrom": 10.0}


def arc(n: int = 6) -> FilamentTrace:
    turn = np.linspace(0, np.pi / 2, n)
    points = 1000.0 * np.stack([np.cos(turn), np.sin(turn), 0.3 * turn], axis=1) + 0.123456789
    return FilamentTrace(
        object_name="tmv",
        instance_id=3,
        points_angstrom_xyz=points,
        radius_angstrom=90.0,
        polarity=-1,
        rise_angstrom=1.408,
        ends=("end", "unknown"),
        scores=np.arange(n) * 0.5,
        inferred=np.arange(n) == 2,
    )


def test_points_are_dense_and_follow_the_curve(tmp_path):
    path = write_filaments(tmp_path / "a.json", [arc()], **WHO)
    (stored,) = json.loads(path.read_text())["filaments"]
    points = np.array(stored["points"]) - 0.123456789
    assert np.linalg.norm(np.diff(points, axis=0), axis=1).max() <= 10.5
    assert np.abs(np.hypot(points[:, 0], points[:, 1]) - 1000.0).max() < 1.0
    assert (stored["radius"], stored["score"], stored["polarity_known"]) == (90.0, 1.25, False)


@pytest.mark.parametrize("n", [2, 3, 4, 9])
def test_everything_comes_back(tmp_path, n):
    (back,), *who, voxel = read_filaments(write_filaments(tmp_path / "a.json", [arc(n)], **WHO))
    assert (*who, voxel) == ("TS_1", "me", "1", 10.0)
    for item in dataclasses.fields(back):
        np.testing.assert_array_equal(getattr(back, item.name), getattr(arc(n), item.name), err_msg=item.name)


def test_points_that_another_program_moved_count(tmp_path):
    path = write_filaments(tmp_path / "a.json", [arc()], **WHO)
    document = json.loads(path.read_text())
    document["filaments"][0]["points"] = [[0, 0, 0], [10, 0, 0], [20, 5, 0]]
    document["filaments"][0]["polarity_known"] = True
    path.write_text(json.dumps(document))
    (back,), *_ = read_filaments(path)
    assert back.points_angstrom_xyz.tolist() == [[0, 0, 0], [10, 0, 0], [20, 5, 0]]
    assert (back.polarity, back.radius_angstrom, back.scores) == (1, 90.0, None)


def test_what_is_no_filament_is_told(tmp_path):
    with pytest.raises(ParameterError, match="one class, found tmv, dna"):
        write_filaments(tmp_path / "a.json", [arc(), dataclasses.replace(arc(), object_name="dna")], **WHO)
    nan = dataclasses.replace(arc(2), points_angstrom_xyz=np.full((2, 3), np.nan))
    with pytest.raises(ParameterError, match="finite points"):
        write_filaments(tmp_path / "a.json", [nan], **WHO)
    for text, message in (
        ('{"points": []}', "copick's filaments"),
        ('{"filaments": [{"points": [[1, 2, 3]]}], "pickable_object_name": "x"}', "field 'instance_id'"),
        ('{"filaments": [{"points": [[1, 2, 3]], "instance_id": 1}], "pickable_object_name": "x"}', "two points"),
    ):
        (tmp_path / "b.json").write_text(text)
        with pytest.raises(FormatError, match=message):
            read_filaments(tmp_path / "b.json")
