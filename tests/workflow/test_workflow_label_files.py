"""Whatever labels hold comes back from a project, and nothing of others is lost on the way."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from tomoset.errors import FormatError, ParameterError
from tomoset.formats.copick import list_picks, read_picks, write_config, write_picks, write_segmentation
from tomoset.geometry import random_rotations
from tomoset.model import (
    FilamentTrace,
    InMemory,
    Labels,
    MembraneSurface,
    PickableObject,
    Picks,
    Segmentation,
)
from tomoset.workflow.label_files import count_picks, load_labels, save_labels
from tomoset.workflow.layout import ProjectLayout

VOXEL = 10.0
OBJECTS = (
    PickableObject(name="vlp", label=3, radius_angstrom=140.0, symmetry="I"),
    PickableObject(name="tmv", label=4, radius_angstrom=90.0, is_particle=False),
    PickableObject(name="membrane", label=5, radius_angstrom=25.0, is_particle=False),
)


@pytest.fixture
def layout(tmp_path: Path) -> ProjectLayout:
    write_config(tmp_path / "copick_config.json", OBJECTS, name="x")
    return ProjectLayout(tmp_path)


def membrane(instance: int, seed: int = 0) -> MembraneSurface:
    rng = np.random.default_rng(seed)
    vertices = rng.uniform(0, 6000, (12, 3))
    normals = rng.standard_normal((12, 3))
    return MembraneSurface(
        object_name="membrane",
        instance_id=instance,
        vertices_angstrom_xyz=vertices,
        faces=np.array([[0, 1, 2], [2, 3, 4], [9, 10, 11]], dtype=np.int32),
        normals=normals / np.linalg.norm(normals, axis=1, keepdims=True),
        outward_known=True,
        closed=bool(instance % 2),
        inferred=np.arange(12) % 3 == 0 if instance > 1 else None,
        thickness_angstrom=38.5,
        inside="lumen",
    )


def all_kinds() -> Labels:
    rng = np.random.default_rng(1)
    mask = rng.choice(np.array([0, 3, 255], dtype=np.uint8), (6, 8, 10))
    picks = Picks(
        object_name="vlp",
        positions_angstrom_xyz=rng.uniform(0, 60, (4, 3)),
        rotations=random_rotations(4, rng),
        scores=rng.uniform(size=4),
        score_kind="probability",
        rivals=np.array(["", "tmv", "", "tmv"]),
        posterior_classes=("vlp",),
        posterior=rng.uniform(size=(4, 1)),
        flags=np.array([0, 1, 4, 8]),
    )
    curve = FilamentTrace(
        object_name="tmv",
        instance_id=7,
        points_angstrom_xyz=rng.uniform(0, 60, (5, 3)),
        radius_angstrom=90.0,
        polarity=-1,
        rise_angstrom=1.408,
        twist_deg=22.03,
        ends=("end", "leaves-volume"),
        scores=np.array([1.0, 2.0, np.nan, 4.0, 5.0]),
        inferred=np.array([False, True, False, False, True]),
    )
    plain = FilamentTrace(object_name="tmv", instance_id=8, points_angstrom_xyz=np.eye(3), radius_angstrom=90.0)
    return Labels(
        run="TS_001",
        user="tomoset",
        session="all",
        voxel_size_angstrom=VOXEL,
        picks=(picks,),
        segmentations=(
            Segmentation(name="semantic", mask_zyx=InMemory(mask), voxel_size_angstrom=VOXEL),
            Segmentation(
                name="vlp",
                mask_zyx=InMemory(rng.integers(0, 70000, mask.shape).astype(np.uint32)),
                voxel_size_angstrom=VOXEL,
                kind="instance",
            ),
            Segmentation(
                name="vlp",
                mask_zyx=InMemory(rng.uniform(size=mask.shape).astype(np.float32)),
                voxel_size_angstrom=VOXEL,
                kind="probability",
            ),
        ),
        filaments=(curve, plain),
        membranes=(membrane(1), membrane(2, 5)),
        method="Made by a rule.",
        notes={"seconds": 1.5, "threshold": 0.25},
    )


def same(found: object, wanted: object, what: str) -> None:
    if isinstance(wanted, np.ndarray):
        np.testing.assert_array_equal(found, wanted, err_msg=what)
    else:
        assert found == wanted, what


def test_all_kinds_of_labels_come_back(layout: ProjectLayout) -> None:
    labels = all_kinds()
    save_labels(layout, labels)
    back = load_labels(layout, "TS_001", "tomoset", "all", None, VOXEL)
    assert (back.method, back.notes) == (labels.method, labels.notes)
    (found,), (wanted,) = back.picks, labels.picks
    for item in dataclasses.fields(wanted):
        same(getattr(found, item.name), getattr(wanted, item.name), item.name)
    assert [(s.kind, s.name, s.voxel_size_angstrom) for s in back.segmentations] == [
        (s.kind, s.name, s.voxel_size_angstrom) for s in labels.segmentations
    ]
    for found_mask, wanted_mask in zip(back.segmentations, labels.segmentations, strict=True):
        assert found_mask.mask_zyx.dtype == wanted_mask.mask_zyx.dtype
        same(found_mask.mask_zyx.read(), wanted_mask.mask_zyx.read(), found_mask.kind)
    for found_curve, wanted_curve in zip(back.filaments, labels.filaments, strict=True):
        for item in dataclasses.fields(wanted_curve):
            same(getattr(found_curve, item.name), getattr(wanted_curve, item.name), item.name)
    for found_surface, wanted_surface in zip(back.membranes, labels.membranes, strict=True):
        for item in dataclasses.fields(wanted_surface):
            value, true = getattr(found_surface, item.name), getattr(wanted_surface, item.name)
            if item.name in ("vertices_angstrom_xyz", "normals"):  # float32 in a GLB
                np.testing.assert_allclose(value, true, atol=5e-4 if item.name.startswith("v") else 1e-6)
            else:
                same(value, true, item.name)


def test_filaments_are_shown_to_copick_but_are_no_picks(layout: ProjectLayout) -> None:
    save_labels(layout, all_kinds())
    entry = next(e for e in list_picks(layout.root, "TS_001") if e.object_name == "tmv")
    assert read_picks(entry.path).instance_ids.tolist() == [7] * 5 + [8] * 3
    assert count_picks(layout, "TS_001") == {"vlp": 4}
    chosen = load_labels(layout, "TS_001", "tomoset", "all", ("vlp",), VOXEL)
    assert not chosen.filaments
    assert not chosen.membranes


def test_labels_of_another_tomogram_are_left_out(layout: ProjectLayout) -> None:
    save_labels(layout, all_kinds())
    other = load_labels(layout, "TS_001", "tomoset", "all", None, 20.0)
    assert (other.picks, other.segmentations, other.filaments, other.membranes) == ((), (), (), ())


def test_saving_again_removes_only_what_the_same_author_left(layout: ProjectLayout) -> None:
    labels = all_kinds()
    save_labels(layout, labels)
    others = write_picks(layout.root, "TS_001", labels.picks[0], user="me", session="1", voxel_size_angstrom=VOXEL)
    added = write_picks(
        layout.root,
        "TS_001",
        dataclasses.replace(labels.picks[0], object_name="tmv2"),
        user="tomoset",
        session="all",
        voxel_size_angstrom=VOXEL,
    )
    save_labels(layout, dataclasses.replace(labels, segmentations=(), filaments=(), membranes=(), notes={}))
    back = load_labels(layout, "TS_001", "tomoset", "all", None, VOXEL)
    assert {picks.object_name for picks in back.picks} == {"vlp", "tmv2"}
    assert (back.segmentations, back.filaments, back.membranes, back.notes) == ((), (), (), {})
    assert others.is_file()
    assert added.is_file()


def test_a_mask_of_one_class_by_copick_gets_its_label(layout: ProjectLayout) -> None:
    mask = np.zeros((4, 5, 6), dtype=np.uint8)
    mask[1] = 1
    segmentation = Segmentation(name="membrane", mask_zyx=InMemory(mask), voxel_size_angstrom=VOXEL)
    write_segmentation(layout.root, "TS_001", segmentation, user="peer", session="1", is_multilabel=False)
    (back,) = load_labels(layout, "TS_001", "peer", "1", None, VOXEL).segmentations
    np.testing.assert_array_equal(back.mask_zyx.read(), mask * 5)
    np.testing.assert_array_equal(back.mask_zyx.read((slice(1, 3),)), mask[1:3] * 5)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"picks": (all_kinds().picks[0],) * 2}, "found 2 of vlp"),
        ({"filaments": (all_kinds().filaments[0],) * 2}, "filament 7 2 times"),
        ({"membranes": (membrane(1), membrane(1))}, "membrane 1 2 times"),
        ({"segmentations": (all_kinds().segmentations[0],) * 2}, "semantic mask semantic 2 times"),
        ({"notes": {"x": float("nan")}}, "finite notes"),
        ({"user": "a_b"}, "use 'a-b'"),
    ],
)
def test_what_would_overwrite_itself_is_refused(layout: ProjectLayout, change: dict[str, object], message: str) -> None:
    with pytest.raises(ParameterError, match=message):
        save_labels(layout, dataclasses.replace(all_kinds(), **change))


def test_facts_without_their_mesh_are_told(layout: ProjectLayout) -> None:
    labels = all_kinds()
    save_labels(layout, labels)
    first = dataclasses.replace(labels, user="other", membranes=labels.membranes[:1])
    save_labels(layout, first)
    folder = layout.experiment("TS_001") / "Meshes"
    (folder / "other_all_membrane.glb").replace(folder / "tomoset_all_membrane.glb")
    with pytest.raises(FormatError, match="expected the mesh 'membrane-2'"):
        load_labels(layout, "TS_001", "tomoset", "all", None, VOXEL)
