"""Write a release, one run at a time, so that hundreds of tomograms need no more memory than one."""

import dataclasses
from collections.abc import Callable, Iterable
from pathlib import Path

from tomoset.errors import InputMissingError
from tomoset.formats.atomic import atomic_path, write_json_atomic, write_text_atomic
from tomoset.model import Progress, Release
from tomoset.release import layouts
from tomoset.release.card import card_text
from tomoset.release.dataset import FORMATS, ReleaseInfo, RunToRelease
from tomoset.release.manifest import write_manifest
from tomoset.release.portal import finish_portal_tree, start_portal_tree, write_portal_run

__all__ = ["write_release"]

_WRITERS: dict[str, Callable[[Path, RunToRelease, ReleaseInfo], tuple[str, ...]]] = {
    "copick": layouts.write_copick_run,
    "mrc": layouts.write_mrc_run,
    "imod": layouts.write_imod_run,
    "aretomo": layouts.write_aretomo_run,
    "warp": layouts.write_warp_run,
    "portal": write_portal_run,
}


def write_release(
    out: Path, info: ReleaseInfo, runs: Iterable[RunToRelease], *, n_runs: int, progress: Progress
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
    picks_per_run: dict[str, dict[str, int]] = {}
    notes: list[str] = []
    for_relion: list[RunToRelease] = []  # sources and labels, no volumes: small
    with atomic_path(out) as root:
        root.mkdir()
        if "copick" in info.formats:
            layouts.write_copick_config(root, info)
        if "portal" in info.formats:
            start_portal_tree(root, info)
        formats = sorted(info.formats, key=FORMATS.index)  # later layouts share the big files of earlier ones
        for run in runs:
            for name in formats:
                if name == "star":
                    for_relion.append(run)
                else:
                    notes += [f"{name}/{note}" for note in _WRITERS[name](root, run, info)]
            picks_per_run[run.series.run] = {p.object_name: len(p) for labels in run.labels for p in labels.picks}
            progress.step("release", len(picks_per_run), n_runs)
        if not picks_per_run:
            raise InputMissingError("expected at least one run to release, found none")
        if "star" in info.formats:
            notes += [f"relion/{note}" for note in layouts.write_relion(root, for_relion, info)]
        if "portal" in info.formats:
            finish_portal_tree(root, info, tuple(picks_per_run))
        write_text_atomic(root / "README.md", card_text(info, picks_per_run, tuple(notes)))
        write_json_atomic(root / "dataset.json", {**_document(info, picks_per_run), "format_notes": notes})
        files = write_manifest(root)
    return Release(
        name=info.name,
        version=info.version,
        licence=info.licence,
        citation=info.citation,
        runs=tuple(picks_per_run),
        rejected=info.rejected,
        objects=info.objects,
        formats=info.formats,
        methods=info.methods,
        files=files,
    )


def _document(info: ReleaseInfo, picks_per_run: dict[str, dict[str, int]]) -> dict[str, object]:
    return {**dataclasses.asdict(info), "runs": picks_per_run, "unit": "angstrom", "axes": "volumes zyx, positions xyz"}
