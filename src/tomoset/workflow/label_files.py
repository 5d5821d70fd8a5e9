"""Labels on disk: copick's picks files."""

from pathlib import Path

from tomoset.errors import InputMissingError, ParameterError
from tomoset.formats.copick import CopickPicks, list_picks, list_tomograms, picks_path, read_picks, write_picks
from tomoset.model import Labels
from tomoset.workflow.layout import ProjectLayout

__all__ = ["count_picks", "find_voxel_sizes", "labeled_voxel_size", "load_labels", "save_labels"]

_VOXEL_TOLERANCE = 1e-3


def save_labels(layout: ProjectLayout, labels: Labels) -> list[Path]:
    """Write the picks of every class; returns the files."""
    return [
        write_picks(
            layout.root,
            labels.run,
            picks,
            user=labels.user,
            session=labels.session,
            voxel_size_angstrom=labels.voxel_size_angstrom,
        )
        for picks in labels.picks
    ]


def load_labels(
    layout: ProjectLayout, run: str, user: str, session: str, names: tuple[str, ...], voxel_size_angstrom: float
) -> Labels:
    """Picks that one author made in one round on the tomogram of a voxel size; a class without a file has none.

    Picks that were made on another tomogram of the run are left out: its voxel (0, 0, 0) lies elsewhere.
    """
    stored = [each for _, each in _stored_picks(layout, run, user, session, names)]
    return Labels(
        run=run,
        user=user,
        session=session,
        voxel_size_angstrom=voxel_size_angstrom,
        picks=tuple(each.picks for each in stored if _is_of(each.voxel_size_angstrom, voxel_size_angstrom)),
    )


def labeled_voxel_size(layout: ProjectLayout, run: str, user: str, session: str, names: tuple[str, ...]) -> float:
    """Voxel size, Å, of the tomogram that one author's picks were made on; the run's finest where they do not say.

    Raises
    ------
    InputMissingError
        If there is no tomogram of that voxel size.
    ParameterError
        If the picks of different classes were made on different tomograms.
    """
    available = find_voxel_sizes(layout, run)
    said = {
        each.voxel_size_angstrom: path.name
        for path, each in _stored_picks(layout, run, user, session, names)
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


def _stored_picks(
    layout: ProjectLayout, run: str, user: str, session: str, names: tuple[str, ...]
) -> list[tuple[Path, CopickPicks]]:
    paths = [picks_path(layout.root, run, user=user, session=session, object_name=name) for name in names]
    return [(path, read_picks(path)) for path in paths if path.is_file()]


def _is_of(stored_angstrom: float | None, voxel_size_angstrom: float) -> bool:
    if stored_angstrom is None:
        return True
    return abs(stored_angstrom - voxel_size_angstrom) <= _VOXEL_TOLERANCE * voxel_size_angstrom


def find_voxel_sizes(layout: ProjectLayout, run: str) -> tuple[float, ...]:
    """Voxel sizes of a run's tomograms, Å, ascending.

    Raises
    ------
    InputMissingError
        If there is no tomogram.
    """
    sizes = tuple(sorted({entry.voxel_size_angstrom for entry in list_tomograms(layout.root, run)}))
    if not sizes:
        raise InputMissingError(f"expected a tomogram of {run} in {layout.experiment(run)}, found none")
    return sizes


def count_picks(layout: ProjectLayout, run: str) -> dict[str, int]:
    """Number of picks per object, over all authors and rounds."""
    counts: dict[str, int] = {}
    for entry in list_picks(layout.root, run):
        counts[entry.object_name] = counts.get(entry.object_name, 0) + len(read_picks(entry.path).picks)
    return counts
