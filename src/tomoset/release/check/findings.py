"""What the gate finds, and the rules it asks."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tomoset.errors import FormatError
from tomoset.formats.json_documents import read_json

__all__ = ["Finding", "Rule", "read_document"]


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Finding:
    """Something that must be mended before the release is public.

    Parameters
    ----------
    rule : str
        Name of the rule or validator.
    path : str
        File or folder, from the release's root.
    message : str
        What was expected and what was found.
    """

    rule: str
    path: str
    message: str

    def __str__(self) -> str:
        """One line."""
        return f"{self.rule}: {self.path}: {self.message}"


Rule = Callable[[Path], list[Finding]]


def read_document(root: Path, path: Path, rule: str) -> tuple[dict[str, object], list[Finding]]:
    """A JSON document, or the finding that it is none."""
    try:
        return dict(read_json(path)), []
    except (FormatError, OSError) as error:
        return {}, [Finding(rule=rule, path=path.relative_to(root).as_posix(), message=str(error))]
