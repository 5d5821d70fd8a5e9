"""How good labels are: matching, metrics, masks, confusion between classes, significance."""

from tomoset.benchmark.calibration import fdr_calibration, probability_calibration
from tomoset.benchmark.confusion import Confusion, confusion
from tomoset.benchmark.curves import free_response, newly_matched, precision_recall
from tomoset.benchmark.czii import CZII_BETA, CZII_RULES, CziiRules, CziiScore, czii_counts, czii_score, f_beta
from tomoset.benchmark.filaments import FilamentScore, pooled_filaments, score_filaments
from tomoset.benchmark.matching import Matching, match_one_to_one, neighbours_within
from tomoset.benchmark.octopi import OctopiScore, octopi_counts, octopi_score
from tomoset.benchmark.overlap import Overlap, count_overlap, dice, iou
from tomoset.benchmark.pairing import pair_runs
from tomoset.benchmark.panoptic import Panoptic, panoptic_quality
from tomoset.benchmark.rows import PickRows, labels_from_rows, rows_from_labels
from tomoset.benchmark.scoring import METRIC_VERSION, methods_text, score
from tomoset.benchmark.segmentation import score_segmentation, segmentation_methods_text
from tomoset.benchmark.shrec import ShrecScore, shrec_score
from tomoset.benchmark.significance import PairedComparison, compare_scores
from tomoset.benchmark.skeletons import centreline_dice, medial_surface, surface_dice
from tomoset.benchmark.strata import Surroundings
from tomoset.benchmark.surfaces import SurfaceDistances, surface_distances
from tomoset.benchmark.versions import truth_version

STAGE_VERSION = "2"

__all__ = [
    "CZII_BETA",
    "CZII_RULES",
    "METRIC_VERSION",
    "STAGE_VERSION",
    "Confusion",
    "CziiRules",
    "CziiScore",
    "FilamentScore",
    "Matching",
    "OctopiScore",
    "Overlap",
    "PairedComparison",
    "Panoptic",
    "PickRows",
    "ShrecScore",
    "SurfaceDistances",
    "Surroundings",
    "centreline_dice",
    "compare_scores",
    "confusion",
    "count_overlap",
    "czii_counts",
    "czii_score",
    "dice",
    "f_beta",
    "fdr_calibration",
    "free_response",
    "iou",
    "labels_from_rows",
    "match_one_to_one",
    "medial_surface",
    "methods_text",
    "neighbours_within",
    "newly_matched",
    "octopi_counts",
    "octopi_score",
    "pair_runs",
    "panoptic_quality",
    "pooled_filaments",
    "precision_recall",
    "probability_calibration",
    "rows_from_labels",
    "score",
    "score_filaments",
    "score_segmentation",
    "segmentation_methods_text",
    "shrec_score",
    "surface_dice",
    "surface_distances",
    "truth_version",
]
