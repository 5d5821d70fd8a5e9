"""Tilt series of thin random specimens with Poisson noise, small enough to be drawn in a test."""

from dataclasses import replace

import numpy as np
from scipy.ndimage import gaussian_filter

from tomoset.model import InMemory, Tilt, TiltSeries

PIXEL = 8.0
SIDE = 160  # 1280 Å
COUNTS = 150.0


def fine_structure(seed, strength=0.06):
    """Contrast without mean: white, and structures of some 100 Å."""
    rng = np.random.default_rng(seed)
    white = rng.normal(size=(SIDE, SIDE))
    return strength * (white + 4 * gaussian_filter(rng.normal(size=white.shape), 2))


def counted(expected_nyx, seed=0):
    """A series of Poisson counts, odd and even frames apart; nearly one specimen in all views, tilted very little."""
    rng = np.random.default_rng(seed)
    expected = np.maximum(np.asarray(expected_nyx, dtype=np.float64), 0.0)
    odd, even = (rng.poisson(expected / 2).astype(np.float32) for _ in range(2))
    n = len(expected)
    tilts = tuple(
        Tilt(
            name=f"tilt-{i:02d}",
            nominal_tilt_deg=float(angle),
            acquisition_order=i,
            dose_e_per_angstrom2=3.0,
            dose_before_e_per_angstrom2=0.0,
            mean_counts=float((odd[i] + even[i]).mean()),
        )
        for i, angle in enumerate(np.linspace(-9, 9, n))
    )
    return TiltSeries(
        run="TS1",
        pixel_size_angstrom=PIXEL,
        tilts=tilts,
        images_nyx=InMemory(odd + even),
        odd_nyx=InMemory(odd),
        even_nyx=InMemory(even),
    )


def without_halves(series):
    return replace(series, odd_nyx=None, even_nyx=None)
