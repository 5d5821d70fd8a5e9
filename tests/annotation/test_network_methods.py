"""Detector and segmenter from labels to labels, on a world that they learn in seconds."""

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch
from network_phantom import BALL, CLASSES, SHELL, tomogram_of, world

from tomoset.annotation.networks import (
    AugmentationParams,
    Checkpoints,
    DetectorParams,
    PredictionParams,
    SegmenterParams,
    TargetDomain,
    detect,
    detector_methods_text,
    load_model,
    save_model,
    segment,
    segmenter_methods_text,
    train_detector,
    train_segmenter,
)
from tomoset.benchmark import score
from tomoset.errors import FormatError, GeometryError, InputMissingError, ParameterError, PixelSizeError
from tomoset.model import IGNORE, InMemory, PickFlag, Resources, Segmentation, Silent
from tomoset.networks import TrainingParams

CALM = AugmentationParams(turn_share=0.0)
TILES = PredictionParams(tile=64, overlap=16)


def detector_params(steps=130, **more):
    training = TrainingParams(steps=steps, learning_rate=5e-3)
    return DetectorParams(crop=32, width=8, held_out=0.25, training=training, augmentation=CALM, **more)


def trained(steps=130, params=None, labeled=None, **more):
    tomogram, labels, _ = world(1)
    return train_detector(
        labeled or [(tomogram, replace(labels, segmentations=()))],
        CLASSES,
        params or detector_params(steps),
        seed=0,
        resources=Resources(),
        progress=Silent(),
        **more,
    )


@pytest.fixture(scope="module")
def detector():
    return trained()


def test_importing_does_not_load_torch():
    heavy = "('torch', 'monai', 'scipy', 'numba')"
    code = f"import sys, tomoset.annotation.networks; sys.exit(any(m in sys.modules for m in {heavy}))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_detector_finds_what_it_has_learned(detector):
    tomogram, truth, _ = world(2)
    found = detect(tomogram, detector, TILES, resources=Resources(), progress=Silent())
    result = score([found], [truth], CLASSES)
    assert [c.object_name for c in result.classes] == ["ball", "shell"]
    assert all(c.f1 >= 0.9 for c in result.classes)
    assert all(c.localisation_median_angstrom < 12 for c in result.classes)
    assert (found.user, found.session) == ("tomoset", "detector")


def test_every_pick_says_how_sure_it_is(detector):
    tomogram, _, _ = world(2)
    found = detect(tomogram, detector, PredictionParams(tile=64, flips=2), resources=Resources(), progress=Silent())
    for picks in found.picks:
        assert picks.score_kind == "probability"
        assert np.all(np.diff(picks.scores) <= 0)
        assert np.all((picks.scores > 0) & (picks.scores <= 1))
        assert picks.posterior_classes == ("ball", "shell")
        own = picks.posterior_classes.index(picks.object_name)
        np.testing.assert_allclose(picks.posterior[:, own], picks.scores)
        assert np.all(picks.posterior.sum(axis=1) <= 1 + 1e-9)
        np.testing.assert_allclose(picks.margins, picks.scores - picks.posterior[:, 1 - own])
        assert np.all(np.diff(picks.false_discovery_rates) >= -1e-12)
        near = picks.positions_angstrom_xyz[:, 2] < (BALL if own == 0 else SHELL).radius_angstrom
        assert np.all(picks.flags[near] == PickFlag.EDGE)
    strict = detect(tomogram, detector, replace(TILES, least_probability=1.0), resources=Resources(), progress=Silent())
    assert sum(len(picks) for picks in strict.picks) == 0


def test_light_tomograms_are_the_same(detector):
    tomogram, _, _ = world(2)
    light = tomogram_of(-tomogram.volume_zyx.read(()), contrast="light")
    a, b = (detect(t, detector, TILES, resources=Resources(), progress=Silent()) for t in (tomogram, light))
    np.testing.assert_allclose(a.picks[0].positions_angstrom_xyz, b.picks[0].positions_angstrom_xyz, atol=0.1)


def test_a_model_file_holds_everything(detector):
    content = save_model(detector)
    again = load_model(content)
    assert again.recipe == detector.recipe
    assert set(again.recipe.software) == {"tomoset", "torch", "monai", "numpy"}
    assert again.recipe.runs == ("TS1",)
    assert again.recipe.steps == 130
    assert 0 < again.recipe.loss < 2
    x = torch.randn(1, 1, 16, 16, 16)
    with torch.inference_mode():
        assert torch.equal(again.module(x), detector.module(x))


def test_other_files_are_no_models(detector):
    with pytest.raises(FormatError, match="torch cannot read"):
        load_model(b"nonsense", "a.txt")
    content = save_model(detector)
    with pytest.raises(FormatError, match=r"m\.model"):
        load_model(content[: len(content) // 2], "m.model")
    kept = []
    trained(steps=1, checkpoints=Checkpoints(keep=kept.append))
    with pytest.raises(FormatError, match="another kind"):
        load_model(kept[-1])


def test_a_stopped_training_goes_on_as_if_it_had_not_been():
    whole = trained(steps=6)
    kept = []
    asked = iter(range(100))
    half = trained(steps=6, should_stop=lambda: next(asked) >= 3, checkpoints=Checkpoints(keep=kept.append, every=2))
    assert half.recipe.steps == 3
    assert half.recipe.calibrations == ()
    rest = trained(steps=6, checkpoints=Checkpoints(resume=kept[-1]))
    assert rest.recipe.steps == 6
    assert rest.recipe.calibrations == whole.recipe.calibrations
    for a, b in zip(whole.module.parameters(), rest.module.parameters(), strict=True):
        assert torch.equal(a, b)
    with pytest.raises(FormatError, match="remove the file"):
        trained(params=detector_params(6, positive_weight=64.0), checkpoints=Checkpoints(resume=kept[-1]))
    assert trained(steps=7, checkpoints=Checkpoints(resume=kept[-1])).recipe.steps == 7


def test_training_refuses_what_does_not_fit():
    tomogram, labels, _ = world(1)
    with pytest.raises(InputMissingError, match="labeled tomograms"):
        train_detector([], CLASSES, detector_params(), seed=0, resources=Resources(), progress=Silent())
    with pytest.raises(ParameterError, match="classes"):
        train_detector([(tomogram, labels)], (), detector_params(), seed=0, resources=Resources(), progress=Silent())
    with pytest.raises(GeometryError, match="labels of TS1"):
        trained(labeled=[(tomogram, replace(labels, run="TS2"))])
    coarse = tomogram_of(tomogram.volume_zyx.read(()), voxel=20.0)
    with pytest.raises(PixelSizeError, match="10 Å"):
        trained(labeled=[(coarse, labels)])
    small = Segmentation(name="semantic", mask_zyx=InMemory(np.zeros((4, 4, 4), np.uint8)), voxel_size_angstrom=10.0)
    with pytest.raises(GeometryError, match="mask"):
        trained(labeled=[(tomogram, replace(labels, segmentations=(small,)))])


def test_prediction_refuses_what_does_not_fit(detector):
    tomogram, _, _ = world(2)
    fine = tomogram_of(tomogram.volume_zyx.read(()), voxel=5.0)
    with pytest.raises(PixelSizeError, match="found 5 Å"):
        detect(fine, detector, TILES, resources=Resources(), progress=Silent())
    with pytest.raises(ParameterError, match="expected a segmenter"):
        segment(tomogram, detector, TILES, resources=Resources(), progress=Silent())
    broken = np.full((16, 16, 16), np.nan, np.float32)
    with pytest.raises(GeometryError, match="finite"):
        detect(tomogram_of(broken), detector, TILES, resources=Resources(), progress=Silent())


def test_nothing_is_learned_where_nobody_has_said():
    """With everything ignored but one corner the held-out truth counts no individual."""
    tomogram, labels, _ = world(1)
    mask = np.full(tomogram.grid.shape_zyx, IGNORE, dtype=np.uint8)
    mask[:, :40] = 0
    unsaid = Segmentation(name="semantic", mask_zyx=InMemory(mask), voxel_size_angstrom=10.0)
    model = trained(steps=2, labeled=[(tomogram, replace(labels, segmentations=(unsaid,)))])
    assert [c.n_true for c in model.recipe.calibrations] == [0, 0]


def test_spectrum_and_noise_of_the_target_are_used():
    tomogram, labels, _ = world(1)
    empty = np.random.default_rng(3).standard_normal((32, 32, 32)).astype(np.float32)
    wanted = np.linspace(2.0, 0.5, 32)
    model = trained(steps=2, target=TargetDomain(spectrum=wanted, noise=(InMemory(empty),)))
    plain = trained(steps=2)
    slope = np.polyfit(np.arange(29), np.log(np.array(model.recipe.spectrum[3:]) / wanted[3:]), 1)[0]
    assert abs(slope) < 0.01
    assert abs(np.polyfit(np.arange(29), np.log(np.array(plain.recipe.spectrum[3:]) / wanted[3:]), 1)[0]) > 0.01
    found = detect(tomogram, model, replace(TILES, match_spectrum=True), resources=Resources(), progress=Silent())
    assert found.run == labels.run


def test_a_segmenter_outlines_what_it_has_learned():
    params = SegmenterParams(
        crop=32, width=8, held_out=0.0, training=TrainingParams(steps=120, learning_rate=4e-3), augmentation=CALM
    )
    tomogram, labels, _ = world(1, noise=0.2)
    model = train_segmenter([(tomogram, labels)], CLASSES, params, seed=0, resources=Resources(), progress=Silent())
    target, _, truth = world(2, noise=0.2)
    made = segment(target, load_model(save_model(model)), TILES, resources=Resources(), progress=Silent())
    semantic, *shares = made.segmentations
    mask = semantic.mask_zyx.read(())
    assert mask.dtype == np.uint8
    for item in CLASSES:
        own, true = mask == item.label, truth == item.label
        assert 2 * (own & true).sum() / (own.sum() + true.sum()) > 0.5, item.name
    assert [s.name for s in shares] == ["ball", "shell"]
    assert all(s.kind == "probability" for s in shares)
    assert made.session == "segmenter"
    with pytest.raises(ParameterError, match="expected a detector"):
        detect(target, model, TILES, resources=Resources(), progress=Silent())
    with pytest.raises(InputMissingError, match="semantic mask"):
        train_segmenter(
            [(tomogram, replace(labels, segmentations=()))], CLASSES, params, seed=0, resources=Resources(),
            progress=Silent(),
        )  # fmt: skip


def test_methods_are_one_sentence():
    for text in (detector_methods_text(DetectorParams()), segmenter_methods_text(SegmenterParams())):
        assert text.endswith(".")
        assert "MONAI" in text
        assert "10 Å" in text
