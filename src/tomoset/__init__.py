"""Labeled cryo-electron-tomography datasets, from raw movies to a published, scored benchmark."""

__version__ = "0.1.0"
__all__ = ["__version__"]
