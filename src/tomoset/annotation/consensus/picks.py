"""The verb: several annotators' picks to one set with the probability that each is right."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from tomoset.annotation.consensus.agreement import AgreementOfPair, agreement
from tomoset.annotation.consensus.dawid_skene import NOT_ASKED, Reliability
from tomoset.annotation.consensus.dependence import Block, blocks_of, dependent_pairs, estimate_in_blocks
from tomoset.annotation.consensus.mean_rotation import mean_rotations
from tomoset.annotation.consensus.params import ConsensusParams, consensus_methods_text
from tomoset.annotation.consensus.positions import position_errors, weighted_positions
from tomoset.annotation.consensus.sites import join_sites
from tomoset.annotation.consensus.votes import VoteTable, gather_votes
from tomoset.errors import ParameterError
from tomoset.geometry import point_group
from tomoset.model import Labels, PickableObject, PickFlag, Picks, Progress, Resources

__all__ = ["AnnotatorReport", "Consensus", "reach_consensus"]

Floats = NDArray[np.float64]
Annotator = tuple[str, str]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class AnnotatorReport:
    """What the agreement of all says of one annotator.

    Parameters
    ----------
    user, session : str
    sensitivity : dict of str to float
        Of each class, the share of its particles that were marked (as whatever).
    false_share : float
        Share of the annotator's picks at which nothing is, as all votes together say.
    confusion : (k, k + 1) array of float64
        Row: what is there; column: the vote; the last column: missed.
    position_error_angstrom : float
        Standard deviation per axis.
    """

    user: str
    session: str
    sensitivity: dict[str, float]
    false_share: float
    confusion: Floats
    position_error_angstrom: float


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Consensus:
    """What several annotators agree on, and the votes it was made from.

    Parameters
    ----------
    labels : tuple of Labels
        One a run; scores are probabilities of the class.
    votes : tuple of VoteTable
        Row by row of ``labels``.
    annotators : tuple of AnnotatorReport
    agreement : tuple of AgreementOfPair
        Of every two annotators.
    warnings : tuple of str
        What limits how far the probabilities can be trusted.
    """

    labels: tuple[Labels, ...]
    votes: tuple[VoteTable, ...]
    annotators: tuple[AnnotatorReport, ...]
    agreement: tuple[AgreementOfPair, ...]
    warnings: tuple[str, ...]


def reach_consensus(
    labels: Sequence[Labels],
    objects: Sequence[PickableObject],
    params: ConsensusParams,
    *,
    volumes_angstrom3: Mapping[str, float],
    resources: Resources,
    progress: Progress,
) -> Consensus:
    """Join the picks of several annotators or methods.

    Parameters
    ----------
    labels : sequence of Labels
        Of any number of runs; (user, session) names an annotator. An annotator without labels of a run has not looked
        at it; one with labels but no pick at a place has looked and seen nothing there.
    objects : sequence of PickableObject
        Classes that are voted on; others are left aside.
    params : ConsensusParams
    volumes_angstrom3 : mapping of str to float
        Of each run's tomogram: how many places there are at which an annotator might have marked something.
    resources : Resources
        Not used: one core is enough.
    progress : Progress
        One step a run.

    Returns
    -------
    Consensus

    Raises
    ------
    ParameterError
        If there are fewer than two annotators, one has two sets of a run, or voxel sizes of a run differ.

    Notes
    -----
    The truth of a site is one of the classes or nothing. Every place of the volume is a site: most got no vote, which
    is what makes coincidences of false picks unlikely and lets missed particles be counted.
    """
    del resources
    by_run = _by_run(labels)
    annotators = sorted({(each.user, each.session) for each in labels})
    if len(annotators) < 2:
        raise ParameterError(
            f"consensus: expected the picks of two or more annotators, found {len(annotators)}; name more sources"
        )
    radius = np.array([item.radius_angstrom for item in objects])
    tables = []
    for done, (run, sets) in enumerate(by_run.items()):
        table = gather_votes(run, sets, objects)
        reach = params.radius_share * radius[table.vote]
        site = join_sites(table.positions_angstrom_xyz, table.annotator, table.vote, reach)
        tables.append(replace(table, site=site))
        progress.step("consensus", done + 1, len(by_run))
    places = [_n_places(volumes_angstrom3, t, float(np.median(radius)) * params.radius_share) for t in tables]
    votes, counts = _vote_matrix(tables, annotators, places)
    prior = _prior(len(objects), params)
    found, pairs = _fitted(votes, counts, prior, [user for user, _ in annotators])
    errors = _position_errors(tables, annotators)
    made: list[Labels] = []
    ended: list[VoteTable] = []
    first, unmarked = 0, len(votes) - len(tables)
    for number, table in enumerate(tables):
        posterior = found.posterior[first : first + table.n_sites, :-1]
        first += table.n_sites
        sigma = errors[[annotators.index(each) for each in table.annotators]]
        labels_of_run, done_table = _run_consensus(table, posterior, sigma, objects, params)
        missed = found.posterior[unmarked + number, :-1] * counts[unmarked + number]
        notes = {f"expected_missed_{name}": float(n) for name, n in zip(table.names, missed, strict=True)}
        voxel = by_run[table.run][0].voxel_size_angstrom
        made.append(replace(labels_of_run, voxel_size_angstrom=voxel, notes=labels_of_run.notes | notes))
        ended.append(done_table)
    return Consensus(
        labels=tuple(made),
        votes=tuple(ended),
        annotators=tuple(
            _report(who, i, found.confusion[i], ended, errors, objects) for i, who in enumerate(annotators)
        ),
        agreement=agreement(ended, annotators, places),
        warnings=_warnings(annotators, pairs),
    )


def _fitted(
    votes: NDArray[np.intp], counts: Floats, prior: Floats, users: list[str]
) -> tuple[Reliability, list[tuple[int, int]]]:
    """Reliabilities, once more with shared voices where some annotators turn out to err together."""
    start = _start(prior, counts, votes)
    pairs: list[tuple[int, int]] = []
    blocks: list[Block] = [(i,) for i in range(len(users))]
    apart = estimate_in_blocks(votes, counts, prior, start, blocks)
    for pair in dependent_pairs(votes, counts, apart):
        joined = blocks_of(users, [*pairs, pair], prior.shape[1])
        if any(set(pair) <= set(block) for block in joined):
            pairs.append(pair)
            break  # what the clearest pair shares looks like dependence of others, too
    blocks = blocks_of(users, pairs, prior.shape[1])
    return estimate_in_blocks(votes, counts, prior, start, blocks), pairs


def _by_run(labels: Sequence[Labels]) -> dict[str, list[Labels]]:
    by_run: dict[str, list[Labels]] = {}
    for each in sorted(labels, key=lambda item: (item.run, item.user, item.session)):
        others = by_run.setdefault(each.run, [])
        if any((o.user, o.session) == (each.user, each.session) for o in others):
            raise ParameterError(f"{each.run}: expected one set of labels by {each.user}/{each.session}, found two")
        if others and abs(others[0].voxel_size_angstrom / each.voxel_size_angstrom - 1) > 1e-3:
            raise ParameterError(
                f"{each.run}: expected labels of one tomogram, found {others[0].voxel_size_angstrom:g} Å by "
                f"{others[0].user}/{others[0].session} and {each.voxel_size_angstrom:g} Å by {each.user}/"
                f"{each.session}; move one to the other's tomogram first (`tomoset transfer`)"
            )
        others.append(each)
    return by_run


def _n_places(volumes: Mapping[str, float], table: VoteTable, reach_angstrom: float) -> float:
    """Number of places of a volume at which two votes would not be taken for one, at least one more than sites."""
    if table.run not in volumes:
        raise ParameterError(f"consensus: expected the volume of {table.run}'s tomogram, found none")
    return max(volumes[table.run] / (4 / 3 * np.pi * reach_angstrom**3), table.n_sites + 1.0)


def _vote_matrix(
    tables: list[VoteTable], annotators: list[Annotator], places: list[float]
) -> tuple[NDArray[np.intp], Floats]:
    """Votes of all runs' sites, then one row a run for all its places without a vote, and how often each occurred."""
    blocks, counts = [], []
    unmarked = np.full((len(tables), len(annotators)), NOT_ASKED, dtype=np.intp)
    for row, table in enumerate(tables):
        missed = len(table.names)
        here = [annotators.index(each) for each in table.annotators]
        block = np.full((table.n_sites, len(annotators)), NOT_ASKED, dtype=np.intp)
        block[:, here] = missed
        block[table.site, np.asarray(here, np.intp)[table.annotator]] = table.vote
        unmarked[row, here] = missed
        blocks.append(block)
        counts.append(np.ones(table.n_sites))
    empty = [n - table.n_sites for n, table in zip(places, tables, strict=True)]
    return np.concatenate([*blocks, unmarked]), np.concatenate([*counts, empty])


def _prior(n_classes: int, params: ConsensusParams) -> Floats:
    """Votes believed to have been seen before: rows are what is there (the last: nothing), the last column missed."""
    prior = np.full((n_classes + 1, n_classes + 1), params.expected_confusion / max(1, n_classes - 1))
    prior[np.arange(n_classes), np.arange(n_classes)] = params.expected_sensitivity
    prior[:, -1] = 1 - params.expected_sensitivity - params.expected_confusion
    prior[-1] = 1.0 / n_classes  # of the places with nothing, one pick's worth: nearly all of them are seen as empty
    prior[-1, -1] = 1.0
    prior[:-1] *= params.belief
    return prior


def _start(prior: Floats, counts: Floats, votes: NDArray[np.intp]) -> Floats:
    """Confusions to begin with: the prior's, and false picks as frequent as a tenth of all picks."""
    start = prior / prior.sum(axis=1, keepdims=True)
    missed = prior.shape[1] - 1
    marked = float(((votes >= 0) & (votes != missed)).sum() / votes.shape[1])
    start[-1] = max(0.1 * marked / counts.sum(), 1e-12) / max(1, missed)
    start[-1, -1] = 1 - start[-1, :-1].sum()
    return np.asarray(start, dtype=np.float64)


def _position_errors(tables: list[VoteTable], annotators: list[Annotator]) -> Floats:
    positions, sites, who, first = [np.zeros((0, 3))], [np.zeros(0, np.intp)], [np.zeros(0, np.intp)], 0
    for table in tables:
        positions.append(table.positions_angstrom_xyz)
        sites.append(table.site + first)
        who.append(np.array([annotators.index(each) for each in table.annotators], np.intp)[table.annotator])
        first += table.n_sites
    return position_errors(np.concatenate(positions), np.concatenate(sites), np.concatenate(who), len(annotators))


def _run_consensus(
    table: VoteTable, posterior: Floats, sigma: Floats, objects: Sequence[PickableObject], params: ConsensusParams
) -> tuple[Labels, VoteTable]:
    """Labels of one run from its sites' posteriors, and the table with what became of each vote."""
    winner = posterior.argmax(axis=1) if len(posterior) else np.zeros(0, np.intp)
    keep = posterior.sum(axis=1) >= params.least_probability
    agrees = table.vote == winner[table.site]
    # A vote for another class places the site only where no vote names the winning one.
    weight = np.where(agrees, 1.0, 1e-6) / sigma[table.annotator] ** 2
    mean = weighted_positions(table.positions_angstrom_xyz, table.site, weight, table.n_sites)
    index = np.full(table.n_sites, -1, dtype=np.intp)
    picks = []
    for number, item in enumerate(objects):
        chosen = np.flatnonzero(keep & (winner == number))
        index[chosen] = np.arange(len(chosen))
        picks.append(_picks_of(item, chosen, number, table, posterior, mean, weight))
    ended = replace(
        table,
        consensus_class=np.where(keep, winner, -1).astype(np.intp),
        consensus_index=index,
        posterior=posterior,
        distance_angstrom=np.linalg.norm(table.positions_angstrom_xyz - mean[table.site], axis=1),
    )
    n_votes = table.votes_of_site
    notes = {
        "sites": float(table.n_sites),
        "sites_without_pick": float(np.count_nonzero(~keep)),
        "mean_votes_of_picks": float(n_votes[keep].mean()) if keep.any() else 0.0,
    }
    labels = Labels(
        run=table.run,
        user="consensus",
        session="1",
        voxel_size_angstrom=1.0,
        picks=tuple(picks),
        method=consensus_methods_text(params),
        notes=notes,
    )
    return labels, ended


def _picks_of(
    item: PickableObject,
    sites: NDArray[np.intp],
    number: int,
    table: VoteTable,
    posterior: Floats,
    mean: Floats,
    weight: Floats,
) -> Picks:
    own = posterior[sites, number]
    voted = np.zeros((table.n_sites, len(table.names)), np.bool_)
    voted[table.site, table.vote] = True
    others = np.where(voted, posterior, -1.0)[sites]
    others[:, number] = -1.0
    second = others.argmax(axis=1) if len(sites) else np.zeros(0, np.intp)
    best_other = others[np.arange(len(sites)), second]
    rival = np.where(best_other >= 0, np.asarray(table.names)[second], "")
    flags = np.zeros(table.n_sites, np.uint32)
    np.bitwise_or.at(flags, table.site, table.flags)
    rotations, known = _rotations_of(item, sites, number, table, weight)
    return Picks(
        object_name=item.name,
        positions_angstrom_xyz=mean[sites],
        rotations=rotations,
        orientation_known=known,
        scores=own,
        score_kind="probability",
        margins=own - np.maximum(best_other, 0.0),
        rivals=rival.astype(np.str_),
        posterior_classes=table.names,
        posterior=posterior[sites],
        flags=flags[sites] | np.where(best_other >= 0, np.uint32(PickFlag.CONFLICT), np.uint32(0)),
    )


def _rotations_of(
    item: PickableObject, sites: NDArray[np.intp], number: int, table: VoteTable, weight: Floats
) -> tuple[Floats | None, NDArray[np.bool_] | None]:
    """Mean pose of each site over the votes of the class that know one; None where no vote does."""
    usable = table.oriented & (table.vote == number)
    if not usable.any() or not len(sites):
        return None, None
    row = np.full(table.n_sites, -1, dtype=np.intp)
    row[sites] = np.arange(len(sites))
    poses = np.tile(np.eye(3), (len(sites), len(table.annotators), 1, 1))
    weights = np.zeros((len(sites), len(table.annotators)))
    for i in np.flatnonzero(usable & (row[table.site] >= 0)):
        poses[row[table.site[i]], table.annotator[i]] = table.rotations[i]
        weights[row[table.site[i]], table.annotator[i]] = weight[i]
    known = weights.sum(axis=1) > 0
    rotations = np.tile(np.eye(3), (len(sites), 1, 1))
    if known.any():
        rotations[known] = mean_rotations(poses[known], weights[known], point_group(item.symmetry))
    return rotations, known


def _report(
    who: Annotator,
    number: int,
    confusion: Floats,
    tables: list[VoteTable],
    errors: Floats,
    objects: Sequence[PickableObject],
) -> AnnotatorReport:
    wrong, total = 0.0, 0
    for table in tables:
        if who in table.annotators:
            mine = table.annotator == table.annotators.index(who)
            wrong += float((1 - table.posterior[table.site[mine]].sum(axis=1)).sum())
            total += int(mine.sum())
    return AnnotatorReport(
        user=who[0],
        session=who[1],
        sensitivity={item.name: float(1 - confusion[k, -1]) for k, item in enumerate(objects)},
        false_share=wrong / total if total else 0.0,
        confusion=confusion[:-1],
        position_error_angstrom=float(errors[number]),
    )


def _warnings(annotators: list[Annotator], pairs: list[tuple[int, int]]) -> tuple[str, ...]:
    out = [
        f"{'/'.join(annotators[i])} and {'/'.join(annotators[j])} err together more often than chance: "
        "what they say together counts as one vote"
        for i, j in pairs
    ]
    if len(annotators) == 2:
        out.append(
            "two annotators: where only one of them saw something, what is believed beforehand decides "
            "(expected_sensitivity); a third makes the votes speak for themselves"
        )
    users = [user for user, _ in annotators]
    for user in sorted({u for u in users if users.count(u) > 1}):
        sessions = ", ".join(session for u, session in annotators if u == user)
        out.append(
            f"{user} voted {users.count(user)} times ({sessions}): these count as one vote where two others voted, "
            "else errors made twice are taken for agreement"
        )
    return tuple(out)
