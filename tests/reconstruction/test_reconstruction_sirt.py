"""Iterations bring the projections to the views, and a slab of balls nearer to the truth than a back-projection."""

from dataclasses import replace

import numpy as np
import pytest

from tomoset.errors import GeometryError, ParameterError
from tomoset.model import InMemory, Resources, Silent
from tomoset.reconstruction import ReconstructionParams, back_project_views, methods_text, project_volume, reconstruct
from tomoset.reconstruction.sirt import iterate_views, subsets_of

TILT = np.arange(-60.0, 61.0, 4.0)


def balls(shape_zyx, seed=0):
    rng = np.random.default_rng(seed)
    z, y, x = np.meshgrid(*[np.arange(n) - n // 2 for n in shape_zyx], indexing="ij")
    volume = np.zeros(shape_zyx, np.float32)
    for _ in range(12):
        centre = rng.uniform(-0.35, 0.35, 3) * shape_zyx
        distance = np.sqrt((z - centre[0]) ** 2 + (y - centre[1]) ** 2 + (x - centre[2]) ** 2)
        volume += np.clip(4.5 - distance, 0, 1).astype(np.float32)
    return volume


@pytest.fixture(scope="module")
def phantom():
    volume = balls((32, 24, 64))
    return volume, project_volume(volume, TILT, 96)


def test_residual_falls_with_every_iteration(phantom):
    volume, views = phantom
    _, residual = iterate_views(views, TILT, volume.shape, iterations=12)
    assert np.all(np.diff(residual) < 0)
    assert residual[0] == pytest.approx(np.sqrt(np.mean(views**2)), rel=1e-5)
    assert residual[-1] < 0.2 * residual[0]


def test_a_pass_over_subsets_goes_further_than_one_over_all(phantom):
    volume, views = phantom
    together, _ = iterate_views(views, TILT, volume.shape, iterations=3)
    apart, _ = iterate_views(views, TILT, volume.shape, iterations=3, subset_tilts=4)

    def misfit(found):
        return np.linalg.norm(project_volume(found, TILT, 96) - views)

    assert misfit(apart) < 0.6 * misfit(together)
    assert np.linalg.norm(apart - volume) < np.linalg.norm(together - volume)


def test_balls_come_out_nearer_to_the_truth_than_by_back_projection(phantom):
    """Two measures over two phantoms: correlation with the truth, and how far the projections miss the views."""
    ramp = np.abs(np.fft.rfftfreq(256))[None, :, None] * np.deg2rad(4.0)
    for volume in (phantom[0], balls((32, 24, 64), seed=1)):
        views = project_volume(volume, TILT, 96)
        filtered = np.fft.irfft(np.fft.rfft(views, 256, axis=1) * ramp, 256, axis=1)[:, :96].astype(np.float32)
        weighted = back_project_views(filtered, TILT, volume.shape)
        iterated, _ = iterate_views(views, TILT, volume.shape, iterations=20)

        def likeness(found, volume=volume):
            return np.corrcoef(found.ravel(), volume.ravel())[0, 1]

        def misfit(found, views=views):
            return np.linalg.norm(project_volume(found, TILT, 96) - views) / np.linalg.norm(views)

        assert likeness(iterated) > likeness(weighted)
        assert misfit(iterated) < 0.5 * misfit(weighted)


def test_one_iteration_is_the_formula(phantom):
    """Against a dense float64 matrix of one slice."""
    volume, views = phantom
    nz, _, nx = volume.shape
    matrix = np.zeros((TILT.size, 96, nz * nx))
    z, x = np.meshgrid(np.arange(nz) - nz // 2, np.arange(nx) - nx // 2, indexing="ij")
    u = np.arange(96) - 48
    for t, angle in enumerate(np.deg2rad(TILT)):
        at = (x * np.cos(angle) + z * np.sin(angle)).ravel()
        matrix[t] = np.maximum(0, 1 - np.abs(u[:, None] - at[None, :]))
    path = matrix.sum(axis=2).max(axis=1)
    expected = np.zeros(nz * nx)
    for _ in range(2):
        lacking = (views[:, :, 7] - matrix @ expected) / path[:, None]
        expected += 0.8 * np.einsum("tuv,tu->v", matrix, lacking) / TILT.size
    found, _ = iterate_views(views, TILT, volume.shape, iterations=2, relaxation=0.8)
    np.testing.assert_allclose(found[:, 7].ravel(), expected, atol=2e-5 * np.abs(expected).max() + 1e-6)


def test_result_does_not_depend_on_threads():
    views = np.random.default_rng(3).standard_normal((9, 60, 300)).astype(np.float32)
    tilt = np.linspace(-60, 60, 9)
    runs = [iterate_views(views, tilt, (12, 300, 40), iterations=2, subset_tilts=3, workers=n) for n in (1, 2)]
    np.testing.assert_array_equal(runs[0][0], runs[1][0])
    np.testing.assert_allclose(runs[0][1], runs[1][1], rtol=1e-12)


@pytest.mark.parametrize("size", [1, 4, 7, 31, 50, None])
def test_subsets_hold_every_view_once(size):
    subsets = subsets_of(TILT, size)
    assert sorted(np.concatenate(subsets)) == list(range(TILT.size))
    assert max(s.size for s in subsets) <= (size or TILT.size)


def test_views_of_the_wrong_shape_are_refused():
    with pytest.raises(GeometryError, match="expected views of shape"):
        iterate_views(np.zeros((3, 10, 4), np.float32), np.zeros(2), (4, 4, 4), iterations=1)


BEAD = np.array([63.0, -41.0, 27.0])
PLAIN = ReconstructionParams(
    method="sirt", iterations=8, thickness_angstrom=240.0, dose_weighting=False, ctf_correction="none"
)


def run(series, params=PLAIN, **resources):
    return reconstruct(series, params, resources=Resources(**resources), progress=Silent())


@pytest.mark.parametrize(("axis_deg", "shifts"), [(0.0, 0.0), (85.3, 35.0)])
@pytest.mark.parametrize("method", ["sirt", "sart"])
def test_bead_appears_where_the_geometry_says(bead_series, axis_deg, shifts, method):
    tomogram = run(bead_series(beads_xyz=BEAD, axis_deg=axis_deg, shifts=shifts), replace(PLAIN, method=method))
    volume = -tomogram.volume_zyx.read().astype(float)
    expected = tomogram.grid.index_zyx(tomogram.grid.volume_from_specimen(BEAD))
    at = np.round(expected).astype(int)
    box = tuple(slice(i - 4, i + 5) for i in at)
    heavy = np.maximum(volume[box] - 0.3 * volume[box].max(), 0)
    found = [(heavy * (np.indices(heavy.shape)[axis] + at[axis] - 4)).sum() / heavy.sum() for axis in range(3)]
    # The box cuts the bead's elongated ends a little askew.
    assert np.abs(found - expected).max() < 0.15
    assert np.unravel_index(volume.argmax(), volume.shape) == tuple(at)
    assert tomogram.kind == method


def test_projections_of_the_volume_return_to_the_images(bead_series):
    """In physical units: the voxels along a beam add up to the change of intensity that it met."""
    series = bead_series(beads_xyz=np.zeros(3), sigma=25.0)
    tomogram = run(series, replace(PLAIN, iterations=30))
    views = project_volume(tomogram.volume_zyx.read(), series.geometry.y_tilt_deg, 65)
    # The outermost views, with the longest paths, are the last to be reached.
    assert np.median(views[:, 32, 24]) == pytest.approx(-0.1, rel=0.02)
    np.testing.assert_allclose(views[5:-5, 32, 24], -0.1, rtol=0.08)


def test_tomogram_depends_neither_on_threads_nor_on_memory(bead_series):
    series = bead_series(beads_xyz=BEAD, axis_deg=85.0, shape_yx=(96, 544), shifts=20.0)
    params = replace(PLAIN, method="sart", iterations=2)
    reference = run(series, params).volume_zyx.read()
    assert reference.shape[1] == 272  # five blocks along y
    for other in (run(series, params, workers=2), run(series, params, workers=2, memory_gib=1e-3)):
        np.testing.assert_array_equal(other.volume_zyx.read(), reference)


def test_halves_add_up_to_the_whole(bead_series):
    tomogram = run(bead_series(beads_xyz=BEAD, halves=True))
    # Each half shows the same contrast as the whole: images are divided by their mean.
    np.testing.assert_allclose(tomogram.odd_zyx.read(), tomogram.volume_zyx.read(), atol=1e-6)
    np.testing.assert_array_equal(tomogram.odd_zyx.read(), tomogram.even_zyx.read())


def test_samples_beside_the_images_are_not_taken_for_empty(bead_series):
    """A uniform slab, seen by images that are shifted: its edges stay as dense as far as images reach."""
    series = bead_series(beads_xyz=[[0.0, 0.0, 0.0]], depth=0.0, tilts=np.arange(-40.0, 41.0, 4.0))
    shift = np.zeros((21, 2))
    shift[::2, 0] = 150.0
    geometry = replace(series.geometry, shift_xy_angstrom=shift)
    ramp = np.linspace(-0.05, 0.05, 96)[None, :, None] * np.ones((21, 96, 128))
    series = replace(series, geometry=geometry, images_nyx=InMemory((100 * (1 + ramp)).astype(np.float32)))
    volume = run(series, replace(PLAIN, iterations=20)).volume_zyx.read()
    middle = volume[:, 8].sum(axis=0)
    # Left of -320 + 150 Å every other view sees nothing; the rest still say how dense the slab is there.
    assert middle[8:14].mean() == pytest.approx(middle[28:36].mean(), rel=0.15)


def test_views_tilted_about_x_are_refused(bead_series):
    with pytest.raises(GeometryError, match="tilted about y alone"):
        run(bead_series(beads_xyz=BEAD, x_tilt=4.0))


@pytest.mark.parametrize(
    "wrong",
    [
        {"method": "art"},
        {"iterations": 0},
        {"relaxation": 0.0},
        {"relaxation": 2.0},
        {"subset_tilts": 0},
        {"ctf_correction": "phase-flip-slabs"},
    ],
)
def test_what_cannot_be_iterated_is_refused(wrong):
    with pytest.raises(ParameterError, match=r"reconstruction\."):
        replace(PLAIN, **wrong)


def test_methods_say_what_was_done():
    assert "8 iterations of SIRT (relaxation 1)" in methods_text(PLAIN)
    assert "4 tilts at a time" in methods_text(replace(PLAIN, method="sart"))
    assert "ramp" not in methods_text(PLAIN)
