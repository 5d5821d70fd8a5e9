"""Cost of the back-projection beside a sparse matrix of the same weights, and of the demo's tomogram end to end.

The peer is what a user of scipy alone would write: a CSR matrix of the linear interpolation, applied to blocks of 32
slices. CPU seconds, best of two, one thread. ``python benchmarks/speed/reconstruction.py [--quick]``.
"""

import argparse
import math
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from tomoset.geometry import TiltGeometry
from tomoset.model import CtfEstimate, InMemory, Resources, Silent, Tilt, TiltSeries
from tomoset.reconstruction import ReconstructionParams, back_project_views, reconstruct
from tomoset.reconstruction.back_projection import back_project_blocks, pack_views
from tomoset.reconstruction.plan import RowFrame

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # benchmarks/, which holds what its scripts share

from shared.figures import report

SLICES = 32


def best_of_two(work: Callable[[], NDArray[np.float32]]) -> tuple[float, NDArray[np.float32]]:
    """CPU seconds of the quicker of two runs, and the result."""
    seconds = math.inf
    for _ in range(2):
        start = time.process_time()
        result = work()
        seconds = min(seconds, time.process_time() - start)
    return seconds, result


def sparse_matrix(tilt_deg: NDArray[np.float64], n_u: int, nz: int, nx: int) -> csr_matrix:
    """Weights of (tilt, u) in each (z, x), linear interpolation, voxel and sample N // 2 on the axis."""
    z, x = np.meshgrid(np.arange(nz) - nz // 2, np.arange(nx) - nx // 2, indexing="ij")
    columns = np.empty((nz * nx, tilt_deg.size, 2), np.int32)
    values = np.empty((nz * nx, tilt_deg.size, 2), np.float32)
    for t, tilt in enumerate(np.deg2rad(tilt_deg)):
        at = (x * np.cos(tilt) + z * np.sin(tilt) + n_u // 2).ravel()
        low = np.floor(at).astype(np.int32)
        for offset, weight in ((0, 1 - (at - low)), (1, at - low)):
            inside = (low + offset >= 0) & (low + offset < n_u)
            columns[:, t, offset] = np.where(inside, t * n_u + low + offset, 0)
            values[:, t, offset] = weight * inside
    start = np.arange(nz * nx + 1, dtype=np.int32) * (2 * tilt_deg.size)
    return csr_matrix((values.ravel(), columns.ravel(), start), shape=(nz * nx, tilt_deg.size * n_u))


def by_matrix(matrix: csr_matrix, views: NDArray[np.float32], volume: NDArray[np.float32]) -> NDArray[np.float32]:
    """Back-project block by block of slices into ``volume``."""
    nz, ny, nx = volume.shape
    flat = views.reshape(-1, ny)
    for y in range(0, ny, SLICES):
        part = matrix @ np.ascontiguousarray(flat[:, y : y + SLICES])
        volume[:, y : y + SLICES] = part.reshape(nz, nx, -1).transpose(0, 2, 1)
    return volume


def measure_kernel(n: int, nz: int, bar: float | None) -> None:
    """41 views of n x n to nz x n x n, ours and the matrix."""
    tilt = np.linspace(-60, 60, 41)
    views = np.random.default_rng(1).standard_normal((41, n, n)).astype(np.float32)
    shape = (nz, n, n)
    half = math.ceil(0.5 * math.hypot(n + 2, nz + 2)) + 2
    frame = RowFrame(n_u=2 * half + 3, n_v=n, centre_u=half, centre_v=n // 2, step_u_angstrom=1.0, step_v_angstrom=1.0)
    rows, volume = pack_views(views, frame), np.empty(shape, np.float32)
    back_project_views(views[:, :8, :8].copy(), tilt, (4, 8, 8))  # compile

    def ours() -> NDArray[np.float32]:
        back_project_blocks(rows, frame, tilt, volume, y_first=0, workers=1, report=lambda done, total: None)
        return volume

    seconds, volume = best_of_two(ours)
    matrix = sparse_matrix(tilt, n, nz, n)
    peer = np.empty(shape, np.float32)
    peer_seconds, peer = best_of_two(lambda: by_matrix(matrix, views, peer))
    name = f"41x{n}x{n} to {nz}x{n}x{n}"
    report(f"back-projection {name}", seconds, "CPU s")
    report(f"back-projection {name}, updates", 41 * nz * n * n / seconds / 1e9, "G/CPU s")
    report(f"scipy CSR {name}", peer_seconds, "CPU s")
    report(f"back-projection {name}, times quicker than scipy CSR", peer_seconds / seconds, "x", bar, at_least=True)
    agreement = float(np.corrcoef(volume.ravel()[::53], peer.ravel()[::53])[0, 1])
    report(
        f"back-projection {name}, correlation with scipy CSR on white noise",
        agreement,
        "",
        0.9999,
        at_least=True,
    )


def demo_series(n_tilts: int, shape_yx: tuple[int, int]) -> TiltSeries:
    """Noise with the demo's geometry and defocus."""
    rng = np.random.default_rng(2)
    tilt = np.linspace(-45, 45, n_tilts)
    ctf = CtfEstimate(
        defocus_u_angstrom=35500.0,
        defocus_v_angstrom=34500.0,
        astigmatism_deg=20.0,
        score=1.0,
        resolution_angstrom=10.0,
    )
    rows = tuple(
        Tilt(
            name=f"tilt-{i}",
            nominal_tilt_deg=float(angle),
            acquisition_order=i,
            dose_e_per_angstrom2=3.2,
            dose_before_e_per_angstrom2=3.2 * i,
            mean_counts=80.0,
            ctf=ctf,
        )
        for i, angle in enumerate(tilt)
    )
    geometry = TiltGeometry(
        y_tilt_deg=tilt, z_rot_deg=np.full(n_tilts, 85.3), shift_xy_angstrom=rng.normal(0, 40, (n_tilts, 2))
    )
    images = rng.poisson(80, (n_tilts, *shape_yx)).astype(np.float32)
    return TiltSeries(
        run="demo", pixel_size_angstrom=5.0, tilts=rows, images_nyx=InMemory(images), geometry=geometry, defocus_hand=1
    )


def measure_demo(quick: bool) -> None:
    """End to end: filter, dose, phase flip in strips, interpolation and back-projection of one set of images."""
    params = ReconstructionParams()

    def work(series: TiltSeries) -> NDArray[np.float32]:
        return reconstruct(series, params, resources=Resources(), progress=Silent()).volume_zyx.read()

    work(demo_series(5, (64, 64)))  # compile
    series = demo_series(9, (384, 432)) if quick else demo_series(31, (768, 864))
    seconds, volume = best_of_two(lambda: work(series))
    shape = "x".join(str(n) for n in volume.shape)
    report(f"tomogram of {len(series.tilts)} tilts, {shape} voxels, end to end", seconds, "CPU s", 3.0)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    quick = parser.parse_args().quick
    sizes = ((128, 32), (256, 64)) if quick else ((256, 64), (512, 128), (1024, 256))
    for n, nz in sizes:
        # Small volumes live in the caches of both; the bar is for the size that people wait for.
        measure_kernel(n, nz, bar=3.0 if n >= 1024 else None)
    measure_demo(quick)
    # Two volumes, the views twice and the peer's matrix at the largest size.
    report("peak memory of this benchmark", resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20, "GiB")


if __name__ == "__main__":
    main()
