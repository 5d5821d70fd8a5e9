"""What can be labeled in a tomogram: how far each class stands out of that tomogram's own noise."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from tomoset.annotation.templates.params import Template, TemplateParams
from tomoset.annotation.templates.preparation import Prepared, prepare
from tomoset.annotation.templates.refine import refiner_of
from tomoset.errors import ParameterError
from tomoset.geometry import random_rotations
from tomoset.model import Progress, Resources, TiltSeries, Tomogram, stream
from tomoset.physics import interaction_parameter_per_volt_angstrom

__all__ = ["Detectability", "Verdict", "detectability", "detectability_methods_text", "template_norms", "verdict_of"]

Verdict = Literal["no", "network or consensus", "yes"]

_NO_BELOW = 6.0
_YES_FROM = 12.0
_POSES = 48
_DEFAULT_ERROR_ANGSTROM = 3.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Detectability:
    """How well one class can be told from the noise of one tomogram.

    Parameters
    ----------
    object_name : str
    mass_kda : float
    d_prime : float
        Distance between "here" and "not here" in standard deviations of the noise, for an observer who knows the
        molecule, its pose, the optics, dose and wedge: the root mean square over poses of the whitened template's norm.
    d_prime_least, d_prime_most : float
        Over poses: the missing wedge hides more of some.
    verdict : {"no", "network or consensus", "yes"}
        By the limits 6 and 12.
    alignment_error_angstrom : float
        Blur assumed, Å rms per axis.
    """

    object_name: str
    mass_kda: float
    d_prime: float
    d_prime_least: float
    d_prime_most: float
    verdict: Verdict
    alignment_error_angstrom: float


def verdict_of(d_prime: float) -> Verdict:
    """Below 6 no; below 12 only with a trained network or a consensus of annotators; else yes.

    Template norms and the F1 that competing templates reached in a simulated crowd: 13 → 0.95, 8.6 → 0.84, 7 → 0.75,
    5 → 0.29, 3 → 0.03.
    """
    if d_prime < _NO_BELOW:
        return "no"
    return "network or consensus" if d_prime < _YES_FROM else "yes"


def detectability_methods_text(params: TemplateParams) -> str:
    """One citable sentence on how it was found out what can be labeled."""
    return (
        "For every class the detectability d′ of an ideal observer was computed from its template's energy after CTF, "
        f"dose, missing wedge and alignment error over the tomogram's own noise power on voxels of about "
        f"{params.voxel_size_angstrom:.1f} Å; classes below 6 cannot be labeled, from 12 on templates suffice."
    )


def detectability(
    tomogram: Tomogram,
    series: TiltSeries,
    templates: Sequence[Template],
    params: TemplateParams,
    *,
    resources: Resources,
    progress: Progress,
    signal_amplitude: float | None = None,
) -> tuple[Detectability, ...]:
    """Ideal-observer d′ of every class in a tomogram, before anything is labeled.

    Parameters
    ----------
    tomogram : Tomogram
        Reconstructed, not denoised.
    series : TiltSeries
        The series it was made from.
    templates : sequence of Template
    params : TemplateParams
        Voxel size and dose weighting; ``alignment_envelope_angstrom`` is the error of the alignment; None:
        what the alignment said of itself, 3 Å when it said nothing.
    resources : Resources
    progress : Progress
    signal_amplitude : float or None
        Density per volt, as a search notes it (``signal_amplitude`` in the notes of its labels). None: that of weak
        phase objects in a tomogram whose density is the relative change of intensity per voxel, ``2 σ`` times the
        voxel, as :mod:`tomoset.reconstruction` makes it.

    Returns
    -------
    tuple of Detectability
        In the templates' order; decoys are left out.

    Raises
    ------
    ParameterError
        If there is no class, or the amplitude is not positive.
    GeometryError
        If the series is not the tomogram's.

    Notes
    -----
    The noise is all that the tomogram holds, its crowd of other molecules included; its thickness acts through that
    noise. The bound ignores that pieces of larger molecules resemble small ones (Rickgauer et al. 2017, eLife
    6:e25648, for the matched filter).
    """
    wanted = [template for template in templates if not template.decoy]
    if not wanted:
        raise ParameterError("detectability: expected one or more classes, got none")
    if signal_amplitude is not None and not signal_amplitude > 0:
        raise ParameterError(f"detectability: expected a positive signal amplitude or none, got {signal_amplitude:g}")
    error = _alignment_error_angstrom(series, params)
    amplitude = weak_phase_amplitude(tomogram, series) if signal_amplitude is None else signal_amplitude
    ready = prepare(tomogram, series, wanted, params, params.voxel_size_angstrom, resources).faded(error)
    found = []
    for number, template in enumerate(wanted):
        norms = amplitude * template_norms(ready, template)
        d_prime = float(np.sqrt(np.mean(norms**2)))
        found.append(
            Detectability(
                object_name=template.object.name,
                mass_kda=template.structure.mass_kda,
                d_prime=d_prime,
                d_prime_least=float(norms.min()),
                d_prime_most=float(norms.max()),
                verdict=verdict_of(d_prime),
                alignment_error_angstrom=error,
            )
        )
        progress.step("detectability", number + 1, len(wanted))
    return tuple(found)


def _alignment_error_angstrom(series: TiltSeries, params: TemplateParams) -> float:
    """Å rms per axis."""
    if params.alignment_envelope_angstrom is not None:
        return params.alignment_envelope_angstrom
    both = (series.diagnostics or {}).get("alignment.error_angstrom")
    return _DEFAULT_ERROR_ANGSTROM if both is None else float(both / np.sqrt(2))


def weak_phase_amplitude(tomogram: Tomogram, series: TiltSeries) -> float:
    """Change of intensity per volt over one voxel of a weak phase object, ``2 σ a``."""
    per_volt_angstrom = interaction_parameter_per_volt_angstrom(series.optics.voltage_kv)
    return 2 * per_volt_angstrom * tomogram.grid.voxel_size_angstrom


def template_norms(prepared: Prepared, template: Template) -> NDArray[np.float64]:
    """Norm of the whitened template per unit of amplitude, in 48 random poses."""
    rotations = random_rotations(_POSES, stream(0, "detectability", template.object.name))
    refiner = refiner_of(template.structure, prepared, 15.0)
    return np.array([refiner.norm(rotation) for rotation in rotations])
