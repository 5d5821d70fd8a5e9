"""Consensus, transfer, evidence and the check of labels in a project on disk."""

import csv
import json
from dataclasses import replace

import numpy as np
import pytest

from tomoset.annotation import TransferParams
from tomoset.curation import LabelEvent, content_hash
from tomoset.errors import GeometryError, InputMissingError, ParameterError
from tomoset.formats.copick import picks_path, write_config
from tomoset.geometry import Grid, TiltGeometry, random_rotations
from tomoset.model import InMemory, Labels, Picks, Segmentation, Silent, Tomogram
from tomoset.workflow.consensus import make_consensus
from tomoset.workflow.evidence import evidence_folder, evidence_lines, load_evidence, make_evidence
from tomoset.workflow.label_files import load_labels, save_labels
from tomoset.workflow.label_moving import move_labels
from tomoset.workflow.label_origin import current_frame, frame_key, labels_of, load_origin, parse_author, save_origin
from tomoset.workflow.label_quality import label_findings, shortened
from tomoset.workflow.label_reviewing import gold_labels, open_review, review_log
from tomoset.workflow.layout import ProjectLayout
from tomoset.workflow.quality import check_project
from tomoset.workflow.recipe import read_recipe, recipe_text
from tomoset.workflow.tomogram_files import save_tomogram

TILTS = np.arange(-45.0, 46.0, 5.0)
RECIPE = """
name = "small"
[[objects]]
name = "proteasome"
structure = "proteasome"
radius_angstrom = 75.0
symmetry = "D7"
[[objects]]
name = "apoferritin"
structure = "apoferritin"
radius_angstrom = 60.0
symmetry = "O"
"""


def geometry(shift=0.0):
    n = len(TILTS)
    return TiltGeometry(y_tilt_deg=TILTS, z_rot_deg=np.full(n, 85.0), shift_xy_angstrom=np.full((n, 2), shift))


def tomogram(tilts, shape=(24, 60, 70), voxel=20.0, seed=0):
    volume = np.random.default_rng(seed).normal(size=shape).astype(np.float32)
    grid = Grid(shape_zyx=shape, voxel_size_angstrom=voxel)
    rows = tuple(range(tilts.n_tilts))
    return Tomogram(run="TS1", grid=grid, volume_zyx=InMemory(volume), tilt_indices=rows, geometry=tilts)


@pytest.fixture
def project(tmp_path):
    layout = ProjectLayout(tmp_path / "project")
    layout.raw_run("TS1").mkdir(parents=True)
    recipe = read_recipe(RECIPE, (), origin="test")
    layout.recipe.write_text(recipe_text(recipe), encoding="utf-8")
    write_config(layout.copick_config, recipe.pickable_objects(), name="small", description="")
    save_tomogram(layout, tomogram(geometry()), Silent())
    return layout, recipe


def spread(n, seed=0):
    rng = np.random.default_rng(seed)
    cells = np.stack(np.meshgrid([240.0], np.arange(120, 1100, 190), np.arange(120, 1300, 190)), -1).reshape(-1, 3)
    return rng.permutation(cells)[:n, ::-1].copy()


def save(layout, user, positions, *, session="1", frame=None, **more):
    picks = Picks(object_name="proteasome", positions_angstrom_xyz=positions, **more)
    labels = Labels(run="TS1", user=user, session=session, voxel_size_angstrom=20.0, picks=(picks,))
    save_labels(layout, labels)
    if frame is not None:
        save_origin(layout, labels, frame)
    return labels


def test_a_consensus_is_saved_with_its_votes_and_reliabilities(project):
    layout, recipe = project
    places = spread(30)
    rng = np.random.default_rng(1)
    pose = random_rotations(30, rng)
    for user, missed in (("ada", 2), ("bob", 5), ("cid", 7)):
        keep = rng.permutation(30)[missed:]
        save(layout, user, places[keep] + rng.normal(0, 4, (len(keep), 3)), rotations=pose[keep])
    before = content_hash(
        picks_path(layout.root, "TS1", user="ada", session="1", object_name="proteasome").read_bytes()
    )
    made = make_consensus(layout, recipe, ["ada/1", "bob/1", "cid/1"])
    stored = load_labels(layout, "TS1", "consensus", "1", None, 20.0)
    picks = stored.of("proteasome")
    assert 28 <= len(picks) <= 30
    assert picks.scores.min() > 0.5
    folder = layout.experiment("TS1") / "Votes"
    with (folder / "consensus_1_votes.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    assert len(rows) == 28 + 25 + 23
    assert {row["user"] for row in rows} == {"ada", "bob", "cid"}
    report = json.loads((folder / "consensus_1_report.json").read_text())
    assert report["classes"] == ["proteasome", "apoferritin"]
    assert len(report["agreement"]) == 3
    assert len(picks) <= report["completeness"][0]["n_seen"] <= 30
    lines = "\n".join(made.lines())
    assert "kappa" in lines
    assert "estimated" in lines
    after = content_hash(picks_path(layout.root, "TS1", user="ada", session="1", object_name="proteasome").read_bytes())
    assert after == before  # raw votes are never touched


def test_masks_of_two_authors_are_joined(project):
    layout, recipe = project
    truth = np.zeros((24, 60, 70), np.uint8)
    truth[8:16, 20:40, 20:40] = 1
    for seed, user in enumerate(("ada", "bob", "cid")):
        labels = save(layout, user, spread(5))
        wrong = np.random.default_rng(seed).random(truth.shape) < 0.1
        mask = Segmentation(name="cell", mask_zyx=InMemory(np.where(wrong, 1 - truth, truth)), voxel_size_angstrom=20.0)
        save_labels(layout, replace(labels, segmentations=(mask,)))
    make_consensus(layout, recipe, ["ada/1", "bob/1", "cid/1"])
    (joined,) = load_labels(layout, "TS1", "consensus", "1", None, 20.0).segmentations
    assert (joined.mask_zyx.read() == truth).mean() > 0.96


def test_sources_that_cannot_vote_are_said(project):
    layout, recipe = project
    save(layout, "ada", spread(5))
    for sources, words in (
        (["ada/1"], "two or more"),
        (["ada/1", "ada/1"], "different"),
        (["ada/1", "consensus/1"], "vote on itself"),
        (["ada/1", "bob"], "USER/SESSION"),
    ):
        with pytest.raises(ParameterError, match=words):
            make_consensus(layout, recipe, sources)
    with pytest.raises(InputMissingError, match="bob/2"):
        make_consensus(layout, recipe, ["ada/1", "bob/2"])
    assert parse_author("a/b", "--from") == ("a", "b")


def test_labels_follow_a_tomogram_made_anew(project):
    layout, recipe = project
    old = current_frame(layout, "TS1", 20.0)
    places = spread(20)
    save(layout, "ada", places, frame=old)
    assert frame_key(load_origin(layout, "TS1", "ada", "1")) == frame_key(old)
    # the specimen's origin moves by 40 Å along the axis: every view's shift by as much
    axis = np.array([-np.sin(np.deg2rad(85.0)), np.cos(np.deg2rad(85.0))])
    moved_geometry = replace(geometry(), shift_xy_angstrom=np.tile(40.0 * axis, (len(TILTS), 1)))
    save_tomogram(layout, tomogram(moved_geometry), Silent())
    stale = [f for f in label_findings(layout, recipe, "TS1") if f.kind == "stale"]
    assert "transfer" in stale[0].advice
    (moved,) = move_labels(layout, recipe, "ada/1")
    found = load_labels(layout, "TS1", "ada", "1-moved", None, 20.0).of("proteasome").positions_angstrom_xyz
    np.testing.assert_allclose(found, places - [0, 40.0, 0], atol=1e-3)
    assert "moved to 20 Å" in moved.line()
    assert not [f for f in label_findings(layout, recipe, "TS1") if f.author == "ada/1-moved"]
    (again,) = move_labels(layout, recipe, "ada/1-moved")
    assert again.was_current
    assert "already" in again.line()


def test_labels_move_to_another_voxel_size_and_another_project(project, tmp_path):
    layout, recipe = project
    save(layout, "ada", spread(20))
    other = ProjectLayout(tmp_path / "other")
    save_tomogram(other, tomogram(geometry(), shape=(48, 120, 140), voxel=10.0), Silent())
    (moved,) = move_labels(layout, recipe, "ada/1", target=other, session="2")
    assert len(moved.labels.of("proteasome")) == 20
    np.testing.assert_allclose(
        moved.labels.of("proteasome").positions_angstrom_xyz,
        spread(20) - [700.0, 600.0, 240.0] + [700.0, 600.0, 240.0],
        atol=1e-3,
    )
    assert labels_of(other, "TS1", "ada", "2")[1].grid.voxel_size_angstrom == 10.0
    save_tomogram(layout, tomogram(geometry(), shape=(12, 30, 35), voxel=40.0), Silent())
    with pytest.raises(ParameterError, match="several tomograms"):
        move_labels(layout, recipe, "ada/1")
    with pytest.raises(InputMissingError, match="those of 20, 40"):
        move_labels(layout, recipe, "ada/1", to_tomogram="13.3")
    with pytest.raises(ParameterError, match="VOXEL"):
        move_labels(layout, recipe, "ada/1", to_tomogram="fine")
    with pytest.raises(ParameterError, match="another session"):
        move_labels(layout, recipe, "ada/1", session="1")
    with pytest.raises(InputMissingError, match="eve/1"):
        move_labels(layout, recipe, "eve/1")
    shaken = geometry()
    shaken = replace(shaken, shift_xy_angstrom=np.random.default_rng(0).normal(0, 40, shaken.shift_xy_angstrom.shape))
    save_tomogram(other, tomogram(shaken, shape=(48, 120, 140), voxel=10.0), Silent())
    with pytest.raises(GeometryError, match="align better"):
        move_labels(layout, recipe, "ada/1", target=other, params=TransferParams(largest_error_angstrom=1.0))


def test_the_check_names_run_class_index_position_and_what_to_do(project):
    layout, recipe = project
    places = spread(20)
    rng = np.random.default_rng(3)
    save(layout, "clean", places, rotations=np.tile(np.eye(3), (20, 1, 1)))
    assert check_project(layout, recipe) == []
    bad = np.concatenate([places, places[:1] + 5, [[99999.0, 0, 0]]])
    proteasomes = Picks(object_name="proteasome", positions_angstrom_xyz=bad, scores=np.arange(22.0, 0, -1))
    ferritins = Picks(object_name="apoferritin", positions_angstrom_xyz=places[3:4] + 10, scores=[99.0])
    labels = Labels(run="TS1", user="bad", session="1", voxel_size_angstrom=20.0, picks=(proteasomes, ferritins))
    save_labels(layout, labels)
    save(layout, "turned", places, rotations=random_rotations(20, rng))
    mask = Segmentation(name="cell", mask_zyx=InMemory(np.zeros((5, 6, 7), np.uint8)), voxel_size_angstrom=20.0)
    small = save(layout, "grid", places)
    save_labels(layout, replace(small, segmentations=(mask,)))
    findings = label_findings(layout, recipe, "TS1")
    kinds = {(f.author, f.kind): f for f in findings}
    assert set(kinds) == {
        ("bad/1", "duplicate"),
        ("bad/1", "two classes"),
        ("bad/1", "outside"),
        ("clean/1", "poses disagree"),
        ("grid/1", "mask grid"),
    }
    twice = kinds["bad/1", "duplicate"]
    assert (twice.object_name, twice.index) == ("proteasome", 20)
    assert kinds["bad/1", "two classes"].index == 3
    text = str(twice)
    assert text.startswith("TS1: proteasome 20 of bad/1 at (")
    assert "keep the one that is surer" in text
    problems = check_project(layout, recipe)
    assert len(problems) == len(findings)
    assert any("D7 taken into account" in p for p in problems)


def test_long_lists_are_cut_for_people_and_whole_for_programs(project):
    layout, recipe = project
    save(layout, "ada", np.concatenate([spread(25), spread(25) + 3]))
    findings = label_findings(layout, recipe, "TS1")
    assert len(findings) == 25
    assert len(shortened(findings)) == 11
    assert "15 more" in shortened(findings)[-1]
    assert len(check_project(layout, recipe, every=True)) == 25


def test_evidence_is_kept_with_a_picture(project):
    layout, recipe = project
    save(layout, "ada", spread(12), rotations=random_rotations(12, np.random.default_rng(0)))
    (made,) = make_evidence(layout, recipe, "ada/1")
    assert abs(made.correlation) < 0.6  # it is noise
    folder = evidence_folder(layout, "ada", "1")
    assert (folder / "proteasome.png").read_bytes()[:4] == b"\x89PNG"
    assert (folder / "proteasome.mrc").is_file()
    (stored,) = load_evidence(layout, "ada", "1")
    assert stored["particles"] == 12
    assert "averaged in two random halves" in stored["method"]
    assert "12 particles" in evidence_lines([made])[0]
    assert load_evidence(layout, "eve", "1") == []
    save(layout, "flat", spread(5))
    with pytest.raises(InputMissingError, match="need poses"):
        make_evidence(layout, recipe, "flat/1")


def test_labels_written_anew_without_their_tomogram_are_of_the_one_that_is_there(project):
    layout, _ = project
    save(layout, "ada", spread(20), frame=current_frame(layout, "TS1", 20.0))
    assert load_origin(layout, "TS1", "ada", "1") is not None
    save(layout, "ada", spread(19))
    assert load_origin(layout, "TS1", "ada", "1") is None
    assert labels_of(layout, "TS1", "ada", "1")[1].grid.voxel_size_angstrom == 20.0


def test_what_people_say_of_labels_is_applied_and_gold_is_found(project):
    layout, _ = project
    save(layout, "tool", spread(5), scores=np.arange(5.0))
    assert gold_labels(layout) == ()
    review = open_review(layout, "TS1", "tool", "1")
    assert review.states == {}
    assert len(review.reviewed().labels.of("proteasome")) == 5
    about = {"run": "TS1", "actor": "ada", "role": "expert", "tomogram_hash": review.tomogram_hash}
    log = review_log(layout)
    log.record(LabelEvent(item=review.item("proteasome", 0), action="reject", reason="gold", **about))
    log.record(LabelEvent(item=review.item("proteasome", 1), action="accept", **about))
    log.record(LabelEvent(item=review.item("proteasome", 1), action="lock", **about))
    again = open_review(layout, "TS1", "tool", "1")
    assert again.states[again.item("proteasome", 0)].word == "rejected"
    assert again.reviewed().labels.of("proteasome").scores.tolist() == [2, 3, 4, 1]
    assert [state.item.index for state in gold_labels(layout, "TS1")] == [1]
    with pytest.raises(InputMissingError, match="no number 7"):
        review.item("proteasome", 7)
    with pytest.raises(InputMissingError, match="eve/1"):
        open_review(layout, "TS1", "eve", "1")
