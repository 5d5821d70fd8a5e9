"""Simulated series kept between runs of the benchmarks, and found again only by the code that made them."""

import hashlib
from dataclasses import fields
from pathlib import Path

from tomoset import microscope, motion, specimen
from tomoset.geometry import TiltGeometry
from tomoset.model import CtfEstimate, MotionTrack, SeriesTruth, Tilt, TiltSeries

__all__ = ["kept_path"]

_NOUNS = (TiltSeries, Tilt, MotionTrack, CtfEstimate, TiltGeometry, SeriesTruth)


def kept_path(cache: Path | None, name: str) -> Path | None:
    """File in which a series is kept; its name changes with the stages' versions and with the nouns' fields."""
    if cache is None:
        return None
    words = [room.STAGE_VERSION for room in (specimen, microscope, motion)]
    words += [f"{noun.__name__}.{field.name}" for noun in _NOUNS for field in fields(noun)]
    return cache / f"{name}-{hashlib.sha256(' '.join(words).encode()).hexdigest()[:8]}.pickle"
