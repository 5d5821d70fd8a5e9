"""Content keys: the same stage with the same parameters on the same inputs has the same key."""

import dataclasses
import hashlib
import json
from pathlib import Path
from typing import Any

__all__ = ["content_key", "plain_values", "raw_fingerprint"]

_SAMPLE_BYTES = 1 << 16


def content_key(stage: str, version: str, params: Any, inputs: dict[str, str]) -> str:
    """Key of a step's result.

    Parameters
    ----------
    stage, version : str
        The stage's name and the version of its method: a changed method makes a new key.
    params : dataclass, or dict of them
        Everything that changes the answer.
    inputs : dict of str to str
        Keys of what it is computed from.

    Returns
    -------
    str
        32 hexadecimal digits (BLAKE2b) of the canonical JSON of all four.
    """
    text = json.dumps([stage, version, plain_values(params), inputs], sort_keys=True, ensure_ascii=True)
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def plain_values(params: Any) -> Any:
    """Parameters as JSON knows them: dataclasses become dicts, tuples lists."""
    if dataclasses.is_dataclass(params) and not isinstance(params, type):
        return plain_values(dataclasses.asdict(params))
    if isinstance(params, dict):
        return {str(key): plain_values(value) for key, value in params.items()}
    if isinstance(params, list | tuple):
        return [plain_values(value) for value in params]
    return params


def raw_fingerprint(files: list[Path]) -> str:
    """Key of raw files: their names, sizes, and the first and last 64 KiB of each.

    Whole movies are not hashed: a paper-sized series has gigabytes, and a movie that changed without changing its
    size, its header or its end is not something a microscope or a copy program makes.
    """
    digest = hashlib.blake2b(digest_size=16)
    for path in sorted(files, key=lambda p: p.name):
        size = path.stat().st_size
        digest.update(f"{path.name}:{size};".encode())
        with path.open("rb") as stream:
            digest.update(stream.read(_SAMPLE_BYTES))
            if size > 2 * _SAMPLE_BYTES:
                stream.seek(-_SAMPLE_BYTES, 2)
                digest.update(stream.read(_SAMPLE_BYTES))
    return digest.hexdigest()
