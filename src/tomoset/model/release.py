"""A published dataset: what it holds, under which licence, and proof that nothing changed."""

from dataclasses import dataclass

from tomoset.model.labels import PickableObject

__all__ = ["Release", "ReleasedFile"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleasedFile:
    """One file of a release: path relative to its root, size and SHA-256."""

    path: str
    size_bytes: int
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """A dataset as it was written.

    Parameters
    ----------
    name, version, licence, citation : str
        What a user must know before using it; licence is an SPDX identifier.
    runs : tuple of str
        Series it holds.
    rejected : dict of str to str
        Series that were left out, with the reason.
    objects : tuple of PickableObject
    formats : tuple of str
        Layouts written.
    methods : str
        Methods section, one sentence a stage.
    files : tuple of ReleasedFile
    """

    name: str
    version: str
    licence: str
    citation: str
    runs: tuple[str, ...]
    rejected: dict[str, str]
    objects: tuple[PickableObject, ...]
    formats: tuple[str, ...]
    methods: str
    files: tuple[ReleasedFile, ...]
