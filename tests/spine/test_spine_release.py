"""A release of the tiny project: every layout reads back, the truth is not in it, and it scores as the project does."""

import re
from pathlib import Path

import numpy as np
import pytest

from tomoset.errors import OutputError, ParameterError
from tomoset.formats.aretomo import geometry_from_aretomo, read_aln
from tomoset.formats.copick import list_picks, read_picks
from tomoset.formats.ctffind import read_ctffind
from tomoset.formats.imod import geometry_from_imod, read_tlt, read_xf
from tomoset.formats.mrc import read_volume
from tomoset.formats.portal_alignment import read_portal_alignment
from tomoset.formats.relion_particles import read_particles_star
from tomoset.formats.relion_series import read_series_star
from tomoset.formats.warp_xml import read_warp_xml
from tomoset.model import Release
from tomoset.release import FORMATS, verify_manifest
from tomoset.report import write_report
from tomoset.workflow.layout import ProjectLayout
from tomoset.workflow.releasing import release_project
from tomoset.workflow.scoring import score_and_save, score_document, score_project
from tomoset.workflow.series_files import load_series
from tomoset.workflow.tomogram_files import load_tomogram

RUN, VOXEL, PIXEL = "TS001", 12.0, 6.0


@pytest.fixture(scope="module")
def released(tiny_project: ProjectLayout, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Release]:
    out = tmp_path_factory.mktemp("release") / "out"
    return out, release_project(tiny_project.root, out, FORMATS)


def test_the_manifest_holds(released: tuple[Path, Release]) -> None:
    out, release = released
    assert verify_manifest(out) == []
    assert {item.path for item in release.files} >= {"README.md", "dataset.json", "mrc/TS001/TS001_tomogram.mrc"}


def test_nothing_of_the_truth_is_released(tiny_project: ProjectLayout, released: tuple[Path, Release]) -> None:
    out, _ = released
    # Zarr's own ".zgroup" and the like say nothing of a volume's content, and are the same everywhere.
    hidden = [path for path in tiny_project.truth(RUN).rglob("*") if path.is_file() and not path.name.startswith(".z")]
    truth = {path.read_bytes() for path in hidden}
    assert len(truth) > 10
    for path in out.rglob("*"):
        assert not re.search("truth", path.name, re.IGNORECASE)
        if path.is_file():
            assert path.read_bytes() not in truth


def test_volume_and_picks_are_the_projects(tiny_project: ProjectLayout, released: tuple[Path, Release]) -> None:
    out, _ = released
    ours = load_tomogram(tiny_project, RUN, VOXEL).volume_zyx.read()
    volume, voxel = read_volume(out / "mrc" / RUN / f"{RUN}_tomogram.mrc")
    assert voxel == pytest.approx(VOXEL)
    np.testing.assert_array_equal(volume.read(), ours)
    np.testing.assert_array_equal(load_tomogram(ProjectLayout(out / "copick"), RUN, VOXEL).volume_zyx.read(), ours)
    assert len(list_picks(out / "copick", RUN)) == 2


def test_relion_particles_are_the_picks(tiny_project: ProjectLayout, released: tuple[Path, Release]) -> None:
    out, _ = released
    grid = load_tomogram(tiny_project, RUN, VOXEL).grid
    for entry in list_picks(tiny_project.root, RUN):
        star = out / "relion" / f"particles_{entry.object_name}.star"
        particles = read_particles_star(star, {RUN: grid}, object_name=entry.object_name)[RUN]
        picks = read_picks(entry.path).picks
        np.testing.assert_allclose(particles.positions_angstrom_xyz, picks.positions_angstrom_xyz, atol=1e-3)
        np.testing.assert_allclose(particles.rotations, picks.rotations, atol=1e-5)


def test_every_alignment_file_says_the_same(tiny_project: ProjectLayout, released: tuple[Path, Release]) -> None:
    out, _ = released
    geometry = load_series(tiny_project.series(RUN), "series.json").geometry
    assert geometry is not None
    imod = geometry_from_imod(
        read_xf(out / "imod" / RUN / f"{RUN}.xf"),
        read_tlt(out / "imod" / RUN / f"{RUN}.tlt"),
        PIXEL,
        image_shape_yx=(320, 384),
    )
    aretomo, _ = geometry_from_aretomo(read_aln(out / "aretomo" / f"{RUN}.aln"), PIXEL)
    relion = read_series_star(out / "relion" / "tilt_series" / f"{RUN}.star").geometry
    assert relion is not None
    warp = read_warp_xml(out / "warp" / f"{RUN}.xml").geometry
    portal = read_portal_alignment(
        out / "portal" / "dataset" / RUN / "Alignments" / "100" / "alignment_metadata.json", PIXEL
    ).geometry
    for other in (imod, aretomo, relion, warp, portal):
        np.testing.assert_allclose(other.shift_xy_angstrom, geometry.shift_xy_angstrom, atol=1e-3 * PIXEL)
        np.testing.assert_allclose(other.z_rot_deg, geometry.z_rot_deg, atol=1e-4)
        np.testing.assert_allclose(other.y_tilt_deg, geometry.y_tilt_deg, atol=1e-4)


def test_half_sets_and_defocus_are_released(tiny_project: ProjectLayout, released: tuple[Path, Release]) -> None:
    out, _ = released
    series = load_series(tiny_project.series(RUN), "series.json")
    for name, source in (("", series.images_nyx), ("_odd", series.odd_nyx), ("_even", series.even_nyx)):
        stack, pixel = read_volume(out / "mrc" / RUN / f"{RUN}{name}.mrc")
        assert pixel == pytest.approx(PIXEL)
        assert source is not None
        np.testing.assert_array_equal(stack.read(), source.read())
    assert len(read_ctffind(out / "aretomo" / f"{RUN}_CTF.txt").estimates) == len(series.tilts)
    assert (out / "imod" / RUN / f"{RUN}.defocus").is_file()


def test_the_release_scores_as_the_project_does(tiny_project: ProjectLayout, released: tuple[Path, Release]) -> None:
    out, _ = released
    ours = score_document(score_project(tiny_project.root, tiny_project.ground_truth))
    theirs = score_document(score_project(out / "copick", tiny_project.ground_truth))
    assert theirs["classes"] == ours["classes"]


def test_a_release_is_written_once_and_only_in_known_layouts(
    tiny_project: ProjectLayout, released: tuple[Path, Release], tmp_path: Path
) -> None:
    out, _ = released
    with pytest.raises(OutputError, match="exists already"):
        release_project(tiny_project.root, out, ("mrc",))
    with pytest.raises(ParameterError, match="copick, mrc"):
        release_project(tiny_project.root, tmp_path / "new", ("mcr",))
    assert not (tmp_path / "new").exists()


def test_the_report_shows_every_picture_it_names(tiny_project: ProjectLayout) -> None:
    score_and_save(tiny_project.root, tiny_project.ground_truth)
    page = write_report(tiny_project.root)
    pictures = re.findall(r'<img src="([^"]+)"', page.read_text("utf-8"))
    assert {"TS001_tomogram.png", "TS001_motion.png", "TS001_ctf.png", "TS001_alignment.png"} <= set(pictures)
    assert {"precision_recall.png", "confusion.png"} <= set(pictures)
    for name in pictures:
        assert (page.parent / name).read_bytes().startswith(b"\x89PNG")
