"""Build the small 3-D U-Net that denoising, annotation and baselines share."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tomoset.errors import ParameterError

if TYPE_CHECKING:
    from torch import nn

__all__ = ["UNetParams", "build_unet"]


@dataclass(frozen=True, slots=True, kw_only=True)
class UNetParams:
    """Shape of the network.

    Parameters
    ----------
    n_in, n_out : int
        Channels of the volume and of the answer.
    channels : tuple of int
        Width of each level; every level but the last halves the resolution.

    Raises
    ------
    ParameterError
        If a number is not positive, or there are fewer than two levels.
    """

    n_in: int = 1
    n_out: int = 1
    channels: tuple[int, ...] = (8, 16, 32)

    def __post_init__(self) -> None:
        """Refuse networks without channels."""
        if len(self.channels) < 2 or min(self.n_in, self.n_out, *self.channels) < 1:
            raise ParameterError(
                "a U-Net needs two levels or more and at least one channel everywhere, found "
                f"{self.n_in} -> {self.channels} -> {self.n_out}"
            )

    @property
    def multiple(self) -> int:
        """Number that the lengths of a tile must be multiples of."""
        return int(2 ** (len(self.channels) - 1))


def build_unet(params: UNetParams, *, seed: int) -> "nn.Module":
    """Make a U-Net whose random start depends on the seed only.

    Parameters
    ----------
    params : UNetParams
    seed : int

    Returns
    -------
    torch.nn.Module
        Maps (batch, n_in, z, y, x) to (batch, n_out, z, y, x), float32: MONAI's ``UNet`` (Kerfoot et al. 2019, STACOM)
        with one strided convolution a level and no normalisation, so that a voxel's answer does not depend on the
        tile it is in.
    """
    import torch
    from monai.networks.nets.unet import UNet

    no_normalisation: Any = None  # MONAI takes it, its annotation does not say so
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        module: nn.Module = UNet(
            spatial_dims=3,
            in_channels=params.n_in,
            out_channels=params.n_out,
            channels=params.channels,
            strides=(2,) * (len(params.channels) - 1),
            num_res_units=0,
            act=("leakyrelu", {"negative_slope": 0.1}),
            norm=no_normalisation,
        )
    return module
