"""In which tomogram labels were made: enough of it to move them when the tomogram is made anew."""

import hashlib
import json
from pathlib import Path
from typing import Any

from tomoset.annotation import TomogramFrame
from tomoset.curation import content_hash
from tomoset.errors import ParameterError
from tomoset.formats.atomic import write_json_atomic
from tomoset.formats.copick import list_picks
from tomoset.formats.copick_layout import sidecar_path
from tomoset.formats.geometry_json import geometry_from_json, geometry_to_json
from tomoset.formats.json_documents import read_json, understood
from tomoset.geometry import Grid
from tomoset.model import Labels, Tomogram
from tomoset.workflow.label_files import find_voxel_sizes, labeled_voxel_size, load_labels
from tomoset.workflow.layout import ProjectLayout
from tomoset.workflow.tomogram_files import load_tomogram, reconstructed_kind

__all__ = [
    "authors_of",
    "current_frame",
    "frame_key",
    "frame_of",
    "labels_of",
    "load_origin",
    "parse_author",
    "picks_contents",
    "save_origin",
]

_FOLDER = "LabelOrigins"


def parse_author(text: str, option: str) -> tuple[str, str]:
    """User and session of ``USER/SESSION``.

    Raises
    ------
    ParameterError
        If it is none.
    """
    user, separator, session = text.partition("/")
    if not (user and separator and session) or "/" in session:
        raise ParameterError(f"{option}: expected USER/SESSION such as tomoset/templates, found {text!r}")
    return user, session


def authors_of(layout: ProjectLayout, run: str) -> tuple[tuple[str, str], ...]:
    """Users and sessions with picks of a run, sorted."""
    return tuple(sorted({(entry.user, entry.session) for entry in list_picks(layout.root, run)}))


def frame_of(tomogram: Tomogram) -> TomogramFrame:
    """What positions in a tomogram depend on."""
    return TomogramFrame(
        run=tomogram.run, grid=tomogram.grid, geometry=tomogram.geometry, tilt_indices=tomogram.tilt_indices
    )


def current_frame(layout: ProjectLayout, run: str, voxel_size_angstrom: float, kind: str = "") -> TomogramFrame:
    """Of the tomogram that is there now; of the reconstruction where no kind is named.

    Raises
    ------
    InputMissingError
        If there is none.
    """
    named = kind or reconstructed_kind(layout, run, voxel_size_angstrom)
    return frame_of(load_tomogram(layout, run, voxel_size_angstrom, named))


def frame_key(frame: TomogramFrame) -> str:
    """32 hexadecimal digits: equal frames, and only those, have equal keys."""
    text = json.dumps(_document(frame), sort_keys=True)
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def save_origin(layout: ProjectLayout, labels: Labels, frame: TomogramFrame) -> Path:
    """Keep with labels, which are saved already, the geometry of the tomogram that they were made in."""
    path = sidecar_path(layout.root, labels.run, _FOLDER, labels.user, labels.session, "tomogram")
    contents = picks_contents(layout, labels.run, labels.user, labels.session)
    return write_json_atomic(path, {"key": frame_key(frame), "picks": contents, **_document(frame)})


def picks_contents(layout: ProjectLayout, run: str, user: str, session: str) -> dict[str, str]:
    """Class -> :func:`tomoset.curation.content_hash` of its picks file, of one author and round."""
    entries = [e for e in list_picks(layout.root, run) if (e.user, e.session) == (user, session)]
    return {entry.object_name: content_hash(entry.path.read_bytes()) for entry in entries}


def load_origin(layout: ProjectLayout, run: str, user: str, session: str) -> TomogramFrame | None:
    """The tomogram that labels were made in, as it was then; None where nobody kept it.

    What was kept counts no longer when all picks of that author have been written anew without it.

    Raises
    ------
    FormatError
        If the document is damaged.
    """
    path = sidecar_path(layout.root, run, _FOLDER, user, session, "tomogram")
    if not path.is_file():
        return None
    document = read_json(path)
    now = picks_contents(layout, run, user, session)
    with understood(path):
        then: dict[str, str] = document["picks"]
        if then and not any(now.get(name) == content for name, content in then.items()):
            return None
        z, y, x = document["shape_zyx"]
        return TomogramFrame(
            run=document["run"],
            grid=Grid(shape_zyx=(z, y, x), voxel_size_angstrom=document["voxel_size_angstrom"]),
            geometry=geometry_from_json(document["geometry"]),
            tilt_indices=tuple(document["tilt_indices"]),
        )


def _document(frame: TomogramFrame) -> dict[str, Any]:
    return {
        "run": frame.run,
        "shape_zyx": list(frame.grid.shape_zyx),
        "voxel_size_angstrom": frame.grid.voxel_size_angstrom,
        "tilt_indices": [int(i) for i in frame.tilt_indices],
        "geometry": geometry_to_json(frame.geometry),
    }


def labels_of(
    layout: ProjectLayout, run: str, user: str, session: str, names: tuple[str, ...] | None = None
) -> tuple[Labels, TomogramFrame] | None:
    """One author's labels of a run with the frame of the tomogram they were made in; None where there are none.

    Where nobody kept the frame, it is taken to be that of the tomogram of the same voxel size.

    Raises
    ------
    InputMissingError
        If there is no tomogram of the labels' voxel size and no frame was kept.
    """
    made = [e for e in list_picks(layout.root, run) if (e.user, e.session) == (user, session)]
    if not made:
        return None
    origin = load_origin(layout, run, user, session)
    if origin is not None:
        voxel = origin.grid.voxel_size_angstrom
        return load_labels(layout, run, user, session, names, voxel), origin
    find_voxel_sizes(layout, run)
    voxel = labeled_voxel_size(layout, run, user, session, tuple(e.object_name for e in made))
    return load_labels(layout, run, user, session, names, voxel), current_frame(layout, run, voxel)
