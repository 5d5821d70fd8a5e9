"""Networks that learn from labels, or from simulations, to find and outline what is in a tomogram."""

from tomoset.annotation.networks.detection import detect, detection_methods_text
from tomoset.annotation.networks.detector import detector_methods_text, train_detector
from tomoset.annotation.networks.fitting import Checkpoints, Course, TargetDomain
from tomoset.annotation.networks.model import Calibration, ModelRecipe, NetworkModel, load_model, save_model
from tomoset.annotation.networks.params import AugmentationParams, DetectorParams, PredictionParams, SegmenterParams
from tomoset.annotation.networks.segmenter import segment, segmenter_methods_text, train_segmenter
from tomoset.annotation.networks.volumes import match_spectrum, normal_volume, radial_amplitude

__all__ = [
    "AugmentationParams",
    "Calibration",
    "Checkpoints",
    "Course",
    "DetectorParams",
    "ModelRecipe",
    "NetworkModel",
    "PredictionParams",
    "SegmenterParams",
    "TargetDomain",
    "detect",
    "detection_methods_text",
    "detector_methods_text",
    "load_model",
    "match_spectrum",
    "normal_volume",
    "radial_amplitude",
    "save_model",
    "segment",
    "segmenter_methods_text",
    "train_detector",
    "train_segmenter",
]
