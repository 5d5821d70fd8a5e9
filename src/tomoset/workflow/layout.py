"""Where everything of a project lies on disk; the only place that spells the folders' names."""

from dataclasses import dataclass
from pathlib import Path

__all__ = ["ProjectLayout"]


@dataclass(frozen=True, slots=True)
class ProjectLayout:
    """Paths of a project, which is at the same time a copick filesystem project.

    Parameters
    ----------
    root : Path
        The project's folder.
    """

    root: Path

    @property
    def recipe(self) -> Path:
        """The recipe, complete with every parameter."""
        return self.root / "recipe.toml"

    @property
    def copick_config(self) -> Path:
        """The copick configuration: objects and where their labels are."""
        return self.root / "copick_config.json"

    @property
    def raw(self) -> Path:
        """Folder of raw movies, one folder a run."""
        return self.root / "Raw"

    @property
    def ground_truth(self) -> Path:
        """Hidden root of the truth of simulated runs; processing never looks here."""
        return self.root / "GroundTruth"

    def structure(self, name: str) -> Path:
        """Copy of a structure file that an object looks like."""
        return self.root / "Structures" / name

    def curation(self, run: str) -> Path:
        """What the rules measured of a run and would decide."""
        return self.root / "Curation" / f"{run}.json"

    @property
    def curation_log(self) -> Path:
        """The append-only event log of people's and rules' verdicts."""
        return self.root / "Curation" / "project.db"

    @property
    def log(self) -> Path:
        """One JSON line an event."""
        return self.root / "Logs" / "events.jsonl"

    @property
    def scratch(self) -> Path:
        """Memory-mapped results under way; empty when nothing runs."""
        return self.root / ".scratch"

    @property
    def computed(self) -> tuple[Path, ...]:
        """Folders that steps write into."""
        return (self.raw, self.root / "TiltSeries", self.root / "ExperimentRuns", self.ground_truth)

    @property
    def lock(self) -> Path:
        """Locked by whoever computes in the project."""
        return self.root / ".lock"

    @property
    def report(self) -> Path:
        """Folder of the HTML report and its pictures."""
        return self.root / "Report"

    @property
    def evidence(self) -> Path:
        """What the labeled particles have in common: one folder an author, USER_SESSION."""
        return self.root / "Evidence"

    @property
    def score(self) -> Path:
        """The scores of the labels against the truth, JSON."""
        return self.root / "score.json"

    def raw_run(self, run: str) -> Path:
        """Folder of one run's movies, mdoc and gain, or of the pointer to them."""
        return self.raw / run

    def alignment(self, run: str) -> Path:
        """Folder of one run's alignment by another program, where one was imported."""
        return self.root / "Alignments" / run

    def series(self, run: str) -> Path:
        """Folder of one run's tilt images, their metadata and the alignment's exports."""
        return self.root / "TiltSeries" / run

    def experiment(self, run: str) -> Path:
        """Folder of one run's tomograms and labels (copick's layout)."""
        return self.root / "ExperimentRuns" / run

    def tomogram(self, run: str, voxel_size_angstrom: float, kind: str) -> Path:
        """OME-Zarr store of a tomogram."""
        return self.experiment(run) / f"VoxelSpacing{voxel_size_angstrom:.3f}" / f"{kind}.zarr"

    def truth(self, run: str) -> Path:
        """Folder of one simulated run's truth."""
        return self.ground_truth / run

    def record(self, stage: str, run: str) -> Path:
        """Provenance record of one step."""
        return self.root / "Provenance" / stage / f"{run}.json"

    def runs(self) -> tuple[str, ...]:
        """Names of the runs whose raw data are here, sorted."""
        if not self.raw.is_dir():
            return ()
        return tuple(sorted(p.name for p in self.raw.iterdir() if p.is_dir() and not p.name.startswith(".")))
