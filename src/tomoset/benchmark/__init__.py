"""How good labels are: matching, metrics, confusion between classes."""

from tomoset.benchmark.confusion import Confusion, confusion
from tomoset.benchmark.curves import newly_matched, precision_recall
from tomoset.benchmark.czii import CZII_BETA, czii_counts, f_beta
from tomoset.benchmark.matching import Matching, match_one_to_one, neighbours_within
from tomoset.benchmark.scoring import METRIC_VERSION, methods_text, pair_runs, score

STAGE_VERSION = "1"

__all__ = [
    "CZII_BETA",
    "METRIC_VERSION",
    "STAGE_VERSION",
    "Confusion",
    "Matching",
    "confusion",
    "czii_counts",
    "f_beta",
    "match_one_to_one",
    "methods_text",
    "neighbours_within",
    "newly_matched",
    "pair_runs",
    "precision_recall",
    "score",
]
