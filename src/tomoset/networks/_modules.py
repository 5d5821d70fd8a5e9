"""The torch modules themselves; imported only when a network is built."""

import itertools

import torch  # noqa: TID253
from torch import nn  # noqa: TID253

__all__ = ["UNet3d"]


class UNet3d(nn.Module):
    """A 3-D U-Net without normalisation layers, so that a voxel's answer does not depend on the tile it is in.

    Çiçek et al. 2016 (MICCAI), with strided average pooling, trilinear upsampling and leaky rectifiers. The lengths of
    the input's axes must be multiples of ``2 ** (len(channels) - 1)``.
    """

    def __init__(self, n_in: int, n_out: int, channels: tuple[int, ...]) -> None:
        super().__init__()
        widths = (n_in, *channels)
        self.down = nn.ModuleList(_block(a, b) for a, b in itertools.pairwise(widths))
        self.up = nn.ModuleList(_block(deep + flat, flat) for flat, deep in itertools.pairwise(channels))
        self.head = nn.Conv3d(channels[0], n_out, kernel_size=1)

    def forward(self, volume: torch.Tensor) -> torch.Tensor:
        """(batch, n_in, z, y, x) to (batch, n_out, z, y, x)."""
        kept: list[torch.Tensor] = []
        for level, block in enumerate(self.down):
            volume = block(volume if level == 0 else nn.functional.avg_pool3d(volume, 2))
            kept.append(volume)
        for level in reversed(range(len(self.up))):
            larger = nn.functional.interpolate(volume, scale_factor=2, mode="trilinear", align_corners=False)
            volume = self.up[level](torch.cat([larger, kept[level]], dim=1))
        out: torch.Tensor = self.head(volume)
        return out


def _block(n_in: int, n_out: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv3d(n_in, n_out, kernel_size=3, padding=1, padding_mode="replicate"),
        nn.LeakyReLU(0.1),
        nn.Conv3d(n_out, n_out, kernel_size=3, padding=1, padding_mode="replicate"),
        nn.LeakyReLU(0.1),
    )
