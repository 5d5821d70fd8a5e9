"""Views that go wrong in ways the simulator does not know, planted into the good views of a simulated series.

One view each that shows another place (the stage jumped: the image turned by half a turn, which has the same spectrum,
counts and defocus), that a crystal of ice covers for a fifth to a half of the field, that shows vacuum, and that a
shutter cut to 30 to 65 % of its exposure; and two views recorded at each other's stage angle, 20° apart at least.
"""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from tomoset.model import ArraySource, InMemory, TiltSeries, stream
from tomoset.physics import ICE_MEAN_FREE_PATH_ANGSTROM

__all__ = ["plant_bad_views", "rows_of"]

Halves = NDArray[np.float32]

_ANGLE_APART_DEG = 20.0
_CRYSTAL_SHARE, _CRYSTAL_ANGSTROM = (0.2, 0.5), (2000.0, 5000.0)
_DIM = (0.3, 0.65)


def rows_of(series: TiltSeries, rows: NDArray[np.intp]) -> TiltSeries:
    """Some tilts of a series that is neither masked nor aligned yet, without dose-weighted images."""

    def some(source: ArraySource | None) -> InMemory | None:
        return None if source is None else InMemory(np.asarray(source.read(()))[rows])

    return replace(
        series,
        tilts=tuple(series.tilts[i] for i in rows),
        images_nyx=InMemory(np.asarray(series.images_nyx.read(()))[rows]),
        odd_nyx=some(series.odd_nyx),
        even_nyx=some(series.even_nyx),
        dose_weighted_nyx=None,
    )


def plant_bad_views(series: TiltSeries, thickness_angstrom: float, seed: int) -> tuple[TiltSeries, tuple[str, ...]]:
    """Spoil six views of a good series.

    Parameters
    ----------
    series : TiltSeries
        With odd and even frames.
    thickness_angstrom : float
        Of the ice.
    seed : int

    Returns
    -------
    TiltSeries
    tuple of str
        What each view is: "good", "elsewhere", "crystal", "vacuum", "dim" or "wrong tilt".
    """
    if series.odd_nyx is None or series.even_nyx is None:
        raise SystemExit("expected a series with odd and even frames")
    rng = stream(seed, "bad views", series.run)
    halves = np.stack([np.array(half.read(()), dtype=np.float32) for half in (series.odd_nyx, series.even_nyx)])
    tilt_deg, tilts = series.nominal_tilt_deg, list(series.tilts)
    conditions = ["good"] * len(tilts)
    a, b, *others = _six_rows(tilt_deg, rng)
    halves[:, [a, b]] = halves[:, [b, a]]
    tilts[a], tilts[b] = (replace(tilts[i], motion=tilts[j].motion) for i, j in ((a, b), (b, a)))
    conditions[a] = conditions[b] = "wrong tilt"
    for row, condition in zip(others, ("elsewhere", "crystal", "vacuum", "dim"), strict=True):
        conditions[row] = condition
        if condition == "elsewhere":
            halves[:, row] = halves[:, row, ::-1, ::-1]
        elif condition == "crystal":
            halves[:, row] = _thinned(halves[:, row], _crystal(halves.shape[2:], rng), rng)
        elif condition == "vacuum":
            path = thickness_angstrom / np.cos(np.deg2rad(tilt_deg[row]))
            level = halves[:, row].mean() * np.exp(path / ICE_MEAN_FREE_PATH_ANGSTROM)
            halves[:, row] = rng.poisson(level, halves[:, row].shape)
        else:
            halves[:, row] = _thinned(halves[:, row], np.full(halves.shape[2:], rng.uniform(*_DIM)), rng)
    means = halves.mean(axis=(2, 3), dtype=np.float64).sum(axis=0)
    rows = tuple(replace(tilt, mean_counts=float(mean)) for tilt, mean in zip(tilts, means, strict=True))
    odd, even = halves
    spoiled = replace(
        series, tilts=rows, images_nyx=InMemory(odd + even), odd_nyx=InMemory(odd), even_nyx=InMemory(even)
    )
    return spoiled, tuple(conditions)


def _six_rows(tilt_deg: NDArray[np.float64], rng: np.random.Generator) -> list[int]:
    """Different rows, of which the first two are far enough apart in angle."""
    while True:
        rows = rng.choice(len(tilt_deg), 6, replace=False)
        if abs(tilt_deg[rows[0]] - tilt_deg[rows[1]]) >= _ANGLE_APART_DEG:
            return [int(row) for row in rows]


def _thinned(counts: Halves, share_yx: NDArray[np.float64], rng: np.random.Generator) -> Halves:
    """Counts of which a share arrives, with the noise of so many."""
    lost = np.sqrt(np.maximum(counts, 0) * share_yx * (1 - share_yx))
    return np.asarray(counts * share_yx + lost * rng.standard_normal(counts.shape), dtype=np.float32)


def _crystal(shape_yx: tuple[int, ...], rng: np.random.Generator) -> NDArray[np.float64]:
    """Share of electrons that a lump of ice lets through, which comes in from one side of the field."""
    ny, nx = shape_yx
    y, x = np.mgrid[:ny, :nx]
    direction = rng.uniform(0, 2 * np.pi)
    centre = np.array([ny, nx]) * (0.5 + 0.45 * np.array([np.sin(direction), np.cos(direction)]))
    azimuth = np.arctan2(y - centre[0], x - centre[1])
    waves = sum(rng.normal(0, 0.06) * np.cos(n * azimuth + rng.uniform(0, 2 * np.pi)) for n in range(2, 7))
    distance = np.hypot(y - centre[0], x - centre[1]) / (1 + waves)
    radius = float(np.quantile(distance, rng.uniform(*_CRYSTAL_SHARE)))
    height = rng.uniform(*_CRYSTAL_ANGSTROM) * np.sqrt(np.clip(1 - np.square(distance / radius), 0, None))
    return np.asarray(np.exp(-height / ICE_MEAN_FREE_PATH_ANGSTROM))
