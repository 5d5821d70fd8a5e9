"""Magnification and bending in AreTomo's patches, read as AreTomo's kernel reads them, written down a second time."""

from pathlib import Path

import numpy as np

from tomoset.formats.aretomo import aretomo_from_geometry, read_aln, write_aln
from tomoset.formats.aretomo_local import field_from_patches
from tomoset.geometry import TiltGeometry

SHAPE_YX, PIXEL = (768, 864), 5.0


def bent_geometry() -> TiltGeometry:
    rng = np.random.default_rng(3)
    return TiltGeometry(
        y_tilt_deg=np.array([-40.0, 0.0, 20.0, 45.0]),
        z_rot_deg=np.full(4, 85.2),
        shift_xy_angstrom=rng.normal(0, 40, (4, 2)),
        magnification=1 + rng.normal(0, 1e-3, 4),
        field_xy_angstrom=rng.normal(0, 20, (4, 2, 6)),  # Å at the edges: 4 px
        field_unit_angstrom=2160.0,
    )


def aretomo_reads(path: Path, row: int, place_xy: np.ndarray) -> np.ndarray:
    """GCorrPatchShift.cu, mGCalcLocalShift and mGCorrect: where the image is read for a place from its centre, px."""
    lines = path.read_text().splitlines()
    table = [line.split() for line in lines if line and not line.startswith("#")]
    shift = np.array([float(word) for word in table[row][3:5]])
    total, weights = np.zeros(2), 0.0
    for words in table:
        if len(words) == 7 and int(words[0]) == row and float(words[6]) >= 0.9:
            r = (place_xy - np.array([float(words[2]), float(words[3])])) / SHAPE_YX[::-1]
            weight = np.exp(-100.0 * float(r @ r))
            total += weight * np.array([float(words[4]), float(words[5])])
            weights += weight
    return place_xy + total / weights + shift


def test_aretomo_sees_magnification_and_bending(tmp_path: Path) -> None:
    geometry = bent_geometry()
    path = write_aln(tmp_path / "a.aln", aretomo_from_geometry(geometry, PIXEL, image_shape_yx=SHAPE_YX))
    places = np.array([[0.0, 0.0], [430.0, -380.0], [-400.0, 120.0], [31.0, 377.0]])
    ours = geometry.distort(np.broadcast_to(places * PIXEL, (4, 4, 2))) + geometry.shift_xy_angstrom[:, None]
    for row in range(4):
        theirs = [aretomo_reads(path, row, place) for place in places]
        np.testing.assert_allclose(ours[row] / PIXEL, theirs, atol=1e-3)


def test_fields_come_back(tmp_path: Path) -> None:
    geometry = bent_geometry()
    use = np.array([True, False, True, True])
    path = write_aln(tmp_path / "a.aln", aretomo_from_geometry(geometry, PIXEL, image_shape_yx=SHAPE_YX, use=use))
    read = read_aln(path)
    assert read.n_patches == 19 * 19
    field, unit, off_px = field_from_patches(read.local, len(read.section), PIXEL, SHAPE_YX)
    assert off_px < 1e-3
    again = TiltGeometry(
        y_tilt_deg=geometry.y_tilt_deg[use],
        z_rot_deg=geometry.z_rot_deg[use],
        shift_xy_angstrom=geometry.shift_xy_angstrom[use],
        field_xy_angstrom=field,
        field_unit_angstrom=unit,
    )
    beads = np.random.default_rng(1).uniform(-1800, 1800, (30, 3)) * [1.0, 1.0, 0.2]
    moved = again.project(beads) - geometry.select(use).project(beads)
    assert np.abs(moved).max() < 1e-3 * PIXEL


def test_a_rigid_geometry_needs_no_patches() -> None:
    geometry = TiltGeometry(
        y_tilt_deg=[0.0, 3.0],
        z_rot_deg=[85.0, 85.0],
        shift_xy_angstrom=np.zeros((2, 2)),
        magnification=np.ones(2),
        field_xy_angstrom=np.zeros((2, 2, 6)),
    )
    assert not len(aretomo_from_geometry(geometry, PIXEL, image_shape_yx=SHAPE_YX).local)


def test_patches_of_a_real_file_are_a_field(shared_data: Path) -> None:
    read = read_aln(shared_data / "imod" / "cryoet-alignment" / "test.aln")
    field, unit, off_px = field_from_patches(read.local, len(read.section), 1.0, (2032, 2032))
    assert unit == 1016.0
    # AreTomo's patches of the first view differ by 150 px; a field of second order follows them.
    first = read.local[read.local[:, 0] == 0]
    assert np.ptp(first[:, 4]) > 100
    assert np.abs(field[0]).max() > 20
    assert off_px < 0.15 * first[:, 4].std()
