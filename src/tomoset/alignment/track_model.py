"""What a bundle adjustment may change: which numbers of a tilt geometry are free, and how views share them."""

import dataclasses
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from tomoset.errors import ParameterError

__all__ = ["QUANTITIES", "FreeNumbers", "Freedom", "TrackParams", "free_numbers"]

Floats = NDArray[np.float64]

QUANTITIES = ("shift", "axis", "tilt", "magnification", "x_tilt", "stretch", "field")
"""Order of the groups of numbers that each view has."""

_WIDTH = {"shift": 2, "axis": 1, "tilt": 1, "magnification": 1, "x_tilt": 1, "stretch": 2, "field": 6}
# What a unit of prior is, in the numbers that are solved (Å, radians, fractions).
_UNIT = {"axis": np.pi / 180, "tilt": np.pi / 180, "x_tilt": np.pi / 180}
# The mean of these over the views is a turn or a scale of the specimen, which tracks cannot know.
_GAUGED = ("tilt", "x_tilt", "magnification")


@dataclass(frozen=True, slots=True, kw_only=True)
class Freedom:
    """How one quantity may differ between views.

    Parameters
    ----------
    kind : {"fixed", "common", "view", "smooth"}
        Not at all; one change for all views; each view its own; or linear between nodes (IMOD's grouping).
    every : int
        Views between two nodes of "smooth".
    prior : float
        Standard deviation (Gaussian) of a view's or node's change about the mean change of all views; degrees for
        angles, a fraction for magnification and stretch, Å at the field's unit for the field. Infinite: none.
    along : {"angle", "dose"}
        Order of the views in which nodes follow one another.

    Raises
    ------
    ParameterError
        If a number is outside its range.
    """

    kind: Literal["fixed", "common", "view", "smooth"] = "fixed"
    every: int = 5
    prior: float = np.inf
    along: Literal["angle", "dose"] = "angle"

    def __post_init__(self) -> None:
        """Refuse what has no meaning."""
        if self.kind not in ("fixed", "common", "view", "smooth") or self.along not in ("angle", "dose"):
            raise ParameterError(
                f"freedom: expected kind fixed, common, view or smooth along angle or dose, found {self.kind!r} along "
                f"{self.along!r}; use one of those words"
            )
        if self.every < 1 or not self.prior > 0:
            raise ParameterError(
                f"freedom: expected every ≥ 1 and a positive prior, found {self.every} and {self.prior:g}; leave prior "
                "out for none, or use kind 'fixed' for a prior of zero"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class TrackParams:
    """How tracks are bundle-adjusted; shifts are always free.

    Parameters
    ----------
    axis, tilt, magnification, x_tilt : Freedom
        Of the tilt axis, the tilt angle, the scale and the tilt about specimen x. The mean change of the tilts, of
        the tilts about x and of the scale is a turn or a scale of the specimen, and kept.
    stretch : Freedom
        Of the two linear distortions that are neither turn nor scale (IMOD's X stretch and skew).
    field : Freedom
        Of the quadratic part of the field by which the specimen bends.
    loss : {"squares", "huber", "cauchy", "tukey"}
        How residuals count; constants give 95 % efficiency for normal residuals in two dimensions.
    steps : int
        Largest number of steps.

    Raises
    ------
    ParameterError
        If a value is outside what the method can do.
    """

    axis: Freedom = dataclasses.field(default_factory=lambda: Freedom(kind="common"))
    tilt: Freedom = dataclasses.field(default_factory=Freedom)
    magnification: Freedom = dataclasses.field(default_factory=Freedom)
    x_tilt: Freedom = dataclasses.field(default_factory=Freedom)
    stretch: Freedom = dataclasses.field(default_factory=Freedom)
    field: Freedom = dataclasses.field(default_factory=Freedom)
    loss: Literal["squares", "huber", "cauchy", "tukey"] = "cauchy"
    steps: int = 60

    def __post_init__(self) -> None:
        """Refuse what cannot be measured."""
        for name in _GAUGED:
            if getattr(self, name).kind == "common":
                raise ParameterError(
                    f"tracks.{name}: expected fixed, view or smooth, found common; one change for all views is a turn "
                    "or a scale of the specimen, which tracks do not show"
                )
        if self.loss not in ("squares", "huber", "cauchy", "tukey"):
            raise ParameterError(f"tracks.loss: expected squares, huber, cauchy or tukey, found {self.loss!r}")
        if self.steps < 1:
            raise ParameterError(f"tracks.steps: expected at least 1, found {self.steps}; give a positive number")

    def freedom(self, quantity: str) -> Freedom:
        """Freedom of one of ``QUANTITIES``."""
        return Freedom(kind="view") if quantity == "shift" else getattr(self, quantity)


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class FreeNumbers:
    """The free numbers φ and what they do to the views' own numbers.

    Parameters
    ----------
    columns : dict of str to slice
        Where each free quantity stands in a view's row of ``width`` numbers.
    width : int
    spread : (n · width, f) array of float64
        Change of the views' numbers, row by row, per unit of φ.
    precision : (f, f) array of float64
        Of the Gaussian prior on φ about zero.
    mean_of : (g, f) array of float64
        Rows whose product with φ is a turn or a scale of the specimen, to be held at zero.
    """

    columns: dict[str, slice]
    width: int
    spread: Floats
    precision: Floats
    mean_of: Floats


def free_numbers(params: TrackParams, tilt_deg: Floats, dose: Floats | None) -> FreeNumbers:
    """Lay out the free numbers of a series.

    Raises
    ------
    ParameterError
        If something is to be smooth along the dose and ``dose`` is None.
    """
    n = tilt_deg.size
    free = [name for name in QUANTITIES if params.freedom(name).kind != "fixed"]
    columns, width = {}, 0
    for name in free:
        columns[name] = slice(width, width + _WIDTH[name])
        width += _WIDTH[name]
    blocks: list[Floats] = []
    precisions, means = [], []
    for name in free:
        nodes = _nodes(params.freedom(name), tilt_deg, dose)
        block: Floats = np.zeros((n, width, nodes.shape[1], _WIDTH[name]), dtype=np.float64)
        for number in range(_WIDTH[name]):
            block[:, columns[name].start + number, :, number] = nodes
        blocks.append(block.reshape(n * width, -1))
        precisions.append(np.kron(_precision(name, params.freedom(name), nodes), np.eye(_WIDTH[name])))
        means.append(nodes.mean(axis=0) if name in _GAUGED else np.zeros(0))
    f = sum(block.shape[1] for block in blocks)
    precision, mean_of, start = np.zeros((f, f)), np.zeros((0, f)), 0
    for block, own, mean in zip(blocks, precisions, means, strict=True):
        stop = start + block.shape[1]
        precision[start:stop, start:stop] = own
        if mean.size:
            mean_of = np.vstack([mean_of, np.zeros(f)])
            mean_of[-1, start:stop] = mean
        start = stop
    return FreeNumbers(columns=columns, width=width, spread=np.hstack(blocks), precision=precision, mean_of=mean_of)


def _nodes(freedom: Freedom, tilt_deg: Floats, dose: Floats | None) -> Floats:
    """Weight (n, k) of each node in each view."""
    n = tilt_deg.size
    if freedom.kind == "common":
        return np.ones((n, 1))
    if freedom.kind == "view":
        return np.eye(n)
    if freedom.along == "dose" and dose is None:
        raise ParameterError("tracks: expected the dose before each view, since a quantity is to be smooth along it")
    rank = np.argsort(np.argsort(tilt_deg if freedom.along == "angle" or dose is None else dose, kind="stable"))
    k = max(2, 1 + round((n - 1) / freedom.every))
    place = rank * (k - 1) / max(n - 1, 1)
    return np.clip(1 - np.abs(place[:, None] - np.arange(k)), 0.0, None)


def _precision(name: str, freedom: Freedom, nodes: Floats) -> Floats:
    """Precision of the nodes' changes about their mean; the field's about zero, for its mean is bent specimen."""
    k = nodes.shape[1]
    if freedom.kind == "common" or not np.isfinite(freedom.prior):
        return np.zeros((k, k))
    centred = np.eye(k) if name in ("field", "stretch") else np.eye(k) - 1.0 / k
    return np.asarray(centred / (freedom.prior * _UNIT.get(name, 1.0)) ** 2, dtype=np.float64)
