"""The verb: how sure are the labels of a class, by what their particles have in common.

Poses that were found by matching a template make even noise resemble it a little, so every figure stands beside the
same figure for places where nothing is labeled; how much more the labels show is the evidence.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tomoset.annotation.averaging import AverageHalves, average_halves, random_places, shell_correlation
from tomoset.annotation.likeness import amplitudes, share_alike
from tomoset.errors import ParameterError
from tomoset.model import PickableObject, Picks, Progress, Resources, TiltSeries, Tomogram
from tomoset.physics import ctf, damage_amplitude, rfft_frequency_3d
from tomoset.structures import Structure, potential_map

__all__ = ["ClassEvidence", "EvidenceParams", "evidence_methods_text", "gather_evidence"]

Floats = NDArray[np.float64]
Floats32 = NDArray[np.float32]

_FSC_CRITERION = 0.143
_EDGE_VOXELS = 4
_MOST_AMPLITUDES = 150


@dataclass(frozen=True, slots=True, kw_only=True)
class EvidenceParams:
    """Parameters of :func:`gather_evidence`.

    Parameters
    ----------
    resolution_angstrom : float
        Detail at which averages and template are compared, for all classes and datasets alike.
    mask_share : float
        Radius of the soft mask over the particle's.
    most_particles : int
        Particles of a class that are averaged at most.
    n_random : int
        Sets of random places, each as many as particles.

    Raises
    ------
    ParameterError
        If one is out of range.
    """

    resolution_angstrom: float = 35.0
    mask_share: float = 1.2
    most_particles: int = 500
    n_random: int = 3

    def __post_init__(self) -> None:
        """Refuse what cannot be compared."""
        ranges = {
            "resolution_angstrom": (2.0, 500.0),
            "mask_share": (0.5, 1.4),
            "most_particles": (2, 1e7),
            "n_random": (1, 100),
        }
        for name, (least, most) in ranges.items():
            value = getattr(self, name)
            if not least <= value <= most:
                raise ParameterError(f"evidence.{name}: expected {least:g} to {most:g}, found {value}")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ClassEvidence:
    """What the particles of one class have in common, beside random places.

    Parameters
    ----------
    object_name : str
    n_particles : int
        That were averaged.
    n_left_out : int
        Without a known pose.
    averages : AverageHalves
    template_zyx : (n, n, n) array of float32 or None
        As the tomograms would show the template at the resolution of the comparison; None without a template.
    frequency_per_angstrom : (m,) array of float64
    fsc : (m,) array of float64
        Between the halves, masked.
    random_fsc : (m,) array of float64
        Mean of the same at random places.
    resolution_angstrom : float
        Where ``fsc`` falls below 0.143 for the first time; infinite when it is never above.
    correlation : float
        Of average and template inside the mask; NaN without a template.
    random_correlation : tuple of float
        The same for every set of random places.
    compared_at_angstrom : float
    coverage : float
        Share of Fourier space in which the particles were seen.
    share_alike : float
        Estimated share of the particles that hold what the average shows (:mod:`tomoset.annotation.likeness`); NaN
        where there are fewer than five.
    """

    object_name: str
    n_particles: int
    n_left_out: int
    averages: AverageHalves
    template_zyx: Floats32 | None
    frequency_per_angstrom: Floats
    fsc: Floats
    random_fsc: Floats
    resolution_angstrom: float
    correlation: float
    random_correlation: tuple[float, ...]
    compared_at_angstrom: float
    coverage: float
    share_alike: float

    @property
    def half_correlation(self) -> float:
        """Mean Fourier shell correlation of the halves up to the detail of the comparison."""
        return self._mean(self.fsc)

    @property
    def random_half_correlation(self) -> float:
        """The same at random places."""
        return self._mean(self.random_fsc)

    def _mean(self, fsc: Floats) -> float:
        inside = (self.frequency_per_angstrom <= 1 / self.compared_at_angstrom) & (self.frequency_per_angstrom > 0)
        return float(np.nanmean(fsc[inside])) if np.isfinite(fsc[inside]).any() else math.nan


def evidence_methods_text(params: EvidenceParams) -> str:
    """One citable sentence."""
    return (
        "As evidence, the labeled particles of each class were averaged in two random halves with the missing wedge "
        "counted and symmetry applied; the halves' Fourier shell correlation and the average's correlation with the "
        f"template at {params.resolution_angstrom:g} Å stand beside those of random places."
    )


def gather_evidence(
    sets: Sequence[tuple[Tomogram, Picks]],
    item: PickableObject,
    params: EvidenceParams,
    *,
    rng: np.random.Generator,
    resources: Resources,
    progress: Progress,
    template: Structure | None = None,
    series: Sequence[TiltSeries] = (),
    taken: Sequence[NDArray[np.float64]] = (),
) -> ClassEvidence:
    """Average the labeled particles of one class and hold them against their template and against random places.

    Parameters
    ----------
    sets : sequence of (Tomogram, Picks)
    item : PickableObject
        Radius and symmetry of the class.
    params : EvidenceParams
    rng : numpy.random.Generator
    resources : Resources
        Not used: one core is enough.
    progress : Progress
        One step for the particles and one for each set of random places.
    template : Structure or None
        What the class looks like.
    series : sequence of TiltSeries
        Row by row of ``sets``: gives the contrast that the template would have; without them it has its own.
    taken : sequence of (n, 3) arrays
        Row by row of ``sets``: positions, Å, of everything that is labeled, which random places keep away from; the
        class's own picks when empty.

    Returns
    -------
    ClassEvidence

    Raises
    ------
    GeometryError
        As :func:`tomoset.annotation.averaging.average_halves`.
    """
    del resources
    averages = average_halves(sets, item, rng=rng, most=params.most_particles)
    progress.step(f"average {item.name}", 1, params.n_random + 1)
    voxel, n = averages.voxel_size_angstrom, averages.half_zyx.shape[1]
    mask = _soft_ball(n, params.mask_share * item.radius_angstrom / voxel)
    looks = None if template is None else _as_seen(template, n, voxel, series, params)
    random_fsc, random_correlation, random_amplitudes = [], [], [np.zeros(0)]
    low_pass = _low_pass(rfft_frequency_3d((n, n, n), voxel), params)
    for k in range(params.n_random):
        elsewhere = _elsewhere(sets, item, averages.n_particles, taken, rng)
        if elsewhere is not None:
            null = average_halves(elsewhere, item, rng=rng, most=averages.n_particles)
            random_fsc.append(shell_correlation(null.half_zyx[0] * mask, null.half_zyx[1] * mask))
            random_correlation.append(_correlation(null.whole_zyx, looks, mask, voxel, params))
            random_amplitudes.append(_amplitudes(elsewhere, null, averages.half_zyx, mask, low_pass))
        progress.step(f"average {item.name}", k + 2, params.n_random + 1)
    fsc = shell_correlation(averages.half_zyx[0] * mask, averages.half_zyx[1] * mask)
    frequency = np.arange(len(fsc)) / (n * voxel)
    return ClassEvidence(
        object_name=item.name,
        n_particles=averages.n_particles,
        n_left_out=averages.n_left_out,
        averages=averages,
        template_zyx=looks,
        frequency_per_angstrom=frequency,
        fsc=fsc,
        random_fsc=np.mean(random_fsc, axis=0) if random_fsc else np.full(len(fsc), np.nan),
        resolution_angstrom=_resolution(frequency, fsc),
        correlation=_correlation(averages.whole_zyx, looks, mask, voxel, params),
        random_correlation=tuple(random_correlation),
        compared_at_angstrom=params.resolution_angstrom,
        coverage=averages.coverage,
        share_alike=share_alike(
            _amplitudes(sets, averages, averages.half_zyx, mask, low_pass), np.concatenate(random_amplitudes)
        ),
    )


def _amplitudes(
    sets: Sequence[tuple[Tomogram, Picks]],
    averages: AverageHalves,
    references_zyx: Floats32,
    mask: Floats32,
    low_pass: Floats,
) -> Floats:
    """How much of the half that it is not in each of the first particles holds."""
    out = [np.zeros(0)]
    members = averages.members[:_MOST_AMPLITUDES]
    for number, (tomogram, picks) in enumerate(sets):
        mine = members[members[:, 0] == number]
        if len(mine):
            other = 1 - mine[:, 2]
            out.append(amplitudes(tomogram, picks.select(mine[:, 1]), references_zyx, other, mask, low_pass))
    return np.concatenate(out)


def _elsewhere(
    sets: Sequence[tuple[Tomogram, Picks]],
    item: PickableObject,
    n: int,
    taken: Sequence[NDArray[np.float64]],
    rng: np.random.Generator,
) -> list[tuple[Tomogram, Picks]] | None:
    """The same poses at random places; None where volumes are too full for two of them."""
    out = []
    for row, (tomogram, picks) in enumerate(sets):
        if picks.rotations is None or not len(picks):
            continue
        poses = picks.rotations
        occupied = picks.positions_angstrom_xyz if row >= len(taken) else np.asarray(taken[row], dtype=np.float64)
        wanted = min(len(poses), n)
        places = random_places(tomogram.grid, occupied, item.radius_angstrom, wanted, rng)
        chosen = poses[rng.permutation(len(poses))[: len(places)]]
        out.append(
            (tomogram, Picks(object_name=item.name, positions_angstrom_xyz=places[: len(chosen)], rotations=chosen))
        )
    return out if sum(len(p) for _, p in out) >= 2 else None


def _soft_ball(n: int, radius_voxels: float) -> Floats32:
    z, y, x = np.indices((n, n, n)) - n // 2
    r = np.sqrt(z**2 + y**2 + x**2)
    edge = min(_EDGE_VOXELS, max(1.0, n / 2 - 2 - radius_voxels))
    inner = min(radius_voxels, n / 2 - 2 - edge)
    fade = np.clip((r - inner) / edge, 0.0, 1.0)
    return np.asarray(0.5 + 0.5 * np.cos(np.pi * fade), dtype=np.float32)


def _as_seen(
    template: Structure, n: int, voxel: float, series: Sequence[TiltSeries], params: EvidenceParams
) -> Floats32:
    """The template in the averages' box as the series' mean contrast transfer shows it, at the comparison's detail."""
    from scipy.fft import fftshift, ifftshift, irfftn, rfftn

    volume = potential_map(template, voxel, resolution_angstrom=max(2 * voxel, 1.0)).volume_zyx
    box = np.zeros((n, n, n))
    half = min(n, volume.shape[0]) // 2
    middle, centre = n // 2, volume.shape[0] // 2
    box[(slice(middle - half, middle + half),) * 3] = volume[(slice(centre - half, centre + half),) * 3]
    k = rfft_frequency_3d((n, n, n), voxel)
    spectrum = rfftn(ifftshift(box)) * _mean_contrast(series, k) * _low_pass(k, params)
    return np.asarray(fftshift(irfftn(spectrum, s=box.shape)), dtype=np.float32)


def _mean_contrast(series: Sequence[TiltSeries], k: Floats) -> Floats:
    """Mean over all views of |CTF| and of what radiation has left; 1 without series."""
    radial = np.linspace(0.0, float(k.max()), 400)
    total, views = np.zeros_like(radial), 0
    for each in series:
        for row in each.used:
            estimate = each.tilts[row].ctf
            if estimate is not None:
                contrast = ctf(
                    radial,
                    estimate.defocus_angstrom,
                    voltage_kv=each.optics.voltage_kv,
                    cs_mm=each.optics.cs_mm,
                    amplitude_contrast=each.optics.amplitude_contrast,
                )
                dose = float(each.dose_middle_e_per_angstrom2[row])
                total += np.abs(contrast) * damage_amplitude(radial, dose, each.optics.voltage_kv)
                views += 1
    return np.interp(k, radial, total / views) if views else np.ones_like(k)


def _low_pass(k: Floats, params: EvidenceParams) -> Floats:
    """1 below the comparison's detail, a cosine to 0 over a fifth of it beyond."""
    edge = 1 / params.resolution_angstrom
    return np.asarray(0.5 + 0.5 * np.cos(np.pi * np.clip((k - edge) / (0.2 * edge), 0.0, 1.0)), dtype=np.float64)


def _correlation(
    average_zyx: Floats32, template_zyx: Floats32 | None, mask_zyx: Floats32, voxel: float, params: EvidenceParams
) -> float:
    """Pearson's correlation inside the mask, both at the comparison's detail."""
    from scipy.fft import irfftn, rfftn

    if template_zyx is None:
        return math.nan
    k = rfft_frequency_3d(average_zyx.shape, voxel)
    smooth = irfftn(rfftn(average_zyx.astype(np.float64)) * _low_pass(k, params), s=average_zyx.shape)
    weight = mask_zyx / mask_zyx.sum()
    a, b = (v - np.sum(weight * v) for v in (smooth, template_zyx.astype(np.float64)))
    scale = math.sqrt(float(np.sum(weight * a * a) * np.sum(weight * b * b)))
    return float(np.sum(weight * a * b)) / scale if scale > 0 else math.nan


def _resolution(frequency: Floats, fsc: Floats) -> float:
    """Where the correlation first falls below 0.143, Å; infinite where it does not begin above."""
    below = np.flatnonzero(~(fsc[1:] >= _FSC_CRITERION)) + 1
    if not len(below):
        return 1 / float(frequency[-1])
    first = int(below[0])
    if first == 1:
        return math.inf
    high, low = float(fsc[first - 1]), float(fsc[first])
    share = (high - _FSC_CRITERION) / (high - low) if math.isfinite(low) and high > low else 0.0
    return 1 / float(frequency[first - 1] + share * (frequency[first] - frequency[first - 1]))
