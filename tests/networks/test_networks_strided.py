"""The network at half resolution, blended tiles, and trainings that go on."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tomoset.errors import GeometryError, ParameterError
from tomoset.model import Resources, Silent
from tomoset.networks import Continuation, StridedNetParams, TrainingParams, blend_tiles, build_strided_net, train
from tomoset.networks._blocks import SpaceToDepth, depth_to_space
from tomoset.networks.blending import blending_starts, blending_weight
from tomoset.networks.precision import mixed_precision


@pytest.mark.parametrize("stride", [1, 2])
def test_answer_has_the_stride(stride):
    module = build_strided_net(StridedNetParams(n_out=5, width=8, stride=stride), seed=0)
    assert module(torch.zeros(1, 1, 16, 24, 32)).shape == (1, 5, 16 // stride, 24 // stride, 32 // stride)


def test_start_depends_on_the_seed_only():
    def weights(seed):
        module = build_strided_net(StridedNetParams(n_out=2, width=8), seed=seed)
        return torch.cat([p.flatten() for p in module.parameters()])

    state = torch.get_rng_state()
    assert torch.equal(weights(1), weights(1))
    assert not torch.equal(weights(1), weights(2))
    assert torch.equal(torch.get_rng_state(), state)


def test_blocks_become_channels_and_come_back():
    volume = torch.arange(6 * 4 * 8, dtype=torch.float32).reshape(1, 1, 6, 4, 8)
    channels = SpaceToDepth()(volume)
    assert channels.shape == (1, 8, 3, 2, 4)
    assert channels[0, :, 0, 0, 0].tolist() == volume[0, 0, :2, :2, :2].flatten().tolist()
    assert torch.equal(depth_to_space()(channels), volume)


def test_wrong_networks_are_refused():
    for wrong in ({"n_out": 0}, {"n_out": 1, "width": 12}, {"n_out": 1, "stride": 4}):
        with pytest.raises(ParameterError, match="expected n_out"):
            StridedNetParams(**wrong)


@given(length=st.integers(1, 300), tile=st.sampled_from([16, 32, 96]), overlap=st.sampled_from([0, 8]))
def test_tiles_cover_the_axis(length, tile, overlap):
    edge = min(tile, -(-length // 8) * 8)
    starts = blending_starts(length, edge, min(overlap, edge // 2), 8)
    covered = np.zeros(length + 8 + edge, dtype=int)
    for start in starts:
        covered[start : start + edge] += 1
    assert covered[:length].min() >= 1
    assert all(start % 2 == 0 for start in starts)
    assert len(set(starts)) == len(starts)


def test_weights_fall_over_the_overlap_only():
    weight = blending_weight(10, 3)
    np.testing.assert_allclose(weight, [0.25, 0.5, 0.75, 1, 1, 1, 1, 0.75, 0.5, 0.25])


@pytest.mark.parametrize("stride", [1, 2])
def test_blended_tiles_give_back_what_is_local(stride):
    """An answer that does not depend on its tile comes out as if there were no tiles, at any odd size."""
    volume = np.random.default_rng(0).standard_normal((21, 40, 35)).astype(np.float32)

    def read(start, lengths):
        out = np.zeros(lengths, dtype=np.float32)
        inside = tuple(slice(s, min(s + n, m)) for s, n, m in zip(start, lengths, volume.shape, strict=True))
        part = volume[inside]
        out[tuple(slice(0, n) for n in part.shape)] = part
        return out

    def answer(values):
        pooled = torch.nn.functional.avg_pool3d(values, stride)[0]
        return torch.cat([pooled, 2 * pooled])

    got = blend_tiles(
        answer, read, volume.shape, n_out=2, stride=stride, tile=16, overlap=8, multiple=8,
        resources=Resources(), progress=Silent(),
    )  # fmt: skip
    padded = np.pad(volume, [(0, -n % stride) for n in volume.shape])
    nz, ny, nx = (n // stride for n in padded.shape)
    wanted = padded.reshape(nz, stride, ny, stride, nx, stride).mean(axis=(1, 3, 5))
    np.testing.assert_allclose(got[0], wanted, atol=1e-5)
    np.testing.assert_allclose(got[1], 2 * wanted, atol=1e-5)


def test_tiles_that_do_not_fit_are_refused():
    def blend(shape=(16, 16, 16), tile=16, overlap=8):
        blend_tiles(
            lambda x: x[0], lambda _, n: np.zeros(n, np.float32), shape, n_out=1, stride=1, tile=tile, overlap=overlap,
            multiple=8, resources=Resources(), progress=Silent(),
        )  # fmt: skip

    for wrong in ({"tile": 20}, {"overlap": 4}, {"overlap": 16}):
        with pytest.raises(ParameterError, match="multiples of 8"):
            blend(**wrong)
    with pytest.raises(GeometryError, match="voxels"):
        blend(shape=(0, 16, 16))


def _fit(should_stop=lambda: False, continuation=None):
    module = build_strided_net(StridedNetParams(n_out=1, width=8), seed=0)

    def sample(rng):
        x = torch.from_numpy(rng.standard_normal((1, 1, 8, 8, 8)).astype(np.float32))
        return x, torch.nn.functional.avg_pool3d(x, 2)

    history = train(
        module,
        sample,
        lambda net, batch: torch.nn.functional.mse_loss(net(batch[0]).float(), batch[1]),
        TrainingParams(steps=12, learning_rate=1e-3),
        seed=3,
        resources=Resources(),
        progress=Silent(),
        should_stop=should_stop,
        continuation=continuation or Continuation(),
    )
    return module, history


def test_a_training_that_was_stopped_goes_on_as_if_it_had_not_been():
    whole, history = _fit()
    kept = []
    asked = iter(range(100))
    _, first = _fit(should_stop=lambda: next(asked) >= 5, continuation=Continuation(keep=kept.append, every=2))
    assert first.stopped
    assert [len(state.loss) for state in kept] == [2, 4, 5]
    again, second = _fit(continuation=Continuation(resume=kept[-1]))
    assert not second.stopped
    assert second.loss == history.loss
    assert second.seconds > kept[-1].seconds
    for a, b in zip(whole.parameters(), again.parameters(), strict=True):
        assert torch.equal(a, b)


def test_bfloat16_only_where_it_is_wanted_and_quicker(monkeypatch):
    a = torch.ones(2, 2)
    with mixed_precision("cpu", wanted=False):
        assert (a @ a).dtype == torch.float32
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: True, raising=False)
    with mixed_precision("cpu"):
        assert (a @ a).dtype == torch.bfloat16
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: False, raising=False)
    with mixed_precision("cpu"):
        assert (a @ a).dtype == torch.float32
