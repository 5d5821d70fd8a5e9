"""The one write: only from our own page, with a reason, appended, never lost under another's."""

import re
import shutil

import pytest

from tomoset.curation import CurationLog
from tomoset.workflow.layout import ProjectLayout

ADDRESS = "/api/runs/TS001/verdict"
HEADER = "X-Tomoset-Token"


@pytest.fixture
def project(layout, tmp_path) -> ProjectLayout:
    shutil.copytree(layout.root, tmp_path / "project")
    return ProjectLayout(tmp_path / "project")


@pytest.fixture
def client(project, client_of):
    return client_of(project.root)


@pytest.fixture
def token(client) -> str:
    found = re.search(r'data-token="([\w-]{40,})"', client.get("/run/TS001").text)
    assert found
    return found[1]


def _post(client, token: str | None, body: dict, **headers: str):
    given = {} if token is None else {HEADER: token}
    return client.post(ADDRESS, json=body, headers={**given, **headers})


def test_a_verdict_is_appended_and_shown(client, token, project) -> None:
    first = _post(client, token, {"verdict": "unsure", "reason": "too thick: 300 nm at the edge", "after": 0})
    assert first.status_code == 201
    second = _post(client, token, {"verdict": "keep", "after": first.json()["number"]})
    assert second.status_code == 201
    assert [(e.value, e.reason) for e in CurationLog(project.curation_log).events("TS001")] == [
        ("unsure", "too thick: 300 nm at the edge"),
        ("keep", ""),
    ]
    facts = client.get(ADDRESS).json()
    assert facts["verdict"]["verdict"] == "keep"
    assert facts["last"] == second.json()["number"]
    assert len(facts["events"]) == 2
    assert f"keep ({facts['verdict']['who']})" in client.get("/").text


def test_looking_writes_nothing(client, project) -> None:
    assert client.get(ADDRESS).json()["verdict"] is None
    assert client.get("/").status_code == 200
    assert not project.curation_log.exists()


@pytest.mark.parametrize("headers", [{}, {"Sec-Fetch-Site": "same-origin"}])
@pytest.mark.parametrize("given", [None, "", "wrong", 43 * "x"])
def test_without_the_token_nothing_is_written(client, project, given, headers) -> None:
    answer = _post(client, given, {"verdict": "keep"}, **headers)
    assert answer.status_code == 403
    assert "reload" in answer.json()["detail"]
    assert not project.curation_log.exists()


@pytest.mark.parametrize("site", ["cross-site", "same-site", "none"])
def test_other_sites_are_refused_even_with_the_token(client, token, project, site) -> None:
    assert _post(client, token, {"verdict": "keep"}, **{"Sec-Fetch-Site": site}).status_code == 403
    assert not project.curation_log.exists()


def test_a_form_of_another_page_cannot_write(client, project) -> None:
    answer = client.post(ADDRESS, data={"verdict": "reject", "reason": "empty"})
    assert answer.status_code in (400, 403)
    assert not project.curation_log.exists()


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ({"verdict": "reject"}, "reason"),
        ({"verdict": "reject", "reason": "I do not like it"}, "begins with one of"),
        ({"verdict": "reject", "reason": "empty: " + 600 * "x"}, "at most"),
        ({"verdict": "perhaps", "reason": "empty"}, "keep"),
        ({"reason": "empty"}, "verdict"),
    ],
)
def test_wrong_verdicts_get_a_paragraph(client, token, project, body, says) -> None:
    answer = _post(client, token, body)
    assert answer.status_code == 400
    assert says in answer.json()["detail"]
    assert not project.curation_log.exists()


def test_an_overtaken_verdict_is_a_conflict(client, token) -> None:
    assert _post(client, token, {"verdict": "reject", "reason": "empty", "after": 0}).status_code == 201
    late = _post(client, token, {"verdict": "keep", "after": 0})
    assert late.status_code == 409
    assert "look at it again" in late.json()["detail"]
    assert client.get(ADDRESS).json()["verdict"]["verdict"] == "reject"


def test_unknown_runs_cannot_be_judged(client, token, project) -> None:
    answer = client.post("/api/runs/TS999/verdict", json={"verdict": "keep"}, headers={HEADER: token})
    assert answer.status_code == 404
    assert not project.curation_log.exists()


def test_every_server_has_its_own_token(token, project, client_of) -> None:
    other = client_of(project.root)
    assert _post(other, token, {"verdict": "keep"}).status_code == 403
