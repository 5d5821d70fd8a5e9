"""Signs: one bead through TiltGeometry and through every step that moves images or points."""

from dataclasses import replace

import numpy as np
import pytest

from tomoset.alignment.bundle import misfit, solve_bundle
from tomoset.alignment.common_frame import (
    Pose,
    make_frame,
    resample_view,
    resample_views,
    spline_coefficients,
    xy_from_uv,
)
from tomoset.alignment.marker_model import MarkerModel, pose_of, start_model
from tomoset.alignment.markers import Offsets, measure_offsets
from tomoset.alignment.peaks import find_peak
from tomoset.alignment.preprocess import Views, crop_to_bin
from tomoset.geometry import TiltGeometry, remove_gauge

PIXEL, SHAPE = 10.0, (128, 144)
TILTS = np.array([-40.0, -20.0, 0.0, 15.0, 35.0])
BEAD = np.array([[110.0, -160.0, 90.0]])
AXIS = 85.3


def geometry() -> TiltGeometry:
    shifts = np.array([[30.0, -50.0], [-20.0, 10.0], [5.0, 25.0], [40.0, 0.0], [-35.0, 45.0]])
    return TiltGeometry(y_tilt_deg=TILTS, z_rot_deg=np.full(5, AXIS), shift_xy_angstrom=shifts)


def bead_views(truth: TiltGeometry, points: np.ndarray = BEAD, shape: tuple[int, int] = SHAPE) -> Views:
    """Gaussian beads where the truth projects them."""
    y, x = (np.arange(n) - n // 2 for n in shape)
    places = truth.project(points)[..., None] / PIXEL
    rows = np.exp(-((y - places[:, :, 1]) ** 2) / (2 * 3.0**2))
    columns = np.exp(-((x - places[:, :, 0]) ** 2) / (2 * 3.0**2))
    images = np.einsum("npy,npx->nyx", rows, columns)
    k = np.arange(200) / (min(shape) * PIXEL)
    flat = np.ones((truth.n_tilts, k.size))
    return Views(
        rows=np.arange(truth.n_tilts),
        tilt_deg=truth.y_tilt_deg,
        pixel_size_angstrom=PIXEL,
        images_nyx=images.astype(np.float32),
        frequency_per_angstrom=k,
        transfer_nk=-flat,
        power_nk=flat,
        shot_noise_n=np.full(truth.n_tilts, 0.01),
        dose_e_per_angstrom2=np.arange(truth.n_tilts) * 3.0,
    )


def true_pose(truth: TiltGeometry) -> Pose:
    return Pose(axis_deg=float(truth.z_rot_deg[0]), shift_uv_angstrom=truth.shift_uv_angstrom())


def test_a_bead_lies_at_x_plus_z_tan_t_in_the_common_frame():
    truth = geometry()
    views, pose = bead_views(truth), true_pose(truth)
    frame = make_frame(views, AXIS, 500.0, 30.0)
    for i, coefficients in enumerate(spline_coefficients(views)):
        image = resample_view(coefficients, frame, AXIS, views.cos[i], pose.shift_uv_angstrom[i]).astype(float)
        y, x = (np.arange(n) - n // 2 for n in frame.shape_yx)
        centre = np.array([(image * x).sum(), (image * y[:, None]).sum()]) / image.sum() * PIXEL
        expected = [BEAD[0, 0] + BEAD[0, 2] * views.tan[i], BEAD[0, 1]]
        np.testing.assert_allclose(centre, expected, atol=0.2)


def test_predicted_places_are_those_of_the_tilt_geometry():
    truth = geometry()
    uv = start_model(bead_views(truth), true_pose(truth)).predicted_uv(BEAD)
    np.testing.assert_allclose(xy_from_uv(uv, AXIS), truth.project(BEAD).transpose(1, 0, 2), atol=1e-9)


def test_a_phase_moves_content_back():
    truth = geometry()
    views, pose = bead_views(truth), true_pose(truth)
    frame = make_frame(views, AXIS, 500.0, 30.0)
    coefficients = spline_coefficients(views)
    values = resample_views(coefficients, views, frame, pose)
    # Content that lies at +d correlates with the unmoved one at lag +d, and phase(d) brings it back.
    off = Pose(axis_deg=AXIS, shift_uv_angstrom=pose.shift_uv_angstrom - [0.0, 30.0])
    moved = resample_views(coefficients, views, frame, off)
    peak = find_peak(frame.map_of(moved[:, 2] * values[:, 2].conj()), (8, 8))
    np.testing.assert_allclose(peak.shift_xy, [0.0, 3.0], atol=0.15)
    back = find_peak(frame.map_of(moved[:, 2] * frame.phase((0.0, 30.0)) * values[:, 2].conj()), (8, 8))
    np.testing.assert_allclose(back.shift_xy, [0.0, 0.0], atol=0.05)


def test_markers_and_bundle_bring_wrong_shifts_and_axis_back():
    rng = np.random.default_rng(3)
    x, y = np.meshgrid(np.arange(-2, 3) * 550.0, np.arange(-2, 3) * 450.0)  # no bead in another's box
    points = np.column_stack([x.ravel(), y.ravel(), rng.uniform(-150, 150, 25)]) + rng.uniform(-20, 20, (25, 3))
    tilts = np.arange(-45.0, 46.0, 5.0)
    truth = TiltGeometry(
        y_tilt_deg=tilts, z_rot_deg=np.full(tilts.size, AXIS), shift_xy_angstrom=rng.normal(0, 20, (tilts.size, 2))
    )
    views = bead_views(truth, points, (320, 288))
    coefficients = spline_coefficients(views)
    pose = Pose(axis_deg=AXIS - 0.5, shift_uv_angstrom=truth.shift_uv_angstrom() + rng.normal(0, 8, (tilts.size, 2)))
    positions = points + rng.normal(0, 4, points.shape)
    model = start_model(views, pose)
    for _ in range(4):
        offsets = measure_offsets(views, coefficients, model, positions, reach_angstrom=40.0, width_deg=15.0)
        bundle = solve_bundle(model, positions, offsets)
        model, positions = bundle.model, bundle.positions_angstrom_xyz
    pose = pose_of(model)
    found = xy_from_uv(pose.shift_uv_angstrom, pose.axis_deg - AXIS)
    residual, _ = remove_gauge(found - truth.shift_uv_angstrom(), tilts)
    assert pose.axis_deg == pytest.approx(AXIS, abs=0.01)
    # From 8 Å. What is left across the axis is nearly a constant, which a slow mode of x and cos t hides.
    assert np.all(np.sqrt(np.mean(residual**2, axis=0)) < [0.3, 0.01])


def exact_offsets(model: MarkerModel, true: MarkerModel, points: np.ndarray, reference: np.ndarray) -> Offsets:
    """What the markers of ``true`` would show to one who predicts them with ``model``."""
    seen = xy_from_uv(true.predicted_uv(points), true.axis_deg - model.axis_deg)
    absolute = seen - model.predicted_uv(points)
    relative = absolute - reference @ absolute
    return Offsets(uv_angstrom=relative, measured=np.ones(relative.shape[:2], dtype=bool), reference_pnn=reference)


def many_views() -> tuple[MarkerModel, np.ndarray, np.ndarray]:
    tilts = np.arange(-45.0, 46.0, 5.0)
    truth = TiltGeometry(y_tilt_deg=tilts, z_rot_deg=np.full(19, AXIS), shift_xy_angstrom=np.zeros((19, 2)))
    model = start_model(bead_views(truth), true_pose(truth))
    points = np.random.default_rng(1).uniform([-600, -600, -500], [600, 600, 500], (120, 3))
    weight = np.exp(-((np.subtract.outer(tilts, tilts) / 30.0) ** 2)) * (1 - np.eye(19))
    reference = np.broadcast_to(weight / weight.sum(axis=1, keepdims=True), (120, 19, 19))
    return model, points, reference


def test_the_bundle_solves_exact_offsets_relative_to_references():
    model, points, reference = many_views()
    rng = np.random.default_rng(1)
    true = replace(model, axis_deg=AXIS + 0.3, shift_uv_angstrom=rng.normal(0, 3, (19, 2)))
    bundle = solve_bundle(model, points, exact_offsets(model, true, points, reference))
    assert bundle.model.axis_deg - AXIS == pytest.approx(0.3, abs=0.01)
    residual, _ = remove_gauge(bundle.model.shift_uv_angstrom - true.shift_uv_angstrom, model.tilt_deg)
    assert np.abs(residual).max() < 0.3
    assert bundle.accepted_fraction > 0.9


@pytest.mark.parametrize("free", ["motion", "views"])
def test_the_bundle_finds_motion_and_small_errors_of_each_view(free):
    model, points, reference = many_views()
    rng = np.random.default_rng(2)
    if free == "motion":
        true = replace(model, motion_angstrom=rng.normal(0, 8, model.motion_angstrom.shape))
    else:
        true = replace(
            model,
            tilt_deg=model.tilt_deg + rng.normal(0, 0.2, 19),
            turn_deg=rng.normal(0, 0.05, 19),
            magnification=rng.normal(1, 1e-3, 19),
        )
    offsets = exact_offsets(model, true, points, reference)
    rigid = solve_bundle(model, points, offsets)
    bundle = solve_bundle(model, points, offsets, frozenset({free}))
    # What the images say is compared: a small turn of the specimen shares itself out over several unknowns.
    left = [np.nanstd(b.residual_uv_angstrom) for b in (rigid, bundle)]
    assert left[1] < 0.15 * left[0]
    scale = bundle.deviation_uv_angstrom
    apart = [misfit(b.model, model, points, offsets, np.maximum(scale, 0.1)).mean() for b in (rigid, bundle)]
    assert apart[1] < 0.3 * apart[0]


def test_the_geometry_of_a_moving_specimen_puts_flat_matter_where_the_model_sees_it():
    model, points, _ = many_views()
    rng = np.random.default_rng(3)
    moving = replace(
        model,
        motion_angstrom=rng.normal(0, 10, model.motion_angstrom.shape),
        shift_uv_angstrom=rng.normal(0, 30, (19, 2)),
        turn_deg=rng.normal(0, 0.05, 19),
        magnification=rng.normal(1, 1e-3, 19),
        freed=frozenset({"motion", "views"}),
    )
    flat = points * [1.0, 1.0, 0.0]
    seen = xy_from_uv(moving.predicted_uv(flat), moving.axis_deg)
    geometry = moving.geometry()
    np.testing.assert_allclose(geometry.project(flat), seen.transpose(1, 0, 2), atol=1e-6)
    # Turn and magnification belong to the view, not to the field: its linear part only shears.
    linear = geometry.field_xy_angstrom[:, :, 1:3]
    np.testing.assert_allclose(linear[:, 0, 0] + linear[:, 1, 1], 0.0, atol=1e-6)
    np.testing.assert_allclose(linear[:, 1, 0] - linear[:, 0, 1], 0.0, atol=1e-6)


@pytest.mark.parametrize("shape", [(96, 120), (97, 121), (100, 126)])
@pytest.mark.parametrize("factor", [1, 2, 3])
def test_binning_keeps_the_origin_and_the_mean(shape, factor):
    y, x = np.mgrid[: shape[0], : shape[1]].astype(float)
    image = 3.0 + np.exp(-((x - shape[1] // 2) ** 2 + (y - shape[0] // 2) ** 2) / (2 * 6.0**2))
    small = crop_to_bin(image, factor).astype(float)
    assert all(n % 2 == 0 for n in small.shape)
    ticks = [np.arange(n) - n // 2 for n in small.shape]
    bump = np.clip(small - 3.0 - 1e-3, 0, None)
    centre = [(bump * ticks[0][:, None]).sum() / bump.sum(), (bump * ticks[1]).sum() / bump.sum()]
    np.testing.assert_allclose(centre, 0.0, atol=0.02)
    assert np.median(small) == pytest.approx(3.0, abs=0.01)
