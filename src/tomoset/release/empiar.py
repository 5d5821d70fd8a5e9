"""The deposition document of EMPIAR (empiar-depositor's JSON): who, what, and which folders hold which images.

Codes are EMPIAR's: category T9 tilt series, OT whatever the list lacks; format T1 MRC; voxel type T7 32-bit float.
"""

import re
from typing import Any

from tomoset.release.dataset import ReleaseInfo
from tomoset.release.facts import Author

__all__ = ["RECONSTRUCTED", "TILT_SERIES", "empiar_document", "empiar_gaps", "imageset"]

Document = dict[str, Any]

_NOT_IN_NAMES = re.compile(r"[0-9!\"£$%^&*()]")


TILT_SERIES = "('T9', '')"
RECONSTRUCTED = "('OT', 'reconstructed tomograms')"
_MRC = "('T1', '')"
_FLOAT32 = "('T7', '')"


def empiar_gaps(info: ReleaseInfo) -> list[str]:
    """What EMPIAR asks for and nobody has said, a phrase each; empty when the document is complete."""
    gaps = []
    author = info.facts.corresponding_author
    wanted = ("email", "affiliation", "country")
    if author is None:
        gaps.append(
            "a corresponding author ([[dataset.authors]] with corresponding = true, email, affiliation, country)"
        )
    else:
        missing = [name for name in wanted if not getattr(author, name)]
        gaps += [f"{name} of the corresponding author {author.name}" for name in missing]
    leader = next((each for each in info.facts.authors if each.principal_investigator), None)
    if leader is None:
        gaps.append("a principal investigator ([[dataset.authors]] with principal_investigator = true)")
    else:
        gaps += [f"{name} of the principal investigator {leader.name}" for name in wanted if not getattr(leader, name)]
    if len(info.title) < 10:
        gaps.append("a title of ten letters or more")
    return gaps


def empiar_document(info: ReleaseInfo, imagesets: list[Document]) -> Document:
    """The deposition as EMPIAR's programme uploads it.

    Parameters
    ----------
    info : ReleaseInfo
    imagesets : list of dict
        From :func:`imageset`, one a kind of image.
    """
    facts = info.facts
    leader = next((each for each in facts.authors if each.principal_investigator), None)
    return {
        "title": (info.title or info.name)[:255],
        "release_date": "RE",
        "experiment_type": 2 if info.is_simulated else 3,
        "cross_references": [{"name": entry} for entry in facts.related_entries if entry.startswith("EMD-")],
        "authors": _authors(facts.authors),
        "corresponding_author": _person(facts.corresponding_author),
        "principal_investigator": [_person(leader)],
        "imagesets": imagesets,
        "citation": [
            {
                "authors": _authors(facts.authors),
                "editors": [],
                "published": bool(facts.publications),
                "j_or_nj_citation": True,
                "title": info.citation,
                "doi": facts.publications[0] if facts.publications else None,
            }
        ],
    }


def imageset(
    name: str,
    directory: str,
    category: str,
    *,
    n: int,
    frames: int,
    pixel_size_angstrom: float,
    shape_yx: tuple[int, int],
) -> Document:
    """One folder of images: MRC with 32-bit numbers."""
    return {
        "name": name,
        "directory": directory,
        "category": category,
        "header_format": _MRC,
        "data_format": _MRC,
        "num_images_or_tilt_series": n,
        "frames_per_image": frames,
        "frame_range_min": 1,
        "frame_range_max": frames,
        "voxel_type": _FLOAT32,
        "pixel_width": pixel_size_angstrom,
        "pixel_height": pixel_size_angstrom,
        "image_width": shape_yx[1],
        "image_height": shape_yx[0],
        "details": None,
    }


def _authors(authors: tuple[Author, ...]) -> list[Document]:
    return [
        {"name": _coded_name(each.name), "order_id": i, "author_orcid": each.orcid or None}
        for i, each in enumerate(authors)
    ]


def _coded_name(name: str) -> str:
    """``('Surname', 'GN')``: surname and initials."""
    first, last = _split(name)
    initials = "".join(part[0].upper() for part in re.split(r"[\s.-]+", first) if part)
    return f"('{last}', '{initials or last[:1].upper()}')"


def _split(name: str) -> tuple[str, str]:
    parts = _NOT_IN_NAMES.sub("", name).split()
    return " ".join(parts[:-1]), parts[-1] if parts else ""


def _person(author: Author | None) -> Document | None:
    if author is None:
        return None
    first, last = _split(author.name)
    return {
        "author_orcid": author.orcid or None,
        "first_name": first or last,
        "middle_name": None,
        "last_name": last,
        "organization": author.affiliation,
        "email": author.email,
        "country": author.country,
    }
