"""Labels on disk: copick's picks files."""

from pathlib import Path

from tomoset.errors import InputMissingError
from tomoset.formats.copick import list_picks, list_tomograms, picks_path, read_picks, write_picks
from tomoset.model import Labels
from tomoset.workflow.layout import ProjectLayout

__all__ = ["count_picks", "find_voxel_sizes", "load_labels", "save_labels"]


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
    """Picks of one author and round; a class without a file has none."""
    paths = [picks_path(layout.root, run, user=user, session=session, object_name=name) for name in names]
    return Labels(
        run=run,
        user=user,
        session=session,
        voxel_size_angstrom=voxel_size_angstrom,
        picks=tuple(read_picks(path).picks for path in paths if path.is_file()),
    )


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
