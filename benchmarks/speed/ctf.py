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

from tomoset.ctf import CtfParams, estimate_ctf
from tomoset.model import Resources, Silent

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # benchmarks/, which holds what its scripts share

from shared.figures import report
from shared.noisy_series import noisy_series

SIZES = (((768, 864), 5.0, 8.0), ((1023, 1440), 4.154, None), ((2046, 2880), 4.154, 25.0), ((4092, 5760), 2.077, None))


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="the smallest size only")
    options = parser.parse_args()
    sizes = SIZES[:1] if options.quick else SIZES
    small = noisy_series((512, 512), 5.0)
    estimate_ctf(small, CtfParams(), resources=Resources(), progress=Silent())
    for shape_yx, pixel, bar in sizes:
        series = noisy_series(shape_yx, pixel)
        start = time.process_time()
        estimate_ctf(series, CtfParams(), resources=Resources(), progress=Silent())
        seconds = time.process_time() - start
        name = f"31 images of {shape_yx[0]} x {shape_yx[1]} at {pixel:g} Å"
        report(f"{name}: processor time", seconds, "s", bar)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
        report(f"{name}: peak memory so far", peak, "GiB")


if __name__ == "__main__":
    main()
