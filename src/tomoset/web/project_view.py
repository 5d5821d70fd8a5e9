"""What the pages may see of a project: tomograms, tilts, picks and status, never the truth.

Clients name runs and tomograms; both are looked up in what the project lists, so that no path ever comes from a
client. Whatever a link in the project leads to outside of it, or into ``GroundTruth``, is refused.
"""

import dataclasses
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tomoset.errors import InputMissingError, ParameterError
from tomoset.formats.copick import TomogramEntry, list_picks, list_tomograms, read_config, read_picks
from tomoset.formats.ome_zarr import level_names, open_level_zarr, open_volume_zarr
from tomoset.geometry import Grid
from tomoset.model import ArraySource, Tilt, TiltSeries
from tomoset.web.image_cache import ImageCache
from tomoset.web.pictures import AXES, fit_within, slab_mean
from tomoset.workflow.plan import planned_runs
from tomoset.workflow.project import open_project
from tomoset.workflow.series_files import load_series
from tomoset.workflow.status import SERIES_DOCUMENTS, RunStatus, project_status

__all__ = ["MAX_PIXELS", "ProjectView", "TomogramChoice"]

MAX_PIXELS = 2048
_TILT_PIXELS = 1024
_THUMBNAIL_PIXELS = 512
_CACHE_BYTES = 256 * 2**20
# Latest first: each stage writes all that the one before it knew.


@dataclass(frozen=True, slots=True, kw_only=True)
class TomogramChoice:
    """A tomogram that can be looked at.

    Parameters
    ----------
    key : str
        ``"10.000/wbp"``: voxel size and kind, as clients name it.
    kind : str
    grid : Grid
    """

    key: str
    kind: str
    grid: Grid

    def as_json(self) -> dict[str, Any]:
        """Plain values; the shape in x, y, z as positions are."""
        return {
            "key": self.key,
            "kind": self.kind,
            "shape_xyz": list(self.grid.shape_zyx[::-1]),
            "voxel_size_angstrom": self.grid.voxel_size_angstrom,
        }


class ProjectView:
    """Read-only view of a project.

    Parameters
    ----------
    root : Path
        The project's folder.

    Raises
    ------
    InputMissingError
        If the folder is no project.
    """

    def __init__(self, root: Path) -> None:
        self.layout, self.recipe = open_project(root)
        self._cache = ImageCache(_CACHE_BYTES)

    @property
    def title(self) -> str:
        """One line on the dataset."""
        return self.recipe.title or self.recipe.name

    @property
    def run_names(self) -> tuple[str, ...]:
        """Runs of the project, those that have no data yet included."""
        return planned_runs(self.layout, self.recipe)

    def status(self) -> tuple[RunStatus, ...]:
        """How far each run is."""
        return project_status(self.layout, self.recipe)

    def require_run(self, run: str) -> str:
        """Return the name of a run that is here, or refuse it.

        Raises
        ------
        InputMissingError
            If the project has no such run.
        """
        known = self.run_names
        if run not in known:
            shown = ", ".join(known[:8]) + (" …" if len(known) > 8 else "")
            raise InputMissingError(
                f"expected a run of this project ({shown or 'it has none yet'}), found {run!r}; "
                "the dataset's page lists all runs"
            )
        return run

    def tomograms(self, run: str) -> tuple[TomogramChoice, ...]:
        """Tomograms of a run, the finest and whole ones (not halves) first."""
        choices = []
        for entry in self._entries(run):
            _, grid = open_volume_zarr(entry.path)
            choices.append(TomogramChoice(key=_key(entry), kind=entry.kind, grid=grid))
        return tuple(choices)

    def has_tomogram(self, run: str) -> bool:
        """Whether there is anything to look at."""
        return bool(self._entries(run))

    def runs(self) -> list[dict[str, Any]]:
        """Status of every run, with the tomograms it has."""
        return [
            dataclasses.asdict(status) | {"tomograms": [_key(entry) for entry in self._entries(status.run)]}
            for status in self.status()
        ]

    def run_facts(self, run: str) -> dict[str, Any]:
        """Tomograms and tilts of a run."""
        series = self._series(self.require_run(run))
        return {
            "run": run,
            "tomograms": [choice.as_json() for choice in self.tomograms(run)],
            "tilts": [] if series is None else [_tilt_facts(i, tilt) for i, tilt in enumerate(series.tilts)],
            "tilt_shape_yx": None if series is None else list(series.images_nyx.shape[1:]),
        }

    def objects(self) -> list[dict[str, Any]]:
        """Classes that can be labeled, with the colours they are drawn in."""
        return [
            {
                "name": item.name,
                "label": item.label,
                "radius_angstrom": item.radius_angstrom,
                "color": "#{:02x}{:02x}{:02x}".format(*item.color_rgba[:3]),
            }
            for item in read_config(self._inside(self.layout.copick_config)).objects
        ]

    def picks(self, run: str, tomogram: str = "") -> dict[str, Any]:
        """Picks of all authors, positions in voxels (x, y, z) of a tomogram."""
        entry = self._entry(run, tomogram)
        _, grid = open_volume_zarr(entry.path)
        rows: list[dict[str, Any]] = []
        for picks_entry in list_picks(self.layout.root, run):
            picks = read_picks(self._inside(picks_entry.path)).picks
            positions = grid.index_zyx(picks.positions_angstrom_xyz)[:, ::-1]
            scores = [None] * len(picks) if picks.scores is None else picks.scores.tolist()
            author = {"object": picks.object_name, "user": picks_entry.user, "session": picks_entry.session}
            rows += [
                {"x": x, "y": y, "z": z, **author, "score": score}
                for (x, y, z), score in zip(positions.tolist(), scores, strict=True)
            ]
        return {"run": run, "tomogram": _key(entry), "voxel_size_angstrom": grid.voxel_size_angstrom, "picks": rows}

    def section(
        self, run: str, *, axis: str, index: int | None, slab_angstrom: float, tomogram: str, longest: int
    ) -> NDArray[np.float32]:
        """Mean over a slab, at most ``longest`` pixels wide or high; the middle one when no index is given.

        Raises
        ------
        InputMissingError
            If there is no such run or tomogram.
        ParameterError
            If the index or the thickness is out of range.
        """
        entry = self._entry(run, tomogram)
        if not 1 <= longest <= MAX_PIXELS:
            raise ParameterError(f"size: expected 1 to {MAX_PIXELS} pixels, found {longest}")
        if not (math.isfinite(slab_angstrom) and slab_angstrom >= 0):
            raise ParameterError(f"slab: expected a thickness in Å, 0 or more, found {slab_angstrom:g}")
        volume, grid = open_volume_zarr(entry.path)
        number = AXES[axis]
        length = grid.shape_zyx[number]
        centre = length // 2 if index is None else index
        n_slices = min(max(1, round(slab_angstrom / grid.voxel_size_angstrom)), 2 * length)
        key = ("section", run, _key(entry), _written(entry.path), axis, centre, n_slices, longest)

        def compute() -> NDArray[np.float32]:
            level = _level_for(entry.path, grid, longest, n_slices) if 0 <= centre < length else 0
            if level == 0:
                return fit_within(slab_mean(volume, number, centre, n_slices), longest)
            coarse, _, _ = open_level_zarr(entry.path, level)
            middle = min(centre >> level, coarse.shape[number] - 1)
            return fit_within(slab_mean(coarse, number, middle, n_slices >> level), longest)

        return self._cache.get(key, compute)

    def tilt_image(self, run: str, index: int) -> NDArray[np.float32]:
        """One tilt image, averaged down to 1024 pixels.

        Raises
        ------
        InputMissingError
            If the run has no tilt images yet, or no such tilt.
        """
        series = self._series(self.require_run(run))
        if series is None:
            raise InputMissingError(f"expected tilt images of {run}, found none; `tomoset run` makes them")
        if not 0 <= index < len(series.tilts):
            raise InputMissingError(
                f"{run}: expected a tilt from 0 to {len(series.tilts) - 1}, found {index}; every tilt keeps its row"
            )
        stack = self.layout.series(run) / f"{run}.mrc"
        key = ("tilt", run, _written(stack), index)
        return self._cache.get(key, lambda: fit_within(_one_image(series.images_nyx, index), _TILT_PIXELS))

    def _entries(self, run: str) -> list[TomogramEntry]:
        entries = list_tomograms(self.layout.root, self.require_run(run))
        return sorted(entries, key=lambda e: (e.kind.endswith(("-odd", "-even")), e.voxel_size_angstrom))

    def _entry(self, run: str, tomogram: str) -> TomogramEntry:
        entries = self._entries(run)
        if not entries:
            raise InputMissingError(f"expected a tomogram of {run}, found none; `tomoset run` makes it")
        chosen = next((e for e in entries if not tomogram or _key(e) == tomogram), None)
        if chosen is None:
            raise InputMissingError(
                f"{run}: expected one of the tomograms {', '.join(map(_key, entries))}, found {tomogram!r}"
            )
        self._inside(chosen.path)
        return chosen

    def _series(self, run: str) -> TiltSeries | None:
        folder = self.layout.series(run)
        document = next((name for name in SERIES_DOCUMENTS if (folder / name).is_file()), None)
        if document is None:
            return None
        self._inside(folder / f"{run}.mrc")
        return load_series(folder, document)

    def _inside(self, path: Path) -> Path:
        """Refuse what a link leads out of the project or to the truth."""
        real, root, truth = path.resolve(), self.layout.root.resolve(), self.layout.ground_truth.resolve()
        if not real.is_relative_to(root) or real.is_relative_to(truth):
            raise InputMissingError(
                f"expected {path.name} inside the project, found a link that leads elsewhere; pages show only what "
                "lies in the project: move or copy it there"
            )
        return path


def _key(entry: TomogramEntry) -> str:
    return f"{entry.voxel_size_angstrom:.3f}/{entry.kind}"


def _level_for(path: Path, grid: Grid, longest: int, n_slices: int) -> int:
    """Coarsest level of the pyramid that is fine enough; thumbnails only, since coarse levels cut odd last voxels."""
    if longest > _THUMBNAIL_PIXELS:
        return 0
    fine = [k for k in range(len(level_names(path))) if max(grid.shape_zyx) >> k >= longest and n_slices >> k >= 1]
    return max(fine, default=0)


def _written(path: Path) -> int:
    """When it was written, so that a tomogram that was made again is read again."""
    return path.stat().st_mtime_ns


def _one_image(images_nyx: ArraySource, index: int) -> NDArray[np.float32]:
    return np.asarray(images_nyx.read((index,)), dtype=np.float32)


def _tilt_facts(index: int, tilt: Tilt) -> dict[str, Any]:
    return {
        "index": index,
        "name": tilt.name,
        "tilt_deg": tilt.nominal_tilt_deg,
        "acquisition_order": tilt.acquisition_order,
        "dose_e_per_angstrom2": tilt.dose_e_per_angstrom2,
        "dose_before_e_per_angstrom2": tilt.dose_before_e_per_angstrom2,
        "mean_counts": _finite(tilt.mean_counts),
        "defocus_angstrom": None if tilt.ctf is None else _finite(tilt.ctf.defocus_angstrom),
        "ctf_resolution_angstrom": None if tilt.ctf is None else _finite(tilt.ctf.resolution_angstrom),
        "motion_angstrom": None if tilt.motion is None else _finite(tilt.motion.total_angstrom),
        "use": tilt.use,
        "reason": tilt.reason,
    }


def _finite(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None
