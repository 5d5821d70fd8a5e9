"""Specimen to raw counted movies."""
