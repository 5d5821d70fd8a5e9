"""What can be said of one label, by whom: proposals, moves, verdicts, locks, and taking them back."""

import hashlib
import math
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal, get_args

from tomoset.errors import ParameterError

__all__ = ["LabelAction", "LabelEvent", "LabelItem", "ReviewRole", "content_hash", "events_in_force"]

LabelAction = Literal["create", "move", "reclass", "reject", "accept", "uncertain", "lock", "undo"]
ReviewRole = Literal["tool", "novice", "expert"]

_ITEM = re.compile(r"([^/@\s]+)/([^/@\s]+)/([^/@\s]+)/(\d+)@([0-9a-f]{8,64})")


def content_hash(content: bytes) -> str:
    """16 hexadecimal digits (BLAKE2b) of a labels file: the same picks have the same, whoever copies the file."""
    return hashlib.blake2b(content, digest_size=8).hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class LabelItem:
    """Which label is meant, for good: a row of a labels file of a certain content.

    Parameters
    ----------
    user, session, object_name : str
        Of the labels file, as copick names it.
    index : int
        Row in it.
    content : str
        :func:`content_hash` of the file; for a label that an event creates, of whatever makes it the only one.

    Raises
    ------
    ParameterError
        If a part is empty, holds one of ``/@`` or a blank, or the content is no hash.

    Examples
    --------
    >>> LabelItem.parse("ada/2/ribosome/17@00ff00ff00ff00ff").index
    17
    """

    user: str
    session: str
    object_name: str
    index: int
    content: str

    def __post_init__(self) -> None:
        """Refuse what could not be read back."""
        if self.index < 0 or _ITEM.fullmatch(str(self)) is None:
            raise ParameterError(f"label: expected user/session/object/index@hash, found {str(self)!r}")

    def __str__(self) -> str:
        """The label as one word."""
        return f"{self.user}/{self.session}/{self.object_name}/{self.index}@{self.content}"

    @classmethod
    def parse(cls, text: str) -> "LabelItem":
        """Read it back.

        Raises
        ------
        ParameterError
            If it is none.
        """
        match = _ITEM.fullmatch(text)
        if match is None:
            raise ParameterError(f"label: expected user/session/object/index@hash, found {text!r}")
        return cls(user=match[1], session=match[2], object_name=match[3], index=int(match[4]), content=match[5])

    @classmethod
    def created(cls, event_of: str, user: str, session: str, object_name: str) -> "LabelItem":
        """A label that is in no file yet; ``event_of`` is anything unique (a random token of the page, say)."""
        return cls(
            user=user, session=session, object_name=object_name, index=0, content=content_hash(event_of.encode())
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelEvent:
    """One thing that was said of one label.

    Parameters
    ----------
    run : str
    item : LabelItem
    action : str
        ``create`` (needs a position), ``move`` (needs a position), ``reclass`` (needs a class), ``accept``, ``reject``,
        ``uncertain`` (both need a reason), ``lock``, or ``undo`` of the event ``undoes``.
    actor : str
        Person or program.
    role : {"tool", "novice", "expert"}
    object_name : str
        The class: of a created label (empty: the item's) or the new one of a reclass.
    position_angstrom_xyz : tuple of float or None
        Volume frame of the tomogram, Å.
    rotation : tuple of 9 float or None
        Particle -> tomogram, row by row.
    reason : str
    tool, tool_version, params_hash : str
        With what it was done.
    tomogram_hash : str
        What was looked at.
    parents : tuple of str
        Labels that this one was made from (votes of a consensus, the pick that a refinement moved).
    seconds_spent : float or None
    undoes : int or None
        Number of the event that is taken back. Taking back an undo brings its event into force again.
    number : int or None
        Given by the log.
    at : str
        UTC, ISO 8601; given by the log.

    Raises
    ------
    ParameterError
        If a part is missing or unknown.
    """

    run: str
    item: LabelItem
    action: LabelAction
    actor: str
    role: ReviewRole = "novice"
    object_name: str = ""
    position_angstrom_xyz: tuple[float, float, float] | None = None
    rotation: tuple[float, ...] | None = None
    reason: str = ""
    tool: str = ""
    tool_version: str = ""
    params_hash: str = ""
    tomogram_hash: str = ""
    parents: tuple[str, ...] = field(default=())
    seconds_spent: float | None = None
    undoes: int | None = None
    number: int | None = None
    at: str = ""

    def __post_init__(self) -> None:
        """Refuse what could not be replayed."""
        if self.action not in get_args(LabelAction) or self.role not in get_args(ReviewRole):
            raise ParameterError(
                f"{self.run}: expected {', '.join(get_args(LabelAction))} by a {', '.join(get_args(ReviewRole))}, "
                f"found {self.action!r} by {self.role!r}"
            )
        missing = {
            "run": not self.run,
            "actor": not self.actor,
            "position": self.action in {"create", "move"} and self.position_angstrom_xyz is None,
            "class": self.action == "reclass" and not self.object_name,
            "reason": self.action in {"reject", "uncertain"} and not self.reason,
            "undoes": (self.action == "undo") != (self.undoes is not None),
        }
        if any(missing.values()):
            names = ", ".join(name for name, is_missing in missing.items() if is_missing)
            raise ParameterError(f"{self.item}: {self.action} has no proper {names}")
        for name, length in (("position_angstrom_xyz", 3), ("rotation", 9)):
            value = getattr(self, name)
            if value is not None:
                numbers = tuple(float(v) for v in value)
                if len(numbers) != length or not all(math.isfinite(v) for v in numbers):
                    raise ParameterError(f"{self.item}: {name}: expected {length} finite numbers, found {value}")
                object.__setattr__(self, name, numbers)


def events_in_force(events: Iterable[LabelEvent]) -> list[LabelEvent]:
    """Events that no undo in force takes back, without the undos, oldest first."""
    taken_back: set[int] = set()
    kept = []
    for event in reversed(list(events)):  # an undo can only be taken back by a later one
        if event.number in taken_back:
            continue
        if event.undoes is not None:
            taken_back.add(event.undoes)
        else:
            kept.append(event)
    return kept[::-1]
