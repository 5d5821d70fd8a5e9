"""What can be labeled in a simulated tomogram: the ideal observer's d′ as stated beforehand and as a search has it.

For every class d′ from the tomogram's own noise power without and with alignment errors, told to the stage as it would
be by the alignment; and against it the norm of the whitened template times the signal that the search measures on the
particles, before anything is subtracted.

One JSON line a figure. Usage: ``python benchmarks/science/detectability.py --case seven_proteins --seed 1 [--quick]
[--edge 192] [--cache FOLDER]``.
"""

import argparse
import sys
from pathlib import Path

import numpy as np

from tomoset.annotation import TemplateParams, detectability, match_templates
from tomoset.model import Resources, Silent
from tomoset.workflow.molecules import templates

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # benchmarks/, which holds what its scripts share

from shared.figures import report
from shared.tomogram_cases import LabeledCase, labeled_case

ERRORS_ANGSTROM = (0.0, 5.0, 10.0)
# Losses of d′ measured in a seven-protein background: 8 to 13 % at 5 Å of error, 28 to 41 % at 10 Å; in a background
# without a crowd more of the information is fine detail, and more is lost.
LOSSES = {5.0: (0.05, 0.20), 10.0: (0.20, 0.50)}
AMPLITUDE_BAR = 0.15


def stated(case: LabeledCase, error_angstrom: float) -> dict[str, float]:
    """d′ of every class."""
    params = TemplateParams(alignment_envelope_angstrom=error_angstrom)
    found = detectability(
        case.tomogram,
        case.series,
        templates(case.recipe, Path()),
        params,
        resources=Resources(),
        progress=Silent(),
    )
    for item in found:
        report(f"d′ {item.object_name} ({item.verdict}), {error_angstrom:g} Å of error", item.d_prime, "")
    return {item.object_name: item.d_prime for item in found}


def report_amplitude(case: LabeledCase) -> None:
    """The signal that a search measures against that of a weak phase object, which d′ assumes."""
    heavy = [t for t in templates(case.recipe, Path()) if not t.decoy and t.structure.mass_kda >= 250.0]
    labels = match_templates(
        case.tomogram, case.series, heavy, TemplateParams(), resources=Resources(), progress=Silent()
    )
    expected = 2 * 6.526e-4 * case.tomogram.grid.voxel_size_angstrom
    off = abs(labels.notes["signal_amplitude"] / expected - 1)
    report("signal that the search measures, off the weak phase object's by", off, "", AMPLITUDE_BAR)


def main() -> None:
    """State d′ for growing alignment errors."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--case", choices=("three_proteins", "seven_proteins", "cell"), default="three_proteins")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--quick", action="store_true", help="the middle 128 x 128 voxels")
    parser.add_argument("--edge", type=int, default=192)
    parser.add_argument("--cache", type=Path, help="folder of tilt images that earlier calls left")
    options = parser.parse_args()
    edge = 128 if options.quick else options.edge
    aligned: dict[str, float] = {}
    for error in ERRORS_ANGSTROM:
        case = labeled_case(
            options.case,
            options.seed,
            shift_error_angstrom=error,
            lateral_shape_yx=(edge, edge),
            cache=options.cache,
        )
        found = stated(case, error)
        aligned = aligned or found
        if error == 0:
            report_amplitude(case)
        else:
            least, most = LOSSES[error] if options.case == "seven_proteins" else (None, None)
            losses = np.array([1 - found[name] / aligned[name] for name in found])
            report(f"least loss of d′, {error:g} Å of error", losses.min(), "", least, at_least=True)
            report(f"largest loss of d′, {error:g} Å of error", losses.max(), "", most)


if __name__ == "__main__":
    main()
