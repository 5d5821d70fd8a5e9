"""Recipes: what is not understood is refused, and what is written reads back the same."""

import pytest

from tomoset.errors import InputMissingError, RecipeError
from tomoset.workflow.recipe import built_in_recipes, load_recipe, read_recipe, recipe_text


@pytest.mark.parametrize("name", built_in_recipes())
def test_built_in_recipes_survive_writing_and_reading(name: str) -> None:
    recipe = load_recipe(name)
    assert read_recipe(recipe_text(recipe)) == recipe


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
