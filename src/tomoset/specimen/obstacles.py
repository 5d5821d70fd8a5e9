"""Everything that is in the way before vesicles, cells and molecules come."""

import numpy as np

from tomoset.model import IceLayer
from tomoset.specimen.contamination import make_contamination
from tomoset.specimen.film import make_film
from tomoset.specimen.gold import make_gold
from tomoset.specimen.params import SpecimenParams
from tomoset.specimen.regions import Obstacle

__all__ = ["make_obstacles"]


def make_obstacles(
    params: SpecimenParams,
    size_angstrom_xyz: tuple[float, float, float],
    ice: IceLayer | None,
    rng: np.random.Generator,
) -> tuple[Obstacle, ...]:
    """Carbon film, gold beads that stay off it, and contamination: those of them that the parameters ask for."""
    made: list[Obstacle] = []
    if params.film is not None:
        made.append(make_film(params.film, params.ice, size_angstrom_xyz, rng))
    if params.gold is not None:
        avoid = tuple(region for obstacle in made for region in obstacle.occupied)
        made.append(make_gold(params.gold, size_angstrom_xyz, ice, rng, avoid=avoid))
    if params.contamination is not None:
        made.append(make_contamination(params.contamination, size_angstrom_xyz, ice, rng))
    return tuple(made)
