"""Movies to motion-corrected tilt images.

One verb, :func:`correct_motion`; beside it the pure functions on arrays that do the work: defects of the camera,
the global motion of one movie, and what the gain reference has left behind.
"""

from tomoset.motion.correct import correct_motion
from tomoset.motion.defects import find_defects, replace_defects
from tomoset.motion.fixed_pattern import fixed_pattern_variance
from tomoset.motion.params import MotionParams, methods_text
from tomoset.motion.registration import register_frames

STAGE_VERSION = "1"

__all__ = [
    "STAGE_VERSION",
    "MotionParams",
    "correct_motion",
    "find_defects",
    "fixed_pattern_variance",
    "methods_text",
    "register_frames",
    "replace_defects",
]
