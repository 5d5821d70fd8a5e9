"""What a molecule looks like: atoms, maps and built-in models, as potential maps with their symmetry."""

from tomoset.structures.atoms import read_structure
from tomoset.structures.built_in import BUILT_IN_NAMES, built_in_structure, built_in_symmetry
from tomoset.structures.globule import globule_structure
from tomoset.structures.potential import potential_map
from tomoset.structures.structure import PotentialMap, Structure
from tomoset.structures.symmetry_axes import align_to_point_group, self_correlation

STAGE_VERSION = "1"

__all__ = [
    "BUILT_IN_NAMES",
    "STAGE_VERSION",
    "PotentialMap",
    "Structure",
    "align_to_point_group",
    "built_in_structure",
    "built_in_symmetry",
    "globule_structure",
    "potential_map",
    "read_structure",
    "self_correlation",
]
