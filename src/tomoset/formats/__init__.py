"""Bytes to nouns and back, one file per format."""
