"""Liposomes and cells in the ice: room, membranes, compartments, contents, and refusals."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.spatial import cKDTree

from tomoset.errors import PackingError, ParameterError
from tomoset.model import IceLayer, Silent
from tomoset.specimen.bodies import CellParams, LiposomeParams, place_bodies
from tomoset.specimen.components import Component
from tomoset.specimen.packing import PackingBox
from tomoset.specimen.regions import Body, Region
from tomoset.structures import built_in_structure

SMALL_CELL = CellParams(kind="minicell", diameter_angstrom=(1000.0, 1000.0))
SMALL_CRESCENT = CellParams(
    kind="pelagibacter",
    diameter_angstrom=(900.0, 900.0),
    length_angstrom=(3000.0, 3000.0),
    genome_base_pairs=5_000,
)


class _Counter:
    def __init__(self) -> None:
        self.steps: list[tuple[str, int, int]] = []

    def step(self, what: str, done: int, total: int) -> None:
        self.steps.append((what, done, total))


def _place(
    liposomes: tuple[LiposomeParams, ...] = (),
    cells: tuple[CellParams, ...] = (),
    *,
    size: tuple[float, float, float] = (3000.0, 3000.0, 1600.0),
    seed: int = 1,
    ice: IceLayer | None = None,
    box: PackingBox | None = None,
    progress: _Counter | None = None,
) -> tuple[Body, ...]:
    return place_bodies(
        box or PackingBox.empty((size[0], size[1], size[2] - 40.0), 10.0),
        liposomes,
        cells,
        size_angstrom_xyz=size,
        ice=ice,
        structures={"apoferritin": built_in_structure("apoferritin")},
        clearance_angstrom=2.0,
        rng=np.random.default_rng(seed),
        progress=progress or Silent(),
    )


def _points_in(region: Region, n: int = 60_000) -> np.ndarray:
    return np.random.default_rng(0).uniform(region.lower_angstrom_xyz, region.upper_angstrom_xyz, (n, 3))


def _share(region: Region, points: np.ndarray, box: Region) -> float:
    volume = np.prod(np.subtract(box.upper_angstrom_xyz, box.lower_angstrom_xyz))
    return float(region.contains(points).mean() * volume)


def test_liposomes_lie_in_the_ice_apart_from_one_another() -> None:
    counter = _Counter()
    bodies = _place((LiposomeParams(count=8, diameter_angstrom=500.0),), progress=counter)
    assert len(bodies) == 8
    assert counter.steps[-1] == ("vesicles and cells", 8, 8)
    for number, body in enumerate(bodies):
        vertices = body.membranes[0].vertices_angstrom_xyz
        assert (np.abs(vertices) < [1500.0, 1500.0, 780.0]).all()
        assert {membrane.body for membrane in body.membranes} == {number}
        for other in bodies[:number]:
            assert not other.whole.contains(vertices).any()
            assert not body.whole.contains(other.membranes[0].vertices_angstrom_xyz).any()


def test_nested_lamellae_do_not_touch() -> None:
    params = LiposomeParams(count=3, diameter_angstrom=1300.0, diameter_spread=0.1, multilamellar_fraction=1.0)
    bodies = _place((replace(params, max_lamellae=3),), size=(4000.0, 4000.0, 1800.0), seed=2)
    assert max(len(body.membranes) for body in bodies) >= 3
    for body in bodies:
        assert len(body.membranes) >= 2
        for outer, inner in zip(body.membranes, body.membranes[1:], strict=False):
            a, b = outer.leaflet_angstrom_xyz(-1), inner.leaflet_angstrom_xyz(1)
            assert cKDTree(a).query(b)[0].min() > 40  # water between the heads
            middle = inner.vertices_angstrom_xyz.mean(axis=0)
            assert np.linalg.norm(b - middle, axis=1).max() < np.linalg.norm(a - middle, axis=1).max()
        lumen = body.compartments["lumen"]
        points = _points_in(lumen)
        inside = points[lumen.contains(points)][:2000]
        assert (
            cKDTree(body.membranes[-1].vertices_angstrom_xyz).query(inside)[0].min() > 35
        )  # two head offsets, less what a mesh of 50 Å misses


def test_liposomes_are_as_many_and_as_large_as_asked() -> None:
    volume = 6000.0 * 6000.0 * 1200.0 / 1e12
    params = LiposomeParams(
        per_cubic_micrometre=20 / volume, diameter_angstrom=500.0, diameter_spread=0.2, multilamellar_fraction=0.0
    )
    bodies = _place((params,), size=(6000.0, 6000.0, 1200.0))
    assert len(bodies) == 20
    diameters = [2 * np.cbrt(3 * body.whole.volume_angstrom3 / (4 * np.pi)) - 2 * 27.1 for body in bodies]
    assert np.mean(diameters) == pytest.approx(500, rel=0.12)
    assert np.std(diameters) == pytest.approx(100, rel=0.4)
    assert sorted(diameters, reverse=True) == diameters


def test_liposomes_drawn_too_large_for_the_ice_are_drawn_again_or_refused() -> None:
    params = LiposomeParams(count=6, diameter_angstrom=900.0, diameter_spread=0.4)
    bodies = _place((params,), size=(4000.0, 4000.0, 900.0))
    for body in bodies:
        assert np.abs(body.membranes[0].vertices_angstrom_xyz[:, 2]).max() < 430
    with pytest.raises(ParameterError, match="diameters that the ice can hold"):
        _place((replace(params, diameter_spread=0.02),), size=(4000.0, 4000.0, 700.0))


def test_what_does_not_find_room_is_refused() -> None:
    with pytest.raises(PackingError, match="expected free room"):
        _place((LiposomeParams(count=40, diameter_angstrom=900.0),), size=(2000.0, 2000.0, 1200.0))


def test_bodies_keep_clear_of_what_is_there() -> None:
    box = PackingBox.empty((3000.0, 3000.0, 1560.0), 10.0)
    half = Region(
        contains=lambda points: points[:, 0] > 0,
        lower_angstrom_xyz=(0.0, -1500.0, -800.0),
        upper_angstrom_xyz=(1500.0, 1500.0, 800.0),
    )
    box.mark_region(half)
    for body in _place((LiposomeParams(count=6, diameter_angstrom=500.0),), box=box):
        assert body.membranes[0].vertices_angstrom_xyz[:, 0].max() < -10


def test_a_minicell_has_two_membranes_a_wall_and_no_chromosome() -> None:
    (body,) = _place(cells=(SMALL_CELL,))
    assert body.kind == "minicell"
    assert [membrane.name for membrane in body.membranes] == ["outer-membrane", "inner-membrane"]
    assert [membrane.profile.name for membrane in body.membranes] == ["outer-membrane", "phospholipid"]
    outer, inner = (membrane.vertices_angstrom_xyz for membrane in body.membranes)
    middle = (outer.max(axis=0) + outer.min(axis=0)) / 2
    np.testing.assert_allclose(middle, 0.0, atol=20)
    gaps = cKDTree(outer).query(inner)[0]
    assert gaps.mean() == pytest.approx(180, abs=10)
    assert [part.name for part in body.scatterers] == [
        "lipids of outer-membrane",
        "lipids of inner-membrane",
        "peptidoglycan",
    ]
    assert body.filaments == ()
    wall = body.scatterers[2].positions_angstrom_xyz.astype(np.float64)
    below = cKDTree(outer).query(wall)[0]
    assert below.mean() == pytest.approx(95, abs=8)
    assert below.min() > 45
    assert cKDTree(inner).query(wall)[0].min() > 20


def test_the_wall_is_one_layer_of_peptidoglycan() -> None:
    (body,) = _place(cells=(SMALL_CELL,))
    disaccharides = (body.scatterers[2].strengths_volt_angstrom3 > 1850).sum()
    area = 4 * np.pi * (50.0 - 9.5) ** 2  # nm2
    assert disaccharides / area == pytest.approx(0.36, abs=0.03)  # 3.5 million on 10 µm2


@pytest.mark.parametrize("params", [SMALL_CELL, SMALL_CRESCENT], ids=lambda p: p.kind)
def test_compartments_are_apart_inside_the_whole_and_as_large_as_they_say(params: CellParams) -> None:
    (body,) = _place(cells=(params,), size=(3500.0, 3500.0, 1300.0))
    points = _points_in(body.whole, 150_000)
    holders = np.stack([region.contains(points) for region in body.compartments.values()])
    assert (holders.sum(axis=0) <= 1).all()
    assert body.whole.contains(points)[holders.any(axis=0)].all()
    for region in (body.whole, *body.compartments.values()):
        assert region.volume_angstrom3 == pytest.approx(_share(region, points, body.whole), rel=0.04)
    assert set(body.compartments) == {name for name in params.compartments if not name.endswith("membrane")}
    for membrane in body.membranes:
        assert not np.any([r.contains(membrane.vertices_angstrom_xyz) for r in body.compartments.values()])


def test_pelagibacter_is_a_crescent_whose_nucleoid_holds_the_dna() -> None:
    (body,) = _place(cells=(SMALL_CRESCENT,), size=(3500.0, 3500.0, 1300.0))
    volumes = {name: region.volume_angstrom3 for name, region in body.compartments.items()}
    assert volumes["nucleoid"] / (volumes["nucleoid"] + volumes["cytosol"]) == pytest.approx(0.3, abs=0.01)
    (dna,) = body.filaments
    assert dna.compartment == "nucleoid"
    assert dna.length_angstrom == pytest.approx(5_000 * 3.4, rel=0.01)
    assert body.compartments["nucleoid"].contains(dna.curve_angstrom_xyz).mean() > 0.99
    # Long axis in the plane of the ice; bent: the middle of the box of its vertices lies off the centroid.
    vertices = body.membranes[0].vertices_angstrom_xyz
    values, vectors = np.linalg.eigh(np.cov(vertices.T))
    assert abs(vectors[2, 2]) < np.sin(np.deg2rad(6))
    assert values[2] > 2 * values[1]
    axis_ends = vertices[np.argsort(vertices @ vectors[:, 2])]
    ends = (axis_ends[:50].mean(axis=0) + axis_ends[-50:].mean(axis=0)) / 2
    assert np.linalg.norm(ends - vertices.mean(axis=0)) > 40


def test_syn3a_has_one_membrane_and_dna_all_over_the_cytosol() -> None:
    params = CellParams(kind="syn3a", diameter_angstrom=(1000.0, 1000.0), genome_base_pairs=20_000)
    (body,) = _place(cells=(params,))
    assert [membrane.name for membrane in body.membranes] == ["plasma-membrane"]
    assert list(body.compartments) == ["cytosol"]
    assert body.filaments[0].compartment == "cytosol"
    assert body.compartments["cytosol"].contains(body.filaments[0].curve_angstrom_xyz).mean() > 0.99


def test_several_cells_are_spread_without_overlap() -> None:
    bodies = _place(cells=(replace(SMALL_CELL, count=2),), size=(3500.0, 3500.0, 1600.0))
    assert len(bodies) == 2
    for number, body in enumerate(bodies):
        for other in bodies[:number]:
            assert not other.whole.contains(body.membranes[0].vertices_angstrom_xyz).any()


def test_a_cell_thicker_than_the_ice_is_refused_with_the_thickness_it_needs() -> None:
    with pytest.raises(PackingError, match=r"expected 1\d\d\d Å of ice .* found 940 Å") as refusal:
        _place(cells=(SMALL_CELL,), size=(3000.0, 3000.0, 1000.0))
    advice = float(str(refusal.value).split("specimen.thickness_angstrom to ")[1].split()[0])
    assert len(_place(cells=(SMALL_CELL,), size=(3000.0, 3000.0, advice))) == 1


def test_a_meniscus_makes_the_ice_too_thin_in_the_middle() -> None:
    y, x = np.meshgrid(np.arange(-16, 17) * 100.0, np.arange(-16, 17) * 100.0, indexing="ij")
    top = (500 + 300 * np.minimum((x**2 + y**2) / 1600**2, 1)).astype(np.float32)
    ice = IceLayer(bottom_angstrom_yx=-top, top_angstrom_yx=top, spacing_angstrom=100.0)
    with pytest.raises(PackingError, match="found 960 Å at the centre"):
        _place(cells=(SMALL_CELL,), ice=ice)
    assert len(_place(cells=(replace(SMALL_CELL, diameter_angstrom=(800.0, 800.0)),), ice=ice)) == 1


def test_a_cell_that_reaches_out_of_the_slab_counts_only_what_is_within() -> None:
    components = (Component(species="apoferritin", copies=20, compartment="outer-membrane"),)
    params = replace(SMALL_CELL, components=components)
    (whole,) = _place(cells=(params,))
    (cut,) = _place(cells=(params,), size=(3000.0, 700.0, 1600.0))
    assert whole.share == 1
    assert 0.6 < cut.share < 0.95
    assert cut.whole.volume_angstrom3 == pytest.approx(cut.share * whole.whole.volume_angstrom3, rel=0.02)
    assert np.abs(cut.scatterers[0].positions_angstrom_xyz[:, 1]).max() <= 350
    assert not cut.compartments["cytosol"].contains(np.array([[0.0, 351.0, 0.0]])).any()
    assert len(cut.molecules[0]) < len(whole.molecules[0]) == 20
    assert cut.components == components


def test_proteins_of_the_membranes_are_placed_marked_and_reported() -> None:
    box = PackingBox.empty((3000.0, 3000.0, 1560.0), 10.0)
    params = replace(
        SMALL_CELL,
        components=(
            Component(species="apoferritin", copies=12, compartment="inner-membrane"),
            Component(species="apoferritin", mg_per_ml=20.0, compartment="cytosol"),
        ),
    )
    (body,) = _place(cells=(params,), box=box)
    assert [(row.compartment, row.requested_copies, row.placed_copies) for row in body.placements] == [
        ("inner-membrane", 12, 12)
    ]
    assert body.components == params.components
    atoms = built_in_structure("apoferritin").positions_angstrom_xyz
    first = atoms @ body.molecules[0].rotations[0].T + body.molecules[0].positions_angstrom_xyz[0]
    assert not box.are_free(first)
    lipids = body.scatterers[1].positions_angstrom_xyz.astype(np.float64)
    near = (np.linalg.norm(lipids - body.molecules[0].positions_angstrom_xyz[0], axis=1) < 55).sum()
    assert near < 0.25 * 4 * np.pi * 55**2 / 62  # a shell of 60 Å radius stands where some 600 points were


def test_the_same_stream_gives_the_same_bodies() -> None:
    liposomes = (LiposomeParams(count=2, diameter_angstrom=500.0),)
    first, second = (_place(liposomes, (SMALL_CELL,), seed=7) for _ in range(2))
    other = _place(liposomes, (SMALL_CELL,), seed=8)
    for a, b, c in zip(first, second, other, strict=True):
        for one, two in zip(a.scatterers, b.scatterers, strict=True):
            np.testing.assert_array_equal(one.positions_angstrom_xyz, two.positions_angstrom_xyz)
        assert not np.array_equal(a.membranes[0].vertices_angstrom_xyz, c.membranes[0].vertices_angstrom_xyz)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "either per_cubic_micrometre or count, found neither"),
        ({"count": 1, "per_cubic_micrometre": 1.0}, "found both"),
        ({"count": -1}, "zero or more"),
        ({"count": 1, "diameter_angstrom": 100.0}, "300 Å or more"),
        ({"count": 1, "deformation": 0.5}, "deformation between 0 and 0.12"),
        ({"count": 1, "max_lamellae": 1}, "max_lamellae"),
        ({"count": 1, "lamella_spacing_angstrom": (50.0, 100.0)}, "two bilayers"),
        ({"count": 1, "components": (Component(species="a", copies=1, compartment="cytosol"),)}, "lumen, liposome"),
    ],
)
def test_liposomes_that_cannot_be_are_refused(arguments: dict[str, object], message: str) -> None:
    with pytest.raises(ParameterError, match=message):
        LiposomeParams(**arguments)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"kind": "yeast"}, "minicell, pelagibacter, syn3a"),
        ({"kind": "minicell", "count": -1}, "zero or more"),
        ({"kind": "minicell", "diameter_angstrom": (500.0, 900.0)}, "800 Å or more"),
        ({"kind": "minicell", "diameter_angstrom": (2000.0, 1900.0)}, "the least first"),
        ({"kind": "minicell", "length_angstrom": (2000.0, 2900.0)}, "it is a sphere"),
        ({"kind": "minicell", "deformation": 0.2}, "0 to 0.08"),
        ({"kind": "minicell", "periplasm_angstrom": 90.0}, "140 to 400"),
        ({"kind": "syn3a", "nucleoid_fraction": 0.9}, "0 to 0.6"),
        ({"kind": "syn3a", "genome_base_pairs": -1}, "zero or more"),
        (
            {"kind": "syn3a", "components": (Component(species="a", copies=1, compartment="periplasm"),)},
            "plasma-membrane, cytosol",
        ),
        (
            {"kind": "minicell", "components": (Component(species="a", copies=1, compartment="nucleoid"),)},
            "outer-membrane, periplasm, inner-membrane, cytosol",
        ),
    ],
)
def test_cells_that_cannot_be_are_refused(arguments: dict[str, object], message: str) -> None:
    with pytest.raises(ParameterError, match=message):
        CellParams(**arguments)  # type: ignore[arg-type]
