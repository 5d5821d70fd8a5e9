"""Labels: templates, truth, and the metrics of their quality."""

from tomoset.annotation.class_evidence import ClassEvidence, EvidenceParams, evidence_methods_text, gather_evidence
from tomoset.annotation.completeness import Completeness, completeness_of, completeness_of_consensus
from tomoset.annotation.consensus import Consensus, ConsensusParams, consensus_methods_text, reach_consensus
from tomoset.annotation.filaments import (
    FilamentParams,
    filament_methods_text,
    trace_filaments,
    truth_filaments,
)
from tomoset.annotation.frames import FrameFit, fit_specimen_frames
from tomoset.annotation.label_transfer import TomogramFrame, TransferParams, transfer_labels, transfer_methods_text
from tomoset.annotation.membranes import (
    MembraneCheckpoint,
    MembraneNetworkParams,
    MembraneParams,
    find_membranes,
    membranes_methods_text,
    segment_membranes_with_network,
    train_membrane_network,
)
from tomoset.annotation.networks import (
    DetectorParams,
    NetworkModel,
    PredictionParams,
    SegmenterParams,
    detect,
    segment,
    train_detector,
    train_segmenter,
)
from tomoset.annotation.templates.decoys import filament_decoy, membrane_decoy
from tomoset.annotation.templates.detectability import (
    Detectability,
    detectability,
    detectability_methods_text,
    verdict_of,
)
from tomoset.annotation.templates.params import Template, TemplateParams
from tomoset.annotation.templates.template_matching import match_templates, methods_text
from tomoset.annotation.truth import specimen_frame, truth_labels, truth_methods_text

STAGE_VERSION = "5"

__all__ = [
    "STAGE_VERSION",
    "ClassEvidence",
    "Completeness",
    "Consensus",
    "ConsensusParams",
    "Detectability",
    "DetectorParams",
    "EvidenceParams",
    "FilamentParams",
    "FrameFit",
    "MembraneCheckpoint",
    "MembraneNetworkParams",
    "MembraneParams",
    "NetworkModel",
    "PredictionParams",
    "SegmenterParams",
    "Template",
    "TemplateParams",
    "TomogramFrame",
    "TransferParams",
    "completeness_of",
    "completeness_of_consensus",
    "consensus_methods_text",
    "detect",
    "detectability",
    "detectability_methods_text",
    "evidence_methods_text",
    "filament_decoy",
    "filament_methods_text",
    "find_membranes",
    "fit_specimen_frames",
    "gather_evidence",
    "match_templates",
    "membrane_decoy",
    "membranes_methods_text",
    "methods_text",
    "reach_consensus",
    "segment",
    "segment_membranes_with_network",
    "specimen_frame",
    "trace_filaments",
    "train_detector",
    "train_membrane_network",
    "train_segmenter",
    "transfer_labels",
    "transfer_methods_text",
    "truth_filaments",
    "truth_labels",
    "truth_methods_text",
    "verdict_of",
]
