"""Tilt images to the defocus of each tilt."""
