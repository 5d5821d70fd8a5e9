"""Tasks, splits, submissions and leaderboards from the command line."""

import json

import pytest

from tomoset.formats.copick import write_config
from tomoset.model import PickableObject

OBJECTS = (PickableObject(name="apoferritin", label=1, radius_angstrom=60.0),)


def write(path, *lines):
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


@pytest.fixture
def truth(tmp_path):
    write_config(tmp_path / "copick_config.json", OBJECTS, name="test")
    places = [f"TS{i},apoferritin,{300 * k},100,100" for i in range(4) for k in range(5)]
    return write(tmp_path / "truth.csv", "experiment,particle_type,x,y,z", *places)


def submission(truth, name, keep):
    lines = truth.read_text(encoding="utf-8").splitlines()
    return write(truth.parent / f"{name}.csv", lines[0], *lines[1::keep])


def test_from_tables_to_a_page(tomoset, truth, tmp_path):
    for name, keep in (("all", 1), ("half", 2)):
        table, out = submission(truth, name, keep), tmp_path / "scores" / f"{name}.json"
        code, text, error = tomoset("score", table, truth, "--out", out, "--method", name)
        assert (code, error) == (0, "")
        assert "mean F1" in text
    assert json.loads((tmp_path / "scores" / "half.json").read_text())["mean_f1"] == pytest.approx(2 / 3, abs=1e-5)
    code, text, _ = tomoset("leaderboard", tmp_path / "scores", "--title", "Mine")
    assert code == 0
    assert "2 scores on 1 boards" in text
    page = (tmp_path / "scores" / "index.html").read_text(encoding="utf-8")
    assert page.index(">all<") < page.index(">half<")
    code, _, error = tomoset("leaderboard", tmp_path / "scores", "--rank-by", "luck")
    assert code == 2
    assert "--rank-by: expected mean_f1" in error


def test_scores_as_json_name_metric_and_truth(tomoset, truth):
    code, text, _ = tomoset("score", truth, truth, "--json", "--condition", "dose_e_per_angstrom2=60")
    document = json.loads(text)
    assert code == 0
    assert document["metric_version"]
    assert len(document["truth_version"]) == 16
    assert document["conditions"] == {"dose_e_per_angstrom2": 60.0}


def test_tasks_are_listed(tomoset):
    code, text, _ = tomoset("benchmark", "tasks", "--json")
    assert code == 0
    assert {"level1-localisation-simulated", "level5-membrane-simulated"} <= {t["name"] for t in json.loads(text)}


def test_splits_keep_groups_together(tomoset, tmp_path):
    rows = [f"TS{i},cell{i // 2},grid{i // 4}," for i in range(40)]
    table = write(tmp_path / "runs.csv", "run,specimen,session,simulation_seed", *rows)
    code, text, _ = tomoset("benchmark", "split", table, tmp_path / "splits.json")
    assert code == 0
    assert "24 train" in text
    code, _, error = tomoset("benchmark", "split", write(table, "run,session", "TS0,grid0"), tmp_path / "splits.json")
    assert code == 2
    assert "independent groups" in error


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--metric", "magic"), "--metric: expected some of f1, czii"),
        (("--weight", "bsa"), "--weight: expected NAME=NUMBER such as bsa=0, found 'bsa'"),
        (("--condition", "dose=x"), "--condition: expected NAME=NUMBER"),
        (("--task", "level7"), "expected one such as level1-localisation-simulated"),
        (("--split", "secret"), "--split: expected train, validation, public-test, private-test"),
    ],
)
def test_wrong_words_end_in_one_paragraph(tomoset, truth, arguments, said):
    code, out, error = tomoset("score", truth, truth, *arguments)
    assert code == 2
    assert said in error
    assert not out


def test_a_bad_submission_is_refused_with_all_its_mistakes(tomoset, truth, tmp_path):
    table = write(
        tmp_path / "bad.csv", "experiment,particle_type,x,y,z", "TS9,apoferritin,1,2,3", "TS1,unicorn,nan,2,3"
    )
    code, _, error = tomoset("score", table, truth)
    assert code == 2
    for word in ("TS9", "unicorn", "NaN or infinity in line 3"):
        assert word in error
