"""Entries of the wwPDB archive, fetched once, kept in a cache folder and checked by hash at every use."""

import hashlib
import os
import re
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tomoset.errors import FormatError, InputMissingError, ParameterError
from tomoset.formats.atomic import atomic_path, write_text_atomic

__all__ = ["ArchiveEntry", "cache_folder", "fetch_entry", "parse_archive_name"]

ARCHIVE_URL = "https://files.rcsb.org/download"
TIMEOUT_S = 60.0
MOST_BYTES = 1 << 30  # of one entry unpacked; the largest of the archive take some 0.5 GB as text
_CHUNK = 1 << 20
_NAME = re.compile(
    r"pdb:(?P<id>[1-9][a-z0-9]{3}|pdb_[0-9]{4}[a-z0-9]{4})(?:#(?P<assembly>[^#@]+))?(?:@sha256:(?P<hash>[0-9a-f]{64}))?",
    re.IGNORECASE,
)
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchiveEntry:
    """An entry as a recipe names it: ``pdb:6SCJ``, ``pdb:6SCJ#1``, ``pdb:6SCJ#1@sha256:…``.

    Parameters
    ----------
    identifier : str
        Of the entry, lower case.
    assembly : str or None
        Biological assembly to take.
    sha256 : str or None
        Hash that the entry's mmCIF text must have.
    """

    identifier: str
    assembly: str | None = None
    sha256: str | None = None


def parse_archive_name(name: str) -> ArchiveEntry:
    """Understand ``pdb:ID[#assembly][@sha256:hash]``.

    Raises
    ------
    ParameterError
        If it is not of this form.
    """
    found = _NAME.fullmatch(name.strip())
    if found is None:
        raise ParameterError(
            f"expected pdb:ID, pdb:ID#assembly or pdb:ID#assembly@sha256:<64 hex digits> (such as pdb:6SCJ#1), got "
            f"{name!r}"
        )
    digest = found["hash"]
    return ArchiveEntry(
        identifier=found["id"].lower(), assembly=found["assembly"], sha256=digest.lower() if digest else None
    )


def cache_folder() -> Path:
    """Where fetched entries are kept: ``TOMOSET_CACHE``, else ``tomoset`` in ``XDG_CACHE_HOME`` or ``~/.cache``."""
    own = os.environ.get("TOMOSET_CACHE", "")
    if own:
        return Path(own)
    shared = os.environ.get("XDG_CACHE_HOME", "")
    return (Path(shared) if shared else Path.home() / ".cache") / "tomoset"


def fetch_entry(
    entry: ArchiveEntry,
    *,
    cache: Path | None = None,
    base_url: str | None = None,
    timeout_s: float = TIMEOUT_S,
) -> tuple[Path, str]:
    """Path and hash of an entry's mmCIF file, from the cache or, the first time, from the archive.

    The file and the hash of its text, recorded beside it on the first use, appear whole or not at all. A file that
    was put into the cache by hand is taken like a fetched one.

    Parameters
    ----------
    entry : ArchiveEntry
        Which one.
    cache : Path, optional
        Folder to keep it in; by default ``structures`` in :func:`cache_folder`.
    base_url : str, optional
        Where ``<ID>.cif.gz`` is served, over HTTPS (or from this machine); by default ``TOMOSET_PDB_URL`` if set, else
        RCSB's copy of the wwPDB archive.
    timeout_s : float
        Seconds without an answer after which it is given up.

    Returns
    -------
    path : Path
        The unpacked file.
    sha256 : str
        Hash of its text, for the recipe and the record of where a structure came from.

    Raises
    ------
    InputMissingError
        If it is not in the cache and the archive cannot be reached or has no such entry.
    FormatError
        If what came is no mmCIF file, or the file has not the recorded hash or the one the recipe demands.
    ParameterError
        If the address is neither HTTPS nor of this machine.
    OutputError
        If the cache cannot be written.
    """
    folder = cache_folder() / "structures" if cache is None else cache
    kept = folder / f"{entry.identifier}.cif"
    if not kept.is_file():
        address = f"{(base_url or os.environ.get('TOMOSET_PDB_URL') or ARCHIVE_URL).rstrip('/')}"
        url = f"{address}/{entry.identifier.upper()}.cif.gz"
        text = _download(url, entry, kept, timeout_s)
        _check_hash(hashlib.sha256(text).hexdigest(), entry.sha256, entry, url)
        with atomic_path(kept) as temporary:
            temporary.write_bytes(text)
    found = _hash_of(kept)
    beside = kept.with_name(kept.name + ".sha256")
    if beside.is_file():
        _check_hash(found, beside.read_text(encoding="ascii").split()[0], entry, f"{kept} (recorded in {beside.name})")
    else:
        write_text_atomic(beside, f"{found}  {kept.name}\n")
    _check_hash(found, entry.sha256, entry, f"{kept} (the recipe's)")
    return kept, found


def _hash_of(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _check_hash(found: str, expected: str | None, entry: ArchiveEntry, where: str) -> None:
    if expected is not None and found != expected:
        raise FormatError(
            f"pdb:{entry.identifier.upper()}: expected sha256 {expected}, found {found} at {where}; the file was "
            "changed, or the archive has revised the entry: delete the cached file and its .sha256 to fetch it anew, "
            "and give the new hash in the recipe if that is what you want"
        )


def _download(url: str, entry: ArchiveEntry, kept: Path, timeout_s: float) -> bytes:
    """Text of an entry; every way in which a network fails becomes one message that says what to do without it."""
    import http.client
    import urllib.error
    import urllib.request

    _require_safe(url)
    try:
        request = urllib.request.Request(url, headers={"User-Agent": "tomoset"})  # noqa: S310  (checked above)
        with urllib.request.urlopen(request, timeout=timeout_s) as answer:  # noqa: S310
            _require_safe(answer.geturl())
            packed = _read_all(answer)
    except urllib.error.HTTPError as refused:
        if refused.code in {404, 410}:
            raise InputMissingError(
                f"pdb:{entry.identifier.upper()}: expected an entry of the archive, but {url} answers "
                f"{refused.code}; check the identifier"
            ) from refused
        raise _unreachable(url, entry, kept, f"HTTP {refused.code} {refused.reason}") from refused
    except (OSError, http.client.HTTPException) as failed:  # URLError, timeouts and broken connections are OSErrors
        raise _unreachable(
            url, entry, kept, str(getattr(failed, "reason", failed)) or type(failed).__name__
        ) from failed
    return _unpacked(packed, url)


def _read_all(answer: Any) -> bytes:
    import http.client

    parts = []
    total = 0
    while part := answer.read(_CHUNK):
        parts.append(part)
        total += len(part)
        if total > MOST_BYTES:
            raise FormatError(f"{answer.geturl()}: expected less than {MOST_BYTES >> 30} GiB, found more")
    expected = answer.headers.get("Content-Length")
    if expected is not None and total != int(expected):
        raise http.client.IncompleteRead(b"", int(expected) - total)
    return b"".join(parts)


def _unpacked(packed: bytes, url: str) -> bytes:
    try:
        unpacker = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)
        text = unpacker.decompress(packed, MOST_BYTES)
    except zlib.error as broken:
        raise FormatError(f"{url}: expected a gzip file, found something else: {broken}") from broken
    if not unpacker.eof or not text.lstrip().startswith((b"data_", b"#")):
        raise FormatError(f"{url}: expected a whole mmCIF file, found something else or a part; try again")
    return text


def _require_safe(url: str) -> None:
    """HTTPS alone keeps a stranger from changing the file on its way the first time, before a hash is known."""
    import urllib.parse

    parts = urllib.parse.urlsplit(url)
    if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in _LOOPBACK):
        raise ParameterError(
            f"expected an https:// address of the structure archive, got {url!r}; check TOMOSET_PDB_URL"
        )


def _unreachable(url: str, entry: ArchiveEntry, kept: Path, reason: str) -> InputMissingError:
    return InputMissingError(
        f"pdb:{entry.identifier.upper()}: expected to fetch {url}, but it cannot be reached ({reason}). Where there is "
        f"no network, put the entry's mmCIF file at {kept}, or name a local file in the recipe"
    )
