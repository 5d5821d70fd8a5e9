"""The training data's Croissant: valid, loadable offline, with checksums that hold."""

import json
import logging
import warnings
from pathlib import Path

from tomoset.release.check.findings import Finding
from tomoset.release.croissant import CROISSANT, tree_sha256
from tomoset.release.manifest import file_sha256

__all__ = ["check_croissant"]


def check_croissant(root: Path) -> list[Finding]:
    """Mlcroissant's validation and every record, then the checksum of each file and tree."""
    path = root / "ml" / CROISSANT
    if not (root / "ml").is_dir():
        return []
    where = path.relative_to(root).as_posix()
    try:
        document = json.loads(path.read_text("utf-8"))
        counts = _count_records(path)
    except Exception as error:  # noqa: BLE001 the library raises whatever its readers raise
        return [Finding(rule="mlcroissant", path=where, message=f"{type(error).__name__}: {str(error)[:300]}")]
    findings = [
        Finding(rule="mlcroissant", path=where, message=f"expected the record set {name}, found none")
        for name in ("runs", "objects", "picks")
        if name not in counts
    ]
    for item in document.get("distribution", []):
        there = path.parent / str(item.get("contentUrl"))
        if not there.exists():
            findings.append(Finding(rule="checksums", path=where, message=f"names {item.get('contentUrl')}: not there"))
        elif (tree_sha256(there) if there.is_dir() else file_sha256(there)) != item.get("sha256"):
            message = f"expected the checksum of {item.get('contentUrl')}, found another"
            findings.append(Finding(rule="checksums", path=where, message=message))
    return findings


def _count_records(path: Path) -> dict[str, int]:
    import mlcroissant as mlc

    logging.getLogger("absl").setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        dataset = mlc.Dataset(str(path))
        names = [record_set.uuid for record_set in dataset.metadata.record_sets]
        return {name: sum(1 for _ in dataset.records(name)) for name in names}
