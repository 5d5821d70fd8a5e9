"""Measurements, rules and verdicts on tilts and tomograms."""
