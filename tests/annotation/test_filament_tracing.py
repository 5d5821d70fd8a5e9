"""Filaments traced from simulated tilt images, and input that cannot be traced."""

from dataclasses import replace

import filament_phantom
import numpy as np
import pytest

from tomoset.annotation.filaments import FilamentParams, filament_methods_text, trace_filaments
from tomoset.benchmark.filaments import score_filaments
from tomoset.errors import GeometryError, ParameterError
from tomoset.model import InMemory, PickFlag, Resources, Silent
from tomoset.structures import built_in_structure

RODS = [
    ("tmv", (300, 250, 400), (1300, 1350, 500)),  # over the next one
    ("tmv", (300, 1300, 750), (1500, 400, 650)),
    ("tmv", (1890, 600, 500), (1500, 1500, 500)),  # comes in from the side
]
COARSE = FilamentParams(angular_step_deg=18.0)


def traced(phantom, names=("tmv",), params=COARSE, **resources):
    return trace_filaments(
        phantom.tomogram,
        phantom.series,
        [filament_phantom.template(name) for name in names],
        params,
        resources=Resources(**resources),
        progress=Silent(),
    )


@pytest.fixture(scope="module")
def crossing():
    return filament_phantom.make(RODS)


@pytest.fixture(scope="module")
def labels(crossing):
    return traced(crossing, params=replace(COARSE, instance_mask=True))


def test_crossing_rods_are_found_whole(crossing, labels):
    score = score_filaments(labels.filaments, crossing.truth, tolerance_angstrom=45.0)
    assert (score.n_traced, score.n_matched, score.n_splits, score.n_merges) == (3, 3, 0, 0)
    assert score.length_recall > 0.95
    assert score.length_precision > 0.97
    assert score.rms_distance_angstrom < 12


def test_ends_are_told_from_the_border(labels):
    for trace in labels.filaments:
        for end, point in zip(trace.ends, trace.points_angstrom_xyz[[0, -1]], strict=True):
            assert end == ("leaves-volume" if point[0] > 1850 else "end")


def test_nothing_is_decided_that_the_data_do_not_say(labels):
    assert all(t.polarity == 0 and t.rise_angstrom is None and t.twist_deg is None for t in labels.filaments)


def test_picks_and_mask_carry_the_individuals(labels):
    picks = labels.of("tmv")
    assert {t.instance_id for t in labels.filaments} == set(picks.instance_ids) == {1, 2, 3}
    assert 0.9 < len(picks) * 69.0 / sum(t.length_angstrom for t in labels.filaments) < 1.1
    assert picks.score_kind
    assert not np.any(picks.flags & PickFlag.INFERRED)
    mask = labels.segmentations[0]
    assert mask.kind == "instance"
    assert set(np.unique(mask.mask_zyx.read())) == {0, 1, 2, 3}


def test_two_workers_find_the_same(crossing, labels):
    again = traced(crossing, workers=2)
    for one, other in zip(labels.filaments, again.filaments, strict=True):
        np.testing.assert_allclose(one.points_angstrom_xyz, other.points_angstrom_xyz)


def test_two_species_are_told_apart():
    rods = [("tmv", (300, 400, 500), (1500, 500, 560)), ("thin", (500, 1400, 560), (1400, 700, 500))]
    phantom = filament_phantom.make(rods, seed=3)
    found = traced(phantom, ("tmv", "thin"))
    for name in ("tmv", "thin"):
        score = score_filaments(
            [t for t in found.filaments if t.object_name == name],
            [t for t in phantom.truth if t.object_name == name],
            tolerance_angstrom=filament_phantom.template(name).object.radius_angstrom / 2,
        )
        assert score.instance_f1 == 1
        assert score.length_recall > 0.9


def test_nothing_is_found_in_noise():
    assert traced(filament_phantom.make([], seed=5)).filaments == ()


def test_a_molecule_is_refused(crossing):
    wrong = replace(filament_phantom.template("tmv"), structure=built_in_structure("apoferritin"))
    with pytest.raises(ParameterError, match="repeat of a filament"):
        trace_filaments(crossing.tomogram, crossing.series, [wrong], COARSE, resources=Resources(), progress=Silent())


@pytest.mark.parametrize("names", [(), ("tmv", "tmv")])
def test_classes_must_be_named_once(crossing, names):
    with pytest.raises(ParameterError, match="different names"):
        traced(crossing, names)


def test_a_filament_thinner_than_a_voxel_is_refused(crossing):
    thin = filament_phantom.template("thin")
    points = thin.structure.positions_angstrom_xyz * [0.1, 0.1, 1.0]
    narrow = replace(thin, structure=replace(thin.structure, positions_angstrom_xyz=points))
    with pytest.raises(ParameterError, match="at least one pixel and voxel"):
        trace_filaments(crossing.tomogram, crossing.series, [narrow], COARSE, resources=Resources(), progress=Silent())


@pytest.mark.parametrize(
    ("value", "said"), [(np.nan, "finite numbers"), (0.0, "expected counts"), (3.0, "expected contrast")]
)
def test_images_that_hold_nothing_are_refused(crossing, value, said):
    images = crossing.series.images_nyx.read().copy()
    images[4] = value
    broken = replace(crossing, series=replace(crossing.series, images_nyx=InMemory(images)))
    with pytest.raises(ParameterError, match=said):
        traced(broken)


def test_another_series_is_refused(crossing):
    rows = slice(0, 10)
    other = replace(
        crossing.series,
        tilts=crossing.series.tilts[rows],
        images_nyx=InMemory(crossing.series.images_nyx.read()[rows]),
        geometry=None,
    )
    with pytest.raises(GeometryError, match="series it was made from"):
        traced(replace(crossing, series=other))


def test_a_search_that_does_not_fit_is_refused(crossing):
    with pytest.raises(ParameterError, match="fits into"):
        traced(crossing, memory_gib=1e-4)


def test_the_sentence_names_what_was_done():
    assert "0.6" in filament_methods_text(FilamentParams())
