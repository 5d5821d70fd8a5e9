"""What is known of the tomograms that a network shall label, where it is trained on others."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from tomoset.annotation.networks import TargetDomain, normal_volume, radial_amplitude
from tomoset.errors import InputMissingError, PixelSizeError
from tomoset.formats.mrc import read_volume
from tomoset.model import ArraySource
from tomoset.workflow.plan import planned_runs
from tomoset.workflow.project import open_project
from tomoset.workflow.tomogram_files import load_tomogram

__all__ = ["target_domain"]

_TOLERANCE = 0.02


def target_domain(like: Path | None, noise: Sequence[Path], voxel_size_angstrom: float) -> TargetDomain:
    """Measure a project's tomograms and open volumes of noise.

    Parameters
    ----------
    like : Path or None
        Project whose tomograms' mean radial amplitude spectrum those trained on are given.
    noise : sequence of Path
        MRC volumes of empty ice cut from its tomograms, protein dark.
    voxel_size_angstrom : float
        Of the network.

    Raises
    ------
    InputMissingError
        If the project has no series.
    PixelSizeError
        If voxel sizes differ by more than 2 %.
    """
    return TargetDomain(
        spectrum=None if like is None else _mean_spectrum(like, voxel_size_angstrom),
        noise=tuple(_noise(path, voxel_size_angstrom) for path in noise),
    )


def _mean_spectrum(like: Path, voxel_size_angstrom: float) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    layout, recipe = open_project(like)
    params = recipe.reconstruction
    runs = planned_runs(layout, recipe)
    if not runs:
        raise InputMissingError(f"--like {like}: expected a project with series, found none")
    _check(f"--like {like}", params.voxel_size_angstrom, voxel_size_angstrom)
    spectra = []
    for run in runs:
        tomogram = load_tomogram(layout, run, params.voxel_size_angstrom, params.method)
        volume = normal_volume(tomogram.volume_zyx, contrast=tomogram.contrast, run=run)
        spectra.append(radial_amplitude(volume))
    return np.asarray(np.mean(spectra, axis=0))


def _noise(path: Path, voxel_size_angstrom: float) -> ArraySource:
    if not path.is_file():
        raise InputMissingError(f"--noise: expected an MRC volume at {path}, found none")
    source, found = read_volume(path)
    _check(f"--noise {path.name}", found, voxel_size_angstrom)
    return source


def _check(what: str, found_angstrom: float, wanted_angstrom: float) -> None:
    if abs(found_angstrom / wanted_angstrom - 1) > _TOLERANCE:
        raise PixelSizeError(
            f"{what}: expected voxels of {wanted_angstrom:g} Å as those trained on have, found {found_angstrom:g} Å; "
            "reconstruct it at that size"
        )
