"""Labels of a project on disk: those of a copick project at its root."""

from pathlib import Path

from tomoset.formats import copick_labels
from tomoset.model import Labels
from tomoset.workflow.layout import ProjectLayout

__all__ = ["count_picks", "find_voxel_sizes", "labeled_voxel_size", "load_labels", "save_labels"]


def save_labels(layout: ProjectLayout, labels: Labels, *, add: bool = False) -> list[Path]:
    """Write all of one author's labels of one round: :func:`tomoset.formats.copick_labels.save_labels`."""
    return copick_labels.save_labels(layout.root, labels, add=add)


def load_labels(
    layout: ProjectLayout,
    run: str,
    user: str,
    session: str,
    names: tuple[str, ...] | None,
    voxel_size_angstrom: float,
) -> Labels:
    """All that one author made in one round: :func:`tomoset.formats.copick_labels.load_labels`."""
    return copick_labels.load_labels(layout.root, run, user, session, names, voxel_size_angstrom)


def labeled_voxel_size(layout: ProjectLayout, run: str, user: str, session: str, names: tuple[str, ...]) -> float:
    """Voxel size, Å, of the tomogram that one author's picks were made on."""
    return copick_labels.labeled_voxel_size(layout.root, run, user, session, names)


def find_voxel_sizes(layout: ProjectLayout, run: str) -> tuple[float, ...]:
    """Voxel sizes of a run's tomograms, Å, ascending; errors where there is none."""
    return copick_labels.find_voxel_sizes(layout.root, run)


def count_picks(layout: ProjectLayout, run: str) -> dict[str, int]:
    """Number of picks per object, over all authors and rounds."""
    return copick_labels.count_picks(layout.root, run)
