"""One answer from several annotators: sites, reliabilities, posteriors, mean poses and masks; the votes are kept."""

from tomoset.annotation.consensus.agreement import AgreementOfPair, agreement
from tomoset.annotation.consensus.dawid_skene import NOT_ASKED, Reliability, estimate_reliability
from tomoset.annotation.consensus.masks import MaskConsensus, staple
from tomoset.annotation.consensus.mean_rotation import mean_rotations
from tomoset.annotation.consensus.params import ConsensusParams, consensus_methods_text
from tomoset.annotation.consensus.picks import AnnotatorReport, Consensus, reach_consensus
from tomoset.annotation.consensus.sites import join_sites
from tomoset.annotation.consensus.votes import VoteTable

__all__ = [
    "NOT_ASKED",
    "AgreementOfPair",
    "AnnotatorReport",
    "Consensus",
    "ConsensusParams",
    "MaskConsensus",
    "Reliability",
    "VoteTable",
    "agreement",
    "consensus_methods_text",
    "estimate_reliability",
    "join_sites",
    "mean_rotations",
    "reach_consensus",
    "staple",
]
