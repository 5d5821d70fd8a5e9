"""Rights and privacy: licence and citation everywhere, nothing of the maker's machine, nothing of the hidden truth."""

import getpass
import hashlib
import json
import re
import socket
from collections.abc import Iterator
from pathlib import Path

from tomoset.release.check.findings import Finding

__all__ = ["check_licence_and_citation", "check_privacy", "check_truth"]

_TEXT_SUFFIXES = frozenset(
    {
        ".json",
        ".md",
        ".star",
        ".tomostar",
        ".xml",
        ".yaml",
        ".txt",
        ".aln",
        ".ndjson",
        ".tlt",
        ".xf",
        ".defocus",
        ".csv",
    }
)
_ABSOLUTE = re.compile(
    r"(?<![\w.:/])(/(?:home|Users|root|tmp|mnt|scratch|work|gpfs|lustre|data\d*/[a-z])[/\w.-]*|file://\S+)"
)
_WINDOWS = re.compile(r"(?<![A-Za-z])[A-Za-z]:\\{1,4}[\w$]")
_EMPIAR_OWN = re.compile(r"/data/(mrc|movies)")
_TRUTH_WORDS = ("groundtruth", "ground-truth", "ground_truth", "truth.json", "poses.npz")
_COMMON_NAMES = frozenset({"root", "user", "admin", "ubuntu", "runner", "nobody", "localhost"})


def _texts(root: Path) -> Iterator[tuple[str, str]]:
    for path in sorted(root.rglob("*")):
        if path.is_file() and path.suffix in _TEXT_SUFFIXES:
            yield path.relative_to(root).as_posix(), path.read_text("utf-8", errors="replace")


def check_licence_and_citation(root: Path) -> list[Finding]:
    """Licence and citation are in every document that has a place for them, and are the same everywhere."""
    findings: list[Finding] = []
    dataset = root / "dataset.json"
    if not dataset.is_file():
        return [Finding(rule="rights", path="dataset.json", message="expected it, found nothing")]
    said = json.loads(dataset.read_text("utf-8"))
    licence, citation = str(said.get("licence") or ""), str(said.get("citation") or "")
    for what, value in (("licence", licence), ("citation", citation)):
        if not value:
            findings.append(Finding(rule="rights", path="dataset.json", message=f"expected a {what}, found none"))
    places = {
        "README.md": (licence, citation, f"license: {licence.lower()}"),
        "DATASHEET.md": (licence, citation),
        "ml/croissant.json": (licence, citation),
        "datacite.json": (licence,),
    }
    for name, wanted in places.items():
        path = root / name
        if not path.is_file():
            if name.endswith(".md"):
                findings.append(Finding(rule="rights", path=name, message="expected it, found nothing"))
            continue
        text = path.read_text("utf-8")
        text = text if name.endswith(".md") else json.dumps(json.loads(text), ensure_ascii=False)
        findings += [
            Finding(rule="rights", path=name, message=f"expected {word!r}, found no such words")
            for word in wanted
            if word and word not in text
        ]
    return findings


def check_privacy(root: Path, private_words: tuple[str, ...] = ()) -> list[Finding]:
    """No absolute path of a machine, no user's or machine's name, none of the words that were said to be private."""
    names = {getpass.getuser(), socket.gethostname()} - _COMMON_NAMES
    words = {word for word in (*names, *private_words) if len(word) > 3}
    findings = []
    for where, text in _texts(root):
        kept = _EMPIAR_OWN.sub("", text) if where.startswith("empiar/") else text
        found = [*_ABSOLUTE.findall(kept), *_WINDOWS.findall(kept)]
        if found:
            message = f"expected no path of anybody's machine, found {found[0]!r}"
            findings.append(Finding(rule="privacy", path=where, message=message))
        for word in sorted(words):
            if re.search(rf"(?<!\w){re.escape(word)}(?!\w)", text, re.IGNORECASE):
                findings.append(Finding(rule="privacy", path=where, message=f"holds the private word {word!r}"))
    return findings


def check_truth(root: Path, truth: Path | None = None) -> list[Finding]:
    """Nothing of the simulator's truth: by name, and by content where the truth's own folder is given."""
    findings = [
        Finding(rule="truth", path=where, message="is named like hidden truth")
        for where in (path.relative_to(root).as_posix() for path in sorted(root.rglob("*")))
        if any(word in where.lower() for word in _TRUTH_WORDS)
    ]
    if truth is None or not truth.is_dir():
        return findings
    hidden = {_digest(path): path for path in truth.rglob("*") if path.is_file() and path.stat().st_size > 64}
    for path in sorted(root.rglob("*")):
        if path.is_file() and path.stat().st_size > 64:
            twin = hidden.get(_digest(path))
            if twin is not None:
                where = path.relative_to(root).as_posix()
                message = f"is the same as {twin.relative_to(truth).as_posix()} of the truth"
                findings.append(Finding(rule="truth", path=where, message=message))
    return findings


def _digest(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "blake2b").hexdigest()
