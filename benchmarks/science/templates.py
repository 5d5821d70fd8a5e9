"""How well template matching finds the particles of a simulated three-protein mixture.

The real chain makes the tomograms: packed specimen, simulated movies, motion correction, weighted back-projection.
Geometry and defocus are the true ones unless ``--shift-error`` adds an error to the tilt images' shifts, so that the
figures are those of template matching and not of alignment.

One JSON line a figure. Usage: ``python benchmarks/science/templates.py --seed 0 [--quick] [--tomograms 2]``.
"""

import argparse
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np

from tomoset.annotation import Template, TemplateParams, match_templates, truth_labels
from tomoset.benchmark import confusion, score
from tomoset.microscope import MicroscopeParams
from tomoset.model import (
    Labels,
    PickableObject,
    Resources,
    Score,
    SeriesTruth,
    Silent,
    TiltSeries,
    Tomogram,
    stream,
)
from tomoset.motion import MotionParams, correct_motion
from tomoset.reconstruction import ReconstructionParams, reconstruct
from tomoset.structures import built_in_structure

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # benchmarks/, which holds what its scripts share

from shared.figures import report
from shared.simulated import simulate, with_true_geometry_and_defocus

RADII_ANGSTROM = {"apoferritin": 60.0, "proteasome": 75.0, "pp7-vlp": 140.0}
F1_BARS = {"apoferritin": 0.80, "proteasome": 0.60, "pp7-vlp": 0.80}
CPU_BAR_SECONDS = 90.0


def templates() -> tuple[Template, ...]:
    """The three classes with the radii that set the matching distance."""
    made = []
    for label, (name, radius) in enumerate(RADII_ANGSTROM.items(), 1):
        structure = built_in_structure(name)
        item = PickableObject(name=name, label=label, radius_angstrom=radius, symmetry=structure.symmetry)
        made.append(Template(object=item, structure=structure))
    return tuple(made)


def prepared(run: str, seed: int, *, quick: bool) -> tuple[TiltSeries, SeriesTruth]:
    """Motion-corrected tilt series of the mixture with its true geometry and defocus."""
    params = MicroscopeParams(frame_shape_yx=(448, 480), n_frames=4) if quick else MicroscopeParams()
    movies, truth = simulate(seed, params, run)
    series = correct_motion(movies, MotionParams(), resources=Resources(), progress=Silent())
    return with_true_geometry_and_defocus(series, truth), truth


def misaligned(series: TiltSeries, error_angstrom: float, seed: int) -> TiltSeries:
    """The series with an independent error added to every tilt image's shift, Å rms per axis."""
    geometry = series.geometry
    if geometry is None or error_angstrom == 0:
        return series
    error = stream(seed, "shift error", series.run).normal(0.0, error_angstrom, geometry.shift_xy_angstrom.shape)
    return replace(series, geometry=replace(geometry, shift_xy_angstrom=geometry.shift_xy_angstrom + error))


def report_scores(result: Score) -> None:
    """Print F1, localisation, orientation and average precision of every class."""
    for item in result.classes:
        name = item.object_name
        report(f"F1 {name} ({item.n_truth} particles)", item.f1, "", F1_BARS[name], at_least=True)
        report(f"localisation median {name}", item.localisation_median_angstrom, "angstrom", 6.0)
        report(f"orientation median {name}", item.orientation_median_deg, "degree", 10.0)
        if item.curve is not None:
            report(f"average precision {name}", item.curve.average_precision, "", F1_BARS[name], at_least=True)


def match(series: TiltSeries, truth: SeriesTruth, params: TemplateParams) -> tuple[Labels, Labels, Tomogram, float]:
    """Reconstruct and search one series: picks, truth, tomogram and the CPU seconds of the search."""
    tomogram = reconstruct(series, ReconstructionParams(half_sets=False), resources=Resources(), progress=Silent())
    began = time.process_time()
    picks = match_templates(tomogram, series, templates(), params, resources=Resources(), progress=Silent())
    return picks, truth_labels(truth, tomogram), tomogram, time.process_time() - began


def main() -> None:
    """Simulate, search and score."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--quick", action="store_true", help="one small tomogram")
    parser.add_argument("--tomograms", type=int, default=2)
    parser.add_argument("--shift-error", type=float, default=0.0, help="error of the shifts, Å rms per axis")
    options = parser.parse_args()
    params = TemplateParams()
    picks, truths, seconds = [], [], []
    for number in range(1 if options.quick else options.tomograms):
        series, truth = prepared(f"TS-{number + 1:03d}", options.seed, quick=options.quick)
        series = misaligned(series, options.shift_error, options.seed)
        found, true, tomogram, cpu = match(series, truth, params)
        picks.append(found)
        truths.append(true)
        seconds.append(cpu * 180 * 432 * 384 / float(np.prod(tomogram.grid.shape_zyx)))
    objects = [template.object for template in templates()]
    report_scores(score(picks, truths, objects))
    table = confusion(picks, truths, objects)
    wrong = int(table.counts[:-1, :-1].sum() - np.trace(table.counts[:-1, :-1]))
    report("particles given another class", wrong, "", 0)
    report("search, scaled to 180 x 432 x 384 voxels", float(np.mean(seconds)), "CPU s", CPU_BAR_SECONDS)


if __name__ == "__main__":
    main()
