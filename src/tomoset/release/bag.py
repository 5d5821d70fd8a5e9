"""BagIt (RFC 8493): a release packed so that archives can tell that nothing changed on the way."""

from pathlib import Path

from tomoset.errors import OutputError
from tomoset.release.dataset import ReleaseInfo

__all__ = ["make_bag"]


def make_bag(root: Path, info: ReleaseInfo) -> None:
    """Turn a finished release folder into a bag: everything moves to ``data/``, checksums and facts beside it.

    Raises
    ------
    OutputError
        If the bag cannot be written.
    """
    import bagit

    author = info.facts.corresponding_author
    said = {
        "Source-Organization": info.facts.authors[0].affiliation,
        "Contact-Name": author.name if author else info.facts.authors[0].name,
        "Contact-Email": author.email if author else "",
        "External-Description": info.title or info.name,
        "External-Identifier": info.facts.doi,
        "Licence": info.licence,
        "Citation": info.citation,
        "Version": info.version,
    }
    try:
        bagit.make_bag(str(root), {key: value for key, value in said.items() if value}, checksums=["sha256"])
    except (bagit.BagError, OSError) as error:
        raise OutputError(f"{root}: expected to pack the release as a bag, found {error}") from error
