"""The tomograms that labels are measured on: reconstructed with the true alignment, a blurred one, or our own.

The series are those of :mod:`shared.series_cases` (638 nm of field, 8.308 Å pixels). Seeds 1 to 10 are for
development; figures are published on seeds that development never saw.
"""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, get_args

from shared.series_cases import prepared_series
from shared.simulated import with_true_geometry_and_defocus
from tomoset.alignment import align
from tomoset.model import Resources, SeriesTruth, Silent, TiltSeries, Tomogram, stream
from tomoset.reconstruction import ReconstructionParams, reconstruct
from tomoset.workflow.recipe import Recipe

__all__ = ["Alignment", "LabeledCase", "labeled_case", "misaligned"]

Alignment = Literal["true", "own"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LabeledCase:
    """A tomogram, the series it was made from, what is really in it, and the recipe with its classes."""

    tomogram: Tomogram
    series: TiltSeries
    truth: SeriesTruth
    recipe: Recipe


def labeled_case(
    name: str,
    seed: int,
    *,
    alignment: Alignment = "true",
    shift_error_angstrom: float = 0.0,
    voxel_size_angstrom: float = 10.0,
    lateral_shape_yx: tuple[int, int] | None = None,
    cache: Path | None = None,
) -> LabeledCase:
    """Make one tomogram.

    Parameters
    ----------
    name : str
        Of :data:`shared.series_cases.CASES`.
    seed : int
    alignment : {"true", "own"}
        The simulator's geometry and defocus, or those of our own CTF and alignment stages.
    shift_error_angstrom : float
        Independent error added to every view's shift, Å rms per axis.
    voxel_size_angstrom : float
    lateral_shape_yx : tuple of int or None
        Voxels of the middle of the field to reconstruct; None for all of it.
    cache : Path or None
        Folder of tilt images that earlier calls left.
    """
    if alignment not in get_args(Alignment):
        raise SystemExit(f"--alignment: expected one of {', '.join(get_args(Alignment))}, found {alignment!r}")
    series, truth, recipe = prepared_series(name, seed, cache)
    if alignment == "true":
        series = with_true_geometry_and_defocus(series, truth)
    else:
        series = align(series, recipe.alignment, resources=Resources(), progress=Silent())
    series = misaligned(series, shift_error_angstrom, seed)
    params = ReconstructionParams(
        voxel_size_angstrom=voxel_size_angstrom,
        thickness_angstrom=truth.specimen.thickness_angstrom + 300.0,
        lateral_shape_yx=lateral_shape_yx,
        half_sets=False,
    )
    tomogram = reconstruct(series, params, resources=Resources(), progress=Silent())
    return LabeledCase(tomogram=tomogram, series=series, truth=truth, recipe=recipe)


def misaligned(series: TiltSeries, error_angstrom: float, seed: int) -> TiltSeries:
    """The series with an independent error added to every tilt image's shift, Å rms per axis."""
    geometry = series.geometry
    if geometry is None or error_angstrom == 0:
        return series
    error = stream(seed, "shift error", series.run).normal(0.0, error_angstrom, geometry.shift_xy_angstrom.shape)
    return replace(series, geometry=replace(geometry, shift_xy_angstrom=geometry.shift_xy_angstrom + error))
