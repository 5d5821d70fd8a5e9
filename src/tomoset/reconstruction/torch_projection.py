"""Back-projection, projection and iterations on a torch device, with the weights of the compiled kernels.

Both directions are sums over lists of (index, weight): torch's embedding bag, which gathers whole rows of y, needs no
memory for products, and adds in the list's order, so that a result is repeatable. Positions are float64, weights and
sums float32, as in ``_kernels.py``; results agree to rounding.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from tomoset.errors import ParameterError
from tomoset.reconstruction.back_projection import row_steps
from tomoset.reconstruction.plan import RowFrame
from tomoset.reconstruction.sirt import Iterations, longest_paths

if TYPE_CHECKING:
    import torch

__all__ = ["back_project_blocks_on", "iterate_blocks_on"]

Floats = NDArray[np.float32]
Report = Callable[[int, int], None]

# Of the device's free memory; the rest is for lists being made and for what the device's allocator holds back.
_SHARE = 0.6
# Entries (12 bytes, and as much again while they are made) of the lists of one call.
_ENTRIES_AT_ONCE = 1 << 25


def back_project_blocks_on(
    device: str,
    rows: Floats,
    frame: RowFrame,
    y_tilt_deg: NDArray[np.float64],
    volume_zyx: Floats,
    *,
    y_first: int,
    memory_gib: float,
    report: Report,
) -> None:
    """Fill ``volume_zyx[:, y_first:]`` as far as the blocks reach; as ``back_project_blocks``.

    Parameters
    ----------
    device : str
        ``"cuda"``, or ``"cpu"`` for a comparison.
    memory_gib : float
        Memory to use where the device does not say how much it has free.

    Raises
    ------
    ParameterError
        If there is no such device.
    """
    import torch

    projector = _Projector.of(device, frame, y_tilt_deg, (volume_zyx.shape[0], volume_zyx.shape[2]))
    a_block = 4 * rows.shape[-1] * (rows.shape[1] * rows.shape[2] + volume_zyx.shape[2] * volume_zyx.shape[0])
    every = torch.arange(rows.shape[1], device=projector.device)
    parts = list(_parts(rows.shape[0], a_block, projector.device, memory_gib))
    for done, some in enumerate(parts, start=1):
        table = _to_table(rows[some], projector.device)
        for planes in projector.plane_groups(rows.shape[1]):
            _store(projector.back(table, planes, every), planes, volume_zyx, y_first + some.start * rows.shape[-1])
        report(done, len(parts))


def iterate_blocks_on(
    device: str,
    rows: Floats,
    seen: Floats,
    iterations: Iterations,
    volume_zyx: Floats,
    *,
    y_first: int,
    memory_gib: float,
    report: Report,
) -> NDArray[np.float64]:
    """Fill ``volume_zyx[:, y_first:]`` as far as the blocks reach; as ``iterate_blocks``."""
    import torch

    shape_zx = (volume_zyx.shape[0], volume_zyx.shape[2])
    projector = _Projector.of(device, iterations.frame, iterations.y_tilt_deg, shape_zx)
    path = longest_paths(iterations.frame, iterations.y_tilt_deg, shape_zx)
    weight = torch.from_numpy((1 / path).astype(np.float32)).to(projector.device)[:, None, None]
    subsets = [torch.from_numpy(subset).to(projector.device) for subset in iterations.subsets]
    a_block = 4 * rows.shape[-1] * (4 * rows.shape[1] * rows.shape[2] + 2 * shape_zx[0] * shape_zx[1])
    squares = np.zeros(iterations.number)
    parts = list(_parts(rows.shape[0], a_block, projector.device, memory_gib))
    for done, some in enumerate(parts, start=1):
        shape = (rows.shape[1], rows.shape[2], -1)
        measured, known = (_to_table(a[some], projector.device).view(shape) for a in (rows, seen))
        voxels = measured.new_zeros((shape_zx[0] * shape_zx[1], measured.shape[2]))
        for iteration in range(iterations.number):
            for subset in subsets:
                lacking = known[subset] * (measured[subset] - projector.forward(voxels, subset))
                squares[iteration] += float(lacking.square().sum(dtype=torch.float64))
                lacking *= weight[subset]
                table = lacking.view(-1, lacking.shape[2])
                for planes in projector.plane_groups(subset.numel()):
                    place = slice(planes.start * shape_zx[1], planes.stop * shape_zx[1])
                    voxels[place] += projector.back(table, planes, subset) * (iterations.relaxation / subset.numel())
        _store(voxels, slice(0, shape_zx[0]), volume_zyx, y_first + some.start * rows.shape[-1])
        report(done, len(parts))
    return squares


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Projector:
    """The linear map between voxels (z × x) and samples (views × u), row by row of y."""

    device: "torch.device"
    n_u: int
    centre_u: float
    shape_zx: tuple[int, int]
    cos_rows: "torch.Tensor"
    sin_rows: "torch.Tensor"

    @classmethod
    def of(
        cls, device: str, frame: RowFrame, y_tilt_deg: NDArray[np.float64], shape_zx: tuple[int, int]
    ) -> "_Projector":
        import torch

        if device.startswith("cuda") and not torch.cuda.is_available():
            raise ParameterError(
                f"--device: expected a GPU that torch can use for {device}, found none; install a torch built for "
                "CUDA and its driver, or use cpu"
            )
        chosen = torch.device(device)
        cos_rows, sin_rows = (torch.from_numpy(a).to(chosen) for a in row_steps(frame, y_tilt_deg))
        return cls(
            device=chosen,
            n_u=frame.n_u,
            centre_u=float(frame.centre_u),
            shape_zx=shape_zx,
            cos_rows=cos_rows,
            sin_rows=sin_rows,
        )

    def plane_groups(self, n_views: int) -> Iterator[slice]:
        """Planes z whose lists are made together."""
        nz, nx = self.shape_zx
        step = max(1, _ENTRIES_AT_ONCE // (2 * n_views * nx))
        for first in range(0, nz, step):
            yield slice(first, min(nz, first + step))

    def _rows_of(self, planes: slice, view: "torch.Tensor") -> tuple["torch.Tensor", "torch.Tensor"]:
        """Row below each voxel (z × x, views) and the weight of the one above it."""
        import torch

        nz, nx = self.shape_zx
        z = torch.arange(planes.start, planes.stop, device=self.device, dtype=torch.float64) - nz // 2
        x = torch.arange(nx, device=self.device, dtype=torch.float64) - nx // 2
        row = x[None, :, None] * self.cos_rows[view] + z[:, None, None] * self.sin_rows[view] + self.centre_u
        below = row.floor()
        return below.long().flatten(0, 1), (row - below).float().flatten(0, 1)

    def back(self, table: "torch.Tensor", planes: slice, views: "torch.Tensor") -> "torch.Tensor":
        """Voxels (z × x, y) of some planes from samples (views × u, y) of some views."""
        import torch

        below, fraction = self._rows_of(planes, views)
        below += self.n_u * torch.arange(views.numel(), device=self.device)
        index = torch.stack([below, below + 1], dim=2).flatten(1)
        weight = torch.stack([1 - fraction, fraction], dim=2).flatten(1)
        return torch.nn.functional.embedding_bag(index, table, mode="sum", per_sample_weights=weight)

    def forward(self, voxels: "torch.Tensor", views: "torch.Tensor") -> "torch.Tensor":
        """Samples (views, u, y) of some views from voxels (z × x, y): the transpose of ``back``."""
        import torch

        out = voxels.new_empty((views.numel(), self.n_u, voxels.shape[1]))
        for number in range(views.numel()):
            below, fraction = (a[:, 0] for a in self._rows_of(slice(0, self.shape_zx[0]), views[number : number + 1]))
            rows = torch.cat([below, below + 1])
            order = torch.argsort(rows, stable=True)
            counts = torch.bincount(rows, minlength=self.n_u)
            out[number] = torch.nn.functional.embedding_bag(
                order % below.numel(),
                voxels,
                torch.cumsum(counts, 0) - counts,
                mode="sum",
                per_sample_weights=torch.cat([1 - fraction, fraction])[order],
            )
        return out


def _parts(n_blocks: int, a_block: int, device: "torch.device", memory_gib: float) -> Iterator[slice]:
    """As many y blocks at a time as the device's memory holds."""
    import torch

    free = torch.cuda.mem_get_info(device)[0] if device.type == "cuda" else int(memory_gib * 2**30)
    at_once = max(1, int(_SHARE * free / a_block))
    for first in range(0, n_blocks, at_once):
        yield slice(first, min(n_blocks, first + at_once))


def _to_table(rows: Floats, device: "torch.device") -> "torch.Tensor":
    """Rows (blocks, views, u, 64) as (views × u, y) on the device."""
    import torch

    return torch.from_numpy(rows).to(device).permute(1, 2, 0, 3).flatten(0, 1).flatten(1).contiguous()


def _store(voxels: "torch.Tensor", planes: slice, volume_zyx: Floats, y_first: int) -> None:
    """Copy voxels (z × x, y) to some planes of a volume, from ``y_first`` as far as both reach."""
    target = volume_zyx[planes, y_first : y_first + voxels.shape[1]]
    turned = voxels.view(-1, volume_zyx.shape[2], voxels.shape[1]).transpose(1, 2)
    target[:] = turned[:, : target.shape[1]].cpu().numpy()
