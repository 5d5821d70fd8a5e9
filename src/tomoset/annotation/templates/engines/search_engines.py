"""Which way of searching is cheapest: every rotation by its own transform, or through a low-rank basis."""

from dataclasses import dataclass
from typing import Literal, get_args

from tomoset.errors import ParameterError

__all__ = ["Engine", "SearchOptions", "cheapest", "first_pass", "low_rank_seconds", "plain_is_cheap", "plain_seconds"]

Engine = Literal["auto", "exact", "low-rank", "coarse-to-fine", "torch"]

# Seconds per million voxels on one core of 2024; what counts is their ratios.
_ROTATION = 7.5e-3  # a rotated template, its product and transform, and the extremes
_FUNCTION = 6.5e-3  # the same for one function of the basis
_EXTREMES = 0.05e-3  # of one rotation, beside its sum of ranks
_RANK = 4.2e-6  # one rank of one rotation where bfloat16 pairs are multiplied
_RANK_WIDENED = 8.5e-6  # where they are widened first
_REFINED_SHARE = 0.06  # of the voxels where a cover is followed by all rotations
_WORTH_A_BASIS = 0.5  # seconds of the plain search below which a basis is not looked for


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchOptions:
    """How scores are computed; what they are does not depend on it, but for the errors stated.

    Parameters
    ----------
    engine : {"auto", "exact", "low-rank", "coarse-to-fine", "torch"}
        One transform a rotation; a basis of few functions; the same, with all rotations only around local maxima of
        the scores of some; the basis on a torch device. "auto" predicts which of the first three is cheapest, and
        takes the last where ``device`` is no CPU.
    device : str
        Where "torch" works.
    memory_gib : float
        What tiles of the basis's correlations are kept within; each takes at most 0.4 of it.
    left_out : float
        Mean share of the templates' energy that a basis leaves out; its square root is the error of a score in units
        of the noise.

    Raises
    ------
    ParameterError
        If a value is outside its range.
    """

    engine: Engine = "auto"
    device: str = "cpu"
    memory_gib: float = 4.0
    left_out: float = 0.01

    def __post_init__(self) -> None:
        """Refuse what cannot be searched with."""
        if self.engine not in get_args(Engine):
            raise ParameterError(f"search engine: expected one of {', '.join(get_args(Engine))}, got {self.engine!r}")
        if not 1e-5 <= self.left_out <= 0.5:
            raise ParameterError(f"energy left out: expected 0.00001 to 0.5, got {self.left_out:g}")
        if not self.memory_gib > 0:
            raise ParameterError(f"memory: expected more than 0 GiB, got {self.memory_gib:g}")


def plain_seconds(rotations: int, mvoxels: float) -> float:
    """Predicted cost of one transform a rotation."""
    return rotations * mvoxels * _ROTATION


def plain_is_cheap(rotations: int, mvoxels: float) -> bool:
    """Whether looking for a basis would take longer than it could save."""
    return plain_seconds(rotations, mvoxels) < _WORTH_A_BASIS


def _each_rotation_seconds(rank: int) -> float:
    from tomoset.annotation.templates.engines import _gemm_kernels

    return _EXTREMES + rank * (_RANK if _gemm_kernels.HAS_PAIR_PRODUCTS else _RANK_WIDENED)


def first_pass(rank: int) -> int:
    """Rotations of a cover whose scores cost half as much as the correlations that they come from."""
    return max(16, int(0.5 * rank * _FUNCTION / _each_rotation_seconds(rank)))


def low_rank_seconds(rotations: int, rank: int, mvoxels: float, cover: int | None = None) -> float:
    """Predicted cost through a basis: of all rotations, or of a cover and all rotations where it looks promising."""
    tried = rotations if cover is None else cover + _REFINED_SHARE * rotations
    return mvoxels * (rank * _FUNCTION + tried * _each_rotation_seconds(rank))


def cheapest(rotations: int, mvoxels: float, rank: int, cover: int | None) -> Engine:
    """Choose by predicted cost.

    Parameters
    ----------
    rotations : int
    mvoxels : float
        Voxels, millions.
    rank : int
        Of the basis.
    cover : int or None
        Rotations of a cover, where there is one.
    """
    costs: dict[Engine, float] = {
        "exact": plain_seconds(rotations, mvoxels),
        "low-rank": low_rank_seconds(rotations, rank, mvoxels),
    }
    if cover is not None:
        costs["coarse-to-fine"] = low_rank_seconds(rotations, rank, mvoxels, cover)
    return min(costs, key=lambda engine: costs[engine])
