"""Ways of searching that must agree: one transform a rotation, a low-rank basis, a cover first, torch."""

from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import fft

from tomoset.annotation.templates import _kernels
from tomoset.annotation.templates.engines import _gemm_kernels, _gemm_loops
from tomoset.annotation.templates.engines.coarse_to_fine import cover_rotations, places_to_refine
from tomoset.annotation.templates.engines.low_rank import box_edge, low_rank, weighted_templates
from tomoset.annotation.templates.engines.low_rank_search import new_extremes, pack_coefficients
from tomoset.annotation.templates.engines.rescoring import exact_scores
from tomoset.annotation.templates.engines.search_engines import cheapest, low_rank_seconds, plain_seconds
from tomoset.annotation.templates.engines.tiles import cut_tile, plan_tiles
from tomoset.annotation.templates.search import SearchOptions, full_grid, search_plainly, search_rotations
from tomoset.annotation.templates.template_spectrum import template_spectrum
from tomoset.annotation.templates.transfer import box_frequencies
from tomoset.errors import ParameterError
from tomoset.geometry import point_group, sample_rotations
from tomoset.structures import built_in_structure

VOXEL = 20.0
SHAPE = (40, 60, 50)


def wedge_weight(shape, voxel):
    """Band to 45 Å, ±45° of tilt about y, 0 at frequency 0; as smooth as a box of 16 voxels makes it."""
    k_xyz = box_frequencies(16, voxel)
    k = np.linalg.norm(k_xyz, axis=-1)
    soft = 1 / (1 + np.exp((np.abs(k_xyz[..., 2]) - np.abs(k_xyz[..., 0])) * 1500))
    weight = soft * k * np.exp(-((k * 60) ** 2)) * (k < 1 / 45) * (soft > 0.1)
    return full_grid(weight.astype(np.float32), shape)


def embedded(box, shape, centre):
    out = np.zeros(shape, np.float32)
    n = len(box)
    places = [(np.r_[0 : n // 2, n // 2 - n : 0] + c) % s for c, s in zip(centre, shape, strict=True)]
    out[np.ix_(*places)] = box
    return out


@cache
def scene(name="proteasome", step=25.0, seed=0):
    """White noise with particles of norm 8 at the middles of search voxels, in rotations of the list."""
    spectrum = template_spectrum(built_in_structure(name), VOXEL)
    rotations = sample_rotations(step, point_group(built_in_structure(name).symmetry))
    n = box_edge(spectrum, VOXEL)
    weight = wedge_weight(SHAPE, VOXEL)
    box_weight = _kernels.resample_half_grid(weight, SHAPE, (n, n, n))
    finer_weight = _kernels.resample_half_grid(weight, SHAPE, (2 * n, 2 * n, 2 * n))
    rng = np.random.default_rng(seed)
    volume = rng.normal(size=SHAPE).astype(np.float32)
    # 20 voxels apart, so that neither they nor their fringes meet
    where = np.stack(np.meshgrid([10, 30], [10, 30, 50], [12, 37], indexing="ij"), axis=-1).reshape(-1, 3)
    where += rng.integers(-2, 3, where.shape)
    which = rng.integers(0, len(rotations), len(where))
    for place, box in zip(where, weighted_templates(spectrum, rotations[which], box_weight, VOXEL), strict=True):
        volume += 8 * embedded(box / np.linalg.norm(box), SHAPE, place)
    return spectrum, rotations, weight, (box_weight, finer_weight), volume, where


def searched(engine, *, workers=1, rotations=None, **options):
    spectrum, every, weight, _, volume, _ = scene()
    steps = []
    scores = search_rotations(
        fft.rfftn(volume),
        SHAPE,
        VOXEL,
        weight,
        spectrum,
        every if rotations is None else rotations,
        workers=workers,
        step=lambda: steps.append(1),
        options=SearchOptions(engine=engine, **options),
    )
    assert len(steps) == len(every if rotations is None else rotations)
    return scores


@cache
def plain():
    return searched("exact")


def in_correlation(scores):
    """Scores as correlation coefficients with the band-passed voxels that a template of radius 90 Å sees."""
    _, _, weight, _, _, _ = scene()
    used = (weight != 0).mean()
    return scores / np.sqrt(4 / 3 * np.pi * (90 / VOXEL) ** 3 * used)


def test_a_basis_gives_the_scores_of_the_plain_loop():
    scores, expected = searched("low-rank", left_out=0.005), plain()
    for name in ("z_zyx", "inverted_z_zyx"):
        difference = getattr(scores, name) - getattr(expected, name)
        assert np.sqrt(np.mean(in_correlation(difference) ** 2)) < 0.01
        assert np.sqrt(np.mean(difference**2)) < 0.1  # of the noise: the root of the energy left out
        assert abs(difference.mean()) < 0.03
    np.testing.assert_allclose(scores.norms, expected.norms, rtol=0.02)


@pytest.mark.parametrize("engine", ["low-rank", "coarse-to-fine", "torch"])
def test_particles_are_found_with_their_exact_scores(engine):
    scores, expected = searched(engine), plain()
    _, _, _, _, _, where = scene()
    differences, same = [], []
    for z, y, x in where:
        here = (slice(z - 3, z + 4), slice(y - 3, y + 4), slice(x - 3, x + 4))
        place, true = scores.z_zyx[here].argmax(), expected.z_zyx[here].argmax()
        differences.append(scores.z_zyx[here].flat[place] - expected.z_zyx[here].flat[true])
        same.append(scores.rotation_index_zyx[here].flat[place] == expected.rotation_index_zyx[here].flat[true])
    assert np.abs(differences).max() < 0.3
    assert np.median(np.abs(differences)) < 0.05
    assert np.mean(same) > 0.8


def test_tiles_change_nothing_that_matters():
    whole, tiled = searched("low-rank"), searched("low-rank", memory_gib=0.006)
    difference = whole.z_zyx - tiled.z_zyx
    assert np.abs(difference).max() > 0
    assert np.sqrt(np.mean(difference**2)) < 0.06


@pytest.mark.parametrize("engine", ["low-rank", "coarse-to-fine", "exact"])
def test_any_number_of_workers_gives_the_same(engine):
    one, two = searched(engine), searched(engine, workers=3)
    np.testing.assert_array_equal(one.z_zyx, two.z_zyx)
    np.testing.assert_array_equal(one.rotation_index_zyx, two.rotation_index_zyx)
    np.testing.assert_array_equal(one.inverted_z_zyx, two.inverted_z_zyx)
    np.testing.assert_array_equal(one.inverted_rotation_index_zyx, two.inverted_rotation_index_zyx)


def test_torch_agrees_with_the_compiled_search():
    compiled, tensors = searched("low-rank"), searched("torch")
    difference = compiled.z_zyx - tensors.z_zyx
    assert np.sqrt(np.mean(difference**2)) < 0.01
    assert np.quantile(np.abs(difference), 0.999) < 0.05
    assert np.mean(compiled.rotation_index_zyx == tensors.rotation_index_zyx) > 0.98


def test_few_rotations_are_searched_plainly():
    _, rotations, _, _, _, _ = scene()
    automatic, expected = searched("auto", rotations=rotations[:3]), searched("exact", rotations=rotations[:3])
    np.testing.assert_array_equal(automatic.z_zyx, expected.z_zyx)
    assert cheapest(20, 10.0, 24, None) == "exact"
    assert cheapest(2000, 10.0, 80, None) == "low-rank"
    assert cheapest(2000, 10.0, 80, 200) == "coarse-to-fine"
    assert low_rank_seconds(2000, 80, 20.0) == pytest.approx(2 * low_rank_seconds(2000, 80, 10.0))
    assert plain_seconds(2000, 10.0) > low_rank_seconds(2000, 80, 10.0)


@pytest.mark.parametrize("kernels", [_gemm_kernels, _gemm_loops])
@given(rank=st.integers(1, 70), count=st.integers(1, 15), seed=st.integers(0, 2**32 - 1))
@settings(max_examples=15, deadline=None)
def test_extremes_are_those_of_the_whole_product(kernels, rank, count, seed):
    """Against numpy's product of the same numbers, rounded to bfloat16."""
    rng = np.random.default_rng(seed)
    planes, coefficients = rng.normal(size=(rank, 192)), rng.normal(size=(count, rank))
    planes, coefficients = (np.asarray(a, np.float32).view(np.uint32) & 0xFFFF0000 for a in (planes, coefficients))
    pairs = np.zeros((-(-rank // 2), 192), np.uint32)
    pairs |= planes[0::2] >> 16
    pairs[: rank // 2] |= planes[1::2]
    factors = coefficients.view(np.float32)
    found = new_extremes(192)
    arrays = (found.best, found.which, found.worst, found.which_worst)
    packed = pack_coefficients(factors)
    kernels.extremes_of_blocks(pairs, packed, 0, 64, *arrays)
    kernels.extremes_of_blocks(pairs, packed, 64, 192, *arrays)
    scores = factors.astype(np.float64) @ planes.view(np.float32).astype(np.float64)
    tolerance = 1e-5 * np.abs(scores).max() + 1e-6
    np.testing.assert_allclose(found.best, scores.max(0), atol=tolerance)
    np.testing.assert_allclose(found.worst, scores.min(0), atol=tolerance)
    which = np.minimum(found.which, count - 1)
    np.testing.assert_allclose(scores[which, np.arange(192)], scores.max(0), atol=2 * tolerance)


def test_a_basis_holds_what_it_says():
    """Left-out energy is what it was asked for, and norms are those of the plain loop's."""
    spectrum, rotations, _, weights, _, _ = scene()
    ranks = []
    for left_out in (0.1, 0.01, 0.001):
        basis = low_rank(spectrum, rotations, *weights, VOXEL, left_out=left_out)
        assert basis.left_out.mean() <= left_out * 1.05
        ranks.append(basis.rank)
    assert ranks == sorted(ranks)
    assert ranks[0] < ranks[-1]


def test_exact_scores_are_the_plain_loops():
    spectrum, rotations, _, (box_weight, _), volume, _ = scene()
    expected = plain()
    rng = np.random.default_rng(5)
    index = np.stack([rng.integers(0, s, 200) for s in SHAPE], axis=-1)
    which = expected.rotation_index_zyx[tuple(index.T)]
    scores = exact_scores(volume, index, which, spectrum, rotations, expected.norms, box_weight, VOXEL, workers=2)
    difference = scores - expected.z_zyx[tuple(index.T)]
    assert np.sqrt(np.mean(difference**2)) < 0.1  # the box holds all but half a per cent of the templates' energy


def test_a_cover_represents_every_rotation():
    spectrum, rotations, _, weights, _, _ = scene()
    basis = low_rank(spectrum, rotations, *weights, VOXEL, left_out=0.01)
    cover = cover_rotations(basis.coefficients, 0.6, 1000)
    nearest = (basis.coefficients @ basis.coefficients[cover.centres].T).max(axis=1)
    assert nearest.min() >= 0.6 - 1e-5
    assert cover.least_correlation == pytest.approx(nearest.min())
    assert len(cover.centres) < len(rotations) // 2
    assert cover_rotations(basis.coefficients, 0.999, 1000) is None
    assert len(cover_rotations(basis.coefficients, 0.999, 4).centres) == 4


def test_places_to_refine_surround_maxima_of_both_contrasts():
    best, worst = np.zeros((9, 9, 9), np.float32), np.zeros((9, 9, 9), np.float32)
    best[2, 2, 2], worst[6, 6, 6], best[0, 8, 0] = 5.0, -5.0, 1.0
    marked = np.zeros(9**3, bool)
    marked[places_to_refine(best, worst)] = True
    marked = marked.reshape(9, 9, 9)
    assert marked.sum() == 54
    assert marked[1:4, 1:4, 1:4].all()
    assert marked[5:8, 5:8, 5:8].all()


@given(
    st.tuples(*[st.integers(5, 90)] * 3),
    st.tuples(*[st.integers(1, 12)] * 3),
    st.integers(1, 400),
    st.integers(10_000, 50_000_000),
)
@settings(max_examples=20, deadline=None)
def test_tiles_cover_a_volume_once_with_their_margins(shape, margins, bytes_per_voxel, room):
    plan = plan_tiles(shape, margins, bytes_per_voxel, room)
    count = np.zeros(shape, int)
    tiles = list(plan.tiles())
    for tile in tiles:
        count[tuple(slice(f, f + c) for f, c in zip(tile.first_zyx, tile.core_zyx, strict=True))] += 1
        for axis in range(3):
            before = tile.first_zyx[axis] - tile.start_zyx[axis]
            after = tile.start_zyx[axis] + plan.padded_zyx[axis] - tile.first_zyx[axis] - tile.core_zyx[axis]
            whole = plan.padded_zyx[axis] == shape[axis]
            assert (before == after == 0) if whole else min(before, after) >= margins[axis]
    assert (count == 1).all()


def test_tiles_repeat_beyond_the_ends():
    volume = np.arange(40.0, dtype=np.float32)[None, None].repeat(3, 0).repeat(3, 1)
    plan = plan_tiles((3, 3, 40), (4, 4, 4), 1000, 3 * 3 * 12 * 1024)
    tile = next(plan.tiles())
    cut = cut_tile(volume, plan, tile)
    assert cut.shape == plan.padded_zyx
    assert cut[0, 0, 0] == tile.start_zyx[2] % 40


def test_half_grids_are_resampled_as_boxes_are():
    smooth = np.exp(-np.sum(box_frequencies(16, 20.0) ** 2, axis=-1) * 2e3).astype(np.float32)
    finer = _kernels.resample_half_grid(smooth, (16, 16, 16), (32, 48, 20))
    back = _kernels.resample_half_grid(finer, (32, 48, 20), (16, 16, 16))
    assert np.abs(back - smooth).max() < 0.02
    same = _kernels.resample_half_grid(smooth, (16, 16, 16), (16, 16, 16))
    np.testing.assert_allclose(same, smooth, atol=1e-6)


def test_unknown_engines_are_refused():
    with pytest.raises(ParameterError, match="auto, exact"):
        SearchOptions(engine="quick")
    with pytest.raises(ParameterError, match="left out"):
        SearchOptions(left_out=0.9)
    with pytest.raises(ParameterError, match="memory"):
        SearchOptions(memory_gib=0)


@pytest.mark.parametrize("shape", [(12, 48, 48), (30, 40, 10)])
def test_volumes_narrower_than_a_box_are_searched(shape):
    spectrum, rotations, _, _, _, _ = scene()
    volume = np.random.default_rng(1).normal(size=shape).astype(np.float32)
    weight = wedge_weight(shape, VOXEL)
    arguments = (fft.rfftn(volume), shape, VOXEL, weight, spectrum, rotations[:40])
    expected = search_plainly(*arguments, workers=1, step=lambda: None)
    options = SearchOptions(engine="low-rank", left_out=0.005)
    scores = search_rotations(*arguments, workers=1, step=lambda: None, options=options)
    assert np.sqrt(np.mean((scores.z_zyx - expected.z_zyx) ** 2)) < 0.15
