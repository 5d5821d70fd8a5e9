"""Find the membranes of a tomogram without a trained network."""

from collections.abc import Sequence

import numpy as np

from tomoset.annotation.membranes.closing import SurfacePoints, close_patches, surface_points
from tomoset.annotation.membranes.crests import Thresholds, find_crests, find_patches
from tomoset.annotation.membranes.meshes import closed_mesh, open_mesh
from tomoset.annotation.membranes.naming import NamedMembrane, name_membranes, plain_class
from tomoset.annotation.membranes.painting import MembraneMasks, Sheet, paint_membranes
from tomoset.annotation.membranes.params import ANY_MEMBRANE, MembraneParams, require_membranes
from tomoset.annotation.membranes.profile import head_distance_angstrom, mean_profile
from tomoset.annotation.membranes.working_volume import WorkingVolume, make_working_volume
from tomoset.errors import GeometryError
from tomoset.model import (
    InMemory,
    Labels,
    MembraneSurface,
    PickableObject,
    Progress,
    Resources,
    Segmentation,
    TiltSeries,
    Tomogram,
)

__all__ = ["find_membranes", "membranes_methods_text"]

DISC_OF_VOXEL = 1.5  # radius of the disc that a crest point stands for, in working voxels
SEEN_OF_VOXEL = 2.5  # a vertex is seen when a crest point lies within so many working voxels


def find_membranes(
    tomogram: Tomogram,
    series: TiltSeries | None,
    params: MembraneParams,
    *,
    objects: Sequence[PickableObject] = ANY_MEMBRANE,
    resources: Resources,
    progress: Progress,
) -> Labels:
    """Label the membranes of a tomogram.

    Plates (Hessian eigenvalues at the scales of a bilayer) are thinned to crest points, which are supported by others
    on one smooth surface with them. What support means is learned from the same tomogram with inverted contrast. From
    the patches that are left, closed surfaces are fitted through gaps and through what the missing wedge hides.

    Parameters
    ----------
    tomogram : Tomogram
        Raw or denoised, of either contrast, with or without CTF correction.
    series : TiltSeries or None
        The series it was made from; checked to have the tomogram's rows.
    params : MembraneParams
    objects : sequence of PickableObject
        The classes of membranes, with their values in masks; half a membrane's thickness is an object's radius. A
        class whose name holds ``outer`` is given to membranes that enclose another one, a class whose name holds
        ``inner`` to those that lie in another one, every other membrane is of the first class with neither.
    resources : Resources
        Masks are made by ``allocate``; beside them the search holds some 20 bytes a working voxel.
    progress : Progress

    Returns
    -------
    Labels
        ``membranes``: closed surfaces, outermost first, then open sheets. ``segmentations``: ``semantic`` (the
        classes' values), ``instances`` (numbers of ``membranes``), ``probability`` and ``compartments`` (values of
        ``COMPARTMENTS``). ``notes``: thresholds, and how much of the closed surfaces is seen.

    Raises
    ------
    ParameterError
        If a class is no membrane, or there is none.
    GeometryError
        If the tomogram is too small, holds NaN or no signal, or has other rows than the series.
    """
    require_membranes(objects)
    if series is not None and len(series.tilts) != tomogram.geometry.n_tilts:
        raise GeometryError(
            f"{tomogram.run}: expected the series the tomogram was made from ({tomogram.geometry.n_tilts} tilts), "
            f"found one of {len(series.tilts)}; give that series or none"
        )
    work = make_working_volume(tomogram, params.working_voxel_angstrom, resources, progress)
    crests, thresholds = find_crests(work, params, progress)
    patched, patch = find_patches(crests, thresholds, work, params)
    points = surface_points(patched, work)
    if params.closed_surfaces:
        closed, rest = close_patches(patched, patch, crests, work, params, progress)
    else:
        closed, rest = (), tuple(points.select(patch == k) for k in range(patch.max(initial=-1) + 1))
    named = name_membranes(closed, objects)
    plain = plain_class(objects)
    disc = max(DISC_OF_VOXEL * work.voxel_size_angstrom, plain.radius_angstrom)
    sheets = [Sheet(part, thresholds.probability(part.supports), plain, disc) for part in rest]
    masks = paint_membranes(tomogram.grid, named, sheets, resources, progress)
    surfaces = [_closed_surface(i, item, tomogram, work) for i, item in enumerate(named, start=1)]
    surfaces += [_sheet_surface(i, sheet, tomogram) for i, sheet in enumerate(sheets, start=len(named) + 1)]
    return Labels(
        run=tomogram.run,
        user="membranes",
        session="1",
        voxel_size_angstrom=tomogram.grid.voxel_size_angstrom,
        segmentations=_segmentations(masks, plain.name, tomogram.grid.voxel_size_angstrom),
        membranes=tuple(surfaces),
        method=membranes_methods_text(params),
        notes=_notes(named, sheets, surfaces, thresholds, len(crests)),
    )


def membranes_methods_text(params: MembraneParams) -> str:
    """One citable sentence."""
    scales = " and ".join(f"{scale:g}" for scale in params.scales_angstrom)
    text = (
        f"Membranes were found as crests of plate-like density (Hessian eigenvalues after Gaussians of {scales} Å) "
        f"that support one another on smooth surfaces, with thresholds that {params.false_share_weak:.3g} and "
        f"{params.false_share_strong:.3g} of the crests of the contrast-inverted tomogram pass"
    )
    if params.closed_surfaces:
        text += (
            f"; closed surfaces were fitted to them with spherical harmonics up to degree {params.degree} and a prior "
            "of bending energy learned from each surface, which continues them through the missing wedge"
        )
    return text + " (tomoset)."


def _closed_surface(number: int, item: NamedMembrane, tomogram: Tomogram, work: WorkingVolume) -> MembraneSurface:
    from scipy.spatial import cKDTree

    surface, points = item.closed.surface, item.closed.points
    vertices, faces, normals = closed_mesh(surface)
    distance, _ = cKDTree(points.positions_angstrom_xyz).query(vertices)
    _, across = surface.heights_angstrom(points.positions_angstrom_xyz)
    outward = SurfacePoints(points.positions_angstrom_xyz, across, points.supports)
    return MembraneSurface(
        object_name=item.item.name,
        instance_id=number,
        vertices_angstrom_xyz=vertices,
        faces=faces,
        normals=normals,
        outward_known=True,
        closed=True,
        inferred=distance > SEEN_OF_VOXEL * work.voxel_size_angstrom,
        thickness_angstrom=head_distance_angstrom(mean_profile(tomogram, outward)),
        inside=item.inside,
        outside=item.outside,
    )


def _sheet_surface(number: int, sheet: Sheet, tomogram: Tomogram) -> MembraneSurface:
    vertices, faces, normals = open_mesh(sheet.points)
    return MembraneSurface(
        object_name=sheet.item.name,
        instance_id=number,
        vertices_angstrom_xyz=vertices,
        faces=faces,
        normals=normals,
        inferred=np.zeros(len(vertices), dtype=np.bool_),
        thickness_angstrom=head_distance_angstrom(
            mean_profile(tomogram, SurfacePoints(vertices, normals, sheet.points.supports))
        ),
    )


def _segmentations(masks: MembraneMasks, name: str, voxel: float) -> tuple[Segmentation, ...]:
    def made(title: str, values: np.ndarray, kind: str) -> Segmentation:
        return Segmentation(name=title, mask_zyx=InMemory(values), voxel_size_angstrom=voxel, kind=kind)  # type: ignore[arg-type]

    return (
        made("semantic", masks.semantic_zyx, "semantic"),
        made("instances", masks.instance_zyx, "instance"),
        made(name, masks.probability_zyx, "probability"),
        made("compartments", masks.compartment_zyx, "compartment"),
    )


def _notes(
    named: tuple[NamedMembrane, ...],
    sheets: list[Sheet],
    surfaces: list[MembraneSurface],
    thresholds: Thresholds,
    n_crests: int,
) -> dict[str, float]:
    seen = [1 - float(np.mean(s.inferred)) for s in surfaces if s.closed and s.inferred is not None]
    return {
        "crest_points": float(n_crests),
        "weak_support": thresholds.weak,
        "strong_support": thresholds.strong,
        "closed_membranes": float(len(named)),
        "open_sheets": float(len(sheets)),
        "seen_share_of_closed": float(np.mean(seen)) if seen else 0.0,
        "least_coverage": float(min((item.closed.coverage for item in named), default=0.0)),
    }
