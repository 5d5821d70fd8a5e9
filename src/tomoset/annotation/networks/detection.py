"""Label a tomogram with a trained detector."""

import numpy as np
from numpy.typing import NDArray

from tomoset.annotation.networks.calibration import calibrated
from tomoset.annotation.networks.inference import whole_answer
from tomoset.annotation.networks.model import Calibration, NetworkModel
from tomoset.annotation.networks.params import PredictionParams
from tomoset.annotation.networks.peaks import Candidates, find_candidates
from tomoset.annotation.networks.volumes import NormalVolume, check_voxel_size, match_spectrum, normal_volume
from tomoset.errors import ParameterError
from tomoset.model import Labels, PickableObject, PickFlag, Picks, Progress, Resources, Tomogram

__all__ = ["check_kind", "detect", "detection_methods_text", "prepared_volume"]

Floats = NDArray[np.float64]

_RIVAL = 0.01


def detect(
    tomogram: Tomogram, model: NetworkModel, params: PredictionParams, *, resources: Resources, progress: Progress
) -> Labels:
    """Find the particles of a tomogram.

    Parameters
    ----------
    tomogram : Tomogram
        With the voxels that the network was trained on.
    model : NetworkModel
        A detector.
    params : PredictionParams
    resources : Resources
        The network's answers, (n_classes + 3) / 8 of the tomogram's size, come from its ``allocate``.
    progress : Progress

    Returns
    -------
    Labels
        One entry per class, from the surest pick down. Scores are probabilities, calibrated on what training held
        out; the false-discovery rate of a pick is the mean improbability of it and all surer ones of its class.

    Raises
    ------
    ParameterError
        If the model is no detector.
    PixelSizeError, GeometryError
        If the tomogram has other voxels, or holds what is not finite.
    """
    check_kind(model, "detector")
    volume = prepared_volume(tomogram, model, params)
    maps = whole_answer(model.module, model.recipe, volume, params, resources=resources, progress=progress)
    radii = [item.radius_angstrom for item in model.recipe.classes]
    found = find_candidates(
        maps, radii, tomogram.grid.voxel_size_angstrom, exclusion_fraction=params.exclusion_fraction
    )
    picks = tuple(_picks(k, found, tomogram, model, params) for k in range(len(radii)))
    return Labels(
        run=tomogram.run,
        user="tomoset",
        session="detector",
        voxel_size_angstrom=tomogram.grid.voxel_size_angstrom,
        picks=picks,
        method=detection_methods_text(model, params),
        notes={"candidates": float(len(found))},
    )


def detection_methods_text(model: NetworkModel, params: PredictionParams) -> str:
    """One citable sentence on how labels were made."""
    recipe = model.recipe
    mirrored = f", the mean of {params.flips} mirrored answers" if params.flips > 1 else ""
    return (
        f"Labels were made by a 3-D {recipe.kind} network (MONAI SegResNet, {recipe.net.width} channels) trained for "
        f"{recipe.steps} steps on {len(recipe.runs)} tomograms, run on overlapping tiles of {params.tile}³ voxels of "
        f"{recipe.voxel_size_angstrom:g} Å{mirrored}."
    )


def check_kind(model: NetworkModel, kind: str) -> None:
    """Refuse a model of the other kind.

    Raises
    ------
    ParameterError
    """
    if model.recipe.kind != kind:
        raise ParameterError(f"expected a {kind}, found a {model.recipe.kind}; name another model file")


def prepared_volume(tomogram: Tomogram, model: NetworkModel, params: PredictionParams) -> NormalVolume:
    """The tomogram as the model wants to see it."""
    check_voxel_size(tomogram, model.recipe.voxel_size_angstrom)
    volume = normal_volume(tomogram.volume_zyx, contrast=tomogram.contrast, run=tomogram.run)
    return match_spectrum(volume, np.asarray(model.recipe.spectrum)) if params.match_spectrum else volume


def _picks(k: int, found: Candidates, tomogram: Tomogram, model: NetworkModel, params: PredictionParams) -> Picks:
    classes = model.recipe.classes
    calibration = model.recipe.calibrations[k] if model.recipe.calibrations else Calibration()
    own = found.select(found.class_index == k)
    probability = calibrated(own.scores, calibration)
    threshold = calibration.threshold if params.least_probability is None else params.least_probability
    kept = np.flatnonzero(probability >= threshold)
    kept = kept[np.argsort(-probability[kept], kind="stable")]
    own, probability = own.select(kept), probability[kept]
    posterior = _posterior(own, k, probability)
    others = np.delete(posterior, k, axis=1)
    best = others.max(axis=1, initial=0.0)
    names = np.array([item.name for i, item in enumerate(classes) if i != k] or [""])
    rival = others.argmax(axis=1) if others.shape[1] else np.zeros(len(own), dtype=np.intp)
    positions = tomogram.grid.position_angstrom_xyz(own.voxels_zyx)
    return Picks(
        object_name=classes[k].name,
        positions_angstrom_xyz=positions,
        scores=probability,
        score_kind="probability",
        margins=probability - best,
        rivals=np.where(best > _RIVAL, names[rival], ""),
        posterior_classes=tuple(item.name for item in classes),
        posterior=posterior,
        false_discovery_rates=np.cumsum(1 - probability) / np.arange(1, len(own) + 1),
        flags=_edge_flags(positions, classes[k], tomogram),
    )


def _posterior(own: Candidates, k: int, probability: Floats) -> Floats:
    """Probabilities of all classes: the pick's own one calibrated, the others in what that leaves."""
    posterior = own.posterior.copy()
    posterior[:, k] = 0.0
    rest = posterior.sum(axis=1)
    posterior *= np.minimum(1.0, (1 - probability) / np.maximum(rest, 1e-12))[:, None]
    posterior[:, k] = probability
    return posterior


def _edge_flags(positions_xyz: Floats, item: PickableObject, tomogram: Tomogram) -> NDArray[np.uint32]:
    far = np.asarray(tomogram.grid.shape_zyx[::-1], dtype=np.float64) - 1
    last = far * tomogram.grid.voxel_size_angstrom
    outside = (positions_xyz < item.radius_angstrom) | (positions_xyz > last - item.radius_angstrom)
    return np.where(outside.any(axis=1), np.uint32(PickFlag.EDGE), np.uint32(0)).astype(np.uint32)
