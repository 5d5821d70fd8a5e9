"""The eight ways in which an image of a camera may lie, by SerialEM's code ``RotationAndFlip``.

Codes 0 to 3 turn an image counter-clockwise by 0, 90, 180 and 270°; 4 to 7 do the same after the image was mirrored
left to right (about its y axis). Images here have row 0 at the bottom, y upwards.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tomoset.errors import ParameterError

__all__ = ["N_ORIENTATIONS", "orient_image", "orientation_name"]

N_ORIENTATIONS = 8


def orient_image(image_yx: NDArray[Any], rotation_and_flip: int) -> NDArray[Any]:
    """Mirror and turn an image (y, x), row 0 at the bottom; a view where that is possible.

    Raises
    ------
    ParameterError
        If the code is not 0 to 7.

    Examples
    --------
    >>> orient_image(np.array([[1, 2], [3, 4]]), 1).tolist()  # 1 is at the bottom left; turned, at the bottom right
    [[3, 1], [4, 2]]
    """
    _check(rotation_and_flip)
    mirrored = image_yx[:, ::-1] if rotation_and_flip >= 4 else image_yx
    # np.rot90 turns counter-clockwise where row 0 is at the top, clockwise where it is at the bottom.
    return np.rot90(mirrored, -(rotation_and_flip % 4))


def orientation_name(rotation_and_flip: int) -> str:
    """In words, for messages: ``turned by 90° counter-clockwise after mirroring left to right``."""
    _check(rotation_and_flip)
    turn = 90 * (rotation_and_flip % 4)
    words = [f"turned by {turn}° counter-clockwise"] if turn else []
    words += ["mirrored left to right"] if rotation_and_flip >= 4 else []
    if len(words) == 2:
        return f"{words[0]} after being {words[1]}"
    return words[0] if words else "as it is"


def _check(rotation_and_flip: int) -> None:
    if not 0 <= rotation_and_flip < N_ORIENTATIONS:
        raise ParameterError(f"rotation_and_flip: expected SerialEM's code 0 to 7, found {rotation_and_flip}")
