"""Warp's own geometry (warpylib, the port by Warp's author) reads our .tomostar and .xml and sees a bead where we do.

Set ``TOMOSET_WARPYLIB`` to a folder with ``warpylib==1.1.2`` (``pip install --no-deps --target``); torch is ours.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tomoset.formats.warp_tomostar import Tomostar, write_tomostar
from tomoset.formats.warp_xml import WarpSeries, read_warp_xml, write_warp_xml
from tomoset.geometry import TiltGeometry

PEER = os.environ.get("TOMOSET_WARPYLIB", "")
pytestmark = pytest.mark.skipif(
    not (Path(PEER) / "warpylib").is_dir() or not PEER,
    reason="TOMOSET_WARPYLIB does not name a folder with warpylib 1.1.2",
)

# torch_projectors, compiled for one version of torch, makes images, which nobody asks for here.
LOOK = """
import json, sys, types
sys.modules["torch_projectors"] = types.ModuleType("torch_projectors")
import torch
from warpylib.tilt_series import TiltSeries
from warpylib.tilt_series.io import initialize_from_tomo_star
from warpylib.tilt_series.positions import get_position_in_all_tilts_single

asked = json.load(open("asked.json"))
sizes = {"image_dimensions_physical": torch.tensor(asked["image"]),
         "volume_dimensions_physical": torch.tensor(asked["volume"])}
if asked["file"].endswith(".xml"):
    series = TiltSeries(path=asked["file"], **sizes)
else:
    series = TiltSeries(**sizes)
    initialize_from_tomo_star(series, asked["file"])
beads = torch.tensor(asked["beads"]) + series.volume_dimensions_physical / 2
seen = get_position_in_all_tilts_single(series, beads)[..., :2] - series.image_dimensions_physical / 2
json.dump({"seen": seen.tolist(), "use": series.use_tilt.tolist(), "dose": series.dose.tolist(),
           "movies": series.tilt_movie_paths, "inverted": bool(series.are_angles_inverted)}, open("seen.json", "w"))
"""
IMAGE, VOLUME, PIXEL = (4320.0, 3840.0), (4320.0, 3840.0, 1800.0), 5.0
BEADS = np.random.default_rng(7).uniform(-800, 800, (12, 3))


def warp_sees(folder: Path, file: Path) -> dict[str, object]:
    asked = {"file": str(file), "image": IMAGE, "volume": VOLUME, "beads": BEADS.tolist()}
    (folder / "asked.json").write_text(json.dumps(asked))
    done = subprocess.run(
        [sys.executable, "-c", LOOK],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
        env={**os.environ, "PYTHONPATH": PEER},
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads((folder / "seen.json").read_text())


def a_geometry(n: int, x_tilt: float = 0.0) -> TiltGeometry:
    rng = np.random.default_rng(n)
    return TiltGeometry(
        y_tilt_deg=np.linspace(-45, 48, n),
        z_rot_deg=rng.normal(85.3, 0.2, n),
        shift_xy_angstrom=rng.normal(0, 40, (n, 2)),
        x_tilt_deg=np.full(n, x_tilt),
    )


def test_xml(tmp_path: Path) -> None:
    geometry, n = a_geometry(11, x_tilt=1.7), 11
    use = np.arange(n) != 4
    series = WarpSeries(
        geometry=geometry,
        use=use,
        dose_before_e_per_angstrom2=np.arange(n) * 3.2,
        movie_names=tuple(f"a_{i}.tif" for i in range(n)),
        defocus_hand=-1,
        image_size_angstrom_xy=IMAGE,
        volume_size_angstrom_xyz=VOLUME,
    )
    seen = warp_sees(tmp_path, write_warp_xml(tmp_path / "a.xml", series))
    ours = geometry.project(BEADS).transpose(1, 0, 2)
    assert np.abs(np.array(seen["seen"]) - ours).max() < 1e-3 * PIXEL
    assert seen["use"] == use.tolist()
    assert seen["inverted"] is True
    np.testing.assert_allclose(seen["dose"], series.dose_before_e_per_angstrom2, atol=1e-4)


def test_tomostar(tmp_path: Path) -> None:
    geometry, n = a_geometry(9), 9
    star = Tomostar(
        movie_names=tuple(f"a_{i}.tif" for i in range(n)),
        geometry=geometry,
        dose_before_e_per_angstrom2=np.arange(n) * 3.2,
    )
    seen = warp_sees(tmp_path, write_tomostar(tmp_path / "a.tomostar", star))
    ours = geometry.project(BEADS).transpose(1, 0, 2)
    assert np.abs(np.array(seen["seen"]) - ours).max() < 1e-3 * PIXEL
    assert [Path(str(name)).name for name in seen["movies"]] == list(star.movie_names)


def test_a_real_series_means_the_same_to_warp(shared_data: Path, tmp_path: Path) -> None:
    real = shared_data / "relion" / "pytom_match_pick" / "gs04_ts_003.xml"
    copy = tmp_path / real.name
    copy.write_bytes(real.read_bytes())
    seen = warp_sees(tmp_path, copy)
    ours = read_warp_xml(real).geometry.project(BEADS).transpose(1, 0, 2)
    assert np.abs(np.array(seen["seen"]) - ours).max() < 2e-3 * PIXEL  # float32 of 4000 Å on their side
