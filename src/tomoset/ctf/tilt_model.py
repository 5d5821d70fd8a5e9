"""What one tilt's spectra should be, and how likely they are.

The mean power of a tile in ring k and direction θ is ``B(k) + a^q(k) S(k) ½ (1 − d(k) cos 2χ(k, D(θ)))``: a smooth
background, and a smooth positive signal through CTF², whose rings are damped by d because matter lies at all heights of
the slab and because a tile spans heights itself (``sinc(λ k² T)`` for a slab of path T: DeRosier 2000,
Ultramicroscopy 81:83; McMullan et al. 2015, Ultramicroscopy 158:26; Tichelaar et al. 2020, Ultramicroscopy 216:113023).
B and S are exponentials of a few polynomials. Since both are positive the measured spectrum touches B in every zero of
the CTF, which pins the zeros; a model that is linear in B and S is not held there and lies by hundreds of Å.

Powers scatter exponentially, so the log-likelihood is ``−Σ n (P / μ + ln μ)`` over the independent coefficients.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from tomoset.ctf.spectra import INDEPENDENT_SHARE, RingGrid, TileSpectra
from tomoset.model import Optics
from tomoset.physics import wavelength_angstrom

__all__ = ["N_GEOMETRY", "Rings", "TiltData", "TiltState", "View", "evaluate", "first_state", "improve_occupancy"]

Floats = NDArray[np.float64]

# Defocus, the two components of the height's gradient, the two of the astigmatism.
N_GEOMETRY = 5
_BACKGROUND_ORDER = 2
_SIGNAL_ORDER = 4
_N_ANISOTROPIC = 4
# Frequencies (1/Å) up to which particles make the spectrum, and from which the ice does.
_PARTICLES_TO, _ICE_FROM = 1 / 25.0, 1 / 12.0
# Tiles differ in what they hold, but seldom by more than this factor.
_OCCUPANCY_RANGE = (0.1, 10.0)
# Weight of the common amplitude against a tile's own, in units of its information.
_OCCUPANCY_PRIOR = 50.0


@dataclass(frozen=True, slots=True, eq=False)
class Rings:
    """What all tilts share: phases and smooth functions on the rings of a grid.

    Parameters
    ----------
    grid : RingGrid
    phase : (2, r) array of float64
        π λ k², and the part of the CTF's phase that no defocus changes.
    turns_per_angstrom : (r,) array of float64
        λ k²: turns of the phase ``2χ`` per Å of height.
    direction : (s, 2) array of float64
        cos 2θ and sin 2θ of the sectors.
    background_basis, signal_basis : (r, b) and (s, r, c) array of float64
        The last four functions of the signal depend on the direction: neither cells nor their membranes look alike
        from all sides, and what looks like astigmatism must not be taken for it.
    texture : (r,) array of float64
        What all tilts add to ln S beyond its polynomials: shells and filaments have spectra with ripples of their own.
    reach : (r,) array of float64
        Power with which the amplitude of a tile counts: 1 where particles are seen, 0 where only the ice is, which is
        everywhere.
    """

    grid: RingGrid
    phase: Floats
    turns_per_angstrom: Floats
    direction: Floats
    background_basis: Floats
    signal_basis: Floats
    texture: Floats
    reach: Floats

    @classmethod
    def of(cls, grid: RingGrid, optics: Optics) -> "Rings":
        """Tabulate for one microscope."""
        k = grid.frequency
        wavelength = wavelength_angstrom(optics.voltage_kv)
        aberration = -0.5 * np.pi * wavelength**3 * optics.cs_mm * 1e7 * k**4
        phase = np.stack([np.pi * wavelength * k**2, aberration + np.arcsin(optics.amplitude_contrast)])
        direction = np.stack([np.cos(2 * grid.azimuth), np.sin(2 * grid.azimuth)], axis=1)
        legendre = np.polynomial.legendre.legvander
        return cls(
            grid=grid,
            phase=phase,
            turns_per_angstrom=wavelength * k**2,
            direction=direction,
            background_basis=legendre(_to_unit(k), _BACKGROUND_ORDER).astype(np.float64),
            signal_basis=_signal_basis(_to_unit(np.log(k)), direction),
            texture=np.zeros(len(k)),
            reach=np.clip((k - _ICE_FROM) / (_PARTICLES_TO - _ICE_FROM), 0.0, 1.0),
        )

    @property
    def n_shape(self) -> int:
        """Numbers that describe background and signal of one tilt."""
        return self.background_basis.shape[1] + self.signal_basis.shape[2]


@dataclass(frozen=True, slots=True, eq=False)
class TiltData:
    """Spectra of one tilt, ready to be compared: relative to their level at the finest rings."""

    spectra: TileSpectra
    rings: Rings


@dataclass(frozen=True, slots=True, eq=False)
class View:
    """How the slab stands in one tilt.

    Parameters
    ----------
    gradient_xy : (2,) array of float64
        Change of defocus per Å of image x and y.
    path_per_depth : float
        Length of the beam's way through a slab of thickness 1.
    """

    gradient_xy: Floats
    path_per_depth: float


@dataclass(frozen=True, slots=True, eq=False)
class TiltState:
    """What is fitted of one tilt.

    Parameters
    ----------
    defocus_angstrom : float
        At the image's centre.
    astigmatism_xy : (2,) array of float64
        ``½ (U − V) (cos 2α, sin 2α)``, Å.
    shape : (b + c,) array of float64
        Coefficients of ln B and ln S.
    occupancy : (t,) array of float64
        Amplitude of the signal in each tile, about 1.
    """

    defocus_angstrom: float
    astigmatism_xy: Floats
    shape: Floats
    occupancy: Floats


@dataclass(frozen=True, slots=True, eq=False)
class Evaluation:
    """Log-likelihood of a tilt with gradient and Fisher information.

    Order of the parameters: the five of the geometry, then the shape's. ``misfit`` is the variance of the rings about
    the model over that of the counted noise; ``texture`` holds gradient and information of ln S ring by ring, (2, r).
    """

    value: float
    gradient: Floats
    information: Floats
    best_occupancy: Floats
    misfit: float
    texture: Floats


def first_state(data: TiltData, defocus_angstrom: float) -> TiltState:
    """Background at the lowest values of the spectrum, signal at twice what stands above it."""
    rings = data.rings
    count = rings.grid.ring_count
    tiles = data.spectra.n_tiles[:, None, None] * rings.grid.count
    mean = (data.spectra.power * tiles).sum(axis=(0, 1)) / tiles.sum(axis=(0, 1))
    background = np.zeros(rings.background_basis.shape[1])
    background[0] = np.log(max(float(np.quantile(mean, 0.1)), 1e-9))
    above = np.log(np.maximum(2 * (mean / np.exp(background[0]) - 1), 0.03))
    weight = np.sqrt(count)[:, None]
    isotropic = rings.signal_basis[0, :, :-_N_ANISOTROPIC]
    signal = np.zeros(rings.signal_basis.shape[2])
    signal[:-_N_ANISOTROPIC], *_ = np.linalg.lstsq(isotropic * weight, above * weight[:, 0], rcond=None)
    signal[0] += background[0]
    return TiltState(
        defocus_angstrom=defocus_angstrom,
        astigmatism_xy=np.zeros(2),
        shape=np.concatenate([background, signal]),
        occupancy=np.ones(len(data.spectra.n_tiles)),
    )


def evaluate(data: TiltData, state: TiltState, view: View, depth_angstrom: float) -> Evaluation:
    """Compare the spectra of one tilt with a state.

    Parameters
    ----------
    data : TiltData
    state : TiltState
    view : View
    depth_angstrom : float
        Thickness of the slab; 0 for none.
    """
    from tomoset.ctf._kernels import N_COUPLINGS, accumulate_tilt

    rings, spectra = data.rings, data.spectra
    n_background = rings.background_basis.shape[1]
    background = np.exp(rings.background_basis @ state.shape[:n_background])
    signal = np.exp(np.clip(rings.signal_basis @ state.shape[n_background:] + rings.texture, -20, 20))
    damping = _damping(rings, view, spectra.extent_angstrom, state.defocus_angstrom, depth_angstrom)
    couplings = np.zeros((*signal.shape, N_COUPLINGS))
    gradient, information = np.zeros(N_GEOMETRY), np.zeros((N_GEOMETRY, N_GEOMETRY))
    occupancy = np.zeros((len(spectra.n_tiles), 2))
    value = accumulate_tilt(
        spectra.power,
        spectra.n_tiles,
        rings.grid.count,
        spectra.position_xy_angstrom,
        np.stack([rings.phase[0], rings.phase[1], damping]),
        rings.direction,
        np.array([state.defocus_angstrom, *view.gradient_xy, *state.astigmatism_xy]),
        background,
        signal,
        state.occupancy,
        rings.reach,
        couplings,
        gradient,
        information,
        occupancy,
    )
    full_gradient, full_information = _with_shape(rings, background, couplings, gradient, information)
    # A Newton step in ln a, against a prior that holds it at 0.
    log_a = np.log(state.occupancy)
    best = np.exp(log_a + (occupancy[:, 0] - _OCCUPANCY_PRIOR * log_a) / (occupancy[:, 1] + _OCCUPANCY_PRIOR))
    share = INDEPENDENT_SHARE
    by_ring = couplings.sum(axis=0)
    excess = share * np.square(by_ring[:, 3]) / np.maximum(by_ring[:, 0], 1e-30)
    misfit = float(excess.sum()) / max(len(excess) - rings.n_shape - 1, 1)
    return Evaluation(
        share * value, share * full_gradient, share * full_information, best, misfit, share * by_ring[:, [4, 2]].T
    )


def improve_occupancy(state: TiltState, evaluation: Evaluation) -> TiltState:
    """Give each tile the amplitude that its own spectrum asks for; the mean stays 1."""
    best = np.clip(evaluation.best_occupancy, *_OCCUPANCY_RANGE)
    return replace(state, occupancy=best / best.mean())


def _damping(
    rings: Rings, view: View, extent_angstrom: float, defocus_angstrom: float, depth_angstrom: float
) -> Floats:
    """Contrast that heights within slab and tile leave to the rings.

    Beyond the first zero of the slab's sinc there is nothing: what comes back is a fifth at most, of other sign, and
    only for a slab that is filled evenly. The rings of the grid and the window's leakage blur as well.
    """
    turns = rings.turns_per_angstrom
    heights = turns * float(np.hypot(*view.gradient_xy)) * extent_angstrom
    rings_blur = 2 * turns / rings.grid.frequency * defocus_angstrom * rings.grid.ring_spread
    tile = np.exp(-0.5 * (2 * np.pi) ** 2 * (np.square(heights) + np.square(rings_blur)))
    x = turns * view.path_per_depth * depth_angstrom
    damping: Floats = np.where(x < 1, np.sinc(x), 0.0) * tile
    return damping


def _with_shape(
    rings: Rings, background: Floats, couplings: Floats, gradient: Floats, information: Floats
) -> tuple[Floats, Floats]:
    """Extend gradient and information of the geometry by the shape's parameters."""
    b, s = rings.background_basis * background[:, None], rings.signal_basis
    n_background = b.shape[1]
    n = N_GEOMETRY + rings.n_shape
    first, second = slice(N_GEOMETRY, N_GEOMETRY + n_background), slice(N_GEOMETRY + n_background, n)
    full = np.zeros((n, n))
    full[:N_GEOMETRY, :N_GEOMETRY] = information
    with_background = np.einsum("arv,rb->avb", couplings[:, :, 5:8], b)
    with_signal = np.einsum("arv,arc->avc", couplings[:, :, 8:11], s, optimize=True)
    for mixed, place in ((with_background, first), (with_signal, second)):
        full[:3, place] = mixed.sum(axis=0)
        full[3:5, place] = rings.direction.T @ mixed[:, 0]  # the derivative in defocus, times cos and sin of 2θ
    full[first, first] = b.T @ (couplings[:, :, 0].sum(axis=0)[:, None] * b)
    full[first, second] = np.einsum("rb,ar,arc->bc", b, couplings[:, :, 1], s, optimize=True)
    full[second, second] = np.einsum("arc,ar,ard->cd", s, couplings[:, :, 2], s, optimize=True)
    upper = np.triu(full, 1)
    full = np.diag(np.diag(full)) + upper + upper.T
    in_background = b.T @ couplings[:, :, 3].sum(axis=0)
    in_signal = np.einsum("arc,ar->c", s, couplings[:, :, 4])
    slope = np.concatenate([gradient, in_background, in_signal])
    return slope, full


def _signal_basis(x: Floats, direction: Floats) -> Floats:
    """Polynomials of ln k that all sectors share, then cos 2θ and sin 2θ times 1 and x: (s, r, c)."""
    shared = np.polynomial.legendre.legvander(x, _SIGNAL_ORDER)
    turning = np.einsum("ad,re->arde", direction, np.stack([np.ones_like(x), x], axis=1))
    everywhere = np.broadcast_to(shared, (len(direction), *shared.shape))
    return np.concatenate([everywhere, turning.reshape(len(direction), len(x), _N_ANISOTROPIC)], axis=2)


def _to_unit(x: Floats) -> Floats:
    """Values mapped to −1 … 1."""
    return 2 * (x - x[0]) / (x[-1] - x[0]) - 1
