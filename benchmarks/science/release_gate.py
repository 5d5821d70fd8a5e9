"""How many broken fields the gate catches: one field of a small release is broken at a time.

The manifest is renewed after each break, because its checksums would catch anything. One JSON line a figure.
Usage: ``python benchmarks/science/release_gate.py [--quick]``.
"""

import argparse
import shutil
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # benchmarks/, which holds what its scripts share
sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tests" / "release"))  # the breaks, and what is broken

from release_mutations import MUTATIONS
from small_dataset import a_run, an_info

from shared.figures import report
from tomoset.model import Silent
from tomoset.release import check_release, write_manifest, write_release


def caught(whole: Path, name: str, folder: Path) -> bool:
    """Whether any rule but the manifest finds one break."""
    broken = folder / "broken"
    shutil.rmtree(broken, ignore_errors=True)
    shutil.copytree(whole, broken)
    MUTATIONS[name](broken)
    write_manifest(broken)
    return bool(check_release(broken, private_words=("secretlab",), progress=Silent()))


def main() -> None:
    """Break and check."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--seed", type=int, default=0, help="of the small dataset")
    parser.add_argument("--quick", action="store_true", help="every fifth break")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        whole = folder / "whole"
        runs = [a_run("TS1", options.seed + 1), a_run("TS2", options.seed + 2)]
        write_release(whole, an_info(), iter(runs), n_runs=2, progress=Silent())
        report("findings in an untouched release", len(check_release(whole, progress=Silent())), "", 0)
        names = list(MUTATIONS)[:: 5 if options.quick else 1]
        missed = [name for name in names if not caught(whole, name, folder)]
        for name in missed:
            print(f"missed: {name}", file=sys.stderr)
        report("breaks tried", len(names), "", 12 if options.quick else 60, at_least=True)
        report("share of breaks caught", 1 - len(missed) / len(names), "", 0.95, at_least=True)


if __name__ == "__main__":
    main()
