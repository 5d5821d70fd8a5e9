"""Particles by templates: from a tomogram and known structures to picks with their evidence."""
