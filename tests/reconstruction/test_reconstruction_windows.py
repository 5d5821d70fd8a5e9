"""Regions of interest, slabs with their own defocus, views that magnify and bend: beads stay where they belong."""

import itertools
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.ndimage import map_coordinates

from tomoset.errors import ParameterError
from tomoset.geometry import TiltGeometry
from tomoset.model import InMemory, Optics, Resources, Silent
from tomoset.physics import ctf, rfft_frequency_2d
from tomoset.reconstruction import ReconstructionParams, reconstruct
from tomoset.reconstruction.windows import seen_from, slab_edges

PLAIN = ReconstructionParams(
    voxel_size_angstrom=10.0, thickness_angstrom=240.0, dose_weighting=False, ctf_correction="none"
)
BEAD = np.array([63.0, -41.0, 27.0])


def run(series, params=PLAIN, **resources):
    return reconstruct(series, params, resources=Resources(**resources), progress=Silent())


def darkest_index(volume, guess):
    found = np.asarray(guess, float)
    for step in (1.0, 0.25, 0.06, 0.015):
        offsets = np.stack(np.meshgrid(*[np.arange(-3, 4) * step] * 3, indexing="ij"))
        at = found[:, None, None, None] + offsets
        values = map_coordinates(volume.astype(float), at, order=5, mode="nearest")
        found = at.reshape(3, -1)[:, values.argmin()]
    return found


def expected_index(tomogram, place):
    return tomogram.grid.index_zyx(tomogram.grid.volume_from_specimen(place))


def magnified(rng, n):
    return {"magnification": 1 + rng.uniform(-0.05, 0.05, n)}


def bent(rng, n):
    field = rng.uniform(-25, 25, (n, 2, 6))
    return {"field_xy_angstrom": field, "field_unit_angstrom": 300.0}


@pytest.mark.parametrize("beyond", [[magnified], [bent], [magnified, bent]])
@pytest.mark.parametrize("x_tilt", [0.0, 5.0])
def test_bead_of_a_geometry_beyond_rigid_appears_where_it_says(bead_series, beyond, x_tilt):
    rng = np.random.default_rng(7)
    more = {key: value for make in beyond for key, value in make(rng, 41).items()}
    bead = np.array([130.0, -210.0, 27.0])
    series = bead_series(beads_xyz=bead, axis_deg=85.3, shifts=20.0, x_tilt=x_tilt, beyond=more)
    tomogram = run(series)
    expected = expected_index(tomogram, bead)
    found = darkest_index(tomogram.volume_zyx.read(), expected)
    assert np.abs(found - expected).max() < 0.06
    # The same images taken for rigid ones blur the bead.
    rigid = replace(series.geometry, magnification=None, field_xy_angstrom=None)
    peak = -tomogram.volume_zyx.read().min()
    assert peak > 1.02 * -run(replace(series, geometry=rigid)).volume_zyx.read().min()


@given(st.lists(st.floats(-400, 400), min_size=3, max_size=3), st.integers(0, 2**32 - 1), st.booleans())
def test_a_geometry_seen_from_elsewhere_projects_alike(origin, seed, beyond):
    rng = np.random.default_rng(seed)
    n = 5
    geometry = TiltGeometry(
        y_tilt_deg=rng.uniform(-60, 60, n),
        z_rot_deg=rng.uniform(-180, 180, n),
        shift_xy_angstrom=rng.uniform(-50, 50, (n, 2)),
        x_tilt_deg=rng.uniform(-5, 5, n),
        **({**magnified(rng, n), **bent(rng, n)} if beyond else {}),
    )
    places = rng.uniform(-300, 300, (8, 3))
    moved = seen_from(geometry, origin)
    np.testing.assert_allclose(moved.project(places), geometry.project(places + origin), atol=1e-8)


@given(st.integers(1, 400), st.floats(0.5, 500))
def test_slabs_share_the_depth(depth, thickness):
    edges = slab_edges(depth, thickness)
    assert edges[0][0] == 0
    assert edges[-1][1] == depth
    assert all(a[1] == b[0] for a, b in itertools.pairwise(edges))
    sizes = [b - a for a, b in edges]
    assert min(sizes) >= 1
    assert max(sizes) <= thickness + 1


@pytest.mark.parametrize(("axis_deg", "x_tilt"), [(0.0, 0.0), (85.3, 0.0), (85.3, 4.0)])
def test_a_region_of_interest_is_that_part_of_the_whole(bead_series, axis_deg, x_tilt):
    series = bead_series(beads_xyz=[BEAD, [-90.0, 60.0, -40.0]], axis_deg=axis_deg, shifts=20.0, x_tilt=x_tilt)
    whole = run(series)
    params = replace(PLAIN, centre_angstrom_xyz=(60.0, -40.0, 30.0), lateral_shape_yx=(21, 16), thickness_angstrom=90.0)
    part = run(series, params)
    assert part.grid.shape_zyx == (9, 21, 16)
    z, y, x = (n // 2 + o for n, o in zip(whole.grid.shape_zyx, (3, -4, 6), strict=True))
    cut = whole.volume_zyx.read()[z - 4 : z + 5, y - 10 : y + 11, x - 8 : x + 8]
    # Samples of the aligned rows lie elsewhere between the pixels; with x tilt they are read linearly along y too.
    np.testing.assert_allclose(part.volume_zyx.read(), cut, atol=(0.06 if x_tilt else 0.015) * np.abs(cut).max())
    # Its geometry is about its own origin, so that a place has an index in it as in any tomogram.
    at = np.array([[3.0, -1.0, -3.0]])
    np.testing.assert_allclose(
        part.geometry.project(at), series.geometry.project(at + params.centre_angstrom_xyz), atol=1e-9
    )


@pytest.mark.parametrize("voxel", [5.0, 13.7, 20.0, 41.0])
def test_coarse_voxels_hold_nothing_of_what_they_cannot_show(bead_series, voxel):
    series = bead_series(beads_xyz=BEAD, shape_yx=(192, 192), tilts=np.arange(-60.0, 61.0, 10.0))
    rng = np.random.default_rng(5)
    noise = np.fft.rfft2(rng.normal(0, 1, (13, 192, 192)))
    k = rfft_frequency_2d((192, 192), 5.0)
    params = replace(PLAIN, voxel_size_angstrom=voxel, thickness_angstrom=max(240.0, 4 * voxel))
    levels = {}
    for band, keep in (("beyond", k > 0.75 / voxel), ("within", k < 0.3 / voxel)):
        images = np.fft.irfft2(noise * keep, s=(192, 192))
        images *= 0.05 / max(images.std(), 1e-9)
        levels[band] = run(replace(series, images_nyx=InMemory((100 * (1 + images)).astype(np.float32))), params)
    inner = tuple(slice(n // 4, n - n // 4) for n in levels["within"].grid.shape_zyx)
    power = {band: t.volume_zyx.read()[inner].std() for band, t in levels.items()}
    if voxel > 5.0:  # at the images' own pixel the corners alone lie beyond
        assert power["beyond"] < 0.02 * power["within"]


def _seen_through_the_lens(series, beads, optics, defocus):
    """One bead after the other through the CTF at its own height in each view."""
    total = np.zeros(series.images_nyx.shape)
    k = rfft_frequency_2d(total.shape[1:], series.pixel_size_angstrom)
    for bead, images in beads:
        heights = series.geometry.height_angstrom(bead)[:, 0]
        for t, image in enumerate(images / 100 - 1):
            own = defocus + series.defocus_hand * heights[t]
            transfer = ctf(k, own, voltage_kv=optics.voltage_kv, cs_mm=2.7, amplitude_contrast=0.07)
            total[t] += np.fft.irfft2(-np.fft.rfft2(image) * transfer, s=image.shape)
    return InMemory((100 * (1 + total)).astype(np.float32))


@pytest.fixture
def thick_series(bead_series):
    """Two small beads at the faces of a thick slab, each with the defocus of its height; long waves."""
    optics = Optics(voltage_kv=20.0)
    places = np.array([[30.0, 12.0, 340.0], [-40.0, -20.0, -340.0]])
    common = {
        "axis_deg": 3.0, "shape_yx": (112, 128), "pixel": 3.0, "sigma": 3.0, "tilts": np.arange(-54.0, 55.0, 6.0),
        "shifts": 10.0, "ctf": 9000.0, "hand": 1,
    }  # fmt: skip
    series = bead_series(beads_xyz=places, **common)
    alone = [(place, bead_series(beads_xyz=place, **common).images_nyx.read().astype(float)) for place in places]
    series = replace(series, optics=optics)
    return replace(series, images_nyx=_seen_through_the_lens(series, alone, optics, 9000.0)), places


def peaks(tomogram, places):
    volume = tomogram.volume_zyx.read()
    return np.array([-volume[tuple(np.round(expected_index(tomogram, p)).astype(int))] for p in places])


def test_slabs_give_the_faces_of_a_thick_specimen_their_own_defocus(thick_series):
    series, places = thick_series
    params = ReconstructionParams(
        voxel_size_angstrom=3.0, thickness_angstrom=760.0, lateral_shape_yx=(24, 40), dose_weighting=False,
        ctf_slab_angstrom=60.0,
    )  # fmt: skip
    found = {
        kind: peaks(run(series, replace(params, ctf_correction=kind)), places)
        for kind in ("phase-flip", "phase-flip-slabs", "multiply", "multiply-slabs")
    }
    assert np.all(found["phase-flip-slabs"] > 1.3 * found["phase-flip"])
    assert np.all(found["multiply-slabs"] > 1.3 * found["multiply"])
    wrong = run(replace(series, defocus_hand=-1), replace(params, ctf_correction="phase-flip-slabs"))
    assert np.all(found["phase-flip-slabs"] > 1.5 * peaks(wrong, places))
    # A region of interest at a face finds the defocus of its height by itself.
    top = replace(params, thickness_angstrom=60.0, centre_angstrom_xyz=(0.0, 0.0, 339.0))
    near = peaks(run(series, top), [places[0] - top.centre_angstrom_xyz])
    np.testing.assert_allclose(near, found["phase-flip-slabs"][:1], rtol=0.05)


def test_slabs_of_a_thin_volume_change_nothing_and_memory_neither(thick_series):
    series, _ = thick_series
    params = ReconstructionParams(
        voxel_size_angstrom=9.0, thickness_angstrom=756.0, dose_weighting=False, ctf_correction="phase-flip-slabs"
    )
    whole = run(series, replace(params, ctf_slab_angstrom=126.0)).volume_zyx.read()
    pieces = run(series, replace(params, ctf_slab_angstrom=126.0), memory_gib=1e-3, workers=2).volume_zyx.read()
    np.testing.assert_array_equal(whole, pieces)
    single = replace(params, thickness_angstrom=90.0)
    flat = run(series, replace(single, ctf_correction="phase-flip")).volume_zyx.read()
    np.testing.assert_allclose(run(series, single).volume_zyx.read(), flat, atol=1e-6 * np.abs(flat).max())


def test_slabs_without_a_hand_are_refused(thick_series):
    series, _ = thick_series
    with pytest.raises(ParameterError, match="sign of the defocus gradient"):
        run(replace(series, defocus_hand=0), ReconstructionParams(ctf_correction="phase-flip-slabs"))


@pytest.mark.parametrize(
    "wrong",
    [
        {"ctf_slab_angstrom": 0.0},
        {"imod_cutoff_cycles_per_voxel": 0.6},
        {"imod_falloff_cycles_per_voxel": 0.0},
        {"sirt_iterations": 0},
        {"centre_angstrom_xyz": (0.0, float("nan"), 0.0)},
        {"specimen_thickness_angstrom": -1.0},
    ],
)
def test_parameters_that_mean_nothing_are_refused(wrong):
    with pytest.raises(ParameterError, match="expected"):
        ReconstructionParams(**wrong)
