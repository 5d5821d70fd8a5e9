"""One JSON line a figure, in the form that ``benchmarks/run.py`` collects."""

import json

__all__ = ["report"]


def report(figure: str, value: float, unit: str, bar: float | None = None, *, at_least: bool = False) -> None:
    """Print one figure.

    Parameters
    ----------
    figure : str
        What was measured.
    value : float
    unit : str
        Empty for counts and ratios.
    bar : float or None
        What the value is held against, itself included; None for a figure that is for information.
    at_least : bool
        Whether the value must reach the bar; else it must not exceed it.
    """
    line: dict[str, object] = {"figure": figure, "value": round(float(value), 6), "unit": unit}
    if bar is not None:
        line |= {"bar": bar, "holds": bool(value >= bar if at_least else value <= bar)}
    print(json.dumps(line, ensure_ascii=False), flush=True)
