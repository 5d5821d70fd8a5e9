"""The tilt axis from common lines: along the right axis all views share one line of their transforms."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tomoset.alignment.common_frame import Pose, xy_from_uv
from tomoset.alignment.preprocess import Views
from tomoset.alignment.signal_model import amplitude_at
from tomoset.physics import vertex_offset

__all__ = ["AxisSearch", "search_axis"]

Floats = NDArray[np.float64]
Complexes = NDArray[np.complex128]

_PADDING = 2


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class AxisSearch:
    """Result of a common-line search.

    Parameters
    ----------
    axis_deg : float
        Angle with the highest coherence.
    contrast : float
        That coherence minus the median over the angles tried; below about 0.03 the axis is not determined.
    """

    axis_deg: float
    contrast: float


def search_axis(
    views: Views,
    signal_k: Floats,
    pose: Pose,
    *,
    range_deg: float,
    step_deg: float,
    band_angstrom: tuple[float, float],
    slack_angstrom: float,
) -> AxisSearch:
    """Find the axis within ``range_deg`` of the pose's, first in steps of ``step_deg``, then four times finer.

    At each angle every view's line is shifted along the axis, by at most ``slack_angstrom``, to where the other
    views' lines predict it; the score is the weighted mean coherence between different views. With a range of 90°
    nothing is assumed about the views' shifts.
    """
    everything = range_deg >= 90
    transforms = _centred_transforms(views, pose, shrink=not everything)
    lines = _Lines(views=views, transforms=transforms, signal_k=signal_k, band=band_angstrom)
    count = max(1, round(range_deg / step_deg))
    coarse = pose.axis_deg + np.arange(-count, count + (0 if everything else 1)) * step_deg
    scores = np.array([lines.coherence(angle, pose, slack_angstrom, everything) for angle in coarse])
    best = float(coarse[np.argmax(scores)])
    fine = best + np.arange(-4, 5) * step_deg / 4
    fine_scores = np.array([lines.coherence(angle, pose, slack_angstrom, everything) for angle in fine])
    top = int(np.argmax(fine_scores))
    turn = 0.0
    if 0 < top < len(fine) - 1:
        turn = float(vertex_offset(*fine_scores[top - 1 : top + 2]))
    contrast = float(fine_scores[top] - np.median(scores))
    return AxisSearch(axis_deg=float(fine[top] + turn * step_deg / 4), contrast=contrast)


def _centred_transforms(views: Views, pose: Pose, *, shrink: bool) -> NDArray[np.complex64]:
    """Half-plane transforms of the images about their origin, each seen through the same stretch of specimen.

    The window's half width across the axis shrinks by cos t (when the axis is roughly known), because a tilted
    view shows more of the specimen than the view at 0°.
    """
    from scipy import fft

    _, ny, nx = views.images_nyx.shape
    y = (np.arange(ny) - ny // 2)[:, None]
    x = (np.arange(nx) - nx // 2)[None, :]
    c, s = np.cos(np.deg2rad(pose.axis_deg)), np.sin(np.deg2rad(pose.axis_deg))
    half = 0.5 * (nx * c**2 + ny * s**2)
    padded = (_PADDING * ny, _PADDING * nx)
    out = np.empty((views.n, padded[0], padded[1] // 2 + 1), dtype=np.complex64)
    for i, cos in enumerate(views.cos):
        u = c * x + s * y - pose.shift_uv_angstrom[i, 0] / views.pixel_size_angstrom
        inner = 0.9 * half * (cos if shrink else 1.0)
        window = 0.5 + 0.5 * np.cos(np.pi * np.clip((np.abs(u) - inner) / (0.1 * half), 0.0, 1.0))
        canvas = np.zeros(padded, dtype=np.float32)
        canvas[:ny, :nx] = views.images_nyx[i] * window
        canvas = np.roll(canvas, (-(ny // 2), -(nx // 2)), axis=(0, 1))
        out[i] = fft.rfft2(canvas) / np.sqrt(np.square(window).sum())
    return out


class _Lines:
    """Lines through the origin of all views' transforms."""

    def __init__(
        self, *, views: Views, transforms: NDArray[np.complex64], signal_k: Floats, band: tuple[float, float]
    ) -> None:
        self._views = views
        self._transforms = transforms
        _, ny, nx_half = transforms.shape
        self._shape = (ny, 2 * (nx_half - 1))
        coarsest, finest = band
        step = 1.0 / (min(self._shape) / _PADDING * views.pixel_size_angstrom)
        self._k = np.arange(np.ceil(1 / coarsest / step), np.floor(1 / finest / step) + 1) * step
        self._amplitude = amplitude_at(views, signal_k, np.zeros_like(self._k), self._k)

    def coherence(self, axis_deg: float, pose: Pose, slack_angstrom: float, from_scratch: bool) -> float:
        """Weighted mean coherence of the lines along ``axis_deg``, −1 to 1."""
        lines = self._along(axis_deg, pose)
        pixel = self._views.pixel_size_angstrom
        lags = np.arange(-np.ceil(slack_angstrom / pixel), np.ceil(slack_angstrom / pixel) + 1) * pixel
        back = np.exp(2j * np.pi * np.outer(lags, self._k))
        weight = self._amplitude / (1 - self._amplitude**2)
        order = [int(np.argmin(np.abs(self._views.tilt_deg)))] + [i for i, _ in self._views.outward()]
        known = np.zeros(self._views.n, dtype=bool) if from_scratch else np.ones(self._views.n, dtype=bool)
        known[order[0]] = True
        for _ in range(2):
            for i in order:
                others = known.copy()
                others[i] = False
                if not others.any():
                    continue
                reference = (weight[:, others] * lines[:, others]).sum(axis=1)
                score = (back @ (weight[:, i] * lines[:, i] * reference.conj())).real
                lines[:, i] *= back[np.argmax(score)]
                known[i] = True
        return self._score(lines, weight)

    @staticmethod
    def _score(lines: Complexes, weight: Floats) -> float:
        """Pairs' coherence: of all pairs of different views, cross power over power, weighted."""
        own = np.square(weight * np.abs(lines)).sum()
        cross = np.square(np.abs((weight * lines).sum(axis=1))).sum() - own
        bound = np.square((np.abs(weight) * np.abs(lines)).sum(axis=1)).sum() - own
        return float(cross / bound)

    def _along(self, axis_deg: float, pose: Pose) -> Complexes:
        """Lines (k, n) along the axis direction, with the pose's shifts taken out."""
        from scipy import ndimage

        direction = np.array([-np.sin(np.deg2rad(axis_deg)), np.cos(np.deg2rad(axis_deg))])
        if direction[0] < 0:  # the half plane holds kx ≥ 0; the other half of a line is its conjugate
            direction = -direction
        kx, ky = np.outer(direction, self._k)
        ny, nx = self._shape
        pixel = self._views.pixel_size_angstrom
        rows = (ky * ny * pixel) % ny
        columns = kx * nx * pixel
        shift = xy_from_uv(pose.shift_uv_angstrom, pose.axis_deg)
        lines = np.empty((self._k.size, self._views.n), dtype=np.complex128)
        for i, transform in enumerate(self._transforms):
            value = ndimage.map_coordinates(transform, [rows, columns], order=1, mode="grid-wrap", prefilter=False)
            lines[:, i] = value * np.exp(2j * np.pi * (kx * shift[i, 0] + ky * shift[i, 1]))
        return lines
