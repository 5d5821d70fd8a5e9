"""The simulator's filaments as traces in a tomogram's frame."""

import numpy as np

from tomoset.annotation.filaments.centre_line import along_curve
from tomoset.annotation.filaments.segments import FINE_ANGSTROM
from tomoset.annotation.truth import specimen_frame
from tomoset.model import FilamentTrace, SeriesTruth, Tomogram

__all__ = ["truth_filaments"]


def truth_filaments(truth: SeriesTruth, tomogram: Tomogram) -> tuple[FilamentTrace, ...]:
    """Filaments of the simulated specimen, cut where they leave the volume.

    Parameters
    ----------
    truth : SeriesTruth
        What was projected, and how.
    tomogram : Tomogram
        Made with any alignment of the same rows.

    Returns
    -------
    tuple of FilamentTrace
        Points from the minus to the plus end (polarity 1); a filament that comes back into the volume gives one trace
        for each visit.

    Raises
    ------
    GeometryError
        As :func:`tomoset.annotation.truth_labels`.
    """
    fit = specimen_frame(truth, tomogram)
    grid = tomogram.grid
    traces: list[FilamentTrace] = []
    for filament in truth.specimen.filaments:
        curve = along_curve(grid.volume_from_specimen(fit.apply(filament.curve_angstrom_xyz)), FINE_ANGSTROM)
        inside = grid.contains(curve)
        edges = np.flatnonzero(np.diff(np.concatenate([[0], inside.astype(np.int8), [0]]))).reshape(-1, 2)
        for first, after in edges:
            if after - first < 2:
                continue
            traces.append(
                FilamentTrace(
                    object_name=filament.species,
                    instance_id=len(traces) + 1,
                    points_angstrom_xyz=curve[first:after],
                    radius_angstrom=filament.radius_angstrom,
                    polarity=1,
                    ends=(
                        "end" if first == 0 else "leaves-volume",
                        "end" if after == len(curve) else "leaves-volume",
                    ),
                )
            )
    return tuple(traces)
