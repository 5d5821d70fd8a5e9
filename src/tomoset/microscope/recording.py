"""What the microscope's files say about the series: nominal values, never the truth."""

from collections.abc import Sequence
from datetime import datetime, timedelta

import numpy as np

from tomoset.microscope.camera import Camera
from tomoset.microscope.conditions import Conditions
from tomoset.microscope.params import MicroscopeParams
from tomoset.microscope.targets import target_number
from tomoset.model import ArraySource, InMemory, Movie, MovieSet

__all__ = ["recorded_movies"]

# The clock of the simulated microscope: a start and one minute an exposure, only so that files can be sorted by time.
_CLOCK_START = datetime.fromisoformat("2025-01-01T00:00:00")
_CLOCK_STEP = timedelta(minutes=1)


def recorded_movies(
    run: str, params: MicroscopeParams, conditions: Conditions, camera: Camera, frames: Sequence[ArraySource]
) -> MovieSet:
    """Describe the movies of a series.

    Parameters
    ----------
    run : str
    params : MicroscopeParams
    conditions : Conditions
        Of the recorded views.
    camera : Camera
    frames : sequence of ArraySource
        Counts (t, y, x) of each recorded view, in the order of ``conditions``.

    Returns
    -------
    MovieSet
        Ascending tilt. A missing view has no movie, but its dose counts in that before later ones.
    """
    dead_yx = np.stack(np.unravel_index(camera.dead_pixels, params.frame_shape_yx), axis=1)
    return MovieSet(
        run=run,
        movies=tuple(_movie(run, params, conditions, view, source) for view, source in enumerate(frames)),
        pixel_size_angstrom=params.pixel_size_angstrom,
        gain_yx=InMemory(camera.gain_yx),
        nominal_tilt_axis_deg=params.tilt_axis_deg,
        optics=params.optics,
        defect_pixels_yx=dead_yx if params.dead_pixel_fraction else None,
    )


def _movie(run: str, params: MicroscopeParams, conditions: Conditions, view: int, source: ArraySource) -> Movie:
    order = int(conditions.acquisition_order[view])
    shift_x, shift_y = conditions.image_shift_xy_angstrom[view].tolist()
    return Movie(
        name=conditions.names[view],
        frames_tyx=source,
        nominal_tilt_deg=float(conditions.nominal_tilt_deg[view]),
        acquisition_order=order,
        dose_e_per_angstrom2=params.dose_per_tilt_e_per_angstrom2,
        dose_before_e_per_angstrom2=order * params.dose_per_tilt_e_per_angstrom2,
        nominal_defocus_angstrom=params.defocus_angstrom,
        acquired_at=_exposed_at(run, params, order).isoformat(),
        exposure_time_s=params.exposure_time_s,
        lens_defocus_angstrom=float(conditions.lens_defocus_angstrom[view]),
        image_shift_xy_angstrom=(shift_x, shift_y),
        stage_position_angstrom_xyz=conditions.stage_position_angstrom_xyz,
    )


def _exposed_at(run: str, params: MicroscopeParams, order: int) -> datetime:
    """One exposure after another; of targets in parallel each has its turn at every tilt."""
    _, number = target_number(run)
    turn = order * params.parallel_targets + number % params.parallel_targets
    return _CLOCK_START + turn * _CLOCK_STEP
