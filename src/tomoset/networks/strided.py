"""Build the network that detection and segmentation share: it works at half the tomogram's resolution."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from tomoset.errors import ParameterError

if TYPE_CHECKING:
    from torch import nn

__all__ = ["StridedNetParams", "build_strided_net"]

_DEPTH = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class StridedNetParams:
    """Shape of the network.

    Parameters
    ----------
    n_out : int
        Channels of the answer.
    width : int
        Channels at half resolution, a multiple of 8; every one of the further two levels doubles them.
    stride : {1, 2}
        Voxels of the tomogram per voxel of the answer, along each axis.

    Raises
    ------
    ParameterError
        If a number is out of range.
    """

    n_out: int
    width: int = 24
    stride: Literal[1, 2] = 2

    def __post_init__(self) -> None:
        """Refuse networks that cannot be built."""
        if self.n_out < 1 or self.width < 8 or self.width % 8 or self.stride not in (1, 2):
            raise ParameterError(
                "network: expected n_out of 1 or more, width a multiple of 8 and stride 1 or 2, found "
                f"{self.n_out}, {self.width} and {self.stride}"
            )

    @property
    def multiple(self) -> int:
        """Number that the lengths of a tile must be multiples of."""
        return int(2**_DEPTH)


def build_strided_net(params: StridedNetParams, *, seed: int) -> "nn.Module":
    """Make a network whose random start depends on the seed only.

    Parameters
    ----------
    params : StridedNetParams
    seed : int

    Returns
    -------
    torch.nn.Module
        Maps (batch, 1, z, y, x) to (batch, n_out, z / stride, y / stride, x / stride). Every 2 × 2 × 2 voxels become
        eight channels, which loses nothing and leaves an eighth of the work; then MONAI's ``SegResNet`` (residual
        encoder and decoder, Myronenko 2018, BrainLes) of three levels, 40 to 160 Å at voxels of 10 Å.
    """
    import torch
    from monai.networks.nets.segresnet import SegResNet

    from tomoset.networks._blocks import SpaceToDepth, depth_to_space

    n_inner = params.n_out if params.stride == 2 else 8 * params.n_out
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        trunk = SegResNet(
            spatial_dims=3,
            init_filters=params.width,
            in_channels=8,
            out_channels=n_inner,
            blocks_down=(1, 2, 2),
            blocks_up=(1, 1),
        )
    layers: list[nn.Module] = [SpaceToDepth(), trunk]
    if params.stride == 1:
        layers.append(depth_to_space())
    return torch.nn.Sequential(*layers)
