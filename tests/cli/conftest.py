"""Run the command line inside the test process."""

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tomoset.cli.app import main
from tomoset.formats.mdoc import write_mdoc
from tomoset.formats.movies import write_gain, write_tiff_movie
from tomoset.formats.serialem_export import movie_set_mdoc
from tomoset.model import InMemory, Movie, MovieSet

PIXEL = 4.0


@pytest.fixture
def tomoset(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    """``tomoset("init", …) -> (exit code, standard output, standard error as one line)``."""

    def run(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["tomoset", *(str(a) for a in arguments)])
        code = 0
        try:
            main()
        except SystemExit as leave:
            code = int(leave.code or 0)
        captured = capsys.readouterr()
        return code, captured.out, " ".join(captured.err.split())

    return run


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    """Three tiny movies with their mdoc and gain."""
    folder = tmp_path / "raw"
    folder.mkdir()
    rng = np.random.default_rng(1)
    movies = []
    for order, tilt in enumerate((0.0, 3.0, -3.0)):
        frames = rng.poisson(5, (3, 32, 48)).astype(np.uint8)
        name = f"m_{order}.tif"
        write_tiff_movie(folder / name, frames, PIXEL)
        movies.append(
            Movie(
                name=name,
                frames_tyx=InMemory(frames),
                nominal_tilt_deg=tilt,
                acquisition_order=order,
                dose_e_per_angstrom2=3.0,
                dose_before_e_per_angstrom2=3.0 * order,
                nominal_defocus_angstrom=35000.0,
                acquired_at=f"2025-01-01T00:0{order}:00",
            )
        )
    series = MovieSet(
        run="TS1", movies=tuple(movies), pixel_size_angstrom=PIXEL, gain_yx=None, nominal_tilt_axis_deg=85.3
    )
    write_mdoc(folder / "TS1.mdoc", movie_set_mdoc(series))
    write_gain(folder / "gain.mrc", np.ones((32, 48), dtype=np.float32), PIXEL)
    return folder
