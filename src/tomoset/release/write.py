"""Write a release, one run at a time, so that hundreds of tomograms need no more memory than one."""

import dataclasses
from collections.abc import Callable, Iterable
from pathlib import Path

from tomoset.errors import InputMissingError
from tomoset.formats.atomic import atomic_path, write_json_atomic, write_text_atomic
from tomoset.model import Progress, Release
from tomoset.release import layouts
from tomoset.release.bag import make_bag
from tomoset.release.card import card_text
from tomoset.release.dataset import FORMATS, LabelCounts, ReleaseInfo, RunToRelease, count_labels
from tomoset.release.datasheet import datasheet_text
from tomoset.release.deposition import write_cets, write_datacite, write_empiar
from tomoset.release.manifest import write_manifest
from tomoset.release.portal import finish_portal_tree, start_portal_tree, write_portal_run
from tomoset.release.shards import write_training_volume
from tomoset.release.training_data import finish_training_data

__all__ = ["write_release"]

_WRITERS: dict[str, Callable[[Path, RunToRelease, ReleaseInfo], tuple[str, ...]]] = {
    "copick": layouts.write_copick_run,
    "mrc": layouts.write_mrc_run,
    "imod": layouts.write_imod_run,
    "aretomo": layouts.write_aretomo_run,
    "warp": layouts.write_warp_run,
    "portal": write_portal_run,
    "ml": write_training_volume,
}


def write_release(
    out: Path,
    info: ReleaseInfo,
    runs: Iterable[RunToRelease],
    *,
    n_runs: int,
    progress: Progress,
    as_bag: bool = False,
) -> Release:
    """Write a dataset in the layouts asked for; the folder appears whole or not at all.

    Parameters
    ----------
    out : Path
        New folder.
    info : ReleaseInfo
    runs : iterable of RunToRelease
        Read one at a time.
    n_runs : int
        How many will come, for the progress.
    progress : Progress
    as_bag : bool
        Pack it as a BagIt bag: everything lies in ``data/`` then.

    Returns
    -------
    Release

    Raises
    ------
    InputMissingError
        If no run came.
    OutputError
        If it cannot be written.
    """
    notes: list[str] = []
    written: list[RunToRelease] = []  # sources and labels, no volumes: small
    with atomic_path(out) as root:
        root.mkdir()
        _begin(root, info)
        for run in runs:
            for name in _per_run(info):
                notes += [f"{name}/{note}" for note in _WRITERS[name](root, run, info)]
            written.append(run)
            progress.step("release", len(written), n_runs)
        if not written:
            raise InputMissingError("expected at least one run to release, found none")
        notes += _finish(root, info, written)
        counts = count_labels(written)
        write_text_atomic(root / "README.md", card_text(info, counts, tuple(notes)))
        write_text_atomic(root / "DATASHEET.md", datasheet_text(info, counts))
        write_json_atomic(root / "dataset.json", {**_document(info, counts), "format_notes": notes})
        files = write_manifest(root)
        if as_bag:
            make_bag(root, info)
    return Release(
        name=info.name,
        version=info.version,
        licence=info.licence,
        citation=info.citation,
        runs=tuple(counts),
        rejected=info.rejected,
        objects=info.objects,
        formats=info.formats,
        methods=info.methods,
        files=files,
    )


def _per_run(info: ReleaseInfo) -> list[str]:
    """Layouts that are written run by run, in the order in which they can share files."""
    return [name for name in FORMATS if name in info.formats and name in _WRITERS]


def _begin(root: Path, info: ReleaseInfo) -> None:
    """What a layout needs before its first run."""
    if "copick" in info.formats:
        layouts.write_copick_config(root, info)
    if "portal" in info.formats:
        start_portal_tree(root, info)


def _finish(root: Path, info: ReleaseInfo, runs: list[RunToRelease]) -> list[str]:
    """What a layout says about all runs together; returns what they leave out."""
    notes: list[str] = []
    if "star" in info.formats:
        notes += [f"relion/{note}" for note in layouts.write_relion(root, runs, info)]
    if "portal" in info.formats:
        finish_portal_tree(root, info, tuple(run.series.run for run in runs))
    if "ml" in info.formats:
        finish_training_data(root, runs, info)
    if "cets" in info.formats:
        notes += [f"cets/{note}" for note in write_cets(root, runs, info)]
    if "empiar" in info.formats:
        notes += [f"empiar/{note}" for note in write_empiar(root, runs, info)]
    if "datacite" in info.formats:
        notes += write_datacite(root, info)
    return notes


def _document(info: ReleaseInfo, counts: LabelCounts) -> dict[str, object]:
    return {**dataclasses.asdict(info), "runs": counts, "unit": "angstrom", "axes": "volumes zyx, positions xyz"}
