"""JSON documents: read with an error that names the file, whatever is wrong with it."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tomoset.errors import FormatError

__all__ = ["read_json", "understood"]


def read_json(path: Path) -> dict[str, Any]:
    """Read a document whose top is an object.

    Raises
    ------
    FormatError
        If it is no JSON, or its top is no object.
    """
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:  # also text that is not UTF-8
        raise FormatError(
            f"{path}: expected JSON, found {error}; the file is damaged: remove it and run its step again"
        ) from error
    if not isinstance(document, dict):
        raise FormatError(f"{path}: expected a JSON object, found {type(document).__name__}; run its step again")
    return document


@contextmanager
def understood(path: Path) -> Iterator[None]:
    """Turn the errors of taking a document apart (a field is missing, of a wrong type or unknown) into one.

    Raises
    ------
    FormatError
        Naming the file and what is wrong in it.
    """
    try:
        yield
    except KeyError as error:
        raise FormatError(f"{path}: expected the field {error}, found none; run its step again") from error
    except (TypeError, AttributeError, IndexError) as error:
        raise FormatError(f"{path}: expected what tomoset writes there, found {error}; run its step again") from error
