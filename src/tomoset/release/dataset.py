"""What goes into a release, one run at a time."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from tomoset.errors import ParameterError
from tomoset.model import Labels, PickableObject, TiltSeries, Tomogram
from tomoset.release.facts import DatasetFacts

__all__ = ["FORMATS", "LabelCounts", "ReleaseInfo", "RunToRelease", "count_labels"]

LabelCounts = dict[str, dict[str, dict[str, int]]]
"""Number of labels by run, author (``user/session``) and object."""

FORMATS = ("copick", "mrc", "star", "imod", "aretomo", "warp", "portal", "ml", "cets", "empiar", "datacite")
"""In the order in which they are written: later ones share the big files of earlier ones."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RunToRelease:
    """One curated run: its aligned series, tomogram and labels, and what was derived from the tomogram."""

    series: TiltSeries
    tomogram: Tomogram
    labels: tuple[Labels, ...]
    derived: tuple[Tomogram, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseInfo:
    """What a release says about itself.

    Parameters
    ----------
    name, title, version : str
    licence : str
        SPDX identifier.
    citation : str
        How to cite the dataset.
    methods : str
        Methods section, one sentence a stage.
    objects : tuple of PickableObject
    formats : tuple of str
        Of :data:`FORMATS`.
    rejected : dict of str to str
        Runs that are left out, with the reason.
    is_simulated : bool
    facts : DatasetFacts
        What people say about it.
    splits : dict of str to str
        ``train``, ``validation``, ``test`` … of each run; a run without one is for training.

    Raises
    ------
    ParameterError
        If a format is unknown, none is asked for, or licence, citation or authors are missing.
    """

    name: str
    title: str
    version: str
    licence: str
    citation: str
    methods: str
    objects: tuple[PickableObject, ...]
    formats: tuple[str, ...]
    rejected: dict[str, str]
    is_simulated: bool
    facts: DatasetFacts
    splits: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse what nobody could use."""
        unknown = [name for name in self.formats if name not in FORMATS]
        if unknown or not self.formats:
            found = ", ".join(unknown) or "none"
            raise ParameterError(f"--formats: expected some of {', '.join(FORMATS)}, found {found}")
        missing = [
            f"{what} ({where})"
            for what, where, there in (
                ("a licence", 'licence = "CC0-1.0" or another SPDX identifier', self.licence),
                ("a citation", 'citation = "…"', self.citation),
                ("authors", '[[dataset.authors]] with name = "…"', self.facts.authors),
            )
            if not there
        ]
        if missing:
            raise ParameterError(
                f"expected {', '.join(missing)} in recipe.toml before anything is published, found none; add what is "
                "missing and release again"
            )

    def split_of(self, run: str) -> str:
        """Split of a run."""
        return self.splits.get(run, "train")


def count_labels(runs: Sequence[RunToRelease]) -> LabelCounts:
    """How many of each object every author labeled in each run: ``{run: {"user/session": {object: n}}}``.

    A filament or membrane counts once, however many picks lie along it.
    """
    counted: LabelCounts = {}
    for run in runs:
        authors = counted.setdefault(run.series.run, {})
        for labels in run.labels:
            along = Counter([each.object_name for each in labels.filaments])
            along += Counter([each.object_name for each in labels.membranes])
            picks = {each.object_name: len(each) for each in labels.picks if each.object_name not in along}
            authors[f"{labels.user}/{labels.session}"] = picks | dict(along)
    return counted
