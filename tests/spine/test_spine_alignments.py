"""An alignment that leaves a project in another program's files comes into the next one as it was."""

import json

import numpy as np
import pytest
from spine_process import process

from tomoset.workflow.alignment_import import imported_alignment_text
from tomoset.workflow.layout import ProjectLayout
from tomoset.workflow.plan import make_plan
from tomoset.workflow.project import AlignmentSource, MovieOptions, create_imported_project, open_project
from tomoset.workflow.releasing import methods_section
from tomoset.workflow.series_files import load_series
from tomoset.workflow.tomogram_files import load_tomogram

BEADS = np.random.default_rng(0).uniform(-900, 900, (20, 3)) * [1.0, 1.0, 0.4]


@pytest.fixture(scope="module")
def imported(tiny_project: ProjectLayout, tmp_path_factory: pytest.TempPathFactory) -> ProjectLayout:
    """The same movies with the alignment that the first project wrote for IMOD."""
    raw = tiny_project.raw_run("TS001")
    layout, notes = create_imported_project(
        tmp_path_factory.mktemp("imported") / "again",
        str(raw / "*.mdoc"),
        MovieOptions(gain=raw / "gain.mrc"),
        recipe_name="tiny",
        alignments=AlignmentSource(pattern=str(tiny_project.root / "TiltSeries" / "TS001" / "*.xf")),
    )
    assert [note for note in notes if "alignment" in note] == [
        "TS001: alignment: shifts in .xf files are taken for pixels of 6 Å, the movies'"
    ]
    process(layout.root, until="tomogram")
    return layout


def test_exported_imported_reconstructed(tiny_project: ProjectLayout, imported: ProjectLayout) -> None:
    ours = load_series(tiny_project.series("TS001"), "series.json")
    theirs = load_series(imported.series("TS001"), "series.json")
    assert [t.use for t in theirs.tilts] == [t.use for t in ours.tilts]
    assert ours.geometry is not None
    assert theirs.geometry is not None
    moved = (theirs.geometry.project(BEADS) - ours.geometry.project(BEADS))[ours.used]
    assert np.abs(moved).max() < 1e-3 * ours.pixel_size_angstrom
    assert (theirs.diagnostics or {})["alignment.imported"] == 1.0
    a, b = (load_tomogram(project, "TS001", 12.0).volume_zyx.read() for project in (tiny_project, imported))
    # Not bit by bit: shifts are rounded in the file, and so are places between pixels when views are read.
    assert np.sqrt(np.mean((a - b) ** 2)) < 0.01 * a.std()
    record = json.loads(imported.record("align", "TS001").read_text())
    assert record["inputs"]["alignment TS001.xf"].startswith("sha256:")
    assert record["inputs"]["alignment from"].endswith("TiltSeries/TS001/TS001.xf")


def test_the_methods_say_who_aligned(tiny_project: ProjectLayout, imported: ProjectLayout) -> None:
    _, recipe = open_project(imported.root)
    said = methods_section(recipe, imported_alignment_text(imported, ("TS001",)))
    assert "aligned with other software and their alignments imported (.xf files)" in said
    assert "without fiducial markers" not in said
    assert not imported_alignment_text(tiny_project, ("TS001",))


def test_a_replaced_file_is_noticed(imported: ProjectLayout) -> None:
    layout, recipe = open_project(imported.root)
    assert not [p for p in make_plan(layout, recipe, until="tomogram") if p.state == "to do"]
    before = load_series(layout.series("TS001"), "series.json").geometry
    angles = layout.alignment("TS001") / "TS001.tlt"
    np.savetxt(angles, np.loadtxt(angles) + 1.0, fmt="%.4f")
    todo = [p.step.name for p in make_plan(layout, recipe, until="tomogram") if p.state == "to do"]
    assert todo == ["align", "reconstruct"]
    process(layout.root, until="tiltseries")
    after = load_series(layout.series("TS001"), "series.json").geometry
    assert before is not None
    assert after is not None
    np.testing.assert_allclose(after.y_tilt_deg - before.y_tilt_deg, 1.0, atol=1e-3)
