"""Cost of masks, measurements and verdicts at four sizes of 31 images, and how it grows.

Images of shot noise on thin ice; the last two are K3 images binned by two and whole. CPU seconds of one thread, and the
peak memory of the process so far. ``python benchmarks/speed/curation.py [--quick]``; ``--quick`` takes the smallest
size only.
"""

import argparse
import resource
import sys
import time
from pathlib import Path

from tomoset.curation import CurationParams, find_masks, measure, suggest
from tomoset.model import Resources, Silent

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # benchmarks/, which holds what its scripts share

from shared.figures import report
from shared.noisy_series import noisy_series

SIZES = (
    ((768, 864), 5.0, 10.0),
    ((1023, 1440), 4.154, None),
    ((2046, 2880), 4.154, None),
    ((4092, 5760), 2.077, None),
)


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="the smallest size only")
    options = parser.parse_args()
    sizes = SIZES[:1] if options.quick else SIZES
    params = CurationParams()
    for shape_yx, pixel, bar in sizes:
        series = noisy_series(shape_yx, pixel)
        name = f"31 images of {shape_yx[0]} x {shape_yx[1]} at {pixel:g} Å"
        start = time.process_time()
        series = find_masks(series, params.masks, resources=Resources(workers=1), progress=Silent())
        masked = time.process_time()
        suggest(measure(series), params)
        report(f"{name}: processor time, masks", masked - start, "s")
        report(f"{name}: processor time, measurements and verdict", time.process_time() - masked, "s")
        report(f"{name}: processor time", time.process_time() - start, "s", bar)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
        report(f"{name}: peak memory so far", peak, "GiB")


if __name__ == "__main__":
    main()
