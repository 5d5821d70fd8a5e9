"""Bundle adjustment of tracks: planted geometries, gauges, outliers, missing data, predicted errors."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from tomoset.alignment.track_bundle import TrackSolution, solve_tracks
from tomoset.alignment.track_equations import ViewNumbers, moved, predict, track_derivatives
from tomoset.alignment.track_model import Freedom, TrackParams, free_numbers
from tomoset.errors import AlignmentError, ParameterError
from tomoset.formats.imod_tracks import read_residuals
from tomoset.geometry import TiltGeometry

Floats = NDArray[np.float64]

TILTS = np.arange(-45.0, 46.0, 6.0)
VIEW = Freedom(kind="view")
EVERYTHING = TrackParams(axis=VIEW, tilt=VIEW, magnification=VIEW)


def planted(seed: int, *, markers: int = 25, bent: bool = False) -> tuple[TiltGeometry, Floats]:
    """Return a true geometry with errors of every kind, and markers in a slab."""
    rng = np.random.default_rng(seed)
    n = TILTS.size
    field = np.zeros((n, 2, 6))
    field[:, :, 3:] = rng.normal(0, 10.0, (n, 2, 3))
    geometry = TiltGeometry(
        y_tilt_deg=TILTS + rng.normal(0, 0.2, n),
        z_rot_deg=85.3 + rng.normal(0, 0.1, n),
        shift_xy_angstrom=rng.normal(0, 40.0, (n, 2)),
        magnification=1 + rng.normal(0, 1e-3, n),
        field_xy_angstrom=field if bent else None,
        field_unit_angstrom=3000.0 if bent else 1.0,
    )
    positions = np.column_stack([rng.uniform(-2500, 2500, (markers, 2)), rng.uniform(-700, 700, markers)])
    return geometry, positions


def nominal() -> TiltGeometry:
    n = TILTS.size
    return TiltGeometry(y_tilt_deg=TILTS, z_rot_deg=np.full(n, 84.6), shift_xy_angstrom=np.zeros((n, 2)))


def tracks_of(geometry: TiltGeometry, positions: Floats) -> Floats:
    return np.ascontiguousarray(geometry.project(positions).transpose(1, 0, 2))


def known_geometry(solution: TrackSolution, truth: TiltGeometry) -> tuple[Floats, Floats, Floats]:
    """Errors of what tracks show: tilt about its mean, axis, scale about its mean."""
    found = solution.geometry
    assert found.magnification is not None
    assert truth.magnification is not None
    tilt = found.y_tilt_deg - truth.y_tilt_deg
    scale = found.magnification - truth.magnification / truth.magnification.mean()
    return tilt - tilt.mean(), found.z_rot_deg - truth.z_rot_deg, scale


@pytest.mark.parametrize("loss", ["squares", "huber", "cauchy", "tukey"])
def test_planted_parameters_come_back_from_tracks_without_noise(loss: str) -> None:
    truth, positions = planted(1)
    params = replace(EVERYTHING, loss=loss)  # type: ignore[arg-type]
    solution = solve_tracks(tracks_of(truth, positions), nominal(), params)
    assert solution.converged
    assert np.nanmax(solution.residual_angstrom) < 1e-4
    tilt, axis, scale = known_geometry(solution, truth)
    assert np.abs(tilt).max() < 1e-6
    assert np.abs(axis).max() < 1e-6
    assert np.abs(scale).max() < 1e-8
    assert not solution.rejected.any()


def test_a_planted_field_and_stretch_come_back() -> None:
    truth, positions = planted(2, markers=60, bent=True)
    assert truth.field_xy_angstrom is not None
    stretched = truth.field_xy_angstrom.copy()
    stretched[:, 0, 1], stretched[:, 1, 2] = 6.0, -6.0  # 0.2 %, the same in every view
    truth = replace(truth, field_xy_angstrom=stretched)
    params = replace(EVERYTHING, field=Freedom(kind="view", prior=50.0), stretch=Freedom(kind="common"))
    solution = solve_tracks(tracks_of(truth, positions), nominal(), params)
    assert np.nanmax(solution.residual_angstrom) < 0.02


def test_translation_turn_and_scale_of_the_specimen_change_nothing_that_is_seen() -> None:
    truth, positions = planted(3)
    tracks = tracks_of(truth, positions) + np.random.default_rng(0).normal(0, 2.0, (25, TILTS.size, 2))
    plain = solve_tracks(tracks, nominal(), EVERYTHING)
    start = nominal()
    along = start.project([[80.0, -50.0, 120.0]])[:, 0]
    moved_start = replace(
        start,
        shift_xy_angstrom=start.shift_xy_angstrom + along,
        y_tilt_deg=start.y_tilt_deg + 3.0,
        magnification=np.full(TILTS.size, 1.7),
    )
    other = solve_tracks(tracks, moved_start, EVERYTHING)
    assert np.nanmax(np.abs(other.residual_xy_angstrom - plain.residual_xy_angstrom)) < 0.02
    np.testing.assert_allclose(other.geometry.y_tilt_deg - plain.geometry.y_tilt_deg, 3.0, atol=1e-3)
    np.testing.assert_allclose(other.geometry.z_rot_deg, plain.geometry.z_rot_deg, atol=1e-3)
    assert plain.geometry.magnification is not None
    assert np.isclose(plain.geometry.magnification.mean(), 1.0, atol=1e-9)


def test_the_gauge_is_that_of_the_start() -> None:
    truth, positions = planted(4)
    solution = solve_tracks(tracks_of(truth, positions), truth, EVERYTHING)
    np.testing.assert_allclose(solution.geometry.shift_xy_angstrom, truth.shift_xy_angstrom, atol=1e-3)
    assert truth.magnification is not None
    np.testing.assert_allclose(solution.positions_angstrom_xyz, positions * truth.magnification.mean(), atol=1e-2)


@pytest.mark.parametrize("loss", ["cauchy", "tukey", "huber"])
def test_a_tenth_of_gross_errors_does_little_harm_and_is_named(loss: str) -> None:
    truth, positions = planted(5, markers=40)
    rng = np.random.default_rng(7)
    tracks = tracks_of(truth, positions) + rng.normal(0, 2.0, (40, TILTS.size, 2))
    wrong = rng.random(tracks.shape[:2]) < 0.1
    clean = solve_tracks(tracks, nominal(), replace(EVERYTHING, loss="squares"))
    tracks[wrong] += rng.normal(0, 150.0, (np.count_nonzero(wrong), 2))
    solution = solve_tracks(tracks, nominal(), replace(EVERYTHING, loss=loss))  # type: ignore[arg-type]
    squares = solve_tracks(tracks, nominal(), replace(EVERYTHING, loss="squares"))
    error, best, worst = (np.sqrt(np.mean(known_geometry(s, truth)[0] ** 2)) for s in (solution, clean, squares))
    assert error < 1.6 * best
    assert worst > 5 * best
    far = wrong & (np.linalg.norm(tracks - tracks_of(truth, positions), axis=-1) > 20.0)
    assert solution.rejected[far].all()
    assert solution.rejected[~wrong].mean() < 0.01


def test_missing_measurements_and_a_marker_in_two_views_only() -> None:
    truth, positions = planted(6)
    tracks = tracks_of(truth, positions)
    rng = np.random.default_rng(3)
    tracks[rng.random(tracks.shape[:2]) < 0.4] = np.nan
    tracks[0] = np.nan
    tracks[0, [2, 11]] = tracks_of(truth, positions)[0, [2, 11]]
    tracks[1, 1:] = np.nan  # one view shows a direction, not a position
    tracks[1, 0] = 0.0
    solution = solve_tracks(tracks, nominal(), EVERYTHING)
    assert np.nanmax(solution.residual_angstrom) < 1e-4
    tilt, axis, scale = known_geometry(solution, truth)
    assert max(np.abs(tilt).max(), np.abs(axis).max(), np.abs(scale).max()) < 1e-5
    assert np.isfinite(solution.positions_angstrom_xyz[0]).all()
    assert np.isnan(solution.positions_angstrom_xyz[1]).all()
    assert solution.rejected[1].tolist() == [True] + [False] * (TILTS.size - 1)
    seen: NDArray[np.bool_] = np.all(np.isfinite(tracks), axis=-1)
    seen[1] = False
    np.testing.assert_array_equal(np.isfinite(solution.residual_angstrom), seen)


def test_a_view_without_measurements_stays_where_it_was() -> None:
    truth, positions = planted(8)
    tracks = tracks_of(truth, positions)
    tracks[:, 5] = np.nan
    start = replace(nominal(), shift_xy_angstrom=np.full((TILTS.size, 2), 7.0))
    solution = solve_tracks(tracks, start, EVERYTHING)
    np.testing.assert_allclose(solution.geometry.shift_xy_angstrom[5], 7.0)
    assert np.nanmax(solution.residual_angstrom) < 1e-4
    assert np.isnan(solution.mean_residual_by_view_angstrom[5])


def test_standard_errors_are_the_errors() -> None:
    ratios = []
    for seed in range(16):
        truth, positions = planted(seed)
        rng = np.random.default_rng(seed + 100)
        deviation = rng.uniform(0.5, 2.0, (25, TILTS.size))
        tracks = tracks_of(truth, positions) + 3.0 * deviation[..., None] * rng.normal(size=(25, TILTS.size, 2))
        solution = solve_tracks(tracks, truth, EVERYTHING, deviation_pn=deviation)
        tilt, axis, scale = known_geometry(solution, truth)
        shift = solution.geometry.shift_xy_angstrom - truth.shift_xy_angstrom
        errors = solution.errors
        ratios.append(
            [
                np.mean((tilt / errors.tilt_deg) ** 2),
                np.mean((axis / errors.axis_deg) ** 2),
                np.mean((scale / errors.magnification) ** 2),
                np.mean((shift / errors.shift_xy_angstrom) ** 2),
                *((solution.noise_uv_angstrom / 3.0) ** 2),
            ]
        )
    tilt, axis, *others = np.sqrt(np.mean(ratios, axis=0))
    np.testing.assert_allclose([tilt, *others], 1.0, atol=0.15)
    assert 0.6 < axis < 1.5  # the turn that all views share is one number a series


def test_priors_hold_what_the_tracks_do_not_show() -> None:
    truth, positions = planted(9)
    flat = positions * np.array([1.0, 1.0, 0.0])
    tracks = tracks_of(truth, flat) + np.random.default_rng(1).normal(0, 10.0, (25, TILTS.size, 2))
    free = solve_tracks(tracks, nominal(), EVERYTHING)
    held = solve_tracks(tracks, nominal(), replace(EVERYTHING, tilt=Freedom(kind="view", prior=0.2)))
    assert np.abs(known_geometry(held, truth)[0]).max() < 1.0
    assert np.abs(known_geometry(free, truth)[0]).max() > 2 * np.abs(known_geometry(held, truth)[0]).max()
    assert held.errors.tilt_deg.max() < 0.25


def test_smooth_numbers_are_linear_between_nodes() -> None:
    params = TrackParams(tilt=Freedom(kind="smooth", every=5), field=Freedom(kind="smooth", every=5, along="dose"))
    dose = np.argsort(np.argsort(np.abs(TILTS))).astype(float)
    free = free_numbers(params, TILTS, dose)
    tilt = free.columns["tilt"].start
    change = (free.spread @ np.random.default_rng(0).normal(size=free.spread.shape[1])).reshape(TILTS.size, free.width)
    assert np.abs(np.diff(change[:, tilt], n=2)[[0, 1, 2]]).max() < 1e-12
    field = change[np.argsort(dose), free.columns["field"].start]
    assert np.abs(np.diff(field, n=2)[[0, 1, 2]]).max() < 1e-12
    assert np.abs(np.diff(change[:, free.columns["field"].start], n=2)[[0, 1, 2]]).max() > 1e-3
    with pytest.raises(ParameterError, match="dose before each view"):
        free_numbers(params, TILTS, None)


@settings(max_examples=10)
@given(seed=st.integers(0, 10**6))
def test_derivatives_are_those_of_the_prediction(seed: int) -> None:
    truth, positions = planted(seed, markers=3, bent=True)
    rng = np.random.default_rng(seed)
    truth = replace(truth, x_tilt_deg=rng.normal(0, 5.0, TILTS.size))
    freedom = Freedom(kind="view")
    params = TrackParams(
        axis=freedom, tilt=freedom, magnification=freedom, x_tilt=freedom, stretch=freedom, field=freedom
    )
    free = free_numbers(params, TILTS, None)
    views = ViewNumbers.of(truth, 1.0)
    np.testing.assert_allclose(predict(views, positions), tracks_of(truth, positions), atol=1e-9)
    by_view, by_marker = track_derivatives(views, positions, free.columns, free.width)
    for number in range(free.width):
        step = np.zeros((TILTS.size, free.width))
        step[:, number] = 1e-5
        ahead, behind = (predict(moved(views, sign * step, free.columns), positions) for sign in (1.0, -1.0))
        np.testing.assert_allclose(by_view[..., number], (ahead - behind) / 2e-5, rtol=1e-5, atol=1e-3)
    for axis in range(3):
        step = np.zeros((3, 3))
        step[:, axis] = 1e-3
        ahead, behind = predict(views, positions + step), predict(views, positions - step)
        np.testing.assert_allclose(by_marker[..., axis], (ahead - behind) / 2e-3, rtol=1e-6, atol=1e-7)


def test_what_cannot_be_solved_is_refused_in_one_paragraph() -> None:
    truth, positions = planted(1, markers=2)
    tracks = tracks_of(truth, positions)
    with pytest.raises(AlignmentError, match="measured coordinates"):
        solve_tracks(tracks, nominal(), EVERYTHING)
    with pytest.raises(AlignmentError, match="expected shape"):
        solve_tracks(tracks[:, 1:], nominal())
    with pytest.raises(ParameterError, match="a turn or a scale of the specimen"):
        TrackParams(tilt=Freedom(kind="common"))
    with pytest.raises(ParameterError, match="positive prior"):
        Freedom(kind="view", prior=0.0)


def test_tracks_of_real_beads_are_explained_as_well_as_by_imod(shared_data: Path) -> None:
    folder = shared_data / "imod" / "BB"
    positions, imod = read_residuals(folder / "BBa_simple-align.resid", 61)
    start = TiltGeometry(
        y_tilt_deg=65.0 - 2.0 * np.arange(61), z_rot_deg=np.full(61, -11.0), shift_xy_angstrom=np.zeros((61, 2))
    )
    params = TrackParams(axis=VIEW, magnification=VIEW, tilt=Freedom(kind="smooth", every=5), loss="squares")
    solution = solve_tracks(positions - 256.5, start, params)
    assert solution.mean_residual_angstrom < 1.02 * np.nanmean(np.linalg.norm(imod, axis=-1))
    tilts = np.loadtxt(folder / "BBa_simple-align.tlt")
    assert np.std(solution.geometry.y_tilt_deg - tilts) < 0.1
