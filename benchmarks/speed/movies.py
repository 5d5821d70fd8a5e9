"""Cost of reading movies: a K3 frame (5760 x 4092, counted) and a Falcon 4's raw frames, beside the decoder itself.

``python benchmarks/speed/movies.py [--seed N] [--quick]``. Movies are written to a temporary folder: Poisson counts of
1.4 electrons a pixel for the K3 in LZW and zstd, strips of 64 rows as other programs write and whole frames as tomoset
does; 120 000 events a raw frame for the Falcon. The peer is ``tifffile`` reading the same page, measured in turns with
ours, or ``imagecodecs`` decoding the same strips into one array. Processor seconds a frame, the best of some rounds.
How long Python code stands still beside a thread that decodes says whether the GIL is held.
"""

import argparse
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

import imagecodecs
import numpy as np
import tifffile

from tomoset.formats.eer import EerGrouping, open_eer
from tomoset.formats.movies import open_movie, write_tiff_movie
from tomoset.model import ArraySource

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # benchmarks/, which holds what its scripts share
sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tests"))  # eer_encoder, for want of a real file

from eer_encoder import encode_quickly, write_streams
from shared.figures import report

K3_YX, FALCON = (4092, 5760), 4096
# Processor seconds a frame; a quiet core took 0.097 and 0.034 to 0.039. The decoders alone, on strips in memory,
# take 0.07 to 0.10 and 0.02. On a busy machine look at the ratio to the peer.
BARS = {"lzw": 0.12, "zstd": 0.05}
EER_BAR = 0.006
OVERHEAD = 1.15  # ours, rows turned, over the peer's
STALL = 0.7


class Clock:
    """Least processor seconds of each of several works, run in turns so that all meet the same machine."""

    def __init__(self, rounds: int) -> None:
        self.rounds = rounds

    def __call__(self, *works: Callable[[], object]) -> list[float]:
        """Processor seconds of each work."""
        best = [float("inf")] * len(works)
        for _ in range(self.rounds):
            for index, work in enumerate(works):
                start = time.process_time()
                work()
                best[index] = min(best[index], time.process_time() - start)
        return best


def longest_stall(movie: ArraySource, frames: int) -> float:
    """Longest time that Python code stood still while another thread decoded, over a frame's time (1: GIL held)."""
    work = threading.Thread(target=lambda: [movie.read((index,)) for index in range(frames)])
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-4)
    longest, start = 0.0, time.perf_counter()
    work.start()
    last = start
    while work.is_alive():
        now = time.perf_counter()
        longest, last = max(longest, now - last), now
    sys.setswitchinterval(interval)
    return longest / ((last - start) / frames)


def k3(folder: Path, clock: Clock, rng: np.random.Generator, *, quick: bool) -> None:
    """Counted K3 frames in TIFF."""
    n_frames = 2 if quick else 4
    frames = [rng.poisson(1.4, K3_YX).astype(np.uint8) for _ in range(n_frames)]
    for compression, bar in BARS.items():
        whole = write_tiff_movie(folder / f"whole_{compression}.tif", frames, 0.85, compression)  # type: ignore[arg-type]
        strips = folder / f"strips_{compression}.tif"
        tifffile.imwrite(strips, np.stack(frames), photometric="minisblack", rowsperstrip=64, compression=compression)
        for kind, path in (("whole frames", whole), ("strips of 64 rows", strips)):
            movie = open_movie(path)
            ours, peer = clock(lambda m=movie: m.read((1,)), lambda p=path: tifffile.imread(p, key=1))
            report(f"K3 frame, {compression}, {kind}: decode", ours, "s", bar)
            report(f"K3 frame, {compression}, {kind}: over tifffile", ours / peer, "", OVERHEAD)
        stall = min(longest_stall(movie, n_frames) for _ in range(3))
        report(f"K3 movie, {compression}: longest stall of Python beside decoding, in frames", stall, "", STALL)
        report(f"K3 movie, {compression}: open", clock(lambda p=path: open_movie(p))[0], "s")


def falcon(folder: Path, clock: Clock, rng: np.random.Generator, *, quick: bool) -> None:
    """Raw frames of a Falcon 4 in groups."""
    n = FALCON * FALCON
    streams = [encode_quickly(np.sort(rng.choice(n, 120_000, replace=False)), n) for _ in range(4)]
    n_frames = 80 if quick else 320
    path = write_streams(folder / "m.eer", [streams[i % 4] for i in range(n_frames)], (FALCON, FALCON))
    grouping = EerGrouping(frames_per_group=40)
    movie = open_eer(path, None, grouping)
    even = [stream + bytes(len(stream) % 2) for stream in streams]

    def peer() -> None:
        total = np.zeros((FALCON, FALCON), np.uint8)
        for index in range(40):
            imagecodecs.eer_decode(even[index % 4], (FALCON, FALCON), 7, 2, 2, out=total)

    ours, theirs = clock(lambda: movie.read((1,)), peer)
    report("EER raw frame, 120 000 events: decode", ours / 40, "s", EER_BAR)
    report("EER raw frame: over imagecodecs alone", ours / theirs, "", OVERHEAD)
    report(f"EER movie of {n_frames} raw frames: open", clock(lambda: open_eer(path, None, grouping))[0], "s")
    stall = min(longest_stall(movie, 2) for _ in range(3))
    report("EER movie: longest stall of Python beside decoding, in groups", stall, "", STALL)


def main() -> None:
    """Write the movies, read them, print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--quick", action="store_true")
    options = parser.parse_args()
    rng, clock = np.random.default_rng(options.seed), Clock(2 if options.quick else 5)
    with tempfile.TemporaryDirectory() as folder:
        falcon(Path(folder), clock, rng, quick=options.quick)
        k3(Path(folder), clock, rng, quick=options.quick)


if __name__ == "__main__":
    main()
