"""Star files as named tables with checks; what to do is said in one paragraph where a table is not as it must be."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tomoset.errors import FormatError, InputMissingError
from tomoset.formats.atomic import write_text_atomic

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["StarTable", "read_star", "write_star"]


# A run called 017 must not become the number 17.
_TEXTS = [
    "rlnMicrographMovieName",
    "rlnMicrographName",
    "rlnMicrographNameEven",
    "rlnMicrographNameOdd",
    "rlnOpticsGroupName",
    "rlnTomoName",
    "rlnTomoReconstructedTomogram",
    "rlnTomoTiltSeriesStarFile",
    "tomosetReason",
]


class StarTable:
    """One block of a star file whose columns are asked for by name.

    Parameters
    ----------
    file : pathlib.Path
        Where it came from, for messages.
    name : str
        Of the block.
    frame : pandas.DataFrame
    """

    def __init__(self, file: Path, name: str, frame: "pd.DataFrame") -> None:
        self.file, self.name, self._frame = file, name, frame

    def __len__(self) -> int:
        """Number of rows."""
        return len(self._frame)

    def has(self, *columns: str) -> bool:
        """Whether all of these columns are there."""
        return all(column in self._frame.columns for column in columns)

    def numbers(self, *columns: str) -> NDArray[np.float64]:
        """Columns as float64: (n,) for one, (n, k) for several.

        Raises
        ------
        FormatError
            If a column is missing or holds something that is no finite number.
        """
        self._require(columns)
        try:
            values = np.stack([self._frame[c].to_numpy(dtype=np.float64) for c in columns], axis=-1)
        except (TypeError, ValueError) as error:
            raise FormatError(f"{self._where}: expected numbers in {', '.join(columns)}, found {error}") from error
        if not np.all(np.isfinite(values)):
            row, column = np.argwhere(~np.isfinite(values))[0]
            raise FormatError(
                f"{self._where}: expected finite numbers in {columns[column]}, found {values[row, column]} in row "
                f"{row + 1}; mend or leave out that row"
            )
        return values[:, 0] if len(columns) == 1 else values

    def texts(self, column: str) -> tuple[str, ...]:
        """A column as text.

        Raises
        ------
        FormatError
            If it is missing or a row has no value.
        """
        self._require((column,))
        values = self.optional_texts(column) or ()
        if "" in values:  # what a row that is cut off lacks is read as empty text
            raise FormatError(
                f"{self._where}: expected a value of {column} in every row, found none in row "
                f"{values.index('') + 1}; the file is cut off or that row is incomplete"
            )
        return values

    def optional_numbers(self, column: str) -> NDArray[np.float64] | None:
        """A column as float64 (n,), or None when it is not there."""
        return self.numbers(column) if self.has(column) else None

    def optional_texts(self, column: str) -> tuple[str, ...] | None:
        """A column as text, empty where a row has none; None when it is not there."""
        if not self.has(column):
            return None
        values = self._frame[column]
        return tuple("" if empty else str(value) for value, empty in zip(values, values.isna(), strict=True))

    @property
    def _where(self) -> str:
        return f"{self.file.name}, block '{self.name}'"

    def _require(self, columns: tuple[str, ...]) -> None:
        missing = [column for column in columns if column not in self._frame.columns]
        if missing:
            raise FormatError(
                f"{self._where}: expected the column{'s' * (len(missing) > 1)} {', '.join(missing)}, found "
                f"{', '.join(map(str, self._frame.columns)) or 'none'}; take the star of a later job, or of RELION 5"
            )


def read_star(path: str | os.PathLike[str]) -> dict[str, StarTable]:
    """Blocks of a star file by name, in the file's order.

    Raises
    ------
    InputMissingError
        If there is no such file.
    FormatError
        If it holds no block that can be read.
    """
    import pandas as pd
    import starfile

    file = Path(path)
    if not file.is_file():
        raise InputMissingError(f"{file}: expected a star file, found nothing there; check the path")
    try:
        blocks: dict[str, Any] = starfile.read(file, always_dict=True, parse_as_string=_TEXTS)
    except (TypeError, ValueError, IndexError, KeyError, AttributeError) as error:
        raise FormatError(
            f"{file.name}: expected a star file with data_ blocks, found text that cannot be parsed "
            f"({str(error).splitlines()[0] if str(error) else type(error).__name__}); it is cut off or of another kind"
        ) from error
    if not blocks:
        raise FormatError(f"{file.name}: expected a star file with data_ blocks, found none; it is empty or cut off")
    frames = {k: v if isinstance(v, pd.DataFrame) else pd.DataFrame([v]) for k, v in blocks.items()}
    return {name: StarTable(file, name, frame) for name, frame in frames.items()}


def write_star(path: str | os.PathLike[str], blocks: dict[str, dict[str, Any]]) -> Path:
    """Write blocks of equally long columns as loops, numbers with six decimals.

    Raises
    ------
    OutputError
        If it cannot be written.
    """
    import pandas as pd
    import starfile

    text: str = starfile.to_string({name: pd.DataFrame(columns) for name, columns in blocks.items()})
    return write_text_atomic(path, text)
