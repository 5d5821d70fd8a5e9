"""Run all benchmarks of one kind and keep their figures: ``python benchmarks/run.py science|speed [--quick] [NAME …]``.

Each script prints one JSON line a figure; the lines go, with one line about the machine, to
``benchmarks/results/<name>.json``. Exits with 1 when a figure misses its bar or a script fails.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent


def machine() -> dict[str, object]:
    """What the figures were measured on."""
    return {"machine": platform.machine(), "cores": os.cpu_count(), "python": platform.python_version()}


def run_script(script: Path, arguments: list[str]) -> tuple[list[dict[str, object]], bool]:
    """Figures of one script, and whether it ended well."""
    done = subprocess.run([sys.executable, str(script), *arguments], capture_output=True, text=True, check=False)
    figures = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    if done.returncode:
        print(done.stderr[-2000:], file=sys.stderr)
    return figures, done.returncode == 0


def main() -> int:
    """Run the scripts one after another: side by side they would disturb each other's clocks."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("kind", choices=("science", "speed"))
    parser.add_argument("names", nargs="*", help="only these")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--seed", type=int, default=1, help="for science")
    options = parser.parse_args()
    arguments = ["--quick"] if options.quick else []
    if options.kind == "science":
        arguments += ["--seed", str(options.seed)]
    results = HERE / "results"
    results.mkdir(exist_ok=True)
    good = True
    for script in sorted((HERE / options.kind).glob("*.py")):
        if options.names and script.stem not in options.names:
            continue
        figures, ended_well = run_script(script, arguments)
        good = good and ended_well and all(figure.get("holds", True) for figure in figures)
        for figure in figures:
            print(json.dumps({"benchmark": script.stem, **figure}, ensure_ascii=False), flush=True)
        document = {"machine": machine(), "arguments": arguments, "figures": figures}
        (results / f"{script.stem}.json").write_text(json.dumps(document, indent=1, ensure_ascii=False), "utf-8")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
