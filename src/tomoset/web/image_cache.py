"""The images that were looked at last, within a limit of bytes."""

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable

import numpy as np
from numpy.typing import NDArray

__all__ = ["ImageCache"]


class ImageCache:
    """Least-recently-used cache of images; one image is computed at a time, so that memory stays bounded.

    Parameters
    ----------
    max_bytes : int
        Of all images together; an image that is larger than this is not kept.
    """

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._images: OrderedDict[Hashable, NDArray[np.float32]] = OrderedDict()
        self._bytes = 0
        self._lock = threading.Lock()

    @property
    def n_bytes(self) -> int:
        """Bytes held now."""
        return self._bytes

    def get(self, key: Hashable, compute: Callable[[], NDArray[np.float32]]) -> NDArray[np.float32]:
        """Image of a key, computed when it is not there."""
        with self._lock:
            if key in self._images:
                self._images.move_to_end(key)
                return self._images[key]
            image = compute()
            self._images[key] = image
            self._bytes += image.nbytes
            while self._bytes > self._max_bytes:
                _, dropped = self._images.popitem(last=False)
                self._bytes -= dropped.nbytes
            return image
