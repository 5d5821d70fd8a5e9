"""Plots of the processing are drawn whatever is missing from a series."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tomoset.ctf import CtfParams
from tomoset.errors import ParameterError
from tomoset.model import CtfEstimate, InMemory, Tilt, TiltSeries
from tomoset.report.processing_plots import draw_ctf, draw_curation

ESTIMATE = CtfEstimate(
    defocus_u_angstrom=35000.0,
    defocus_v_angstrom=34000.0,
    astigmatism_deg=0.0,
    score=0.5,
    resolution_angstrom=12.0,
)


@pytest.fixture(scope="module")
def series() -> TiltSeries:
    counts = np.random.default_rng(0).poisson(50.0, (5, 512, 512)).astype(np.float32)
    counts[2] = 0.0  # the view at 0° is empty and has no estimate
    tilts = tuple(
        Tilt(
            name=f"tilt{i}",
            nominal_tilt_deg=10.0 * i - 20,
            acquisition_order=i,
            dose_e_per_angstrom2=3.0,
            dose_before_e_per_angstrom2=3.0 * i,
            mean_counts=float(counts[i].mean()),
            use=i != 2,
            reason="dark" if i == 2 else "",
            ctf=None if i == 2 else replace(ESTIMATE, defocus_error_angstrom=None if i else 100.0),
            masked_fraction=None if i == 4 else 0.1,
        )
        for i in range(5)
    )
    return TiltSeries(run="TS1", pixel_size_angstrom=5.0, tilts=tilts, images_nyx=InMemory(counts))


def test_a_series_whose_untilted_view_is_empty_is_drawn(series: TiltSeries, tmp_path: Path) -> None:
    draw_ctf(tmp_path / "ctf.png", series, CtfParams(), None)
    draw_curation(tmp_path / "curation.png", series)
    for name in ("ctf.png", "curation.png"):
        assert np.asarray(Image.open(tmp_path / name).convert("L")).std() > 5


def test_tilts_that_are_not_used_are_crossed_in_red(series: TiltSeries, tmp_path: Path) -> None:
    def red(rows: TiltSeries) -> int:
        draw_curation(tmp_path / "a.png", rows)
        r, g, b = np.asarray(Image.open(tmp_path / "a.png").convert("RGB"), dtype=int).transpose(2, 0, 1)
        return int(((r > 200) & (g < 80) & (b < 80)).sum())

    one = red(series)
    assert red(series.with_tilts(replace(tilt, use=False) for tilt in series.tilts)) > 2 * one > 0


def test_nothing_measured_is_drawn_or_refused(series: TiltSeries, tmp_path: Path) -> None:
    bare = series.with_tilts(replace(t, ctf=None, masked_fraction=None, mean_counts=0.0) for t in series.tilts)
    draw_curation(tmp_path / "curation.png", bare)
    with pytest.raises(ParameterError, match="no CTF estimate"):
        draw_ctf(tmp_path / "ctf.png", bare, CtfParams(), None)
