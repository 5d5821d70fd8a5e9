"""Load a release for training: patches with masks and points, for PyTorch, MONAI, Lightning or plain NumPy."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tomoset.errors import InputMissingError, ParameterError
from tomoset.model import IGNORE, stream
from tomoset.release.mapped_slabs import MappedSlabs

__all__ = ["Patch", "TrainingSet", "load"]

Patch = dict[str, Any]
"""``image`` (1, z, y, x) float32, standardised; ``semantic`` (z, y, x) uint8, 255 where nobody has said; ``points_zyx``
(n, 3) float32 in voxels of the patch; ``labels`` (n,) int64; ``run``; ``start_zyx`` (3,) int64."""

_FEWEST_VOXELS = 8


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Run:
    """One run of the split: its volume, and what is where in it."""

    name: str
    folder: Path
    shape_zyx: tuple[int, int, int]
    points_zyx: NDArray[np.float64]
    labels: NDArray[np.int64]


def load(
    release: str | os.PathLike[str],
    *,
    split: str = "train",
    patch_shape_zyx: tuple[int, int, int] = (64, 64, 64),
    n_patches: int | None = None,
    centred: float = 0.5,
    labels_by: tuple[str, str] | None = None,
    seed: int = 0,
) -> "TrainingSet":
    """Open a release's training data.

    Parameters
    ----------
    release : path
        A release with the layout ``ml`` (or that layout's folder itself).
    split : str
        ``train``, ``validation``, ``test`` …
    patch_shape_zyx : tuple of int
        Voxels of a patch; volumes that are smaller are padded with zeros and with ``IGNORE``.
    n_patches : int or None
        Patches an epoch; None: as many as fill the volumes of the split once.
    centred : float
        Share of patches with a labeled particle somewhere inside, its class drawn evenly; the others lie anywhere.
    labels_by : (user, session) or None
        Whose picks; None takes all.
    seed : int
        Patch ``i`` of epoch ``e`` depends on this number, ``e`` and ``i`` only, whatever the number of workers.

    Returns
    -------
    TrainingSet
        ``torch.utils.data.DataLoader(set, batch_size=4, num_workers=2, collate_fn=set.collate)`` reads it in
        parallel; ``for batch in set.batches(4)`` does without torch.

    Raises
    ------
    InputMissingError
        If it is no release with training data, or the split has no run.
    ParameterError
        If a number is out of range, or nobody of that name labeled anything.
    """
    import pandas as pd

    folder = Path(release)
    folder = folder / "ml" if (folder / "ml").is_dir() else folder
    if not (folder / "runs.parquet").is_file():
        raise InputMissingError(
            f"{release}: expected a release with training data (runs.parquet in ml/), found none; "
            "`tomoset release PROJECT OUT --formats ml` writes them"
        )
    if min(patch_shape_zyx) < _FEWEST_VOXELS or not 0 <= centred <= 1 or (n_patches is not None and n_patches < 1):
        raise ParameterError(
            f"load: expected patches of {_FEWEST_VOXELS} voxels or more, centred from 0 to 1 and n_patches of 1 or "
            f"more, found {patch_shape_zyx}, {centred} and {n_patches}"
        )
    runs = pd.read_parquet(folder / "runs.parquet")
    chosen = runs[runs["split"] == split]
    if chosen.empty:
        known = ", ".join(sorted(set(runs["split"])))
        raise InputMissingError(f"{release}: expected runs of the split {split!r}, found only {known}")
    picks = pd.read_parquet(folder / "picks.parquet")
    if labels_by is not None:
        user, session = labels_by
        picks = picks[(picks["user"] == user) & (picks["session"] == session)]
        if picks.empty:
            raise ParameterError(f"{release}: expected picks by {user}/{session}, found none")
    objects = pd.read_parquet(folder / "objects.parquet")
    opened = tuple(_run(folder, row, picks) for row in chosen.itertuples())
    return TrainingSet(
        runs=opened,
        classes=dict(zip(objects["object"], objects["label"].astype(int), strict=True)),
        voxel_size_angstrom=float(chosen["voxel_size_angstrom"].iloc[0]),
        patch_shape_zyx=patch_shape_zyx,
        n_patches=n_patches or _filling(opened, patch_shape_zyx),
        centred=centred,
        seed=seed,
    )


def _run(folder: Path, row: Any, picks: Any) -> _Run:
    mine = picks[picks["run"] == row.run]
    places = mine[["z", "y", "x"]].to_numpy(dtype=np.float64) / row.voxel_size_angstrom
    return _Run(
        name=row.run,
        folder=folder / row.volume,
        shape_zyx=(int(row.size_z), int(row.size_y), int(row.size_x)),
        points_zyx=places.reshape(-1, 3),
        labels=mine["label"].to_numpy(dtype=np.int64),
    )


def _filling(runs: tuple[_Run, ...], patch_shape_zyx: tuple[int, int, int]) -> int:
    voxels = sum(float(np.prod(run.shape_zyx)) for run in runs)
    return max(1, round(voxels / float(np.prod(patch_shape_zyx))))


class TrainingSet:
    """Patches of one split: indexable, deterministic, and safe to share between worker processes.

    Parameters
    ----------
    runs : tuple
        From :func:`load`.
    classes : dict of str to int
        Label of each class in masks and points.
    voxel_size_angstrom : float
    patch_shape_zyx : tuple of int
    n_patches : int
        Length.
    centred : float
    seed : int
    """

    def __init__(
        self,
        *,
        runs: tuple[_Run, ...],
        classes: dict[str, int],
        voxel_size_angstrom: float,
        patch_shape_zyx: tuple[int, int, int],
        n_patches: int,
        centred: float,
        seed: int,
    ) -> None:
        self.classes = classes
        self.voxel_size_angstrom = voxel_size_angstrom
        self.patch_shape_zyx = patch_shape_zyx
        self.epoch = 0
        self._runs, self._n, self._centred, self._seed = runs, n_patches, centred, seed
        volumes = np.array([float(np.prod(run.shape_zyx)) for run in runs])
        self._shares = volumes / volumes.sum()
        self._open: dict[int, dict[str, Any]] = {}

    def __len__(self) -> int:
        """Number of patches an epoch."""
        return self._n

    @property
    def runs(self) -> tuple[str, ...]:
        """Names of the split's runs."""
        return tuple(run.name for run in self._runs)

    def set_epoch(self, epoch: int) -> None:
        """Other patches from now on; call it before making the workers of an epoch."""
        self.epoch = epoch

    def __getstate__(self) -> dict[str, Any]:
        """Everything but open files, which workers open for themselves."""
        return self.__dict__ | {"_open": {}}

    def __getitem__(self, index: int) -> Patch:
        """Patch ``index`` of this epoch."""
        if not 0 <= index < self._n:
            raise IndexError(index)
        rng = stream(self._seed, "patch", self.epoch, index)
        number = int(rng.choice(len(self._runs), p=self._shares))
        run = self._runs[number]
        start = self._place(run, rng)
        return self._cut(number, start)

    def batches(self, size: int, *, drop_last: bool = False) -> Iterator[Patch]:
        """One epoch in batches, without torch: the arrays that :meth:`collate` makes."""
        for first in range(0, self._n - size + 1 if drop_last else self._n, size):
            yield self.collate([self[i] for i in range(first, min(first + size, self._n))])

    @staticmethod
    def collate(patches: list[Patch]) -> Patch:
        """Stack images and masks; points, labels, runs and starts stay lists, as their lengths differ."""
        stacked: Patch = {name: np.stack([patch[name] for patch in patches]) for name in ("image", "semantic")}
        return stacked | {
            name: [patch[name] for patch in patches] for name in ("points_zyx", "labels", "run", "start_zyx")
        }

    def _place(self, run: _Run, rng: np.random.Generator) -> NDArray[np.int64]:
        shape, patch = np.array(run.shape_zyx), np.array(self.patch_shape_zyx)
        room = np.maximum(shape - patch, 0)
        if len(run.labels) and rng.uniform() < self._centred:
            label = rng.choice(np.unique(run.labels))
            point = run.points_zyx[rng.choice(np.flatnonzero(run.labels == label))]
            start = np.floor(point - rng.uniform(0.1, 0.9, 3) * patch).astype(np.int64)
            return np.clip(start, 0, room)
        return rng.integers(0, room + 1)

    def _arrays(self, number: int) -> dict[str, Any]:
        """Arrays of a run, opened once a process."""
        import zarr

        if number not in self._open:
            folder = self._runs[number].folder
            arrays: dict[str, Any] = dict(zarr.open_group(folder, mode="r").arrays())
            arrays["tomogram"] = MappedSlabs.of(arrays["tomogram"], folder / "tomogram") or arrays["tomogram"]
            self._open[number] = arrays
        return self._open[number]

    def _cut(self, number: int, start: NDArray[np.int64]) -> Patch:
        run, arrays = self._runs[number], self._arrays(number)
        stop = np.minimum(start + self.patch_shape_zyx, run.shape_zyx)
        region = tuple(slice(int(a), int(b)) for a, b in zip(start, stop, strict=True))
        image = np.zeros(self.patch_shape_zyx, dtype=np.float32)
        semantic = np.full(self.patch_shape_zyx, IGNORE, dtype=np.uint8)
        inside = tuple(slice(0, int(b - a)) for a, b in zip(start, stop, strict=True))
        image[inside] = arrays["tomogram"][region]
        if "semantic" in arrays:
            semantic[inside] = arrays["semantic"][region]
        near = np.all((run.points_zyx >= start - 0.5) & (run.points_zyx < stop - 0.5), axis=1)
        return {
            "image": image[None],
            "semantic": semantic,
            "points_zyx": (run.points_zyx[near] - start).astype(np.float32),
            "labels": run.labels[near],
            "run": run.name,
            "start_zyx": start,
        }
