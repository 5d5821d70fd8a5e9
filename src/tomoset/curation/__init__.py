"""Measurements, rules and verdicts on tilts and tomograms."""

from tomoset.curation.events import ConflictError, CurationEvent, CurationLog, replay
from tomoset.curation.mask_params import MaskParams
from tomoset.curation.masks import find_masks
from tomoset.curation.measurements import Measurements, TiltMeasurements, measure
from tomoset.curation.params import CurationParams
from tomoset.curation.verdicts import (
    REASONS,
    TiltVerdict,
    Verdict,
    alignment_error_angstrom,
    apply_verdict,
    methods_text,
    overruled,
    suggest,
)

STAGE_VERSION = "3"

__all__ = [
    "REASONS",
    "STAGE_VERSION",
    "ConflictError",
    "CurationEvent",
    "CurationLog",
    "CurationParams",
    "MaskParams",
    "Measurements",
    "TiltMeasurements",
    "TiltVerdict",
    "Verdict",
    "alignment_error_angstrom",
    "apply_verdict",
    "find_masks",
    "measure",
    "methods_text",
    "overruled",
    "replay",
    "suggest",
]
