"""How good labels are: matching, metrics, confusion between classes."""

from tomoset.benchmark.confusion import Confusion, confusion
from tomoset.benchmark.curves import newly_matched, precision_recall
from tomoset.benchmark.czii import CZII_BETA, czii_counts, f_beta
from tomoset.benchmark.matching import Matching, match_one_to_one, neighbours_within
from tomoset.benchmark.overlap import Overlap, count_overlap, dice, iou
from tomoset.benchmark.panoptic import Panoptic, panoptic_quality
from tomoset.benchmark.scoring import METRIC_VERSION, methods_text, pair_runs, score
from tomoset.benchmark.segmentation import score_segmentation, segmentation_methods_text
from tomoset.benchmark.skeletons import centreline_dice, medial_surface, surface_dice
from tomoset.benchmark.surfaces import SurfaceDistances, surface_distances

STAGE_VERSION = "1"

__all__ = [
    "CZII_BETA",
    "METRIC_VERSION",
    "STAGE_VERSION",
    "Confusion",
    "Matching",
    "Overlap",
    "Panoptic",
    "SurfaceDistances",
    "centreline_dice",
    "confusion",
    "count_overlap",
    "czii_counts",
    "dice",
    "f_beta",
    "iou",
    "match_one_to_one",
    "medial_surface",
    "methods_text",
    "neighbours_within",
    "newly_matched",
    "pair_runs",
    "panoptic_quality",
    "precision_recall",
    "score",
    "score_segmentation",
    "segmentation_methods_text",
    "surface_dice",
    "surface_distances",
]
