"""What we write as SerialEM's mdoc: the keys of real ones, values that agree with one another, and all of it back."""

import numpy as np
import pytest
from serialem_series import noted

from tomoset.formats.defects import write_defects
from tomoset.formats.mdoc import read_mdoc, write_mdoc
from tomoset.formats.movies import open_movie, write_mrc_movie, write_tiff_movie
from tomoset.formats.serialem_export import CountStatistics, ScopeSettings, movie_set_mdoc
from tomoset.formats.serialem_files import defect_list_path
from tomoset.formats.serialem_import import read_movie_set
from tomoset.model import InMemory, Movie, MovieSet

SHAPE = (4, 12, 16)
ORDER = (4, 2, 0, 1, 3)
TILTS = (-6.0, -3.0, 0.0, 3.0, 6.0)
# Written by other programs after the exposure (Warp's and PACE-tomo's scripts), which a new file does not have.
ADDED_LATER = {"CtfFind", "EucentricOffset"}


def counts(view):
    return np.random.default_rng(view).poisson(2.0, SHAPE).astype(np.uint8)


def series(suffix=".tif", **of_set):
    movies = tuple(
        Movie(
            name=f"TS-1_{order:03d}_{tilt:.1f}{suffix}",
            frames_tyx=InMemory(counts(view)),
            nominal_tilt_deg=tilt,
            acquisition_order=order,
            dose_e_per_angstrom2=3.2,
            dose_before_e_per_angstrom2=3.2 * order,
            nominal_defocus_angstrom=35_000.0,
            acquired_at=f"2026-01-31T10:0{order}:00",
            exposure_time_s=1.25,
            lens_defocus_angstrom=36_000.0 - 500 * view,
            image_shift_xy_angstrom=(15_000.0 + 100 * view, -2_500.0),
            stage_position_angstrom_xyz=(1.2e6, -3.4e5, 5.6e4),
        )
        for view, (tilt, order) in enumerate(zip(TILTS, ORDER, strict=True))
    )
    return MovieSet(
        run="TS-1", movies=movies, pixel_size_angstrom=2.5654, gain_yx=None, nominal_tilt_axis_deg=85.3, **of_set
    )


def statistics(movie_set):
    result = {}
    for movie in movie_set.movies:
        total = movie.frames_tyx.read().sum(axis=0, dtype=float)
        result[movie.name] = CountStatistics(least=total.min(), greatest=total.max(), mean=total.mean())
    return result


def write(folder, movie_set, **settings):
    for movie in movie_set.movies:
        writer = write_mrc_movie if movie.name.endswith(".mrc") else write_tiff_movie
        writer(folder / movie.name, movie.frames_tyx.read(), movie_set.pixel_size_angstrom)
    scope = ScopeSettings(**settings)
    return write_mdoc(folder / "TS-1.mdoc", movie_set_mdoc(movie_set, settings=scope, statistics=statistics(movie_set)))


def test_every_key_of_real_tilt_series_is_written_and_no_other(shared_data):
    real, real_header = set(), set()
    for name in ("mdocfile/tilt_series", "murfey/test_1", "cryocat_TS_017/017", "mdocfile/frame_set_single"):
        mdoc = read_mdoc(shared_data / "mdoc" / f"{name}.mdoc")
        real |= {key for s in mdoc.sections for key, _ in s.fields}
        real_header |= {key for key, _ in mdoc.fields} - {"T"}
    movie_set = series()
    ours = movie_set_mdoc(
        movie_set,
        settings=ScopeSettings(gain_name="gain.mrc", defect_name="defects.txt"),
        statistics=statistics(movie_set),
    )
    for section in ours.sections:
        keys = [key for key, _ in section.fields]
        assert len(keys) == len(set(keys))
        # DefectFile is what SerialEM adds where a camera's defects are not corrected; these samples have none.
        assert set(keys) == (real - ADDED_LATER) | {"DefectFile"}
    assert {key for key, _ in ours.fields} == real_header


def test_keys_stand_in_serialems_order_but_for_the_exposure_time(shared_data):
    real = [key for key, _ in read_mdoc(shared_data / "mdoc/cryocat_TS_017/017.mdoc").sections[0].fields]
    real.remove("ExposureTime")
    movie_set = series()
    ours = [key for key, _ in movie_set_mdoc(movie_set, statistics=statistics(movie_set)).sections[0].fields]
    assert [key for key in ours if key in real] == real
    assert ours.index("ExposureTime") == ours.index("SubFramePath") + 1


def test_values_agree_with_the_frames_and_with_one_another(tmp_path):
    movie_set = series()
    mdoc = read_mdoc(write(tmp_path, movie_set))
    by_name = {movie.name: movie for movie in movie_set.movies}
    for section in mdoc.sections:
        movie = by_name[section.sub_frame_name]
        total = movie.frames_tyx.read().sum(axis=0)
        np.testing.assert_allclose(section.numbers("MinMaxMean"), (total.min(), total.max(), total.mean()), rtol=1e-5)
        assert section.number("DoseRate") == pytest.approx(total.mean() / 1.25, rel=1e-5)
        assert section.number("ExposureTime") == 1.25
        ((dose, n),) = section.frame_doses
        assert (n, dose * n) == (4, pytest.approx(section.exposure_dose_e_per_angstrom2))
        assert section.target_defocus_angstrom == 35_000
        assert section.defocus_angstrom == pytest.approx(movie.lens_defocus_angstrom)
        np.testing.assert_allclose(section.numbers("ImageShift"), np.array(movie.image_shift_xy_angstrom) / 1e4)
        np.testing.assert_allclose(section.numbers("StagePosition"), (120.0, -34.0))
        assert section.number("StageZ") == 5.6
        assert section.number("Magnification") == 33000
        assert section.numbers("UncroppedSize") == (-16, -12)


def test_all_of_it_comes_back(tmp_path):
    pixels = np.array([[0, 3], [11, 15]])
    movie_set = series(defect_pixels_yx=pixels)
    write_defects(tmp_path / "defects.txt", pixels, SHAPE[1:])
    path = write(tmp_path, movie_set, defect_name="defects.txt")
    got = read_movie_set(path)
    np.testing.assert_array_equal(got.defect_pixels_yx, pixels)
    assert defect_list_path(path) == tmp_path / "defects.txt"
    assert noted(got, "gain") == list(got.notes)
    for a, b in zip(got.movies, movie_set.movies, strict=True):
        assert (a.name, a.acquisition_order, a.acquired_at) == (b.name, b.acquisition_order, b.acquired_at)
        assert a.exposure_time_s == b.exposure_time_s
        assert a.lens_defocus_angstrom == pytest.approx(b.lens_defocus_angstrom)
        assert a.image_shift_xy_angstrom == pytest.approx(b.image_shift_xy_angstrom)
        assert a.stage_position_angstrom_xyz == pytest.approx(b.stage_position_angstrom_xyz)
        np.testing.assert_array_equal(a.frames_tyx.read(), b.frames_tyx.read())


def test_a_list_of_defects_that_is_gone_or_of_another_camera_is_noted(tmp_path):
    path = write(tmp_path, series(), defect_name="defects.txt")
    got = read_movie_set(path)
    assert got.defect_pixels_yx is None
    assert noted(got, "defects.txt, is not beside the movies")
    assert defect_list_path(path) is None
    write_defects(tmp_path / "frames" / "defects.txt", np.zeros((0, 2)), (24, 32))
    got = read_movie_set(path)
    assert got.defect_pixels_yx is None
    assert noted(got, r"camera of \(24, 32\)")
    assert read_movie_set(write(tmp_path, series())).defect_pixels_yx is None


def test_the_peer_reads_every_value(tmp_path):
    mdocfile = pytest.importorskip("mdocfile")
    movie_set = series(".mrc")
    table = mdocfile.read(write(tmp_path, movie_set, gain_name="gain.mrc", defect_name="defects.txt"))
    assert table["TiltAngle"].tolist() == [0.0, 3.0, -3.0, 6.0, -6.0]
    assert [p.name for p in table["SubFramePath"]] == [
        f"TS-1_{i:03d}_{t:.1f}.mrc" for i, t in enumerate(table.TiltAngle)
    ]
    assert table["StagePosition"].tolist() == [(120.0, -34.0)] * 5
    assert table["ImageShift"].iloc[0] == pytest.approx((1.52, -0.25))
    assert table["MinMaxMean"].iloc[0][2] == pytest.approx(counts(2).sum(axis=0).mean(), rel=1e-5)
    assert table["ExposureTime"].tolist() == [1.25] * 5
    assert table["NumSubFrames"].tolist() == [4] * 5
    assert table["UsingCDS"].tolist() == [False] * 5
    assert table["FilterSlitAndLoss"].tolist() == [(20.0, 0.0)] * 5
    assert table["Voltage"].tolist() == [300.0] * 5


def test_counts_beyond_127_survive_an_mrc_movie(tmp_path):
    mrcfile = pytest.importorskip("mrcfile")
    frames = np.arange(256, dtype=np.uint8).reshape(1, 16, 16).repeat(3, axis=0)
    path = write_mrc_movie(tmp_path / "m.mrc", frames, 2.0)
    np.testing.assert_array_equal(open_movie(path, expected_frames=3).read(), frames)
    with mrcfile.open(path) as mrc:
        assert mrc.header.mode == 6
        assert mrc.is_image_stack()
        assert mrc.voxel_size.x == pytest.approx(2)
        np.testing.assert_array_equal(mrc.data, frames)
    assert mrcfile.validate(path)
