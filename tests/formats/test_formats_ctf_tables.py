"""Defocus tables of CTFFIND, AreTomo and IMOD: units to the digit, real files, every tilt accounted for."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tomoset.errors import FormatError, InputMissingError, ParameterError
from tomoset.formats.ctffind import read_ctffind, write_ctffind
from tomoset.formats.imod_defocus import estimates_by_view, read_imod_defocus, write_imod_defocus
from tomoset.model import CtfEstimate, Optics, Tilt

OPTICS = Optics(voltage_kv=300.0, cs_mm=2.7, amplitude_contrast=0.07)


def estimate(u=35123.456, v=34877.111, angle=-62.1, score=0.123456, resolution=9.8765):
    return CtfEstimate(
        defocus_u_angstrom=u, defocus_v_angstrom=v, astigmatism_deg=angle, score=score, resolution_angstrom=resolution
    )


def tilt(i, ctf, use=True):
    return Tilt(
        name=f"tilt{i}",
        nominal_tilt_deg=3.0 * i - 3,
        acquisition_order=i,
        dose_e_per_angstrom2=3.0,
        dose_before_e_per_angstrom2=3.0 * i,
        mean_counts=50.0,
        use=use,
        reason="" if use else "dark",
        ctf=ctf,
    )


TILTS = (tilt(0, estimate()), tilt(1, None, use=False), tilt(2, estimate(40000.0, 40000.0, 0.0)))


def ctffind(path, tilts=TILTS, hand=None):
    return write_ctffind(path, tilts, pixel_size_angstrom=5.0, optics=OPTICS, defocus_hand=hand)


def test_ctffind_comes_back_with_every_tilt(tmp_path):
    found = read_ctffind(ctffind(tmp_path / "ctf.txt"))
    assert found.defocus_hand == 0
    assert found.estimates[1] is None
    first = found.estimates[0]
    assert first.defocus_u_angstrom == pytest.approx(35123.456, abs=1e-6)
    assert first.defocus_v_angstrom == pytest.approx(34877.111, abs=1e-6)
    assert first.astigmatism_deg == pytest.approx(-62.1, abs=1e-6)
    assert first.score == pytest.approx(0.123456, abs=1e-6)
    assert first.resolution_angstrom == pytest.approx(9.8765, abs=1e-6)


def test_ctffind_text_is_laid_out_as_its_readers_expect(tmp_path):
    text = ctffind(tmp_path / "ctf.txt", hand=-1).read_text()
    comments = [line for line in text.splitlines() if line.startswith("#")]
    rows = [line.split() for line in text.splitlines() if not line.startswith("#")]
    assert "Pixel size: 5 Angstroms ; acceleration voltage: 300.0 keV" in comments[1]
    assert comments[-1].startswith("# Columns: #1 - micrograph number; #2 - defocus 1 [Angstroms]; #3 - defocus 2")
    assert [row[0] for row in rows] == ["1", "2", "3"]
    assert [len(row) for row in rows] == [8, 8, 8]
    assert read_ctffind(tmp_path / "ctf.txt").defocus_hand == -1


def test_ctffind_reads_the_smaller_defocus_first(tmp_path):
    (tmp_path / "x.txt").write_text("1 10000 12000 30 0.5 0.1 8\n")
    found = read_ctffind(tmp_path / "x.txt")
    assert found.estimates[0].defocus_u_angstrom == 12000
    assert found.estimates[0].astigmatism_deg == pytest.approx(-60)
    assert found.phase_shift_rad == (0.5,)


@pytest.mark.parametrize(
    ("text", "expected"),
    [("# nothing\n", "found none"), ("1 2 3\n", "seven|7"), ("1 1 1 1 1 1 1\n3 1 1 1 1 1 1\n", "out of order")],
)
def test_ctffind_refuses_what_is_no_table(tmp_path, text, expected):
    (tmp_path / "x.txt").write_text(text)
    with pytest.raises(FormatError, match=expected):
        read_ctffind(tmp_path / "x.txt")
    with pytest.raises(InputMissingError):
        read_ctffind(tmp_path / "absent.txt")


def row(one):
    return (
        one.defocus_u_angstrom,
        one.defocus_v_angstrom,
        one.astigmatism_deg,
        one.score,
        one.resolution_angstrom,
    )


def test_real_tables_of_ctffind_and_aretomo(shared_data, tmp_path):
    real = read_ctffind(shared_data / "mdoc" / "cryocat_TS_017" / "017_ctffind4.txt")
    assert len(real.estimates) == 60  # the file says 41 and holds 60
    first = real.estimates[0]
    assert (first.defocus_u_angstrom, first.defocus_v_angstrom) == (14477.870117, 13500.001953)
    assert (first.astigmatism_deg, first.resolution_angstrom) == (75.000012, 12.144508)
    columns = np.loadtxt(shared_data / "mdoc" / "cryocat_TS_017" / "017_ctffind4.txt")
    np.testing.assert_allclose([row(one) for one in real.estimates], columns[:, [1, 2, 3, 5, 6]], atol=1e-9)
    # Written by us, every number of CTFFIND's own file comes back where it stood.
    ours = np.loadtxt(ctffind(tmp_path / "a.txt", tuple(tilt(i, one) for i, one in enumerate(real.estimates))))
    np.testing.assert_allclose(ours, columns, atol=1e-6)
    aretomo = read_ctffind(shared_data / "imod" / "cryoet-alignment" / "test_CTF.txt")
    columns = np.loadtxt(shared_data / "imod" / "cryoet-alignment" / "test_CTF.txt")
    found = np.array([row(one) for one in aretomo.estimates])
    np.testing.assert_allclose(found[:, [0, 1, 3, 4]], columns[:, [1, 2, 5, 6]], atol=1e-9)
    np.testing.assert_allclose(np.exp(2j * np.deg2rad(found[:, 2] - columns[:, 3])), 1, atol=1e-9)


def test_imod_3_comes_back_in_nanometres(tmp_path):
    path = write_imod_defocus(tmp_path / "a.defocus", TILTS, [-3.0, 0.0, 3.0])
    lines = path.read_text().splitlines()
    assert lines[0].split() == ["1", "0", "0.0", "0.0", "0.0", "3"]
    assert lines[1].split() == ["1", "1", "-3.00", "-3.00", "3512.3456", "3487.7111", "-62.1000"]
    assert lines[2].split()[:2] == ["3", "3"]  # view 2 has no estimate, so it has no line
    first, last = read_imod_defocus(path)
    assert (first.first_view, last.first_view) == (0, 2)
    assert first.defocus_u_angstrom == pytest.approx(35123.456, abs=1e-3)
    assert first.estimate().defocus_v_angstrom == pytest.approx(34877.111, abs=1e-3)
    assert first.astigmatism_deg == pytest.approx(-62.1)


def test_imod_2_holds_the_mean_in_whole_nanometres(tmp_path):
    path = write_imod_defocus(tmp_path / "a.defocus", TILTS, [-3.0, 0.0, 3.0], version=2)
    assert path.read_text().splitlines()[0].split() == ["1", "1", "-3.00", "-3.00", "3500", "2"]
    first, _ = read_imod_defocus(path)
    assert first.defocus_u_angstrom == first.defocus_v_angstrom == pytest.approx(35000.28, abs=5)


def test_ranges_of_views_become_one_estimate_a_view(tmp_path):
    path = tmp_path / "a.defocus"
    path.write_text("1\t3\t-3\t3\t4000\t2\n3\t3\t3\t3\t4100\n")
    found = estimates_by_view(read_imod_defocus(path), 4)
    assert [one and one.defocus_angstrom for one in found] == [40000.0, 40000.0, 41000.0, None]


@given(
    u=st.floats(5000, 80000),
    difference=st.floats(0, 3000),
    angle=st.floats(-90, 90, exclude_max=True),
    tilt_deg=st.floats(-70, 70),
)
def test_any_estimate_survives_both_files(tmp_path_factory, u, difference, angle, tilt_deg):
    folder = tmp_path_factory.mktemp("any")
    rows = (tilt(0, estimate(u, u - difference, angle)),)
    imod = read_imod_defocus(write_imod_defocus(folder / "a.defocus", rows, [tilt_deg]))[0]
    table = read_ctffind(ctffind(folder / "a.txt", rows)).estimates[0]
    for found, tolerance in ((imod, 1e-3), (table, 1e-3)):
        assert found.defocus_u_angstrom == pytest.approx(u, abs=tolerance)
        assert found.defocus_v_angstrom == pytest.approx(u - difference, abs=tolerance)
        if difference > 1:
            assert math.cos(2 * math.radians(found.astigmatism_deg - angle)) > 1 - 1e-6
    assert imod.low_tilt_deg == pytest.approx(tilt_deg, abs=0.0051)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("3 0 0.0 0.0 0.0 3\n1 1 -50 -50 3665 3472 -1.0838\n", {"astigmatism_deg": -62.097}),
        ("4 0 0.0 0.0 0.0 3\n1 1 -50 -50 3665 90\n", {"phase_shift_deg": 90.0, "defocus_v_angstrom": 36650.0}),
        ("12 0 0.0 0.0 0.0 3\n1 1 -50 -50 3665 1.5708\n", {"phase_shift_deg": 90.0002}),
        ("17 0 0.0 0.0 0.0 3\n1 1 -50 -50 3472 3665 10\n", {"low_tilt_deg": 50.0, "astigmatism_deg": -80.0}),
        ("37 0 0 0 0 3\n1 4 -50 -41 3665 3472 5 180 0.17\n", {"last_view": 3, "cut_on_per_nm": 0.17}),
        ("1 1 -60.0 -60.0 7000\n", {"defocus_u_angstrom": 70000.0}),
    ],
)
def test_imod_flags(tmp_path, text, expected):
    (tmp_path / "a.defocus").write_text(text)
    found = read_imod_defocus(tmp_path / "a.defocus")[0]
    for name, value in expected.items():
        assert getattr(found, name) == pytest.approx(value, abs=1e-3)


def test_imod_files_that_are_none_are_refused(tmp_path):
    path = tmp_path / "a.defocus"
    for text, expected in (
        ("", "found none"),
        ("a b c\n", "numbers"),
        ("1 0 0 0 0 3\n1 1 -50 -50 3665\n", "flags"),
        ("0 0 -50 -50 3665\n", "counted from 1"),
    ):
        path.write_text(text)
        with pytest.raises(FormatError, match=expected):
            read_imod_defocus(path)
    with pytest.raises(InputMissingError):
        read_imod_defocus(tmp_path / "absent")
    with pytest.raises(ParameterError, match="at least one"):
        write_imod_defocus(path, [tilt(0, None)], [0.0])
    with pytest.raises(ParameterError, match="angle for each"):
        write_imod_defocus(path, TILTS, [0.0])


def test_real_defocus_files_of_ctfplotter(shared_data, tmp_path):
    path = shared_data / "imod" / "empiar10064_tomo1" / "mixedCTEM_tomo1.defocus"
    real = read_imod_defocus(path)
    rows = [tilt(i, entry.estimate()) for i, entry in enumerate(real)]
    angles = [entry.low_tilt_deg for entry in real]
    ours = write_imod_defocus(tmp_path / "a.defocus", rows, angles, version=2)
    assert [line.split() for line in ours.read_text().splitlines()] == [
        line.split() for line in path.read_text().splitlines() if line.strip()
    ]
    again = read_imod_defocus(write_imod_defocus(tmp_path / "b.defocus", rows, angles))
    np.testing.assert_allclose(
        [(e.low_tilt_deg, e.defocus_u_angstrom, e.defocus_v_angstrom) for e in again],
        [(e.low_tilt_deg, e.defocus_u_angstrom, e.defocus_v_angstrom) for e in real],
        atol=1e-3,
    )
    assert (real[0].first_view, real[0].low_tilt_deg, real[0].defocus_u_angstrom) == (0, -60.08, 23170.0)
    assert [entry.first_view for entry in real] == list(range(len(real)))
    folder = shared_data / "relion" / "pytom_match_pick"
    other = read_imod_defocus(folder / "test_imod.defocus")
    nanometres = [float(line) for line in (folder / "test_defocus.txt").read_text().split()]
    assert [entry.defocus_u_angstrom for entry in other] == [10 * value for value in nanometres]
