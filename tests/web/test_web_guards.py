"""Nobody but this machine's own pages, nothing of the truth, and no other way to write."""

import shutil

import pytest

HIDDEN = "truth-that-nobody-may-see"
ROUTES = (
    "/",
    "/run/TS001",
    "/api/runs",
    "/api/objects",
    "/api/runs/TS001",
    "/api/runs/TS001/picks",
    "/static/room.js",
)
OUTSIDE = (
    "..%2f",
    "%2e%2e/",
    "..%2f..%2f",
    "..%5c",
    "%2e%2e%2fGroundTruth%2fTS001",
    "....//",
    "%00",
)


@pytest.mark.parametrize("host", ["evil.example", "evil.example:8000", "127.0.0.1.evil.example", "localhost:evil", ""])
@pytest.mark.parametrize("path", ["/", "/api/runs", "/static/room.js"])
def test_foreign_hosts_are_refused(client, host: str, path: str) -> None:
    answer = client.get(path, headers={"Host": host})
    assert answer.status_code == 403
    assert "127.0.0.1" in answer.text
    assert "TS001" not in answer.text


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.1:9999", "localhost:8000", "LOCALHOST"])
def test_own_names_are_served(client, host: str) -> None:
    assert client.get("/api/runs", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize("path", [*ROUTES, "/nope", "/api/runs/TS001/section.png"])
def test_headers_keep_pages_to_themselves(client, path: str) -> None:
    headers = client.get(path, headers={"Origin": "http://evil.example"}).headers
    assert "default-src 'self'" in headers["content-security-policy"]
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["cross-origin-resource-policy"] == "same-origin"
    assert "access-control-allow-origin" not in headers


def test_generated_documentation_is_off(client) -> None:
    for path in ("/docs", "/redoc", "/openapi.json"):
        assert client.get(path).status_code == 404


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_nothing_else_can_be_written(client, method: str) -> None:
    for path in ROUTES:
        assert client.request(method, path).status_code in (404, 405)


def test_no_route_returns_the_truth(client) -> None:
    for path in ROUTES:
        assert HIDDEN not in client.get(path).text
    for path in ("/GroundTruth/TS001/truth.json", "/api/truth", "/api/runs/TS001/truth", "/score.json"):
        answer = client.get(path)
        assert answer.status_code == 404
        assert HIDDEN not in answer.text


@pytest.mark.parametrize("outside", OUTSIDE)
@pytest.mark.parametrize(
    "form",
    [
        "/static/{}truth.json",
        "/static/{}app.py",
        "/run/{}",
        "/api/runs/{}",
        "/api/runs/{}GroundTruth/picks",
        "/api/runs/{}GroundTruth/section.png",
        "/api/runs/TS001/tilt/{}0.png",
        "/api/runs/TS001/section.png?tomogram={}",
        "/api/runs/TS001/picks?tomogram={}GroundTruth/TS001/truth.json",
    ],
)
def test_paths_lead_nowhere_else(client, form: str, outside: str) -> None:
    answer = client.get(form.format(outside))
    assert answer.status_code in (400, 404)
    assert HIDDEN not in answer.text


def test_truth_behind_a_link_is_refused(layout, client_of, tmp_path) -> None:
    root = tmp_path / "copy"
    shutil.copytree(layout.root, root)
    picks = root / "ExperimentRuns" / "TS001" / "Picks" / "truth_1_apoferritin.json"
    picks.symlink_to(root / "GroundTruth" / "TS001" / "truth.json")
    outside = tmp_path / "elsewhere.zarr"
    shutil.copytree(root / "ExperimentRuns" / "TS001" / "VoxelSpacing12.000" / "wbp.zarr", outside)
    (root / "ExperimentRuns" / "TS001" / "VoxelSpacing12.000" / "linked.zarr").symlink_to(outside)
    client = client_of(root)
    for path in ("/api/runs/TS001/picks", "/api/runs/TS001/section.png?tomogram=12.000/linked"):
        answer = client.get(path)
        assert answer.status_code == 404
        assert "link" in answer.json()["detail"]
        assert HIDDEN not in answer.text
