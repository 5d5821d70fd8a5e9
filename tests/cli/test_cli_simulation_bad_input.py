"""What cannot be simulated ends in one clear paragraph, exit 2, and nothing half-written."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tomoset.formats.mrc_writing import write_volume

Run = Callable[..., tuple[int, str, str]]

SMALL = (
    "microscope.frame_shape_yx=[64,64]",
    "microscope.tilt_min_deg=-20",
    "microscope.tilt_max_deg=20",
    "microscope.tilt_step_deg=20",
    "microscope.n_frames=2",
    "microscope.total_dose_e_per_angstrom2=10",
)
ATOM = "HETATM    1  {name:<3s} LIG A   1    {x:>8s}   0.000   0.000  1.00 20.00          {element:>2s}\n"


def _init(tomoset: Run, project: Path, *settings: str) -> tuple[int, str]:
    options = [part for setting in (*SMALL, *settings) for part in ("--set", setting)]
    code, _, error = tomoset("init", project, "--recipe", "tiny", *options)
    return code, error


def _left_behind(project: Path) -> list[str]:
    """Results and temporary files in a project that has computed nothing."""
    made = [p.relative_to(project).as_posix() for p in project.rglob("*") if p.is_file()]
    runs = [p.relative_to(project).as_posix() for top in ("Raw", "GroundTruth") for p in (project / top).glob("*")]
    kept = (".lock", "recipe.toml", "copick_config.json", "Structures/", "Logs/")
    return [name for name in (*made, *runs) if not name.startswith(kept)]


def _looks(structure: object, more: str = "") -> tuple[str, str]:
    return (
        f'objects=[{{name="x", structure="{structure}", radius_angstrom=60.0{more}}}]',
        'specimen.components=[{species="x", copies=1}]',
    )


def _holds(amount: str) -> tuple[str]:
    return (f'specimen.components=[{{species="pp7-vlp", {amount}}}]',)


def _cell(more: str, *, kind: str = "syn3a", thickness: float = 1600) -> tuple[str, ...]:
    small = "diameter_angstrom=[1000.0, 1000.0], genome_base_pairs=0"
    cell = f'specimen.cells=[{{kind="{kind}", {small}{more}}}]'
    return ("objects=[]", "specimen.components=[]", f"specimen.thickness_angstrom={thickness}", cell)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (_holds("mg_per_ml=-3.0"), ("pp7-vlp", "zero or more", "-3")),
        (_holds("mg_per_ml=nan"), ("pp7-vlp", "nan")),
        (_holds("copies=1000000000000000000000000000000"), ("pp7-vlp", "at most")),
        (_holds("copies=1.5"), ("copies", "integer")),
        (_holds("copies=1, mg_per_ml=1.0"), ("either mg_per_ml or copies", "both")),
        (_holds('copies=1, compartment="cytosol"'), ("cytosol", "ice")),
        (_holds('copies=1, compartment="nowhere"'), ("nowhere", "periplasm")),
        (_holds("copies=1, adsorbed_fraction=-0.1"), ("adsorbed", "-0.1")),
        (('specimen.components=[{species="x", copies=1}]',), ("x", "[[objects]]")),
        (('specimen.components=[{species="x", structure="nosuch", copies=1}]',), ("nosuch", "apoferritin")),
        (('specimen.components=[{species="x", structure="globule", copies=1}]',), ("mass_kda", "globule")),
        (_looks("nosuch.pdb"), ("nosuch.pdb", "pdb:ID")),
        (_looks("pdb:zz"), ("pdb:zz", "pdb:6SCJ#1")),
        (_looks("apoferritin", ", threshold=0.5"), ("threshold", "density map")),
        (_looks("apoferritin", ', symmetry="D7"'), ("symmetry O", "D7")),
        (_looks("apoferritin", ", mass_kda=-5.0"), ("objects.x.mass_kda", "-5")),
        (_looks("apoferritin", ', kind="mesh"'), ("kind", "membrane")),
        (("specimen.thickness_angstrom=-5",), ("ice thickness", "-5")),
        (("specimen.thickness_angstrom=1e9",), ("at most", "1e+09")),
        (("specimen.margin_angstrom=800",), ("margin", "450")),
        (("microscope.tilt_max_deg=95",), ("tilt_max_deg", "95")),
        (("microscope.tilt_max_deg=80", "microscope.pretilt_deg=15"), ("pretilt", "95")),
        (("microscope.pixel_size_angstrom=200",), ("pixel_size_angstrom", "CTF zero")),
        (("microscope.frame_shape_yx=[319, 384]",), ("frame_shape_yx", "even")),
        (("microscope.dark_fraction=-0.1",), ("dark_fraction", "-0.1")),
        (("microscope.dark_fraction=0.3", "microscope.missing_fraction=0.3"), ("one third", "0.6")),
        (("microscope.dead_pixel_fraction=0.5",), ("dead_pixel_fraction", "0.01")),
        (("specimen.liposomes=[{per_cubic_micrometre=-1.0}]",), ("liposomes", "-1")),
        (("specimen.film={thickness_angstrom=-5.0}",), ("film", "-5")),
        (("specimen.gold={beads_per_square_micrometre=-2.0}",), ("gold", "-2")),
        (("specimen.ice={meniscus_angstrom=-4.0}",), ("ice", "-4")),
        (('specimen.filaments=[{species="pp7-vlp", copies=1, compartment="nucleoid"}]',), ("nucleoid", "cell")),
        (_cell("", kind="yeast"), ("yeast", "minicell")),
        (_cell(', proteome="nosuch.csv", proteome_mg_per_ml=100.0'), ("nosuch.csv", "check its path")),
        (_cell(", proteome_mg_per_ml=100.0"), ("without a proteome",)),
        (_cell(", periplasm_angstrom=20.0", kind="minicell"), ("periplasm", "140")),
        (("scale=giant",), ("small", "giant")),
        (("n_series=0",), ("n_series",)),
    ],
)
def test_a_recipe_that_means_nothing_makes_no_project(
    tomoset: Run, tmp_path: Path, settings: tuple[str, ...], words: tuple[str, ...]
) -> None:
    code, error = _init(tomoset, tmp_path / "p", *settings)
    assert code == 2, error
    for word in words:
        assert word in error
    assert "Traceback" not in error
    assert "Value error" not in error
    assert list(tmp_path.iterdir()) == []


def test_a_scale_that_a_recipe_does_not_have(tomoset: Run, tmp_path: Path) -> None:
    code, _, error = tomoset("init", tmp_path / "p", "--recipe", "three_proteins", "--set", "scale=giant")
    assert code == 2
    assert "small, paper" in error
    assert not (tmp_path / "p").exists()


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ("identifier,abundance\na,1\n", ("mass_kda", "abundance")),
        ("identifier,mass_kda,abundance\na,thirty,1\n", ("row 2", "mass_kda", "thirty")),
        ("identifier,mass_kda,abundance\na,30\n", ("row 2", "3 columns")),
        ("identifier,mass_kda,abundance,abundance\na,30,1,2\n", ("each column once",)),
        ("identifier,mass_kda,abundance\na,30,0\n", ("above zero", "abundance")),
        ("identifier,mass_kda,abundance,compartment\na,30,1,vacuole\n", ("row 2", "vacuole")),
        ("identifier,mass_kda,abundance,structure\na,30,1,nosuch\n", ("nosuch", "apoferritin")),
        ("identifier,mass_kda,abundance\n", ("row for each protein",)),
        ("", ("empty",)),
    ],
)
def test_a_table_of_proteins_that_cannot_be_read(
    tomoset: Run, tmp_path: Path, table: str, words: tuple[str, ...]
) -> None:
    path = tmp_path / "table.csv"
    path.write_text(table, encoding="utf-8")
    code, error = _init(tomoset, tmp_path / "p", *_cell(f', proteome="{path}", proteome_mg_per_ml=100.0'))
    assert code == 2
    for word in words:
        assert word in error
    assert [p.name for p in tmp_path.iterdir()] == ["table.csv"]


def test_a_table_beside_the_user(tomoset: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As for structure files: a built-in recipe has its own folder, but what ``--set`` names lies where the user is."""
    monkeypatch.chdir(tmp_path)
    settings = _cell(', proteome="mine.csv", proteome_mg_per_ml=100.0')
    assert "mine.csv: expected a proteomics table" in _init(tomoset, tmp_path / "p", *settings)[1]
    (tmp_path / "mine.csv").write_text("identifier,mass_kda,abundance\na,30,1\n", encoding="utf-8")
    assert _init(tomoset, tmp_path / "p", *settings) == (0, "")
    assert 'species = "a"' in (tmp_path / "p" / "recipe.toml").read_text("utf-8")


@pytest.mark.parametrize("total", ["-3.0", "nan", '"lots"', "true"])
def test_a_total_concentration_that_is_none(tomoset: Run, tmp_path: Path, total: str) -> None:
    path = tmp_path / "table.csv"
    path.write_text("identifier,mass_kda,abundance\na,30,1\n", encoding="utf-8")
    code, error = _init(tomoset, tmp_path / "p", *_cell(f', proteome="{path}", proteome_mg_per_ml={total}'))
    assert code == 2
    assert "expected" in error
    assert not (tmp_path / "p").exists()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("HEADER    NOTHING\nEND\n", ("expected atoms", "none")),
        (ATOM.format(name="QQ1", x="0.000", element="Qq"), ("known elements",)),
        (ATOM.format(name="CA", x="nan", element="C"), ("finite coordinates",)),
        (ATOM.format(name="ZN", x="0.000", element="ZN"), ("two pixels", "pixel_size_angstrom")),
    ],
)
def test_coordinates_that_are_no_molecule(tomoset: Run, tmp_path: Path, text: str, words: tuple[str, ...]) -> None:
    path = tmp_path / "odd.pdb"
    path.write_text(text, encoding="utf-8")
    code, error = _init(tomoset, tmp_path / "p", *_looks(path))
    assert code == 2
    for word in ("x", *words):
        assert word in error
    assert [p.name for p in tmp_path.iterdir()] == ["odd.pdb"]


def test_a_file_of_garbage_is_named_as_the_user_knows_it(tomoset: Run, tmp_path: Path) -> None:
    path = tmp_path / "garbage.cif"
    path.write_bytes(bytes(range(256)))
    code, error = _init(tomoset, tmp_path / "p", *_looks(path))
    assert code == 2
    assert "garbage.cif" in error
    assert ".partial" not in error


def test_a_crystal_asks_which_assembly(tomoset: Run, tmp_path: Path, shared_data: Path) -> None:
    crystal = shared_data / "structures" / "4f5s.pdb"
    code, error = _init(tomoset, tmp_path / "p", *_looks(crystal))
    assert code == 2
    assert "'deposited' (2 chains, 133.1 kDa)" in error
    assert "'1' (1 chain, 66.5 kDa)" in error
    assert _init(tomoset, tmp_path / "p", *_looks(crystal, ', assembly="1"'))[0] == 0


@pytest.mark.parametrize(
    ("voxel", "more", "words"),
    [
        (4.0, "", ("threshold", "mass")),
        (4.0, ", threshold=5.0", ("lower the threshold",)),
        (4.0, ", threshold=-5.0", ("within the solvent", "raise it")),
        (4.0, ", threshold=nan", ("objects.x.threshold", "finite")),
        (4.0, ", threshold=0.5, mass_kda=100000.0", ("100000 kDa", "check the mass")),
        (0.0, ", threshold=0.5", ("voxel size", "0 Å")),
    ],
)
def test_a_density_map_without_a_molecule(
    tomoset: Run, tmp_path: Path, voxel: float, more: str, words: tuple[str, ...]
) -> None:
    z, y, x = np.mgrid[-12:12, -12:12, -12:12]
    noise = 0.01 * np.random.default_rng(0).standard_normal(x.shape)
    path = tmp_path / "ball.mrc"
    write_volume(path, ((x * x + y * y + z * z < 64) + noise).astype(np.float32), 1.0)
    raw = bytearray(path.read_bytes())
    raw[40:52] = np.full(3, 24 * voxel, dtype="<f4").tobytes()  # the header's cell, Å
    path.write_bytes(raw)
    code, error = _init(tomoset, tmp_path / "p", *_looks(path, more))
    assert code == 2, error
    for word in words:
        assert word in error
    assert [p.name for p in tmp_path.iterdir()] == ["ball.mrc"]


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (_holds("mg_per_ml=900.0"), ("64%", "would fill", "mg/ml")),
        (_holds("mg_per_ml=250.0"), ("asked", "placed", "What was placed is what fits", "allow_short")),
        (
            (
                'objects=[{name="tmv", kind="filament", structure="tmv", radius_angstrom=90.0}]',
                "specimen.components=[]",
                'specimen.filaments=[{species="tmv", copies=500}]',
            ),
            ("64%", "of the ice", "would fill"),
        ),
        (_cell("", thickness=900), ("thickness_angstrom to 1100", "850")),
        (("specimen.liposomes=[{count=1, diameter_angstrom=5000.0}]",), ("liposomes", "726")),
    ],
)
def test_what_finds_no_room_leaves_nothing(
    tomoset: Run, tmp_path: Path, settings: tuple[str, ...], words: tuple[str, ...]
) -> None:
    project = tmp_path / "p"
    assert _init(tomoset, project, *settings) == (0, "")
    code, _, error = tomoset("run", project, "--until", "movies", "--workers", 1, "--json")
    assert code == 2, error
    for word in words:
        assert word in error
    assert "Traceback" not in error
    assert _left_behind(project) == []
