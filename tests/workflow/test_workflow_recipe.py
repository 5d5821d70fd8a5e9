"""Recipes: what is not understood is refused, and what is written reads back the same."""

from pathlib import Path

import pytest

from tomoset.errors import InputMissingError, RecipeError, TomosetError
from tomoset.workflow.recipe import built_in_recipes, load_recipe, read_recipe, recipe_text


@pytest.mark.parametrize("scale", ["small", "paper"])
@pytest.mark.parametrize("name", [name for name in built_in_recipes() if name != "tiny"])
def test_built_in_recipes_survive_writing_and_reading(name: str, scale: str) -> None:
    recipe = load_recipe(name, (f"scale={scale}",))
    assert recipe.scale == scale
    assert read_recipe(recipe_text(recipe)) == recipe


@pytest.mark.parametrize("name", built_in_recipes())
def test_the_rules_do_not_find_a_built_in_specimen_too_thick(name: str) -> None:
    recipe = load_recipe(name)
    assert recipe.specimen is not None
    assert recipe.specimen.thickness_angstrom <= recipe.curation.thickness_max_angstrom


def test_the_papers_scale_is_the_papers_acquisition_and_overrides_come_last() -> None:
    small, paper = (load_recipe("seven_proteins", (f"scale={scale}",)).microscope for scale in ("small", "paper"))
    assert small is not None
    assert paper is not None
    assert (paper.frame_shape_yx, paper.pixel_size_angstrom, paper.n_frames) == ((4092, 5760), 2.077, 10)
    assert (paper.n_tilts, paper.tilt_min_deg, paper.tilt_max_deg) == (31, -45.0, 45.0)
    assert paper.total_dose_e_per_angstrom2 == 100.0
    assert small.frame_shape_yx != paper.frame_shape_yx
    shorter = load_recipe("seven_proteins", ("microscope.n_frames=3", "scale=paper")).microscope
    assert shorter is not None
    assert (shorter.n_frames, shorter.pixel_size_angstrom) == (3, 2.077)


def test_an_unknown_scale_lists_those_there_are() -> None:
    with pytest.raises(RecipeError, match="one of small, paper, found 'huge'"):
        load_recipe("seven_proteins", ("scale=huge",))


CELL = """
name = "cell"
n_series = 1
[specimen]
thickness_angstrom = 3400.0
[[specimen.cells]]
kind = "minicell"
proteome = "table.csv"
[microscope]
"""


def test_a_proteomics_table_becomes_components_that_the_project_keeps(tmp_path: Path) -> None:
    (tmp_path / "cell.toml").write_text(CELL)
    (tmp_path / "table.csv").write_text("identifier,copies,mass_kda,structure\nEF_Tu,120,43,\nGroEL,20,800,\n")
    recipe = load_recipe(str(tmp_path / "cell.toml"))
    assert recipe.specimen is not None
    held = recipe.specimen.cells[0].components
    assert [(c.species, c.copies, c.mass_kda, c.structure) for c in held] == [
        ("EF-Tu", 120, 43.0, "globule"),
        ("GroEL", 20, 800.0, "globule"),
    ]
    assert read_recipe(recipe_text(recipe)) == recipe


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ("identifier,copies\nA,1\n", "mass"),
        ("identifier,copies,mass_kda\nA,many,40\n", "row 2.*copies"),
        (None, "table.csv"),
    ],
)
def test_a_table_that_cannot_be_used_says_why(table: str | None, message: str, tmp_path: Path) -> None:
    (tmp_path / "cell.toml").write_text(CELL)
    if table is not None:
        (tmp_path / "table.csv").write_text(table)
    with pytest.raises(TomosetError, match=message):
        load_recipe(str(tmp_path / "cell.toml"))


def test_an_unknown_key_is_refused_with_the_nearest_one() -> None:
    with pytest.raises(RecipeError, match=r"unknown key 'thickness' in \[specimen\].*thickness_angstrom"):
        load_recipe("tiny", ("specimen.thickness=500",))


def test_an_unknown_key_inside_a_list_of_tables_is_refused() -> None:
    text = (
        'name = "x"\n[[objects]]\nname = "a"\nstructure = "apoferritin"\nradius_angstrom = 60.0\ncolour = "#000000"\n'
    )
    with pytest.raises(RecipeError, match=r"unknown key 'colour'.*'color'"):
        read_recipe(text)


def test_a_wrong_type_names_the_key() -> None:
    with pytest.raises(RecipeError, match=r"specimen\.thickness_angstrom"):
        load_recipe("tiny", ('specimen.thickness_angstrom="thick"',))


def test_a_value_out_of_range_names_the_range() -> None:
    with pytest.raises(RecipeError, match="thickness"):
        load_recipe("tiny", ("specimen.thickness_angstrom=-1",))


def test_broken_toml_is_one_sentence() -> None:
    with pytest.raises(RecipeError, match="expected TOML"):
        read_recipe("name = ")


def test_overrides_reach_nested_tables() -> None:
    recipe = load_recipe("tiny", ("microscope.n_frames=6", "seed=9"))
    assert recipe.microscope is not None
    assert (recipe.microscope.n_frames, recipe.seed) == (6, 9)


def test_an_override_without_a_value_is_refused() -> None:
    with pytest.raises(RecipeError, match=r"table\.key=value"):
        load_recipe("tiny", ("seed",))


def test_a_species_without_object_is_refused() -> None:
    with pytest.raises(RecipeError, match="add an \\[\\[objects\\]\\] table"):
        load_recipe("tiny", ("objects=[]",))


def test_an_unknown_recipe_lists_the_known_ones() -> None:
    with pytest.raises(InputMissingError, match="tiny"):
        load_recipe("no_such_recipe")


def test_labels_follow_the_order_of_the_objects() -> None:
    objects = load_recipe("three_proteins").pickable_objects()
    assert [item.label for item in objects] == [1, 2, 3]
    assert [item.symmetry for item in objects] == ["O", "D7", "I"]
