"""A dataset says who made it, or is not published."""

import pytest

from tomoset.errors import ParameterError
from tomoset.release import Author, DatasetFacts, ReleaseInfo
from tomoset.workflow.recipe import built_in_recipes, load_recipe, read_recipe, recipe_text


def info(
    *, licence: str = "CC0-1.0", citation: str = "Somebody 2026", facts: DatasetFacts | None = None
) -> ReleaseInfo:
    return ReleaseInfo(
        name="x",
        title="X",
        version="1.0.0",
        licence=licence,
        citation=citation,
        methods="",
        objects=(),
        formats=("mrc",),
        rejected={},
        is_simulated=True,
        facts=DatasetFacts(authors=(Author(name="A. Person"),)) if facts is None else facts,
    )


def test_a_release_says_everything_that_is_missing_at_once() -> None:
    info()
    with pytest.raises(ParameterError, match=r"a licence .*, a citation .*, authors .* in recipe.toml"):
        info(licence="", citation="", facts=DatasetFacts())
    with pytest.raises(ParameterError, match=r"expected authors"):
        info(facts=DatasetFacts())


@pytest.mark.parametrize(
    ("table", "complaint"),
    [
        ({"doi": "https://doi.org/10.1/x"}, "expected a DOI"),
        ({"publications": ("10.x/1",)}, "expected a DOI"),
        ({"related_entries": ("EMPIAR-1",)}, "EMPIAR-12345"),
        ({"release_date": "23.11.2026"}, "YYYY-MM-DD"),
        ({"portal_dataset_id": -1}, "0 or more"),
        ({"complexity": 6}, "1 to 5"),
    ],
)
def test_identifiers_are_checked(table: dict[str, object], complaint: str) -> None:
    with pytest.raises(ParameterError, match=complaint):
        DatasetFacts(**table)  # type: ignore[arg-type]


def test_an_orcid_is_one() -> None:
    Author(name="A. Person", orcid="0000-0002-1825-009X")
    with pytest.raises(ParameterError, match=r"0000-0000-0000-0000 for A\. Person"):
        Author(name="A. Person", orcid="1825-0097")


@pytest.mark.parametrize("name", built_in_recipes())
def test_built_in_recipes_may_be_published_and_survive_their_own_text(name: str) -> None:
    recipe = load_recipe(name)
    info(licence=recipe.licence, citation=recipe.citation, facts=recipe.dataset)
    assert read_recipe(recipe_text(recipe)).dataset == recipe.dataset


def test_the_corresponding_author_is_who_says_so_or_can_be_reached() -> None:
    first, second = Author(name="First", email="a@b.org"), Author(name="Second", corresponding=True)
    assert DatasetFacts(authors=(first, second)).corresponding_author == second
    assert DatasetFacts(authors=(Author(name="X"), first)).corresponding_author == first
    assert DatasetFacts(authors=(Author(name="X"),)).corresponding_author is None
