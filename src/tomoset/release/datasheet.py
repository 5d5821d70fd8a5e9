"""A datasheet (Gebru et al. 2021, Commun. ACM 64:86): the questions a careful user asks, answered from the records."""

from collections import Counter

from tomoset.release.dataset import LabelCounts, ReleaseInfo

__all__ = ["datasheet_text"]

_UNSAID = "Not stated by the authors."


def datasheet_text(info: ReleaseInfo, counts: LabelCounts) -> str:
    """The datasheet in Markdown; what nobody has said is said to be unsaid."""
    facts, sample, instrument = info.facts, info.facts.sample, info.facts.instrument
    totals: dict[str, Counter[str]] = {}
    for authors in counts.values():
        for author, found in authors.items():
            totals.setdefault(author, Counter()).update(found)
    splits: dict[str, list[str]] = {}
    for run in counts:
        splits.setdefault(info.split_of(run), []).append(run)
    funders = "; ".join(" ".join(filter(None, (each.agency, each.grant))) for each in facts.funding)
    sections = {
        "Motivation": [
            f"- Purpose: {facts.description or _UNSAID}",
            f"- Created by: {', '.join(author.name for author in facts.authors)}",
            f"- Funded by: {funders or _UNSAID}",
        ],
        "Composition": [
            f"- {len(counts)} {'simulated' if info.is_simulated else 'measured'} tomograms, one a tilt series",
            *(f"- Labels by {author}: {_listed(found)}" for author, found in sorted(totals.items())),
            *(f"- Split {name}: {len(runs)} ({', '.join(runs)})" for name, runs in sorted(splits.items())),
            f"- Left out: {len(info.rejected)} runs, listed with their reasons in README.md",
            "- No personal data.",
        ],
        "Collection": [
            f"- Sample: {sample.kind}; {sample.organism or 'organism not stated'}; {sample.preparation or _UNSAID}",
            f"- Grids: {sample.grid_preparation or _UNSAID}",
            f"- Microscope: {instrument.microscope_manufacturer} {instrument.microscope_model}",
            f"- Energy filter: {instrument.energy_filter}",
            f"- Camera: {instrument.camera_manufacturer} {instrument.camera_model}",
            f"- Acquisition software: {instrument.acquisition_software}",
        ],
        "Preprocessing and labeling": [info.methods],
        "Uses": [
            "- Meant for training and evaluating methods that find, classify or segment what is in tomograms.",
            "- Scores on it say how a method does on specimens, doses and microscopes like these, not on others.",
        ],
        "Distribution": [
            f"- Licence: {info.licence}",
            f"- Citation: {info.citation}",
            f"- DOI: {facts.doi or 'none yet'}",
        ],
        "Maintenance": [
            f"- Version {info.version}; checksums of every file in manifest-sha256.txt",
            f"- Contact: {_contact(info)}",
        ],
    }
    lines = [f"# Datasheet of {info.title or info.name}", ""]
    for title, body in sections.items():
        lines += [f"## {title}", "", *body, ""]
    return "\n".join(lines)


def _listed(found: Counter[str]) -> str:
    return ", ".join(f"{n} {name}" for name, n in sorted(found.items())) or "none"


def _contact(info: ReleaseInfo) -> str:
    author = info.facts.corresponding_author
    return _UNSAID if author is None else " ".join(filter(None, (author.name, author.email)))
