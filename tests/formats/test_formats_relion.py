"""RELION 5 stars: angles, centres, signs, and every tilt back whether it was used or not."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from tomoset.errors import FormatError, GeometryError, InputMissingError, ParameterError
from tomoset.formats import relion_star
from tomoset.formats.relion_star import RelionExport, RelionParticles
from tomoset.geometry import Grid, TiltGeometry, angle_between_deg, random_rotations
from tomoset.model import CtfEstimate, InMemory, MotionTrack, Optics, Picks, Tilt, TiltSeries

JOBS = ("Import", "MotionCorr", "CtfFind", "ExcludeTiltImages", "AlignTiltSeries")


# ---------------------------------------------------------------------------------------------------- Euler angles


def test_relion_angles_20_35_70_are_scipys_inverse_zyz():
    ours = relion_star.rotations_from_relion_euler([20.0, 35.0, 70.0])
    np.testing.assert_allclose(
        ours, Rotation.from_euler("ZYZ", [20, 35, 70], degrees=True).inv().as_matrix(), atol=1e-15
    )
    # written out: RELION's Euler_angles2matrix, rows alpha, beta, gamma
    a, b, g = np.deg2rad([20.0, 35.0, 70.0])
    ca, cb, cg, sa, sb, sg = np.cos(a), np.cos(b), np.cos(g), np.sin(a), np.sin(b), np.sin(g)
    relion = np.array(
        [
            [cg * cb * ca - sg * sa, cg * cb * sa + sg * ca, -cg * sb],
            [-sg * cb * ca - cg * sa, -sg * cb * sa + cg * ca, sg * sb],
            [sb * ca, sb * sa, cb],
        ]
    )
    np.testing.assert_allclose(ours, relion, atol=1e-15)
    np.testing.assert_allclose(relion_star.relion_euler_from_rotations(ours), [20, 35, 70], atol=1e-9)


@given(seed=st.integers(0, 10**6))
def test_relion_angles_of_any_rotation_lead_back_to_it(seed):
    rotations = random_rotations(20, np.random.default_rng(seed))
    angles = relion_star.relion_euler_from_rotations(rotations)
    assert np.all((angles[:, 1] >= 0) & (angles[:, 1] <= 180))
    assert angle_between_deg(relion_star.rotations_from_relion_euler(angles), rotations).max() < 1e-6
    assert angle_between_deg(Rotation.from_euler("ZYZ", angles, degrees=True).inv().as_matrix(), rotations).max() < 1e-6


@given(
    rot=st.floats(-180, 180),
    tilt=st.sampled_from([0.0, 180.0, 1e-9, 1e-5, 180 - 1e-5, 90.0, -0.0]),
    psi=st.floats(-180, 180),
)
def test_relion_angles_at_the_gimbal_lock_keep_the_rotation(rot, tilt, psi):
    rotation = relion_star.rotations_from_relion_euler([rot, tilt, psi])
    angles = relion_star.relion_euler_from_rotations(rotation)
    assert np.all(np.isfinite(angles))
    assert angle_between_deg(relion_star.rotations_from_relion_euler(angles), rotation) < 1e-5


def test_what_is_no_angle_and_no_rotation_is_refused():
    with pytest.raises(GeometryError, match="rot, tilt, psi"):
        relion_star.rotations_from_relion_euler([1.0, 2.0])
    with pytest.raises(GeometryError, match="finite"):
        relion_star.rotations_from_relion_euler([1.0, 2.0, np.nan])
    with pytest.raises(GeometryError, match="RELION angles"):
        relion_star.relion_euler_from_rotations(-np.eye(3))


# ------------------------------------------------------------------------------------------------- stars of RELION


@pytest.fixture
def jobs(shared_data):
    return shared_data / "relion" / "relion5_import_TS_01"


@pytest.mark.parametrize("job", JOBS)
def test_the_stars_of_all_five_jobs_read(jobs, job):
    (index,) = (f for f in (jobs / job).glob("*.star") if f.name != "job.star")
    entries = relion_star.read_series_index(index)
    assert [e.run for e in entries] == ["TS_01", "TS_03", "TS_43", "TS_45", "TS_54"]
    first = entries[0]
    assert first.optics == Optics(voltage_kv=300.0, cs_mm=2.7, amplitude_contrast=0.1)
    assert first.defocus_hand == -1
    assert first.pixel_size_angstrom == (0.675 if job == "Import" else 1.35)
    assert first.grid is None
    assert first.series_star == jobs / job / "tilt_series" / "TS_01.star"

    series = relion_star.read_series_star(first.series_star)
    assert series.run == "TS_01"
    assert len(series.tilts) == (40 if job in JOBS[3:] else 41)
    angles = np.array([t.nominal_tilt_deg for t in series.tilts])
    assert np.all(np.diff(angles) > 0)
    assert series.nominal_tilt_axis_deg == 85.0
    np.testing.assert_allclose(series.nominal_defocus_angstrom, 40000)
    np.testing.assert_allclose([t.dose_e_per_angstrom2 for t in series.tilts], 3.0)
    zero = min(series.tilts, key=lambda t: abs(t.nominal_tilt_deg))
    assert (zero.name, zero.acquisition_order, zero.dose_before_e_per_angstrom2) == ("TS_01_000_0.0.mrc", 0, 0.0)
    assert (series.geometry is not None) == (job == "AlignTiltSeries")
    assert (series.tilts[0].ctf is not None) == (job in JOBS[2:])
    assert len(series.image_names) == (0 if job == "Import" else len(series.tilts))


def test_numbers_of_the_aligned_series_are_where_the_text_has_them(jobs):
    file = jobs / "AlignTiltSeries" / "tilt_series" / "TS_01.star"
    series = relion_star.read_series_star(file)
    words = next(line.split() for line in file.read_text().splitlines() if "TS_01_038_-57.0" in line)
    assert series.tilts[0].name == "TS_01_038_-57.0.mrc"
    geometry = series.geometry
    x_tilt, y_tilt, z_rot, x, y = map(float, words[-5:])
    assert (geometry.x_tilt_deg[0], geometry.y_tilt_deg[0], geometry.z_rot_deg[0]) == (x_tilt, y_tilt, z_rot)
    assert geometry.shift_xy_angstrom[0].tolist() == [x, y]
    ctf = series.tilts[0].ctf
    assert (ctf.defocus_u_angstrom, ctf.defocus_v_angstrom) == (float(words[15]), float(words[16]))
    assert (ctf.astigmatism_deg, ctf.score, ctf.resolution_angstrom) == tuple(map(float, words[18:21]))
    assert series.total_motion_angstrom[0] == float(words[11])


def test_a_tilt_that_relion_excluded_comes_back_as_unused(jobs):
    complete = relion_star.read_series_star(jobs / "CtfFind" / "tilt_series" / "TS_01.star")
    kept = relion_star.read_series_star(jobs / "AlignTiltSeries" / "tilt_series" / "TS_01.star")
    whole = relion_star.mark_excluded(kept, complete, "ice")
    assert [t.name for t in whole.tilts] == [t.name for t in complete.tilts]
    (gone,) = (i for i, t in enumerate(whole.tilts) if not t.use)
    assert whole.tilts[gone].reason == "ice"
    assert whole.tilts[gone].ctf == complete.tilts[gone].ctf
    assert whole.geometry.n_tilts == 41
    assert whole.geometry.y_tilt_deg[gone] == complete.tilts[gone].nominal_tilt_deg
    used = [i for i in range(41) if i != gone]
    np.testing.assert_array_equal(whole.geometry.select(used).z_rot_deg, kept.geometry.z_rot_deg)
    with pytest.raises(FormatError, match="one series"):
        relion_star.mark_excluded(complete, kept)
    assert relion_star.mark_excluded(complete, complete) is complete


def test_tomograms_of_pytom_and_cylindra_read(shared_data):
    folder = shared_data / "relion"
    entries = relion_star.read_series_index(folder / "pytom_match_pick" / "tomograms.star")
    assert len(entries) == 10
    assert entries[5].grid.shape_zyx == (246, 493, 493)
    assert entries[5].grid.voxel_size_angstrom == pytest.approx(14.0)
    assert entries[5].tomogram.endswith("rec_tomo200528_107.mrc")
    series = relion_star.read_series_star(folder / "pytom_match_pick" / "tomo200528_107.star")
    assert len(series.tilts) == 35
    assert series.geometry.n_tilts == 35
    (index, *_) = (folder / "cylindra").rglob("tomograms.star")
    assert relion_star.read_series_index(index)[0].size_xyz == (84, 136, 44)


def test_particles_of_cylindra_read_with_their_origins(shared_data):
    grid = Grid(shape_zyx=(44, 136, 84), voxel_size_angstrom=10.52)
    file = shared_data / "relion" / "cylindra" / "Refine3D" / "job_refine" / "run_it050_data.star"
    particles = relion_star.read_particles_star(file, {"TS_01": grid, "TS_02": grid}, object_name="mt")
    assert [len(p) for p in particles.values()] == [3, 2]
    centre = np.array([42, 68, 22]) * 10.52
    expected = centre + np.array([-176.94, 765.48005, 11.16]) - np.array([-2.41904, 2.498456, -6.78404])
    np.testing.assert_allclose(particles["TS_01"].positions_angstrom_xyz[0], expected)
    np.testing.assert_allclose(
        particles["TS_01"].rotations[0],
        Rotation.from_euler("ZYZ", [-126.27895, 65.873044, 99.174441], degrees=True).inv().as_matrix(),
        atol=1e-12,
    )
    picks = shared_data / "relion" / "cylindra" / "Picks" / "job_picks" / "particles.star"
    assert (
        relion_star.read_particles_star(picks, {"TS_01": grid, "TS_02": grid}, object_name="mt")["TS_01"].rotations
        is None
    )


# -------------------------------------------------------------------------------------------------------- writing


def some_series(run="TS-001", n=7, *, ctf=True, motion=True, geometry=True, unused=()):
    rng = np.random.default_rng(3)
    order = rng.permutation(n)
    tilts = tuple(
        Tilt(
            name=f"{run}_{i:03d}.tif",
            nominal_tilt_deg=-9.0 + 3 * i,
            acquisition_order=int(order[i]),
            dose_e_per_angstrom2=3.2,
            dose_before_e_per_angstrom2=3.2 * int(order[i]),
            mean_counts=1.0,
            use=i not in unused,
            reason="too dark" if i in unused else "",
            motion=MotionTrack(shift_xy_angstrom=rng.normal(0, 1, (8, 2))) if motion else None,
            ctf=CtfEstimate(
                defocus_u_angstrom=35000.0 + i,
                defocus_v_angstrom=34000.0,
                astigmatism_deg=12.0,
                score=0.1,
                resolution_angstrom=8.0,
            )
            if ctf
            else None,
        )
        for i in range(n)
    )
    aligned = TiltGeometry(
        y_tilt_deg=np.array([t.nominal_tilt_deg for t in tilts]) + 0.1,
        z_rot_deg=rng.normal(85.3, 0.1, n),
        shift_xy_angstrom=rng.normal(0, 40, (n, 2)),
        x_tilt_deg=rng.normal(0, 1, n),
    )
    return TiltSeries(
        run=run,
        pixel_size_angstrom=5.0,
        tilts=tilts,
        images_nyx=InMemory(np.zeros((n, 4, 4), np.float32)),
        nominal_tilt_axis_deg=85.3,
        geometry=aligned if geometry else None,
        defocus_hand=-1,
    )


def export(series, **more):
    return RelionExport(
        series=series, image_names=tuple(f"{i + 1:06d}@t.mrcs" for i in range(len(series.tilts))), **more
    )


@settings(max_examples=12)
@given(unused=st.sets(st.integers(0, 6), max_size=7), ctf=st.booleans(), motion=st.booleans(), aligned=st.booleans())
def test_series_come_back_with_every_tilt(tmp_path_factory, unused, ctf, motion, aligned):
    folder = tmp_path_factory.mktemp("relion")
    series = some_series(run="017", ctf=ctf, motion=motion, geometry=aligned, unused=unused)
    index = relion_star.write_series_stars(folder / "aligned_tilt_series.star", [export(series)])
    (entry,) = relion_star.read_series_index(index)
    assert (entry.run, entry.pixel_size_angstrom, entry.defocus_hand) == ("017", 5.0, -1)
    assert entry.optics == series.optics
    back = relion_star.read_series_star(entry.series_star)
    assert back.run == "017"
    for old, new in zip(series.tilts, back.tilts, strict=True):
        assert (new.name, new.use, new.acquisition_order) == (old.name, old.use, old.acquisition_order)
        assert new.reason == old.reason
        assert new.dose_before_e_per_angstrom2 == pytest.approx(old.dose_before_e_per_angstrom2)
        assert new.dose_e_per_angstrom2 == pytest.approx(3.2)
        assert new.ctf == old.ctf
    assert back.image_names == tuple(f"{i + 1:06d}@t.mrcs" for i in range(7))
    if aligned:
        assert np.abs(back.geometry.shift_xy_angstrom - series.geometry.shift_xy_angstrom).max() < 1e-6
        for name in ("x_tilt_deg", "y_tilt_deg", "z_rot_deg"):
            assert np.abs(getattr(back.geometry, name) - getattr(series.geometry, name)).max() < 1e-6
    else:
        assert back.geometry is None


def test_one_bead_lands_where_relions_matrix_puts_it(tmp_path):
    """Projection matrix and particle position re-derived from the files alone, as tomogram.cpp composes them."""
    import starfile

    series = some_series()
    grid = Grid(shape_zyx=(60, 384, 432), voxel_size_angstrom=10.0)
    image_xy = np.array([864, 768])
    bead = grid.volume_from_specimen(np.array([[505.0, -285.0, 115.0]]))
    picks = Picks(object_name="bead", positions_angstrom_xyz=bead, rotations=np.eye(3)[None])
    relion_star.write_series_stars(tmp_path / "tilt_series.star", [export(series)])
    relion_star.write_tomograms_star(tmp_path / "tomograms.star", [export(series, grid=grid)])
    relion_star.write_particles_star(
        tmp_path / "particles.star",
        [RelionParticles(run=series.run, picks=picks, grid=grid)],
        pixel_size_angstrom=5.0,
        optics=series.optics,
    )

    tomogram = starfile.read(tmp_path / "tomograms.star", always_dict=True)["global"].iloc[0]
    particle = starfile.read(tmp_path / "particles.star", always_dict=True)["particles"].iloc[0]
    rows = starfile.read(tmp_path / "tilt_series" / "TS-001.star", always_dict=True)["TS-001"]
    pixel = tomogram["rlnTomoTiltSeriesPixelSize"]
    size = np.array([tomogram[f"rlnTomoSize{a}"] for a in "XYZ"])
    assert size.tolist() == [864, 768, 120]
    position = np.array([particle[f"rlnCenteredCoordinate{a}Angst"] for a in "XYZ"]) / pixel + size / 2
    for i, row in rows.iterrows():
        turn = Rotation.from_euler("xyz", [row["rlnTomoXTilt"], row["rlnTomoYTilt"], row["rlnTomoZRot"]], degrees=True)
        shift = np.array([row["rlnTomoXShiftAngst"], row["rlnTomoYShiftAngst"]]) / pixel
        moved = turn.apply(position - size // 2)[:2] + shift
        ours = series.geometry.project([[505.0, -285.0, 115.0]])[i, 0] / 5.0 + image_xy // 2
        np.testing.assert_allclose(moved + image_xy // 2, ours, atol=1e-3)


@settings(max_examples=15)
@given(shape=st.tuples(*[st.integers(2, 40)] * 3), seed=st.integers(0, 99), posed=st.booleans(), scored=st.booleans())
def test_particles_come_back_where_they_were(tmp_path_factory, shape, seed, posed, scored):
    rng = np.random.default_rng(seed)
    grids = {run: Grid(shape_zyx=shape, voxel_size_angstrom=10.0) for run in ("017", "TS-002")}
    sets = [
        RelionParticles(
            run=run,
            picks=Picks(
                object_name="x",
                positions_angstrom_xyz=rng.uniform(0, 300, (n, 3)),
                rotations=random_rotations(n, rng) if posed else None,
                scores=rng.uniform(0, 1, n) if scored else None,
            ),
            grid=grids[run],
        )
        for run, n in (("017", 3), ("TS-002", 1))
    ]
    path = tmp_path_factory.mktemp("p") / "particles.star"
    relion_star.write_particles_star(path, sets, pixel_size_angstrom=5.0, optics=Optics())
    back = relion_star.read_particles_star(path, grids, object_name="x")
    for item in sets:
        new = back[item.run]
        assert np.abs(new.positions_angstrom_xyz - item.picks.positions_angstrom_xyz).max() < 1e-5
        assert (new.rotations is not None) == posed
        assert (new.scores is not None) == scored
        if posed:
            assert angle_between_deg(new.rotations, item.picks.rotations).max() < 1e-4
        if scored:
            np.testing.assert_allclose(new.scores, item.picks.scores, atol=1e-6)


def test_subtomogram_matrices_turn_origins_and_poses(tmp_path):
    # set_position of RELION: pos = coord − A_sub · origin; A = A_sub · A_particle
    (tmp_path / "p.star").write_text(
        "data_particles\n\nloop_\n_rlnTomoName\n_rlnCenteredCoordinateXAngst\n_rlnCenteredCoordinateYAngst\n"
        "_rlnCenteredCoordinateZAngst\n_rlnOriginXAngst\n_rlnOriginYAngst\n_rlnOriginZAngst\n_rlnAngleRot\n"
        "_rlnAngleTilt\n_rlnAnglePsi\n_rlnTomoSubtomogramRot\n_rlnTomoSubtomogramTilt\n_rlnTomoSubtomogramPsi\n"
        "t 10 20 30 1 2 3 20 35 70 40 50 60\n"
    )
    grid = Grid(shape_zyx=(10, 10, 10), voxel_size_angstrom=4.0)
    picks = relion_star.read_particles_star(tmp_path / "p.star", {"t": grid}, object_name="x")["t"]
    sub = Rotation.from_euler("ZYZ", [40, 50, 60], degrees=True).inv().as_matrix()
    own = Rotation.from_euler("ZYZ", [20, 35, 70], degrees=True).inv().as_matrix()
    np.testing.assert_allclose(picks.positions_angstrom_xyz[0], np.array([30, 40, 50]) - sub @ [1, 2, 3])
    np.testing.assert_allclose(picks.rotations[0], sub @ own, atol=1e-12)


def test_uncentred_coordinates_are_unbinned_pixels_from_zero(tmp_path):
    text = "data_particles\n\nloop_\n_rlnTomoName\n_rlnCoordinateX\n_rlnCoordinateY\n_rlnCoordinateZ\n{}t 1 2 3{}\n"
    grid = {"t": Grid(shape_zyx=(10, 10, 10), voxel_size_angstrom=4.0)}
    (tmp_path / "a.star").write_text(text.format("", ""))
    with pytest.raises(FormatError, match="give the pixel size"):
        relion_star.read_particles_star(tmp_path / "a.star", grid, object_name="x")
    picks = relion_star.read_particles_star(tmp_path / "a.star", grid, object_name="x", pixel_size_angstrom=2.0)
    assert picks["t"].positions_angstrom_xyz.tolist() == [[2, 4, 6]]
    optics = "data_optics\n\nloop_\n_rlnOpticsGroup\n_rlnTomoTiltSeriesPixelSize\n{} 2.5\n\n"
    (tmp_path / "b.star").write_text(optics.format(1) + text.format("_rlnOpticsGroup\n", " 1"))
    picks = relion_star.read_particles_star(tmp_path / "b.star", grid, object_name="x")
    assert picks["t"].positions_angstrom_xyz.tolist() == [[2.5, 5, 7.5]]
    (tmp_path / "c.star").write_text(optics.format(2) + text.format("_rlnOpticsGroup\n", " 1"))
    with pytest.raises(FormatError, match="optics group"):
        relion_star.read_particles_star(tmp_path / "c.star", grid, object_name="x")


def test_an_undetermined_hand_is_written_as_told(tmp_path):
    import dataclasses

    series = dataclasses.replace(some_series(), defocus_hand=0)
    for hand in (1, -1):
        relion_star.write_series_stars(tmp_path / "t.star", [export(series)], undetermined_hand=hand)
        assert relion_star.read_series_index(tmp_path / "t.star")[0].defocus_hand == hand
    with pytest.raises(ParameterError, match="hand"):
        relion_star.write_series_stars(tmp_path / "t.star", [export(series)], undetermined_hand=0)


def test_what_cannot_be_written_is_refused(tmp_path):
    import dataclasses

    series = some_series()
    mixed = series.with_tilts([dataclasses.replace(series.tilts[0], ctf=None), *series.tilts[1:]])
    with pytest.raises(ParameterError, match="6 of 7"):
        relion_star.write_series_stars(tmp_path / "t.star", [export(mixed)])
    with pytest.raises(ParameterError, match="7 image names"):
        RelionExport(series=series, image_names=("a",))
    with pytest.raises(ParameterError, match="tomogram's grid"):
        relion_star.write_tomograms_star(tmp_path / "t.star", [export(series)])
    grid = Grid(shape_zyx=(4, 4, 4), voxel_size_angstrom=10.0)
    one = Picks(object_name="x", positions_angstrom_xyz=np.zeros((1, 3)), rotations=np.eye(3)[None])
    other = Picks(object_name="x", positions_angstrom_xyz=np.zeros((1, 3)))
    sets = [RelionParticles(run=str(i), picks=p, grid=grid) for i, p in enumerate((one, other))]
    with pytest.raises(ParameterError, match="rotations for the picks of all"):
        relion_star.write_particles_star(tmp_path / "p.star", sets, pixel_size_angstrom=1.0, optics=Optics())
    assert not list(tmp_path.glob("*.star"))


LOOP = "data_TS\n\nloop_\n_rlnTomoNominalStageTiltAngle\n_rlnMicrographMovieName\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "found none"),
        ("once upon a time\n", "cannot be parsed|found none"),
        (LOOP + "1.0 a\n2.0\n", "cannot be parsed|expected"),
        (LOOP + "one a\n", "expected numbers in rlnTomoNominalStageTiltAngle"),
        (LOOP + "nan a\n", "expected finite numbers"),
        ("data_TS\n\nloop_\n_rlnMicrographMovieName\na\n", "expected the column rlnTomoNominalStageTiltAngle"),
        ("data_TS\n\nloop_\n_rlnTomoNominalStageTiltAngle\n_rlnMicrographMovieName\n_rlnTomoYTilt\n1 a 1\n", "ZRot"),
    ],
)
def test_bad_series_stars_are_refused_in_one_paragraph(tmp_path, text, message):
    (tmp_path / "t.star").write_text(text)
    with pytest.raises(FormatError, match=message) as caught:
        relion_star.read_series_star(tmp_path / "t.star")
    assert "\n" not in str(caught.value)


def test_wrong_and_missing_files_are_named(tmp_path, jobs):
    with pytest.raises(InputMissingError):
        relion_star.read_series_index(tmp_path / "none.star")
    with pytest.raises(FormatError, match="block 'global'"):
        relion_star.read_series_index(jobs / "Import" / "tilt_series" / "TS_01.star")
    (tmp_path / "p.star").write_text("data_particles\n\nloop_\n_rlnTomoName\nt\n")
    with pytest.raises(FormatError, match=r"tomograms\.star of the same"):
        relion_star.read_particles_star(tmp_path / "p.star", {}, object_name="x")
    with pytest.raises(FormatError, match="rlnCenteredCoordinateXAngst"):
        relion_star.read_particles_star(
            tmp_path / "p.star", {"t": Grid(shape_zyx=(1, 1, 1), voxel_size_angstrom=1.0)}, object_name="x"
        )
