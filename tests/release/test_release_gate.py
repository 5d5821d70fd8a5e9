"""The gate: an untouched release passes and what is broken is found, with a manifest renewed after the break."""

import shutil
from pathlib import Path

import pytest
from release_mutations import MUTATIONS
from small_dataset import a_run, an_info

from tomoset.errors import InputMissingError
from tomoset.model import Silent
from tomoset.release import check_release, write_manifest, write_release

SAMPLE = tuple(MUTATIONS)[::6]  # all of them: benchmarks/science/release_gate.py


def test_an_untouched_release_passes(small_release: Path) -> None:
    assert check_release(small_release, private_words=("secretlab",), progress=Silent()) == []


@pytest.mark.parametrize("name", SAMPLE)
def test_a_broken_field_is_found(name: str, small_release: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    shutil.copytree(small_release, broken)
    MUTATIONS[name](broken)
    write_manifest(broken)
    findings = check_release(broken, private_words=("secretlab",), progress=Silent())
    assert findings
    assert all(finding.rule != "manifest" for finding in findings)


def test_the_manifest_finds_what_no_rule_reads(small_release: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    shutil.copytree(small_release, broken)
    (broken / "portal" / "dataset" / "Images" / "snapshot.png").write_bytes(b"")
    findings = check_release(broken, progress=Silent())
    assert [finding.rule for finding in findings] == ["manifest"]


def test_the_truth_is_found_by_its_content(small_release: Path, tmp_path: Path) -> None:
    truth = tmp_path / "truth"
    truth.mkdir()
    shutil.copy(small_release / "ml" / "picks.parquet", truth / "poses.parquet")
    findings = check_release(small_release, truth=truth, progress=Silent())
    assert [(f.rule, f.path) for f in findings] == [("truth", "ml/picks.parquet")]


def test_a_bag_is_checked_as_one(tmp_path: Path) -> None:
    out = tmp_path / "bag"
    info = an_info(formats=("mrc", "datacite"))
    write_release(out, info, iter([a_run("TS1", 1)]), n_runs=1, progress=Silent(), as_bag=True)
    assert check_release(out, progress=Silent()) == []
    (out / "data" / "datacite.json").write_text("{}")
    assert "BagIt" in {finding.rule for finding in check_release(out, progress=Silent())}


def test_a_folder_that_is_no_release_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputMissingError, match=r"expected a release with a dataset\.json"):
        check_release(tmp_path, progress=Silent())
