"""The pages show what the project holds."""

import io
import re

import numpy as np
import pytest
from PIL import Image

from tomoset.web import project_view

# Same names as conftest's, spelled out: what the fixture wrote is what must come back.
POSITIONS_VOXEL_XYZ = [[10.0, 20.0, 5.0], [40.5, 30.0, 12.0]]


def _pixels(answer) -> np.ndarray:
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "image/png"
    return np.asarray(Image.open(io.BytesIO(answer.content)))


def test_dataset_page_lists_runs_with_thumbnails(client) -> None:
    page = client.get("/").text
    assert "TS001" in page
    assert 'src="/api/runs/TS001/section.png' in page
    assert page.count("no tomogram yet") == 1  # TS002
    assert "2 apoferritin" in page
    assert "Zwei &lt;b&gt;Serien&lt;/b&gt;" in page  # a recipe's text is text, not markup


def test_run_page_links_its_neighbour(client) -> None:
    page = client.get("/run/TS001").text
    assert 'data-run="TS001"' in page
    assert 'href="/run/TS002"' in page


def test_pages_name_no_other_machine(client) -> None:
    for path in ("/", "/run/TS001", "/static/room.js", "/static/room.css", "/run/nope"):
        assert not re.findall(r"(?:https?:)?//[a-z0-9]+\.[a-z]", client.get(path).text)


def test_pages_hold_no_inline_code(client) -> None:
    for path in ("/", "/run/TS001"):
        page = client.get(path).text
        assert not re.search(r"<script(?![^>]*\bsrc=)|<style|\bstyle=|\bon\w+=", page)


def test_every_element_the_script_asks_for_is_on_the_page(client) -> None:
    asked = set(re.findall(r'\$\("([\w-]+)"\)', client.get("/static/room.js").text))
    page = client.get("/run/TS001").text
    assert asked
    assert {name for name in asked if f'id="{name}"' not in page} == set()


def test_runs_report_status_and_tomograms(client) -> None:
    first, second = client.get("/api/runs").json()
    assert (first["run"], first["tilts_used"], first["tilts_total"]) == ("TS001", 2, 3)
    assert first["tomograms"] == ["12.000/wbp", "12.000/wbp-odd"]  # whole before half
    assert second["tomograms"] == []


def test_run_facts_keep_every_tilt(client) -> None:
    facts = client.get("/api/runs/TS001").json()
    assert facts["tomograms"][0]["shape_xyz"] == [64, 48, 20]
    assert [tilt["use"] for tilt in facts["tilts"]] == [True, True, False]
    last = facts["tilts"][2]
    assert last["reason"] == "beam blocked"
    assert last["defocus_angstrom"] == 35000.0
    assert last["motion_angstrom"] == pytest.approx(5.0)
    assert last["dose_before_e_per_angstrom2"] == 6.0


def test_picks_are_in_voxels_xyz(client) -> None:
    answer = client.get("/api/runs/TS001/picks").json()
    found = [[pick["x"], pick["y"], pick["z"]] for pick in answer["picks"]]
    assert np.allclose(found, POSITIONS_VOXEL_XYZ)
    assert {pick["object"] for pick in answer["picks"]} == {"apoferritin"}
    assert [pick["score"] for pick in answer["picks"]] == [0.9, 0.5]
    assert answer["picks"][0]["user"] == "templates"


def test_objects_have_colours(client) -> None:
    objects = {item["name"]: item for item in client.get("/api/objects").json()}
    assert objects["apoferritin"]["color"] == "#9b59b6"
    assert objects["pp7-vlp"]["radius_angstrom"] == 140.0


def test_xy_section_has_y_up_and_x_right(client) -> None:
    picture = _pixels(client.get("/api/runs/TS001/section.png?axis=z&index=3&slab=0&low=0&high=100"))
    assert picture.shape == (48, 64)
    # volume = 100 z + 10 (upper half) + 1 (right half): the top is bright, its right half brightest
    assert picture[0, -1] == 255
    assert picture[-1, 0] == 0
    assert picture[0, 0] == round(255 * 10 / 11)
    assert picture[-1, -1] == round(255 * 1 / 11)


def test_xz_section_has_z_up(client) -> None:
    picture = _pixels(client.get("/api/runs/TS001/section.png?axis=y&index=0&slab=0&low=0&high=100"))
    assert picture.shape == (20, 64)
    assert np.all(np.diff(picture[:, 0].astype(int)) < 0)


def test_yz_section_has_the_shape_of_y_and_z(client) -> None:
    assert _pixels(client.get("/api/runs/TS001/section.png?axis=x&slab=0")).shape == (20, 48)


def test_size_bounds_the_picture(client) -> None:
    assert _pixels(client.get("/api/runs/TS001/section.png?size=32")).shape == (24, 32)


def test_thumbnails_come_from_the_pyramid_and_agree_with_the_volume(layout, client_of, monkeypatch) -> None:
    read = []
    slab_mean = project_view.slab_mean

    def spy(volume, *arguments):
        read.append(volume.shape)
        return slab_mean(volume, *arguments)

    monkeypatch.setattr(project_view, "slab_mean", spy)
    client = client_of(layout.root)  # with an empty cache
    query = "axis=y&index=10&slab=48&low=0&high=100&size=32"
    small = _pixels(client.get(f"/api/runs/TS001/section.png?{query}"))
    monkeypatch.setattr(project_view, "_THUMBNAIL_PIXELS", 1)
    exact = _pixels(client_of(layout.root).get(f"/api/runs/TS001/section.png?{query}"))
    assert read == [(10, 24, 32), (20, 48, 64)]
    assert small.shape == exact.shape == (10, 32)
    assert np.abs(small.astype(int) - exact.astype(int)).max() <= 1


def test_another_tomogram_can_be_asked_for(client) -> None:
    flat = _pixels(client.get("/api/runs/TS001/section.png?axis=y&tomogram=12.000/wbp-odd"))
    assert np.unique(flat).size == 1  # the odd half of the fixture is empty


def test_tilt_image_is_binned_with_y_up(client) -> None:
    picture = _pixels(client.get("/api/runs/TS001/tilt/1.png"))
    assert max(picture.shape) == 1024
    assert picture.shape[0] == round(1200 * 1024 / 1500)
    assert picture[600:, :400].mean() > picture[:200, 600:].mean() + 50  # bright at small y and x: bottom left


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ("axis=q", "axis"),
        ("index=99", "0 to 19"),
        ("index=-1", "0 to 19"),
        ("index=one", "index"),
        ("slab=-5", "slab"),
        ("slab=nan", "slab"),
        ("low=90&high=10", "percentiles"),
        ("low=nan", "percentiles"),
        ("size=0", "size"),
        ("size=100000", "size"),
    ],
)
def test_wrong_questions_get_a_paragraph(client, query: str, says: str) -> None:
    answer = client.get(f"/api/runs/TS001/section.png?{query}")
    assert answer.status_code == 400
    assert says in answer.json()["detail"]


@pytest.mark.parametrize(
    ("path", "says"),
    [
        ("/api/runs/TS999", "TS001, TS002"),
        ("/api/runs/TS999/picks", "TS999"),
        ("/api/runs/TS999/section.png", "TS999"),
        ("/api/runs/TS999/tilt/0.png", "TS999"),
        ("/api/runs/TS002/section.png", "tomoset run"),
        ("/api/runs/TS002/picks", "tomoset run"),
        ("/api/runs/TS002/tilt/0.png", "tomoset run"),
        ("/api/runs/TS001/tilt/3.png", "0 to 2"),
        ("/api/runs/TS001/section.png?tomogram=10.000/wbp", "12.000/wbp"),
        ("/api/nothing", "/api/nothing"),
    ],
)
def test_what_is_not_there_is_404_with_a_paragraph(client, path: str, says: str) -> None:
    answer = client.get(path)
    assert answer.status_code == 404
    assert says in answer.json()["detail"]


def test_unknown_run_page_is_a_page(client) -> None:
    answer = client.get("/run/<i>x")
    assert answer.status_code == 404
    assert answer.headers["content-type"].startswith("text/html")
    assert "&lt;i&gt;x" in answer.text
    assert "<i>" not in answer.text
