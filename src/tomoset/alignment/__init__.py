"""Tilt images to the tilt geometry, without markers."""

from tomoset.alignment.params import AlignmentParams
from tomoset.alignment.stage import align, methods_text

STAGE_VERSION = "1"

__all__ = ["STAGE_VERSION", "AlignmentParams", "align", "methods_text"]
