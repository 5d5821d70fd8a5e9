"""What is in the ice: placing molecules without overlap."""

from tomoset.specimen.amounts import copies_from_mg_per_ml, mg_per_ml_from_copies
from tomoset.specimen.components import Component
from tomoset.specimen.make import make_specimen, methods_text
from tomoset.specimen.packing import PackingBox, insert
from tomoset.specimen.params import SpecimenParams
from tomoset.specimen.poses import PoseBank, make_pose_bank, scatterer_radius_angstrom, solid_points

STAGE_VERSION = "1"

__all__ = [
    "STAGE_VERSION",
    "Component",
    "PackingBox",
    "PoseBank",
    "SpecimenParams",
    "copies_from_mg_per_ml",
    "insert",
    "make_pose_bank",
    "make_specimen",
    "methods_text",
    "mg_per_ml_from_copies",
    "scatterer_radius_angstrom",
    "solid_points",
]
