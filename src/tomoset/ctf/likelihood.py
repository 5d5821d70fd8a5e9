"""How likely a defocus makes the spectra of one image.

The relative spectrum of a row (one height, one sector) is ``background · (1 + A g(k) CTF²(k; D))`` with the row's own
smooth background and a Gaussian envelope g. Powers scatter exponentially, so a mean over m coefficients has the
relative variance 1 / m and, with the amplitude A at its best value, the gain of the log-likelihood over no Thon rings
at all is ``½ (Σ m S M)² / Σ m M²`` for the spectra S and the models M freed from every smooth function of k.

Because that projection is linear, the correlation of every row with every defocus of a grid is one matrix product;
gradients, astigmatism, hands and whole series are then looked up in it.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tomoset.ctf.spectra import INDEPENDENT_SHARE, RingGrid, TileSpectra
from tomoset.model import Optics
from tomoset.physics import ctf

__all__ = ["ENVELOPES", "Correlations", "ModelTable", "correlate", "model_table", "remove_smooth", "whiten"]

Floats = NDArray[np.float64]

# Gaussian envelopes exp(−b k²) of the Thon rings, Å²: from none to rings that end near 15 Å.
ENVELOPES = (0.0, 60.0, 150.0, 350.0)
_BACKGROUND_ORDER = 3


@dataclass(frozen=True, slots=True, eq=False)
class ModelTable:
    """CTF² of every defocus of a grid, freed from smooth functions.

    Parameters
    ----------
    defocus_angstrom : (d,) array of float64
        Even grid.
    models : (e, d, r) array of float64
        For each envelope of ``ENVELOPES``.
    power : (e, d) array of float64
        ``Σ m M²`` over the rings of one tile in one sector.
    grid : RingGrid
    """

    defocus_angstrom: Floats
    models: Floats
    power: Floats
    grid: RingGrid

    @property
    def step_angstrom(self) -> float:
        """Distance of the grid's points."""
        return float(self.defocus_angstrom[1] - self.defocus_angstrom[0])


@dataclass(frozen=True, slots=True, eq=False)
class Correlations:
    """Spectra of one image, correlated with every model: all that the fits need.

    Parameters
    ----------
    values : (e, 2, h, s, d) array of float64
        ``Σ m S M`` of every row; multiply by the number of tiles.
    n_tiles : (2, h) array of float64
    height_step : (h,) array of int
        In steps of the table's defocus grid.
    table : ModelTable
    """

    values: Floats
    n_tiles: Floats
    height_step: NDArray[np.intp]
    table: ModelTable

    def along_defocus(self, envelope: int, hand: int) -> Floats:
        """Gain of the log-likelihood (d,) of each defocus at the image centre, without astigmatism.

        Bins whose local defocus leaves the grid count with the grid's end.
        """
        n_sectors, n_defocus = self.values.shape[3:]
        by_height = np.einsum("bh,bhsd->hd", self.n_tiles, self.values[envelope])
        tiles = self.n_tiles.sum(axis=0)
        product, power = np.zeros(n_defocus), np.zeros(n_defocus)
        index = np.arange(n_defocus)
        for row, n, step in zip(by_height, tiles, self.height_step, strict=True):
            local = np.clip(index + hand * step, 0, n_defocus - 1)
            product += row[local]
            power += n * n_sectors * self.table.power[envelope, local]
        return _gain(product, power)

    def at(
        self, envelope: int, hand: int, defocus_angstrom: float, astigmatism_xy: Floats, halves: tuple[int, ...]
    ) -> float:
        """Gain of the log-likelihood at one defocus with astigmatism ``½ (U − V) (cos 2α, sin 2α)``, Å."""
        table = self.table
        along = astigmatism_xy[0] * np.cos(2 * table.grid.azimuth) + astigmatism_xy[1] * np.sin(2 * table.grid.azimuth)
        place = (defocus_angstrom + along - table.defocus_angstrom[0]) / table.step_angstrom
        place = np.clip(place[None, :] + hand * self.height_step[:, None], 0, len(table.defocus_angstrom) - 1.001)
        low = place.astype(np.intp)
        part = place - low
        rows, sectors = np.ix_(*(np.arange(n) for n in place.shape))
        product, power = 0.0, 0.0
        local_power = (1 - part) * table.power[envelope, low] + part * table.power[envelope, low + 1]
        for half in halves:
            values = self.values[envelope, half]
            local = (1 - part) * values[rows, sectors, low] + part * values[rows, sectors, low + 1]
            product += float(self.n_tiles[half] @ local.sum(axis=1))
            power += float(self.n_tiles[half] @ local_power.sum(axis=1))
        return float(_gain(np.array(product), np.array(power)))


def _gain(product: Floats, power: Floats) -> Floats:
    gain: Floats = 0.5 * INDEPENDENT_SHARE * np.square(np.maximum(product, 0)) / np.maximum(power, 1e-30)
    return gain


def model_table(grid: RingGrid, optics: Optics, defocus_angstrom: Floats) -> ModelTable:
    """Tabulate CTF² on the rings for an even grid of defocus values."""
    frequency = grid.frequency
    squared = np.square(
        ctf(
            frequency[None, :],
            defocus_angstrom[:, None],
            voltage_kv=optics.voltage_kv,
            cs_mm=optics.cs_mm,
            amplitude_contrast=optics.amplitude_contrast,
        )
    )
    damping = np.exp(-np.array(ENVELOPES)[:, None] * np.square(frequency)[None, :])
    models = remove_smooth(damping[:, None, :] * squared[None], grid)
    return ModelTable(defocus_angstrom, models, np.square(models) @ grid.count, grid)


def correlate(spectra: TileSpectra, table: ModelTable) -> Correlations:
    """Correlate the spectra of one image with every model of a table."""
    rows = remove_smooth(whiten(spectra, table.grid), table.grid) * table.grid.count
    values = np.einsum("bhsr,edr->ebhsd", rows, table.models, optimize=True)
    return Correlations(values, spectra.n_tiles, spectra.height_step, table)


def whiten(spectra: TileSpectra, grid: RingGrid) -> Floats:
    """Spectra (2, h, s, r) relative to the image's smooth background, minus one; zero where there are no tiles."""
    filled = spectra.n_tiles > 0
    mean = np.einsum("bh,bhsr->r", spectra.n_tiles, spectra.power) / (spectra.n_tiles.sum() * spectra.power.shape[2])
    basis = _smooth_basis(grid)
    weight = np.sqrt(grid.count)
    level = np.log(np.maximum(mean, 1e-12))
    coefficients, *_ = np.linalg.lstsq(basis * weight[:, None], level * weight, rcond=None)
    relative = spectra.power / np.exp(basis @ coefficients) - 1
    return np.where(filled[:, :, None, None], relative, 0.0)


def remove_smooth(rows: Floats, grid: RingGrid) -> Floats:
    """Subtract from every row (…, r) its best smooth function of frequency, rings weighted by their coefficients."""
    basis, _ = np.linalg.qr(_smooth_basis(grid) * np.sqrt(grid.count)[:, None])
    weighted = rows * np.sqrt(grid.count)
    cleaned: Floats = (weighted - (weighted @ basis) @ basis.T) / np.sqrt(grid.count)
    return cleaned


def _smooth_basis(grid: RingGrid) -> Floats:
    """Legendre polynomials over the range of rings, (r, order + 1)."""
    low, high = grid.frequency[0], grid.frequency[-1]
    return np.polynomial.legendre.legvander(2 * (grid.frequency - low) / (high - low) - 1, _BACKGROUND_ORDER)
