"""Filaments: traced as curves, with picks along them."""

from tomoset.annotation.filaments.params import FilamentParams
from tomoset.annotation.filaments.trace import filament_methods_text, trace_filaments
from tomoset.annotation.filaments.truth import truth_filaments

__all__ = ["FilamentParams", "filament_methods_text", "trace_filaments", "truth_filaments"]
