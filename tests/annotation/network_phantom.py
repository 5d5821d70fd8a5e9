"""A tiny world of two classes, balls and shells, that a network learns in seconds."""

import numpy as np

from tomoset.geometry import Grid, TiltGeometry
from tomoset.model import InMemory, Labels, PickableObject, Picks, Segmentation, Tomogram, stream

VOXEL = 10.0
BALL = PickableObject(name="ball", label=1, radius_angstrom=40.0)
SHELL = PickableObject(name="shell", label=3, radius_angstrom=60.0)
CLASSES = (BALL, SHELL)


def tomogram_of(volume, *, run="TS1", contrast="dark", voxel=VOXEL):
    angles = np.arange(-45.0, 46.0, 15.0)
    zero = np.zeros(len(angles))
    geometry = TiltGeometry(
        y_tilt_deg=angles,
        z_rot_deg=zero,
        shift_xy_angstrom=np.zeros((len(angles), 2)),
    )
    return Tomogram(
        run=run,
        grid=Grid(shape_zyx=volume.shape, voxel_size_angstrom=voxel),
        volume_zyx=InMemory(volume),
        contrast=contrast,
        tilt_indices=tuple(range(len(angles))),
        geometry=geometry,
    )


def world(seed, shape=(40, 96, 96), n=24, noise=0.5, run="TS1"):
    """A tomogram (protein dark), its true picks, and the semantic mask."""
    rng = stream(seed, "world")
    centres = _apart(rng, shape, n)
    zyx = np.stack(np.meshgrid(*(np.arange(m) for m in shape), indexing="ij"), axis=-1)
    volume = rng.normal(0, noise, shape)
    mask = np.zeros(shape, dtype=np.uint8)
    for i, centre in enumerate(centres):
        r = np.linalg.norm(zyx - centre, axis=-1)
        inside = r < 3.0 if i % 2 == 0 else (r > 3.5) & (r < 5.5)
        volume[inside] -= 2.0
        mask[inside] = CLASSES[i % 2].label
    picks = tuple(
        Picks(object_name=item.name, positions_angstrom_xyz=centres[k::2, ::-1] * VOXEL)
        for k, item in enumerate(CLASSES)
    )
    labels = Labels(
        run=run,
        user="ground-truth",
        session="0",
        voxel_size_angstrom=VOXEL,
        picks=picks,
        segmentations=(Segmentation(name="semantic", mask_zyx=InMemory(mask), voxel_size_angstrom=VOXEL),),
    )
    return tomogram_of(volume.astype(np.float32), run=run), labels, mask


def _apart(rng, shape, n):
    centres = []
    while len(centres) < n:
        candidate = rng.uniform(6, np.array(shape) - 7)
        if all(np.linalg.norm(candidate - other) > 12 for other in centres):
            centres.append(candidate)
    return np.array(centres)
