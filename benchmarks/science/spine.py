"""The whole spine against the truth: movies to scored labels, at a seed that development did not see.

``python benchmarks/science/spine.py --seed N [--quick]``; ``--quick`` takes the tiny recipe instead of the demo's.
"""

import argparse
import sys
import tempfile
import time
from pathlib import Path

from tomoset.benchmark.processing import measure_processing
from tomoset.workflow.engine import run_project
from tomoset.workflow.label_files import find_voxel_sizes
from tomoset.workflow.layout import ProjectLayout
from tomoset.workflow.progress import QuietMonitor
from tomoset.workflow.project import create_simulated_project
from tomoset.workflow.scoring import score_project
from tomoset.workflow.series_files import load_series
from tomoset.workflow.truth_files import load_truth

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # benchmarks/, which holds what its scripts share

from shared.figures import report

F1_BARS = {"apoferritin": 0.80, "pp7-vlp": 0.80, "proteasome": 0.60}


def processing_figures(layout: ProjectLayout) -> None:
    """Motion, defocus and alignment of every run; the worst run counts."""
    results = [
        measure_processing(load_series(layout.series(run), "series.json"), load_truth(layout.truth(run)))
        for run in layout.runs()
    ]
    voxel = max(size for run in layout.runs() for size in find_voxel_sizes(layout, run))
    shift = max(max(r.shift_u_rms_angstrom, r.shift_v_rms_angstrom) for r in results)
    report("global motion, rms", max(r.motion_rms_pixel for r in results), "px", 0.1)
    report("tilt axis", max(abs(r.axis_error_deg) for r in results), "deg", 0.1)
    report("shifts, rms, gauge-free, of a 10 or 12 Å pixel", shift / voxel, "px", 0.5)
    report("shifts across the axis, rms", max(r.shift_u_rms_angstrom for r in results), "Å", 1.0)
    report("shifts along the axis, rms", max(r.shift_v_rms_angstrom for r in results), "Å", 1.0)
    report("defocus at 0°", max(abs(r.defocus_zero_tilt_relative) for r in results), "relative", 0.03)
    report("defocus, all tilts, rms", max(r.defocus_rms_relative for r in results), "relative", 0.03)


def label_figures(layout: ProjectLayout) -> None:
    """F1 and localisation of every class, pooled over runs."""
    for item in score_project(layout.root, layout.ground_truth).score.classes:
        report(f"F1 of {item.object_name} ({item.n_truth})", item.f1, "", F1_BARS[item.object_name], at_least=True)
        report(
            f"localisation of {item.object_name}, median",
            item.localisation_median_angstrom,
            "Å",
            item.match_radius_angstrom / 2,
        )


def main() -> None:
    """Run the recipe in a temporary folder and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--quick", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        recipe = "tiny" if options.quick else "three_proteins"
        layout = create_simulated_project(Path(folder) / "project", recipe, overrides=(f"seed={options.seed}",))
        started = time.perf_counter()
        outcomes = run_project(layout.root, workers=2, monitor=QuietMonitor())
        for outcome in outcomes:
            if outcome.error:
                raise outcome.error
        cpu = sum(record.cpu_seconds for outcome in outcomes for record in outcome.records)
        report("wall time of all runs on two workers", time.perf_counter() - started, "s", 240)
        report("CPU time of all runs", cpu, "s", 480)
        processing_figures(layout)
        label_figures(layout)


if __name__ == "__main__":
    main()
