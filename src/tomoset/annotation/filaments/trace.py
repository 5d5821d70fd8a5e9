"""The verb: trace every filament of known classes in a tomogram."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from tomoset.annotation.filaments.judge import Line, join_collinear, judge_line, without_doubles
from tomoset.annotation.filaments.params import FilamentParams
from tomoset.annotation.filaments.profile import RadialProfile, radial_profile
from tomoset.annotation.filaments.response import axis_directions, search_directions
from tomoset.annotation.filaments.segments import instance_mask, segments_along
from tomoset.annotation.filaments.tracking import Stiffness, follow_filaments
from tomoset.annotation.filaments.views import MatchedViews, match_views
from tomoset.annotation.templates.params import Template
from tomoset.errors import ParameterError
from tomoset.model import (
    FilamentTrace,
    InMemory,
    Labels,
    Picks,
    Progress,
    Resources,
    Segmentation,
    TiltSeries,
    Tomogram,
)

__all__ = ["filament_methods_text", "trace_filaments"]

Floats = NDArray[np.float64]


def filament_methods_text(params: FilamentParams) -> str:
    """One citable sentence on how filaments were traced."""
    return (
        "Filaments were traced by matching every whitened tilt image with the projections of tapered straight "
        f"segments of the class's own density (standard deviation {params.segment_radii:g} radii along the axis, "
        f"directions every {params.angular_step_deg:g}°, CTF, dose and alignment error of "
        f"{params.alignment_envelope_angstrom:g} Å accounted for), summing the responses over the views at every "
        "place, following the best direction from the surest places outwards and refining the centre line as the "
        f"most likely worm-like chain; kept are traces whose median amplitude reaches {params.amplitude:g} of the "
        "class's own."
    )


def trace_filaments(
    tomogram: Tomogram,
    series: TiltSeries,
    templates: Sequence[Template],
    params: FilamentParams,
    *,
    resources: Resources,
    progress: Progress,
) -> Labels:
    """Trace the filaments of several known classes.

    Parameters
    ----------
    tomogram : Tomogram
        Says where: its grid, its alignment and the tilts it was made from. What is seen is read from the tilt images.
    series : TiltSeries
        The series it was made from, its images not dose-weighted.
    templates : sequence of Template
        The classes; each structure is one repeat with its axis along z.
    params : FilamentParams
    resources : Resources
        ``workers`` directions are tried at a time.
    progress : Progress

    Returns
    -------
    Labels
        ``filaments`` with their points a radius apart, scores the amplitude over its standard error by noise; picks
        along them; where asked for an instance mask ``"filaments"``. ``notes`` hold for each class how many chains
        were followed and how many filaments kept.

    Raises
    ------
    ParameterError
        If there is no class, two share a name, one is no filament or too thin to be seen, or an image holds nothing.
    GeometryError
        If the series is not the tomogram's.

    Notes
    -----
    Polarity and helical step are not decided here: what is matched is the density averaged about the axis.
    """
    names = [template.object.name for template in templates]
    if not names or len(set(names)) < len(names):
        raise ParameterError(f"filaments: expected one or more classes of different names, got {names}")
    lines: list[tuple[int, Line]] = []
    radii, notes = [], {}
    for number, template in enumerate(templates):
        views, profile = _prepared(tomogram, series, template, params)
        chains, spread = _followed(tomogram, views, profile, params, resources, progress)
        judged = [judge_line(chain, views, profile, tomogram.grid, spread, params) for chain in chains]
        lines += [(number, line) for line in judged if line is not None]
        radii.append(profile.radius_angstrom)
        notes[f"{names[number]}_followed"] = float(len(chains))
    kept = without_doubles(lines, radii)
    traces = tuple(
        _as_trace(line, names[number], identity, radii[number]) for identity, (number, line) in enumerate(kept, 1)
    )
    for name in names:
        notes[f"{name}_filaments"] = float(sum(trace.object_name == name for trace in traces))
    masks: tuple[Segmentation, ...] = ()
    if params.instance_mask:
        painted = InMemory(instance_mask(traces, tomogram.grid))
        voxel = tomogram.grid.voxel_size_angstrom
        masks = (Segmentation(name="filaments", mask_zyx=painted, voxel_size_angstrom=voxel, kind="instance"),)
    return Labels(
        run=tomogram.run,
        user="tomoset",
        session="filaments",
        voxel_size_angstrom=tomogram.grid.voxel_size_angstrom,
        picks=tuple(_picks(template, traces, tomogram, params) for template in templates),
        segmentations=masks,
        filaments=traces,
        method=filament_methods_text(params),
        notes=notes,
    )


def _prepared(
    tomogram: Tomogram, series: TiltSeries, template: Template, params: FilamentParams
) -> tuple[MatchedViews, RadialProfile]:
    """The views matched to a class's radius, and its density across the axis."""
    radius = radial_profile(template.structure, template.object.radius_angstrom).radius_angstrom
    pixel = max(params.pixel_radii * radius, series.pixel_size_angstrom)
    finest = max(series.pixel_size_angstrom, tomogram.grid.voxel_size_angstrom)
    if radius < finest:
        raise ParameterError(
            f"filament {template.object.name}: expected a radius of at least one pixel and voxel ({finest:.3g} Å), "
            f"found {radius:.3g} Å; use finer images and tomograms, or leave so thin a filament out"
        )
    views = match_views(
        tomogram,
        series,
        pixel,
        margin_angstrom=2 * params.segment_radii * radius,
        blur_angstrom=params.alignment_envelope_angstrom,
        crowd_frequency_per_angstrom=1 / params.crowd_angstrom,
    )
    return views, radial_profile(template.structure, 2 * float(views.pixel_xy_angstrom.min()))


def _followed(
    tomogram: Tomogram,
    views: MatchedViews,
    profile: RadialProfile,
    params: FilamentParams,
    resources: Resources,
    progress: Progress,
) -> tuple[list[Floats], float]:
    """Chains of one class, and the spread of responses that the crowd makes."""
    radius = profile.radius_angstrom
    size = tomogram.grid.size_angstrom_xyz - tomogram.grid.voxel_size_angstrom
    found = search_directions(
        views.softened(params.search_blur_radii * radius),
        profile,
        axis_directions(params.angular_step_deg),
        params.segment_radii * radius,
        size,
        params.grid_radii * radius,
        resources,
        progress,
    )
    stiffness = Stiffness(
        radius_angstrom=radius,
        seed_z=params.least_z,
        seed_amplitude=params.seed_amplitude,
        least_z=params.least_z,
        least_amplitude=params.least_amplitude,
        gap_angstrom=params.gap_radii * radius,
        bend_radius_angstrom=params.bend_radius_radii * radius,
    )
    chains = follow_filaments(found, size, stiffness, params.least_length_radii * radius)
    points = [chain.points_angstrom_xyz for chain in chains]
    return join_collinear(points, radius, params.gap_radii * radius), float(np.median(found.spreads))


def _as_trace(line: Line, name: str, identity: int, radius_angstrom: float) -> FilamentTrace:
    return FilamentTrace(
        object_name=name,
        instance_id=identity,
        points_angstrom_xyz=line.points_angstrom_xyz,
        radius_angstrom=radius_angstrom,
        ends=line.ends,
        scores=line.z,
        inferred=line.bridged,
    )


def _picks(template: Template, traces: tuple[FilamentTrace, ...], tomogram: Tomogram, params: FilamentParams) -> Picks:
    """All segments of one class."""
    spacing = params.segment_spacing_angstrom or template.structure.repeat_angstrom or template.object.radius_angstrom
    name = template.object.name
    parts = [segments_along(t, spacing, tomogram.grid) for t in traces if t.object_name == name]
    if not parts:
        return Picks(object_name=name, positions_angstrom_xyz=np.zeros((0, 3)), rotations=np.zeros((0, 3, 3)))
    return Picks(
        object_name=name,
        positions_angstrom_xyz=np.concatenate([p.positions_angstrom_xyz for p in parts]),
        rotations=np.concatenate([p.rotations for p in parts if p.rotations is not None]),
        scores=np.concatenate([p.scores for p in parts if p.scores is not None]),
        score_kind=parts[0].score_kind,
        instance_ids=np.concatenate([p.instance_ids for p in parts if p.instance_ids is not None]),
        flags=np.concatenate([p.flags for p in parts if p.flags is not None]),
    )
