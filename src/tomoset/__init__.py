"""Labeled cryo-electron-tomography datasets, from raw movies to a published, scored benchmark.

``tomoset.load(release)`` opens a release for training; everything else is the command line's.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tomoset.release.loading import TrainingSet, load

__version__ = "0.1.0"
__all__ = ["TrainingSet", "__version__", "load"]


def __getattr__(name: str) -> Any:
    """Load the door to training data when it is used, so that ``import tomoset`` stays quick."""
    if name in ("TrainingSet", "load"):
        return getattr(import_module("tomoset.release.loading"), name)
    raise AttributeError(f"module 'tomoset' has no attribute {name!r}")
