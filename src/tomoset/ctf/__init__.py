"""Tilt images to the defocus of each tilt.

One verb, :func:`estimate_ctf`, and :func:`ctf_curve`, which gives the radial spectrum and its fit for a picture.
"""

from tomoset.ctf.curve import CtfCurve, ctf_curve
from tomoset.ctf.estimate import estimate_ctf
from tomoset.ctf.params import CtfParams, methods_text

STAGE_VERSION = "3"

__all__ = ["STAGE_VERSION", "CtfCurve", "CtfParams", "ctf_curve", "estimate_ctf", "methods_text"]
