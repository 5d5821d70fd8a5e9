"""``tomoset init --alignments``: what the user sees when alignments come in, and when they do not fit."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tomoset.formats.aretomo import aretomo_from_geometry, write_aln
from tomoset.formats.imod import imod_from_geometry, write_tlt, write_xf
from tomoset.geometry import TiltGeometry

Run = Callable[..., tuple[int, str, str]]
GEOMETRY = TiltGeometry(
    y_tilt_deg=[-3.0, 0.0, 3.0], z_rot_deg=[85.0] * 3, shift_xy_angstrom=[[4.0, 8.0], [0.0, 0.0], [-4.0, 2.0]]
)


@pytest.fixture
def bring(tomoset: Run, raw: Path) -> Callable[..., tuple[int, str]]:
    def run(*options: object) -> tuple[int, str]:
        project = raw.parent / "project"
        code, out, error = tomoset("init", project, "--movies", raw / "*.mdoc", *options)
        assert "Traceback" not in error
        assert code == 0 or not project.exists()
        return code, error or out

    return run


def test_an_alignment_is_kept_with_its_hash(bring: Callable[..., tuple[int, str]], raw: Path) -> None:
    folder = raw.parent / "imod"
    folder.mkdir()
    imod = imod_from_geometry(GEOMETRY, 4.0, image_shape_yx=(32, 48))
    write_xf(folder / "TS1.xf", imod.xf[[1, 2, 0]])  # the stack is in the order of acquisition
    write_tlt(folder / "TS1.tlt", imod.tilt_deg[[1, 2, 0]])
    code, out = bring("--alignments", folder)
    assert code == 0
    assert "note: TS1: alignment: rows are in the order of acquisition" in out
    assert "shifts in .xf files are taken for pixels of 4 Å" in out
    kept = raw.parent / "project" / "Alignments" / "TS1"
    document = json.loads((kept / "source.json").read_text())
    assert document["file"] == "TS1.xf"
    assert document["pixel_size_angstrom"] == 4.0
    assert (kept / document["from"]).resolve() == (folder / "TS1.xf").resolve()
    assert sorted(document["sha256"]) == ["TS1.tlt", "TS1.xf"]
    assert (kept / "TS1.tlt").read_bytes() == (folder / "TS1.tlt").read_bytes()


def test_what_does_not_fit_is_said_in_one_paragraph(bring: Callable[..., tuple[int, str]], raw: Path) -> None:
    folder = raw.parent / "aretomo"
    folder.mkdir()
    code, said = bring("--alignments", folder)
    assert code == 2
    assert "none for TS1" in said
    binned = aretomo_from_geometry(GEOMETRY, 8.0, image_shape_yx=(16, 24))
    write_aln(folder / "TS1.aln", binned)
    code, said = bring("--alignments", folder)
    assert code == 2
    assert "expected images of 192 × 128 Å" in said
    assert "--alignment-pixel-size, 2 times" in said
    code, _ = bring("--alignments", folder, "--alignment-pixel-size", 8.0)
    assert code == 0


def test_another_number_of_tilts_is_refused(bring: Callable[..., tuple[int, str]], raw: Path) -> None:
    write_aln(raw / "TS1.aln", aretomo_from_geometry(GEOMETRY.select([0, 1]), 4.0, image_shape_yx=(32, 48)))
    code, said = bring("--alignments", raw / "TS1.aln")
    assert code == 2
    assert "expected a row for each of 3 tilts, found 2" in said


def test_options_that_need_another(bring: Callable[..., tuple[int, str]], tomoset: Run, tmp_path: Path) -> None:
    code, said = bring("--alignment-pixel-size", 4.0)
    assert (code, "found no --alignments" in said) == (2, True)
    code, _, said = tomoset("init", tmp_path / "p", "--recipe", "tiny", "--alignments", tmp_path)
    assert (code, "--alignments together with --movies" in said) == (2, True)
    code, said = bring("--alignments", np.pi, "--alignment-pixel-size", -1)
    assert (code, "positive number" in said) == (2, True)
