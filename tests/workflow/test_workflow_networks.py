"""Training on projects and labeling them: from series, truth and people's labels to model files and back."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest

from tomoset.annotation import PredictionParams, truth_labels
from tomoset.annotation.networks import normal_volume, radial_amplitude, save_model
from tomoset.errors import FormatError, InputMissingError, ParameterError, PixelSizeError
from tomoset.formats.copick import list_picks, list_segmentations
from tomoset.formats.mrc import write_volume
from tomoset.geometry import TiltGeometry, random_rotations
from tomoset.model import (
    CtfEstimate,
    InMemory,
    Molecules,
    Optics,
    Resources,
    SeriesTruth,
    Silent,
    Specimen,
    Tilt,
    TiltSeries,
)
from tomoset.reconstruction import reconstruct
from tomoset.workflow.label_files import load_labels, save_labels
from tomoset.workflow.layout import ProjectLayout
from tomoset.workflow.predicting import predict_project, read_model
from tomoset.workflow.project import create_simulated_project, open_project
from tomoset.workflow.series_files import save_images, save_series
from tomoset.workflow.tomogram_files import load_tomogram, save_tomogram
from tomoset.workflow.training import TrainingChoice, label_source, train_on_projects
from tomoset.workflow.training_target import target_domain
from tomoset.workflow.training_views import labeled_views, misaligned
from tomoset.workflow.truth_files import save_truth

SMALL = TrainingChoice(steps=2, width=8, crop=16, errors_angstrom=(0.0, 6.0))
ANGLES = np.arange(-40.0, 41.0, 20.0)


def _series() -> TiltSeries:
    n = len(ANGLES)
    ctf = CtfEstimate(
        defocus_u_angstrom=3e4, defocus_v_angstrom=3e4, astigmatism_deg=0.0, score=1.0, resolution_angstrom=10.0
    )
    tilts = tuple(
        Tilt(
            name=f"{i}.tif",
            nominal_tilt_deg=float(angle),
            acquisition_order=i,
            dose_e_per_angstrom2=3.0,
            dose_before_e_per_angstrom2=3.0 * i,
            mean_counts=10.0,
            ctf=ctf,
        )
        for i, angle in enumerate(ANGLES)
    )
    images = np.random.default_rng(0).normal(10, 1, size=(n, 96, 96)).astype(np.float32)
    geometry = TiltGeometry(y_tilt_deg=ANGLES, z_rot_deg=np.full(n, 85.0), shift_xy_angstrom=np.zeros((n, 2)))
    return TiltSeries(
        run="TS001",
        pixel_size_angstrom=6.0,
        tilts=tilts,
        images_nyx=InMemory(images),
        optics=Optics(),
        geometry=geometry,
    )


def _truth(layout: ProjectLayout, series: TiltSeries) -> SeriesTruth:
    _, recipe = open_project(layout.root)
    rng = np.random.default_rng(1)
    molecules = tuple(
        Molecules(
            species=name,
            positions_angstrom_xyz=rng.uniform(-200, 200, (4, 3)),
            rotations=random_rotations(4, rng),
        )
        for name in ("apoferritin", "pp7-vlp")
    )
    assert series.geometry is not None
    n = len(ANGLES)
    return SeriesTruth(
        specimen=Specimen(run="TS001", size_angstrom_xyz=(600.0, 600.0, 400.0), molecules=molecules, composition=()),
        objects=recipe.pickable_objects(),
        geometry=series.geometry,
        frame_shift_xy_angstrom=np.zeros((n, 1, 2)),
        defocus_angstrom=np.full(n, 3e4),
        defocus_hand=1,
    )


@pytest.fixture
def layout(tmp_path: Path) -> ProjectLayout:
    """A simulated project with everything up to the tomogram, of noise."""
    small = ("reconstruction.thickness_angstrom=400", "reconstruction.half_sets=false")
    made = create_simulated_project(tmp_path / "p", "tiny", overrides=small)
    _, recipe = open_project(made.root)
    series = _series()
    folder = made.series("TS001")
    folder.mkdir(parents=True)
    save_images(folder, series)
    save_series(folder / "series.json", series)
    save_truth(made.truth("TS001"), _truth(made, series))
    tomogram = reconstruct(series, recipe.reconstruction, resources=Resources(), progress=Silent())
    save_tomogram(made, tomogram, Silent())
    return made


def _train(layout: ProjectLayout, choice: TrainingChoice = SMALL, name: str = "a.model") -> Path:
    out = layout.root.parent / name
    train_on_projects([layout.root], out, choice, resources=Resources(), progress=Silent())
    return out


def test_a_detector_is_trained_on_the_truth_and_labels_the_project(layout: ProjectLayout) -> None:
    path = _train(layout)
    model = read_model(path)
    assert [item.name for item in model.recipe.classes] == ["apoferritin", "pp7-vlp"]
    assert model.recipe.voxel_size_angstrom == 12.0
    assert model.recipe.runs == ("TS001",)
    assert not path.with_name("a.model.state").exists()
    assert not layout.scratch.exists() or not any(layout.scratch.iterdir())
    params = PredictionParams(tile=32, overlap=8, least_probability=0.0)
    done = predict_project(path, layout.root, params, resources=Resources(), progress=Silent())
    stored = load_labels(layout, "TS001", "tomoset", "detector", None, 12.0)
    assert {p.object_name: len(p) for p in stored.picks} == {p.object_name: len(p) for p in done["TS001"].picks}
    assert {(e.user, e.session) for e in list_picks(layout.root, "TS001")} == {("tomoset", "detector")}


def test_a_segmenter_is_trained_on_masks_of_the_truth(layout: ProjectLayout) -> None:
    path = _train(layout, dataclasses.replace(SMALL, kind="segmenter"))
    predict_project(path, layout.root, PredictionParams(tile=32, overlap=8), resources=Resources(), progress=Silent())
    assert [e.name for e in list_segmentations(layout.root, "TS001")] == ["semantic"]
    kinds = {s.kind for s in load_labels(layout, "TS001", "tomoset", "segmenter", None, 12.0).segmentations}
    assert kinds == {"semantic", "probability"}


def test_true_masks_lie_where_the_particles_are(layout: ProjectLayout) -> None:
    _, recipe = open_project(layout.root)
    views = list(
        labeled_views(
            layout, recipe, "TS001", None, (0.0, 6.0), with_masks=True, seed=1, resources=Resources(),
            progress=Silent(),
        )
    )  # fmt: skip
    labels = {item.name: item.label for item in recipe.pickable_objects()}
    for tomogram, made in views:
        mask = made.segmentations[0].mask_zyx.read(())
        index = np.round(tomogram.grid.index_zyx(made.of("apoferritin").positions_angstrom_xyz)).astype(int)
        shell = [np.any(mask[tuple(slice(max(i - 6, 0), i + 7) for i in at)] == labels["apoferritin"]) for at in index]
        assert all(shell)
        assert mask.shape == tomogram.grid.shape_zyx
    own, other = (view[0].volume_zyx.read(()) for view in views)
    assert own.shape == other.shape
    assert np.corrcoef(own.ravel(), other.ravel())[0, 1] < 0.9


def test_peoples_labels_follow_the_added_errors(layout: ProjectLayout) -> None:
    _, recipe = open_project(layout.root)
    own = load_tomogram(layout, "TS001", 12.0)
    truth = truth_labels(_truth(layout, _series()), own)
    save_labels(layout, dataclasses.replace(truth, user="me", session="1"))
    path = _train(layout, dataclasses.replace(SMALL, labels=label_source("me/1"), targets=("apoferritin",)))
    assert [item.name for item in read_model(path).recipe.classes] == ["apoferritin"]
    both = list(
        labeled_views(
            layout, recipe, "TS001", ("me", "1"), (0.0, 6.0), with_masks=False, seed=1, resources=Resources(),
            progress=Silent(),
        )
    )  # fmt: skip
    moved = both[1][1].of("apoferritin").positions_angstrom_xyz - both[0][1].of("apoferritin").positions_angstrom_xyz
    assert 0 < np.abs(moved).max() < 15
    with pytest.raises(InputMissingError, match="USER/SESSION"):
        _train(layout, dataclasses.replace(SMALL, labels=("nobody", "0")))


def test_a_training_that_ran_out_of_time_goes_on(layout: ProjectLayout) -> None:
    path = _train(layout, dataclasses.replace(SMALL, minutes=0.0))
    assert not path.exists()
    assert path.with_name("a.model.state").is_file()
    _train(layout)
    assert read_model(path).recipe.steps == 2
    assert not path.with_name("a.model.state").exists()


def test_added_errors_are_as_large_as_asked(layout: ProjectLayout) -> None:
    series = _series()
    assert series.geometry is not None
    many = dataclasses.replace(series, geometry=series.geometry)
    drawn = [misaligned(many, 5.0, seed).geometry for seed in range(40)]
    shifts = np.stack([each.shift_xy_angstrom for each in drawn if each is not None])
    assert shifts.std() == pytest.approx(5.0, rel=0.1)
    with pytest.raises(InputMissingError, match="aligned"):
        misaligned(dataclasses.replace(series, geometry=None), 5.0, 1)


def test_wrong_words_are_refused(layout: ProjectLayout, tmp_path: Path) -> None:
    with pytest.raises(ParameterError, match="--labels"):
        label_source("somebody")
    with pytest.raises(ParameterError, match="--errors"):
        TrainingChoice(errors_angstrom=(-1.0,))
    with pytest.raises(ParameterError, match="--target"):
        _train(layout, dataclasses.replace(SMALL, targets=("unicorn",)))
    with pytest.raises(InputMissingError, match="tomoset train"):
        read_model(tmp_path / "none.model")
    (tmp_path / "text.model").write_text("hello", encoding="utf-8")
    with pytest.raises(FormatError, match=r"text\.model"):
        read_model(tmp_path / "text.model")
    with pytest.raises(InputMissingError, match="one project or more"):
        train_on_projects([], tmp_path / "x", SMALL, resources=Resources(), progress=Silent())


def test_a_project_of_other_voxels_or_classes(layout: ProjectLayout) -> None:
    path = _train(layout)
    model = read_model(path)
    renamed = (model.recipe.classes[0], dataclasses.replace(model.recipe.classes[1], name="unicorn", label=1))
    params = PredictionParams(tile=32, overlap=8)
    path.write_bytes(save_model(dataclasses.replace(model, recipe=dataclasses.replace(model.recipe, classes=renamed))))
    predict_project(path, layout.root, params, resources=Resources(), progress=Silent())
    named = {e["name"]: e["label"] for e in json.loads(layout.copick_config.read_text("utf-8"))["pickable_objects"]}
    assert named == {"apoferritin": 1, "pp7-vlp": 2, "unicorn": 3}
    coarse = dataclasses.replace(model, recipe=dataclasses.replace(model.recipe, voxel_size_angstrom=20.0))
    path.write_bytes(save_model(coarse))
    with pytest.raises(PixelSizeError, match="20 Å"):
        predict_project(path, layout.root, params, resources=Resources(), progress=Silent())


def test_the_target_gives_its_spectrum_and_noise(layout: ProjectLayout, tmp_path: Path) -> None:
    tomogram = load_tomogram(layout, "TS001", 12.0)
    volume = normal_volume(tomogram.volume_zyx, contrast="dark", run="TS001")
    empty = tmp_path / "empty.mrc"
    write_volume(empty, tomogram.volume_zyx, 12.0)
    target = target_domain(layout.root, (empty,), 12.0)
    assert target.spectrum is not None
    np.testing.assert_allclose(target.spectrum, radial_amplitude(volume))
    np.testing.assert_array_equal(target.noise[0].read(()), tomogram.volume_zyx.read(()))
    path = _train(layout, dataclasses.replace(SMALL, like=layout.root, noise=(empty,), steps=1))
    assert read_model(path).recipe.steps == 1
    with pytest.raises(PixelSizeError, match="--like"):
        target_domain(layout.root, (), 20.0)
    with pytest.raises(PixelSizeError, match="--noise"):
        target_domain(None, (empty,), 20.0)
    with pytest.raises(InputMissingError, match="--noise"):
        target_domain(None, (tmp_path / "none.mrc",), 12.0)
