"""The SHREC challenges' localisation and classification, as their evaluation scripts define them.

Source: ``evaluate.py`` of SHREC 2019 (kept in cryoet-deepfinder's examples) and that of 2020. A prediction is looked
up in a volume that holds, at every voxel of a particle, that particle's number. Quirks, each of which has a test:
coordinates are rounded half to even and moved into the volume; the first class that is said about a particle counts;
precision is over all predictions, so that second hits on a particle lower it; a hit may lie far from the centre.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tomoset.benchmark.blocks import Mask, as_mask_source
from tomoset.errors import GeometryError, ParameterError
from tomoset.model import ArraySource

__all__ = ["ShrecScore", "shrec_score"]

Edition = Literal["2019", "2020"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ShrecScore:
    """Localisation and classification.

    Parameters
    ----------
    n_particles, n_predicted : int
    n_found : int
        Particles with any prediction in them: the true positives.
    n_misses : int
        Predictions where there is no particle: what the scripts print as false positives.
    n_multiple : int
        Particles with more than one prediction.
    n_clipped : int
        Predictions outside the volume, which were moved to its border.
    mean_distance : float
        Voxels from the predictions to the centres of the particles they hit: of all hits (2019), or of the first
        prediction in each particle (2020). NaN without hits.
    class_names : tuple of str
    confusion : (k + 1, k + 1) array of int64
        Rows are true classes, columns predicted ones, both with "not found" first; the first row is always 0.
    """

    n_particles: int
    n_predicted: int
    n_found: int
    n_misses: int
    n_multiple: int
    n_clipped: int
    mean_distance: float
    class_names: tuple[str, ...]
    confusion: NDArray[np.int64]

    @property
    def recall(self) -> float:
        """Share of the particles that were found; 0 when there is none."""
        return self.n_found / self.n_particles if self.n_particles else 0.0

    @property
    def miss_rate(self) -> float:
        """Share of the particles that were not found."""
        return 1.0 - self.recall if self.n_particles else 0.0

    @property
    def precision(self) -> float:
        """Particles found over *all* predictions; 0 when there is none."""
        return self.n_found / self.n_predicted if self.n_predicted else 0.0

    @property
    def f1(self) -> float:
        """Harmonic mean of both; 0 when nothing was found (the scripts divide by zero)."""
        return 2 * self.precision * self.recall / (self.precision + self.recall) if self.n_found else 0.0

    def class_f1(self, name: str) -> float:
        """F1 of one class from the confusion matrix; NaN where the class neither is there nor was said."""
        k = self.class_names.index(name) + 1
        row, column, hit = (int(n) for n in (self.confusion[k].sum(), self.confusion[:, k].sum(), self.confusion[k, k]))
        return 2 * hit / (row + column) if row + column else float("nan")


def shrec_score(
    positions_index_zyx: ArrayLike,
    classes: Sequence[str],
    hitbox_zyx: Mask,
    true_centres_index_zyx: ArrayLike,
    true_classes: Sequence[str],
    *,
    edition: Edition = "2019",
) -> ShrecScore:
    """Score predictions in one tomogram.

    Parameters
    ----------
    positions_index_zyx : (n, 3) array of float
        Predicted positions, voxels, in the order in which they were handed in.
    classes : sequence of str
        Their classes.
    hitbox_zyx : ArraySource or (z, y, x) array of unsigned int
        Number 1 … m of the particle that a voxel belongs to, 0 for none.
    true_centres_index_zyx : (m, 3) array of float
        Centres of the particles, in the order of their numbers, voxels.
    true_classes : sequence of str
        Their classes.
    edition : {"2019", "2020"}
        2020 closes holes of the hitboxes by a dilation with the six neighbours, larger numbers first, and takes the
        distance of the first prediction in each particle only.

    Returns
    -------
    ShrecScore

    Raises
    ------
    GeometryError
        If lengths differ, a position is not finite, or the hitbox holds the number of a particle that is not there.
    ParameterError
        If a predicted class is none of the true ones.
    """
    positions = _finite(positions_index_zyx, "predicted positions")
    centres = _finite(true_centres_index_zyx, "true centres")
    if len(positions) != len(classes) or len(centres) != len(true_classes):
        raise GeometryError(
            f"SHREC: expected a class for each of {len(positions)} predictions and {len(centres)} particles, "
            f"found {len(classes)} and {len(true_classes)}"
        )
    names = tuple(sorted(set(true_classes)))
    unknown = sorted(set(classes) - set(names))
    if unknown:
        raise ParameterError(
            f"SHREC: expected the classes {', '.join(names)}, found {', '.join(unknown)}; leave them out"
        )
    hitbox = as_mask_source(hitbox_zyx)
    rounded = np.rint(positions).astype(np.int64)
    clipped = np.clip(rounded, 0, np.array(hitbox.shape) - 1)
    hits = _numbers_at(hitbox, clipped, dilate=edition == "2020")
    if len(hits) and hits.max() > len(centres):
        raise GeometryError(f"SHREC: expected particles 1 to {len(centres)} in the hitboxes, found {hits.max()}")
    return _summed_up(clipped, classes, hits, centres, true_classes, names, rounded, edition)


def _finite(points: ArrayLike, what: str) -> NDArray[np.float64]:
    values = np.asarray(points, dtype=np.float64).reshape(-1, 3)
    if not np.all(np.isfinite(values)):
        raise GeometryError(f"SHREC: expected finite {what}, found NaN or infinity; remove those rows")
    return values


def _numbers_at(hitbox: ArraySource, index_zyx: NDArray[np.int64], *, dilate: bool) -> NDArray[np.int64]:
    """Number of the particle at each place; the largest among it and its six neighbours when dilated."""
    steps = np.concatenate([np.zeros((1, 3), np.int64), np.eye(3, dtype=np.int64), -np.eye(3, dtype=np.int64)])
    found = np.zeros(len(index_zyx), dtype=np.int64)
    order = np.argsort(index_zyx[:, 0], kind="stable")
    for i in order:  # plane by plane, so that a chunked volume is read once
        around = index_zyx[i] + (steps if dilate else steps[:1])
        inside = around[np.all((around >= 0) & (around < np.array(hitbox.shape)), axis=1)]
        low, high = inside.min(axis=0), inside.max(axis=0) + 1
        block = np.asarray(hitbox.read(tuple(slice(int(a), int(b)) for a, b in zip(low, high, strict=True))))
        found[i] = block[tuple((inside - low).T)].max()
    return found


def _summed_up(
    clipped: NDArray[np.int64],
    classes: Sequence[str],
    hits: NDArray[np.int64],
    centres: NDArray[np.float64],
    true_classes: Sequence[str],
    names: tuple[str, ...],
    rounded: NDArray[np.int64],
    edition: Edition,
) -> ShrecScore:
    number = {name: i + 1 for i, name in enumerate(names)}
    said = np.zeros(len(centres), dtype=np.int64)
    times = np.bincount(hits[hits > 0] - 1, minlength=len(centres))
    distances = []
    for i in np.flatnonzero(hits):
        particle = hits[i] - 1
        is_first = said[particle] == 0
        if is_first:
            said[particle] = number[classes[int(i)]]
        if is_first or edition == "2019":
            distances.append(float(np.linalg.norm(clipped[i] - centres[particle])))
    confusion = np.zeros((len(names) + 1, len(names) + 1), dtype=np.int64)
    real = np.array([number[name] for name in true_classes], dtype=np.int64)
    np.add.at(confusion, (real, said), 1)
    return ShrecScore(
        n_particles=len(centres),
        n_predicted=len(clipped),
        n_found=int(np.count_nonzero(times)),
        n_misses=int(np.count_nonzero(hits == 0)),
        n_multiple=int(np.count_nonzero(times > 1)),
        n_clipped=int(np.count_nonzero(np.any(clipped != rounded, axis=1))),
        mean_distance=float(np.mean(distances)) if distances else float("nan"),
        class_names=names,
        confusion=confusion,
    )
