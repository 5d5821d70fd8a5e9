"""Cost of projecting both ways beside a sparse matrix of the same weights, of file to file, and of whole tomograms.

The peer in the same run is what a user of scipy alone would write: a CSR matrix of the linear interpolation, applied to
blocks of 32 slices; and the ASTRA toolbox where it is installed. IMOD cannot be installed from a package registry: the
seconds of its ``tilt`` (2014 sources, one thread, files and filter included) are quoted from another machine, where
this scipy matrix took 2.8 to 4.1 s. All seconds are of the CPU, the least of several runs, in one thread.

``python benchmarks/speed/reconstruction.py [--quick]``
"""

import argparse
import math
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from scipy.fft import irfft, next_fast_len, rfft
from scipy.sparse import csr_matrix

from tomoset.formats.mrc import open_mrc, write_stack, write_volume
from tomoset.geometry import TiltGeometry
from tomoset.model import CtfEstimate, InMemory, Resources, Silent, Tilt, TiltSeries
from tomoset.reconstruction import (
    ReconstructionParams,
    back_project_views,
    iterate_views,
    project_volume,
    reconstruct,
)
from tomoset.reconstruction._kernels import ROWS_Y, sum_entries
from tomoset.reconstruction._view_kernels import resample_aligned
from tomoset.reconstruction.back_projection import (
    back_project_blocks,
    blocks_of,
    frame_around,
    pack_views,
    say_nothing,
    zero_rows,
)
from tomoset.reconstruction.focus import corrected_spectra
from tomoset.reconstruction.image_spectra import padded_spectrum
from tomoset.reconstruction.plan import make_plan
from tomoset.reconstruction.taps import tap_table
from tomoset.reconstruction.views import contrast_of_counts, fine_image, make_filters, sample_lines

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # benchmarks/, which holds what its scripts share

from shared.figures import report
from shared.projection_peers import SLICES, astra_seconds, by_matrix, sparse_matrix

Floats = NDArray[np.float32]
IMOD_TILT_SECONDS = 4.6
TILT = np.linspace(-60, 60, 41)
Result = TypeVar("Result")


def least(work: Callable[[], Result], runs: int = 3) -> tuple[float, Result]:
    """CPU seconds of the quickest run, and the result of the last."""
    seconds = math.inf
    for _ in range(runs):
        start = time.process_time()
        result = work()
        seconds = min(seconds, time.process_time() - start)
    return seconds, result


def read_bandwidth(kib: int) -> float:
    """GB/s that the kernels' own sum reads from a buffer of this size, checked by what it adds up to.

    Rows of 64 in random order: nothing can be folded or left out, and the sum of whole numbers below 2²⁴ is exact.
    """
    rows = kib * 1024 // (4 * ROWS_Y)
    rng = np.random.default_rng(0)
    room = np.empty(rows * ROWS_Y + 16, np.float32)
    values = room[-room.ctypes.data % 64 // 4 :][: rows * ROWS_Y]
    values[:] = rng.integers(0, 8, values.size)
    order = rng.integers(0, rows, 200_000)
    offsets, weights = (order * ROWS_Y).astype(np.uint32)[None], np.ones((1, order.size), np.float32)
    out = np.zeros(ROWS_Y, np.float32)

    def work() -> None:
        out[:] = 0
        sum_entries(values, offsets, weights, 0, 0, order.size, 0, out, 0)

    seconds, _ = least(work, 9)
    expected = values.reshape(rows, ROWS_Y)[order].sum(axis=0, dtype=np.float64)
    if not np.array_equal(out, expected):
        raise RuntimeError("the bandwidth loop did not read what it claims")
    return float(order.size * ROWS_Y * 4 / seconds / 1e9)


def measure_kernel(n: int, nz: int, second_level: float, judged: bool) -> None:
    """41 views of n x n to nz x n x n, ours and the matrix."""
    views = np.random.default_rng(1).standard_normal((41, n, n)).astype(np.float32)
    shape = (nz, n, n)
    frame = frame_around(shape, TILT, n, 1)
    rows, volume = pack_views(views, frame), np.empty(shape, np.float32)
    back_project_views(views[:, :8, :8].copy(), TILT, (4, 8, 8))  # compile

    def ours() -> Floats:
        back_project_blocks(rows, frame, TILT, volume, y_first=0, workers=1, report=say_nothing)
        return volume

    seconds, volume = least(ours)
    matrix = sparse_matrix(TILT, n, nz, n)
    peer_seconds, agreement = measure_matrix(matrix, views, volume)
    name = f"41x{n}x{n} to {nz}x{n}x{n}"
    updates = 41 * nz * n * n
    report(f"back-projection {name}", seconds, "CPU s", 1.0 if judged else None)
    report(f"back-projection {name}, updates", updates / seconds / 1e9, "G/CPU s")
    report(f"back-projection {name}, of the second-level read bandwidth", updates * 8e-9 / seconds / second_level, "")
    report(f"scipy CSR {name}", peer_seconds, "CPU s")
    # Small volumes live in the caches of both; the bar is for the size that people wait for.
    bar = 3.0 if judged else None
    report(f"back-projection {name}, times quicker than scipy CSR", peer_seconds / seconds, "x", bar, at_least=True)
    report(f"back-projection {name}, correlation with scipy CSR on white noise", agreement, "", 0.9999, at_least=True)
    astra = astra_seconds(TILT, n, nz, 3)
    if astra is None:
        print(f"ASTRA is not installed: no figure for {name}", file=sys.stderr)
    else:
        report(f"ASTRA 'linear' {name}, {n} times one slice", n * astra, "CPU s")
    measure_projection(name, volume, matrix, judged)


def measure_matrix(matrix: csr_matrix, views: Floats, ours: Floats) -> tuple[float, float]:
    """CPU seconds of the matrix, and the correlation of its volume with ours; the volume is gone afterwards."""
    volume = np.empty(ours.shape, np.float32)
    seconds, _ = least(lambda: by_matrix(matrix, views, volume), 2)
    return seconds, float(np.corrcoef(ours.ravel()[::53], volume.ravel()[::53])[0, 1])


def measure_projection(name: str, volume: Floats, matrix: csr_matrix, judged: bool) -> None:
    """The projection of that volume, and ten iterations of SIRT; slices are independent, and 256 are timed."""
    ny = volume.shape[1]
    timed = min(ny, 4 * ROWS_Y)
    some, share = np.ascontiguousarray(volume[:, :timed]), ny / timed
    seconds, views = least(lambda: project_volume(some, TILT, ny))
    report(f"projection {name}", share * seconds, "CPU s", 1.0 if judged else None)
    turned = matrix.T.tocsr()
    columns = np.ascontiguousarray(some[:, :SLICES].swapaxes(0, 1).reshape(SLICES, -1).T)
    peer_seconds, _ = least(lambda: turned @ columns, 2)
    report(f"scipy CSR, projection {name}, {ny // SLICES} times {SLICES} slices", ny / SLICES * peer_seconds, "CPU s")
    seconds, _ = least(lambda: iterate_views(views, TILT, some.shape, iterations=10), 1)
    report(f"SIRT {name}, 10 iterations", share * seconds, "CPU s", 20.0 if judged else None)


def ramp_filtered(images_nyx: Floats) -> Floats:
    """Rows times the ramp, zero-padded to twice their length, as IMOD's ``tilt`` does it."""
    length = next_fast_len(2 * images_nyx.shape[2], real=True)
    ramp = np.maximum(np.fft.rfftfreq(length), 0.25 / length).astype(np.float32) * np.float32(np.deg2rad(3.0))
    filtered = np.empty_like(images_nyx)
    for image, out in zip(images_nyx, filtered, strict=True):
        out[:] = irfft(rfft(image, length) * ramp, length)[:, : image.shape[1]]
    return filtered


def measure_files(n: int, nz: int, judged: bool) -> None:
    """An aligned stack in a file to a volume in a file: read, ramp, back-project, write, in this process."""
    with tempfile.TemporaryDirectory() as folder:
        stack, target = Path(folder) / "stack.mrc", Path(folder) / "volume.mrc"
        write_stack(stack, np.random.default_rng(3).standard_normal((41, n, n)).astype(np.float32), 8.3)

        def work() -> None:
            images = ramp_filtered(open_mrc(stack).read())
            volume = back_project_views(images.transpose(0, 2, 1), TILT, (nz, n, n))
            write_volume(target, volume, 8.3)

        seconds, _ = least(work)
        bare, _ = least(lambda: bare_files(stack, Path(folder) / "bare", (nz, n, n)))
    name = f"aligned stack to volume, files included, 41x{n}x{n} to {nz}x{n}x{n}"
    report(name, seconds, "CPU s", 1.5 if judged else None)
    report(f"{name}: of this, reading and writing the same bytes with numpy alone", bare, "CPU s")
    if judged:
        report("IMOD tilt, the same, quoted from another machine", IMOD_TILT_SECONDS, "CPU s")
        report(f"{name}, times quicker than IMOD tilt as quoted", IMOD_TILT_SECONDS / seconds, "x", 3.0, at_least=True)


def bare_files(stack: Path, target: Path, shape: tuple[int, int, int]) -> None:
    """What no program can do without: the stack's bytes read, the volume's memory touched and its bytes written."""
    np.fromfile(stack, np.uint8)
    volume = np.empty(shape, np.float32)
    volume[:] = 1
    volume.tofile(target)
    target.unlink()


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


def measure_series(quick: bool) -> None:
    """The verb on unaligned images: filter, dose, phase flip in strips, interpolation, back-projection."""
    params = ReconstructionParams()
    reconstruct(demo_series(5, (256, 256)), params, resources=Resources(), progress=Silent())  # compile
    series = demo_series(9, (384, 432)) if quick else demo_series(31, (768, 864))
    measure_verb(f"tomogram of {len(series.tilts)} tilts, voxels of two pixels", series, params, None if quick else 3.0)
    fine = replace(params, voxel_size_angstrom=5.0, thickness_angstrom=1280.0)
    series, name = demo_series(41, (1024, 1024)), "tomogram of 41 tilts, voxels as fine as pixels"
    if quick:
        series, name = demo_series(9, (256, 256)), "tomogram of 9 tilts, voxels as fine as pixels"
    plain = replace(fine, ctf_correction="none", dose_weighting=False)
    measure_verb(f"{name}, neither CTF nor dose", series, plain, None if quick else 4.0)
    measure_verb(f"{name}, phases flipped and dose-weighted", series, fine, None if quick else 4.0)
    measure_parts(name, series, fine)


def measure_verb(name: str, series: TiltSeries, params: ReconstructionParams, bar: float | None) -> None:
    """End to end into memory that was used before; what the first touch of so much costs is for information."""
    shape = make_plan(series, params).grid.shape_zyx
    start = time.process_time()
    volume = np.zeros(shape, np.float32)
    volume[:] = 1
    touched = time.process_time() - start
    resources = Resources(allocate=lambda *_: volume)
    seconds, _ = least(lambda: reconstruct(series, params, resources=resources, progress=Silent()))
    size = "x".join(str(n) for n in shape)
    report(f"{name}, {size}, end to end", seconds, "CPU s", bar)
    report(f"{name}, {size}, first touch of the volume's memory, not included", touched, "CPU s")


def measure_parts(name: str, series: TiltSeries, params: ReconstructionParams) -> None:
    """What each step of the verb costs, summed over all views."""
    plan = make_plan(series, params)
    filters = make_filters(series, params, plan)
    rows = zero_rows(blocks_of(plan.rows.n_v), plan.used.size, plan.rows.n_u)
    rows[:] = 0
    spent = dict.fromkeys(("contrast", "forward transforms", "phases by place", "filter", "resampling"), 0.0)

    def timed(part: str, work: Callable[[], Result]) -> Result:
        seconds, result = least(work, 2)
        spent[part] += seconds
        return result

    for i, row in enumerate(plan.used):
        counts = np.asarray(series.images_nyx.read((int(row),)))
        image = timed("contrast", lambda counts=counts: contrast_of_counts(counts, "view"))
        spectrum = timed("forward transforms", lambda image=image: padded_spectrum(image, plan.source))
        (corrected,) = timed(
            "phases by place",
            lambda i=i, s=spectrum: list(corrected_spectra(s, [plan], i, filters.levels[i], filters.optics[i])),
        )
        fine = timed("filter", lambda i=i, s=corrected: fine_image(s, plan, filters, i))
        lines = sample_lines(plan, i)
        timed(
            "resampling",
            lambda i=i, fine=fine, lines=lines: resample_aligned(
                fine, rows[:, i], lines, 0, plan.rows.n_v, plan.source.field_yx, tap_table()
            ),
        )
    volume = np.zeros(plan.grid.shape_zyx, np.float32)
    tilt = plan.geometry.y_tilt_deg
    spent["back-projection"], _ = least(
        lambda: back_project_blocks(rows, plan.rows, tilt, volume, y_first=0, workers=1, report=say_nothing)
    )
    spent["filter and inverse transforms"] = spent.pop("filter")
    for part, seconds in spent.items():
        report(f"{name}: {part}", seconds, "CPU s")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    quick = parser.parse_args().quick
    bandwidth = {kib: read_bandwidth(kib) for kib in (24, 512)}
    for kib, found in bandwidth.items():
        report(f"read bandwidth of the kernels' sum, {kib} KB", found, "GB/s")
    sizes = ((128, 32), (256, 64)) if quick else ((256, 64), (512, 128), (1024, 256))
    for n, nz in sizes:
        measure_kernel(n, nz, bandwidth[512], judged=n >= 1024)
        measure_files(n, nz, judged=n >= 1024)
    measure_series(quick)
    # Two volumes, the views twice and the peer's matrix and its transpose at the largest size.
    report("peak memory of this benchmark", resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20, "GiB")


if __name__ == "__main__":
    main()
