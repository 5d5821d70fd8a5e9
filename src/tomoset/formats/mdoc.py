"""SerialEM's and Tomo 5's ``.mdoc``: what the microscope wrote about each exposure, read tolerantly, written exactly.

The lines are parsed here and not with the ``mdocfile`` library, because version 0.2.3 (tried on every sample we have)
turns values into typed fields that it writes back in its own order and with its own digits, writes ``ZValue`` sections
only (``FrameSet`` and ``MontSection`` come back as ``ZValue = None``), takes an unbracketed title for a field named
``T``, keeps the last of a duplicated key only, and refuses decimal commas. Here a file is text: every field keeps its
place and its spelling, and numbers are understood when they are asked for.

Units in the file: PixelSpacing Å, ExposureDose and PriorRecordDose e/Å², Defocus and TargetDefocus µm (negative =
underfocus), angles in degrees. Source: https://bio3d.colorado.edu/SerialEM/hlp/html/about_formats.htm.
"""

import math
import os
import re
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from tomoset.errors import FormatError, InputMissingError
from tomoset.formats.atomic import write_text_atomic

__all__ = ["Fields", "Mdoc", "MdocSection", "find_value", "format_mdoc", "parse_mdoc", "read_mdoc", "write_mdoc"]

Fields = tuple[tuple[str, str], ...]

_MONTHS = {
    name: number
    for number, name in enumerate(
        ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"), start=1
    )
}
_BRACKET = re.compile(r"^\[\s*(\w+)\s*=(.*?)\]?\s*$")
_BARE_TITLE = re.compile(r"^T\s*=(.*)$")
_DECIMAL_COMMA = re.compile(r"^[-+]?\d*,\d+(?:[eE][-+]?\d+)?$")
_DATE_TIME = re.compile(
    r"^(\d{1,2})-([A-Za-z]{3})[a-z]*-(\d{2}|\d{4})\s+(\d{1,2}):(\d{2}):(\d{2})(?:[.,]\d+)?\s*(?:([AaPp])\.?[Mm]\.?)?"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class MdocSection:
    """One ``[ZValue = n]``, ``[FrameSet = n]`` or ``[MontSection = n]`` and the fields below it.

    Parameters
    ----------
    kind : str
        The word in the bracket.
    index : int
        The number in the bracket.
    fields : tuple of (key, value)
        As text, in the file's order, duplicates included (the last one counts).
    """

    kind: str = "ZValue"
    index: int = 0
    fields: Fields = ()

    def get(self, key: str) -> str | None:
        """Text of a field; None when it is absent or empty."""
        return find_value(self.fields, key)

    def numbers(self, key: str) -> tuple[float, ...] | None:
        """All numbers of a field (decimal points or commas); None when it is absent or empty.

        Raises
        ------
        FormatError
            If the field holds something else.
        """
        return _numbers(self.fields, key, f"[{self.kind} = {self.index}]")

    def number(self, key: str) -> float | None:
        """First number of a field; None when it is absent, empty or NaN."""
        return _first(self.numbers(key))

    @property
    def tilt_deg(self) -> float | None:
        """Stage angle, degrees."""
        return self.number("TiltAngle")

    @property
    def exposure_dose_e_per_angstrom2(self) -> float | None:
        """Dose of this exposure, e/Å²; SerialEM writes 0 when its dose is not calibrated."""
        return self.number("ExposureDose")

    @property
    def prior_dose_e_per_angstrom2(self) -> float | None:
        """Dose the specimen had received before this exposure, e/Å²."""
        return self.number("PriorRecordDose")

    @property
    def sub_frame_name(self) -> str | None:
        """File name of the movie: the last component of a Windows, UNC or POSIX path."""
        path = self.get("SubFramePath")
        if path is None:
            return None
        name = re.split(r"[\\/]", path.strip().strip('"').rstrip("\\/"))[-1].strip()
        return name or None

    @property
    def acquired_at(self) -> datetime | None:
        """Local time of the exposure: dd-Mon-yy(yy) with 24 or AM/PM hours, or ISO 8601; None when not readable."""
        text = self.get("DateTime")
        return None if text is None else _parse_time(text)

    @property
    def target_defocus_angstrom(self) -> float | None:
        """Defocus aimed at, Å, positive = underfocus (the file has µm, negative = underfocus)."""
        return _underfocus_angstrom(self.number("TargetDefocus"))

    @property
    def defocus_angstrom(self) -> float | None:
        """Defocus the lens was set to, Å, positive = underfocus."""
        return _underfocus_angstrom(self.number("Defocus"))

    @property
    def pixel_spacing_angstrom(self) -> float | None:
        """Pixel size of the recorded image (not always of the frames), Å."""
        return self.number("PixelSpacing")

    @property
    def rotation_deg(self) -> float | None:
        """SerialEM's RotationAngle, degrees: the tilt axis angle plus 90 (modulo 360)."""
        return self.number("RotationAngle")

    @property
    def n_sub_frames(self) -> int | None:
        """Number of frames saved."""
        number = self.number("NumSubFrames")
        return None if number is None else round(number)

    @property
    def frame_doses(self) -> tuple[tuple[float, int], ...]:
        """(dose per frame in e/Å², number of frames) pairs; empty when absent."""
        numbers = self.numbers("FrameDosesAndNumber") or ()
        return tuple((dose, round(count)) for dose, count in zip(numbers[::2], numbers[1::2], strict=False))


@dataclass(frozen=True, slots=True, kw_only=True)
class Mdoc:
    """A whole ``.mdoc`` file.

    Parameters
    ----------
    fields : tuple of (key, value)
        Global fields, as text, in the file's order.
    titles : tuple of str
        Text of the ``[T = …]`` lines, blanks kept.
    sections : tuple of MdocSection
        In the file's order.
    """

    fields: Fields = ()
    titles: tuple[str, ...] = ()
    sections: tuple[MdocSection, ...] = ()

    def get(self, key: str) -> str | None:
        """Text of a global field; None when it is absent or empty."""
        return find_value(self.fields, key)

    def number(self, key: str) -> float | None:
        """First number of a global field; None when it is absent, empty or NaN."""
        return _first(_numbers(self.fields, key, "the header"))

    @property
    def pixel_spacing_angstrom(self) -> float | None:
        """Pixel size of the recorded image stack, Å."""
        return self.number("PixelSpacing")

    @property
    def voltage_kv(self) -> float | None:
        """Acceleration voltage, kV."""
        return self.number("Voltage")

    @property
    def image_size_xy(self) -> tuple[int, int] | None:
        """Width and height of the recorded image, pixels."""
        numbers = _numbers(self.fields, "ImageSize", "the header")
        return None if numbers is None or len(numbers) < 2 else (round(numbers[0]), round(numbers[1]))


def read_mdoc(path: str | os.PathLike[str]) -> Mdoc:
    """Read an ``.mdoc`` file of SerialEM or Tomo 5.

    Parameters
    ----------
    path : path
        The file; UTF-8 or Latin-1, any line ends.

    Returns
    -------
    Mdoc
        Everything that is in it, as text.

    Raises
    ------
    InputMissingError
        If there is no such file.
    FormatError
        If it is not an mdoc.
    """
    where = Path(path)
    try:
        raw = where.read_bytes()
    except (FileNotFoundError, IsADirectoryError) as error:
        raise InputMissingError(f"{where}: expected an .mdoc file, found none; check the path") from error
    if b"\0" in raw:
        raise FormatError(f"{where}: expected the text of an .mdoc, found binary data; give the .mdoc, not the image")
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = raw.decode("latin-1")
    return parse_mdoc(text, str(where))


def parse_mdoc(text: str, name: str = "mdoc") -> Mdoc:
    """Parse the text of an ``.mdoc``; ``name`` appears in errors.

    A line without ``=`` continues the value above it, as in IMOD's autodoc files; ``#`` starts a comment line.

    Raises
    ------
    FormatError
        If a line fits nothing, or the text holds no field and no section at all.
    """
    header: list[tuple[str, str]] = []
    titles: list[str] = []
    sections: list[tuple[str, int, list[tuple[str, str]]]] = []
    current = header
    for number, raw in enumerate(text.splitlines(), start=1):
        line = raw.strip()
        if not line or line.startswith("#"):
            continue
        bracket = _BRACKET.match(line)
        title = _BARE_TITLE.match(line)
        if bracket is not None and bracket[1] != "T":
            current = []
            sections.append((bracket[1], _section_index(bracket[2], f"{name}, line {number}"), current))
        elif bracket is not None or title is not None:
            titles.append(_title_text(raw))
        elif "=" in line:
            key, _, value = line.partition("=")
            current.append((key.strip(), value.strip()))
        elif current:
            key, value = current.pop()
            current.append((key, f"{value} {line}".strip()))
        else:
            raise FormatError(f"{name}, line {number}: expected 'Key = value' or '[ZValue = n]', found {line[:60]!r}")
    if not (header or sections):
        raise FormatError(f"{name}: expected the fields of an .mdoc, found none; the file is empty or cut off")
    return Mdoc(
        fields=tuple(header),
        titles=tuple(titles),
        sections=tuple(MdocSection(kind=k, index=i, fields=tuple(f)) for k, i, f in sections),
    )


def format_mdoc(mdoc: Mdoc) -> str:
    """Text of an ``.mdoc`` in SerialEM's layout: global fields, titles, then the sections, blank lines between."""
    blocks = []
    if mdoc.fields:
        blocks.append(_lines(mdoc.fields))
    blocks += [f"[T = {title}]\n" for title in mdoc.titles]
    blocks += [f"[{section.kind} = {section.index}]\n" + _lines(section.fields) for section in mdoc.sections]
    return "\n".join(blocks) + "\n"


def write_mdoc(path: str | os.PathLike[str], mdoc: Mdoc) -> Path:
    """Write an ``.mdoc`` (whole or not at all); return its path.

    Raises
    ------
    OutputError
        If it cannot be written.
    """
    return write_text_atomic(path, format_mdoc(mdoc))


def find_value(fields: Fields, key: str) -> str | None:
    """Text of the last field of that name; None when it is absent or empty."""
    for name, value in reversed(fields):
        if name == key:
            return value or None
    return None


def _lines(fields: Fields) -> str:
    return "".join(f"{key} = {value}".rstrip() + "\n" for key, value in fields)


def _title_text(raw: str) -> str:
    """Text of a title line without its bracket; SerialEM indents the second title, which is kept."""
    text = raw.rstrip("\r\n").strip(" \t")
    bracketed = text.startswith("[")
    inner = text.partition("=")[2]
    if bracketed and inner.endswith("]"):
        inner = inner[:-1]
    return (inner.removeprefix(" ")).rstrip() if not bracketed else inner.removeprefix(" ")


def _section_index(text: str, where: str) -> int:
    try:
        return int(text.strip())
    except ValueError as error:
        raise FormatError(f"{where}: expected a section number as in [ZValue = 0], found {text.strip()!r}") from error


def _numbers(fields: Fields, key: str, where: str) -> tuple[float, ...] | None:
    text = find_value(fields, key)
    if text is None:
        return None
    try:
        return tuple(_float(word) for word in text.split())
    except ValueError as error:
        raise FormatError(
            f"{where}: expected numbers for {key}, found {text!r}; correct this line of the mdoc"
        ) from error


def _float(word: str) -> float:
    return float(word.replace(",", ".") if _DECIMAL_COMMA.match(word) else word)


def _first(numbers: tuple[float, ...] | None) -> float | None:
    if not numbers or not math.isfinite(numbers[0]):
        return None
    return numbers[0]


def _underfocus_angstrom(micrometre: float | None) -> float | None:
    return None if micrometre is None else 0.0 - micrometre * 1e4


def _parse_time(text: str) -> datetime | None:
    """Time without a zone, as the microscope's clock showed it; month names are English whatever the locale."""
    match = _DATE_TIME.match(text.strip())
    try:
        if match is None:
            return datetime.fromisoformat(text.strip())
        day, month, year, hour, minute, second, half = match.groups()
        century = 2000 if len(year) == 2 else 0
        hours = int(hour) if half is None else int(hour) % 12 + 12 * (half.lower() == "p")
        return datetime(  # noqa: DTZ001 (the file names no zone)
            century + int(year), _MONTHS[month.lower()], int(day), hours, int(minute), int(second)
        )
    except (KeyError, ValueError):
        return None
