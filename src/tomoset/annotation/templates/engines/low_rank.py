"""A basis for all rotations of a template: few functions whose sums are every rotated, weighted template.

What is correlated with the tomogram is linear in the rotated template, weighting and normalisation included, so that
correlating with the basis is enough: ``⟨V, u_R⟩ = Σ_k c_k(R) ⟨V, B_k⟩``. The only approximation is the energy of the
templates that the basis leaves out. How many functions that takes depends on the template, the band and the missing
wedge, and not on how finely rotations are spaced.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tomoset.annotation.templates.template_spectrum import TemplateSpectrum
from tomoset.annotation.templates.transfer import box_frequencies
from tomoset.model import stream

__all__ = ["LowRank", "box_edge", "low_rank", "weighted_templates"]

Floats = NDArray[np.float64]
Floats32 = NDArray[np.float32]

_BANK = 500
_LARGE_BANK = 1200
_MOST_OF_BANK = 0.25  # a basis nearly as large as its bank holds the bank and not the others
_CHUNK = 256
_TEMPLATES_MEASURED = 16
_BEYOND_REACH = 0.01
_BEYOND_BOX = 3e-4
_TAPER_STEPS = 3
_FRINGE_ANGSTROM = 80.0
_MAP_SHARE = 1 / 3  # of a template spectrum's length that the molecule's map takes


@dataclass(frozen=True, slots=True, eq=False)
class LowRank:
    """The rotations of a template in few functions.

    Parameters
    ----------
    boxes : (k, n, n, n) array of float32
        The functions in real space before weighting, centre at index 0; weighted, they are about orthonormal.
    coefficients : (r, k) array of float32
        Of every rotation, such that its scores have unit variance where there is only white noise.
    norms : (r,) array of float64
        Norm of the whole weighted template.
    left_out : (r,) array of float64
        Share of a template's energy that the functions do not hold.
    reach_zyx : tuple of int
        Voxels to either side of a place that its score depends on: along each axis all but one per cent of the
        weighted templates' energy lies within. It is short along the tilt axis, across which fringes spread.
    """

    boxes: Floats32
    coefficients: Floats32
    norms: Floats
    left_out: Floats
    reach_zyx: tuple[int, int, int]

    @property
    def rank(self) -> int:
        """Number of functions."""
        return len(self.boxes)


def box_edge(template: TemplateSpectrum, voxel_size_angstrom: float) -> int:
    """Voxels, even, of a box that holds a template and the fringes that the weights give it."""
    diameter = template.length_angstrom * _MAP_SHARE
    return 2 * int(np.ceil((diameter / 2 + _FRINGE_ANGSTROM) / voxel_size_angstrom))


@dataclass(frozen=True, slots=True, eq=False)
class _Points:
    """Frequencies of a box's half grid that a template is read at.

    ``inside`` marks them on the grid; ``weighted`` marks those of them that carry weight, ``weight`` theirs with the
    square root of how often they count in the whole grid.
    """

    n: int
    inside: NDArray[np.bool_]
    k_xyz: Floats32
    taper: Floats32
    weighted: NDArray[np.bool_]
    weight: Floats32


def _points(weight_zyx: Floats32, voxel_size_angstrom: float) -> _Points:
    n = len(weight_zyx)
    k_xyz = box_frequencies(n, voxel_size_angstrom)
    k = np.linalg.norm(k_xyz, axis=-1)
    step = 1 / (n * voxel_size_angstrom)
    edge = float(k[weight_zyx != 0].max(initial=0.0))
    inside = k < edge + _TAPER_STEPS * step
    taper = 0.5 + 0.5 * np.cos(np.pi * np.clip((k - edge) / (_TAPER_STEPS * step), 0, 1))
    column = np.arange(n // 2 + 1)
    count = np.where((column == 0) | (column == n // 2), 1.0, 2.0)
    weighted = weight_zyx[inside] != 0
    scaled = (weight_zyx * np.sqrt(count))[inside][weighted]
    return _Points(
        n,
        inside,
        k_xyz[inside].astype(np.float32),
        taper[inside].astype(np.float32),
        weighted,
        scaled.astype(np.float32),
    )


def low_rank(
    template: TemplateSpectrum,
    rotations: Floats,
    weight_zyx: Floats32,
    finer_weight_zyx: Floats32,
    voxel_size_angstrom: float,
    *,
    left_out: float,
) -> LowRank:
    """Find the functions, and every rotation's coefficients.

    Parameters
    ----------
    template : TemplateSpectrum
    rotations : (r, 3, 3) array of float64
        Particle -> tomogram.
    weight_zyx : (n, n, n // 2 + 1) array of float32
        What templates are multiplied with, on the ``rfftn`` grid of a box that holds them.
    finer_weight_zyx : (m, m, m // 2 + 1) array of float32
        The same for a larger box: on a volume's finer grid the weights between a box's frequencies count too.
    voxel_size_angstrom : float
    left_out : float
        Mean share of the energy of normalised templates that may be lost.

    Returns
    -------
    LowRank

    Notes
    -----
    The functions are the leading eigenvectors of the correlations between 500 or, where the rank is high, 1200 rotated,
    weighted, normalised templates. They are combinations of the templates *before* weighting, so that the volume's own
    weights can be applied to them on its own grid.
    """
    points = _points(weight_zyx, voxel_size_angstrom)
    for size in (_BANK, _LARGE_BANK):
        chosen = np.arange(len(rotations))
        if len(rotations) > size:
            chosen = np.sort(stream(0, "bank of rotations").choice(len(rotations), size, replace=False))
        bank = _read(template, rotations[chosen], points.k_xyz)
        values, vectors, norms = _principal(bank, points, left_out)
        if len(values) < _MOST_OF_BANK * size or len(chosen) == len(rotations):
            break
    mixing = (vectors / np.sqrt(values) / norms[:, None]).T.astype(np.float32)
    spectra = mixing @ bank.view(np.float32)  # real mixing of real and imaginary parts
    functions: NDArray[np.complex64] = np.ascontiguousarray(spectra).view(np.complex64)
    weighted = np.ascontiguousarray(functions[:, points.weighted] * points.weight).view(np.float32)
    coefficients, all_norms = _coefficients(template, rotations, points, weighted)
    boxes = _cropped(_real_boxes((functions * points.taper).astype(np.complex64), points.inside, points.n))
    products = _products(boxes, finer_weight_zyx)
    spread = np.sqrt(np.einsum("rk,rk->r", coefficients @ products, coefficients))
    kept = np.linalg.norm(coefficients, axis=1)
    tiny = np.finfo(np.float64).tiny
    return LowRank(
        boxes,
        (coefficients / np.maximum(spread, tiny)[:, None]).astype(np.float32),
        all_norms * spread / np.maximum(kept, tiny),
        np.clip(1 - kept**2, 0.0, 1.0),
        _reach(bank[:: max(1, len(bank) // _TEMPLATES_MEASURED)], points, weight_zyx),
    )


def _cropped(boxes: Floats32) -> Floats32:
    """Smaller boxes that hold nearly all of the functions: without weights they do not reach as far as with them."""
    n = boxes.shape[1]
    energy = np.einsum("kzyx,kzyx->zyx", boxes, boxes)
    around = np.fft.fftfreq(n, 1 / n).astype(np.intp)
    for size in range(8, n, 2):
        kept = np.flatnonzero((around >= -size // 2) & (around < size // 2))
        if energy[np.ix_(kept, kept, kept)].sum() >= (1 - _BEYOND_BOX) * energy.sum():
            return np.ascontiguousarray(boxes[:, kept][:, :, kept][:, :, :, kept])
    return boxes


def _reach(templates: NDArray[np.complex64], points: _Points, weight_zyx: Floats32) -> tuple[int, int, int]:
    """Half-widths, voxels, of slabs that hold most of the energy of templates once they are weighted."""
    boxes = _real_boxes(templates * weight_zyx[points.inside], points.inside, points.n)
    mean = np.einsum("rzyx,rzyx->zyx", boxes, boxes)
    distance = np.minimum(np.arange(points.n), points.n - np.arange(points.n))
    reach = []
    for others in ((1, 2), (0, 2), (0, 1)):
        held = np.cumsum(np.bincount(distance, mean.sum(axis=others)))
        reach.append(max(1, int(np.argmax(held >= (1 - _BEYOND_REACH) * held[-1]))))
    return reach[0], reach[1], reach[2]


def _products(boxes: Floats32, weight: Floats32) -> Floats:
    """Inner products (k, k) of weighted functions on a finer grid of frequencies than that of their box."""
    from scipy import fft

    n, edge = boxes.shape[1], weight.shape[0]
    inside = weight != 0
    column = np.broadcast_to(np.arange(edge // 2 + 1), weight.shape)[inside]
    scale = weight[inside] * np.where((column == 0) | (column == edge // 2), 1, np.sqrt(2)).astype(np.float32)
    weighted = np.empty((len(boxes), 2 * int(inside.sum())), dtype=np.float32)
    half = n // 2
    padded = np.zeros((edge, edge, edge), dtype=np.float32)
    middle = slice(0, n)
    for row, box in zip(weighted, boxes, strict=True):
        padded[middle, middle, middle] = np.roll(box, (half, half, half), axis=(0, 1, 2))
        row[:] = (fft.rfftn(padded)[inside] * scale).view(np.float32)  # a shift changes no inner product
    return (weighted @ weighted.T).astype(np.float64) / edge**3


def _read(template: TemplateSpectrum, rotations: Floats, k_xyz: Floats32) -> NDArray[np.complex64]:
    from tomoset.annotation.templates import _kernels

    return _kernels.read_rotated(
        k_xyz, template.values_zyx, template.length_angstrom, np.ascontiguousarray(rotations, dtype=np.float64)
    )


def _principal(bank: NDArray[np.complex64], points: _Points, left_out: float) -> tuple[Floats, Floats, Floats]:
    """Leading eigenvalues and eigenvectors of the bank's correlations, and the norms of its members."""
    weighted = np.ascontiguousarray(bank[:, points.weighted] * points.weight).view(np.float32)
    products = (weighted @ weighted.T).astype(np.float64) / points.n**3
    norms = np.sqrt(np.maximum(np.diag(products), np.finfo(np.float64).tiny))
    values, vectors = np.linalg.eigh(products / norms[:, None] / norms)
    values, vectors = values[::-1], vectors[:, ::-1]
    remaining = 1 - np.cumsum(values) / len(norms)
    most = int(np.sum(values > 1e-6 * values[0]))  # float32 knows no smaller ones
    rank = min(int(np.argmax(remaining <= left_out)) + 1 if remaining[-1] <= left_out else most, most)
    return values[:rank], vectors[:, :rank], norms


def _coefficients(
    template: TemplateSpectrum, rotations: Floats, points: _Points, functions: Floats32
) -> tuple[Floats, Floats]:
    """Coefficients (r, k) of normalised templates and their norms."""
    k_xyz = points.k_xyz[points.weighted]
    parts, norms = [], []
    for start in range(0, len(rotations), _CHUNK):
        read = _read(template, rotations[start : start + _CHUNK], k_xyz)
        weighted = np.ascontiguousarray(read * points.weight).view(np.float32)
        norm = np.sqrt(np.einsum("ij,ij->i", weighted, weighted, dtype=np.float64) / points.n**3)
        parts.append((weighted @ functions.T) / (points.n**3 * np.maximum(norm, np.finfo(np.float64).tiny)[:, None]))
        norms.append(norm)
    return np.concatenate(parts), np.concatenate(norms)


def _real_boxes(spectra: NDArray[np.complex64], inside: NDArray[np.bool_], n: int) -> Floats32:
    """Functions given at some frequencies of a half grid as boxes in real space."""
    from scipy import fft

    boxes = np.empty((len(spectra), n, n, n), dtype=np.float32)
    for box, spectrum in zip(boxes, spectra, strict=True):
        grid = np.zeros((n, n, n // 2 + 1), dtype=np.complex64)
        grid[inside] = spectrum
        box[:] = fft.irfftn(grid, s=(n, n, n), overwrite_x=True)
    return boxes


def weighted_templates(
    template: TemplateSpectrum,
    rotations: Floats,
    weight_zyx: Floats32,
    voxel_size_angstrom: float,
) -> Iterator[Floats32]:
    """Whole weighted templates (n, n, n) in real space, one for each rotation; centre at index 0."""
    points = _points(weight_zyx, voxel_size_angstrom)
    k_xyz = points.k_xyz[points.weighted]
    inside = weight_zyx != 0
    for start in range(0, len(rotations), _CHUNK):
        read = _read(template, rotations[start : start + _CHUNK], k_xyz)
        yield from _real_boxes(read * weight_zyx[inside], inside, points.n)
