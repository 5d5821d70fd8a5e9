"""Template matching on a phantom made by other code: it must find what was put in, and nothing else."""

from dataclasses import replace

import annotation_phantom as phantom
import numpy as np
import pytest

from tomoset.annotation import TemplateParams, match_templates, methods_text
from tomoset.annotation.templates.hand import mirrored
from tomoset.benchmark import confusion, score
from tomoset.errors import GeometryError, ParameterError
from tomoset.model import InMemory, PickFlag, Resources, Silent

QUICK = TemplateParams()
COUNTS = {"apoferritin": 8, "proteasome": 2, "pp7-vlp": 1}


def search(world, params=QUICK, tomogram=None, series=None, workers=1, **options):
    return match_templates(
        world.tomogram if tomogram is None else tomogram,
        world.series if series is None else series,
        world.templates,
        params,
        resources=Resources(workers=workers),
        progress=Silent(),
        **options,
    )


@pytest.fixture(scope="module")
def world():
    return phantom.make(3, COUNTS, (72, 120, 120))


@pytest.fixture(scope="module")
def labels(world):
    return search(world)


def test_every_particle_is_found_and_nothing_else(world, labels):
    result = score([labels], [world.truth], [t.object for t in world.templates])
    assert [c.n_truth for c in result.classes] == [8, 2, 1]
    for item in result.classes:
        assert (item.object_name, item.f1) == (item.object_name, 1.0)
    table = confusion([labels], [world.truth], [t.object for t in world.templates])
    assert np.array_equal(table.counts, np.diag([8, 2, 1, 0]))


def test_positions_and_poses_are_in_the_tomograms_frame(world, labels):
    """No half-voxel offset from cropping, no transposed or inverted rotation."""
    result = score([labels], [world.truth], [t.object for t in world.templates])
    for item, most_deg in zip(result.classes, (8.0, 4.0, 4.0), strict=True):
        assert item.localisation_median_angstrom < 3.0
        assert item.localisation_p95_angstrom < 9.0
        assert item.orientation_median_deg < most_deg


def test_scores_and_margins_are_likelihood_ratios(labels):
    for picks in labels.picks:
        assert picks.scores is not None
        assert picks.margins is not None
        assert np.all(picks.scores > 0)
        assert picks.scores.min() >= labels.notes[f"{picks.object_name}_threshold"] > 0
        assert np.all(picks.margins > 0)
        assert np.all(picks.margins <= picks.scores)
    vlp, apoferritin = labels.of("pp7-vlp").scores, labels.of("apoferritin").scores
    assert vlp is not None
    assert apoferritin is not None
    assert vlp.min() > apoferritin.max()  # the larger particle is the surer one


def test_every_pick_carries_its_evidence(world, labels):
    names = tuple(t.object.name for t in world.templates)
    for picks in labels.picks:
        assert picks.score_kind == "log-likelihood ratio"
        assert set(picks.posterior_classes) == set(names)
        own = picks.posterior[:, picks.posterior_classes.index(picks.object_name)]
        assert np.all(own > 0.5)
        assert np.all(picks.posterior.sum(axis=1) <= 1 + 1e-9)
        assert np.all((picks.false_discovery_rates >= 0) & (picks.false_discovery_rates < 0.2))
        assert np.all((picks.rivals != picks.object_name) & ((picks.rivals == "") == (picks.margins == picks.scores)))
        radius = next(t.structure.radius_angstrom for t in world.templates if t.object.name == picks.object_name)
        far = world.tomogram.grid.size_angstrom_xyz - 10.0
        inside = np.all((picks.positions_angstrom_xyz > radius) & (picks.positions_angstrom_xyz < far - radius), axis=1)
        assert np.all(picks.flags[inside] == PickFlag.NONE)
    assert labels.notes["proteasome_hand"] > 100


def test_light_classes_are_found_where_heavy_ones_are_absent():
    """All classes have their entry, in the order of the templates, whatever tier they were searched in."""
    world = phantom.make(9, {"beta-amylase": 6}, (48, 80, 80), noise=0.3)
    both = phantom.templates(("apoferritin", "beta-amylase"))
    found = search(replace(world, templates=both))
    assert [picks.object_name for picks in found.picks] == ["apoferritin", "beta-amylase"]
    assert [len(picks) for picks in found.picks] == [0, 6]


def test_only_a_region_is_searched(world, labels):
    region = np.zeros(world.tomogram.grid.shape_zyx, bool)
    region[:, :, :60] = True
    found = search(world, region_zyx=region)
    for picks in found.picks:
        assert np.all(picks.positions_angstrom_xyz[:, 0] < 600.0)
        there = labels.of(picks.object_name).positions_angstrom_xyz[:, 0] < 590.0
        assert len(picks) >= there.sum()


def test_inverted_contrast_is_refused(world):
    with pytest.raises(ParameterError, match="contrast to dark"):
        search(world, tomogram=replace(world.tomogram, contrast="light"))


def test_the_other_hand_is_warned_of(world):
    """The other hand: every template replaced by its mirror image is the same as a mirrored tomogram."""
    other = replace(
        world,
        templates=tuple(replace(t, structure=mirrored(t.structure)) for t in world.templates),
    )
    with pytest.warns(UserWarning, match="mirror images"):
        search(other)


def test_volumes_without_numbers_are_refused(world):
    volume = world.tomogram.volume_zyx.read()
    with pytest.raises(GeometryError, match="equal voxels"):
        search(world, tomogram=replace(world.tomogram, volume_zyx=InMemory(np.zeros_like(volume))))
    broken = volume.copy()
    broken[3, 4, 5] = np.nan
    with pytest.raises(GeometryError, match="1 voxels of NaN"):
        search(world, tomogram=replace(world.tomogram, volume_zyx=InMemory(broken)))
    with pytest.raises(GeometryError, match="region"):
        search(world, region_zyx=np.ones((3, 3, 3), bool))


def test_the_amplitude_is_that_of_weak_phase_imaging(labels):
    # A voxel holds 2 σ V times its edge: 2 · 6.526e-4 rad/(V Å) · 10 Å per volt; the phantom's linear interpolation
    # takes some of it away.
    assert labels.notes["signal_amplitude"] == pytest.approx(2 * 6.526e-4 * 10.0, rel=0.3)


def test_scale_offset_and_contrast_of_the_tomogram_do_not_matter(world, labels):
    volume = InMemory(world.tomogram.volume_zyx.read() * -50 + 7)
    again = search(world, tomogram=replace(world.tomogram, volume_zyx=volume, contrast="light"), workers=2)
    assert again.notes["signal_amplitude"] == pytest.approx(50 * labels.notes["signal_amplitude"], rel=1e-3)
    for picks in labels.picks:
        other = again.of(picks.object_name)
        np.testing.assert_allclose(other.positions_angstrom_xyz, picks.positions_angstrom_xyz, atol=0.05)
        np.testing.assert_allclose(other.scores, picks.scores, rtol=1e-3)


def test_pure_noise_holds_nothing():
    empty = phantom.make(5, {}, (48, 96, 96))
    found = search(empty)
    assert sum(len(picks) for picks in found.picks) <= 1
    assert all(picks.rotations is not None for picks in found.picks)


def test_a_class_that_is_absent_is_not_invented():
    world = phantom.make(7, {"apoferritin": 8}, (48, 96, 96))
    found = search(world)
    assert len(found.of("apoferritin")) == 8
    assert len(found.of("proteasome")) == len(found.of("pp7-vlp")) == 0


def test_what_cannot_be_searched_is_refused(world):
    with pytest.raises(ParameterError, match="different names"):
        match_templates(
            world.tomogram,
            world.series,
            world.templates[:1] * 2,
            QUICK,
            resources=Resources(),
            progress=Silent(),
        )
    short = replace(
        world.series,
        tilts=world.series.tilts[:5],
        images_nyx=InMemory(world.series.images_nyx.read((slice(0, 5),))),
        geometry=world.series.geometry.select(range(5)),
    )
    with pytest.raises(GeometryError, match="5 tilts"):
        search(world, series=short)


@pytest.mark.parametrize(
    "wrong",
    [
        {"voxel_size_angstrom": 0.0},
        {"amplitude": 0.0},
        {"least_amplitude": 1.5},
        {"angular_step_deg": 0.1},
        {"search_voxel_size_angstrom": 8.0},
        {"expected_false_positives": 0.0},
        {"exclusion_fraction": 5.0},
    ],
)
def test_parameters_out_of_range_are_refused(wrong):
    with pytest.raises(ParameterError, match=next(iter(wrong))):
        TemplateParams(**wrong)


def test_light_classes_are_searched_on_fine_voxels():
    params = TemplateParams()
    assert params.search_voxel_angstrom([480.0, 2600.0]) == 20.0
    assert params.search_voxel_angstrom([480.0, 66.0]) == params.voxel_size_angstrom
    assert TemplateParams(search_voxel_size_angstrom=15.0).search_voxel_angstrom([66.0]) == 15.0


def test_the_step_fits_the_band():
    params = TemplateParams()
    assert params.step_deg(60.0, 26.7) == pytest.approx(np.rad2deg(0.8 * 26.7 / 60.0))
    assert params.step_deg(1000.0, 26.7) == 12.0
    assert TemplateParams(angular_step_deg=7.0).step_deg(60.0, 26.7) == 7.0


def test_methods_text_tells_how():
    assert "whitened" in methods_text(TemplateParams())
    assert "ratio of 40" in methods_text(TemplateParams(score_threshold=40.0))
