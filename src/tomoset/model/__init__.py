"""WHAT there is: the nouns of tomoset as frozen dataclasses, and the little they share.

The ninth word, ``Recipe``, is composed of the stages' own parameters and therefore lives above them, in
:mod:`tomoset.workflow.recipe`.
"""

from tomoset.model.array_source import ArraySource, InMemory, Region
from tomoset.model.labels import COMPARTMENTS, IGNORE, Labels, PickableObject, PickFlag, Picks, Segmentation
from tomoset.model.matter import BilayerProfile, Filament, IceLayer, Membrane, Scatterers
from tomoset.model.movies import Movie, MovieSet, Optics
from tomoset.model.random_streams import stream
from tomoset.model.release import Release, ReleasedFile
from tomoset.model.resources import Progress, Resources, Silent, allocate_in_memory
from tomoset.model.score import (
    Calibration,
    ClassScore,
    FreeResponse,
    PrecisionRecall,
    RunCounts,
    Score,
    SegmentationScore,
    StratumScore,
)
from tomoset.model.specimen import CompositionRow, Molecules, Specimen
from tomoset.model.tilt_series import CtfEstimate, MotionTrack, Tilt, TiltSeries
from tomoset.model.tomogram import Tomogram
from tomoset.model.traces import FilamentTrace, MembraneSurface
from tomoset.model.truth import SeriesTruth, deformation_terms

__all__ = [
    "COMPARTMENTS",
    "IGNORE",
    "ArraySource",
    "BilayerProfile",
    "Calibration",
    "ClassScore",
    "CompositionRow",
    "CtfEstimate",
    "Filament",
    "FilamentTrace",
    "FreeResponse",
    "IceLayer",
    "InMemory",
    "Labels",
    "Membrane",
    "MembraneSurface",
    "Molecules",
    "MotionTrack",
    "Movie",
    "MovieSet",
    "Optics",
    "PickFlag",
    "PickableObject",
    "Picks",
    "PrecisionRecall",
    "Progress",
    "Region",
    "Release",
    "ReleasedFile",
    "Resources",
    "RunCounts",
    "Scatterers",
    "Score",
    "Segmentation",
    "SegmentationScore",
    "SeriesTruth",
    "Silent",
    "Specimen",
    "StratumScore",
    "Tilt",
    "TiltSeries",
    "Tomogram",
    "allocate_in_memory",
    "deformation_terms",
    "stream",
]
