"""Flags of the truth: seen, cut, hidden, each with the numbers of the arrays it belongs to."""

from pathlib import Path

import numpy as np

from tomoset.geometry import TiltGeometry
from tomoset.microscope import MicroscopeParams
from tomoset.model import BilayerProfile, Filament, Membrane, Molecules, SeriesTruth, Specimen
from tomoset.structures import built_in_structure
from tomoset.workflow.truth_flags import save_truth_flags, truth_flags
from tomoset.workflow.truth_masks import field_grid

PARAMS = MicroscopeParams(frame_shape_yx=(160, 160), pixel_size_angstrom=5.0, tilt_axis_deg=0.0)
TILTS = np.array([-45.0, 0.0, 45.0])


def _truth() -> SeriesTruth:
    # In the middle; over the field's edge in x, which the tilted views bring in; far outside.
    places = np.array([[0.0, 0, 0], [500.0, 0, 0], [3000.0, 0, 0], [390.0, 0, 0]])
    molecules = Molecules(species="apoferritin", positions_angstrom_xyz=places, rotations=np.tile(np.eye(3), (4, 1, 1)))
    profile = BilayerProfile(
        name="phospholipid",
        offsets_angstrom=(0.0,),
        spreads_angstrom=(10.0,),
        integrals_volt_angstrom=(60.0,),
        head_offset_angstrom=19.0,
    )
    membrane = Membrane(
        name="liposome",
        body=0,
        vertices_angstrom_xyz=np.eye(3) * 100,
        faces=np.array([[0, 1, 2]], dtype=np.int32),
        normals=np.eye(3),
        profile=profile,
    )
    curve = np.array([[0.0, -100, 0], [0, 0, 0], [100, 0, 0]])
    specimen = Specimen(
        run="TS1",
        size_angstrom_xyz=(8000.0, 2000.0, 300.0),
        molecules=(molecules,),
        composition=(),
        filaments=(Filament(species="tmv", curve_angstrom_xyz=curve, radius_angstrom=90.0),),
        membranes=(membrane,),
    )
    return SeriesTruth(
        specimen=specimen,
        objects=(),
        geometry=TiltGeometry(y_tilt_deg=TILTS, z_rot_deg=np.zeros(3), shift_xy_angstrom=np.zeros((3, 2))),
        frame_shift_xy_angstrom=np.zeros((3, 2, 2)),
        defocus_angstrom=np.full(3, 3e4),
        defocus_hand=1,
    )


def test_flags_say_what_was_seen_cut_and_hidden(tmp_path: Path) -> None:
    grid = field_grid(PARAMS, 300.0, 10.0)
    flags = truth_flags(_truth(), {"apoferritin": built_in_structure("apoferritin")}, PARAMS, grid)
    assert flags["views_0"].tolist() == [3, 2, 0, 3]
    assert flags["cut_0"].tolist() == [False, False, False, True]
    assert flags["hidden_0"].tolist() == [False, False, True]  # the wedge is about z
    np.testing.assert_allclose(flags["hidden_share_0"], [0.5, 1.0], atol=1e-6)  # along the axis, across it
    with np.load(save_truth_flags(tmp_path, flags)) as stored:
        assert sorted(stored.files) == sorted(flags)
