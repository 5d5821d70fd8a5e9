"""Our numbers beside those of MONAI, whose import alone takes seconds."""

import numpy as np
import pytest

from tomoset.benchmark.surfaces import surface_distances


def ball(radius, n=40, centre=None):
    c = np.full(3, (n - 1) / 2) if centre is None else np.asarray(centre, dtype=float)
    grid = np.stack(np.meshgrid(*[np.arange(n)] * 3, indexing="ij"), -1)
    return (np.linalg.norm(grid - c, axis=-1) <= radius).astype(np.uint8)


def shell(inner, outer, n=40):
    return (ball(outer, n) & ~ball(inner, n).astype(bool)).astype(np.uint8)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_borders_agree_with_monai():
    torch = pytest.importorskip("torch")
    metrics = pytest.importorskip("monai.metrics")
    a, b = ball(9, centre=(18, 20, 21)), shell(3, 12)

    def one_hot(mask):
        return torch.as_tensor(np.stack([1 - mask, mask])[None].astype(np.float32))

    ours = surface_distances(a, b, 1.0)
    theirs = metrics.compute_hausdorff_distance(one_hot(a), one_hot(b), percentile=95)
    assert ours.hausdorff_95_angstrom == pytest.approx(float(theirs[0, 0]), rel=1e-5)
    theirs = metrics.compute_surface_dice(one_hot(a), one_hot(b), class_thresholds=[2.0])
    assert ours.normalized_surface_dice(2.0) == pytest.approx(float(theirs[0, 0]), rel=1e-5)
