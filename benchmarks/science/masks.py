"""How much of what hides the specimen is masked, and how much that hides nothing.

The three- and the seven-protein mixture with a film's edge in the field, with gold beads
of 100 Å, and with ice crystals and ethane drops: 400² pixels of 8.308 Å, 31 tilts. What is truly in the way of a
mask's pixel is the projected loss of electrons beyond the ice's (more than 3 %). A masked pixel within 150 Å of it
does not count as masked in vain. That nothing is masked where nothing is in the way, cells and liposomes included,
is measured by ``bad_tilts.py``. The thresholds were chosen on seeds 1 to 3 of the three-protein mixture.

One JSON line a figure, over all seeds, and one a series. Usage: ``python benchmarks/science/masks.py --seed 1
[--seeds 5] [--cache FOLDER] [--quick]``; ``--quick`` takes the three-protein mixture only.
"""

import argparse
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import binary_dilation

from tomoset.curation import MaskParams, find_masks
from tomoset.model import Resources, SeriesTruth, Silent, TiltSeries, stream
from tomoset.specimen import ContaminationParams, FilmParams, GoldParams, IceParams, SpecimenParams

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # benchmarks/, which holds what its scripts share

from shared.figures import report
from shared.kept_series import kept_path
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


def simulate(name: str, kind: str, seed: int, cache: Path | None) -> tuple[TiltSeries, SeriesTruth]:
    """Tilt images of one series, and its truth."""
    run = f"{name.replace('_', '-')}-{kind}-{seed}"
    kept = kept_path(cache, run)
    return small_series(run, name, seed, GOOD, lambda specimen: with_obstacles(specimen, kind, seed), kept)


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


@dataclass(slots=True)
class Area:
    """Pixels of masks: hidden and masked, hidden and missed, masked in vain, free of obstacles."""

    found: int = 0
    missed: int = 0
    vain: int = 0
    free: int = 0

    def add(self, mask: NDArray[np.bool_], true: NDArray[np.bool_]) -> None:
        """Count one view."""
        away = ~binary_dilation(true, iterations=TOLERANCE_PIXELS)
        self.found += int((true & mask).sum())
        self.missed += int((true & ~mask).sum())
        self.vain += int((away & mask).sum())
        self.free += int(away.sum())

    @property
    def found_share(self) -> float:
        """Of what is hidden; 1 where nothing is."""
        return self.found / (self.found + self.missed) if self.found + self.missed else 1.0

    @property
    def vain_share(self) -> float:
        """Of what is free of obstacles."""
        return self.vain / max(self.free, 1)


def measure(name: str, kind: str, seeds: range, cache: Path | None) -> None:
    """Report one kind of obstacle in one mixture."""
    title, total, cpu_s = f"{name}, {kind}", Area(), 0.0
    for seed in seeds:
        series, truth = simulate(name, kind, seed, cache)
        start = time.process_time()
        series = find_masks(series, MaskParams(), resources=Resources(workers=1), progress=Silent())
        cpu_s = max(cpu_s, time.process_time() - start)
        here = Area()
        for view, mask in enumerate(series.masks_nyx if series.masks_nyx is not None else ()):
            true = hidden(series, truth, view)
            here.add(mask, true)
            total.add(mask, true)
        report(f"{title}, seed {seed}: share of its area that is masked", here.found_share, "")
        report(f"{title}, seed {seed}: share of the rest that is masked", here.vain_share, "")
    report(f"{title}: share of its area that is masked", total.found_share, "", 0.9, at_least=True)
    report(f"{title}: share of the rest that is masked", total.vain_share, "", 0.02)
    report(f"{title}: processor time, a series", cpu_s, "s", 5.0)


def main() -> None:
    """Simulate, mask, compare."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--seeds", type=int, default=1, help="how many seeds, from --seed on")
    parser.add_argument("--cache", type=Path, help="folder for simulated tilt images")
    parser.add_argument("--quick", action="store_true")
    options = parser.parse_args()
    for name in ("three_proteins",) if options.quick else ("three_proteins", "seven_proteins"):
        for kind in KINDS:
            measure(name, kind, range(options.seed, options.seed + options.seeds), options.cache)


if __name__ == "__main__":
    main()
