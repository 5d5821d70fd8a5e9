"""Movies to motion-corrected tilt images.

One verb, :func:`correct_motion`; beside it the pure functions on arrays that do the work: defects of the camera,
whether the gain reference fits and what it leaves behind, the global motion of one movie and the motion within it.
"""

from tomoset.motion.correct import correct_motion
from tomoset.motion.defects import find_defects, replace_defects
from tomoset.motion.fixed_pattern import fixed_pattern_variance
from tomoset.motion.frame_grid import FrameGrid, make_frame_grid
from tomoset.motion.gain_check import GainCheck, check_gain, fit_gain
from tomoset.motion.local_basis import centred_field
from tomoset.motion.params import MotionParams, methods_text
from tomoset.motion.registration import register_frames

STAGE_VERSION = "5"

__all__ = [
    "STAGE_VERSION",
    "FrameGrid",
    "GainCheck",
    "MotionParams",
    "centred_field",
    "check_gain",
    "correct_motion",
    "find_defects",
    "fit_gain",
    "fixed_pattern_variance",
    "make_frame_grid",
    "methods_text",
    "register_frames",
    "replace_defects",
]
