"""Tilt images to the tilt geometry, without markers."""

from tomoset.alignment.params import AlignmentParams
from tomoset.alignment.stage import align, methods_text
from tomoset.alignment.track_bundle import TrackErrors, TrackSolution, solve_tracks
from tomoset.alignment.track_model import Freedom, TrackParams

STAGE_VERSION = "3"

__all__ = [
    "STAGE_VERSION",
    "AlignmentParams",
    "Freedom",
    "TrackErrors",
    "TrackParams",
    "TrackSolution",
    "align",
    "methods_text",
    "solve_tracks",
]
