"""Labels: templates, truth, and the metrics of their quality."""

from tomoset.annotation.frames import FrameFit, fit_specimen_frames
from tomoset.annotation.truth import truth_labels, truth_methods_text

STAGE_VERSION = "1"

__all__ = ["STAGE_VERSION", "FrameFit", "fit_specimen_frames", "truth_labels", "truth_methods_text"]
