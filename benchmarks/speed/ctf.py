"""Cost of CTF estimation at four sizes of 31 images, and how it grows.

Images of shot noise with the Thon rings of thin ice at one defocus; the last two are K3 images binned by two and
whole. CPU seconds of one thread after a warm-up that compiles, and the peak memory of the process so far.
``python benchmarks/speed/ctf.py [--quick]``; ``--quick`` takes the smallest size only.
"""

import argparse
import resource
import sys
import time
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tomoset.ctf import CtfParams, estimate_ctf
from tomoset.model import ArraySource, Optics, Resources, Silent, Tilt, TiltSeries, stream
from tomoset.physics import ctf_2d

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # benchmarks/, which holds what its scripts share

from shared.figures import report

COUNTS = 50.0
SIZES = (((768, 864), 5.0, 8.0), ((1023, 1440), 4.154, None), ((2046, 2880), 4.154, 25.0), ((4092, 5760), 2.077, None))


class RepeatedImage:
    """One image under every tilt, so that memory holds one."""

    def __init__(self, image_yx: NDArray[np.float32], n_tilts: int) -> None:
        self._image = image_yx
        self.shape = (n_tilts, *image_yx.shape)
        self.dtype = image_yx.dtype

    def read(self, region: tuple[int | slice, ...] = ()) -> NDArray[np.float32]:
        """Return the image, whichever is asked for."""
        return self._image if region else np.broadcast_to(self._image, self.shape)


def series_of(shape_yx: tuple[int, int], pixel: float) -> TiltSeries:
    """31 tilts of one noisy image."""
    rng, optics = stream(1, "ctf speed", *shape_yx), Optics()
    transfer = ctf_2d(
        shape_yx,
        pixel,
        35000.0,
        voltage_kv=optics.voltage_kv,
        cs_mm=optics.cs_mm,
        amplitude_contrast=optics.amplitude_contrast,
    )
    contrast = np.fft.irfft2(np.fft.rfft2(0.06 * rng.standard_normal(shape_yx)) * transfer, s=shape_yx)
    image = rng.poisson(np.clip(COUNTS * (1 + contrast), 0, None)).astype(np.float32)
    angles = np.arange(-45.0, 46.0, 3.0)
    tilts = tuple(
        Tilt(
            name=f"tilt{i}",
            nominal_tilt_deg=float(angle),
            acquisition_order=i,
            dose_e_per_angstrom2=3.2,
            dose_before_e_per_angstrom2=3.2 * i,
            mean_counts=COUNTS,
        )
        for i, angle in enumerate(angles)
    )
    source: ArraySource = RepeatedImage(image, len(tilts))
    return TiltSeries(
        run="TS1", pixel_size_angstrom=pixel, tilts=tilts, images_nyx=source, nominal_tilt_axis_deg=85.3, optics=optics
    )


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="the smallest size only")
    options = parser.parse_args()
    sizes = SIZES[:1] if options.quick else SIZES
    small = series_of((512, 512), 5.0)
    estimate_ctf(small, CtfParams(), resources=Resources(), progress=Silent())
    for shape_yx, pixel, bar in sizes:
        series = series_of(shape_yx, pixel)
        start = time.process_time()
        estimate_ctf(series, CtfParams(), resources=Resources(), progress=Silent())
        seconds = time.process_time() - start
        name = f"31 images of {shape_yx[0]} x {shape_yx[1]} at {pixel:g} Å"
        report(f"{name}: processor time", seconds, "s", bar)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
        report(f"{name}: peak memory so far", peak, "GiB")


if __name__ == "__main__":
    main()
