"""What a molecule looks like: atoms, maps and built-in models, as potential maps with their symmetry."""

from tomoset.structures.structure import PotentialMap, Structure

__all__ = ["PotentialMap", "Structure"]
