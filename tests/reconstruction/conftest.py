"""Ideal tilt series of beads, with the geometry known."""

from collections.abc import Callable

import numpy as np
import pytest

from tomoset.geometry import TiltGeometry
from tomoset.model import CtfEstimate, InMemory, Tilt, TiltSeries

BeadSeries = Callable[..., TiltSeries]


def _bead_images(geometry, shape_yx, pixel, beads_xyz, sigma, depth):
    """Images of Gaussian beads, 100 counts a pixel without them; the projection of a ball is the same in every view."""
    ny, nx = shape_yx
    y = (np.arange(ny) - ny // 2) * pixel
    x = (np.arange(nx) - nx // 2) * pixel
    images = np.ones((geometry.n_tilts, ny, nx))
    for t, positions in enumerate(geometry.project(beads_xyz)):
        for px, py in positions:
            images[t] -= depth * np.outer(
                np.exp(-((y - py) ** 2) / 2 / sigma**2), np.exp(-((x - px) ** 2) / 2 / sigma**2)
            )
    return (100 * images).astype(np.float32)


@pytest.fixture
def bead_series() -> BeadSeries:
    def make(
        *, beads_xyz, axis_deg=0.0, shape_yx=(96, 128), pixel=5.0, sigma=14.0, tilts=None, shifts=0.0, x_tilt=0.0,
        depth=0.1, halves=False, ctf=None, hand=0, beyond=None,
    ) -> TiltSeries:  # fmt: skip
        tilt_deg = np.arange(-60.0, 61.0, 3.0) if tilts is None else np.asarray(tilts, float)
        n = tilt_deg.size
        rng = np.random.default_rng(1)
        geometry = TiltGeometry(
            y_tilt_deg=tilt_deg,
            z_rot_deg=np.full(n, axis_deg),
            shift_xy_angstrom=rng.uniform(-shifts, shifts, (n, 2)),
            x_tilt_deg=np.full(n, x_tilt),
            **(beyond or {}),
        )
        images = _bead_images(geometry, shape_yx, pixel, np.atleast_2d(beads_xyz), sigma, depth)
        rows = tuple(
            Tilt(
                name=f"t{i}",
                nominal_tilt_deg=float(a),
                acquisition_order=i,
                dose_e_per_angstrom2=3.0,
                dose_before_e_per_angstrom2=3.0 * i,
                mean_counts=100.0,
                ctf=None if ctf is None else CtfEstimate(
                    defocus_u_angstrom=ctf, defocus_v_angstrom=ctf, astigmatism_deg=0.0, score=1.0,
                    resolution_angstrom=10.0,
                ),
            )
            for i, a in enumerate(tilt_deg)
        )  # fmt: skip
        half = InMemory(images / 2) if halves else None
        return TiltSeries(
            run="beads", pixel_size_angstrom=pixel, tilts=rows, images_nyx=InMemory(images), odd_nyx=half,
            even_nyx=half, geometry=geometry, defocus_hand=hand,
        )  # fmt: skip

    return make
