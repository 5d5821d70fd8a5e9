"""What a step of the chain is: a stage as the workflow sees it."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tomoset.model import Progress, Resources
from tomoset.workflow.layout import ProjectLayout
from tomoset.workflow.recipe import Recipe

__all__ = ["Step", "StepContext"]


@dataclass(frozen=True, slots=True, kw_only=True)
class StepContext:
    """Everything a step may use: where the project lies, what the recipe says, and the means to work."""

    layout: ProjectLayout
    recipe: Recipe
    run: str
    resources: Resources
    progress: Progress


def _nothing_said(_layout: ProjectLayout, _run: str) -> dict[str, str]:
    return {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One stage as the workflow sees it.

    Parameters
    ----------
    name : str
        Of the stage, also the folder of its records.
    noun : str
        What it yields, for ``--until``.
    version : str
        Of the stage's method.
    params : callable
        ``recipe -> what changes the answer``.
    execute : callable
        Does the work and returns the files and folders it wrote.
    needs : callable
        ``recipe -> name of the step`` whose answer it starts from; empty for the first one.
    said : callable
        ``layout, run -> what people have said`` that the answer depends on, as inputs.
    """

    name: str
    noun: str
    version: str
    params: Callable[[Recipe], Any]
    execute: Callable[[StepContext], list[Path]]
    needs: Callable[[Recipe], str]
    said: Callable[[ProjectLayout, str], dict[str, str]] = _nothing_said
