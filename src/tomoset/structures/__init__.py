"""What a molecule looks like: atoms, maps and built-in models, as potential maps with their symmetry."""
