"""Peers read our alignments and volumes: cryoet-alignment (IMOD, AreTomo 3) and yaozarrs (OME-Zarr).

Set ``TOMOSET_PEER_PYTHON`` to the interpreter of an environment with ``cryoet-alignment==0.2.0`` and ``yaozarrs[io]``.
"""

import json
import os
import subprocess
from pathlib import Path

import numpy as np
import pytest

from tomoset.formats.aretomo import aretomo_from_geometry, write_aln
from tomoset.formats.imod import geometry_from_imod, imod_from_geometry, read_tlt, read_xf, write_tlt, write_xf
from tomoset.formats.ome_zarr import write_mask_zarr, write_volume_zarr
from tomoset.geometry import Grid, TiltGeometry

PEER = os.environ.get("TOMOSET_PEER_PYTHON", "")
pytestmark = pytest.mark.skipif(
    not PEER or not Path(PEER).is_file(),
    reason="TOMOSET_PEER_PYTHON does not name a Python with cryoet-alignment 0.2.0 and yaozarrs",
)

ALIGN = """
import json
from cryoet_alignment.io.aretomo3 import AreTomo3ALN
from cryoet_alignment.io.cryoet_data_portal import Alignment
aln = AreTomo3ALN.from_file("series.aln")
def facts(a):
    return [[p.z_index, p.tilt_angle, p.volume_x_rotation, p.in_plane_rotation, p.x_offset, p.y_offset]
            for p in a.per_section_alignment_parameters]
imod = Alignment.from_imod_basename("series")
json.dump({"rows": [[g.rot, g.tx, g.ty, g.tilt] for g in aln.GlobalAlignments],
           "raw": list(aln.RawSize), "imod": facts(imod)}, open("seen.json", "w"))
"""

VALIDATE = """
import yaozarrs
for name in ("volume.zarr", "mask.zarr"):
    yaozarrs.validate_zarr_store(name)
"""


def run_peer(folder, program):
    done = subprocess.run([PEER, "-c", program], cwd=folder, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr[-2000:]


def test_the_portals_converter_reads_the_same_alignment_from_both_formats(tmp_path):
    rng = np.random.default_rng(0)
    n, pixel = 31, 5.0
    geometry = TiltGeometry(
        y_tilt_deg=np.linspace(-45, 45, n),
        z_rot_deg=rng.normal(85.3, 0.2, n),
        shift_xy_angstrom=rng.normal(0, 40, (n, 2)),
    )
    imod = imod_from_geometry(geometry, pixel)
    write_xf(tmp_path / "series.xf", imod.xf)
    write_tlt(tmp_path / "series.tlt", imod.tilt_deg)
    write_tlt(tmp_path / "series.xtilt", imod.xtilt_deg)
    write_aln(tmp_path / "series.aln", aretomo_from_geometry(geometry, pixel, image_shape_yx=(768, 864)))

    run_peer(tmp_path, ALIGN)

    seen = json.loads((tmp_path / "seen.json").read_text())
    shift = geometry.shift_xy_angstrom / pixel
    rows = np.array(seen["rows"])
    assert seen["raw"] == [864, 768, n]
    np.testing.assert_allclose(rows[:, 0], geometry.z_rot_deg, atol=1e-4)
    np.testing.assert_allclose(rows[:, 1:3], shift, atol=1e-3)
    np.testing.assert_allclose(rows[:, 3], geometry.y_tilt_deg, atol=1e-4)
    assert [row[0] for row in seen["imod"]] == list(range(n))
    np.testing.assert_allclose([row[1] for row in seen["imod"]], geometry.y_tilt_deg, atol=1e-4)
    turned = np.array([row[3] for row in seen["imod"]])
    np.testing.assert_allclose(np.rad2deg(np.arctan2(turned[:, 1, 0], turned[:, 0, 0])), geometry.z_rot_deg, atol=1e-4)
    np.testing.assert_allclose([row[4:6] for row in seen["imod"]], shift, atol=1e-3)


def test_a_real_imod_alignment_means_the_same_to_the_peer(shared_data, tmp_path):
    base = shared_data / "imod" / "cryoet-alignment" / "convert" / "imod_1"
    for suffix in (".xf", ".tlt", ".xtilt"):
        (tmp_path / f"series{suffix}").write_bytes((base / f"tilt_1{suffix}").read_bytes())
    for name in ("newst.com", "tilt.com"):
        (tmp_path / name).write_bytes((base / name).read_bytes())
    xf, tilt = read_xf(tmp_path / "series.xf"), read_tlt(tmp_path / "series.tlt")
    geometry = geometry_from_imod(xf, tilt, 1.0)
    write_aln(tmp_path / "series.aln", aretomo_from_geometry(geometry, 1.0, image_shape_yx=(3708, 3832)))

    run_peer(tmp_path, ALIGN)

    seen = json.loads((tmp_path / "seen.json").read_text())
    by_section = {row[0]: row for row in seen["imod"]}
    assert len(by_section) >= 50
    for i, row in by_section.items():
        np.testing.assert_allclose(row[4:6], geometry.shift_xy_angstrom[i], atol=1e-3)
        np.testing.assert_allclose(np.rad2deg(np.arctan2(row[3][1][0], row[3][0][0])), geometry.z_rot_deg[i], atol=1e-4)
        # the same alignment through our .aln
        rot, tx, ty, angle = seen["rows"][i]
        np.testing.assert_allclose([rot, angle], [geometry.z_rot_deg[i], row[1]], atol=1e-4)
        np.testing.assert_allclose([tx, ty], row[4:6], atol=1e-3)


def test_volumes_and_masks_are_valid_ome_zarr(tmp_path):
    grid = Grid(shape_zyx=(20, 30, 40), voxel_size_angstrom=10.0)
    write_volume_zarr(tmp_path / "volume.zarr", np.zeros(grid.shape_zyx, np.float32), grid)
    write_mask_zarr(tmp_path / "mask.zarr", np.ones(grid.shape_zyx, np.uint8), grid)
    run_peer(tmp_path, VALIDATE)
