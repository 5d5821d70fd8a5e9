"""What counts as agreement."""

import math
from dataclasses import dataclass

from tomoset.errors import ParameterError

__all__ = ["ConsensusParams", "consensus_methods_text"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsensusParams:
    """Parameters of :func:`tomoset.annotation.consensus.reach_consensus`.

    Parameters
    ----------
    radius_share : float
        Two picks can mean one particle when they are no farther apart than this share of the smaller of their
        classes' radii.
    least_probability : float
        Sites at which something is there with a smaller probability are no picks (their votes are kept all the same).
    expected_sensitivity : float
        What is believed of an annotator's chance to find a particle before any vote is seen; it decides when there
        are two annotators only, whose votes cannot tell missed particles from false picks.
    expected_confusion : float
        The same of the chance to call a particle that was found by another class.
    belief : float
        Number of particles that this belief weighs as much as.

    Raises
    ------
    ParameterError
        If a value is outside its range.
    """

    radius_share: float = 0.5
    least_probability: float = 0.5
    expected_sensitivity: float = 0.8
    expected_confusion: float = 0.02
    belief: float = 5.0

    def __post_init__(self) -> None:
        """Refuse what is no share."""
        for name in ("radius_share", "least_probability", "expected_sensitivity", "expected_confusion", "belief"):
            value = getattr(self, name)
            most = 1.0 if name not in {"radius_share", "belief"} else {"radius_share": 2.0, "belief": 1e6}[name]
            if not (math.isfinite(value) and 0 < value <= most):
                raise ParameterError(f"consensus.{name}: expected more than 0 and at most {most:g}, found {value}")
        if self.expected_sensitivity + self.expected_confusion >= 1:
            raise ParameterError(
                "consensus: expected_sensitivity and expected_confusion together must stay below 1 (the rest is missed)"
            )


def consensus_methods_text(params: ConsensusParams) -> str:
    """One citable sentence."""
    return (
        f"Picks of several annotators within {params.radius_share:g} particle radii were joined one-to-one, each "
        "annotator's sensitivity, false picks and confusion of classes were estimated from their agreement "
        "(Dawid & Skene 1979, over all places of the volume), and sites with a probability of at least "
        f"{params.least_probability:g} were kept at the votes' weighted mean position and mean pose modulo symmetry."
    )
