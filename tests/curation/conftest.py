"""A tilt series whose numbers are all as they should be."""

from dataclasses import replace

import numpy as np
import pytest

from tomoset.geometry import Grid, TiltGeometry
from tomoset.model import CtfEstimate, InMemory, MotionTrack, Tilt, TiltSeries, Tomogram

ATTENUATION = 0.4


def _series(n=31) -> TiltSeries:
    rng = np.random.default_rng(4)
    tilt_deg = np.linspace(-45, 45, n)
    counts = 80 * np.exp(-ATTENUATION / np.cos(np.deg2rad(tilt_deg))) * rng.normal(1, 0.01, n)
    rows = tuple(
        Tilt(
            name=f"tilt-{i:02d}",
            nominal_tilt_deg=float(a),
            acquisition_order=i,
            dose_e_per_angstrom2=3.2,
            dose_before_e_per_angstrom2=3.2 * i,
            mean_counts=float(counts[i]),
            motion=MotionTrack(shift_xy_angstrom=np.cumsum(rng.normal(0, 1, (8, 2)), axis=0)),
            ctf=CtfEstimate(
                defocus_u_angstrom=35000.0,
                defocus_v_angstrom=34000.0,
                astigmatism_deg=0.0,
                score=0.5,
                resolution_angstrom=12.0,
            ),
        )
        for i, a in enumerate(tilt_deg)
    )
    geometry = TiltGeometry(
        y_tilt_deg=tilt_deg, z_rot_deg=np.full(n, 85.0), shift_xy_angstrom=rng.normal(0, 40, (n, 2))
    )
    return TiltSeries(
        run="TS1",
        pixel_size_angstrom=5.0,
        tilts=rows,
        images_nyx=InMemory(np.zeros((n, 4, 4), np.float32)),
        geometry=geometry,
        diagnostics={"alignment.marker_error_u_angstrom": 3.0, "alignment.slab_error_u_angstrom": 40.0},
    )


@pytest.fixture
def good_series() -> TiltSeries:
    return _series()


@pytest.fixture
def half_tomogram(good_series) -> Tomogram:
    """Common signal in planes 12 to 35 of 48, noise everywhere."""
    rng = np.random.default_rng(5)
    grid = Grid(shape_zyx=(48, 64, 64), voxel_size_angstrom=20.0)
    signal = np.zeros(grid.shape_zyx)
    coarse = rng.normal(0, 1, (24, 16, 16))
    signal[12:36] = np.repeat(np.repeat(coarse, 4, 1), 4, 2)
    odd, even = (InMemory((signal + 3 * rng.normal(0, 1, signal.shape)).astype(np.float32)) for _ in range(2))
    return Tomogram(
        run="TS1",
        grid=grid,
        volume_zyx=odd,
        odd_zyx=odd,
        even_zyx=even,
        tilt_indices=tuple(range(31)),
        geometry=good_series.geometry,
    )


@pytest.fixture
def change_tilt():
    def change(series, index, **changes):
        return series.with_tilts(replace(t, **changes) if i == index else t for i, t in enumerate(series.tilts))

    return change
