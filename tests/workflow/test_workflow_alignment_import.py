"""Alignments of other programs: found by name, placed row by row, refused where they are of something else."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tomoset.errors import GeometryError, InputMissingError, TomosetError
from tomoset.formats.imod import imod_from_geometry, write_tlt, write_xf
from tomoset.geometry import TiltGeometry
from tomoset.model import InMemory, Tilt, TiltSeries
from tomoset.release import write_exchange_files
from tomoset.workflow.alignment_import import (
    apply_alignment,
    find_alignments,
    imported_alignment_text,
    keep_alignment,
    words_on_alignment,
)
from tomoset.workflow.alignment_matching import TiltRows, check_field, place
from tomoset.workflow.foreign_alignments import ForeignAlignment, read_alignment
from tomoset.workflow.layout import ProjectLayout

N = 7
TILTS = np.linspace(-9.0, 9.0, N)
ORDER = np.array([5, 3, 1, 0, 2, 4, 6])  # dose-symmetric: 0, -3, 3, -6 ...


def rows() -> TiltRows:
    return TiltRows(
        names=tuple(f"a_{i}.eer" for i in range(N)), nominal_tilt_deg=TILTS, acquisition_order=ORDER.astype(np.intp)
    )


def foreign(order: np.ndarray, **changes: object) -> ForeignAlignment:
    """Row k is our tilt ``order[k]``, whose shift in x is its number."""
    geometry = TiltGeometry(
        y_tilt_deg=TILTS + 8.0,  # an offset that the other program fitted
        z_rot_deg=np.full(N, 84.0),
        shift_xy_angstrom=np.stack([np.arange(N, dtype=float) + 1, np.zeros(N)], axis=1),
    )
    return replace(ForeignAlignment(geometry=geometry.select(order), use=np.ones(N, dtype=bool)), **changes)


@pytest.mark.parametrize(
    ("order", "note"),
    [(np.arange(N), ""), (np.argsort(ORDER), "order of acquisition"), (np.arange(N)[::-1], "high to low")],
)
def test_rows_find_their_tilts_in_every_order_of_a_stack(order: np.ndarray, note: str) -> None:
    placed = place(foreign(order), rows(), "a.xf")
    np.testing.assert_allclose(placed.geometry.shift_xy_angstrom[:, 0], np.arange(N) + 1)
    np.testing.assert_allclose(placed.geometry.y_tilt_deg, TILTS + 8.0)
    assert note in "".join(placed.notes)
    assert bool(note) == bool(placed.notes)


def test_movies_names_go_before_order_and_tilts_without_a_row_keep_theirs() -> None:
    order = np.array([6, 2, 0, 3, 1, 4])
    alignment = foreign(order, movie_names=tuple(f"../frames/a_{i}.mrc" for i in order))
    alignment = replace(alignment, use=np.array([True, True, False, True, True, True]))
    placed = place(alignment, rows(), "a.star")
    assert placed.use.tolist() == [False, True, True, True, True, False, True]
    assert placed.reasons[0] == "not used in a.star"
    assert placed.reasons[5] == "has no row in a.star"
    np.testing.assert_allclose(placed.geometry.shift_xy_angstrom[:, 0], [0, 2, 3, 4, 5, 0, 7])
    np.testing.assert_allclose(placed.geometry.y_tilt_deg[[0, 5]], TILTS[[0, 5]])  # nominal
    assert np.all(placed.geometry.z_rot_deg == 84.0)


def test_what_is_of_another_series_is_refused() -> None:
    with pytest.raises(GeometryError, match="a row for each of 7 tilts, found 6"):
        place(foreign(np.arange(N - 1), use=np.ones(N - 1, dtype=bool)), rows(), "a.xf")
    inverted = foreign(np.argsort(ORDER))
    inverted = replace(inverted, geometry=replace(inverted.geometry, y_tilt_deg=8 - TILTS[np.argsort(ORDER)]))
    with pytest.raises(GeometryError, match="the other sign"):
        place(inverted, rows(), "a.xf")
    names = (*(f"a_{i}.eer" for i in range(N - 1)), "b_0.eer")
    with pytest.raises(GeometryError, match="such as b_0"):
        place(foreign(np.arange(N), movie_names=names), rows(), "a.star")
    with pytest.raises(GeometryError, match="found none of 7"):
        place(foreign(np.arange(N), use=np.zeros(N, dtype=bool)), rows(), "a.xf")


def test_the_portal_may_say_nothing_of_the_last_sections() -> None:
    short = foreign(np.arange(N - 2), use=np.ones(N - 2, dtype=bool), may_end_early=True)
    placed = place(short, rows(), "a.json")
    assert placed.use.tolist() == [True] * 5 + [False] * 2
    assert placed.reasons[6] == "has no row in a.json"
    # Nor need the angles of sections without an entry be those of the series.
    unknown = foreign(np.arange(N), use=np.arange(N) > 1)
    off = np.where(np.arange(N) > 1, 0.0, 9.0)
    unknown = replace(unknown, geometry=replace(unknown.geometry, y_tilt_deg=unknown.geometry.y_tilt_deg + off))
    assert place(unknown, rows(), "a.json").use.tolist() == [False] * 2 + [True] * 5


def test_another_pixel_size_is_noticed() -> None:
    binned = foreign(np.arange(N), field_angstrom_xy=(2000.0, 1500.0))
    check_field(binned, (2010.0, 1500.0), "a.aln")
    with pytest.raises(GeometryError, match=r"--alignment-pixel-size, 2 times what was taken"):
        check_field(binned, (4000.0, 3000.0), "a.aln")
    with pytest.raises(GeometryError, match="take the alignment of these movies"):
        check_field(binned, (1500.0, 2000.0), "a.aln")
    check_field(binned, (1500.0, 2000.0), "a.xf")  # IMOD turns images whose axis lies along x


def test_an_alignment_on_binned_images_has_the_same_centre(tmp_path: Path) -> None:
    """IMOD's centre is (N − 1) / 2 of the unbinned and of the binned image, which is the same place."""
    geometry = foreign(np.arange(N)).geometry
    fine, coarse = (64, 96), (32, 48)
    # What IMOD would have found on 2 × 2 means: the same transformation about the same place, in larger pixels.
    xf = imod_from_geometry(geometry, 3.0, image_shape_yx=fine)
    halved = xf.xf.copy()
    halved[:, :, 2] /= 2
    write_xf(tmp_path / "a.xf", halved)
    write_tlt(tmp_path / "a.tlt", xf.tilt_deg)
    read = read_alignment(tmp_path / "a.xf", 6.0, fine[::-1], image_pixel_angstrom=3.0)
    np.testing.assert_allclose(read.geometry.shift_xy_angstrom, geometry.shift_xy_angstrom, atol=1e-3)
    assert coarse[0] * 2 == fine[0]


def some_files(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("")


def test_files_are_found_by_the_names_of_the_series(tmp_path: Path) -> None:
    some_files(tmp_path, "TS_01/TS_01.aln", "TS_02_st.xf", "TS_9.aln", "notes.star", "x/recipe.json")
    portal = tmp_path / "TS_03" / "Alignments" / "100" / "alignment_metadata.json"
    portal.parent.mkdir(parents=True)
    portal.write_text('{"per_section_alignment_parameters": []}')
    found, notes = find_alignments(str(tmp_path), ("TS-01", "TS-02", "TS-03"))
    assert [found[run].name for run in ("TS-01", "TS-02", "TS-03")] == ["TS_01.aln", "TS_02_st.xf", portal.name]
    assert notes == ("alignments of TS-9, of which there are no movies, were left aside.",)
    with pytest.raises(InputMissingError, match=r"found those of .* none for TS-7"):
        find_alignments(str(tmp_path), ("TS-01", "TS-7"))
    some_files(tmp_path, "TS_01.xf")
    with pytest.raises(InputMissingError, match=r"found TS_01.aln, TS_01.xf; say which with a pattern, such as .*\*\*"):
        find_alignments(str(tmp_path), ("TS-01",))
    assert find_alignments(str(tmp_path / "**" / "*.aln"), ("TS-01",))[0]["TS-01"].name == "TS_01.aln"
    # Folders and files that a pattern finds twice are one; what is no alignment is passed over.
    assert find_alignments(str(tmp_path / "**" / "*1*"), ("TS-03",))[0]["TS-03"] == portal
    with pytest.raises(InputMissingError, match=r"'FOLDER/\*\*/\*.aln'"):
        find_alignments(str(tmp_path / "**" / "TS_01*"), ("TS-01",))


def test_one_file_for_the_only_series_needs_no_name(tmp_path: Path) -> None:
    some_files(tmp_path, "final.aln", "notes.txt")
    assert find_alignments(str(tmp_path / "final.aln"), ("TS1",))[0]["TS1"].name == "final.aln"
    with pytest.raises(TomosetError, match="is no alignment"):
        find_alignments(str(tmp_path / "notes.txt"), ("TS1",))
    with pytest.raises(InputMissingError, match="found none"):
        find_alignments(str(tmp_path / "nothing"), ("TS1",))


def test_our_own_folders_are_searched_by_pattern(tmp_path: Path) -> None:
    write_exchange_files(tmp_path / "TS1", a_series(), "")
    for ending, name in {"xf": "TS1.xf", "star": "TS1.star", "json": "TS1_portal.json"}.items():
        assert find_alignments(str(tmp_path / "**" / f"*.{ending}"), ("TS1",))[0]["TS1"].name == name


def test_an_index_of_relion_names_its_series(shared_data: Path) -> None:
    index = shared_data / "relion" / "relion5_import_TS_01" / "AlignTiltSeries" / "aligned_tilt_series.star"
    found, _ = find_alignments(str(index), ("TS-01",))
    assert found["TS-01"].name == "TS_01.star"
    assert read_alignment(found["TS-01"], None).use.all()


PIXEL, UNUSED = 5.0, 2
BEADS = np.random.default_rng(9).uniform(-200, 200, (15, 3))


def a_series(*, bent: bool = False) -> TiltSeries:
    """An aligned series, one tilt of which is not used."""
    rng = np.random.default_rng(4)
    shift, field = rng.normal(0, 40, (N, 2)), np.zeros((N, 2, 6))
    shift[UNUSED] = 0
    field[:, :, 3:] = rng.normal(0, 8, (N, 2, 3))
    return TiltSeries(
        run="TS1",
        pixel_size_angstrom=PIXEL,
        tilts=tuple(
            Tilt(
                name=name,
                nominal_tilt_deg=TILTS[i],
                acquisition_order=int(ORDER[i]),
                dose_e_per_angstrom2=3.0,
                dose_before_e_per_angstrom2=3.0 * ORDER[i],
                mean_counts=6.0,
                use=i != UNUSED,
                reason="" if i != UNUSED else "blocked",
            )
            for i, name in enumerate(rows().names)
        ),
        images_nyx=InMemory(np.zeros((N, 64, 97), dtype=np.float32)),
        nominal_tilt_axis_deg=84.0,
        geometry=TiltGeometry(
            y_tilt_deg=TILTS + rng.normal(0, 0.1, N),
            z_rot_deg=85 + rng.normal(0, 0.1, N),
            shift_xy_angstrom=shift,
            magnification=1 + rng.normal(0, 1e-3, N) if bent else None,
            field_xy_angstrom=field if bent else None,
            field_unit_angstrom=240.0,
        ),
    )


def through(tmp_path: Path, series: TiltSeries, name: str) -> TiltSeries:
    """The series without its alignment, and with the one that came in from an exported file."""
    write_exchange_files(tmp_path / "out", series, "")
    layout, file = ProjectLayout(tmp_path / "project"), tmp_path / "out" / name
    keep_alignment(layout.alignment("TS1"), file, PIXEL, (), layout.alignment("TS1"))
    words = words_on_alignment(layout, "TS1")
    assert words[f"alignment {file.name}"].startswith("sha256:")
    used = tuple(replace(tilt, use=True, reason="") for tilt in series.tilts)
    aligned = apply_alignment(layout, replace(series, geometry=None, tilts=used))
    assert aligned is not None
    return aligned


EXPORTS = ("TS1.xf", "TS1.aln", "TS1.xml", "TS1.tomostar", "TS1_portal.json", "relion/tilt_series/TS1.star")


@pytest.mark.parametrize("name", EXPORTS)
def test_what_goes_out_comes_in(tmp_path: Path, name: str) -> None:
    series = a_series()
    aligned = through(tmp_path, series, name)
    assert [tilt.use for tilt in aligned.tilts] == [tilt.use for tilt in series.tilts]
    assert aligned.tilts[UNUSED].reason.startswith("alignment: ")
    if name.endswith(".star"):
        assert aligned.tilts[UNUSED].reason == "alignment: blocked"  # RELION's file keeps why
    assert aligned.geometry is not None
    assert series.geometry is not None
    moved = (aligned.geometry.project(BEADS) - series.geometry.project(BEADS))[series.used]
    assert np.abs(moved).max() < 1e-3 * PIXEL
    assert aligned.geometry.y_tilt_deg[UNUSED] == TILTS[UNUSED]


def test_motion_within_the_field_goes_through_aretomo_and_magnification_through_imod(tmp_path: Path) -> None:
    series = a_series(bent=True)
    assert series.geometry is not None
    aretomo = through(tmp_path / "aretomo", series, "TS1.aln").geometry
    imod = through(tmp_path / "imod", series, "TS1.xf").geometry
    assert aretomo is not None
    assert imod is not None
    moved = (aretomo.project(BEADS) - series.geometry.project(BEADS))[series.used]
    assert np.abs(moved).max() < 1e-3 * PIXEL
    straight = replace(series.geometry, field_xy_angstrom=None)
    moved = (imod.project(BEADS) - straight.project(BEADS))[series.used]
    assert np.abs(moved).max() < 1e-3 * PIXEL


def test_a_series_without_an_imported_alignment_is_aligned_here(tmp_path: Path) -> None:
    layout = ProjectLayout(tmp_path)
    assert apply_alignment(layout, replace(a_series(), geometry=None)) is None
    assert words_on_alignment(layout, "TS1") == {}
    assert imported_alignment_text(layout, ("TS1",)) == ""
