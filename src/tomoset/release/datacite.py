"""DataCite's fields (schema 4.6): what a repository needs to give the dataset a DOI."""

from typing import Any

from tomoset import __version__
from tomoset.release.dataset import ReleaseInfo
from tomoset.release.facts import Author
from tomoset.release.portal.documents import release_time

__all__ = ["datacite_document"]

Document = dict[str, Any]


def datacite_document(info: ReleaseInfo) -> Document:
    """``datacite.json``; the ``doi`` is absent until the dataset has one."""
    facts = info.facts
    released = release_time(facts)
    document: Document = {
        "types": {"resourceTypeGeneral": "Dataset", "resourceType": "Cryo-electron tomography"},
        "creators": [_creator(author) for author in facts.authors],
        "titles": [{"title": info.title or info.name}],
        "publisher": {"name": facts.authors[0].affiliation or facts.authors[0].name},
        "publicationYear": str(released.year),
        "dates": [{"date": released.date().isoformat(), "dateType": "Available"}],
        "version": info.version,
        "language": "en",
        "subjects": [{"subject": word} for word in facts.keywords],
        "rightsList": [{"rightsIdentifier": info.licence, "rightsIdentifierScheme": "SPDX"}],
        "descriptions": [
            {"description": facts.description or info.title or info.name, "descriptionType": "Abstract"},
            {"description": info.methods, "descriptionType": "Methods"},
            {"description": f"Written by tomoset {__version__}.", "descriptionType": "TechnicalInfo"},
        ],
        "fundingReferences": [
            {"funderName": each.agency} | ({"awardNumber": each.grant} if each.grant else {}) for each in facts.funding
        ],
        "relatedIdentifiers": [
            {"relatedIdentifier": doi, "relatedIdentifierType": "DOI", "relationType": "IsSupplementTo"}
            for doi in facts.publications
        ],
        "schemaVersion": "http://datacite.org/schema/kernel-4",
    }
    if facts.doi:
        document["doi"] = facts.doi
    if facts.url:
        document["url"] = facts.url
    return document


def _creator(author: Author) -> Document:
    first, _, last = author.name.rpartition(" ")
    creator: Document = {"name": f"{last}, {first}" if first else last, "nameType": "Personal"}
    if first:
        creator |= {"givenName": first, "familyName": last}
    if author.affiliation:
        creator["affiliation"] = [{"name": author.affiliation}]
    if author.orcid:
        creator["nameIdentifiers"] = [
            {
                "nameIdentifier": f"https://orcid.org/{author.orcid}",
                "nameIdentifierScheme": "ORCID",
                "schemeUri": "https://orcid.org",
            }
        ]
    return creator
