"""Shapes of bodies and their meshes: closed forms, outward normals, level sets."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tomoset.errors import ParameterError
from tomoset.geometry import random_rotations
from tomoset.specimen.shapes import Shape, random_ripples
from tomoset.specimen.surface_mesh import SurfaceMesh, mesh_of, triangle_areas


def _edges(mesh: SurfaceMesh) -> tuple[np.ndarray, np.ndarray]:
    f = mesh.faces
    pairs = np.sort(np.concatenate([f[:, [0, 1]], f[:, [1, 2]], f[:, [2, 0]]]), axis=1)
    return np.unique(pairs, axis=0, return_counts=True)


def _signed_volume(mesh: SurfaceMesh) -> float:
    a, b, c = (mesh.vertices_angstrom_xyz[mesh.faces[:, k]] for k in range(3))
    return float(np.einsum("ij,ij->i", a, np.cross(b, c)).sum() / 6)


def _bodies() -> dict[str, Shape]:
    rng = np.random.default_rng(3)
    return {
        "sphere": Shape.sphere(600.0),
        "wavy sphere": Shape.sphere(600.0, random_ripples(30.0, rng)),
        "small vesicle": Shape.sphere(200.0, random_ripples(10.0, rng)),
        "capsule": Shape.crescent(500.0, 900.0, 0.0),
        "crescent": Shape.crescent(500.0, 1500.0, 1.4),
        "wavy crescent": Shape.crescent(500.0, 1500.0, 1.4, random_ripples(15.0, rng)),
    }


@pytest.mark.parametrize("name", list(_bodies()))
def test_mesh_is_closed_faces_outward_and_lies_on_the_surface(name: str) -> None:
    shape = _bodies()[name].placed(np.array([100.0, -50.0, 30.0]), random_rotations(1, np.random.default_rng(1))[0])
    mesh = mesh_of(shape, edge_angstrom=40.0, level_angstrom=-25.0)
    edges, uses = _edges(mesh)
    assert (uses == 2).all()
    assert len(mesh.vertices_angstrom_xyz) - len(edges) + len(mesh.faces) == 2
    np.testing.assert_allclose(shape.heights(mesh.vertices_angstrom_xyz), -25.0, atol=1e-6)
    np.testing.assert_allclose(np.linalg.norm(mesh.normals, axis=1), 1.0, atol=1e-9)
    a, b, c = (mesh.vertices_angstrom_xyz[mesh.faces[:, k]] for k in range(3))
    face_normal = np.cross(b - a, c - a)
    face_normal /= np.linalg.norm(face_normal, axis=1, keepdims=True)
    assert (np.einsum("ij,ij->i", face_normal, mesh.normals[mesh.faces[:, 0]]) > 0.9).all()
    flattening = 0.5 * (40.0 / (shape.radius_angstrom - 25.0)) ** 2  # of flat triangles with their corners on a sphere
    assert _signed_volume(mesh) == pytest.approx(shape.volume_angstrom3(-25.0), rel=flattening)
    ends = mesh.vertices_angstrom_xyz[edges]
    lengths = np.linalg.norm(ends[:, 0] - ends[:, 1], axis=1)
    assert lengths.mean() == pytest.approx(40.0, rel=0.1)
    assert lengths.max() < 2 * 40.0


@pytest.mark.parametrize(("length", "bend"), [(0.0, 0.0), (900.0, 0.0), (1500.0, 1.4)])
def test_area_and_volume_are_those_of_a_tube_with_round_ends_straight_or_bent(length: float, bend: float) -> None:
    shape, r = Shape.crescent(500.0, length, bend), 460.0
    area = 2 * np.pi * r * length + 4 * np.pi * r**2  # Pappus: a bend about an axis outside changes neither
    volume = np.pi * r**2 * length + 4 / 3 * np.pi * r**3
    mesh = mesh_of(shape, edge_angstrom=12.0, level_angstrom=-40.0)
    assert shape.volume_angstrom3(-40.0) == pytest.approx(volume, rel=1e-6)
    assert _signed_volume(mesh) == pytest.approx(volume, rel=1e-3)
    assert triangle_areas(mesh.vertices_angstrom_xyz, mesh.faces).sum() == pytest.approx(area, rel=1e-3)


def test_volume_of_an_undulated_shape_is_what_random_points_find() -> None:
    rng = np.random.default_rng(5)
    shape = _bodies()["wavy crescent"]
    lower, upper = (np.array(corner) for corner in shape.bounds_angstrom_xyz())
    points = rng.uniform(lower, upper, (400_000, 3))
    share = float(shape.contains(points).mean())
    error = np.sqrt(share * (1 - share) / len(points))
    assert shape.volume_angstrom3() / np.prod(upper - lower) == pytest.approx(share, abs=4 * error)


@given(seed=st.integers(0, 1000), bend=st.floats(0, 2), rms=st.floats(0, 20))
@settings(max_examples=25, deadline=None)
def test_points_of_a_level_set_have_that_height_and_its_box_holds_them(seed: int, bend: float, rms: float) -> None:
    rng = np.random.default_rng(seed)
    shape = Shape.crescent(300.0, 900.0, bend, random_ripples(rms, rng))
    shape = shape.placed(rng.uniform(-500, 500, 3), random_rotations(1, rng)[0])
    meridian = rng.uniform(-1, 1, 200) * shape.meridian_half_angstrom
    points = shape.surface(meridian, rng.uniform(0, 2 * np.pi, 200), 17.0)
    np.testing.assert_allclose(shape.heights(points), 17.0, atol=1e-6)
    assert shape.contains(points, 17.1).all()
    assert not shape.contains(points, 16.9).any()
    lower, upper = shape.bounds_angstrom_xyz(17.0)
    assert ((points >= lower) & (points <= upper)).all()


def test_height_is_the_distance_along_the_normal_within_its_slope_squared() -> None:
    shape = Shape.sphere(1000.0, random_ripples(30.0, np.random.default_rng(2)))
    mesh = mesh_of(shape, edge_angstrom=60.0)
    outside = mesh.vertices_angstrom_xyz + 100.0 * mesh.normals
    np.testing.assert_allclose(shape.heights(outside), 100.0, atol=2.5)
    np.testing.assert_allclose(Shape.sphere(1000.0).heights(outside[:1] * 0 + [0, 0, 1234.0]), 234.0)


def test_normals_of_a_sphere_and_of_a_bent_tube_are_the_rays_from_their_axis() -> None:
    rng = np.random.default_rng(4)
    points = rng.standard_normal((50, 3)) * 300
    np.testing.assert_allclose(
        Shape.sphere(400.0).normals(points), points / np.linalg.norm(points, axis=1, keepdims=True), atol=1e-5
    )
    bow = 1500.0 / 1.5  # the circle of the axis: centre (bow, 0, 0), radius bow
    place = rng.uniform(-0.7, 0.7, 50)
    turn = rng.uniform(0, 2 * np.pi, 50)
    inward = np.stack([np.cos(place), np.zeros(50), -np.sin(place)], axis=-1)
    ray = np.cos(turn)[:, None] * inward + np.sin(turn)[:, None] * [0.0, 1.0, 0.0]
    axis = np.stack([bow * (1 - np.cos(place)), np.zeros(50), bow * np.sin(place)], axis=-1)
    shape = Shape.crescent(400.0, 1500.0, 1.5)
    np.testing.assert_allclose(shape.normals(axis + 350.0 * ray), ray, atol=1e-5)
    np.testing.assert_allclose(shape.heights(axis + 350.0 * ray), -50.0, atol=1e-9)


def test_undulation_has_the_root_mean_square_asked_for_and_stays_in_an_inset() -> None:
    shape = Shape.sphere(1000.0, random_ripples(40.0, np.random.default_rng(6)))
    mesh = mesh_of(shape, edge_angstrom=60.0)
    radii = np.linalg.norm(mesh.vertices_angstrom_xyz, axis=1)
    assert np.sqrt(np.square(radii - 1000.0).mean()) == pytest.approx(40.0, rel=0.1)
    np.testing.assert_allclose(shape.inset(180.0).heights(mesh.vertices_angstrom_xyz), 180.0, atol=1e-6)


def test_shapes_that_meet_themselves_are_refused() -> None:
    with pytest.raises(ParameterError, match="radius larger than its undulation"):
        Shape.sphere(100.0).inset(100.0)
    with pytest.raises(ParameterError, match="bent less sharply"):
        Shape.crescent(500.0, 600.0, 1.4)


def test_inside_agrees_with_the_height_to_a_tenth_of_an_angstrom() -> None:
    rng = np.random.default_rng(9)
    ripples = random_ripples(25.0, rng) + random_ripples(8.0, rng, degrees=(7, 10))
    for shape in (Shape.sphere(400.0, ripples), Shape.crescent(400.0, 1500.0, 1.2, ripples)):
        meridian = rng.uniform(-1, 1, 20_000) * shape.meridian_half_angstrom
        points = shape.surface(meridian, rng.uniform(0, 2 * np.pi, 20_000))
        assert shape.contains(points, 0.15).all()
        assert not shape.contains(points, -0.15).any()
