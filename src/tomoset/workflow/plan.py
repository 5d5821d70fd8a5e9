"""What would run, what is done, and why."""

from dataclasses import dataclass
from typing import Literal

from tomoset.errors import TomosetError
from tomoset.workflow.keys import content_key
from tomoset.workflow.layout import ProjectLayout
from tomoset.workflow.recipe import Recipe
from tomoset.workflow.records import StepRecord, is_complete, read_record
from tomoset.workflow.step import Step
from tomoset.workflow.steps import raw_key, steps_for, steps_until

__all__ = ["PlannedStep", "make_plan", "planned_runs"]


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedStep:
    """One step of one run: its key, whether its result is there, and why not.

    Parameters
    ----------
    step : Step
    run : str
    key : str
    inputs : dict of str to str
        Keys of what it is computed from.
    state : {"done", "to do"}
    why : str
        ``"never ran"``, ``"parameters changed"`` …; empty when done.
    """

    step: Step
    run: str
    key: str
    inputs: dict[str, str]
    state: Literal["done", "to do"]
    why: str


def planned_runs(layout: ProjectLayout, recipe: Recipe) -> tuple[str, ...]:
    """Runs of a project: those the recipe simulates, or those whose movies were imported."""
    return recipe.run_names() if recipe.is_simulated else layout.runs()


def make_plan(
    layout: ProjectLayout, recipe: Recipe, *, until: str | None = None, only: tuple[str, ...] = ()
) -> tuple[PlannedStep, ...]:
    """Plan of all runs in order, each run's steps in theirs.

    Parameters
    ----------
    layout : ProjectLayout
    recipe : Recipe
    until : str or None
        Last noun wanted.
    only : tuple of str
        Runs wanted; empty means all.
    """
    runs = [run for run in planned_runs(layout, recipe) if not only or run in only]
    steps = steps_until(steps_for(recipe), until, recipe)
    return tuple(planned for run in runs for planned in _plan_run(layout, recipe, run, steps))


def _plan_run(layout: ProjectLayout, recipe: Recipe, run: str, steps: tuple[Step, ...]) -> list[PlannedStep]:
    planned: dict[str, PlannedStep] = {}
    for step in steps:
        upstream = planned.get(step.needs(recipe))
        inputs = _first_inputs(layout, recipe, run, step) if upstream is None else {upstream.step.name: upstream.key}
        params, inputs = step.params(recipe), inputs | step.said(layout, run)
        upstream_todo = upstream is not None and upstream.state == "to do"
        key = content_key(step.name, step.version, params, inputs)
        record = read_record(layout, step.name, run)
        done = not upstream_todo and is_complete(layout, record, key)
        why = "" if done else _why(record, key, inputs, upstream_todo, step)
        state: Literal["done", "to do"] = "done" if done else "to do"
        planned[step.name] = PlannedStep(step=step, run=run, key=key, inputs=inputs, state=state, why=why)
    return list(planned.values())


def _first_inputs(layout: ProjectLayout, recipe: Recipe, run: str, first: Step) -> dict[str, str]:
    if recipe.is_simulated:
        return {"recipe": f"seed {recipe.seed}, run {run}"}
    try:
        return {"raw": raw_key(layout, run)}
    except TomosetError:
        # Movies that were archived after use are no reason to lose what was made of them, nor may one run's trouble
        # hide the others' plan: the step that needs these movies says what is wrong with them.
        record = read_record(layout, first.name, run)
        return {"raw": "missing"} if record is None else record.inputs


def _why(record: StepRecord | None, key: str, inputs: dict[str, str], upstream_todo: bool, step: Step) -> str:
    if record is None:
        return "its movies are not there" if inputs == {"raw": "missing"} else "never ran"
    if record.key == key:
        return "follows a step that runs again" if upstream_todo else "its files are missing or changed"
    if record.stage_version != step.version:
        return f"method changed (version {record.stage_version} -> {step.version})"
    return "its input changed" if record.inputs != inputs else "parameters changed"
