"""Errors that a person can mend: each says what was expected, what was found and what to do.

Every error of tomoset descends from :class:`TomosetError`; each child also inherits the natural builtin, so that
callers who know only Python's own exceptions still catch the right thing. The command line prints a
``TomosetError`` as one paragraph and exits with 2; anything else is our bug and exits with 1.
"""

__all__ = [
    "AlignmentError",
    "FormatError",
    "GeometryError",
    "InputMissingError",
    "OutputError",
    "PackingError",
    "ParameterError",
    "PixelSizeError",
    "RecipeError",
    "TomosetError",
]


class TomosetError(Exception):
    """Root of every error that a person can mend."""


class ParameterError(TomosetError, ValueError):
    """A parameter is outside what the method can do."""


class RecipeError(ParameterError):
    """A recipe holds an unknown key, a wrong type or a value out of range."""


class PixelSizeError(TomosetError, ValueError):
    """A pixel or voxel size is missing, zero, or two sources disagree about it."""


class GeometryError(TomosetError, ValueError):
    """Shapes, rotations or tilt geometries do not fit together."""


class FormatError(TomosetError, ValueError):
    """A file does not hold what its format promises (truncated, malformed, wrong size)."""


class InputMissingError(TomosetError, FileNotFoundError):
    """A file or an entry that another file names does not exist."""


class OutputError(TomosetError, OSError):
    """A result cannot be written (disk full, no permission)."""


class PackingError(TomosetError, RuntimeError):
    """The molecules asked for do not fit into the specimen."""


class AlignmentError(TomosetError, RuntimeError):
    """A tilt series holds too little signal to be aligned."""
