"""Bilayers on closed shapes: the mesh of the mid-surface and the lipids as points of potential."""

import numpy as np
from numpy.typing import NDArray

from tomoset.model import BilayerProfile, Membrane, Scatterers
from tomoset.specimen.bilayer import SPREAD_ANGSTROM
from tomoset.specimen.shapes import Shape
from tomoset.specimen.surface_mesh import mesh_of, triangle_areas

__all__ = ["AREA_PER_LIPID_ANGSTROM2", "make_lipids", "make_membrane"]

AREA_PER_LIPID_ANGSTROM2 = 62.0
MESH_EDGE_ANGSTROM = 50.0
LARGEST_EDGE_OF_RADIUS = 0.2  # finer meshes on small vesicles: edges stay within 1 Å of the surface


def make_membrane(shape: Shape, *, name: str, body: int, profile: BilayerProfile) -> Membrane:
    """Mesh of a bilayer's mid-surface, edges of 50 Å (finer on small vesicles)."""
    edge = min(MESH_EDGE_ANGSTROM, LARGEST_EDGE_OF_RADIUS * shape.radius_angstrom)
    mesh = mesh_of(shape, edge_angstrom=edge)
    return Membrane(
        name=name,
        body=body,
        vertices_angstrom_xyz=mesh.vertices_angstrom_xyz,
        faces=mesh.faces,
        normals=mesh.normals,
        profile=profile,
    )


def make_lipids(shape: Shape, profile: BilayerProfile, *, name: str, rng: np.random.Generator) -> Scatterers:
    """Lipids of a bilayer as Gaussian points whose sum, across the membrane, is its profile.

    Parameters
    ----------
    shape : Shape
        The mid-surface.
    profile : BilayerProfile
        Layers no narrower than 3.5 Å.
    name : str
        Of the scatterers.
    rng : numpy.random.Generator
        Source of the places.

    Returns
    -------
    Scatterers
        One point a layer and 62 Å2 of the mid-surface.

    Notes
    -----
    The mid-surface is divided into triangles of 62 Å2, and each leaflet has one lipid at a uniformly random place in
    each triangle: as even as a liquid, without a lattice. A layer's point carries the layer's integral times the
    triangle's area *at the layer's height*, so that the potential across a curved membrane is the flat one's.
    """
    edge = float(np.sqrt(AREA_PER_LIPID_ANGSTROM2 * 4 / np.sqrt(3)))
    mesh = mesh_of(shape, edge_angstrom=edge, phase_rad=float(rng.random()))
    places = {side: _random_places(len(mesh.faces), rng) for side in (False, True)}
    normals = mesh.normals[mesh.faces]
    positions, strengths = [], []
    layers = zip(profile.offsets_angstrom, profile.spreads_angstrom, profile.integrals_volt_angstrom, strict=True)
    for offset, spread, integral in layers:
        corners = mesh.vertices_angstrom_xyz + offset * mesh.normals
        weights = places[offset > 0]
        scatter = np.sqrt(spread**2 - SPREAD_ANGSTROM**2) * rng.standard_normal(len(mesh.faces))
        normal = np.einsum("mk,mkd->md", weights, normals)
        point = np.einsum("mk,mkd->md", weights, corners[mesh.faces]) + scatter[:, None] * normal
        positions.append(point.astype(np.float32))
        strengths.append((integral * triangle_areas(corners, mesh.faces)).astype(np.float32))
    return Scatterers(
        name=name,
        positions_angstrom_xyz=np.concatenate(positions),
        strengths_volt_angstrom3=np.concatenate(strengths),
        spread_angstrom=SPREAD_ANGSTROM,
    )


def _random_places(n: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """Barycentric coordinates (n, 3), uniform over the triangle."""
    root, share = np.sqrt(rng.random(n)), rng.random(n)
    return np.stack([1 - root, root * (1 - share), root * share], axis=-1)
