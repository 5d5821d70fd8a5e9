"""The search: how likely each defocus of a wide grid makes the spectra of one image.

The relative spectrum of a row (tiles of one height) is ``background · (1 + A g(k) CTF²(k; D))`` with the row's own
smooth background and a Gaussian envelope g. Powers scatter exponentially, so a mean over m coefficients has the
relative variance 1 / m and, with the amplitude A at its best value, the gain of the log-likelihood over no Thon rings
at all is ``½ (Σ m S M)² / Σ m M²`` for the spectra S and the models M freed from every smooth function of k.

Because that projection is linear, the correlation of every row with every defocus of a grid is one matrix product;
gradients, hands and whole series are then looked up in it. It finds the right ring among all; what the smooth functions
take from the rings biases it by some hundreds of Å, which :mod:`tomoset.ctf.joint_fit` puts right.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tomoset.ctf.spectra import INDEPENDENT_SHARE, RingGrid, TileSpectra
from tomoset.model import Optics
from tomoset.physics import ctf

__all__ = ["ENVELOPES", "Correlations", "ModelTable", "correlate", "model_table", "remove_smooth", "smooth_level"]

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
        ``Σ m M²`` over the rings of one tile.
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
    """Spectra of one image, correlated with every model: all that the search needs.

    Parameters
    ----------
    values : (e, h, d) array of float64
        ``Σ m S M`` of every row; multiply by the number of tiles.
    n_tiles : (h,) array of float64
    height_step : (h,) array of int
        In steps of the table's defocus grid.
    table : ModelTable
    """

    values: Floats
    n_tiles: Floats
    height_step: NDArray[np.intp]
    table: ModelTable

    def along_defocus(self, envelope: int, hand: int) -> Floats:
        """Gain of the log-likelihood (d,) of each defocus at the image centre.

        Bins whose local defocus leaves the grid count with the grid's end.
        """
        n_defocus = self.values.shape[2]
        product, power = np.zeros(n_defocus), np.zeros(n_defocus)
        index = np.arange(n_defocus)
        for row, n, step in zip(self.values[envelope], self.n_tiles, self.height_step, strict=True):
            local = np.clip(index + hand * step, 0, n_defocus - 1)
            product += n * row[local]
            power += n * self.table.power[envelope, local]
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
    return ModelTable(defocus_angstrom, models, np.square(models) @ grid.ring_count, grid)


def correlate(spectra: TileSpectra, gradient_xy: Floats, table: ModelTable) -> Correlations:
    """Correlate the spectra of one image, its tiles sorted by their height, with every model of a table."""
    grid = table.grid
    height = spectra.position_xy_angstrom @ gradient_xy
    steps, group = np.unique(np.round(height / table.step_angstrom).astype(np.intp), return_inverse=True)
    n_tiles = np.bincount(group, weights=spectra.n_tiles).astype(np.float64)
    by_ring = np.einsum("tsr,sr->tr", spectra.power, grid.count) / grid.ring_count
    rows = np.zeros((len(steps), by_ring.shape[1]))
    np.add.at(rows, group, by_ring * spectra.n_tiles[:, None])
    rows /= n_tiles[:, None]
    level = smooth_level(n_tiles @ rows / n_tiles.sum(), grid)
    cleaned = remove_smooth(rows / level - 1, grid) * grid.ring_count
    values = np.einsum("hr,edr->ehd", cleaned, table.models, optimize=True)
    return Correlations(values, n_tiles, steps, table)


def smooth_level(mean: Floats, grid: RingGrid) -> Floats:
    """Smooth positive curve through a radial spectrum."""
    basis = _smooth_basis(grid)
    weight = np.sqrt(grid.ring_count)
    log_level = np.log(np.maximum(mean, 1e-12))
    coefficients, *_ = np.linalg.lstsq(basis * weight[:, None], log_level * weight, rcond=None)
    level: Floats = np.exp(basis @ coefficients)
    return level


def remove_smooth(rows: Floats, grid: RingGrid) -> Floats:
    """Subtract from every row (…, r) its best smooth function of frequency, rings weighted by their coefficients."""
    weight = np.sqrt(grid.ring_count)
    basis, _ = np.linalg.qr(_smooth_basis(grid) * weight[:, None])
    weighted = rows * weight
    cleaned: Floats = (weighted - (weighted @ basis) @ basis.T) / weight
    return cleaned


def _smooth_basis(grid: RingGrid) -> Floats:
    """Legendre polynomials over the range of rings, (r, order + 1)."""
    low, high = grid.frequency[0], grid.frequency[-1]
    return np.polynomial.legendre.legvander(2 * (grid.frequency - low) / (high - low) - 1, _BACKGROUND_ORDER)
