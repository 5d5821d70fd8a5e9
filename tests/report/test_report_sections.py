"""Cross-sections point at what is there: particles, filaments and membranes, in the tomogram's frame."""

from pathlib import Path

import numpy as np
from PIL import Image

from tomoset.geometry import Grid, TiltGeometry
from tomoset.model import (
    BilayerProfile,
    Filament,
    InMemory,
    Labels,
    Membrane,
    Molecules,
    PickableObject,
    Picks,
    SeriesTruth,
    Specimen,
    Tomogram,
)
from tomoset.report.landmarks import labeled_landmarks, true_landmarks
from tomoset.report.sections import best_height_index, draw_section

TILTS = np.arange(-40.0, 41.0, 10.0)
GEOMETRY = TiltGeometry(y_tilt_deg=TILTS, z_rot_deg=np.zeros(9), shift_xy_angstrom=np.zeros((9, 2)))
RED = (200, 0, 0, 255)
OBJECTS = (
    PickableObject(name="apoferritin", label=1, radius_angstrom=60.0, color_rgba=RED),
    PickableObject(name="tmv", label=2, radius_angstrom=90.0, is_particle=False),
    PickableObject(name="liposome", label=3, radius_angstrom=20.0, is_particle=False),
)


def _sphere(radius: float) -> Membrane:
    rng = np.random.default_rng(1)
    normals = rng.normal(size=(4000, 3))
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    profile = BilayerProfile(
        name="phospholipid",
        offsets_angstrom=(0.0,),
        spreads_angstrom=(10.0,),
        integrals_volt_angstrom=(60.0,),
        head_offset_angstrom=19.0,
    )
    faces = np.zeros((0, 3), dtype=np.int32)
    return Membrane(
        name="liposome", body=0, vertices_angstrom_xyz=radius * normals, faces=faces, normals=normals, profile=profile
    )


def _truth() -> SeriesTruth:
    molecules = Molecules(
        species="apoferritin",
        positions_angstrom_xyz=np.array([[300.0, 200, 100], [5000, 0, 0]]),
        rotations=np.tile(np.eye(3), (2, 1, 1)),
    )
    curve = np.stack([np.linspace(-400, 400, 9), np.zeros(9), np.full(9, -50.0)], axis=1)
    specimen = Specimen(
        run="TS1",
        size_angstrom_xyz=(1280.0, 1280.0, 640.0),
        molecules=(molecules,),
        composition=(),
        filaments=(Filament(species="tmv", curve_angstrom_xyz=curve, radius_angstrom=90.0),),
        membranes=(_sphere(250.0),),
    )
    return SeriesTruth(
        specimen=specimen,
        objects=OBJECTS,
        geometry=GEOMETRY,
        frame_shift_xy_angstrom=np.zeros((9, 2, 2)),
        defocus_angstrom=np.full(9, 3e4),
        defocus_hand=1,
    )


def _tomogram() -> Tomogram:
    grid = Grid(shape_zyx=(32, 64, 64), voxel_size_angstrom=20.0)
    noise = np.random.default_rng(0).normal(size=grid.shape_zyx).astype(np.float32)
    return Tomogram(run="TS1", grid=grid, volume_zyx=InMemory(noise), tilt_indices=tuple(range(9)), geometry=GEOMETRY)


def test_true_landmarks_are_where_the_things_are_and_count_those_inside() -> None:
    tomogram = _tomogram()
    origin = tomogram.grid.volume_from_specimen(np.zeros(3))
    found = {each.item.name: each for each in true_landmarks(_truth(), tomogram)}
    assert {name: each.count for name, each in found.items()} == {"apoferritin": 1, "tmv": 1, "liposome": 1}
    np.testing.assert_allclose(found["apoferritin"].points_angstrom_xyz - origin, [[300, 200, 100]], atol=1e-6)
    np.testing.assert_allclose(found["tmv"].points_angstrom_xyz - origin, [[-100, 0, -50], [100, 0, -50]], atol=1e-6)
    offsets = found["liposome"].points_angstrom_xyz - origin
    np.testing.assert_allclose(np.linalg.norm(offsets, axis=1), 250, atol=1e-6)
    assert np.abs(offsets[:, 2]).max() <= 125


def test_the_slab_with_most_classes_is_shown_and_arrowheads_are_drawn_in_the_class_colour(tmp_path: Path) -> None:
    tomogram = _tomogram()
    picks = Picks(object_name="apoferritin", positions_angstrom_xyz=np.array([[640.0, 640, 100], [300, 300, 110]]))
    labels = Labels(run="TS1", user="tomoset", session="0", voxel_size_angstrom=20.0, picks=(picks,))
    landmarks = labeled_landmarks([labels], OBJECTS, tomogram.grid)
    assert abs(best_height_index(tomogram, landmarks, 60.0) * 20.0 - 105) < 30
    draw_section(tmp_path / "with.png", tomogram, landmarks, slab_angstrom=60.0)
    draw_section(tmp_path / "without.png", tomogram, (), slab_angstrom=60.0)

    def red_pixels(path: Path) -> int:
        pixels = np.asarray(Image.open(path).convert("RGB"), dtype=int)
        return int(((pixels[..., 0] > 170) & (pixels[..., 1] < 40) & (pixels[..., 2] < 40)).sum())

    assert red_pixels(tmp_path / "without.png") == 0
    assert red_pixels(tmp_path / "with.png") > 100
