"""How blurred a tomogram is, from the particles that are surely in it."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from tomoset.annotation.templates.competition import Hits
from tomoset.annotation.templates.preparation import Prepared
from tomoset.annotation.templates.refine import SHELLS, patch_around, refine_hits, refiner_of
from tomoset.model import Resources, Silent
from tomoset.structures import Structure

__all__ = ["best_envelope", "measure_envelope"]

Floats = NDArray[np.float64]

_MOST_HITS = 20
_LARGEST_ANGSTROM = 25.0
_STEP_ANGSTROM = 0.5


def best_envelope(correlation: Floats, power: Floats, frequency_per_angstrom: Floats) -> float:
    """Blur that makes templates fit best: the ``s`` of ``exp(−2 π² s² k²)`` with the largest likelihood.

    Parameters
    ----------
    correlation, power : (hits, shells) arrays of float64
        Correlation of data and unblurred template, and the template's power, in shells of frequency.
    frequency_per_angstrom : (shells,) array of float64
        Of the shells' middles.

    Returns
    -------
    float
        Å rms per axis, 0 to 25. With unknown amplitude each hit's log-likelihood is half the square of its
        correlation with the blurred template over that template's norm.
    """
    blurs = np.arange(0.0, _LARGEST_ANGSTROM + _STEP_ANGSTROM, _STEP_ANGSTROM)
    fading = np.exp(-2 * np.square(np.pi * blurs[:, None] * frequency_per_angstrom))
    matched = correlation @ fading.T
    norm2 = np.maximum(power @ np.square(fading).T, np.finfo(np.float64).tiny)
    return float(blurs[np.argmax(np.sum(matched**2 / norm2, axis=0))])


def measure_envelope(
    sure: Sequence[Hits],
    structures: Sequence[Structure],
    steps_deg: Sequence[float],
    prepared: Prepared,
    first_guess_angstrom: float,
    resources: Resources,
) -> float:
    """Blur of a tomogram, Å rms per axis, from hits that are surely real.

    Parameters
    ----------
    sure : sequence of Hits
        Of each class, from the search; the surest twenty of each are used.
    structures : sequence of Structure
    steps_deg : sequence of float
        Spacing of the rotations searched for each class.
    prepared : Prepared
        The whitened tomogram, with templates not blurred.
    first_guess_angstrom : float
        Blur for the refinement that comes first; returned when there is no hit.
    resources : Resources

    Returns
    -------
    float
    """
    correlation, power = [], []
    guessed = prepared.faded(first_guess_angstrom)
    voxel = prepared.white.voxel_size_angstrom
    for hits, structure, step_deg in zip(sure, structures, steps_deg, strict=True):
        best = hits.select(np.argsort(-hits.z, kind="stable")[:_MOST_HITS])
        refined = refine_hits(best, structure, guessed, step_deg, resources, Silent())
        refiner = refiner_of(structure, prepared, step_deg)
        for position, rotation in zip(refined.positions_angstrom_xyz, refined.rotations, strict=True):
            index = np.rint(position[::-1] / voxel).astype(np.intp)
            patch = patch_around(prepared.white.volume_zyx, index, refiner.half)
            found, of_template = refiner.shells(patch, rotation, position - index[::-1] * voxel)
            correlation.append(found)
            power.append(of_template)
    if not correlation:
        return first_guess_angstrom
    frequency = (np.arange(SHELLS) + 0.5) / SHELLS * 0.5 / voxel
    return best_envelope(np.stack(correlation), np.stack(power), frequency)
