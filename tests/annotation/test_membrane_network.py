"""The membrane network learns, is kept with its recipe, and answers on a tomogram's own grid."""

import numpy as np
import pytest
from membrane_phantom import SHAPE, heights, tomogram

from tomoset.annotation.membranes import (
    MembraneCheckpoint,
    MembraneNetworkParams,
    MembraneParams,
    segment_membranes_with_network,
    train_membrane_network,
)
from tomoset.annotation.membranes.phantoms import draw_phantom
from tomoset.errors import ParameterError
from tomoset.model import Resources, Silent
from tomoset.networks import TrainingParams, UNetParams

SMALL = MembraneNetworkParams(
    network=UNetParams(channels=(6, 12)),
    training=TrainingParams(steps=40, learning_rate=1e-2),
    patch=24,
    batch=2,
    tile=32,
)


@pytest.fixture(scope="module")
def checkpoint():
    return train_membrane_network(SMALL, seed=3, resources=Resources(), progress=Silent())


def test_training_lowers_the_loss(checkpoint):
    assert len(checkpoint.losses) == 40
    assert np.mean(checkpoint.losses[-10:]) < 0.9 * np.mean(checkpoint.losses[:5])


def test_the_same_seed_gives_the_same_network(checkpoint):
    params = MembraneNetworkParams(**{**_values(SMALL), "training": TrainingParams(steps=2, learning_rate=1e-2)})
    twice = [train_membrane_network(params, seed=3, resources=Resources(), progress=Silent()) for _ in range(2)]
    for name, value in twice[0].weights.items():
        np.testing.assert_array_equal(value, twice[1].weights[name])
    assert twice[0].losses[0] == pytest.approx(checkpoint.losses[0], rel=1e-5)


def test_a_checkpoint_survives_its_document(checkpoint):
    again = MembraneCheckpoint.from_document(checkpoint.document())
    assert again.params == checkpoint.params
    assert again.seed == checkpoint.seed
    for name, value in checkpoint.weights.items():
        np.testing.assert_array_equal(value, again.weights[name])
    with pytest.raises(ParameterError, match="train one"):
        MembraneCheckpoint.from_document({"kind": "detector"})


@pytest.mark.parametrize("match_spectrum", [False, True])
def test_labels_have_the_tomograms_grid(checkpoint, match_spectrum):
    labels = segment_membranes_with_network(
        tomogram([heights((700.0, 720.0, 560.0), 380.0)]),
        checkpoint,
        MembraneParams(least_area_angstrom2=0.0),
        resources=Resources(),
        progress=Silent(),
        match_spectrum=match_spectrum,
    )
    semantic, probability = (np.asarray(item.mask_zyx.read()) for item in labels.segmentations)
    assert semantic.shape == probability.shape == SHAPE
    assert set(np.unique(semantic)) <= {0, 1}
    np.testing.assert_array_equal(semantic == 1, probability > 0.5)
    assert "U-Net" in labels.method


def test_phantoms_have_membranes_where_the_target_says():
    rng = np.random.default_rng(0)
    on, off = [], []
    for _ in range(12):
        phantom = draw_phantom(rng, 24, 20.0, 30.0)
        assert phantom.volume_zyx.shape == (24, 24, 24)
        seen = (phantom.target_zyx > 0) & (phantom.weight_zyx > 0)
        on.append(phantom.volume_zyx[seen])
        off.append(phantom.volume_zyx[phantom.target_zyx == 0])
    assert np.concatenate(on).mean() > np.concatenate(off).mean() + 0.5


def test_networks_that_cannot_be_are_refused():
    with pytest.raises(ParameterError, match="multiple"):
        MembraneNetworkParams(patch=37)
    with pytest.raises(ParameterError, match="one channel"):
        MembraneNetworkParams(network=UNetParams(n_out=2))


def _values(params):
    return {name: getattr(params, name) for name in ("network", "patch", "batch", "tile", "voxel_size_angstrom")}
