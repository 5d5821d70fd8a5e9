"""The right Thon ring of every tilt, for each sign of the gradient, by looking everywhere."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tomoset.ctf.likelihood import ENVELOPES, Correlations, ModelTable, correlate, model_table
from tomoset.ctf.params import CtfParams
from tomoset.ctf.series_fit import best_path, parabola_vertex
from tomoset.ctf.spectra import RingGrid, TileSpectra
from tomoset.geometry import TiltGeometry
from tomoset.model import Optics
from tomoset.physics import wavelength_angstrom

__all__ = ["Found", "search_series"]

Floats = NDArray[np.float64]

# Step of the defocus grid: the phase at the finest frequency moves by this many radians from point to point.
_PHASE_STEP_RAD = 0.1
_HANDS = (1, -1, 0)
# Log-likelihood by which the wide search must beat the narrow one before the nominal defocus is given up.
_NOMINAL_ADVANTAGE = 10.0


@dataclass(frozen=True, slots=True, eq=False)
class Found:
    """Defocus (n,) of every tilt for each hand, Å, and the log-likelihood of the whole series."""

    defocus_angstrom: dict[int, Floats]
    gain: dict[int, float]
    range_angstrom: tuple[float, float]


def search_series(
    spectra: Sequence[TileSpectra],
    grid: RingGrid,
    geometry: TiltGeometry,
    optics: Optics,
    used: NDArray[np.bool_],
    nominal_angstrom: Sequence[float | None],
    params: CtfParams,
) -> Found:
    """Search the whole range, or about the nominal defocus if nothing outside is clearly likelier."""
    gradients = geometry.plane_gradient_xy
    table = model_table(grid, optics, _defocus_grid(spectra, grid, gradients, optics, params))
    data = [correlate(s, g, table) for s, g in zip(spectra, gradients, strict=True)]
    voters = np.flatnonzero(used) if used.any() else np.arange(len(data))
    wide = _paths(data, voters, table, params.search_range_angstrom, params)
    narrow_range = _narrow_range(nominal_angstrom, params)
    if narrow_range is None:
        return wide
    narrow = _paths(data, voters, table, narrow_range, params)
    keeps = max(narrow.gain.values()) >= max(wide.gain.values()) - _NOMINAL_ADVANTAGE
    return narrow if keeps else wide


def _narrow_range(nominal_angstrom: Sequence[float | None], params: CtfParams) -> tuple[float, float] | None:
    """Range about the microscope's own target, when that makes sense and the user has given no other."""
    if params.nominal_defocus_angstrom is not None:
        return None
    low, high = params.defocus_min_angstrom, params.defocus_max_angstrom
    sensible = [value for value in nominal_angstrom if value is not None and low <= value <= high]
    if not sensible:
        return None
    middle = float(np.median(sensible))
    half = params.nominal_range_angstrom
    return max(low, middle - half), min(high, middle + half)


def _defocus_grid(
    spectra: Sequence[TileSpectra], grid: RingGrid, gradients: Floats, optics: Optics, params: CtfParams
) -> Floats:
    """Even grid of defocus values that reaches as far as any tile of any tilt can."""
    low, high = params.search_range_angstrom
    reach = max(float(np.abs(s.position_xy_angstrom @ g).max()) for s, g in zip(spectra, gradients, strict=True))
    wavelength = wavelength_angstrom(optics.voltage_kv)
    step = _PHASE_STEP_RAD / (np.pi * wavelength * grid.frequency[-1] ** 2)
    first = max(low - reach, 0.1 * low)
    return first + step * np.arange(int(np.ceil((high + reach - first) / step)) + 1)


def _paths(
    data: Sequence[Correlations],
    voters: NDArray[np.intp],
    table: ModelTable,
    range_angstrom: tuple[float, float],
    params: CtfParams,
) -> Found:
    """Most likely path of every hand, each with the envelope that suits it best."""
    allowed = (table.defocus_angstrom >= range_angstrom[0]) & (table.defocus_angstrom <= range_angstrom[1])
    cost = table.step_angstrom / params.series_step_angstrom
    paths, gains = {}, {}
    for hand in _HANDS:
        best = -np.inf
        for envelope in range(len(ENVELOPES)):
            gain = np.stack([one.along_defocus(envelope, hand) for one in data])
            path = best_path(np.where(allowed, gain, -np.inf), cost)
            reached = float(gain[voters, path[voters]].sum()) - cost * float(np.abs(np.diff(path)).sum())
            if reached > best:
                best = reached
                places = np.array([parabola_vertex(row, int(i)) for row, i in zip(gain, path, strict=True)])
                paths[hand] = table.defocus_angstrom[0] + places * table.step_angstrom
                gains[hand] = reached
    return Found(paths, gains, range_angstrom)
