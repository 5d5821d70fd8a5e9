"""One place for one particle: which candidates a molecule that was recognised leaves room for."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from tomoset.annotation.templates.competition import Hits
from tomoset.structures import PROTEIN_ANGSTROM3_PER_DALTON, Structure

__all__ = ["Claims", "choose_exclusively", "in_company"]

Floats = NDArray[np.float64]

# Centres of pieces of one filament or membrane are at least this share of a piece's radius apart.
_OVERLAP = 0.5
# Cosines of the angles between a piece's axis and the way to the next, and between their axes.
_COMPANY_RADII = 1.5
_BESIDE, _ALONG, _ALIKE = 0.5, 0.85, 0.7


@dataclass(frozen=True, slots=True, eq=False)
class Claims:
    """Candidates of one class that want a place.

    Parameters
    ----------
    structure : Structure
    hits : Hits
    scores : (n,) array of float64
        The largest is served first.
    may_overlap : bool
        Whether members of the class may overlap one another, as pieces of one filament or membrane do.
    """

    structure: Structure
    hits: Hits
    scores: Floats
    may_overlap: bool = False


def choose_exclusively(
    claims: Sequence[Claims], fraction: float, taken: Sequence[tuple[Structure, Hits]] = ()
) -> list[NDArray[np.intp]]:
    """Greedy choice over all classes: the best score first, and nothing where a chosen molecule already is.

    Parameters
    ----------
    claims : sequence of Claims
        One per class.
    fraction : float
        A centre keeps this share of its own molecule's compact radius away from the matter of every chosen one, and
        of the sum of both compact radii from its centre.
    taken : sequence of (Structure, Hits)
        Molecules that have their places already.

    Returns
    -------
    list of (m,) arrays of int
        Chosen candidates of each class, best first.

    Notes
    -----
    The compact radius is that of a ball of the molecule's mass of protein. Molecules of a crowded mixture touch:
    spheres around long ones would deny their neighbours' places.
    """
    from scipy.spatial import KDTree

    counts = [len(claim.scores) for claim in claims]
    group = np.repeat(np.arange(len(claims)), counts)
    within = np.concatenate([np.arange(n) for n in counts]) if counts else np.zeros(0, dtype=np.intp)
    chosen: list[list[int]] = [[] for _ in claims]
    if not len(group):
        return [np.zeros(0, dtype=np.intp) for _ in claims]
    points = np.concatenate([claim.hits.positions_angstrom_xyz for claim in claims])
    compact = np.array([_compact_radius_angstrom(claim.structure) for claim in claims])[group]
    tree = KDTree(points)
    open_ = np.ones(len(points), dtype=bool)

    def close(structure: Structure, position: Floats, rotation: Floats, overlapping: int | None) -> None:
        reach = structure.radius_angstrom + fraction * float(compact.max()) + _compact_radius_angstrom(structure)
        near = np.array(tree.query_ball_point(position, reach), dtype=np.intp)
        near = near[open_[near]]
        if not len(near):
            return
        local = (points[near] - position) @ rotation
        to_centre = np.linalg.norm(local, axis=1)
        to_matter, _ = _matter(structure).query(local)
        own = compact[near]
        denied = (to_matter < fraction * own) | (to_centre < fraction * (own + _compact_radius_angstrom(structure)))
        if overlapping is not None:
            same = group[near] == overlapping
            denied = np.where(same, to_centre < _OVERLAP * structure.radius_angstrom, denied)
        open_[near[denied]] = False

    for structure, hits in taken:
        for position, rotation in zip(hits.positions_angstrom_xyz, hits.rotations, strict=True):
            close(structure, position, rotation, None)
    values = np.concatenate([claim.scores for claim in claims])
    for index in np.argsort(-values, kind="stable"):
        if open_[index]:
            claim = claims[group[index]]
            chosen[group[index]].append(int(within[index]))
            overlapping = int(group[index]) if claim.may_overlap else None
            close(claim.structure, points[index], claim.hits.rotations[within[index]], overlapping)
    return [np.array(each, dtype=np.intp) for each in chosen]


def in_company(hits: Hits, structure: Structure, least: int) -> NDArray[np.bool_]:
    """Which pieces of an extended body go on in so many others.

    Parameters
    ----------
    hits : Hits
        Of a flat or a long piece, its axis along z.
    structure : Structure
        Of the piece: pieces that repeat go on along their axis, flat ones beside it.
    least : int

    Returns
    -------
    (n,) array of bool
        Where at least so many others lie within one and a half radii, in the body's direction, their axes less than
        45° apart. What resembles one piece of a filament or a membrane and stands alone is something else.
    """
    from scipy.spatial import KDTree

    company = np.zeros(len(hits), dtype=np.intp)
    if not len(hits):
        return company >= least
    axis = hits.rotations[:, :, 2]
    reach = _COMPANY_RADII * structure.radius_angstrom
    pairs = KDTree(hits.positions_angstrom_xyz).query_pairs(reach, output_type="ndarray").reshape(-1, 2)
    for one, other in (pairs.T, pairs[:, ::-1].T):
        offset = hits.positions_angstrom_xyz[other] - hits.positions_angstrom_xyz[one]
        lean = np.abs(np.sum(offset * axis[one], axis=1)) / np.maximum(np.linalg.norm(offset, axis=1), 1e-6)
        goes_on = lean > _ALONG if structure.repeat_angstrom else lean < _BESIDE
        alike = np.abs(np.sum(axis[one] * axis[other], axis=1)) > _ALIKE
        np.add.at(company, one[goes_on & alike], 1)
    return company >= least


def _compact_radius_angstrom(structure: Structure) -> float:
    volume = structure.mass_kda * 1e3 * PROTEIN_ANGSTROM3_PER_DALTON
    return float(np.cbrt(3 * volume / (4 * np.pi)))


@lru_cache(maxsize=32)
def _matter(structure: Structure):  # type: ignore[no-untyped-def]  # scipy is not loaded with the room
    from scipy.spatial import KDTree

    return KDTree(structure.positions_angstrom_xyz)
