"""Sub-voxel position and fine rotation of one hit, from a small patch around it."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tomoset.annotation.templates.competition import Hits
from tomoset.annotation.templates.preparation import Prepared
from tomoset.annotation.templates.search import full_grid
from tomoset.annotation.templates.template_spectrum import TemplateSpectrum, template_spectrum
from tomoset.annotation.templates.transfer import box_frequencies
from tomoset.annotation.templates.whitening import WhitenedVolume
from tomoset.geometry import rotation_about
from tomoset.model import Progress, Resources
from tomoset.structures import Structure

__all__ = [
    "SHELLS",
    "Pose",
    "Refiner",
    "hits_at_poses",
    "patch_around",
    "refine_hits",
    "refiner_of",
    "visible_share",
]

Floats = NDArray[np.float64]

SHELLS = 24
_REACH_VOXELS = 2
_NEWTON_VOXELS = 1.0
_TURNS_PER_LEVEL = 4
# Less of a particle than this is not called one, however well it fits.
_LEAST_VISIBLE = 0.3


@dataclass(frozen=True, slots=True, eq=False)
class Pose:
    """Where and how a template fits.

    Parameters
    ----------
    shift_angstrom_xyz : (3,) array of float64
        From the centre of the patch.
    rotation : (3, 3) array of float64
    z : float
        Correlation in units of the noise.
    norm : float
        Norm of the whitened template at this rotation.
    """

    shift_angstrom_xyz: Floats
    rotation: Floats
    z: float
    norm: float


class Refiner:
    """Fits one template to patches of a whitened volume.

    Parameters
    ----------
    template : TemplateSpectrum
    weight_box_zyx : (n, n, n // 2 + 1) array of float32
        The search's weight on its box grid.
    radius_angstrom : float
        Of the particle; the patch reaches 60 Å farther, which holds the fringes of the transfer function.
    voxel_size_angstrom : float
    step_deg : float
        Spacing of the rotations searched before.
    finest_deg : float
        Stop refining the rotation at this step.
    """

    def __init__(
        self,
        template: TemplateSpectrum,
        weight_box_zyx: NDArray[np.float32],
        radius_angstrom: float,
        voxel_size_angstrom: float,
        step_deg: float,
        finest_deg: float = 1.0,
    ) -> None:
        self._template = template
        self._voxel = voxel_size_angstrom
        self._steps_deg = _halving(step_deg / 2, finest_deg)
        self.half = int(np.ceil((radius_angstrom + 60.0) / voxel_size_angstrom))
        n = 2 * self.half
        weight = full_grid(weight_box_zyx, (n, n, n))
        self._used = weight != 0
        self._k_xyz = np.ascontiguousarray(box_frequencies(n, voxel_size_angstrom)[self._used])
        self._weight = weight[self._used].astype(np.float64)
        self._multiplicity = np.where(self._k_xyz[:, 0] == 0, 1.0, 2.0) / n**3
        # The patch's centre is index n // 2 of each axis: bring it to the origin of phases.
        self._to_centre = np.exp(2j * np.pi * self._k_xyz.sum(axis=1) * self.half * voxel_size_angstrom)

    def fit(self, patch_zyx: NDArray[np.float32], rotation: Floats) -> Pose:
        """Climb from a rotation of the search to the best pose near it.

        Parameters
        ----------
        patch_zyx : (2 half, 2 half, 2 half) array of float32
            Whitened volume with the hit's voxel at index ``half``; zero outside the volume.
        rotation : (3, 3) array of float64

        Returns
        -------
        Pose
        """
        from scipy import fft

        data = fft.rfftn(patch_zyx)[self._used].astype(np.complex128) * self._to_centre
        # The search may have used larger voxels and steps: its first neighbours are tried at every nearby place.
        starts = [turn @ rotation for turn in [np.eye(3), *_small_turns(self._steps_deg[0])]]
        located = [(*self._located(data, start), start) for start in starts]
        shift, best, rotation = max(located, key=lambda item: _z(item[1]))
        return self._climbed(data, rotation, shift, best, self._steps_deg)

    def polish(
        self, patch_zyx: NDArray[np.float32], rotation: Floats, shift_angstrom_xyz: Floats, *, levels: int = 2
    ) -> Pose:
        """Climb from a pose that is nearly right, by the finest steps only.

        Parameters
        ----------
        patch_zyx : (2 half, 2 half, 2 half) array of float32
        rotation : (3, 3) array of float64
        shift_angstrom_xyz : (3,) array of float64
            From the centre of the patch.
        levels : int
            How many sizes of step, the finest last.

        Returns
        -------
        Pose
        """
        from scipy import fft

        data = fft.rfftn(patch_zyx)[self._used].astype(np.complex128) * self._to_centre
        best = self._evaluate(data, rotation, shift_angstrom_xyz)
        shift, best = self._moved(data, rotation, shift_angstrom_xyz, best)
        return self._climbed(data, rotation, shift, best, self._steps_deg[-levels:])

    def shells(
        self, patch_zyx: NDArray[np.float32], rotation: Floats, shift_angstrom_xyz: Floats
    ) -> tuple[Floats, Floats]:
        """Correlation with the template, and the template's power, in shells of frequency at a pose.

        Parameters
        ----------
        patch_zyx : (2 half, 2 half, 2 half) array of float32
        rotation : (3, 3) array of float64
        shift_angstrom_xyz : (3,) array of float64
            From the centre of the patch.

        Returns
        -------
        correlation, power : (SHELLS,) arrays of float64
            Shells of equal width from zero to the band's end.
        """
        from scipy import fft

        from tomoset.annotation.templates import _kernels

        data = fft.rfftn(patch_zyx)[self._used].astype(np.complex128) * self._to_centre
        data = data * np.exp(2j * np.pi * self._k_xyz @ shift_angstrom_xyz)
        ones = np.ones_like(data)
        spectrum, spacing = self._template.values_zyx, self._template.length_angstrom
        template = _kernels.patch_product(self._k_xyz, ones, self._weight, spectrum, spacing, rotation)
        k = np.linalg.norm(self._k_xyz, axis=1)
        shell = np.minimum((k * 2 * self._voxel * SHELLS).astype(np.intp), SHELLS - 1)
        correlation = self._multiplicity * (data * template).real
        power = self._multiplicity * np.square(np.abs(template))
        found, of_template = np.zeros(SHELLS), np.zeros(SHELLS)
        np.add.at(found, shell, correlation)
        np.add.at(of_template, shell, power)
        return found, of_template

    def _climbed(
        self,
        data: NDArray[np.complex128],
        rotation: Floats,
        shift: Floats,
        best: Floats,
        steps_deg: list[float],
    ) -> Pose:
        """Turn by ever smaller steps as long as that helps, and move after each size of step."""
        for step_deg in steps_deg:
            turns = _small_turns(step_deg)
            for _ in range(_TURNS_PER_LEVEL):
                tried = [(self._evaluate(data, turn @ rotation, shift), turn) for turn in turns]
                found, turn = max(tried, key=lambda item: _z(item[0]))
                if _z(found) <= _z(best):
                    break
                rotation, best = turn @ rotation, found
            shift, best = self._moved(data, rotation, shift, best)
        return Pose(shift, rotation, _z(best), float(np.sqrt(best[1])))

    def score(
        self, patch_zyx: NDArray[np.float32], rotation: Floats, shift_angstrom_xyz: Floats
    ) -> tuple[float, float]:
        """Correlation in units of the noise and norm of the template at a pose, without fitting anything."""
        from scipy import fft

        data = fft.rfftn(patch_zyx)[self._used].astype(np.complex128) * self._to_centre
        found = self._evaluate(data, rotation, shift_angstrom_xyz)
        return _z(found), float(np.sqrt(found[1]))

    def scores(self, patch_zyx: NDArray[np.float32], rotations: Floats, shift_angstrom_xyz: Floats) -> Floats:
        """Correlations (r,) in units of the noise at one place for many rotations (r, 3, 3)."""
        from scipy import fft

        data = fft.rfftn(patch_zyx)[self._used].astype(np.complex128) * self._to_centre
        return np.array([_z(self._evaluate(data, rotation, shift_angstrom_xyz)) for rotation in rotations])

    def norm(self, rotation: Floats) -> float:
        """Norm of the whitened template in a rotation."""
        nothing = np.zeros(len(self._k_xyz), dtype=np.complex128)
        return float(np.sqrt(self._evaluate(nothing, rotation, np.zeros(3))[1]))

    def image(self, rotation: Floats, shift_angstrom_xyz: Floats) -> NDArray[np.float32]:
        """Whitened template at a pose, as a patch (2 half, 2 half, 2 half) with the centre at index ``half``."""
        from scipy import fft

        from tomoset.annotation.templates import _kernels

        ones = np.ones(len(self._k_xyz), dtype=np.complex128)
        spectrum, spacing = self._template.values_zyx, self._template.length_angstrom
        template = np.conj(
            _kernels.patch_product(self._k_xyz, ones, self._weight, spectrum, spacing, rotation).astype(np.complex128)
        )
        phase = np.exp(-2j * np.pi * (self._k_xyz @ (shift_angstrom_xyz + self.half * self._voxel)))
        product = np.zeros(self._used.shape, dtype=np.complex64)
        product[self._used] = template * phase
        return np.asarray(fft.irfftn(product, s=(2 * self.half,) * 3), dtype=np.float32)

    def _located(self, data: NDArray[np.complex128], rotation: Floats) -> tuple[Floats, Floats]:
        """Best place within two voxels of the centre for one rotation: whole voxels, then a Newton step."""
        from scipy import fft

        from tomoset.annotation.templates import _kernels

        product = np.zeros(self._used.shape, dtype=np.complex64)
        product[self._used] = _kernels.patch_product(
            self._k_xyz, data, self._weight, self._template.values_zyx, self._template.length_angstrom, rotation
        )
        n = 2 * self.half
        around = np.arange(-_REACH_VOXELS, _REACH_VOXELS + 1)
        scores = fft.irfftn(product, s=(n, n, n))[np.ix_(around, around, around)]
        place = np.unravel_index(np.argmax(scores), scores.shape)
        shift = np.asarray(around[list(place)][::-1] * self._voxel, dtype=np.float64)
        return self._moved(data, rotation, shift, self._evaluate(data, rotation, shift))

    def _evaluate(self, data: NDArray[np.complex128], rotation: Floats, shift: Floats) -> Floats:
        from tomoset.annotation.templates import _kernels

        return np.asarray(
            _kernels.project_rotation(
                self._k_xyz,
                data,
                self._weight,
                self._multiplicity,
                self._template.values_zyx,
                self._template.length_angstrom,
                rotation,
                shift,
            )
        )

    def _moved(
        self, data: NDArray[np.complex128], rotation: Floats, shift: Floats, best: Floats
    ) -> tuple[Floats, Floats]:
        """One Newton step of the position, at most a voxel long and taken only when it helps."""
        xx, yy, zz, xy, xz, yz = best[5:]
        curvature = np.array([[xx, xy, xz], [xy, yy, yz], [xz, yz, zz]])
        if np.linalg.eigvalsh(curvature)[-1] >= 0:  # not at a hilltop: nothing to climb by Newton's rule
            return shift, best
        wanted = shift - np.linalg.solve(curvature, best[2:5])
        limit = _NEWTON_VOXELS * self._voxel
        wanted = np.clip(wanted, shift - limit, shift + limit)
        found = self._evaluate(data, rotation, wanted)
        return (wanted, found) if _z(found) > _z(best) else (shift, best)


def _z(evaluated: Floats) -> float:
    return float(evaluated[0] / np.sqrt(max(evaluated[1], 1e-300)))


def _halving(first_deg: float, finest_deg: float) -> list[float]:
    steps = [first_deg]
    while steps[-1] / 2 >= finest_deg:
        steps.append(steps[-1] / 2)
    return steps


def _small_turns(step_deg: float) -> list[Floats]:
    return [rotation_about(axis, sign * step_deg) for axis in ("x", "y", "z") for sign in (1.0, -1.0)]


def refiner_of(structure: Structure, prepared: Prepared, step_deg: float) -> Refiner:
    """Refiner of a structure in a prepared tomogram, after a search with this spacing of rotations."""
    voxel = prepared.white.voxel_size_angstrom
    spectrum = template_spectrum(structure, voxel)
    return Refiner(spectrum, prepared.weight_box_zyx, structure.radius_angstrom, voxel, step_deg)


def refine_hits(
    rough: Hits,
    structure: Structure,
    prepared: Prepared,
    step_deg: float,
    resources: Resources,
    progress: Progress,
    *,
    inverted: bool = False,
) -> Hits:
    """Refine all candidates of one class.

    Parameters
    ----------
    rough : Hits
        From the search, at any voxel size.
    structure : Structure
    prepared : Prepared
        The whitened tomogram to refine on.
    step_deg : float
        Spacing of the rotations searched.
    resources : Resources
    progress : Progress
    inverted : bool
        Fit the contrast-inverted template.

    Returns
    -------
    Hits
        With the norm of the part of the particle that lies inside the volume, so that a particle cut by the edge is
        judged by what is seen of it.
    """
    from concurrent.futures import ThreadPoolExecutor

    white = prepared.white
    refiner = refiner_of(structure, prepared, step_deg)

    def one(index: int) -> tuple[NDArray[np.float64], Pose]:
        voxel = np.rint(rough.positions_angstrom_xyz[index, ::-1] / white.voxel_size_angstrom).astype(np.intp)
        patch = patch_around(white.volume_zyx, voxel, refiner.half)
        pose = refiner.fit(-patch if inverted else patch, rough.rotations[index])
        return voxel[::-1] * white.voxel_size_angstrom + pose.shift_angstrom_xyz, pose

    positions, poses = [], []
    with ThreadPoolExecutor(max(1, resources.workers)) as pool:
        for number, (position, pose) in enumerate(pool.map(one, range(len(rough)))):
            positions.append(position)
            poses.append(pose)
            progress.step(f"refine {structure.name}", number + 1, len(rough))
    return hits_at_poses(positions, poses, structure, white)


def hits_at_poses(
    positions_angstrom_xyz: Sequence[Floats], poses: Sequence[Pose], structure: Structure, white: WhitenedVolume
) -> Hits:
    """Hits with the norm of the part of each particle that lies inside the volume."""
    rotations = np.array([pose.rotation for pose in poses]).reshape(-1, 3, 3)
    places = np.array(positions_angstrom_xyz).reshape(-1, 3)
    seen = [visible_share(structure, p, r, white) for p, r in zip(places, rotations, strict=True)]
    share = np.sqrt(np.maximum(seen, _LEAST_VISIBLE))
    return Hits(
        places,
        rotations,
        np.array([pose.z for pose in poses]) / share,
        np.array([pose.norm for pose in poses]) * share,
    )


def visible_share(
    structure: Structure, position_angstrom_xyz: Floats, rotation: Floats, white: WhitenedVolume
) -> float:
    """Share of the molecule's scattering that lies inside the volume."""
    points = structure.positions_angstrom_xyz @ rotation.T + position_angstrom_xyz
    far = np.asarray(white.used_zyx[::-1]) * white.voxel_size_angstrom
    inside = np.all((points > -0.5 * white.voxel_size_angstrom) & (points < far), axis=1)
    strength = structure.strengths_volt_angstrom3
    return float(strength[inside].sum() / strength.sum())


def patch_around(volume_zyx: NDArray[np.float32], centre_zyx: NDArray[np.intp], half: int) -> NDArray[np.float32]:
    """Cube around a voxel, which gets index ``half``; zero outside the volume."""
    patch = np.zeros((2 * half,) * 3, dtype=np.float32)
    first = centre_zyx - half
    low = np.clip(first, 0, volume_zyx.shape)
    high = np.clip(first + 2 * half, low, volume_zyx.shape)
    into = tuple(slice(a, b) for a, b in zip(low - first, high - first, strict=True))
    patch[into] = volume_zyx[tuple(slice(a, b) for a, b in zip(low, high, strict=True))]
    return patch
