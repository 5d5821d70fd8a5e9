"""What a score was made against: a hash of the truth's content."""

import hashlib
from collections.abc import Sequence

import numpy as np

from tomoset.model import Labels, PickableObject

__all__ = ["truth_version"]


def truth_version(truth: Sequence[Labels], objects: Sequence[PickableObject]) -> str:
    """Hash of what is true: the classes with their radii and symmetries, and every position and pose.

    Parameters
    ----------
    truth : sequence of Labels
    objects : sequence of PickableObject

    Returns
    -------
    str
        16 hexadecimal digits. Positions count to 0.001 Å and rotations to 1e-5, so that a file's rounding changes
        nothing; neither does the order of runs, classes or picks.
    """
    digest = hashlib.blake2b(digest_size=8)
    for item in sorted(objects, key=lambda one: one.name):
        digest.update(f"{item.name} {item.radius_angstrom:.3f} {item.symmetry}\n".encode())
    for labels in sorted(truth, key=lambda one: one.run):
        for item in sorted(objects, key=lambda one: one.name):
            picks = labels.of(item.name)
            table = picks.positions_angstrom_xyz * 1e3
            if picks.rotations is not None:
                table = np.hstack([table, picks.rotations.reshape(-1, 9) * 1e5])
            rows = np.rint(table).astype(np.int64)
            rows = rows[np.lexsort(rows.T[::-1])]
            digest.update(f"{labels.run} {item.name} {rows.shape}\n".encode())
            digest.update(np.ascontiguousarray(rows, dtype="<i8").tobytes())
    return digest.hexdigest()
