"""Ways to try many rotations of a template at every place of a volume, and which one is taken."""
