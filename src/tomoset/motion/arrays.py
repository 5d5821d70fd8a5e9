"""Where the arrays live and who computes on them: NumPy with compiled loops on the CPU, torch on any device.

This is the only seam between the two: the algorithms above it are written once. Big arrays stay on the device; shifts,
spectra by ring and moments are small and always NumPy.
"""

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from tomoset.errors import ParameterError

__all__ = ["Arrays", "Weights", "numpy_arrays", "select_arrays", "torch_arrays"]

Complexes = NDArray[np.complex64]
Floats = NDArray[np.float64]


class Arrays(Protocol):
    """What motion correction asks of an array library; ``Any`` is that library's array."""

    def array(self, values: NDArray[Any]) -> Any:
        """Bring a NumPy array to the device."""
        ...

    def host(self, values: Any) -> NDArray[Any]:
        """Bring an array back."""
        ...

    def zeros(self, shape: tuple[int, ...], dtype: str) -> Any:
        """Zeros of ``float32`` or ``complex64``."""
        ...

    def stack(self, values: list[Any]) -> Any:
        """Stack along a new first axis."""
        ...

    def rfft2(self, images: Any, width: int) -> Any:
        """The first ``width`` columns of the transform over the last two axes."""
        ...

    def irfft2(self, transforms: Any, shape_yx: tuple[int, int]) -> Any:
        """The inverse of ``rfft2``; may overwrite its input."""
        ...

    def add_aligned(self, frames_ptyx: Any, rows_ptx: Complexes, columns_pty: Complexes, totals_pyx: Any) -> None:
        """Add frames times their phases to the totals."""
        ...

    def cross_moments(
        self, frames_ptyx: Any, totals_pyx: Any, rows_ptx: Complexes, columns_pty: Complexes, weights: "Weights"
    ) -> Floats:
        """See :func:`tomoset.motion._kernels.cross_moments`."""
        ...

    def ring_power(self, transforms_pyx: Any, ring_yx: NDArray[np.int32], n_rings: int) -> Floats:
        """Sum (p, n_rings) of the power over rings."""
        ...

    def warp_add(self, spline_yx: Any, field_xy: Floats, first_yx: tuple[int, int], image_yx: Any) -> None:
        """See :func:`tomoset.motion._kernels.warp_add`."""
        ...


class Weights:
    """Weight of each coefficient (p, y, x), the half (y, x) it belongs to, and the frequencies of its axes."""

    __slots__ = ("half_yx", "kx", "ky", "weight_pyx")

    def __init__(self, weight_pyx: Any, half_yx: Any, kx: NDArray[np.floating], ky: NDArray[np.floating]) -> None:
        self.weight_pyx = weight_pyx
        self.half_yx = half_yx
        self.kx = kx.astype(np.float32)
        self.ky = ky.astype(np.float32)


class _NumpyArrays:
    """The CPU: scipy's transforms and compiled loops."""

    def array(self, values: NDArray[Any]) -> Any:
        return values

    def host(self, values: Any) -> NDArray[Any]:
        return np.asarray(values)

    def zeros(self, shape: tuple[int, ...], dtype: str) -> Any:
        return np.zeros(shape, dtype=dtype)

    def stack(self, values: list[Any]) -> Any:
        return np.stack(values)

    def rfft2(self, images: Any, width: int) -> Any:
        from scipy import fft

        along_x = fft.rfft(images, axis=-1)
        # Columns that nothing needs are not transformed along y: half of that work when pixels are doubled.
        return fft.fft(along_x[..., :width], axis=-2, overwrite_x=True)

    def irfft2(self, transforms: Any, shape_yx: tuple[int, int]) -> Any:
        from scipy import fft

        # In place along y: half the memory of irfft2, and a quarter of its time where memory is fresh.
        along_y = fft.ifft(transforms, axis=-2, overwrite_x=True)
        return fft.irfft(along_y, n=shape_yx[1], axis=-1)

    def add_aligned(self, frames_ptyx: Any, rows_ptx: Complexes, columns_pty: Complexes, totals_pyx: Any) -> None:
        from tomoset.motion import _kernels

        _kernels.add_aligned(frames_ptyx, rows_ptx, columns_pty, totals_pyx)

    def cross_moments(
        self, frames_ptyx: Any, totals_pyx: Any, rows_ptx: Complexes, columns_pty: Complexes, weights: Weights
    ) -> Floats:
        from tomoset.motion import _kernels

        w = weights
        moments: Floats = _kernels.cross_moments(
            frames_ptyx, totals_pyx, rows_ptx, columns_pty, w.weight_pyx, w.half_yx, w.kx, w.ky
        )
        return moments

    def ring_power(self, transforms_pyx: Any, ring_yx: NDArray[np.int32], n_rings: int) -> Floats:
        from tomoset.motion import _kernels

        power: Floats = _kernels.ring_power(transforms_pyx, ring_yx, n_rings)
        return power

    def warp_add(self, spline_yx: Any, field_xy: Floats, first_yx: tuple[int, int], image_yx: Any) -> None:
        from tomoset.motion import _kernels

        _kernels.warp_add(spline_yx, field_xy, first_yx, image_yx)


class _TorchArrays:
    """Any device that torch knows; ``"cpu"`` serves the tests."""

    def __init__(self, device: str) -> None:
        import torch

        self._torch = torch
        self._device = torch.device(device)

    def array(self, values: NDArray[Any]) -> Any:
        return self._torch.as_tensor(np.ascontiguousarray(values), device=self._device)

    def host(self, values: Any) -> NDArray[Any]:
        return np.asarray(values.cpu().numpy())

    def zeros(self, shape: tuple[int, ...], dtype: str) -> Any:
        return self._torch.zeros(shape, dtype=getattr(self._torch, dtype), device=self._device)

    def stack(self, values: list[Any]) -> Any:
        return self._torch.stack(values)

    def rfft2(self, images: Any, width: int) -> Any:
        return self._torch.fft.rfft2(images)[..., :width]

    def irfft2(self, transforms: Any, shape_yx: tuple[int, int]) -> Any:
        return self._torch.fft.irfft2(transforms, s=shape_yx)

    def add_aligned(self, frames_ptyx: Any, rows_ptx: Complexes, columns_pty: Complexes, totals_pyx: Any) -> None:
        rows, columns = self.array(rows_ptx), self.array(columns_pty)
        for t in range(frames_ptyx.shape[1]):
            totals_pyx += frames_ptyx[:, t] * (columns[:, t, :, None] * rows[:, t, None, :])

    def cross_moments(
        self, frames_ptyx: Any, totals_pyx: Any, rows_ptx: Complexes, columns_pty: Complexes, weights: Weights
    ) -> Floats:
        rows, columns = self.array(rows_ptx), self.array(columns_pty)
        kx, ky = self.array(weights.kx), self.array(weights.ky)[:, None]
        n_patches, n_frames = frames_ptyx.shape[:2]
        halves = self._torch.stack([1 - weights.half_yx, weights.half_yx])
        out = np.empty((n_patches, n_frames, 2, 5))
        for t in range(n_frames):
            own = frames_ptyx[:, t] * (columns[:, t, :, None] * rows[:, t, None, :])
            cross = (totals_pyx - own).conj() * own * weights.weight_pyx
            re, im = cross.real, cross.imag
            terms = self._torch.stack([im * kx, im * ky, re * kx * kx, re * kx * ky, re * ky * ky])
            out[:, t] = self.host(self._torch.einsum("mpyx,hyx->phm", terms, halves))
        return out

    def ring_power(self, transforms_pyx: Any, ring_yx: NDArray[np.int32], n_rings: int) -> Floats:
        ring = self.array(ring_yx.astype(np.int64)).ravel()
        power = transforms_pyx.real.double() ** 2 + transforms_pyx.imag.double() ** 2
        sums = [self._torch.bincount(ring, weights=one.ravel(), minlength=n_rings + 1)[:n_rings] for one in power]
        return self.host(self._torch.stack(sums))

    def warp_add(self, spline_yx: Any, field_xy: Floats, first_yx: tuple[int, int], image_yx: Any) -> None:
        (ny, nx), (my, mx) = image_yx.shape, spline_yx.shape
        y, x = (self._torch.arange(n, device=self._device, dtype=self._torch.float64) for n in (ny, nx))
        v, u = ((y - ny // 2) / ny)[:, None], ((x - nx // 2) / nx)[None, :]
        dx, dy = (c[0] + c[1] * u + c[2] * v + c[3] * u * u + c[4] * u * v + c[5] * v * v for c in field_xy.tolist())
        px, py = first_yx[1] + x[None, :] + dx, first_yx[0] + y[:, None] + dy
        ix, iy = px.floor(), py.floor()
        wx, wy = _spline_weights((px - ix).float()), _spline_weights((py - iy).float())
        ix, iy = ix.long(), iy.long()
        for j in range(4):
            row = (iy - 1 + j) % my
            for i in range(4):
                image_yx += wy[j] * wx[i] * spline_yx[row, (ix - 1 + i) % mx]


def _spline_weights(f: Any) -> tuple[Any, Any, Any, Any]:
    """Cubic B-spline at 1 + f, f, 1 − f and 2 − f."""
    g = 1 - f
    return g**3 / 6, 2 / 3 - f * f * (2 - f) / 2, 2 / 3 - g * g * (2 - g) / 2, f**3 / 6


def numpy_arrays() -> Arrays:
    """Arrays of the CPU."""
    return _NumpyArrays()


def select_arrays(device: str) -> Arrays:
    """Arrays of ``Resources.device``.

    Raises
    ------
    ParameterError
        If a device is asked for that torch does not find.
    """
    if device == "cpu":
        return numpy_arrays()
    import torch

    if device.startswith("cuda") and not torch.cuda.is_available():
        raise ParameterError(f"device: expected a CUDA device for {device!r}, torch finds none; use --device cpu")
    return torch_arrays(device)


def torch_arrays(device: str) -> Arrays:
    """Arrays of torch on one of its devices."""
    return _TorchArrays(device)
