"""What people have said of a project's labels: for pages that show and change it, and for what is made of it."""

from dataclasses import dataclass

from tomoset.curation import (
    LabelItem,
    LabelReviewLog,
    LabelState,
    ReviewedPicks,
    apply_review,
    gold_items,
    replay_labels,
)
from tomoset.errors import InputMissingError
from tomoset.model import Labels
from tomoset.workflow.label_origin import frame_key, labels_of, picks_contents
from tomoset.workflow.layout import ProjectLayout

__all__ = ["LabelsUnderReview", "gold_labels", "open_review", "review_log"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LabelsUnderReview:
    """One author's labels of a run, with a name for each and what holds of it now.

    Parameters
    ----------
    labels : Labels
        As in their files.
    contents : dict of str to str
        Class -> hash of its file.
    tomogram_hash : str
        Of the frame they were made in, for the events.
    states : dict of LabelItem to LabelState
        Of the labels that something was said of, created ones among them.
    """

    labels: Labels
    contents: dict[str, str]
    tomogram_hash: str
    states: dict[LabelItem, LabelState]

    def item(self, object_name: str, index: int) -> LabelItem:
        """Name of one label.

        Raises
        ------
        InputMissingError
            If there is no such label.
        """
        if object_name not in self.contents or not 0 <= index < len(self.labels.of(object_name)):
            raise InputMissingError(
                f"{self.labels.run}: expected one of the {len(self.labels.of(object_name))} picks of {object_name} by "
                f"{self.labels.user}/{self.labels.session}, found no number {index}"
            )
        return LabelItem(
            user=self.labels.user,
            session=self.labels.session,
            object_name=object_name,
            index=index,
            content=self.contents[object_name],
        )

    def reviewed(self) -> ReviewedPicks:
        """The labels as people have left them."""
        return apply_review(
            self.labels, self.contents, {(self.labels.run, item): state for item, state in self.states.items()}
        )


def review_log(layout: ProjectLayout) -> LabelReviewLog:
    """The project's log of label events; made when it does not exist."""
    return LabelReviewLog(layout.curation_log)


def open_review(layout: ProjectLayout, run: str, user: str, session: str) -> LabelsUnderReview:
    """Labels of one author with all that was said of them.

    Raises
    ------
    InputMissingError
        If there are none.
    """
    found = labels_of(layout, run, user, session)
    if found is None:
        raise InputMissingError(f"{run}: expected labels by {user}/{session}, found none")
    labels, frame = found
    states = _states(layout, run)
    return LabelsUnderReview(
        labels=labels,
        contents=picks_contents(layout, run, user, session),
        tomogram_hash=frame_key(frame),
        states={i: s for (_, i), s in states.items() if (i.user, i.session) == (user, session)},
    )


def gold_labels(layout: ProjectLayout, run: str | None = None) -> tuple[LabelState, ...]:
    """Labels that an expert has accepted and somebody has locked."""
    return gold_items(_states(layout, run))


def _states(layout: ProjectLayout, run: str | None) -> dict[tuple[str, LabelItem], LabelState]:
    if not layout.curation_log.is_file():
        return {}
    return replay_labels(review_log(layout).events(run))
