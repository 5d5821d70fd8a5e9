"""copick's configuration: the objects of a project and where their labels lie."""

import json
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tomoset.errors import FormatError, InputMissingError, ParameterError
from tomoset.formats.atomic import write_json_atomic
from tomoset.formats.copick_layout import check_copick_name
from tomoset.model import PickableObject

__all__ = ["CopickConfig", "read_config", "read_json_object", "write_config"]

PathLike = str | os.PathLike[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class CopickConfig:
    """A copick configuration: which objects there are and where their labels lie.

    Parameters
    ----------
    name, description : str
        Of the project.
    objects : tuple of PickableObject
    root : pathlib.Path
        Folder that holds ``ExperimentRuns`` (copick's overlay root).
    user, session : str or None
        Defaults for people who open the project.
    """

    name: str
    description: str
    objects: tuple[PickableObject, ...]
    root: Path
    user: str | None = None
    session: str | None = None


def write_config(
    path: PathLike,
    objects: tuple[PickableObject, ...],
    *,
    name: str,
    description: str = "",
    overlay_root: str = ".",
    user: str | None = None,
    session: str | None = None,
) -> Path:
    """Write a configuration of type ``filesystem``.

    Parameters
    ----------
    path : path
        Usually ``copick_config.json`` in the project's folder.
    objects : tuple of PickableObject
        Names and labels must be unique.
    name, description : str
    overlay_root : str
        Folder of ``ExperimentRuns``. The default "." lets the project travel; copick itself resolves it against the
        folder it is started in, so start copick's tools in the project's folder or give an absolute path here.
    user, session : str, optional

    Returns
    -------
    pathlib.Path

    Raises
    ------
    ParameterError
        If a name or label occurs twice or a name is one copick would change.
    """
    names, labels = [o.name for o in objects], [o.label for o in objects]
    if len(set(names)) != len(names) or len(set(labels)) != len(labels):
        raise ParameterError(
            f"{Path(path).name}: expected every object to have its own name and label, found names {names} with "
            f"labels {labels}; renumber them"
        )
    document: dict[str, Any] = {
        "config_type": "filesystem",
        "name": name,
        "description": description,
        "version": "1.0.0",
        "pickable_objects": [_object_to_json(o) for o in objects],
        "overlay_root": overlay_root if "://" in overlay_root else f"local://{overlay_root}",
        "overlay_fs_args": {"auto_mkdir": True},
    }
    for key, value in (("user_id", user), ("session_id", session)):
        if value is not None:
            document[key] = check_copick_name(value, key)
    return write_json_atomic(path, document)


def read_config(path: PathLike, *, default_radius_angstrom: float = 50.0) -> CopickConfig:
    """Read a configuration of type ``filesystem``.

    Parameters
    ----------
    path : path
    default_radius_angstrom : float
        For objects whose radius the file leaves out (copick allows it, matching distances need it).

    Raises
    ------
    InputMissingError
        If there is no such file.
    FormatError
        If it is no filesystem configuration or an object is incomplete.
    """
    file = Path(path)
    document = read_json_object(file)
    kind = document.get("config_type", "filesystem")
    if kind != "filesystem" or "overlay_root" not in document:
        raise FormatError(
            f"{file.name}: expected a copick configuration of type 'filesystem' with an overlay_root, found type "
            f"{kind!r}; data-portal and Croissant projects must be fetched to a folder first"
        )
    folder = re.sub(r"^(local|file)://", "", str(document["overlay_root"]))
    if "://" in folder:
        raise FormatError(f"{file.name}: expected a local overlay_root, found {folder!r}; copy the project here first")
    objects = document.get("pickable_objects", [])
    return CopickConfig(
        name=str(document.get("name") or ""),
        description=str(document.get("description") or ""),
        objects=tuple(_object_from_json(file, o, default_radius_angstrom) for o in objects),
        root=(file.parent / folder).resolve(),
        user=document.get("user_id"),
        session=document.get("session_id"),
    )


def read_json_object(file: Path) -> dict[str, Any]:
    """Read a JSON file whose top is an object.

    Raises
    ------
    InputMissingError
        If there is no such file.
    FormatError
        If it is no JSON, or its top is no object.
    """
    if not file.is_file():
        raise InputMissingError(f"{file}: expected a JSON file of copick, found nothing there; check the path")
    try:
        document = json.loads(file.read_text(encoding="utf-8"))
    except (ValueError, UnicodeDecodeError) as error:
        raise FormatError(f"{file.name}: expected JSON, found {error}; the file is damaged, fetch it again") from error
    if not isinstance(document, dict):
        raise FormatError(f"{file.name}: expected a JSON object, found a {type(document).__name__}")
    return document


def _object_to_json(item: PickableObject) -> dict[str, Any]:
    check_copick_name(item.name, "object name")
    document: dict[str, Any] = {
        "name": item.name,
        "is_particle": item.is_particle,
        "label": item.label,
        "color": list(item.color_rgba),
        "radius": item.radius_angstrom,
        "metadata": {"symmetry": item.symmetry},
    }
    if item.identifier:
        document["identifier"] = item.identifier
    return document


def _object_from_json(file: Path, document: dict[str, Any], default_radius: float) -> PickableObject:
    try:
        radius = document.get("radius")
        r, g, b, a = document.get("color") or (100, 100, 100, 255)
        return PickableObject(
            name=document["name"],
            label=int(document.get("label") or 1),
            radius_angstrom=default_radius if radius is None else float(radius),
            symmetry=str((document.get("metadata") or {}).get("symmetry", "C1")),
            color_rgba=(int(r), int(g), int(b), int(a)),
            is_particle=bool(document["is_particle"]),
            identifier=str(document.get("identifier") or document.get("go_id") or ""),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise FormatError(
            f"{file.name}: expected every pickable object to have a name, is_particle, label, color and radius that "
            f"fit, found {document!r} ({error}); mend that object"
        ) from error
