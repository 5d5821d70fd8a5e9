"""Tilt images to the tilt geometry, without markers."""
