"""Measurements, rules and verdicts on tilts and tomograms."""

from tomoset.curation.events import ConflictError, CurationEvent, CurationLog, replay
from tomoset.curation.label_events import LabelEvent, LabelItem, content_hash
from tomoset.curation.label_review import LabelReviewLog
from tomoset.curation.label_states import LabelState, ReviewedPicks, apply_review, gold_items, replay_labels
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
    "LabelEvent",
    "LabelItem",
    "LabelReviewLog",
    "LabelState",
    "MaskParams",
    "Measurements",
    "ReviewedPicks",
    "TiltMeasurements",
    "TiltVerdict",
    "Verdict",
    "alignment_error_angstrom",
    "apply_review",
    "apply_verdict",
    "content_hash",
    "find_masks",
    "gold_items",
    "measure",
    "methods_text",
    "overruled",
    "replay",
    "replay_labels",
    "suggest",
]
