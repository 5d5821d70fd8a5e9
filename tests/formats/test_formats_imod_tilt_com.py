"""tilt.com: positioning is applied as flib/tilt/tilt.f90 does, written down here a second time."""

from pathlib import Path

import numpy as np
import pytest

from tomoset.errors import FormatError, InputMissingError
from tomoset.formats.imod_tilt_com import TiltCommand, positioned, read_tilt_com
from tomoset.geometry import TiltGeometry

COM = """# a comment
$tilt -StandardInput
InputProjections a.ali
IMAGEBINNED 4
FULLIMAGE 400 500
OFFSET 1.5 2.0
SHIFT 7.0 -11.0
XAXISTILT 0.9
TILTFILE a.tlt
THICKNESS 120
EXCLUDELIST 1,3-4
EXCLUDELIST2 7
LOCALFILE alocal.xf
$if (-e ./savework) ./savework
"""


def test_every_entry_that_matters_is_read(tmp_path: Path) -> None:
    (tmp_path / "tilt.com").write_text(COM)
    command = read_tilt_com(tmp_path / "tilt.com")
    assert command.tilt_offset_deg == 1.5
    assert command.shift_xz_pixel == (9.0, -11.0)
    assert command.x_axis_tilt_deg == 0.9
    assert command.excluded_views == (1, 3, 4, 7)
    assert command.full_image_xy == (400, 500)
    assert command.thickness_pixel == 120
    assert command.tilt_file == "a.tlt"
    assert command.left_out == ("LOCALFILE",)


def imod_looks_at(command: TiltCommand, tilt_deg: float, xtilt_deg: float, output_xyz: np.ndarray) -> np.ndarray:
    """Where ``tilt`` reads the aligned image, from its centre, for a voxel x, row y, slice z of its output.

    xp = x cosB + y sinA sinB + z cosA sinB, yp = y cosA − z sinA in the program's names: its y is the slice, its z the
    row; sines are negated on input; rows and x count from the centre plus SHIFT.
    """
    a, b = -np.deg2rad(xtilt_deg - command.x_axis_tilt_deg), -np.deg2rad(tilt_deg + command.tilt_offset_deg)
    x, row, slice_ = output_xyz
    x, row = x - command.shift_xz_pixel[0], row - command.shift_xz_pixel[1]
    across = x * np.cos(b) + slice_ * np.sin(a) * np.sin(b) + row * np.cos(a) * np.sin(b)
    return np.array([across, slice_ * np.cos(a) - row * np.sin(a)])


def test_the_tomogram_is_that_of_imod() -> None:
    command = TiltCommand(
        tilt_offset_deg=1.5, x_axis_tilt_deg=2.5, shift_xz_pixel=(9.0, -11.0), excluded_views=(2,), left_out=()
    )
    tilt, xtilt = np.array([-40.0, 3.0, 50.0]), np.array([0.3, 0.0, -0.4])
    geometry = TiltGeometry(
        y_tilt_deg=tilt, z_rot_deg=np.zeros(3), shift_xy_angstrom=np.zeros((3, 2)), x_tilt_deg=xtilt
    )
    placed, use = positioned(geometry, command, 2.0)
    assert use.tolist() == [True, False, True]
    bead = np.array([31.0, -17.0, 23.0])  # x, y, z of our frame, pixels: IMOD's slice is y, its row −z
    ours = placed.project(bead * 2.0)[:, 0] / 2.0
    theirs = [imod_looks_at(command, t, x, bead[[0, 2, 1]] * [1, -1, 1]) for t, x in zip(tilt, xtilt, strict=True)]
    np.testing.assert_allclose(ours, theirs, atol=1e-9)


def test_real_command_files_read(shared_data: Path) -> None:
    files = sorted(shared_data.rglob("tilt.com"))
    assert len(files) >= 4
    for file in files:
        assert read_tilt_com(file).full_image_xy is not None
    beads = read_tilt_com(shared_data / "imod" / "BB" / "tilt.com")
    assert beads.x_axis_tilt_deg == 1.94
    assert beads.excluded_views == (1,)
    assert beads.left_out == ("LOCALFILE", "ZFACTORFILE")


def test_bad_command_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputMissingError, match="found nothing"):
        read_tilt_com(tmp_path / "tilt.com")
    for text, match in (("OFFSET 1\n", r"command '\$tilt'"), ("$tilt -S\nOFFSET one\n", "numbers after OFFSET")):
        (tmp_path / "tilt.com").write_text(text)
        with pytest.raises(FormatError, match=match):
            read_tilt_com(tmp_path / "tilt.com")
    (tmp_path / "tilt.com").write_text("$tilt -S\nEXCLUDELIST 1,x\n")
    with pytest.raises(FormatError, match="views such as"):
        read_tilt_com(tmp_path / "tilt.com")
