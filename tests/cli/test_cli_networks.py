"""Training and predicting from the command line: what is wrong is said in one paragraph."""

import pytest


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("train", "p", "--model", "oracle"), "--model: expected detector or segmenter, found 'oracle'"),
        (("train", "p", "--errors", "0;3"), "--errors: expected numbers such as 0,3,8,13, found '0;3'"),
        (("train", "p", "--labels", "me"), "--labels: expected truth or USER/SESSION, found 'me'"),
        (("train", "p", "--device", "abacus"), "--device: expected cpu, or cuda where torch sees a GPU"),
        (("train", "p"), "expected a tomoset project"),
        (("predict", "none.model", "p"), "expected a model file at none.model, found none; `tomoset train` makes one"),
        (("predict", "none.model", "p", "--flips", "5"), "prediction.flips: expected 1, 2, 4 or 8, got 5"),
    ],
)
def test_wrong_words_end_in_one_paragraph(tomoset, tmp_path, monkeypatch, arguments, said):
    monkeypatch.chdir(tmp_path)
    code, out, error = tomoset(*arguments)
    assert code == 2
    assert said in error
    assert not out


def test_a_new_project_has_nothing_to_train_on(tomoset, tmp_path):
    project = tmp_path / "p"
    assert tomoset("init", project, "--recipe", "tiny")[0] == 0
    code, _, error = tomoset("train", project)
    assert code == 2
    assert "expected the wbp tomogram of TS001" in error
