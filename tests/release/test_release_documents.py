"""Tables, training volumes, Croissant, EMPIAR, DataCite, the cryo-ET standard and BagIt say what the records say."""

import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import zarr
from small_dataset import FACTS, SHAPE, a_run, an_info

from tomoset.model import Silent
from tomoset.release import write_release
from tomoset.release.croissant import tree_sha256
from tomoset.release.empiar import empiar_gaps


def test_tables_hold_every_pick_with_its_split_and_pose(small_release: Path) -> None:
    picks = pd.read_parquet(small_release / "ml" / "picks.parquet")
    assert len(picks) == 16
    assert dict(picks.groupby("run")["split"].first()) == {"TS1": "train", "TS2": "test"}
    ours = a_run("TS1", 1).labels[0].picks[0]
    theirs = picks[(picks.run == "TS1") & (picks.object == "apoferritin")]
    np.testing.assert_array_equal(theirs[["x", "y", "z"]].to_numpy(), ours.positions_angstrom_xyz)
    turn = theirs[[f"r{i}{j}" for i in range(3) for j in range(3)]].to_numpy().reshape(-1, 3, 3)
    np.testing.assert_array_equal(turn, ours.rotations)
    assert picks[picks.object == "bsa"]["r00"].isna().all()
    assert set(theirs["label"]) == {1}


def test_training_volumes_give_the_density_back(small_release: Path) -> None:
    group = zarr.open_group(small_release / "ml" / "test" / "TS2.zarr", mode="r")
    volume, ours = group["tomogram"], a_run("TS2", 2).tomogram.volume_zyx.read()
    back = np.asarray(volume[:], dtype=np.float64) * volume.attrs["scale"] + volume.attrs["mean"]
    assert np.abs(back - ours).max() < 2e-3 * np.abs(ours).max()
    assert volume.dtype == np.float16
    np.testing.assert_array_equal(np.unique(group["semantic"][:]), [0, 3])
    assert group.attrs["split"] == "test"


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # mlcroissant reads by an old door of rdflib
def test_croissant_loads_and_its_checksums_hold(small_release: Path) -> None:
    import mlcroissant as mlc

    path = small_release / "ml" / "croissant.json"
    dataset = mlc.Dataset(str(path))
    records = list(dataset.records("picks"))
    assert len(records) == 16
    assert records[0]["picks/object"] == b"apoferritin"
    listed = {item["@id"]: item["sha256"] for item in json.loads(path.read_text())["distribution"]}
    assert listed["train/TS1.zarr"] == tree_sha256(small_release / "ml" / "train" / "TS1.zarr")
    assert re.fullmatch(r"[0-9a-f]{64}", listed["picks.parquet"])


def test_a_trees_checksum_sees_names_and_bytes(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "x").write_text("1")
    before = tree_sha256(tmp_path)
    (tmp_path / "a" / "x").rename(tmp_path / "a" / "y")
    assert tree_sha256(tmp_path) != before
    (tmp_path / "a" / "y").rename(tmp_path / "a" / "x")
    assert tree_sha256(tmp_path) == before
    (tmp_path / "a" / "x").write_text("2")
    assert tree_sha256(tmp_path) != before


def test_empiar_has_its_document_or_says_what_is_missing(small_release: Path, tmp_path: Path) -> None:
    document = json.loads((small_release / "empiar" / "deposition.json").read_text())
    assert document["authors"][0]["name"] == "('Lovelace', 'AB')"
    assert document["corresponding_author"]["last_name"] == "Lovelace"
    assert document["imagesets"][0]["num_images_or_tilt_series"] == 2
    facts = replace(FACTS, authors=tuple(replace(a, email="", principal_investigator=False) for a in FACTS.authors))
    info = an_info(facts=facts, formats=("empiar",))
    assert empiar_gaps(info) == [
        "email of the corresponding author Ada B. Lovelace",
        "a principal investigator ([[dataset.authors]] with principal_investigator = true)",
    ]
    write_release(tmp_path / "out", info, iter([a_run("TS1", 1)]), n_runs=1, progress=Silent())
    assert not (tmp_path / "out" / "empiar").exists()
    assert "EMPIAR also asks for" in (tmp_path / "out" / "README.md").read_text("utf-8")


def test_datacite_names_people_rights_and_relations(small_release: Path) -> None:
    document = json.loads((small_release / "datacite.json").read_text())
    assert document["creators"][0]["name"] == "Lovelace, Ada B."
    assert document["rightsList"] == [{"rightsIdentifier": "CC0-1.0", "rightsIdentifierScheme": "SPDX"}]
    assert document["publicationYear"] == "2026"
    assert "doi" not in document


def test_the_standards_document_turns_points_as_the_alignment_does(small_release: Path) -> None:
    document = json.loads((small_release / "cets" / "dataset.json").read_text())
    region = document["regions"][0]
    geometry = a_run("TS1", 1).series.geometry
    assert geometry is not None
    views = region["alignments"][0]["projection_alignments"]
    assert len(views) == 6  # the blocked tilt has none
    point = np.array([30.0, -40.0, 50.0])
    for view in views:
        row = int(view["tilt_image_id"].rsplit("-", 1)[1])
        turn, shift = view["sequence"]
        there = np.array(turn["affine"]) @ point + np.array(shift["translation"])
        np.testing.assert_allclose(there[:2], geometry.project(point[None])[row, 0], atol=1e-9)
    marked = next(each for each in region["annotations"] if each["type"] == "point_matrix_set_3d")
    assert np.shape(marked["matrix3D"]) == (5, 3, 3)
    assert region["tomograms"][0]["depth"] == SHAPE[0]


def test_a_bag_is_valid_until_something_changes(tmp_path: Path) -> None:
    import bagit

    out = tmp_path / "bag"
    write_release(out, an_info(formats=("mrc",)), iter([a_run("TS1", 1)]), n_runs=1, progress=Silent(), as_bag=True)
    bagit.Bag(str(out)).validate()
    (out / "data" / "README.md").write_text("changed")
    with pytest.raises(bagit.BagValidationError):
        bagit.Bag(str(out)).validate()


def test_the_datasheet_counts_and_admits(small_release: Path) -> None:
    text = (small_release / "DATASHEET.md").read_text("utf-8")
    assert "10 apoferritin, 6 bsa" in text
    assert "Split test: 1 (TS2)" in text
    assert "Grids: Not stated by the authors." in text
    assert "Contact: Ada B. Lovelace ada@example.org" in text
