"""What a molecule looks like: atoms, maps and built-in models, as potential maps with their symmetry."""

from tomoset.structures.archive import ArchiveEntry, cache_folder, fetch_entry, parse_archive_name
from tomoset.structures.atoms import read_structure
from tomoset.structures.built_in import BUILT_IN_NAMES, built_in_structure, built_in_symmetry
from tomoset.structures.density import read_density
from tomoset.structures.globule import GLOBULE, globule_structure
from tomoset.structures.masks import LabelledInstance, LabelVolumes, label_volume
from tomoset.structures.potential import potential_map
from tomoset.structures.scattering import PROTEIN_ANGSTROM3_PER_DALTON
from tomoset.structures.sources import is_local_file, resolve_structure
from tomoset.structures.structure import PotentialMap, Structure
from tomoset.structures.symmetry_axes import align_to_point_group, self_correlation
from tomoset.structures.visibility import hidden_in_wedge, molecule_flags, share_hidden_of_line

STAGE_VERSION = "2"

__all__ = [
    "BUILT_IN_NAMES",
    "GLOBULE",
    "PROTEIN_ANGSTROM3_PER_DALTON",
    "STAGE_VERSION",
    "ArchiveEntry",
    "LabelVolumes",
    "LabelledInstance",
    "PotentialMap",
    "Structure",
    "align_to_point_group",
    "built_in_structure",
    "built_in_symmetry",
    "cache_folder",
    "fetch_entry",
    "globule_structure",
    "hidden_in_wedge",
    "is_local_file",
    "label_volume",
    "molecule_flags",
    "parse_archive_name",
    "potential_map",
    "read_density",
    "read_structure",
    "resolve_structure",
    "self_correlation",
    "share_hidden_of_line",
]
