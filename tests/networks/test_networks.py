"""The shared network, its training loop and its tiles."""

import itertools
import subprocess
import sys

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tomoset.errors import GeometryError, ParameterError
from tomoset.model import InMemory, Resources, Silent
from tomoset.networks import TrainingParams, UNetParams, build_unet, predict_volume, train
from tomoset.networks.inference import tile_starts
from tomoset.networks.training import learning_rate_share

SMALL = UNetParams(channels=(4, 8))


def test_importing_the_room_does_not_load_torch():
    heavy = "('torch', 'monai', 'scipy', 'numba')"
    code = f"import sys, tomoset.networks, tomoset.reconstruction; sys.exit(any(m in sys.modules for m in {heavy}))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_network_depends_on_the_seed_only():
    def weights(seed):
        return torch.cat([p.flatten() for p in build_unet(SMALL, seed=seed).parameters()])

    state = torch.get_rng_state()
    assert torch.equal(weights(1), weights(1))
    assert not torch.equal(weights(1), weights(2))
    assert torch.equal(torch.get_rng_state(), state)
    out = build_unet(UNetParams(n_in=2, n_out=3, channels=(4, 8, 16)), seed=0)(torch.zeros(1, 2, 8, 12, 16))
    assert out.shape == (1, 3, 8, 12, 16)


def _fit(seed=0, steps=40, **more):
    """Learn to blur: a task a convolution can do exactly."""
    module = build_unet(SMALL, seed=seed)

    def sample(rng):
        x = torch.from_numpy(rng.standard_normal((2, 1, 8, 8, 8)).astype(np.float32))
        return x, torch.nn.functional.avg_pool3d(x, 3, stride=1, padding=1)

    def loss(net, batch):
        return torch.nn.functional.mse_loss(net(batch[0]), batch[1])

    history = train(
        module, sample, loss, TrainingParams(steps=steps, learning_rate=1e-2), seed=seed, resources=Resources(),
        progress=Silent(), **more,
    )  # fmt: skip
    return module, history


def test_training_learns_and_repeats_itself():
    _, first = _fit()
    _, again = _fit()
    assert first.loss == again.loss
    assert np.mean(first.loss[-5:]) < 0.5 * np.mean(first.loss[:5])
    assert not first.stopped


def test_training_can_be_stopped_and_says_so():
    asked = iter([False, False, False, True])
    module, history = _fit(should_stop=lambda: next(asked))
    assert history.stopped
    assert len(history.loss) == 3
    assert not module.training


def test_diverged_training_is_refused():
    def loss(net, batch):
        return net(batch[0]).mean() * float("nan")

    with pytest.raises(ParameterError, match="lower the learning rate"):
        train(
            build_unet(SMALL, seed=0), lambda rng: (torch.zeros(1, 1, 4, 4, 4),), loss, TrainingParams(steps=2), seed=0,
            resources=Resources(), progress=Silent(),
        )  # fmt: skip


@given(st.integers(1, 400))
def test_learning_rate_rises_then_falls_to_nothing(steps):
    params = TrainingParams(steps=steps)
    shares = np.array([learning_rate_share(i, params) for i in range(steps)])
    assert np.all((shares > 0) & (shares <= 1))
    assert shares.max() == 1.0
    top = int(shares.argmax())
    assert np.all(np.diff(shares[: top + 1]) >= 0)
    assert np.all(np.diff(shares[top:]) <= 0)


@given(st.integers(1, 300), st.sampled_from([(16, 0), (16, 2), (32, 8)]))
def test_tiles_cover_every_axis(length, shape):
    tile, overlap = shape
    starts = tile_starts(length, tile, overlap)
    assert starts[0] == 0
    assert starts[-1] + tile >= length
    assert all(b - a == tile - 2 * overlap for a, b in itertools.pairwise(starts))


def _predict(module, volume, tile, overlap):
    out = np.zeros(volume.shape, np.float32)
    predict_volume(
        module, InMemory(volume), out, mean=1.0, scale=2.0, tile=tile, overlap=overlap, multiple=4,
        resources=Resources(), progress=Silent(),
    )  # fmt: skip
    return out


def test_tiles_leave_no_seams():
    module = build_unet(SMALL, seed=3).eval()
    volume = np.random.default_rng(0).standard_normal((40, 52, 60)).astype(np.float32)
    # The far ends of the axes are continued over different lengths; everything else must agree.
    inner = (slice(0, 28), slice(0, 40), slice(0, 48))
    whole, tiled = _predict(module, volume, 64, 0)[inner], _predict(module, volume, 32, 12)[inner]
    assert np.ptp(whole) > 0.01
    np.testing.assert_allclose(tiled, whole, atol=1e-5)
    assert np.abs(_predict(module, volume, 32, 0)[inner] - whole).max() > 1e-3  # without overlap there are seams


def test_what_makes_no_network_is_refused():
    for wrong in ({"channels": ()}, {"channels": (4,)}, {"n_in": 0}, {"channels": (4, 0)}):
        with pytest.raises(ParameterError):
            UNetParams(**wrong)
    for wrong in ({"steps": 0}, {"learning_rate": 0.0}, {"warm_up": 1.0}, {"weight_decay": -1.0}):
        with pytest.raises(ParameterError):
            TrainingParams(**wrong)
    module, volume = build_unet(SMALL, seed=0), np.zeros((8, 8, 8), np.float32)
    with pytest.raises(ParameterError, match="below half"):
        _predict(module, volume, 16, 8)
    with pytest.raises(GeometryError, match="shape"):
        predict_volume(
            module, InMemory(volume), np.zeros((4, 4, 4), np.float32), mean=0, scale=1, tile=8, overlap=0, multiple=4,
            resources=Resources(), progress=Silent(),
        )  # fmt: skip
