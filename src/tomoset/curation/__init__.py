"""Measurements, rules and verdicts on tilts and tomograms."""

from tomoset.curation.events import ConflictError, CurationEvent, CurationLog, replay
from tomoset.curation.measurements import Measurements, TiltMeasurements, measure
from tomoset.curation.params import CurationParams
from tomoset.curation.verdicts import (
    REASONS,
    TiltVerdict,
    Verdict,
    alignment_error_angstrom,
    apply_verdict,
    methods_text,
    suggest,
)

STAGE_VERSION = "1"

__all__ = [
    "REASONS",
    "STAGE_VERSION",
    "ConflictError",
    "CurationEvent",
    "CurationLog",
    "CurationParams",
    "Measurements",
    "TiltMeasurements",
    "TiltVerdict",
    "Verdict",
    "alignment_error_angstrom",
    "apply_verdict",
    "measure",
    "methods_text",
    "replay",
    "suggest",
]
