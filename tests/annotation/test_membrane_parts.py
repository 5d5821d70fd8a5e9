"""The parts of the membrane tracer, each against what it must equal."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import sph_harm_y

from tomoset.annotation.membranes import _kernels
from tomoset.annotation.membranes.profile import HEIGHTS_ANGSTROM, head_distance_angstrom
from tomoset.annotation.membranes.spectrum import match_amplitudes, radial_amplitudes
from tomoset.annotation.membranes.star_surface import (
    common_centre,
    even_directions,
    fit_star,
    parallel_surface,
    real_harmonics,
)


def test_plate_strength_equals_that_of_the_eigenvalues():
    volume = np.random.default_rng(0).normal(size=(9, 12, 40)).astype(np.float32)
    out = np.zeros_like(volume)
    _kernels.plate_strength(volume, np.float32(2.0), 1, 8, out)
    first = np.gradient(volume.astype(np.float64))
    wide = [[np.zeros_like(out, dtype=np.float64) for _ in range(3)] for _ in range(3)]
    for i in range(3):
        wide[i][i] = np.roll(volume, 1, i) + np.roll(volume, -1, i) - 2.0 * volume
        for j in range(i):
            wide[i][j] = wide[j][i] = np.gradient(first[i], axis=j)
    values = np.linalg.eigvalsh(np.moveaxis(np.array(wide), (0, 1), (-2, -1)))
    want = 2.0 * np.maximum(0, -values[..., 0] - np.maximum(np.abs(values[..., 1]), np.abs(values[..., 2])))
    inner = (slice(1, -1),) * 3
    np.testing.assert_allclose(out[inner], want[inner], atol=1e-3)
    assert not out[0].any()
    assert not out[:, 0].any()


def test_crest_of_a_plane_lies_on_it_with_its_normal():
    normal = np.array([0.3, 0.5, 0.81])
    normal /= np.linalg.norm(normal)
    z, y, x = np.meshgrid(*(np.arange(30.0),) * 3, indexing="ij")
    height = (z - 14.3) * normal[0] + (y - 15.1) * normal[1] + (x - 14.8) * normal[2]
    smooth = np.exp(-(height**2) / 8).astype(np.float32)
    strength = np.zeros_like(smooth)
    _kernels.plate_strength(smooth, np.float32(1.0), 1, 29, strength)
    room = 20000
    places, normals = np.zeros((room, 3), np.float32), np.zeros((room, 3), np.float32)
    strengths = np.zeros(room, np.float32)
    n = _kernels.crest_points(strength, smooth, 0.05, 0, 30, places, normals, strengths)
    assert n > 300
    off = (places[:n] - [14.3, 15.1, 14.8]) @ normal
    assert np.abs(off).max() < 0.15
    assert np.abs(normals[:n] @ normal).min() > 0.999


def test_points_on_a_sphere_support_one_another_and_parallel_sheets_do_not():
    def supports(places, normals):
        index = np.full((40, 40, 40), -1, np.int32)
        index[tuple(np.rint(places).astype(int).T)] = np.arange(len(places))
        out = np.zeros(len(places), np.float32)
        ones = np.ones(len(places), np.float32)
        _kernels.support(index, places.astype(np.float32), normals.astype(np.float32), ones, 3.0, out)
        parents = np.arange(len(places), dtype=np.int32)
        _kernels.link(index, places.astype(np.float32), normals.astype(np.float32), 2, 0.5, parents)
        return out, parents

    directions = even_directions(900)
    out, parents = supports(20 + 12 * directions, directions)
    turned, _ = supports(20 + 12 * directions, np.roll(directions, 1, axis=1))
    assert np.median(out) > 4 * np.median(turned)
    assert len(np.unique(parents)) == 1
    y, x = (a.ravel().astype(float) for a in np.meshgrid(np.arange(10, 30), np.arange(10, 30)))
    sheets = [np.stack([np.full(400, z), y, x], axis=1) for z in (15.0, 17.0)]
    _, parents = supports(np.concatenate(sheets), np.tile([1.0, 0.0, 0.0], (800, 1)))
    assert len(np.unique(parents)) == 2


def test_harmonics_are_those_of_scipy_and_orthonormal():
    directions = even_directions(20000)
    basis = real_harmonics(directions, 5)
    gram = basis.T @ basis * 4 * np.pi / len(directions)
    np.testing.assert_allclose(gram, np.eye(36), atol=2e-3)
    polar, azimuth = np.arccos(directions[:, 2]), np.arctan2(directions[:, 1], directions[:, 0])
    for order in range(6):
        np.testing.assert_allclose(basis[:, order**2], sph_harm_y(order, 0, polar, azimuth).real, atol=1e-12)
        for m in range(1, order + 1):
            both = sph_harm_y(order, m, polar, azimuth) * np.sqrt(2)
            np.testing.assert_allclose(np.abs(basis[:, order**2 + 2 * m - 1]), np.abs(both.real), atol=1e-12)
            np.testing.assert_allclose(np.abs(basis[:, order**2 + 2 * m]), np.abs(both.imag), atol=1e-12)


@given(centre=st.tuples(*(st.floats(-500, 500),) * 3), radius=st.floats(200, 2000), seed=st.integers(0, 100))
def test_a_sphere_seen_as_a_band_is_closed_where_it_is(centre, radius, seed):
    directions = even_directions(1500)
    band = directions[np.abs(directions[:, 2]) < 0.7]
    noise = np.random.default_rng(seed).normal(0, 2.0, (len(band), 1))
    points = np.asarray(centre) + (radius + noise) * band
    start, guess = common_centre(points, band)
    assert abs(guess - radius) < 0.05 * radius
    surface = fit_star(points, -band, start, 8, area_angstrom2=4 * np.pi * radius**2 / 1500)
    heights, normals = surface.heights_angstrom(np.asarray(centre) + radius * directions)
    assert np.abs(heights).max() < 12
    assert np.einsum("ni,ni->n", normals, directions).min() > 0.98


def test_uncertainty_grows_where_no_point_is():
    directions = even_directions(2000)
    band = directions[np.abs(directions[:, 2]) < 0.6]
    ripple = 500 * (1 + 0.04 * band[:, 0] * band[:, 1])
    surface = fit_star(band * ripple[:, None], band, np.zeros(3), 10, area_angstrom2=400.0)
    seen, hidden = surface.spreads_angstrom(np.array([[1.0, 0, 0], [0, 0, 1.0]]))
    assert hidden > 2 * seen


def test_a_parallel_surface_keeps_its_distance():
    directions = even_directions(1000)
    radii = 800 * (1 + 0.1 * directions[:, 0] ** 2)
    surface = fit_star(directions * radii[:, None], directions, np.zeros(3), 8, area_angstrom2=2000.0)
    inner = parallel_surface(surface, -180.0)
    points = directions * inner.radii_angstrom(directions)[:, None]
    heights, _ = surface.heights_angstrom(points)
    np.testing.assert_allclose(heights, -180.0, atol=8.0)


def test_heads_are_measured_where_they_come_apart():
    for distance in (34.0, 40.0, 46.0):
        profile = sum(np.exp(-(((HEIGHTS_ANGSTROM - s * distance / 2) / 8) ** 2) / 2) for s in (-1, 1))
        assert abs(head_distance_angstrom(profile) - distance) < 3
    assert head_distance_angstrom(np.exp(-((HEIGHTS_ANGSTROM / 20) ** 2) / 2)) is None


def test_amplitudes_are_matched_shell_by_shell():
    rng = np.random.default_rng(1)
    white = rng.normal(size=(32, 32, 32)).astype(np.float32)
    np.testing.assert_allclose(radial_amplitudes(white)[4:], 1.0, atol=0.15)
    wanted = np.linspace(2.0, 0.5, 24)
    np.testing.assert_allclose(radial_amplitudes(match_amplitudes(white, wanted))[1:], wanted[1:], rtol=0.02)
