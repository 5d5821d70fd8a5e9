"""Layers that torch and MONAI lack; imported only where torch is needed anyway."""

import torch  # noqa: TID253
from monai.networks.blocks.upsample import SubpixelUpsample  # noqa: TID253
from torch import nn  # noqa: TID253

__all__ = ["SpaceToDepth", "depth_to_space"]


class SpaceToDepth(nn.Module):
    """(batch, 1, z, y, x) to (batch, 8, z/2, y/2, x/2): the eight voxels of a block become channels."""

    def forward(self, volume: torch.Tensor) -> torch.Tensor:
        """Rearrange."""
        batch, _, nz, ny, nx = volume.shape
        blocks = volume.reshape(batch, nz // 2, 2, ny // 2, 2, nx // 2, 2)
        return blocks.permute(0, 2, 4, 6, 1, 3, 5).reshape(batch, 8, nz // 2, ny // 2, nx // 2)


def depth_to_space() -> nn.Module:
    """(batch, 8 n, z, y, x) to (batch, n, 2 z, 2 y, 2 x)."""
    return SubpixelUpsample(
        spatial_dims=3, in_channels=None, scale_factor=2, conv_block=nn.Identity(), apply_pad_pool=False
    )
