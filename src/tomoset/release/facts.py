"""What people must say about a dataset, because no file holds it: who made it, from what, with which instruments."""

import re
from dataclasses import dataclass, field
from datetime import date
from typing import Literal, get_args

from tomoset.errors import ParameterError

__all__ = ["Author", "DatasetFacts", "Funding", "InstrumentFacts", "SampleFacts", "SampleType"]

SampleType = Literal[
    "cell_line",
    "in_silico",
    "in_vitro",
    "organelle",
    "organism",
    "organoid",
    "other",
    "primary_cell_culture",
    "tissue",
    "virus",
]
"""The CryoET Data Portal's words."""

_ORCID = re.compile(r"\d{4}-\d{4}-\d{4}-\d{3}[\dX]")
_RELATED = re.compile(r"EMPIAR-\d{5}|EMD-\d{4,5}|PDB-[0-9a-zA-Z]{4,8}")
_DOI = re.compile(r"10\.\d{4,9}/\S+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Author:
    """A person or group who made the dataset or its labels.

    Parameters
    ----------
    name : str
        As it should be printed, given name first.
    orcid : str
        ``0000-0000-0000-0000``; empty when there is none.
    email, affiliation, country : str
    corresponding : bool
        Whom to write to about the dataset; EMPIAR asks for one with e-mail, affiliation and country.
    primary : bool
        Who did most of the work.
    principal_investigator : bool

    Raises
    ------
    ParameterError
        If the name is empty or the ORCID is none.
    """

    name: str
    orcid: str = ""
    email: str = ""
    affiliation: str = ""
    country: str = ""
    corresponding: bool = False
    primary: bool = False
    principal_investigator: bool = False

    def __post_init__(self) -> None:
        """Refuse authors without a name."""
        if not self.name.strip():
            raise ParameterError("dataset.authors: expected a name, found none")
        if self.orcid and not _ORCID.fullmatch(self.orcid):
            raise ParameterError(
                f"dataset.authors.orcid: expected 0000-0000-0000-0000 for {self.name}, found {self.orcid!r}"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class Funding:
    """Who paid: agency and number of the grant."""

    agency: str
    grant: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SampleFacts:
    """What was frozen; what nobody says stays empty and is never guessed.

    Parameters
    ----------
    kind : str
        One of the data portal's sample types.
    organism, strain : str
    taxonomy_id : int or None
        NCBI's.
    preparation, grid_preparation, other_setup : str
        Buffer, concentrations, vendor; grid, glow discharge, freezing; anything else.

    Raises
    ------
    ParameterError
        If the kind is unknown.
    """

    kind: SampleType = "other"
    organism: str = ""
    taxonomy_id: int | None = None
    strain: str = ""
    preparation: str = ""
    grid_preparation: str = ""
    other_setup: str = ""

    def __post_init__(self) -> None:
        """Refuse kinds that the portal does not know."""
        if self.kind not in get_args(SampleType):
            raise ParameterError(
                f"dataset.sample.kind: expected one of {', '.join(get_args(SampleType))}, found {self.kind!r}"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class InstrumentFacts:
    """Microscope and camera in words; ``unknown`` where nobody says."""

    microscope_manufacturer: str = "unknown"
    microscope_model: str = "unknown"
    energy_filter: str = "unknown"
    phase_plate: str = ""
    image_corrector: str = ""
    camera_manufacturer: str = "unknown"
    camera_model: str = "unknown"
    camera_mode: str = ""
    acquisition_software: str = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetFacts:
    """Everything a published dataset must say that does not follow from its data.

    Parameters
    ----------
    authors : tuple of Author
        In the order of citation; a release without authors is refused.
    description : str
        A paragraph for people.
    keywords : tuple of str
    funding : tuple of Funding
    sample : SampleFacts
    instrument : InstrumentFacts
    publications : tuple of str
        DOIs of articles about the data.
    related_entries : tuple of str
        ``EMPIAR-12345``, ``EMD-1234``, ``PDB-1ABC``.
    doi, url : str
        Of the dataset itself, once it has them.
    release_date : str
        ISO date on which it becomes public; empty = the day of the release.
    portal_dataset_id, portal_deposition_id : int
        Numbers that the CryoET Data Portal has assigned; 0 until it has.
    complexity : int or None
        Step of difficulty, 1 (purified proteins) to 5 (a whole cell).

    Raises
    ------
    ParameterError
        If a DOI, an entry or a date is none, or a number is negative.
    """

    authors: tuple[Author, ...] = ()
    description: str = ""
    keywords: tuple[str, ...] = ()
    funding: tuple[Funding, ...] = ()
    sample: SampleFacts = field(default_factory=SampleFacts)
    instrument: InstrumentFacts = field(default_factory=InstrumentFacts)
    publications: tuple[str, ...] = ()
    related_entries: tuple[str, ...] = ()
    doi: str = ""
    url: str = ""
    release_date: str = ""
    portal_dataset_id: int = 0
    portal_deposition_id: int = 0
    complexity: int | None = None

    def __post_init__(self) -> None:
        """Refuse identifiers that no resolver would take."""
        for doi in (*self.publications, *([self.doi] if self.doi else [])):
            if not _DOI.fullmatch(doi):
                raise ParameterError(f"dataset: expected a DOI such as 10.1038/s41592-025-02800-5, found {doi!r}")
        for entry in self.related_entries:
            if not _RELATED.fullmatch(entry):
                raise ParameterError(
                    f"dataset.related_entries: expected EMPIAR-12345, EMD-1234 or PDB-1ABC, found {entry!r}"
                )
        if self.release_date:
            try:
                date.fromisoformat(self.release_date)
            except ValueError as error:
                raise ParameterError(
                    f"dataset.release_date: expected YYYY-MM-DD, found {self.release_date!r}"
                ) from error
        if min(self.portal_dataset_id, self.portal_deposition_id) < 0:
            raise ParameterError("dataset: expected the portal's numbers to be 0 or more, found a negative one")
        if self.complexity is not None and not 1 <= self.complexity <= 5:
            raise ParameterError(f"dataset.complexity: expected 1 to 5, found {self.complexity}")

    @property
    def corresponding_author(self) -> Author | None:
        """Whom to write to: the author who says so, else the first one with an e-mail address."""
        said = [author for author in self.authors if author.corresponding]
        reachable = [author for author in self.authors if author.email]
        return next(iter([*said, *reachable]), None)
