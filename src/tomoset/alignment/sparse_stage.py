"""The stage's way where whole views have too little in common: a few particles, or a refusal with its numbers."""

import numpy as np
from numpy.typing import NDArray

from tomoset.alignment.marker_model import MarkerModel
from tomoset.alignment.params import AlignmentParams
from tomoset.alignment.preprocess import Views
from tomoset.alignment.self_checks import PairAgreement
from tomoset.alignment.sparse_particles import ALIKE_ANGSTROM, SparseAlignment, align_few_particles
from tomoset.errors import AlignmentError

__all__ = ["align_on_few_particles"]

Floats = NDArray[np.float64]

_LEAST_SUPPORT = 0.6


def align_on_few_particles(
    run: str, views: Views, axis_deg: float, agreement: PairAgreement, params: AlignmentParams
) -> tuple[MarkerModel, dict[str, float]]:
    """Align on what particles there are.

    Returns
    -------
    tuple
        The model and the diagnostics.

    Raises
    ------
    AlignmentError
        If there is none to follow, if the views do not show what was found, or if no two starts end in the same place.
    """
    if not params.markers:
        raise AlignmentError(f"{run}: too little signal to align. {_pairs(agreement)}. Allow particles as markers")
    found = align_few_particles(views, axis_deg, params.thickness_angstrom, params.search_range_angstrom)
    if not (found.disagreement_angstrom <= ALIKE_ANGSTROM and found.support >= _LEAST_SUPPORT):
        raise AlignmentError(
            f"{run}: too little signal to align. {_pairs(agreement)}. Nor do particles lead: {_why(found)}. "
            "Mark bad tilts as unused, or leave the series out"
        )
    error_u, error_v = (float(e) for e in found.error_uv_angstrom)
    residual_u, residual_v = (float(r) for r in found.residual_uv_angstrom)
    return found.model, {
        "alignment.markers": float(found.particles),
        "alignment.markers_accepted": 1.0,
        "alignment.marker_fraction": found.support,
        "alignment.marker_residual_u_angstrom": residual_u,
        "alignment.marker_residual_v_angstrom": residual_v,
        "alignment.marker_error_u_angstrom": error_u,
        "alignment.marker_error_v_angstrom": error_v,
        "alignment.start_disagreement_angstrom": found.disagreement_angstrom,
        "alignment.motion_fitted": 0.0,
        "alignment.views_fitted": float("views" in found.model.freed),
    }


def _pairs(agreement: PairAgreement) -> str:
    return (
        f"Expected at least {agreement.least:.0%} of neighbouring views to give the same shift within "
        f"{agreement.same_angstrom:g} Å from two independent halves of the spectrum, found {agreement.fraction:.0%} "
        f"(median peak {agreement.median_significance:.1f} standard deviations; noise alone gives about 3.5)"
    )


def _why(found: SparseAlignment) -> str:
    if found.particles < 2:
        return f"expected at least 2 that stand out of the tomogram and most views show, found {found.particles}"
    if found.support < _LEAST_SUPPORT:
        return f"expected views to show them in at least {_LEAST_SUPPORT:.0%} of the places, found {found.support:.0%}"
    apart = "nothing to follow" if np.isnan(found.disagreement_angstrom) else f"{found.disagreement_angstrom:.0f} Å"
    return f"expected two starts to end within {ALIKE_ANGSTROM:g} Å of one another, found {apart}"
