"""The truth on disk: everything that was simulated reads back the same."""

import dataclasses
from pathlib import Path

import numpy as np

from tomoset.geometry import TiltGeometry, random_rotations
from tomoset.model import (
    BilayerProfile,
    CompositionRow,
    Filament,
    IceLayer,
    Membrane,
    Molecules,
    PickableObject,
    SeriesTruth,
    Specimen,
)
from tomoset.workflow.truth_files import load_truth, save_truth

PROFILE = BilayerProfile(
    name="phospholipid",
    offsets_angstrom=(-19.0, 19.0),
    spreads_angstrom=(4.0, 4.0),
    integrals_volt_angstrom=(20.0, 21.0),
    head_offset_angstrom=19.0,
)


def _truth() -> SeriesTruth:
    rng = np.random.default_rng(5)
    molecules = Molecules(
        species="tmv",
        positions_angstrom_xyz=rng.normal(size=(3, 3)),
        rotations=random_rotations(3, rng),
        compartment="cytosol",
        filament_index=np.array([0, 0, 0]),
    )
    vertices = np.array([[0.0, 0, 0], [100, 0, 0], [0, 100, 0], [0, 0, 100]])
    membrane = Membrane(
        name="liposome",
        body=4,
        vertices_angstrom_xyz=vertices,
        faces=np.array([[0, 2, 1], [0, 1, 3], [0, 3, 2], [1, 2, 3]], dtype=np.int32),
        normals=np.tile([0.0, 0, 1], (4, 1)),
        profile=PROFILE,
    )
    row = CompositionRow(
        species="tmv",
        mass_kda=900.0,
        requested_mg_per_ml=1.0,
        requested_copies=3,
        placed_copies=3,
        placed_mg_per_ml=1.0,
        compartment="cytosol",
        volume_fraction=0.001,
        note="a note",
    )
    specimen = Specimen(
        run="TS1",
        size_angstrom_xyz=(1000.0, 900.0, 500.0),
        molecules=(molecules,),
        composition=(row,),
        filaments=(Filament(species="tmv", curve_angstrom_xyz=rng.normal(size=(5, 3)), radius_angstrom=90.0),),
        membranes=(membrane,),
        ice=IceLayer(
            bottom_angstrom_yx=np.full((4, 6), -200, np.float32),
            top_angstrom_yx=np.full((4, 6), 250, np.float32),
            spacing_angstrom=100.0,
        ),
    )
    return SeriesTruth(
        specimen=specimen,
        objects=(PickableObject(name="tmv", label=1, radius_angstrom=90.0, is_particle=False),),
        geometry=TiltGeometry(
            y_tilt_deg=np.array([-3.0, 0.0]),
            z_rot_deg=np.array([85.0, 85.1]),
            shift_xy_angstrom=rng.normal(size=(2, 2)),
        ),
        frame_shift_xy_angstrom=rng.normal(size=(2, 4, 2)),
        defocus_angstrom=np.array([3e4, 3.1e4]),
        defocus_hand=-1,
        astigmatism_angstrom=np.array([300.0, 310.0]),
        astigmatism_deg=np.array([12.0, 13.0]),
        magnification=np.array([1.0, 1.001]),
        deformation=rng.normal(size=(2, 3, 10)),
        local_motion=rng.normal(size=(2, 4, 2, 6)),
        conditions=("good", "dark"),
        missing_tilts_deg=(3.0,),
        field_angstrom=2000.0,
    )


def _same(one: object, other: object) -> None:
    if isinstance(one, np.ndarray):
        np.testing.assert_array_equal(one, other)
    elif isinstance(one, tuple):
        assert isinstance(other, tuple)
        assert len(one) == len(other)
        for a, b in zip(one, other, strict=True):
            _same(a, b)
    elif dataclasses.is_dataclass(one):
        assert type(one) is type(other)
        for field in dataclasses.fields(one):
            _same(getattr(one, field.name), getattr(other, field.name))
    else:
        assert one == other


def test_every_field_reads_back_the_same(tmp_path: Path) -> None:
    truth = _truth()
    save_truth(tmp_path / "TS1", truth)
    _same(truth, load_truth(tmp_path / "TS1"))


def test_writing_again_replaces_the_meshes_and_names_both_leaflets(tmp_path: Path) -> None:
    for _ in range(2):
        paths = save_truth(tmp_path / "TS1", _truth())
    assert all(path.exists() for path in paths)
    meshes = sorted(path.name for path in (tmp_path / "TS1" / "Membranes").iterdir())
    assert meshes == ["001_liposome_inner-leaflet.obj", "001_liposome_outer-leaflet.obj"]
