"""Tilt series to tomograms."""
