"""Alignments through other programs' files: how far a point of the specimen moves in the images, pixels.

Random series (41 tilts of 1000 × 1200 pixels of 2.3 Å, axis at any angle, shifts of 40 Å, four tilts not used) are
written as every program keeps them and imported again; the largest error over used tilts and 200 points of a slab of
200 nm is held against a thousandth of a pixel. Second, with magnification (0.1 %) and motion within the field (20 Å at
the edges): ``.aln`` must hold both, ``.xf`` the first. Third, tilts whose ``use`` came back wrong. Last, real
alignments in ``shared/data`` beside the checkout, each through another program's file.

One JSON line a figure. Usage: ``python benchmarks/science/exchange.py --seed 1 [--quick]``.
"""

import argparse
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tomoset.geometry import TiltGeometry
from tomoset.model import InMemory, Tilt, TiltSeries
from tomoset.release import write_exchange_files
from tomoset.workflow.alignment_conversion import convert_alignment
from tomoset.workflow.alignment_import import apply_alignment, keep_alignment
from tomoset.workflow.foreign_alignments import read_alignment
from tomoset.workflow.layout import ProjectLayout

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # benchmarks/, which holds what its scripts share

from shared.figures import report

N, PIXEL, SHAPE = 41, 2.3, (1000, 1200)
BAR = 1e-3
FILES = {
    "IMOD .xf": "TS1.xf",
    "AreTomo .aln": "TS1.aln",
    "Warp .xml": "TS1.xml",
    "Warp .tomostar": "TS1.tomostar",
    "data portal .json": "TS1_portal.json",
    "RELION 5 .star": "relion/tilt_series/TS1.star",
}
REAL = Path(__file__).resolve().parents[3] / "shared" / "data"


def a_series(rng: np.random.Generator, *, bent: bool) -> TiltSeries:
    """A random aligned series."""
    tilts = np.linspace(-60, 60, N)
    order = np.argsort(np.argsort(np.abs(tilts) + (tilts < 0) * 1e-3))
    unused = rng.choice(N, 4, replace=False)
    shift, field = rng.normal(0, 40, (N, 2)), np.zeros((N, 2, 6))
    shift[unused] = 0
    field[:, :, 3:] = rng.normal(0, 12, (N, 2, 3))
    return TiltSeries(
        run="TS1",
        pixel_size_angstrom=PIXEL,
        tilts=tuple(
            Tilt(
                name=f"TS1_{order[i]:03d}_{tilts[i]:.1f}.eer",
                nominal_tilt_deg=float(tilts[i]),
                acquisition_order=int(order[i]),
                dose_e_per_angstrom2=3.0,
                dose_before_e_per_angstrom2=3.0 * order[i],
                mean_counts=5.0,
                use=i not in unused,
                reason="not used" if i in unused else "",
            )
            for i in range(N)
        ),
        images_nyx=InMemory(np.broadcast_to(np.float32(0), (N, *SHAPE))),
        geometry=TiltGeometry(
            y_tilt_deg=tilts + rng.normal(0, 0.1, N),
            z_rot_deg=rng.uniform(-180, 180) + rng.normal(0, 0.1, N),
            shift_xy_angstrom=shift,
            magnification=1 + rng.normal(0, 1e-3, N) if bent else None,
            field_xy_angstrom=field if bent else None,
            field_unit_angstrom=0.5 * max(SHAPE) * PIXEL if bent else 1.0,
        ),
    )


def moved_px(a: TiltGeometry, b: TiltGeometry, rows: NDArray[np.intp], rng: np.random.Generator) -> float:
    """Largest distance of a point's two images, pixels."""
    half = 0.5 * min(SHAPE) * PIXEL
    points = rng.uniform(-half, half, (200, 3)) * [0.7, 0.7, 0.0] + rng.uniform(-1000, 1000, (200, 1)) * [0, 0, 1]
    return float(np.abs(a.project(points) - b.project(points))[rows].max()) / PIXEL


def imported(folder: Path, series: TiltSeries, name: str) -> TiltSeries:
    """The series with the alignment that a project takes from one of the exported files."""
    layout = ProjectLayout(folder / f"project of {Path(name).name}")
    kept = layout.alignment("TS1")
    keep_alignment(kept, folder / name, PIXEL, (), kept)
    found = apply_alignment(
        layout, replace(series, geometry=None, tilts=tuple(replace(t, use=True, reason="") for t in series.tilts))
    )
    if found is None:
        raise SystemExit("an alignment that was kept should be applied")
    return found


def simulated(rng: np.random.Generator, rounds: int) -> None:
    """Write, read back, compare."""
    worst: dict[str, float] = {}
    wrong = 0
    for _ in range(rounds):
        for bent, names in ((False, tuple(FILES)), (True, ("IMOD .xf", "AreTomo .aln"))):
            series = a_series(rng, bent=bent)
            whole = series.geometry
            if whole is None:
                raise SystemExit("the series should be aligned")
            with tempfile.TemporaryDirectory() as folder:
                write_exchange_files(Path(folder), series, "")
                for name in names:
                    found = imported(Path(folder), series, FILES[name])
                    wrong += sum(a.use != b.use for a, b in zip(found.tilts, series.tilts, strict=True))
                    held = replace(whole, field_xy_angstrom=None) if name == "IMOD .xf" else whole
                    said = f"{name}{', magnified' * bent}{' and bent' * (bent and name != 'IMOD .xf')}"
                    if found.geometry is None:
                        raise SystemExit("an imported alignment should have a geometry")
                    off = moved_px(found.geometry, held, series.used, rng)
                    worst[said] = max(worst.get(said, 0.0), off)
    for said, off in worst.items():
        report(f"{said}: largest error after export and import", off, "px", BAR)
    report("tilts whose use came back wrong", wrong, "", 0)


def real(rng: np.random.Generator) -> None:
    """Real files of each program through another's."""
    sources = {
        "AreTomo's SHREC 21 model_0.aln": (REAL / "aretomo" / "shrec21" / "model_0.aln", ".xml"),
        "Warp's gs04_ts_003.xml": (REAL / "relion" / "pytom_match_pick" / "gs04_ts_003.xml", ".json"),
        "RELION's TS_01.star": (
            REAL / "relion" / "relion5_import_TS_01" / "AlignTiltSeries" / "tilt_series" / "TS_01.star",
            ".aln",
        ),
        "eTomo's mixedCTEM_tomo1.xf": (REAL / "imod" / "empiar10064_tomo1" / "mixedCTEM_tomo1.xf", ".aln"),
    }
    for name, (source, suffix) in sources.items():
        if not source.is_file():
            print(f"{name} skipped: no shared/data beside the checkout", file=sys.stderr)
            continue
        size = (4096, 4096)
        first = read_alignment(source, PIXEL, size)
        with tempfile.TemporaryDirectory() as folder:
            middle = Path(folder) / f"middle{suffix}"
            convert_alignment(source, middle, PIXEL, first.image_size_xy or size)
            second = read_alignment(middle, PIXEL, size)
        rows = np.flatnonzero(first.use)
        off = moved_px(first.geometry, second.local_geometry or second.geometry, rows, rng)
        report(f"{name} through {suffix}: largest error", off, "px", BAR)


def main() -> None:
    """Random series, then real files."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--quick", action="store_true")
    options = parser.parse_args()
    rng = np.random.default_rng(options.seed)
    simulated(rng, 1 if options.quick else 5)
    real(rng)


if __name__ == "__main__":
    main()
