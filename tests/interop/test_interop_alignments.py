"""Peers read our files: cryoet-alignment those of IMOD, AreTomo 3, RELION 5, Warp and the portal, yaozarrs OME-Zarr.

Set ``TOMOSET_PEER_PYTHON`` to the interpreter of an environment with ``cryoet-alignment==0.2.0`` and ``yaozarrs[io]``.
"""

import dataclasses
import json
import os
import subprocess
from pathlib import Path

import numpy as np
import pytest

from tomoset.formats.aretomo import aretomo_from_geometry, write_aln
from tomoset.formats.imod import geometry_from_imod, imod_from_geometry, read_tlt, read_xf, write_tlt, write_xf
from tomoset.formats.ome_zarr import write_mask_zarr, write_volume_zarr
from tomoset.formats.relion_export import RelionExport, write_tomograms_star
from tomoset.geometry import Grid, TiltGeometry
from tomoset.model import CtfEstimate, InMemory, Tilt, TiltSeries
from tomoset.release.alignment_files import image_names, write_aretomo_files, write_exchange_files

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

SERIES = """
import json
from cryoet_alignment.io.aretomo3 import AreTomo3ALN, AreTomo3CTF
from cryoet_alignment.io.cryoet_data_portal import Alignment
def facts(a):
    return [[p.z_index, p.tilt_angle, p.volume_x_rotation, p.in_plane_rotation, p.x_offset, p.y_offset]
            for p in a.per_section_alignment_parameters]
aln = AreTomo3ALN.from_file("TS1.aln")
json.dump({
    "portal": facts(Alignment.from_file("TS1_portal.json")),
    "imod": facts(Alignment.from_imod_basename("TS1")),
    "aretomo": facts(Alignment.from_aretomo3(aln)),
    "warp": facts(Alignment.from_warp_file("TS1.xml", pixel_size_a=5.0)),
    "relion": facts(Alignment.from_relion_file("tomograms.star", tomo_name="TS1")),
    "patches": [[p.sec_idx, p.patch_idx, p.center_x, p.center_y, p.shift_x, p.shift_y] for p in aln.LocalAlignments],
    "ctf": [[r.df_max_a, r.df_min_a, r.azimuth_deg, r.score, r.res_a, r.df_hand]
            for r in AreTomo3CTF.from_file("TS1_CTF.txt").rows],
}, open("seen.json", "w"))
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


def a_series(n: int, unused: int) -> TiltSeries:
    """An aligned series of 5 Å pixels with defocus, one tilt of which is not used."""
    rng = np.random.default_rng(2)
    shift = rng.normal(0, 40, (n, 2))
    shift[unused] = 0
    tilts = tuple(
        Tilt(
            name=f"a_{i}.tif",
            nominal_tilt_deg=-45.0 + 3 * i,
            acquisition_order=i,
            dose_e_per_angstrom2=3.2,
            dose_before_e_per_angstrom2=3.2 * i,
            mean_counts=5.0,
            use=i != unused,
            reason="" if i != unused else "blocked",
            ctf=CtfEstimate(
                defocus_u_angstrom=36000.0 - 50 * i,
                defocus_v_angstrom=35000.0 - 60 * i,
                astigmatism_deg=-30.0 + i,
                score=0.4,
                resolution_angstrom=8.5,
            ),
        )
        for i in range(n)
    )
    return TiltSeries(
        run="TS1",
        pixel_size_angstrom=5.0,
        tilts=tilts,
        images_nyx=InMemory(np.zeros((n, 64, 96), dtype=np.float32)),
        geometry=TiltGeometry(
            y_tilt_deg=np.linspace(-45, 45, n) + rng.normal(0, 0.1, n),
            z_rot_deg=rng.normal(85.3, 0.2, n),
            shift_xy_angstrom=shift,
        ),
        defocus_hand=-1,
    )


def test_the_portals_converter_reads_every_file_of_a_series(tmp_path):
    n, unused = 31, 3
    series = a_series(n, unused)
    write_exchange_files(tmp_path, series, "")
    grid = Grid(shape_zyx=(32, 64, 96), voxel_size_angstrom=5.0)
    export = RelionExport(series=series, image_names=image_names(series, "TS1.mrc"), grid=grid)
    write_tomograms_star(tmp_path / "tomograms.star", [export], path_prefix="relion/")
    field = np.zeros((n, 2, 6))
    field[:, 0, 3] = 9.0
    bent = dataclasses.replace(
        series,
        geometry=dataclasses.replace(series.geometry, field_xy_angstrom=field, field_unit_angstrom=240.0),
    )
    write_aretomo_files(tmp_path, bent)

    run_peer(tmp_path, SERIES)

    seen = json.loads((tmp_path / "seen.json").read_text())
    for peer in ("portal", "imod", "aretomo", "warp", "relion"):
        rows = {row[0]: row for row in seen[peer]}
        # RELION's peer counts the rows that the star has, Warp's and IMOD's those of the stack.
        places = series.used if peer in ("portal", "aretomo") else range(n) if len(rows) == n else range(len(rows))
        kept = series.used if len(rows) < n else np.arange(n)
        assert len(rows) in (n, n - 1), peer
        for place, i in zip(places, kept, strict=True):
            _, tilt, _, turn, x, y = rows[place]
            if i == unused:
                continue
            assert tilt == pytest.approx(series.geometry.y_tilt_deg[i], abs=1e-4), peer
            rotation = np.rad2deg(np.arctan2(turn[1][0], turn[0][0]))
            assert rotation == pytest.approx(series.geometry.z_rot_deg[i], abs=1e-4), peer
            centre = np.zeros(2)
            if peer == "imod":  # our .xf is about IMOD's own centre, half a pixel off N // 2; its peer leaves that out
                centre += 0.5
            np.testing.assert_allclose([x, y], series.geometry.shift_xy_angstrom[i] / 5.0 + centre, atol=1e-3)
    assert len(seen["patches"]) == 19 * 19 * (n - 1)
    for tilt, row in zip(series.tilts, seen["ctf"], strict=True):
        ctf = tilt.ctf
        expected = [ctf.defocus_u_angstrom, ctf.defocus_v_angstrom, ctf.astigmatism_deg, ctf.score, 8.5, -1]
        np.testing.assert_allclose(row, expected, atol=0.006)


def test_volumes_and_masks_are_valid_ome_zarr(tmp_path):
    grid = Grid(shape_zyx=(20, 30, 40), voxel_size_angstrom=10.0)
    write_volume_zarr(tmp_path / "volume.zarr", np.zeros(grid.shape_zyx, np.float32), grid)
    write_mask_zarr(tmp_path / "mask.zarr", np.ones(grid.shape_zyx, np.uint8), grid)
    run_peer(tmp_path, VALIDATE)
