"""Scores of copick projects and tables on disk, masks included, their JSON, and the leaderboard made of them."""

import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tomoset.benchmark import METRIC_VERSION
from tomoset.errors import FormatError, GeometryError, InputMissingError, ParameterError
from tomoset.formats.copick import write_config
from tomoset.formats.mrc_writing import write_volume
from tomoset.formats.ome_zarr import write_mask_zarr, write_volume_zarr
from tomoset.geometry import Grid
from tomoset.model import IGNORE, FilamentTrace, InMemory, Labels, PickableObject, Picks, Segmentation
from tomoset.report.leaderboard import write_leaderboard
from tomoset.workflow.label_files import save_labels
from tomoset.workflow.layout import ProjectLayout
from tomoset.workflow.mask_scoring import fill_hollow
from tomoset.workflow.score_files import read_score, write_score
from tomoset.workflow.scoring import ScoreRequest, score_document, score_labels, score_table
from tomoset.workflow.splitting import split_tomograms

APO = PickableObject(name="apoferritin", label=1, radius_angstrom=60.0)
BSA = PickableObject(name="bsa", label=2, radius_angstrom=35.0)
LIPID = PickableObject(name="liposome", label=3, radius_angstrom=25.0, is_particle=False)
GRID = Grid(shape_zyx=(30, 60, 80), voxel_size_angstrom=10.0)
RUNS = ("TS001", "TS002", "TS003", "TS004")


def places(run: str, n: int) -> np.ndarray:
    return np.random.default_rng(sum(map(ord, run))).uniform(50, (740, 540, 240), (n, 3))


def sheet(planes: slice, value: int = 3) -> np.ndarray:
    mask = np.zeros(GRID.shape_zyx, dtype=np.uint8)
    mask[planes] = value
    return mask


def labels(run: str, user: str, picks: tuple[Picks, ...], mask: np.ndarray | None = None) -> Labels:
    masks = () if mask is None else (Segmentation(name="semantic", mask_zyx=InMemory(mask), voxel_size_angstrom=10.0),)
    return Labels(run=run, user=user, session="1", voxel_size_angstrom=10.0, picks=picks, segmentations=masks)


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> ProjectLayout:
    return make_project(tmp_path_factory.mktemp("scored") / "project")


def make_project(root: Path) -> ProjectLayout:
    """A copick project with a truth of two classes and a membrane, a method for one class, and a complete one."""
    layout = ProjectLayout(root)
    write_config(layout.copick_config, (APO, BSA, LIPID), name="test")
    for run in RUNS:
        write_volume_zarr(layout.tomogram(run, 10.0, "wbp"), np.zeros(GRID.shape_zyx, np.float32), GRID)
        points = places(run, 12)
        truth = (
            Picks(object_name="apoferritin", positions_angstrom_xyz=points[:8]),
            Picks(object_name="bsa", positions_angstrom_xyz=points[8:]),
        )
        save_labels(layout, labels(run, "curator", truth, sheet(slice(10, 14))))
        half = (Picks(object_name="apoferritin", positions_angstrom_xyz=points[:6] + 3.0, scores=np.arange(6.0)),)
        save_labels(layout, labels(run, "half", half, sheet(slice(11, 14))))
        save_labels(layout, labels(run, "whole", truth))
    return layout


def request(project: ProjectLayout, user: str, **more: object) -> ScoreRequest:
    values: dict[str, object] = {"predicted": project.root, "truth": project.root, "truth_user": "curator"}
    return ScoreRequest(user=user, session="1", **{**values, **more})  # type: ignore[arg-type]


def write_table(path: Path, rows: list[tuple[object, ...]], header: str = "experiment,particle_type,x,y,z") -> Path:
    path.write_text("\n".join([header, *(",".join(map(str, row)) for row in rows)]) + "\n", encoding="utf-8")
    return path


def table_of(path: Path, scale: float = 1.0) -> Path:
    rows = [(run, "apoferritin", *(place * scale)) for run in RUNS for place in places(run, 12)[:8]]
    rows += [(run, "bsa", *(place * scale)) for run in RUNS for place in places(run, 12)[8:]]
    return write_table(path, rows)


def test_a_method_of_one_class_is_scored_on_all_and_on_those_it_looks_for(project: ProjectLayout) -> None:
    scored = score_labels(request(project, "half", metrics=("f1", "octopi", "strata")))
    assert scored.score.mean_f1_claimed == pytest.approx(12 / 14)
    assert scored.score.mean_f1 == pytest.approx(6 / 14)
    assert scored.octopi is not None
    text = score_table(scored, ("f1", "strata"))
    for expected in ("of all 2 classes", "not: bsa", "any-class", "crowding", "octopi", scored.score.truth_version):
        assert expected in text


def test_masks_are_scored_where_both_have_them(project: ProjectLayout) -> None:
    scored = score_labels(request(project, "half", metrics=("dice",)))
    membranes = [item for item in scored.score.segmentations if item.object_name == "liposome"]
    assert [item.run for item in membranes] == list(RUNS)
    assert membranes[0].dice == pytest.approx(2 * 3 / 7)
    assert membranes[0].surface_dice == 1.0
    assert "clDice" in score_table(scored)
    with pytest.raises(InputMissingError, match="no tomogram with both"):
        score_labels(request(project, "whole", metrics=("dice",)))


def save_mask(project: ProjectLayout, user: str, mask: np.ndarray, voxel: float = 10.0, name: str = "liposome") -> None:
    for run in RUNS:
        masks = (Segmentation(name=name, mask_zyx=InMemory(mask), voxel_size_angstrom=voxel),)
        made = Labels(run=run, user=user, session="1", voxel_size_angstrom=voxel, segmentations=masks)
        save_labels(project, made)


def test_a_mask_named_for_its_class_may_hold_ones(project: ProjectLayout) -> None:
    save_mask(project, "binary", sheet(slice(10, 14), 1))
    scored = score_labels(request(project, "binary", metrics=("dice",))).score
    assert [item.dice for item in scored.segmentations] == [1.0] * len(RUNS)
    assert scored.intervals["mean_dice"] == (1.0, 1.0)


def test_masks_of_other_grids_and_values_are_refused(project: ProjectLayout) -> None:
    save_mask(project, "strange", sheet(slice(10, 14), 9), name="semantic")
    with pytest.raises(ParameterError, match="values 1, 2, 3 of the classes, found 9"):
        score_labels(request(project, "strange", metrics=("dice",)))
    save_mask(project, "small", sheet(slice(10, 14))[:20])
    with pytest.raises(GeometryError, match="grid of the truth"):
        score_labels(request(project, "small", metrics=("dice",)))


def test_picks_in_voxels_are_recognised_in_a_project_too(project: ProjectLayout) -> None:
    for run in RUNS:
        picks = (Picks(object_name="apoferritin", positions_angstrom_xyz=places(run, 12) / 10),)
        save_labels(project, labels(run, "voxels", picks))
    with pytest.raises(ParameterError, match="voxels or nanometres"):
        score_labels(request(project, "voxels"))


def test_filaments_are_scored_by_length_and_individuals(project: ProjectLayout) -> None:
    def traced(user: str, start: float) -> None:
        for run in RUNS:
            line = np.linspace((start, 300.0, 150.0), (750.0, 300.0, 150.0), 12)
            trace = FilamentTrace(object_name="bsa", instance_id=1, points_angstrom_xyz=line, radius_angstrom=30.0)
            save_labels(project, replace(labels(run, user, ()), filaments=(trace,)))

    traced("tracer", 50.0)
    traced("late", 190.0)
    both = {"truth_user": "tracer", "truth_session": "1", "metrics": ("filaments",)}
    scored = score_labels(request(project, "late", **both))
    assert scored.filaments["bsa"].length_recall == pytest.approx(0.8, abs=0.04)
    assert scored.filaments["bsa"].instance_f1 == 1.0
    assert "inst. F1" in score_table(scored)
    assert score_document(scored)["filaments"]["bsa"]["n_matched"] == len(RUNS)
    with pytest.raises(InputMissingError, match="filaments in the truth"):
        score_labels(request(project, "half", metrics=("filaments",)))


def test_a_folder_of_masks_is_a_submission(project: ProjectLayout, tmp_path: Path) -> None:
    folder = tmp_path / "masks"
    folder.mkdir()
    for i, run in enumerate(RUNS):
        mask = sheet(slice(10, 14))
        if i % 2:
            write_mask_zarr(folder / f"{run}.zarr", mask, GRID)
        else:
            write_volume(folder / f"{run}.mrc", mask, 10.0)
    scored = score_labels(request(project, "", predicted=folder, metrics=("dice",))).score
    assert [item.dice for item in scored.segmentations if item.object_name == "liposome"] == [1.0] * len(RUNS)
    write_mask_zarr(folder / "TS009.zarr", mask, GRID)
    (folder / "TS001.mrc").unlink()
    with pytest.raises(ParameterError, match=r"TS001.mrc or TS001.zarr(.|\n)*found TS009"):
        score_labels(request(project, "", predicted=folder, metrics=("dice",)))


def test_instances_are_scored_by_themselves(project: ProjectLayout) -> None:
    def numbered(user: str, cut: int) -> None:
        mask = np.zeros(GRID.shape_zyx, dtype=np.uint32)
        mask[5:15, 5:15, 5:15], mask[5:15, 5:cut, 40:60] = 1, 2
        for run in RUNS:
            masks = (Segmentation(name="all", mask_zyx=InMemory(mask), voxel_size_angstrom=10.0, kind="instance"),)
            save_labels(project, replace(labels(run, user, ()), segmentations=masks))

    numbered("numberer", 25)
    numbered("short", 20)
    both = {"truth_user": "numberer", "truth_session": "1", "metrics": ("instances",)}
    scored = score_labels(request(project, "short", **both)).score
    assert scored.panoptic_quality == pytest.approx((1 + 0.75) / 2)
    with pytest.raises(InputMissingError, match="instance masks in both"):
        score_labels(request(project, "half", metrics=("instances",)))


def test_an_ignored_region_of_the_true_mask_sets_picks_aside(tmp_path: Path) -> None:
    project = make_project(tmp_path)
    before = score_labels(request(project, "whole")).score
    for run in RUNS:
        points = places(run, 12)
        mask = sheet(slice(10, 14))
        mask[:, :, :40] = IGNORE
        picks = (
            Picks(object_name="apoferritin", positions_angstrom_xyz=points[:8]),
            Picks(object_name="bsa", positions_angstrom_xyz=points[8:]),
        )
        save_labels(project, labels(run, "curator", picks, mask))
    after = score_labels(request(project, "whole")).score
    assert after.classes[0].n_set_aside > 0
    assert after.classes[0].n_truth == before.classes[0].n_truth - after.classes[0].n_set_aside
    assert after.mean_f1 == 1.0


def test_a_table_scores_as_the_picks_it_was_made_of(project: ProjectLayout, tmp_path: Path) -> None:
    whole = score_labels(request(project, "whole")).score
    table = table_of(tmp_path / "mine.csv")
    scored = score_labels(request(project, "", predicted=table)).score
    assert (scored.mean_f1, scored.czii) == (whole.mean_f1, whole.czii) == (1.0, 1.0)
    assert scored.truth_version == whole.truth_version
    truth = score_labels(ScoreRequest(predicted=table, truth=table, project=project.root)).score
    assert truth.mean_f1 == 1.0


def test_weights_of_classes_reach_the_czii_mean(project: ProjectLayout) -> None:
    scored = score_labels(request(project, "half", weights={"bsa": 0.0}))
    assert scored.czii_weighted == pytest.approx(scored.score.classes[0].f4_czii)
    with pytest.raises(ParameterError, match="unicorn"):
        score_labels(request(project, "half", weights={"unicorn": 1.0}))


@pytest.mark.parametrize(
    ("rows", "says"),
    [
        ([("TS009", "apoferritin", 10, 10, 10)], "TS009"),
        ([("TS001", "unicorn", 10, 10, 10)], "unicorn"),
        ([("TS001", "bsa", "nan", 10, 10)], "NaN or infinity in line 2"),
        ([("TS001", "bsa", 10, 10, 10)] * 2, "again in line 3"),
        ([("TS001", "bsa", 10, 10, 9000)], "outside"),
    ],
)
def test_bad_submissions_are_refused_with_the_reason(
    project: ProjectLayout, tmp_path: Path, rows: list[tuple[object, ...]], says: str
) -> None:
    with pytest.raises(ParameterError, match=says):
        score_labels(request(project, "", predicted=write_table(tmp_path / "bad.csv", rows)))


def test_voxels_for_angstroms_are_recognised(project: ProjectLayout, tmp_path: Path) -> None:
    with pytest.raises(ParameterError, match="voxels or nanometres"):
        score_labels(request(project, "", predicted=table_of(tmp_path / "voxels.csv", 0.1)))


def test_tables_that_are_none_are_refused(project: ProjectLayout, tmp_path: Path) -> None:
    table = write_table(tmp_path / "a.csv", [("TS001", 1, 2)], "experiment,x,y")
    with pytest.raises(FormatError, match="particle_type, z missing"):
        score_labels(request(project, "", predicted=table))
    with pytest.raises(FormatError, match="line 2: expected a number for x"):
        score_labels(request(project, "", predicted=write_table(tmp_path / "b.csv", [("TS001", "bsa", "far", 1, 2)])))
    with pytest.raises(InputMissingError, match="table of picks"):
        score_labels(request(project, "", predicted=tmp_path / "none.csv"))


def test_what_cannot_be_scored_is_said(project: ProjectLayout, tmp_path: Path) -> None:
    with pytest.raises(ParameterError, match="one author of the truth"):
        score_labels(request(project, "half", truth_user=""))
    with pytest.raises(InputMissingError, match="expected picks by 'nobody'"):
        score_labels(request(project, "nobody"))
    with pytest.raises(InputMissingError, match="found none of them"):
        score_labels(request(project, "half", truth=tmp_path / "nowhere", truth_user=""))
    with pytest.raises(ParameterError, match="simulated truth"):
        score_labels(request(project, "half", metrics=("shrec",)))
    with pytest.raises(ParameterError, match="found magic"):
        request(project, "half", metrics=("magic",))
    with pytest.raises(ParameterError, match="public-test"):
        request(project, "half", split="secret")
    with pytest.raises(ParameterError, match="level9"):
        request(project, "half", task="level9")


def test_a_score_survives_its_file(project: ProjectLayout, tmp_path: Path) -> None:
    scored = score_labels(request(project, "half", metrics=("f1", "dice"), conditions={"dose_e_per_angstrom2": 60.0}))
    document = score_document(scored)
    assert document["metric_version"] == METRIC_VERSION
    assert document["truth_version"] == scored.score.truth_version
    path = write_score(tmp_path / "half.json", document)
    back = read_score(path)
    assert back.conditions == {"dose_e_per_angstrom2": 60.0}
    assert back.score.runs == scored.score.runs
    for mine, theirs in zip(back.score.classes, scored.score.classes, strict=True):
        assert mine.runs == theirs.runs
        assert mine.f1 == pytest.approx(theirs.f1, abs=1e-5)
        assert mine.intervals["f1"] == pytest.approx(theirs.intervals["f1"], abs=1e-5)
    assert [s.n_truth for s in back.score.strata] == [s.n_truth for s in scored.score.strata]
    assert [s.dice for s in back.score.segmentations] == pytest.approx(
        [s.dice for s in scored.score.segmentations], abs=1e-5
    )
    path.write_text(json.dumps({**document, "format": "other"}), encoding="utf-8")
    with pytest.raises(FormatError, match="score the labels again"):
        read_score(path)


def test_the_leaderboard_is_one_page_that_needs_nothing_else(project: ProjectLayout, tmp_path: Path) -> None:
    folder = tmp_path / "scores"
    for user in ("half", "whole"):
        write_score(folder / f"{user}.json", score_document(score_labels(request(project, user, method=f"<{user}>"))))
    for dose in (30.0, 60.0):
        made = score_labels(request(project, "half", conditions={"dose_e_per_angstrom2": dose}))
        write_score(folder / "dose" / f"{dose:g}.json", score_document(made))
    (folder / "notes.json").write_text("{}", encoding="utf-8")
    summary = write_leaderboard(folder, title="Mine & yours")
    assert (summary.n_scores, summary.n_boards, len(summary.left_out)) == (4, 1, 1)
    page = summary.page.read_text(encoding="utf-8")
    assert "Mine &amp; yours" in page
    assert "&lt;whole&gt;" in page
    assert page.index("&lt;whole&gt;") < page.index("&lt;half&gt;")
    assert page.count("<svg") >= 5
    assert "dose" in page
    assert not re.findall(r'(?:src|href)="(?!#|data:)', page)
    write_score(folder / "twin.json", score_document(score_labels(request(project, "half", method="<half>"))))
    with pytest.raises(ParameterError, match="several of <half>"):
        write_leaderboard(folder)
    with pytest.raises(InputMissingError, match="found none"):
        write_leaderboard(tmp_path / "nothing")


def test_the_cavity_of_a_shell_belongs_to_it_and_a_solid_ball_gains_nothing() -> None:
    z, y, x = np.meshgrid(*[np.arange(24)] * 3, indexing="ij")
    near, far = (np.sqrt((z - 12) ** 2 + (y - c) ** 2 + (x - c) ** 2) for c in (7, 18))
    hitbox = np.where((near >= 4) & (near <= 6), 1, np.where(far <= 4, 2, 0)).astype(np.uint32)
    filled = fill_hollow(hitbox.copy(), np.array([[12.0, 7, 7], [12, 18, 18]]))
    assert filled[12, 7, 7] == 1
    assert np.array_equal(filled == 2, hitbox == 2)
    assert np.array_equal(filled == 1, near <= 6)


def test_splits_are_written_with_their_hash(tmp_path: Path) -> None:
    rows = [(f"TS{i:03d}", f"cell{i // 3}", f"grid{i // 6}", "") for i in range(30)]
    table = write_table(tmp_path / "runs.csv", rows, "run,specimen,session,simulation_seed")
    splits = split_tomograms(table, tmp_path / "splits.json")
    document = json.loads((tmp_path / "splits.json").read_text(encoding="utf-8"))
    assert document["sha256"] == splits.digest
    assert sorted(run for runs in document["splits"].values() for run in runs) == sorted(row[0] for row in rows)
    with pytest.raises(FormatError, match="whole number"):
        split_tomograms(write_table(table, [("TS1", "a", "b", "x")], "run,specimen,session,simulation_seed"), table)
    with pytest.raises(FormatError, match="columns run"):
        split_tomograms(write_table(table, [("TS1",)], "tomogram"), table)
