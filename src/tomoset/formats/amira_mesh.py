"""AmiraMesh files (.am, .labels): a text header, then numbered sections of text, raw bytes or compressed bytes.

``# AmiraMesh 3D ASCII 2.0``, ``BINARY`` (big-endian) or ``BINARY-LITTLE-ENDIAN``; ``define Lattice nx ny nz``;
``Parameters { … }`` nested; ``Lattice { byte Labels } @1(HxByteRLE,n)``; then ``@1`` and its data. HxByteRLE: a byte
n > 127 is followed by n − 128 bytes as they are, a byte n < 128 by one byte to repeat n times (Amira user's guide, "the
AmiraMesh file format", and the readers of Bio-Formats and MIB). HxZip is zlib. The fastest index is x.
"""

import re
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tomoset.errors import FormatError, InputMissingError

__all__ = ["AmiraMesh", "decode_byte_rle", "encode_byte_rle", "read_amira_mesh"]

_TYPES = {
    "byte": "u1",
    "sbyte": "i1",
    "short": "i2",
    "ushort": "u2",
    "int32": "i4",
    "int": "i4",
    "uint32": "u4",
    "uint": "u4",
    "int64": "i8",
    "uint64": "u8",
    "float": "f4",
    "double": "f8",
}
_SECTION = re.compile(
    r"^\s*(?P<where>\w+)\s*\{\s*(?P<type>\w+)(?:\s*\[(?P<n>\d+)\])?\s+(?P<name>[\w-]+)\s*\}\s*=?\s*(?:\w+\()?\s*"
    r"@(?P<number>\d+)\)?\s*(?:\(\s*(?P<code>\w+)\s*,\s*(?P<size>\d+)\s*\))?",
    re.MULTILINE,
)
_MAX_RUN = 127


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class AmiraMesh:
    """A file taken apart.

    Parameters
    ----------
    sizes : dict of str to tuple of int
        What ``define`` says.
    parameters : dict
        Nested; every value is text, without quotes and commas.
    arrays : dict of (str, str) to array
        By where they are defined and their name, ``("Lattice", "Labels")``; (n,) or (n, k).
    """

    sizes: dict[str, tuple[int, ...]]
    parameters: dict[str, Any]
    arrays: dict[tuple[str, str], NDArray[Any]]


def read_amira_mesh(path: Path) -> AmiraMesh:
    """Read a file whole.

    Raises
    ------
    InputMissingError
        If there is no such file.
    FormatError
        If it is no AmiraMesh, or a section is cut off or of an unknown kind.
    """
    if not path.is_file():
        raise InputMissingError(f"{path}: expected an AmiraMesh file, found nothing there; check the path")
    content = path.read_bytes()
    first = content[: content.find(b"\n") if b"\n" in content else 0].decode("latin-1")
    match = re.search(r"#\s*(?:Avizo|AmiraMesh)\S*\s.*?(ASCII|BINARY-LITTLE-ENDIAN|BINARY)", first + " ")
    start = re.search(rb"^@1[ \t\r]*\n", content, re.MULTILINE)
    if match is None or start is None:
        raise FormatError(f"{path.name}: expected an AmiraMesh header and the section @1, found {first[:60]!r}")
    header = content[: start.start()].decode("latin-1")
    sizes = {
        name: tuple(int(n) for n in numbers.split())
        for name, numbers in re.findall(r"^\s*define\s+(\w+)\s+([\d ]+)", header, re.MULTILINE)
    }
    sections = [section.groupdict() for section in _SECTION.finditer(header)]
    try:
        parameters = _parse_parameters(header)
        arrays = _read_sections(content, start.start(), sections, sizes, match[1])
    except (ValueError, IndexError, KeyError, zlib.error) as error:
        raise FormatError(
            f"{path.name}: expected sections as its header promises, found {type(error).__name__}: {error}; the file "
            "is cut off or of a kind that is not read"
        ) from error
    return AmiraMesh(sizes=sizes, parameters=parameters, arrays=arrays)


def encode_byte_rle(values: NDArray[np.uint8]) -> bytes:
    """Encode bytes: runs of two or more as count and value, the rest as they are."""
    flat = np.ascontiguousarray(values).reshape(-1)
    if not flat.size:
        return b""
    starts = np.flatnonzero(np.concatenate([[True], flat[1:] != flat[:-1]]))
    lengths = np.diff(np.concatenate([starts, [flat.size]]))
    single = lengths == 1
    # Neighbouring single bytes go together: one group for each stretch of them, one for each run.
    opens = np.flatnonzero(np.concatenate([[True], ~(single[1:] & single[:-1])]))
    closes = np.concatenate([opens[1:], [starts.size]])
    pieces: list[bytes] = []
    for first, last in zip(opens.tolist(), closes.tolist(), strict=True):
        begin = int(starts[first])
        if single[first]:
            end = begin + last - first
            for at in range(begin, end, _MAX_RUN):
                part = flat[at : min(at + _MAX_RUN, end)]
                pieces.append(bytes([128 + part.size]) + part.tobytes())
        else:
            value, count = flat[begin].tobytes(), int(lengths[first])
            pieces.append((b"\x7f" + value) * (count // _MAX_RUN))
            if count % _MAX_RUN:
                pieces.append(bytes([count % _MAX_RUN]) + value)
    return b"".join(pieces)


def decode_byte_rle(encoded: bytes, size: int) -> NDArray[np.uint8]:
    """Decode to ``size`` bytes.

    Raises
    ------
    ValueError
        If the stream ends early or gives another number of bytes.
    """
    pieces: list[bytes] = []
    at, total = 0, 0
    while at < len(encoded) and total < size:
        count = encoded[at]
        if count > _MAX_RUN:
            piece = encoded[at + 1 : at + 1 + count - 128]
            at += 1 + count - 128
        else:
            piece = encoded[at + 1 : at + 2] * count
            at += 2
        pieces.append(piece)
        total += len(piece)
    if total != size:
        raise ValueError(f"{total} voxels after decoding instead of {size}")
    return np.frombuffer(b"".join(pieces), dtype=np.uint8)


def _read_sections(
    content: bytes, start: int, sections: list[dict[str, Any]], sizes: dict[str, tuple[int, ...]], how: str
) -> dict[tuple[str, str], NDArray[Any]]:
    arrays: dict[tuple[str, str], NDArray[Any]] = {}
    at = start
    for section in sorted(sections, key=lambda each: int(each["number"])):
        mark = re.compile(rb"@%d[ \t\r]*\n" % int(section["number"])).search(content, at)
        if mark is None:
            raise ValueError(f"no section @{section['number']}")
        width = int(section["n"] or 1)
        count = int(np.prod(sizes[section["where"]])) * width
        if how == "ASCII":
            end = content.find(b"\n@", mark.end())
            text = content[mark.end() : end if end >= 0 else len(content)].split()
            values, at = np.array(text[:count], dtype=_TYPES[section["type"]]), mark.end()
        else:
            values, at = _binary(content, mark.end(), section, count, "<" if how.endswith("LITTLE-ENDIAN") else ">")
        if values.size != count:
            raise ValueError(f"{values.size} values in @{section['number']} instead of {count}")
        arrays[section["where"], section["name"]] = values.reshape(-1, width) if width > 1 else values
    return arrays


def _binary(content: bytes, at: int, section: dict[str, Any], count: int, order: str) -> tuple[NDArray[Any], int]:
    stored = np.dtype(order + _TYPES[section["type"]])
    native = stored.newbyteorder("=")
    if section["code"] is None:
        values = np.frombuffer(content, stored, count, at)
        return values.astype(native), at + values.nbytes
    packed = content[at : at + int(section["size"])]
    if section["code"] == "HxZip":
        return np.frombuffer(zlib.decompress(packed), stored, count).astype(native), at + len(packed)
    if section["code"] != "HxByteRLE":
        raise ValueError(f"the compression {section['code']}, which is not known")
    return decode_byte_rle(packed, count * stored.itemsize).view(stored).astype(native), at + len(packed)


def _parse_parameters(header: str) -> dict[str, Any]:
    """Return the nested table that follows the word Parameters."""
    begin = re.search(r"Parameters\s*\{", header)
    if begin is None:
        return {}
    stack: list[dict[str, Any]] = [{}]
    words: list[str] = []
    for sign in re.findall(r'"(?:[^"\\]|\\.)*"|[{}]|[^\s{},]+|\n', header[begin.end() :]):
        if sign == "{":
            table: dict[str, Any] = {}
            stack[-1][words.pop() if words else ""] = table
            stack.append(table)
            words = []
        elif sign in ("}", "\n"):
            if words:
                stack[-1][words[0]] = " ".join(words[1:])
                words = []
            if sign == "}":
                done = stack.pop()
                if not stack:
                    return done
        else:
            words.append(sign.strip('"'))
    return stack[0]
