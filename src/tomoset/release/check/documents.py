"""Metadata documents against the schemas of those who will read them."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from tomoset.release.check.deposition_schemas import CETS, EMPIAR
from tomoset.release.check.findings import Finding, read_document
from tomoset.release.check.portal_schema import PORTAL

__all__ = ["check_deposition_documents", "check_portal_documents", "check_portal_paths"]

_RULE = "portal schema"


def _against(root: Path, path: Path, schema: dict[str, Any], rule: str) -> list[Finding]:
    from jsonschema import Draft202012Validator

    document, findings = read_document(root, path, rule)
    if findings:
        return findings
    where = path.relative_to(root).as_posix()
    errors = sorted(Draft202012Validator(schema).iter_errors(document), key=lambda error: list(map(str, error.path)))
    return [
        Finding(rule=rule, path=where, message=f"{'.'.join(map(str, error.path)) or 'document'}: {error.message}")
        for error in errors
    ]


def check_portal_documents(root: Path) -> list[Finding]:
    """Every metadata file of the portal's tree against its class's schema; those that must be there are."""
    top = root / "portal"
    if not top.is_dir():
        return []
    findings: list[Finding] = []
    for path in sorted(top.rglob("*.json")):
        if ".zarr" in path.as_posix():
            continue
        name = "annotation" if path.parent.parent.name == "Annotations" else path.name
        if name in PORTAL:
            findings += _against(root, path, PORTAL[name], _RULE)
        else:
            findings.append(_found(root, path, "expected a metadata file that the portal knows, found another"))
    return findings + _missing(root, top)


def _missing(root: Path, top: Path) -> list[Finding]:
    """Documents that a tree must have."""
    wanted = ["*/dataset_metadata.json", "DepositionMetadata/*/deposition_metadata.json"]
    findings = [
        _found(root, top, f"expected {pattern}, found none") for pattern in wanted if not list(top.glob(pattern))
    ]
    for run in _runs(top):
        for pattern in (
            "run_metadata.json",
            "Frames/frames_metadata.json",
            "TiltSeries/*/tiltseries_metadata.json",
            "Alignments/*/alignment_metadata.json",
            "Reconstructions/*/Tomograms/*/tomogram_metadata.json",
        ):
            if not list(run.glob(pattern)):
                findings.append(_found(root, run, f"expected {pattern}, found none"))
    return findings


def _runs(top: Path) -> Iterable[Path]:
    for dataset in sorted(path.parent for path in top.glob("*/dataset_metadata.json")):
        yield from sorted(path for path in dataset.iterdir() if path.is_dir() and path.name != "Images")


def _found(root: Path, path: Path, message: str) -> Finding:
    return Finding(rule=_RULE, path=path.relative_to(root).as_posix(), message=message)


def check_portal_paths(root: Path) -> list[Finding]:
    """Every file that a metadata file names is there, and every annotation counts its points."""
    top = root / "portal"
    findings: list[Finding] = []
    for path in sorted(top.rglob("*.json")) if top.is_dir() else []:
        if ".zarr" in path.as_posix():
            continue
        document, bad = read_document(root, path, "portal files")
        findings += bad
        where = path.relative_to(root).as_posix()
        for name in _named_files(document):
            if not (top / name).exists() and not (path.parent / name).exists():  # photos lie beside
                findings.append(Finding(rule="portal files", path=where, message=f"names {name}, which is not there"))
        findings += _count_points(top, where, document)
    return findings


_FILE_KEYS = frozenset(
    {"mrc_file", "omezarr_dir", "raw_tlt_path", "alignment_path", "tilt_path", "tiltx_path", "tiltseries_path"}
    | {"alignment_metadata_path", "snapshot", "thumbnail"}
)


def _named_files(document: dict[str, Any]) -> list[str]:
    found = [value for key, value in document.items() if key in _FILE_KEYS and isinstance(value, str)]
    for key in ("key_photo", "key_photos"):
        if isinstance(document.get(key), dict):
            found += [value for value in document[key].values() if isinstance(value, str)]
    if isinstance(document.get("files"), list):
        found += [entry["path"] for entry in document["files"] if isinstance(entry, dict) and "path" in entry]
    return found


def _count_points(top: Path, where: str, document: dict[str, Any]) -> list[Finding]:
    findings = []
    for entry in document.get("files") or []:
        if not (isinstance(entry, dict) and str(entry.get("path", "")).endswith(".ndjson")):
            continue
        file = top / entry["path"]
        lines = file.read_text("utf-8").splitlines() if file.is_file() else []
        if len(lines) != document.get("object_count"):
            message = f"counts {document.get('object_count')} objects, but {entry['path']} holds {len(lines)} points"
            findings.append(Finding(rule="portal counts", path=where, message=message))
        kinds = {json.loads(line).get("type") for line in lines if line.startswith("{")}
        wanted = {"OrientedPoint": "orientedPoint", "Point": "point"}.get(str(entry.get("shape")))
        if kinds - {wanted}:
            message = f"{entry['path']}: expected points of type {wanted}, found {sorted(map(str, kinds))}"
            findings.append(Finding(rule="portal counts", path=where, message=message))
    return findings


def check_deposition_documents(root: Path) -> list[Finding]:
    """EMPIAR's and the standard's documents against their schemas; DataCite's mandatory fields."""
    findings: list[Finding] = []
    for path, schema, rule in (
        (root / "empiar" / "deposition.json", EMPIAR, "EMPIAR schema"),
        (root / "cets" / "dataset.json", CETS, "CETS model"),
    ):
        if path.is_file():
            findings += _against(root, path, schema, rule)
    return findings + _datacite(root)


def _datacite(root: Path) -> list[Finding]:
    path = root / "datacite.json"
    if not path.is_file():
        return []
    document, findings = read_document(root, path, "DataCite")
    mandatory = ("creators", "titles", "publisher", "publicationYear", "types", "schemaVersion", "rightsList")
    return findings + [
        Finding(rule="DataCite", path=path.name, message=f"expected {name}, found none")
        for name in mandatory
        if not document.get(name)
    ]
