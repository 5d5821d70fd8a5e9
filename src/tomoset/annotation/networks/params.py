"""How networks are trained on labeled tomograms, and how they label others."""

from dataclasses import dataclass, field
from typing import Any

from tomoset.errors import ParameterError
from tomoset.networks import TrainingParams

__all__ = ["AugmentationParams", "DetectorParams", "PredictionParams", "SegmenterParams"]


def _check(of: Any, room: str, ranges: dict[str, tuple[float, float]]) -> None:
    for name, (least, most) in ranges.items():
        value = getattr(of, name)
        if not least <= value <= most:
            raise ParameterError(f"{room}.{name}: expected {least:g} to {most:g}, got {value:g}")


@dataclass(frozen=True, slots=True, kw_only=True)
class AugmentationParams:
    """What is changed at random in a training crop.

    Parameters
    ----------
    flips : bool
        Mirror each axis with probability 1/2. They leave the missing wedge of a series tilted about y to both sides
        where it is, as no turn by 90° would; that a mirrored molecule has the other hand is not seen at 20 Å.
    turn_share : float
        Share of the crops that are turned about a random axis (a specimen is never quite level).
    turn_deg : float
        Largest angle of such a turn.
    contrast : float
        Standard deviation of the logarithm of a factor on the densities.
    offset : float
        Standard deviation of a constant added to them, in the densities' own robust standard deviations.
    noise : float
        Largest amount of a given noise volume that is added, in the same units.
    mixup : float
        Share of the batches in which crops are blended in pairs with a uniform weight (Zhang et al. 2018, ICLR).

    Raises
    ------
    ParameterError
        If a value is out of range.
    """

    flips: bool = True
    turn_share: float = 0.1
    turn_deg: float = 8.0
    contrast: float = 0.1
    offset: float = 0.05
    noise: float = 0.5
    mixup: float = 0.0

    def __post_init__(self) -> None:
        """Refuse what is no augmentation."""
        shares = {"turn_share": (0.0, 1.0), "mixup": (0.0, 1.0)}
        amounts = {"turn_deg": (0.0, 30.0), "contrast": (0.0, 1.0), "offset": (0.0, 3.0), "noise": (0.0, 10.0)}
        _check(self, "augmentation", shares | amounts)


@dataclass(frozen=True, slots=True, kw_only=True)
class _TrainingChoices:
    """What detector and segmenter share.

    Parameters
    ----------
    voxel_size_angstrom : float
        Of every tomogram that the network sees.
    crop : int
        Edge of a training crop, voxels; a multiple of 8.
    batch : int
        Crops a step.
    width : int
        Channels at half resolution.
    balanced : float
        Share of the crops that are laid about a random individual of a random class; the others lie anywhere.
    held_out : float
        Share of each tomogram, at the end of its y axis, that is never trained on; thresholds are chosen there.
    calibration_mvoxel : float
        Largest amount of the held-out parts that thresholds are chosen on, 10⁶ voxels.
    training : TrainingParams
    augmentation : AugmentationParams
    """

    voxel_size_angstrom: float = 10.0
    crop: int = 64
    batch: int = 2
    width: int = 24
    balanced: float = 0.5
    held_out: float = 0.125
    calibration_mvoxel: float = 40.0
    training: TrainingParams = field(default_factory=lambda: TrainingParams(steps=1500, learning_rate=2e-3))
    augmentation: AugmentationParams = field(default_factory=AugmentationParams)

    def __post_init__(self) -> None:
        """Refuse what cannot be trained."""
        ranges = {
            "voxel_size_angstrom": (1.0, 100.0),
            "crop": (16, 512),
            "batch": (1, 256),
            "width": (8, 512),
            "balanced": (0.0, 1.0),
            "held_out": (0.0, 0.5),
            "calibration_mvoxel": (0.0, 1e6),
        }
        _check(self, "network", ranges)
        if self.crop % 8 or self.width % 8:
            raise ParameterError(
                f"network: expected crop and width in multiples of 8, got {self.crop} and {self.width}"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class DetectorParams(_TrainingChoices):
    """How a detector is trained; further parameters as its base class says.

    Parameters
    ----------
    positive_weight : float
        Weight of a centre against an empty voxel in the cross entropy, for a class of which crops hold as many as of
        the mean class; predictions are freed of it.
    rarity : float
        Power of a class's scarcity in the crops by which its centres weigh more than others': 0 for all alike, 1 for
        all classes together alike. Without it a class of a few individuals a tomogram is learned last.
    offset_weight : float
        Weight of the error of the sub-voxel position.
    """

    positive_weight: float = 128.0
    rarity: float = 0.75
    offset_weight: float = 0.2

    def __post_init__(self) -> None:
        """Refuse what cannot be trained."""
        _TrainingChoices.__post_init__(self)
        _check(self, "detector", {"positive_weight": (1.0, 1e5), "rarity": (0.0, 1.0), "offset_weight": (0.0, 100.0)})


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmenterParams(_TrainingChoices):
    """How a segmenter is trained; further parameters as its base class says.

    Parameters
    ----------
    dice_weight : float
        Weight of the soft Dice loss beside the cross entropy.
    """

    dice_weight: float = 1.0

    def __post_init__(self) -> None:
        """Refuse what cannot be trained."""
        _TrainingChoices.__post_init__(self)
        _check(self, "segmenter", {"dice_weight": (0.0, 100.0)})


@dataclass(frozen=True, slots=True, kw_only=True)
class PredictionParams:
    """How a trained network labels a tomogram.

    Parameters
    ----------
    tile, overlap : int
        Edge of the tiles the network runs on and what neighbours share, voxels; multiples of 8.
    flips : {1, 2, 4, 8}
        Mirrorings of each tile whose answers are averaged; 8 costs eight times as much as 1.
    match_spectrum : bool
        Whether the tomogram's radial amplitude spectrum is first made that of the training tomograms.
    exclusion_fraction : float
        Two picks are never closer than this share of the sum of their radii.
    least_probability : float or None
        Threshold for all classes, instead of those that the training chose.

    Raises
    ------
    ParameterError
        If a value is out of range.
    """

    tile: int = 96
    overlap: int = 16
    flips: int = 1
    match_spectrum: bool = False
    exclusion_fraction: float = 0.4
    least_probability: float | None = None

    def __post_init__(self) -> None:
        """Refuse what cannot predict."""
        _check(self, "prediction", {"tile": (16, 1024), "overlap": (0, 512), "exclusion_fraction": (0.0, 2.0)})
        if self.tile % 8 or self.overlap % 8 or 2 * self.overlap > self.tile:
            raise ParameterError(
                "prediction: expected tile and overlap in multiples of 8 and an overlap of half a tile at most, got "
                f"{self.tile} and {self.overlap}"
            )
        if self.flips not in (1, 2, 4, 8):
            raise ParameterError(f"prediction.flips: expected 1, 2, 4 or 8, got {self.flips}")
        if self.least_probability is not None and not 0 <= self.least_probability <= 1:
            raise ParameterError(f"prediction.least_probability: expected 0 to 1, got {self.least_probability:g}")
