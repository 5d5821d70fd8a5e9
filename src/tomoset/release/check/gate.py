"""Everything that a release is asked before it may be public."""

from collections.abc import Callable
from pathlib import Path

from tomoset.errors import InputMissingError
from tomoset.model import Progress
from tomoset.release.check import documents, labels, relion, rights, training, volumes
from tomoset.release.check.findings import Finding
from tomoset.release.manifest import MANIFEST, verify_manifest

__all__ = ["check_release"]


def check_release(
    root: Path,
    *,
    truth: Path | None = None,
    private_words: tuple[str, ...] = (),
    progress: Progress,
) -> list[Finding]:
    """Ask every validator and every rule of ours.

    Parameters
    ----------
    root : Path
        A release, or a bag with one in ``data/``.
    truth : Path or None
        Folder of the hidden truth: nothing in the release may be one of its files.
    private_words : tuple of str
        Names that must not occur.
    progress : Progress

    Returns
    -------
    list of Finding
        Sorted; empty when the release may be published.

    Raises
    ------
    InputMissingError
        If there is no release.
    """
    bag = root / "bagit.txt"
    findings = _check_bag(root) if bag.is_file() else []
    place = root / "data" if bag.is_file() else root
    if not (place / "dataset.json").is_file():
        raise InputMissingError(f"{root}: expected a release with a dataset.json, found none; give its folder")
    rules: dict[str, Callable[[Path], list[Finding]]] = {
        "manifest": _check_manifest,
        "OME-Zarr": volumes.check_zarr_stores,
        "MRC": volumes.check_mrc_files,
        "portal schema": documents.check_portal_documents,
        "portal files": documents.check_portal_paths,
        "depositions": documents.check_deposition_documents,
        "RELION": relion.check_relion,
        "Croissant": training.check_croissant,
        "picks": labels.check_picks,
        "classes": labels.check_label_sets,
        "agreement": labels.check_label_agreement,
        "rights": rights.check_licence_and_citation,
        "privacy": lambda where: rights.check_privacy(where, private_words),
        "truth": lambda where: rights.check_truth(where, truth),
    }
    for done, (name, rule) in enumerate(rules.items(), start=1):
        findings += rule(place)
        progress.step(f"check {name}", done, len(rules))
    return sorted(findings)


def _check_manifest(root: Path) -> list[Finding]:
    return [Finding(rule="manifest", path=MANIFEST, message=problem) for problem in verify_manifest(root)]


def _check_bag(root: Path) -> list[Finding]:
    import bagit

    try:
        bagit.Bag(str(root)).validate()
    except bagit.BagError as error:
        return [Finding(rule="BagIt", path=".", message=str(error))]
    return []
