"""Volumes for training: one zarr group a run, half precision, in few files.

``ml/SPLIT/RUN.zarr`` (zarr format 3) holds ``tomogram`` (z, y, x; float16, standardised; its attributes ``mean`` and
``scale`` give the density back) and, where there are masks, ``semantic`` (uint8, 255 = nobody said) and ``instance``.
The tomogram's chunks are slabs of 64 whole planes, not compressed: noise does not shrink, and such a file can be
mapped into memory, so that a patch costs no more than its own bytes. Masks, which shrink a hundredfold, lie in
compressed chunks of 64³ in shards of 256³.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from tomoset.formats.atomic import atomic_path
from tomoset.model import ArraySource, Segmentation
from tomoset.release.dataset import ReleaseInfo, RunToRelease

__all__ = ["write_training_volume"]

_CHUNK, _SHARD = 64, 256
_CLIP = 10.0  # standard deviations: half precision must not waste its range on a gold bead


def write_training_volume(root: Path, run: RunToRelease, info: ReleaseInfo) -> tuple[str, ...]:
    """Write one run's group; returns what it leaves out."""
    import zarr

    name = run.series.run
    with atomic_path(root / "ml" / info.split_of(name) / f"{name}.zarr") as folder:
        group = zarr.create_group(folder, zarr_format=3)
        grid = run.tomogram.grid
        group.attrs.update(
            {
                "run": name,
                "split": info.split_of(name),
                "voxel_size_angstrom": grid.voxel_size_angstrom,
                "axes": ["z", "y", "x"],
                "contrast": run.tomogram.contrast,
                "kind": run.tomogram.kind,
            }
        )
        mean, scale = _statistics(run.tomogram.volume_zyx)
        depth, height, width = grid.shape_zyx
        volume = group.create_array(
            "tomogram",
            shape=grid.shape_zyx,
            dtype=np.float16,
            chunks=(min(_CHUNK, depth), height, width),
            compressors=None,
            dimension_names=["z", "y", "x"],
        )
        volume.attrs.update({"mean": mean, "scale": scale})
        for block in _slabs(depth, _CHUNK):
            values = (np.asarray(run.tomogram.volume_zyx.read((block,)), dtype=np.float32) - mean) / scale
            volume[block] = np.clip(values, -_CLIP, _CLIP).astype(np.float16)
        return _write_masks(group, run)


def _write_masks(group: Any, run: RunToRelease) -> tuple[str, ...]:
    """The first mask of classes and the first one of individuals; what else there is becomes a note."""
    notes = []
    written: set[str] = set()
    for labels in run.labels:
        for segmentation in labels.segmentations:
            kind = segmentation.kind
            same_grid = tuple(segmentation.mask_zyx.shape) == run.tomogram.grid.shape_zyx
            if kind in ("semantic", "instance") and kind not in written and same_grid:
                written.add(kind)
                _write_mask(group, kind, segmentation)
            else:
                author = f"{labels.user}/{labels.session}"
                notes.append(f"{run.series.run}: the {kind} mask {segmentation.name} of {author} is not in the volume")
    return tuple(notes)


def _write_mask(group: Any, kind: str, segmentation: Segmentation) -> None:
    z, y, x = segmentation.mask_zyx.shape
    array = _create_mask(group, kind, (z, y, x), np.uint8 if kind == "semantic" else np.uint32)
    for block in _slabs(z, _SHARD):
        array[block] = np.asarray(segmentation.mask_zyx.read((block,)))


def _create_mask(group: Any, name: str, shape_zyx: tuple[int, int, int], dtype: type[np.generic]) -> Any:
    from zarr.codecs import BloscCodec

    chunk = tuple(min(_CHUNK, n) for n in shape_zyx)
    shard = tuple(c * max(1, min(_SHARD, n + c - 1) // c) for c, n in zip(chunk, shape_zyx, strict=True))
    return group.create_array(
        name,
        shape=shape_zyx,
        dtype=dtype,
        chunks=chunk,
        shards=shard,
        compressors=[BloscCodec(cname="lz4", clevel=3, shuffle="shuffle")],
        dimension_names=["z", "y", "x"],
    )


def _slabs(depth: int, step: int) -> Iterator[slice]:
    for start in range(0, depth, step):
        yield slice(start, min(start + step, depth))


def _statistics(source: ArraySource) -> tuple[float, float]:
    """Mean and standard deviation over the volume, slab by slab."""
    total, squares, count = 0.0, 0.0, 0
    for block in _slabs(source.shape[0], _CHUNK):
        for plane in np.asarray(source.read((block,)), dtype=np.float32):
            total += float(plane.sum(dtype=np.float64))
            squares += float(np.vdot(plane, plane))
            count += plane.size
    mean = total / count
    return mean, float(np.sqrt(max(squares / count - mean**2, float(np.finfo(np.float32).tiny))))
