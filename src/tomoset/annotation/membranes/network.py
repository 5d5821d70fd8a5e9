"""A small U-Net that segments membranes, trained on simulated ones in minutes."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tomoset.annotation.membranes.naming import plain_class
from tomoset.annotation.membranes.params import ANY_MEMBRANE, MembraneParams, require_membranes
from tomoset.annotation.membranes.phantoms import draw_phantom
from tomoset.annotation.membranes.spectrum import match_amplitudes, radial_amplitudes
from tomoset.annotation.membranes.working_volume import WorkingVolume, make_working_volume
from tomoset.errors import ParameterError
from tomoset.model import InMemory, Labels, PickableObject, Progress, Resources, Segmentation, Tomogram
from tomoset.networks import TrainingParams, UNetParams, build_unet, predict_volume, train

if TYPE_CHECKING:
    import torch
    from torch import nn

__all__ = [
    "MembraneCheckpoint",
    "MembraneNetworkParams",
    "membrane_network_methods_text",
    "segment_membranes_with_network",
    "train_membrane_network",
]

CHECKPOINT_KIND = "tomoset membrane network 1"
SPECTRUM_PHANTOMS = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class MembraneNetworkParams:
    """The network and how it is trained.

    Parameters
    ----------
    network : UNetParams
        One channel in and out.
    training : TrainingParams
    patch : int
        Edge of the training cubes, voxels.
    batch : int
    voxel_size_angstrom : float
        Of the training cubes; tomograms are brought near to it by averaging blocks.
    half_thickness_angstrom : float
        Half of what a membrane fills in masks.
    tile : int
        Edge of the tiles the network runs on.

    Raises
    ------
    ParameterError
        If the network's lengths do not fit.
    """

    network: UNetParams = field(default_factory=lambda: UNetParams(channels=(12, 24, 48)))
    training: TrainingParams = field(default_factory=lambda: TrainingParams(steps=600, learning_rate=3e-3))
    patch: int = 40
    batch: int = 2
    voxel_size_angstrom: float = 20.0
    half_thickness_angstrom: float = 30.0
    tile: int = 96

    def __post_init__(self) -> None:
        """Refuse patches that the network cannot halve."""
        multiple = self.network.multiple
        if self.network.n_in != 1 or self.network.n_out != 1:
            raise ParameterError("membranes.network: expected one channel in and one out; set n_in and n_out to 1")
        if self.batch < 1 or self.patch < multiple or self.patch % multiple or self.tile % (2 * multiple):
            raise ParameterError(
                f"membranes.network: expected batch ≥ 1, patch as a multiple of {multiple} and tile of {2 * multiple}, "
                f"found {self.batch}, {self.patch} and {self.tile}"
            )
        if not 5 <= self.voxel_size_angstrom <= 40 or not 5 <= self.half_thickness_angstrom <= 100:
            raise ParameterError(
                "membranes.network: expected a voxel of 5 Å to 40 Å and half a thickness of 5 Å to 100 Å, found "
                f"{self.voxel_size_angstrom:g} Å and {self.half_thickness_angstrom:g} Å"
            )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class MembraneCheckpoint:
    """A trained network with the recipe it was trained by.

    Parameters
    ----------
    params : MembraneNetworkParams
    seed : int
    weights : mapping of str to array
    amplitudes : (n,) array of float64
        Mean Fourier amplitudes of the training cubes, by frequency from 0 to Nyquist.
    losses : tuple of float
    """

    params: MembraneNetworkParams
    seed: int
    weights: Mapping[str, NDArray[np.float32]]
    amplitudes: NDArray[np.float64]
    losses: tuple[float, ...]

    def document(self) -> dict[str, Any]:
        """Everything as plain values and arrays, for a file; read with :meth:`from_document`."""
        return {
            "kind": CHECKPOINT_KIND,
            "params": asdict(self.params),
            "seed": self.seed,
            "weights": dict(self.weights),
            "amplitudes": self.amplitudes,
            "losses": list(self.losses),
        }

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> "MembraneCheckpoint":
        """Make the checkpoint that was written.

        Raises
        ------
        ParameterError
            If it is the document of something else.
        """
        if document.get("kind") != CHECKPOINT_KIND:
            raise ParameterError(
                f"membrane network: expected a checkpoint of kind {CHECKPOINT_KIND!r}, found "
                f"{document.get('kind')!r}; train one with train_membrane_network"
            )
        values = dict(document["params"])
        values["network"] = UNetParams(**{k: _tuple(v) for k, v in values["network"].items()})
        values["training"] = TrainingParams(**values["training"])
        return cls(
            params=MembraneNetworkParams(**values),
            seed=int(document["seed"]),
            weights={name: np.asarray(value, dtype=np.float32) for name, value in document["weights"].items()},
            amplitudes=np.asarray(document["amplitudes"], dtype=np.float64),
            losses=tuple(float(value) for value in document["losses"]),
        )


def train_membrane_network(
    params: MembraneNetworkParams, *, seed: int, resources: Resources, progress: Progress
) -> MembraneCheckpoint:
    """Train on simulated membranes; every batch is drawn anew, so that there is nothing to learn by heart.

    The loss is the cross entropy and the soft Dice together; what the missing wedge hides counts in neither.
    """
    module = build_unet(params.network, seed=seed)
    history = train(
        module,
        lambda rng: _batch(rng, params),
        _loss,
        params.training,
        seed=seed,
        resources=resources,
        progress=progress,
    )
    weights = {name: value.detach().cpu().numpy() for name, value in module.state_dict().items()}
    return MembraneCheckpoint(
        params=params, seed=seed, weights=weights, amplitudes=_training_amplitudes(params, seed), losses=history.loss
    )


def segment_membranes_with_network(
    tomogram: Tomogram,
    checkpoint: MembraneCheckpoint,
    params: MembraneParams,
    *,
    objects: Sequence[PickableObject] = ANY_MEMBRANE,
    resources: Resources,
    progress: Progress,
    match_spectrum: bool = False,
) -> Labels:
    """Segment the membranes of a tomogram with a trained network.

    Parameters
    ----------
    tomogram : Tomogram
    checkpoint : MembraneCheckpoint
    params : MembraneParams
        The least area of a component.
    objects : sequence of PickableObject
        The classes, as for :func:`find_membranes`; all membranes become the plain one.
    resources : Resources
    progress : Progress
    match_spectrum : bool
        Whether the tomogram's Fourier amplitudes are brought to those of the training cubes first, shell by shell.

    Returns
    -------
    Labels
        ``semantic`` mask (probability of one half or more) and ``probability``.

    Raises
    ------
    GeometryError
        As :func:`find_membranes`.
    """
    recipe = checkpoint.params
    work = make_working_volume(tomogram, recipe.voxel_size_angstrom, resources, progress)
    if match_spectrum:
        matched = match_amplitudes(work.volume_zyx, checkpoint.amplitudes)
        work = WorkingVolume(matched, work.voxel_size_angstrom, work.offset_angstrom, work.wedge_deg)
    logits = np.zeros(work.volume_zyx.shape, np.float32)
    predict_volume(
        _module(checkpoint),
        InMemory(work.volume_zyx),
        logits,
        mean=0.0,
        scale=1.0,
        tile=recipe.tile,
        overlap=recipe.tile // 8,
        multiple=recipe.network.multiple,
        resources=resources,
        progress=progress,
    )
    least = params.least_area_angstrom2 * 2 * recipe.half_thickness_angstrom / work.voxel_size_angstrom**3
    _drop_small(logits, least)
    require_membranes(objects)
    item = plain_class(objects)
    semantic = resources.allocate("membranes_semantic", tomogram.grid.shape_zyx, np.uint8)
    probability = resources.allocate("membranes_probability", tomogram.grid.shape_zyx, np.float32)
    _enlarge(logits, tomogram, work, probability, semantic, item.label)
    voxel = tomogram.grid.voxel_size_angstrom
    return Labels(
        run=tomogram.run,
        user="membrane-network",
        session="1",
        voxel_size_angstrom=voxel,
        segmentations=(
            Segmentation(name="semantic", mask_zyx=InMemory(semantic), voxel_size_angstrom=voxel),
            Segmentation(name=item.name, mask_zyx=InMemory(probability), voxel_size_angstrom=voxel, kind="probability"),
        ),
        method=membrane_network_methods_text(checkpoint),
        notes={"training_loss": float(np.mean(checkpoint.losses[-20:])), "training_steps": len(checkpoint.losses)},
    )


def membrane_network_methods_text(checkpoint: MembraneCheckpoint) -> str:
    """One citable sentence."""
    recipe = checkpoint.params
    count = sum(int(np.size(value)) for value in checkpoint.weights.values())
    return (
        f"Membranes were segmented by a 3-D U-Net of {count} parameters (MONAI) at {recipe.voxel_size_angstrom:g} Å "
        f"voxels, trained for {len(checkpoint.losses)} steps of {recipe.batch} cubes of {recipe.patch}³ voxels on "
        "simulated bilayers among proteins with cross entropy and Dice (tomoset)."
    )


def _tuple(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def _batch(rng: np.random.Generator, params: MembraneNetworkParams) -> "tuple[torch.Tensor, ...]":
    import torch

    drawn = [
        draw_phantom(rng, params.patch, params.voxel_size_angstrom, params.half_thickness_angstrom)
        for _ in range(params.batch)
    ]
    stacked = (
        np.stack([one.volume_zyx for one in drawn]),
        np.stack([one.target_zyx for one in drawn]),
        np.stack([one.weight_zyx for one in drawn]),
    )
    return tuple(torch.from_numpy(values[:, None]) for values in stacked)


def _loss(module: "nn.Module", batch: "tuple[torch.Tensor, ...]") -> "torch.Tensor":
    import torch

    volume, target, weight = batch
    logits = module(volume)
    entropy = torch.nn.functional.binary_cross_entropy_with_logits(logits, target, weight=weight)
    share = torch.sigmoid(logits) * weight
    wanted = target * weight
    dice = 1 - (2 * (share * wanted).sum() + 1) / (share.sum() + wanted.sum() + 1)
    return entropy + 0.5 * dice


def _training_amplitudes(params: MembraneNetworkParams, seed: int) -> NDArray[np.float64]:
    rng = np.random.default_rng(seed)
    drawn = [
        radial_amplitudes(
            draw_phantom(rng, params.patch, params.voxel_size_angstrom, params.half_thickness_angstrom).volume_zyx
        )
        for _ in range(SPECTRUM_PHANTOMS)
    ]
    return np.mean(drawn, axis=0)


def _module(checkpoint: MembraneCheckpoint) -> "nn.Module":
    import torch

    module = build_unet(checkpoint.params.network, seed=checkpoint.seed)
    module.load_state_dict({name: torch.from_numpy(np.array(value)) for name, value in checkpoint.weights.items()})
    return module.eval()


def _drop_small(logits_zyx: NDArray[np.float32], least_voxels: float) -> None:
    """Components smaller than so many voxels are no membranes; in place."""
    from scipy import ndimage

    labels, n = ndimage.label(logits_zyx > 0, structure=np.ones((3, 3, 3)))
    sizes = np.bincount(labels.ravel(), minlength=n + 1)
    small = sizes < least_voxels
    small[0] = False
    logits_zyx[small[labels]] = -10.0


def _enlarge(
    logits_zyx: NDArray[np.float32],
    tomogram: Tomogram,
    work: WorkingVolume,
    probability_zyx: NDArray[np.float32],
    semantic_zyx: NDArray[np.uint8],
    label: int,
) -> None:
    """Interpolate to the tomogram's own voxels, slab by slab."""
    from scipy import ndimage

    fine = tomogram.grid.voxel_size_angstrom
    nz, ny, nx = tomogram.grid.shape_zyx
    y, x = (((np.arange(n) * fine - work.offset_angstrom) / work.voxel_size_angstrom) for n in (ny, nx))
    planes = max(1, 4_000_000 // (ny * nx))
    for first in range(0, nz, planes):
        last = min(first + planes, nz)
        z = (np.arange(first, last) * fine - work.offset_angstrom) / work.voxel_size_angstrom
        at = np.meshgrid(z, y, x, indexing="ij")
        slab = ndimage.map_coordinates(logits_zyx, at, order=1, mode="nearest", output=np.float32)
        probability_zyx[first:last] = 1 / (1 + np.exp(-np.clip(slab, -30, 30)))
        semantic_zyx[first:last] = np.where(slab > 0, label, 0)
