"""Membranes of known shape are found, closed through the wedge, named and measured."""

from dataclasses import replace

import numpy as np
import pytest
from membrane_phantom import SHAPE, VOXEL, heights, tomogram

from tomoset.annotation.membranes import MembraneParams, find_membranes, leaflet_angstrom_xyz
from tomoset.annotation.membranes.params import ANY_MEMBRANE
from tomoset.errors import GeometryError, ParameterError
from tomoset.model import COMPARTMENTS, InMemory, PickableObject, Resources, Silent

CENTRE = (700.0, 720.0, 560.0)
RADIUS = 380.0
CLASSES = tuple(
    PickableObject(name=name, label=label, radius_angstrom=25.0, is_particle=False)
    for label, name in ((3, "outer-membrane"), (5, "inner-membrane"), (6, "liposome"))
)


def found(tomo, objects=ANY_MEMBRANE, **changes):
    params = MembraneParams(**changes)
    return find_membranes(tomo, None, params, objects=objects, resources=Resources(), progress=Silent())


@pytest.fixture(scope="module")
def vesicle():
    """A vesicle that is not round, and what is found of it."""
    surface = heights(CENTRE, RADIUS, 0.05)
    return surface, found(tomogram([surface]))


def mask(labels, name):
    return next(np.asarray(s.mask_zyx.read()) for s in labels.segmentations if s.name == name)


def test_one_closed_vesicle_is_found_where_it_is(vesicle):
    _, labels = vesicle
    (membrane,) = labels.membranes
    assert membrane.closed
    assert membrane.outward_known
    x = membrane.vertices_angstrom_xyz - CENTRE
    azimuth = np.arctan2(x[:, 1], x[:, 0])
    error = np.linalg.norm(x, axis=1) - RADIUS * (1 + 0.05 * np.cos(2 * azimuth))
    assert np.sqrt(np.mean(error[~membrane.inferred] ** 2)) < 8
    assert np.sqrt(np.mean(error[membrane.inferred] ** 2)) < 20  # through the wedge, where nothing is seen


def test_hidden_caps_are_inferred_and_the_equator_is_seen(vesicle):
    membrane = vesicle[1].membranes[0]
    normal = membrane.normals
    angle = np.rad2deg(np.arctan2(np.abs(normal[:, 2]), np.abs(normal[:, 0])))
    assert membrane.inferred[angle > 75].mean() > 0.8
    assert membrane.inferred[angle < 35].mean() < 0.1


def test_normals_point_out_and_faces_agree_with_them(vesicle):
    membrane = vesicle[1].membranes[0]
    a, b, c = (membrane.vertices_angstrom_xyz[membrane.faces[:, k]] for k in range(3))
    across = np.cross(b - a, c - a)
    assert (np.einsum("ni,ni->n", across, membrane.normals[membrane.faces[:, 0]]) > 0).mean() > 0.999
    assert (np.einsum("ni,ni->n", membrane.normals, membrane.vertices_angstrom_xyz - CENTRE) > 0).all()
    edges = np.sort(membrane.faces[:, [[0, 1], [1, 2], [2, 0]]].reshape(-1, 2), axis=1)
    assert (np.unique(edges, axis=0, return_counts=True)[1] == 2).all()  # no border


def test_masks_hold_the_membrane_and_the_lumen(vesicle):
    surface, labels = vesicle
    semantic, compartments = mask(labels, "semantic"), mask(labels, "compartments")
    true = np.abs(surface) <= 25
    dice = 2 * (true & (semantic == 1)).sum() / (true.sum() + (semantic == 1).sum())
    assert dice > 0.75
    lumen = compartments == COMPARTMENTS["lumen"]
    assert lumen[surface < -60].mean() > 0.98
    assert (compartments[surface > 60] == 0).all()
    assert set(np.unique(mask(labels, "instances"))) == {0, 1}
    probability = mask(labels, "membrane")
    assert ((probability > 0) == (semantic > 0)).all()
    assert probability.max() <= 1


def test_light_contrast_and_finer_voxels_change_nothing_that_matters(vesicle):
    surface, labels = vesicle
    light = found(tomogram([surface], contrast="light"))
    np.testing.assert_allclose(
        light.membranes[0].vertices_angstrom_xyz, labels.membranes[0].vertices_angstrom_xyz, atol=1e-3
    )
    fine = tomogram([surface])
    doubled = np.repeat(np.repeat(np.repeat(fine.volume_zyx.read(), 2, 0), 2, 1), 2, 2)
    grid = replace(fine.grid, shape_zyx=doubled.shape, voxel_size_angstrom=VOXEL / 2)
    again = found(replace(fine, volume_zyx=InMemory(doubled), grid=grid))
    shift = again.membranes[0].vertices_angstrom_xyz.mean(0) - labels.membranes[0].vertices_angstrom_xyz.mean(0)
    np.testing.assert_allclose(shift, VOXEL / 4, atol=0.5)  # half a fine voxel: where the blocks' centres lie


def test_two_membranes_of_a_cell_are_told_apart():
    shape = (72, 88, 88)
    centre, radius, gap = (880.0, 870.0, 720.0), 560.0, 180.0
    surfaces = [heights(centre, r, 0.04, shape=shape) for r in (radius, radius - gap)]
    labels = found(tomogram(surfaces, shape=shape), objects=CLASSES)
    assert [m.object_name for m in labels.membranes] == ["outer-membrane", "inner-membrane"]
    assert [(m.inside, m.outside) for m in labels.membranes] == [("periplasm", "outside"), ("cytosol", "periplasm")]
    compartments, semantic = mask(labels, "compartments"), mask(labels, "semantic")
    between = (surfaces[0] < -60) & (surfaces[1] > 60)
    assert (compartments[between] == COMPARTMENTS["periplasm"]).mean() > 0.98
    assert (compartments[surfaces[1] < -60] == COMPARTMENTS["cytosol"]).mean() > 0.98
    assert set(np.unique(semantic)) == {0, 3, 5}


def test_noise_and_small_shells_hold_no_membrane():
    shells = [heights((x, y, 500.0), 105.0) for x in (300.0, 700.0, 1100.0) for y in (400.0, 900.0)]
    labels = found(tomogram(shells))
    assert labels.membranes == ()
    assert not mask(labels, "semantic").any()
    assert not found(tomogram([], noise=1.0)).membranes


def test_without_closed_surfaces_only_what_is_seen_is_marked(vesicle):
    surface, _ = vesicle
    labels = found(tomogram([surface]), closed_surfaces=False)
    semantic = mask(labels, "semantic") > 0
    assert (np.abs(surface)[semantic] < 50).mean() > 0.95
    z = np.arange(SHAPE[0])[:, None, None] * VOXEL - CENTRE[2]
    on = np.abs(surface) < 10
    assert semantic[on & (np.abs(z) < 150)].mean() > 0.75  # beside the poles along the axis, which the wedge hides
    assert semantic[on & (np.abs(z) > 340)].mean() < 0.2
    assert not any(m.closed for m in labels.membranes)
    for membrane in labels.membranes:
        assert len(membrane.faces) > 50


def test_leaflets_lie_on_both_sides(vesicle):
    membrane = vesicle[1].membranes[0]
    outer, inner = (leaflet_angstrom_xyz(membrane.vertices_angstrom_xyz, membrane.normals, s, 39.0) for s in (1, -1))
    np.testing.assert_allclose(np.linalg.norm(outer - inner, axis=1), 39.0)
    assert np.linalg.norm(outer - CENTRE, axis=1).mean() > np.linalg.norm(inner - CENTRE, axis=1).mean() + 35


def test_bad_input_is_refused_in_words():
    tomo = tomogram([])
    volume = np.array(tomo.volume_zyx.read())
    volume[3, 4, 5] = np.nan
    with pytest.raises(GeometryError, match="finite densities"):
        found(replace(tomo, volume_zyx=InMemory(volume)))
    with pytest.raises(GeometryError, match="with signal"):
        found(replace(tomo, volume_zyx=InMemory(np.zeros(SHAPE, np.float32))))
    with pytest.raises(GeometryError, match="at least 12"):
        found(tomogram([], shape=(8, 40, 40)))
    with pytest.raises(ParameterError, match="one class of membranes"):
        found(tomo, objects=(PickableObject(name="vlp", label=1, radius_angstrom=140.0),))
    with pytest.raises(ParameterError, match="degree"):
        MembraneParams(degree=0)
    with pytest.raises(ParameterError, match="scales_angstrom"):
        MembraneParams(scales_angstrom=())
