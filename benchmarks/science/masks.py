"""How much of what hides the specimen is masked, and how much that hides nothing.

The three-protein mixture, and with all seeds the seven-protein one, with a film's edge in the field, with gold beads
of 100 Å, and with ice crystals and ethane drops: 400² pixels of 8.308 Å, 31 tilts. What is truly in the way of a
mask's pixel is the projected loss of electrons beyond the ice's (more than 3 %). A masked pixel within 150 Å of it
does not count as masked in vain. That nothing is masked where nothing is in the way, cells and liposomes included,
is measured by ``bad_tilts.py``. The thresholds were chosen on seeds 1 to 3 of the three-protein mixture.

One JSON line a figure. Usage: ``python benchmarks/science/masks.py --seed 1 [--seeds 3] [--quick]``; ``--quick``
takes the three-protein mixture only.
"""

import argparse
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import binary_dilation

from tomoset.curation import MaskParams, find_masks
from tomoset.model import Resources, SeriesTruth, Silent, TiltSeries, stream
from tomoset.specimen import ContaminationParams, FilmParams, GoldParams, IceParams, SpecimenParams

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # benchmarks/, which holds what its scripts share

from shared.figures import report
from shared.small_series import GOOD, small_series

KINDS = ("film", "gold", "contamination")
HOLE_RADIUS_ANGSTROM = 6000.0
LOSS = 0.03
TOLERANCE_PIXELS = 3


def with_obstacles(specimen: SpecimenParams, kind: str, seed: int) -> SpecimenParams:
    """Put a kind of obstacle into a specimen; the film's edge runs through a random part of the field."""
    if kind == "gold":
        return replace(specimen, gold=GoldParams(beads_per_square_micrometre=80.0))
    if kind == "contamination":
        contamination = ContaminationParams(crystals_per_square_micrometre=8.0, ethane_per_square_micrometre=4.0)
        return replace(specimen, contamination=contamination)
    rng = stream(seed, "film")
    field = GOOD.frame_shape_yx[0] * GOOD.pixel_size_angstrom
    direction, distance = rng.uniform(0, 2 * np.pi), HOLE_RADIUS_ANGSTROM - rng.uniform(0.0, 0.25) * field
    ice = IceParams(
        hole_radius_angstrom=HOLE_RADIUS_ANGSTROM,
        hole_centre_xy_angstrom=(float(distance * np.cos(direction)), float(distance * np.sin(direction))),
        meniscus_angstrom=300.0,
    )
    return replace(specimen, ice=ice, film=FilmParams(thickness_angstrom=float(rng.uniform(120.0, 300.0))))


def simulate(name: str, kind: str, seed: int) -> tuple[TiltSeries, SeriesTruth]:
    """Tilt images of one series, and its truth."""
    run = f"{name.replace('_', '-')}-{kind}-{seed}"
    return small_series(run, name, seed, GOOD, lambda specimen: with_obstacles(specimen, kind, seed))


def hidden(series: TiltSeries, truth: SeriesTruth, view: int) -> NDArray[np.bool_]:
    """Pixels of the mask of one view in which obstacles take more than 3 % of the electrons."""
    if series.masks_nyx is None:
        raise SystemExit("expected a masked series")
    shape, geometry = series.masks_nyx.shape[1:], truth.geometry.select([view])
    image_yx = series.images_nyx.shape[1:]
    loss, size = np.zeros(shape), np.array(image_yx) * series.pixel_size_angstrom
    for points in truth.specimen.scatterers:
        if points.absorptions_angstrom2 is not None:
            xy = geometry.project(points.positions_angstrom_xyz)[0] / series.pixel_size_angstrom
            rows, columns = (
                np.floor((xy[:, axis] + image_yx[1 - axis] // 2) / image_yx[1 - axis] * shape[1 - axis]).astype(int)
                for axis in (1, 0)
            )
            seen = (rows >= 0) & (rows < shape[0]) & (columns >= 0) & (columns < shape[1])
            np.add.at(loss, (rows[seen], columns[seen]), points.absorptions_angstrom2[seen])
    return np.asarray(loss * shape[0] * shape[1] / size.prod() > LOSS)


def main() -> None:
    """Simulate, mask, compare."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--seeds", type=int, default=1, help="how many seeds, from --seed on")
    parser.add_argument("--quick", action="store_true")
    options = parser.parse_args()
    for name in ("three_proteins",) if options.quick else ("three_proteins", "seven_proteins"):
        for kind in KINDS:
            found = missed = vain = free = 0
            cpu_s = 0.0
            for seed in range(options.seed, options.seed + options.seeds):
                series, truth = simulate(name, kind, seed)
                start = time.process_time()
                series = find_masks(series, MaskParams(), resources=Resources(workers=1), progress=Silent())
                cpu_s = max(cpu_s, time.process_time() - start)
                for view, mask in enumerate(series.masks_nyx if series.masks_nyx is not None else ()):
                    true = hidden(series, truth, view)
                    away = ~binary_dilation(true, iterations=TOLERANCE_PIXELS)
                    found, missed = found + int((true & mask).sum()), missed + int((true & ~mask).sum())
                    vain, free = vain + int((away & mask).sum()), free + int(away.sum())
            title = f"{name}, {kind}"
            report(f"{title}: share of its area that is masked", found / (found + missed), "", 0.9, at_least=True)
            report(f"{title}: share of the rest that is masked", vain / free, "", 0.02)
            report(f"{title}: processor time, a series", cpu_s, "s", 5.0)


if __name__ == "__main__":
    main()
