"""The benchmark's tasks, in steps of difficulty, and what a submission to each must hold."""

from dataclasses import dataclass
from typing import Literal, get_args

from tomoset.benchmark.intervals import Statistic
from tomoset.errors import ParameterError

__all__ = ["LEVELS", "TASKS", "Kind", "Level", "Task", "find_task"]

Kind = Literal["localisation", "classification", "semantic", "instance", "membrane"]
Track = Literal["simulated", "measured"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Level:
    """A step of difficulty.

    Parameters
    ----------
    number : int
        From 1, easiest first.
    recipe : str
        Name of the recipe whose specimens it is made of.
    title : str
        What is in the ice.
    has_membranes : bool
    """

    number: int
    recipe: str
    title: str
    has_membranes: bool = False


LEVELS = (
    Level(number=1, recipe="three_proteins", title="three proteins: apoferritin, proteasome, PP7 virus-like particles"),
    Level(number=2, recipe="seven_proteins", title="seven proteins, TMV and liposomes", has_membranes=True),
    Level(number=3, recipe="pelagibacter", title="Pelagibacter cells", has_membranes=True),
    Level(number=4, recipe="minicell", title="E. coli minicells", has_membranes=True),
    Level(number=5, recipe="syn3a", title="JCVI-syn3A cells", has_membranes=True),
)
"""As the paper orders its datasets."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """One thing to be done on one level.

    Parameters
    ----------
    level : Level
    kind : {"localisation", "classification", "semantic", "instance", "membrane"}
    track : {"simulated", "measured"}
    main_metric : Statistic
        By which methods are ranked; higher is better.
    submission : str
        What to hand in, in one sentence.
    """

    level: Level
    kind: Kind
    track: Track
    main_metric: Statistic
    submission: str

    @property
    def name(self) -> str:
        """Unique name, such as ``level2-classification-simulated``."""
        return f"level{self.level.number}-{self.kind}-{self.track}"


_TABLE = (
    "a .csv of experiment, particle_type, x, y, z (Å from the centre of voxel (0, 0, 0)) and, if there is one, score"
)
_MASKS = "a copick project, or a folder of RUN.mrc or RUN.zarr, with one mask a tomogram"
_COPICK = "or a copick project with picks"
_METRIC: dict[Kind, Statistic] = {
    "localisation": "f1_any_class",
    "classification": "mean_f1",
    "semantic": "mean_dice",
    "instance": "panoptic_quality",
    "membrane": "surface_dice",
}
_SUBMISSION: dict[Kind, str] = {
    "localisation": f"{_TABLE}, {_COPICK}; classes are not looked at",
    "classification": f"{_TABLE}, {_COPICK}",
    "semantic": f"{_MASKS} of uint8, values as the configuration labels the classes",
    "instance": f"{_MASKS} of uint32, every individual its own number",
    "membrane": f"{_MASKS} of uint8, values as the configuration labels the membranes",
}


def _tasks() -> tuple[Task, ...]:
    tracks: tuple[Track, ...] = get_args(Track)
    kinds: tuple[Kind, ...] = get_args(Kind)
    return tuple(
        Task(level=level, kind=kind, track=track, main_metric=_METRIC[kind], submission=_SUBMISSION[kind])
        for level in LEVELS
        for kind in kinds
        for track in tracks
        # Nobody knows the true voxels or membranes of measured tomograms well enough to rank methods by them.
        if (level.has_membranes or kind != "membrane") and (track == "simulated" or kind in _MEASURED)
    )


_MEASURED: tuple[Kind, ...] = ("localisation", "classification")
TASKS = _tasks()
"""All tasks, easiest level first."""


def find_task(name: str) -> Task:
    """Return the task of a name.

    Raises
    ------
    ParameterError
        If there is none.
    """
    for task in TASKS:
        if task.name == name:
            return task
    raise ParameterError(
        f"task {name!r}: expected one such as {TASKS[0].name}; `tomoset benchmark tasks` lists all {len(TASKS)}"
    )
