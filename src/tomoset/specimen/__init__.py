"""What is in the ice: molecules, filaments, vesicles and cells, placed without overlap, and the ice itself."""

from tomoset.specimen.amounts import copies_from_mg_per_ml, mg_per_ml_from_copies
from tomoset.specimen.cells import CellParams
from tomoset.specimen.components import Component
from tomoset.specimen.contamination import ContaminationParams
from tomoset.specimen.filaments import FilamentParams
from tomoset.specimen.film import FilmParams
from tomoset.specimen.gold import GoldParams
from tomoset.specimen.ice import IceParams
from tomoset.specimen.liposomes import LiposomeParams
from tomoset.specimen.make import make_specimen
from tomoset.specimen.methods import methods_text
from tomoset.specimen.packing import PackingBox
from tomoset.specimen.params import SpecimenParams
from tomoset.specimen.poses import scatterer_radius_angstrom, solid_points
from tomoset.specimen.proteomics import proteome_components
from tomoset.specimen.requirements import RequiredSpecies, required_species

STAGE_VERSION = "2"

__all__ = [
    "STAGE_VERSION",
    "CellParams",
    "Component",
    "ContaminationParams",
    "FilamentParams",
    "FilmParams",
    "GoldParams",
    "IceParams",
    "LiposomeParams",
    "PackingBox",
    "RequiredSpecies",
    "SpecimenParams",
    "copies_from_mg_per_ml",
    "make_specimen",
    "methods_text",
    "mg_per_ml_from_copies",
    "proteome_components",
    "required_species",
    "scatterer_radius_angstrom",
    "solid_points",
]
