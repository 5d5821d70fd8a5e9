"""Random changes of a training crop that leave its labels true and the missing wedge where it is."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from tomoset.annotation.networks.params import AugmentationParams
from tomoset.annotation.networks.volumes import NormalVolume
from tomoset.model import IGNORE

__all__ = ["Crop", "augment", "flip_crop", "turn_crop"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Crop:
    """A cube of a tomogram with its labels.

    Parameters
    ----------
    values : (n, n, n) array of float32
    points_zyx : tuple of (m, 3) array of float64
        Centres of each class in voxels of the cube; they may lie outside.
    mask : (n, n, n) array of uint8
        Semantic values.
    """

    values: NDArray[np.float32]
    points_zyx: tuple[NDArray[np.float64], ...]
    mask: NDArray[np.uint8]


def augment(
    cut: Callable[[int], Crop],
    crop: int,
    params: AugmentationParams,
    rng: np.random.Generator,
    noise: Sequence[NormalVolume] = (),
) -> Crop:
    """Cut a crop and change it.

    Parameters
    ----------
    cut : callable
        Gives the crop with so many voxels around it.
    crop : int
        Its edge without them.
    params : AugmentationParams
    rng : numpy.random.Generator
    noise : sequence of NormalVolume

    Returns
    -------
    Crop
    """
    turned = params.turn_share > 0 and rng.random() < params.turn_share
    if turned:
        angle = math.radians(params.turn_deg) * rng.uniform(-1, 1)
        # A cube turned by the angle reaches beyond itself by at most half its diagonal's growth.
        margin = math.ceil(crop * math.sqrt(3) / 2 * abs(math.sin(angle))) + 1
        done = turn_crop(cut(margin), crop, _random_axis(rng), angle)
    else:
        done = cut(0)
    if params.flips:
        done = flip_crop(done, tuple(bool(b) for b in rng.integers(0, 2, 3)))
    values = done.values * np.float32(math.exp(params.contrast * rng.standard_normal()))
    values += np.float32(params.offset * rng.standard_normal())
    if noise and params.noise > 0:
        piece = _piece(noise[int(rng.integers(len(noise)))], crop, rng)
        values = values + np.float32(rng.uniform(0, params.noise)) * piece
    return replace(done, values=np.ascontiguousarray(values, dtype=np.float32))


def flip_crop(crop: Crop, axes: tuple[bool, ...]) -> Crop:
    """Mirror the axes that are named."""
    flipped = tuple(i for i, wanted in enumerate(axes) if wanted)
    if not flipped:
        return crop
    last = crop.values.shape[0] - 1
    sign = np.where(axes, -1.0, 1.0)
    return Crop(
        values=np.flip(crop.values, flipped),
        points_zyx=tuple(np.where(axes, last, 0) + sign * points for points in crop.points_zyx),
        mask=np.flip(crop.mask, flipped),
    )


def turn_crop(crop: Crop, edge: int, axis_zyx: NDArray[np.float64], angle: float) -> Crop:
    """Turn what is in a crop about its centre and keep the middle.

    Parameters
    ----------
    crop : Crop
        Larger than the answer.
    edge : int
        Of the answer, voxels; as odd or even as the crop's.
    axis_zyx : (3,) array of float64
        Unit vector.
    angle : float
        Radians.
    """
    from scipy.ndimage import affine_transform

    turn = _rotation(axis_zyx, angle)
    centre = (crop.values.shape[0] - 1) / 2
    new_centre = (edge - 1) / 2
    offset = centre - turn.T @ np.full(3, new_centre)
    shape = (edge, edge, edge)
    values = affine_transform(crop.values, turn.T, offset, output_shape=shape, order=1, mode="nearest")
    mask = affine_transform(crop.mask, turn.T, offset, output_shape=shape, order=0, mode="constant", cval=IGNORE)
    points = tuple((points - centre) @ turn.T + new_centre for points in crop.points_zyx)
    return Crop(values=values, points_zyx=points, mask=mask)


def _rotation(axis: NDArray[np.float64], angle: float) -> NDArray[np.float64]:
    """Rodrigues' formula; in zyx as in xyz but for the sense, which is random here."""
    a, b, c = axis
    cross = np.array([[0, -c, b], [c, 0, -a], [-b, a, 0]])
    return np.asarray(np.eye(3) + math.sin(angle) * cross + (1 - math.cos(angle)) * cross @ cross)


def _random_axis(rng: np.random.Generator) -> NDArray[np.float64]:
    axis = rng.standard_normal(3)
    return np.asarray(axis / np.linalg.norm(axis))


def _piece(volume: NormalVolume, crop: int, rng: np.random.Generator) -> NDArray[np.float32]:
    z, y, x = (int(rng.integers(0, max(n - crop, 0) + 1)) for n in volume.shape)
    return volume.read((z, y, x), (crop, crop, crop))
