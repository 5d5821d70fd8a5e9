"""Whether labels of a project are in the frame of the tomogram that is there now."""

import numpy as np

from tomoset.annotation import TomogramFrame
from tomoset.errors import GeometryError, InputMissingError
from tomoset.model import Labels
from tomoset.workflow.label_origin import current_frame, frame_key, load_origin, save_origin
from tomoset.workflow.layout import ProjectLayout

__all__ = ["check_origin", "keep_origin"]


def check_origin(layout: ProjectLayout, labels: Labels, why: str) -> None:
    """Refuse where the author's labels were made in an earlier tomogram than the one that is there.

    Projects of other programs say nothing of it, and pass.

    Raises
    ------
    GeometryError
        With how far the two frames are apart.
    """
    made = load_origin(layout, labels.run, labels.user, labels.session)
    now = _now(layout, labels)
    if made is not None and now is not None and frame_key(made) != frame_key(now):
        raise GeometryError(
            f"{labels.run}: expected labels by {labels.user} (session {labels.session}) of the tomogram that is there, "
            f"found those of an earlier one, {_difference(made, now)}; {why}"
        )


def keep_origin(layout: ProjectLayout, labels: Labels) -> None:
    """Keep with labels, which are saved already, the tomogram that is there, so that they can follow its successors."""
    now = _now(layout, labels)
    if now is not None:
        save_origin(layout, labels, now)


def _now(layout: ProjectLayout, labels: Labels) -> TomogramFrame | None:
    try:
        return current_frame(layout, labels.run, labels.voxel_size_angstrom)
    except InputMissingError:
        return None


def _difference(made: TomogramFrame, now: TomogramFrame) -> str:
    said = []
    if made.grid != now.grid:
        said.append(f"{made.grid.shape_zyx} voxels (z, y, x) instead of {now.grid.shape_zyx}")
    a, b = made.geometry, now.geometry
    if a.n_tilts != b.n_tilts:
        said.append(f"{a.n_tilts} tilts instead of {b.n_tilts}")
    else:
        shift = np.abs(a.shift_xy_angstrom - b.shift_xy_angstrom).max()
        turn = max(np.abs(a.y_tilt_deg - b.y_tilt_deg).max(), np.abs(a.z_rot_deg - b.z_rot_deg).max())
        said.append(f"shifts up to {shift:.1f} Å and angles up to {turn:.2f}° apart")
    return ", ".join(said)
