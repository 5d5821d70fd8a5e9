"""The raw data of a run go out as a microscope leaves them and come back as they were."""

import dataclasses
import json

import numpy as np
import pytest

from tomoset.formats.mdoc import read_mdoc
from tomoset.model import InMemory, Movie, MovieSet, Resources, Silent
from tomoset.workflow.raw_files import (
    MovieOptions,
    RawPointer,
    raw_file_list,
    read_pointer,
    read_raw,
    write_pointer,
    write_raw,
)


def movie_set(suffix, **changes):
    movies = tuple(
        Movie(
            name=f"TS001_{order + 1:03d}_{tilt:.1f}{suffix}",
            frames_tyx=InMemory(np.random.default_rng(order).poisson(3.0, (3, 20, 24)).astype(np.uint8)),
            nominal_tilt_deg=tilt,
            acquisition_order=order,
            dose_e_per_angstrom2=2.0,
            dose_before_e_per_angstrom2=2.0 * order,
            acquired_at=f"2025-01-01T00:0{order}:00",
            exposure_time_s=0.8,
        )
        for tilt, order in ((-3.0, 3), (0.0, 0), (3.0, 1))  # the exposure between was never saved
    )
    gain = np.ones((20, 24), dtype=np.float32)
    gain[2, 5] = 0
    return MovieSet(
        run="TS001",
        movies=movies,
        pixel_size_angstrom=4.0,
        gain_yx=InMemory(gain),
        nominal_tilt_axis_deg=-95.0,
        **{"defect_pixels_yx": np.array([[2, 5]]), **changes},
    )


@pytest.mark.parametrize("suffix", [".tif", ".mrc"])
def test_movies_gain_defects_and_mdoc_come_back(tmp_path, suffix):
    made = movie_set(suffix)
    folder = write_raw(tmp_path / "TS001", made, Resources(workers=2), Silent())
    files = sorted(p.name for p in folder.iterdir())
    assert files == sorted(["TS001.mdoc", "defects.txt", "gain.mrc", *(m.name for m in made.movies)])
    assert sorted(p.name for p in raw_file_list(folder)) == files
    got = read_raw(folder)
    assert got.notes == ()
    np.testing.assert_array_equal(got.defect_pixels_yx, made.defect_pixels_yx)
    np.testing.assert_array_equal(got.gain_yx.read(), made.gain_yx.read())
    assert got.nominal_tilt_axis_deg == made.nominal_tilt_axis_deg
    for a, b in zip(got.movies, made.movies, strict=True):
        assert (a.name, a.nominal_tilt_deg, a.exposure_time_s) == (b.name, b.nominal_tilt_deg, 0.8)
        assert a.dose_before_e_per_angstrom2 == b.dose_before_e_per_angstrom2
        np.testing.assert_array_equal(a.frames_tyx.read(), b.frames_tyx.read())
    assert [m.acquisition_order for m in got.movies] == [2, 0, 1]  # ranks in time; the dose before tells of the gap
    section = read_mdoc(folder / "TS001.mdoc").sections[0]
    assert section.get("GainReference") == "gain.mrc"
    assert section.get("DefectFile") == "defects.txt"
    assert section.numbers("MinMaxMean")[2] == pytest.approx(made.movies[1].frames_tyx.read().sum(axis=0).mean())


def test_a_pointer_keeps_what_was_said_and_nothing_else(tmp_path):
    said = MovieOptions(
        gain=tmp_path / "gain.mrc",
        frames=tmp_path / "frames",
        pixel_size_angstrom=1.5,
        voltage_kv=200.0,
        dose_per_tilt_e_per_angstrom2=3.0,
        tilt_axis_deg=-4.5,
        gain_orientation=0,
        gain_use="divide",
        eer_dose_per_group_e_per_angstrom2=1.0,
        eer_frames_per_group=20,
        skip_missing=True,
        invert_tilts=True,
    )
    for options in (said, MovieOptions()):
        pointer = RawPointer.of(tmp_path / "x.mdoc", options)
        folder = tmp_path / f"run{options.gain_orientation}"
        written = json.loads(write_pointer(folder, pointer, folder, notes=("one", "two")).read_text())
        assert set(written) == {"mdoc", "notes"} | {f.name for f in dataclasses.fields(options) if options is said}
        assert written["notes"] == ["one", "two"]
        assert read_pointer(folder) == pointer


def test_a_camera_without_a_list_of_defects_has_no_such_file(tmp_path):
    folder = write_raw(tmp_path / "TS001", movie_set(".tif", defect_pixels_yx=None), Resources(workers=1), Silent())
    assert not (folder / "defects.txt").exists()
    assert read_raw(folder).defect_pixels_yx is None
