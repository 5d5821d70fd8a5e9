"""Build the small 3-D U-Net that denoising, annotation and baselines share."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

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
        Width of each level, the finest first; every further level halves the resolution.

    Raises
    ------
    ParameterError
        If a number is not positive.
    """

    n_in: int = 1
    n_out: int = 1
    channels: tuple[int, ...] = (8, 16, 32)

    def __post_init__(self) -> None:
        """Refuse networks without channels."""
        if not self.channels or min(self.n_in, self.n_out, *self.channels) < 1:
            raise ParameterError(
                f"a U-Net needs at least one channel everywhere, found {self.n_in} -> {self.channels} -> {self.n_out}"
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
        Maps (batch, n_in, z, y, x) to (batch, n_out, z, y, x), float32.
    """
    import torch

    from tomoset.networks._modules import UNet3d

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return UNet3d(params.n_in, params.n_out, params.channels)
