"""All of one author's labels in a copick project: copick's places, and beside them what copick has no place for."""

from functools import partial
from pathlib import Path

import numpy as np

from tomoset.errors import InputMissingError, ParameterError
from tomoset.formats.copick import CopickPicks, list_picks, list_tomograms, picks_path, read_picks, write_picks
from tomoset.formats.copick_label_parts import (
    label_set_authors,
    load_filaments,
    load_label_set,
    load_membranes,
    load_segmentations,
    save_filaments,
    save_label_set,
    save_membranes,
    save_segmentations,
)
from tomoset.model import FilamentTrace, Labels, Picks

__all__ = [
    "count_picks",
    "find_voxel_sizes",
    "labeled_voxel_size",
    "list_authors",
    "load_labels",
    "points_along",
    "save_labels",
]

_VOXEL_TOLERANCE = 1e-3


def save_labels(root: Path, labels: Labels, *, add: bool = False) -> list[Path]:
    """Write all of one author's labels of one round; returns the files.

    Each file is written whole or not at all, the list of them last. What the same author's last labels of the same
    round held and these do not is removed, unless ``add`` asks to keep it; files that others put there stay.
    Filaments without picks of their class are also written as copick points along them, so that copick's users see
    them.

    Raises
    ------
    ParameterError
        If a name is one copick would split, a class occurs twice, or a number is not finite.
    OutputError
        If it cannot be written.
    """
    names = [picks.object_name for picks in labels.picks]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ParameterError(
            f"{labels.run}: expected one set of picks a class, found {names.count(twice[0])} of {twice[0]}; "
            "one would overwrite the other: join them first"
        )
    write = partial(
        write_picks,
        root,
        labels.run,
        user=labels.user,
        session=labels.session,
        voxel_size_angstrom=labels.voxel_size_angstrom,
    )
    written = [write(picks=picks) for picks in labels.picks]
    if add:
        names += _names_of_picks(root, labels)
    written += [
        write(picks=picks, derived_from="filaments")
        for picks in points_along(labels.filaments)
        if picks.object_name not in names
    ]
    written += save_segmentations(root, labels)
    written += save_filaments(root, labels)
    written += save_membranes(root, labels)
    return [*written, save_label_set(root, labels, written, add=add)]


def load_labels(
    root: Path,
    run: str,
    user: str,
    session: str,
    names: tuple[str, ...] | None,
    voxel_size_angstrom: float,
) -> Labels:
    """All that one author made in one round on the tomogram of a voxel size.

    Picks, filaments and membranes of the classes in ``names`` are read, of every class where it is None; a class
    without a file has none. Labels that were made on another tomogram of the run are left out: its voxel (0, 0, 0)
    lies elsewhere. Masks are opened, not read. Meshes come back as float32 holds them (3e-4 Å at 6000 Å), everything
    else as it was saved.
    """
    wanted = partial(_is_of, voxel_size_angstrom=voxel_size_angstrom)
    if names is None:
        names = tuple(e.object_name for e in list_picks(root, run) if (e.user, e.session) == (user, session))
        classes = None
    else:
        classes = set(names)
    stored = [each for _, each in _stored_picks(root, run, user, session, names)]
    about = load_label_set(root, run, user, session)
    return Labels(
        run=run,
        user=user,
        session=session,
        voxel_size_angstrom=voxel_size_angstrom,
        picks=tuple(each.picks for each in stored if wanted(each.voxel_size_angstrom) and not each.derived_from),
        segmentations=load_segmentations(root, run, user, session, wanted),
        filaments=tuple(
            each
            for each in load_filaments(root, run, user, session, wanted)
            if classes is None or each.object_name in classes
        ),
        membranes=tuple(
            each
            for each in load_membranes(root, run, user, session, wanted)
            if classes is None or each.object_name in classes
        ),
        method=about.method,
        notes=about.notes,
    )


def list_authors(root: Path, run: str) -> tuple[tuple[str, str], ...]:
    """Users and sessions that have labels of a run, sorted: by their lists, and by the picks of others."""
    listed = set(label_set_authors(root, run))
    return tuple(sorted(listed | {(entry.user, entry.session) for entry in list_picks(root, run)}))


def points_along(filaments: tuple[FilamentTrace, ...]) -> list[Picks]:
    """Control points of filaments as picks of each class, every filament an instance."""
    return [
        Picks(
            object_name=name,
            positions_angstrom_xyz=np.concatenate([each.points_angstrom_xyz for each in traces]),
            instance_ids=np.concatenate([np.full(len(each.points_angstrom_xyz), each.instance_id) for each in traces]),
        )
        for name in dict.fromkeys(each.object_name for each in filaments)
        for traces in [[each for each in filaments if each.object_name == name]]
    ]


def labeled_voxel_size(root: Path, run: str, user: str, session: str, names: tuple[str, ...]) -> float:
    """Voxel size, Å, of the tomogram that one author's picks were made on; the run's finest where they do not say.

    Raises
    ------
    InputMissingError
        If there is no tomogram of that voxel size.
    ParameterError
        If the picks of different classes were made on different tomograms.
    """
    available = find_voxel_sizes(root, run)
    said = {
        each.voxel_size_angstrom: path.name
        for path, each in _stored_picks(root, run, user, session, names)
        if each.voxel_size_angstrom is not None
    }
    if not said:
        return available[0]
    if max(said) - min(said) > _VOXEL_TOLERANCE * max(said):
        listed = ", ".join(f"{name} ({size:g} Å)" for size, name in sorted(said.items()))
        raise ParameterError(f"{run}: expected one author's picks to be of one tomogram, found {listed}")
    size = next((known for known in available if _is_of(next(iter(said)), known)), None)
    if size is None:
        raise InputMissingError(
            f"{run}: the picks were made on a tomogram of {next(iter(said)):g} Å, which is not here "
            f"(there are {', '.join(f'{known:g}' for known in available)} Å)"
        )
    return size


def _names_of_picks(root: Path, labels: Labels) -> list[str]:
    """Classes of picks that the same author has saved in the same round."""
    entries = [e for e in list_picks(root, labels.run) if (e.user, e.session) == (labels.user, labels.session)]
    return [e.object_name for e in entries if not read_picks(e.path).derived_from]


def _stored_picks(
    root: Path, run: str, user: str, session: str, names: tuple[str, ...]
) -> list[tuple[Path, CopickPicks]]:
    paths = [picks_path(root, run, user=user, session=session, object_name=name) for name in names]
    return [(path, read_picks(path)) for path in paths if path.is_file()]


def _is_of(stored_angstrom: float | None, voxel_size_angstrom: float) -> bool:
    if stored_angstrom is None:
        return True
    return abs(stored_angstrom - voxel_size_angstrom) <= _VOXEL_TOLERANCE * voxel_size_angstrom


def find_voxel_sizes(root: Path, run: str) -> tuple[float, ...]:
    """Voxel sizes of a run's tomograms, Å, ascending.

    Raises
    ------
    InputMissingError
        If there is no tomogram.
    """
    sizes = tuple(sorted({entry.voxel_size_angstrom for entry in list_tomograms(root, run)}))
    if not sizes:
        raise InputMissingError(f"expected a tomogram of {run} in {(root / 'ExperimentRuns' / run)}, found none")
    return sizes


def count_picks(root: Path, run: str) -> dict[str, int]:
    """Number of picks per object, over all authors and rounds."""
    counts: dict[str, int] = {}
    for entry in list_picks(root, run):
        stored = read_picks(entry.path)
        if not stored.derived_from:
            counts[entry.object_name] = counts.get(entry.object_name, 0) + len(stored.picks)
    return counts
