"""Small dots at the two faces of a thick slab, each imaged with the defocus of its own height: no noise, no damage."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from shared.direct_sum import frequency_axes
from tomoset.geometry import TiltGeometry
from tomoset.model import CtfEstimate, InMemory, Optics, Tilt, TiltSeries, stream
from tomoset.physics import ctf

__all__ = ["DEPTH_ANGSTROM", "FACE_ANGSTROM", "PIXEL_ANGSTROM", "dots_at_faces", "dots_on_grid"]

Floats = NDArray[np.float64]
PIXEL_ANGSTROM = 3.0
DEPTH_ANGSTROM = 3000.0
FACE_ANGSTROM = 150.0  # depth of the layer at each face that holds the dots
_SHAPE_YX = (160, 1152)
_SPREAD_ANGSTROM = 2.5
_DEFOCUS_ANGSTROM = 30000.0
_DEPTH_OF_FOCUS_ANGSTROM = 5.0  # heights that share one CTF


def dots_at_faces(seed: int, n: int = 40) -> tuple[TiltSeries, Floats]:
    """Ideal series of 41 views at 300 kV and 3 µm, and the places (2 n, 3) of its dots, the upper face first."""
    rng = stream(seed, "dots")
    places = np.column_stack([rng.uniform(-150, 150, 2 * n), rng.uniform(-150, 150, 2 * n), np.zeros(2 * n)])
    places[:n, 2] = rng.uniform(DEPTH_ANGSTROM / 2 - FACE_ANGSTROM, DEPTH_ANGSTROM / 2, n)
    places[n:, 2] = -rng.uniform(DEPTH_ANGSTROM / 2 - FACE_ANGSTROM, DEPTH_ANGSTROM / 2, n)
    tilt = np.arange(-60.0, 61.0, 3.0)
    geometry = TiltGeometry(
        y_tilt_deg=tilt, z_rot_deg=np.zeros(tilt.size), shift_xy_angstrom=rng.uniform(-20, 20, (tilt.size, 2))
    )
    hand = 1
    landed, heights = geometry.project(places), hand * geometry.height_angstrom(places)
    images = np.stack([_image(xy, height) for xy, height in zip(landed, heights, strict=True)])
    estimate = CtfEstimate(
        defocus_u_angstrom=_DEFOCUS_ANGSTROM,
        defocus_v_angstrom=_DEFOCUS_ANGSTROM,
        astigmatism_deg=0.0,
        score=1.0,
        resolution_angstrom=6.0,
    )
    row = Tilt(
        name="view",
        nominal_tilt_deg=0.0,
        acquisition_order=0,
        dose_e_per_angstrom2=3.0,
        dose_before_e_per_angstrom2=0.0,
        mean_counts=100.0,
        ctf=estimate,
    )
    # The defocus that a series knows is the one at the image's centre.
    shifts = geometry.shift_uv_angstrom()[:, 0]
    at_centre = _DEFOCUS_ANGSTROM + hand * shifts * np.tan(np.deg2rad(tilt))
    rows = [
        replace(
            row,
            name=f"view-{i}",
            nominal_tilt_deg=float(tilt[i]),
            ctf=replace(estimate, defocus_u_angstrom=float(at_centre[i]), defocus_v_angstrom=float(at_centre[i])),
        )
        for i in range(tilt.size)
    ]
    series = TiltSeries(
        run="thick",
        pixel_size_angstrom=PIXEL_ANGSTROM,
        tilts=tuple(rows),
        images_nyx=InMemory((100 * (1 + images)).astype(np.float32)),
        optics=Optics(),
        geometry=geometry,
        defocus_hand=hand,
    )
    return series, places


def _image(landed_xy: Floats, heights: Floats) -> Floats:
    """Contrast of dots, their heights rounded to what shares a CTF."""
    ky, kx = frequency_axes(_SHAPE_YX, PIXEL_ANGSTROM)
    k = np.hypot(ky, kx)
    at = landed_xy + np.array([_SHAPE_YX[1] // 2, _SHAPE_YX[0] // 2]) * PIXEL_ANGSTROM
    layers = np.rint(heights / _DEPTH_OF_FOCUS_ANGSTROM) * _DEPTH_OF_FOCUS_ANGSTROM
    total = np.zeros(k.shape, complex)
    for height in np.unique(layers):
        here = at[layers == height]
        waves = np.exp(-2j * np.pi * ky * here[:, 1]) @ np.exp(-2j * np.pi * kx.T * here[:, 0]).T
        total += waves * ctf(k, _DEFOCUS_ANGSTROM + height, voltage_kv=300.0, cs_mm=2.7, amplitude_contrast=0.07)
    total *= np.exp(-2 * (np.pi * _SPREAD_ANGSTROM * k) ** 2)
    return np.asarray(np.fft.irfft2(total, _SHAPE_YX))


def dots_on_grid(places: Floats, shape_zyx: tuple[int, int, int], origin_xyz: Floats) -> NDArray[np.float32]:
    """Dark dots on voxels of the pixel's size whose index N // 2 lies at ``origin_xyz``."""
    middle = np.array([n // 2 for n in shape_zyx[::-1]])
    index_xyz = (places - origin_xyz) / PIXEL_ANGSTROM + middle
    kz, ky, kx = np.fft.fftfreq(shape_zyx[0]), np.fft.fftfreq(shape_zyx[1]), np.fft.rfftfreq(shape_zyx[2])
    waves = [np.exp(-2j * np.pi * k[:, None] * index_xyz[None, :, axis]) for k, axis in ((kz, 2), (ky, 1), (kx, 0))]
    spectrum = -np.einsum("zn,yn,xn->zyx", *waves, optimize=True)
    squared = kz[:, None, None] ** 2 + ky[None, :, None] ** 2 + kx[None, None, :] ** 2
    spectrum *= np.exp(-2 * (np.pi * _SPREAD_ANGSTROM / PIXEL_ANGSTROM) ** 2 * squared)
    return np.fft.irfftn(spectrum, shape_zyx, axes=(0, 1, 2)).astype(np.float32)
