"""IMOD's tracks: residual files."""

from pathlib import Path

import numpy as np
import pytest

from tomoset.errors import FormatError, InputMissingError
from tomoset.formats.imod_tracks import read_residuals


def test_markers_are_told_apart_by_views_that_begin_again(tmp_path: Path) -> None:
    file = tmp_path / "a.resid"
    file.write_text("   4 residuals\n 1.5 2.5 0 0.1 0.2\n 3.0 4.0 2 0.3 0.4\n 5.0 6.0 0 0 0\n 7.0 8.0 1 0 0\n")
    positions, residual = read_residuals(file, 3)
    assert positions.shape == (2, 3, 2)
    np.testing.assert_array_equal(positions[0], [[1.5, 2.5], [np.nan, np.nan], [3.0, 4.0]])
    np.testing.assert_array_equal(residual[0, 2], [0.3, 0.4])
    np.testing.assert_array_equal(positions[1, 1], [7.0, 8.0])


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("2 residuals\n1 2 0 0 0\n", "2 rows of five numbers"),
        ("1 residuals\n1 2 7 0 0\n", "views from 0 to 2"),
        ("1 residuals\n1 2 0 0 x\n", "x y view dx dy"),
    ],
)
def test_what_is_not_a_residual_file_is_refused(tmp_path: Path, text: str, match: str) -> None:
    file = tmp_path / "a.resid"
    file.write_text(text)
    with pytest.raises(FormatError, match=match):
        read_residuals(file, 3)
    with pytest.raises(InputMissingError):
        read_residuals(tmp_path / "absent.resid", 3)


def test_real_residuals(shared_data: Path) -> None:
    positions, residual = read_residuals(shared_data / "imod" / "BB" / "BBa.resid", 61)
    assert positions.shape == (23, 61, 2)
    assert np.isfinite(positions).all()
    assert np.isclose(np.linalg.norm(residual, axis=-1).mean(), 0.3129, atol=1e-4)
