"""Cost of one series of the paper's size, movies to tomogram: 31 x 10 frames of a K3 at 2.077 Å, tomogram at 8.3 Å.

``python benchmarks/speed/paper_series.py [--seed N] [--project FOLDER] [--quick]``. The recipe ``seven_proteins`` at
``scale=paper`` is simulated first (ten minutes of processor time; ``--project`` takes a project that has its movies
already), then ``tomoset run --until tomogram`` works as a user would start it, on two workers. One JSON line for each
stage and for the whole. ``--quick`` takes the recipe's small scale.
"""

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tomoset.workflow.layout import ProjectLayout
from tomoset.workflow.recipe import read_recipe_file
from tomoset.workflow.records import read_record
from tomoset.workflow.steps import steps_for, steps_until

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # benchmarks/, which holds what its scripts share

from shared.figures import report

WALL_S, GIB = 360.0, 8.0


def tomoset(*arguments: str) -> None:
    """Run a command as a user would."""
    subprocess.run([sys.executable, "-m", "tomoset", *arguments], check=True, stdout=sys.stderr)


def with_movies(folder: Path, seed: int, *, quick: bool) -> Path:
    """Make a project and simulate its movies."""
    project = folder / "project"
    scale = [] if quick else ["--set", "scale=paper"]
    tomoset("init", str(project), "--recipe", "seven_proteins", "--set", f"seed={seed}", "--set", "n_series=1", *scale)
    tomoset("run", str(project), "--until", "movies", "--workers", "2")
    return project


def measure(project: Path, *, quick: bool) -> None:
    """Process the movies and print what each stage and the whole cost."""
    layout = ProjectLayout(project)
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    start = time.perf_counter()
    tomoset("run", str(project), "--until", "tomogram", "--workers", "2")
    wall = time.perf_counter() - start
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    (run,) = layout.runs()
    recipe = read_recipe_file(layout.recipe)
    for step in steps_until(steps_for(recipe), "tomogram", recipe):
        record = read_record(layout, step.name, run)
        if record is not None and step.name != "simulate":
            report(f"{step.name}: processor time", record.cpu_seconds, "s")
            report(f"{step.name}: wall clock", record.wall_seconds, "s")
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    report("movies to tomogram: processor time", cpu, "s")
    report("movies to tomogram: wall clock", wall, "s", None if quick else WALL_S)
    report("movies to tomogram: largest process", after.ru_maxrss / 2**20, "GiB", GIB)


def main() -> None:
    """Simulate where nothing is given, process, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--project", type=Path, help="a project of one series whose movies are there, nothing else")
    parser.add_argument("--quick", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        project = options.project or with_movies(Path(folder), options.seed, quick=options.quick)
        measure(project, quick=options.quick)


if __name__ == "__main__":
    main()
