"""True masks: in the specimen frame, with the recipe's labels, every individual listed."""

import json
from pathlib import Path

import numpy as np

from tomoset.formats.ome_zarr import open_volume_zarr
from tomoset.microscope import MicroscopeParams
from tomoset.model import Molecules, PickableObject, Resources, Silent, Specimen
from tomoset.structures import built_in_structure, globule_structure
from tomoset.workflow.truth_masks import field_grid, mask_labels, save_truth_masks

PLACES = np.array([[-150.0, 0.0, 0.0], [150.0, 60.0, 20.0]])
ASIDE = np.array([0.0, 250.0, 0.0])


def _specimen() -> Specimen:
    turns = np.tile(np.eye(3), (2, 1, 1))
    ferritin = Molecules(species="apoferritin", positions_angstrom_xyz=PLACES, rotations=turns)
    globule = Molecules(species="blob", positions_angstrom_xyz=PLACES[:1] + ASIDE, rotations=turns[:1])
    return Specimen(run="TS1", size_angstrom_xyz=(800.0, 800.0, 300.0), molecules=(ferritin, globule), composition=())


def test_the_grid_holds_the_untilted_view_whatever_the_axis() -> None:
    params = MicroscopeParams(frame_shape_yx=(768, 864), pixel_size_angstrom=5.0, tilt_axis_deg=90.0)
    assert field_grid(params, 1500.0, 10.0).shape_zyx == (150, 432, 384)
    upright = MicroscopeParams(frame_shape_yx=(768, 864), pixel_size_angstrom=5.0, tilt_axis_deg=0.0)
    assert field_grid(upright, 1500.0, 10.0).shape_zyx == (150, 384, 432)


def test_masks_have_the_objects_labels_first_and_lie_where_the_molecules_do(tmp_path: Path) -> None:
    specimen = _specimen()
    objects = (PickableObject(name="apoferritin", label=3, radius_angstrom=60.0),)
    structures = {"apoferritin": built_in_structure("apoferritin"), "blob": globule_structure("blob", 300.0)}
    params = MicroscopeParams(frame_shape_yx=(160, 160), pixel_size_angstrom=5.0, tilt_axis_deg=0.0)
    grid = field_grid(params, 300.0, 10.0)
    assert mask_labels(specimen, objects) == {"apoferritin": 3, "blob": 4}
    save_truth_masks(tmp_path, specimen, structures, objects, grid, resources=Resources(), progress=Silent())
    semantic, stored_grid = open_volume_zarr(tmp_path / "semantic.zarr")
    instance, _ = open_volume_zarr(tmp_path / "instance.zarr")
    assert stored_grid.shape_zyx == grid.shape_zyx
    classes, individuals = semantic.read(), instance.read()
    rows = json.loads((tmp_path / "masks.json").read_text())["instances"]
    assert [row["species"] for row in rows] == ["apoferritin", "apoferritin", "blob"]
    for row, place in zip(rows, [*PLACES, PLACES[0] + ASIDE], strict=True):
        where = np.argwhere(individuals == row["instance"])
        assert len(where) == row["voxels"]
        assert (classes[individuals == row["instance"]] == row["label"]).all()
        centre = grid.specimen_from_volume(where.mean(axis=0)[::-1] * 10.0)
        np.testing.assert_allclose(centre, place, atol=6.0)
    assert not (tmp_path / "leaflet.zarr").exists()
