"""Where the truth is kept that labels are scored against: a simulation's hidden root, a copick project, a table."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tomoset.annotation import specimen_frame, truth_labels
from tomoset.benchmark import Surroundings, labels_from_rows, truth_version
from tomoset.errors import InputMissingError, ParameterError
from tomoset.formats.copick import list_picks, list_runs
from tomoset.model import Labels, PickableObject, Picks, SeriesTruth, Tomogram
from tomoset.workflow.label_files import labeled_voxel_size, load_labels
from tomoset.workflow.layout import ProjectLayout
from tomoset.workflow.submissions import project_objects, read_submission
from tomoset.workflow.tomogram_files import load_tomogram, reconstructed_kind
from tomoset.workflow.truth_files import load_truth

__all__ = ["Truth", "is_simulated", "load_simulated_truth", "load_stated_truth"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Truth:
    """What is true, in the frames of the tomograms that the predictions were made on.

    Parameters
    ----------
    objects : tuple of PickableObject
        The classes that are scored.
    labels : tuple of Labels
        One a tomogram.
    version : str
        Hash of its content.
    mask_objects : tuple of PickableObject
        Classes of masks: those and what is no particle, such as membranes.
    surroundings : dict of str to Surroundings
        By run, where the tomogram's size is known.
    simulated : dict of str to (SeriesTruth, Tomogram)
        By run, for a simulation's own root.
    """

    objects: tuple[PickableObject, ...]
    labels: tuple[Labels, ...]
    version: str
    mask_objects: tuple[PickableObject, ...] = ()
    surroundings: dict[str, Surroundings] = field(default_factory=dict)
    simulated: dict[str, tuple[SeriesTruth, Tomogram]] = field(default_factory=dict)


def is_simulated(root: Path) -> bool:
    """Whether a folder is the hidden root of simulated series: one folder a run with ``truth.json``."""
    return root.is_dir() and any(root.glob("*/truth.json"))


def load_simulated_truth(root: Path, predicted_root: Path, *, user: str, session: str) -> Truth:
    """The truth of simulated series, carried into the tomograms that an author's picks were made on.

    Parameters
    ----------
    root : Path
        The hidden root.
    predicted_root : Path
        Project or copick release that holds those tomograms' geometry.
    user, session : str
        Whose picks.

    Raises
    ------
    InputMissingError
        If there is no truth, or no tomogram to bring it into.
    """
    runs = sorted(path.parent.name for path in root.glob("*/truth.json")) if root.is_dir() else []
    if not runs:
        raise InputMissingError(f"expected truth at {root}/RUN/truth.json, found none; measured data have no truth")
    layout = ProjectLayout(predicted_root)
    labels: list[Labels] = []
    specimens: list[Labels] = []
    surroundings: dict[str, Surroundings] = {}
    simulated: dict[str, tuple[SeriesTruth, Tomogram]] = {}
    objects: tuple[PickableObject, ...] = ()
    mask_objects: tuple[PickableObject, ...] = ()
    for run in runs:
        truth = load_truth(root / run)
        mask_objects = truth.objects
        objects = tuple(item for item in truth.objects if item.is_particle)
        voxel = labeled_voxel_size(layout, run, user, session, tuple(item.name for item in objects))
        tomogram = load_tomogram(layout, run, voxel, reconstructed_kind(layout, run, voxel))
        labels.append(truth_labels(truth, tomogram))
        specimens.append(_as_simulated(truth, objects))
        surroundings[run] = _surroundings(truth, tomogram)
        simulated[run] = (truth, tomogram)
    return Truth(
        objects=objects,
        labels=tuple(labels),
        version=truth_version(specimens, objects),
        mask_objects=mask_objects,
        surroundings=surroundings,
        simulated=simulated,
    )


def _as_simulated(truth: SeriesTruth, objects: Sequence[PickableObject]) -> Labels:
    """The specimen itself as labels: its hash does not depend on who reconstructed the tomogram."""
    picks = tuple(
        Picks(
            object_name=molecules.species,
            positions_angstrom_xyz=molecules.positions_angstrom_xyz,
            rotations=molecules.rotations,
        )
        for molecules in truth.specimen.molecules
        if molecules.species in {item.name for item in objects}
    )
    return Labels(run=truth.specimen.run, user="truth", session="0", voxel_size_angstrom=1.0, picks=_joined(picks))


def _joined(picks: Sequence[Picks]) -> tuple[Picks, ...]:
    """One entry a class, for species that live in several compartments."""
    import numpy as np

    return tuple(
        Picks(
            object_name=name,
            positions_angstrom_xyz=np.concatenate([p.positions_angstrom_xyz for p in picks if p.object_name == name]),
            rotations=np.concatenate([p.rotations for p in picks if p.object_name == name and p.rotations is not None]),
        )
        for name in sorted({p.object_name for p in picks})
    )


def _surroundings(truth: SeriesTruth, tomogram: Tomogram) -> Surroundings:
    """Size of the volume; the ice is the specimen's slab about its middle, moved with the specimen."""
    fit = specimen_frame(truth, tomogram)
    half = truth.specimen.thickness_angstrom / 2
    (_, _, middle) = tomogram.grid.volume_from_specimen(fit.translation_angstrom_xyz)
    x, y, z = (float(n) for n in tomogram.grid.size_angstrom_xyz)
    return Surroundings(size_angstrom_xyz=(x, y, z), ice_angstrom_z=(float(middle) - half, float(middle) + half))


def load_stated_truth(
    source: Path, predicted_root: Path, *, user: str = "", session: str = "", config: Path | None = None
) -> Truth:
    """The truth that people or a release state: a copick project, or a table of picks.

    Parameters
    ----------
    source : Path
        Folder of a copick project, or a ``.csv`` of ``experiment, particle_type, x, y, z``.
    predicted_root : Path
        Where classes and tomograms' sizes are looked for when the source lacks them.
    user, session : str
        Whose picks of the copick project; may be left out where there is only one.
    config : Path, optional
        copick configuration that names the classes and their radii.

    Raises
    ------
    InputMissingError
        If there is no such truth, or nothing says how large the particles are.
    ParameterError
        If several authors' picks could be meant.
    """
    if source.suffix == ".csv":
        objects = project_objects(config, predicted_root, source.parent)
        rows = read_submission(source)
        labels = tuple(labels_from_rows(rows, user="truth", session="0", voxel_size_angstrom=1.0))
        sizes = _sizes(predicted_root, [each.run for each in labels])
    elif source.is_dir() and list_runs(source):
        objects = project_objects(config, source, predicted_root)
        user, session = _author(source, user, session)
        labels = tuple(_labels_of(source, run, user, session, objects) for run in list_runs(source))
        labels = tuple(each for each in labels if each.picks or each.segmentations or each.filaments)
        sizes = _sizes(predicted_root, [each.run for each in labels]) or _sizes(source, [e.run for e in labels])
    else:
        raise InputMissingError(
            f"expected the truth at {source}: a simulated project's GroundTruth, a copick project, or a .csv of "
            "experiment, particle_type, x, y, z; found none of them"
        )
    if not labels:
        raise InputMissingError(f"expected labels by {user!r} (session {session!r}) in {source}, found none")
    particles = tuple(item for item in objects if item.is_particle)
    return Truth(
        objects=particles,
        labels=labels,
        version=truth_version(labels, particles),
        mask_objects=objects,
        surroundings=sizes,
    )


def _author(root: Path, user: str, session: str) -> tuple[str, str]:
    found = {(entry.user, entry.session) for run in list_runs(root) for entry in list_picks(root, run)}
    wanted = sorted(pair for pair in found if user in ("", pair[0]) and session in ("", pair[1]))
    if len(wanted) > 1:
        listed = ", ".join(f"{one} (session {other})" for one, other in wanted)
        raise ParameterError(
            f"{root}: expected one author of the truth, found {listed}; say --truth-user and --truth-session"
        )
    return wanted[0] if wanted else (user, session)


def _labels_of(root: Path, run: str, user: str, session: str, objects: Sequence[PickableObject]) -> Labels:
    layout = ProjectLayout(root)
    names = tuple(item.name for item in objects)
    try:
        voxel = labeled_voxel_size(layout, run, user, session, names)
    except InputMissingError:  # a root of labels alone has no tomograms: take whatever voxel size its labels name
        voxel = _stated_voxel_size(root, run, user, session)
    return load_labels(layout, run, user, session, names, voxel)


def _stated_voxel_size(root: Path, run: str, user: str, session: str) -> float:
    from tomoset.formats.copick import list_segmentations, read_picks

    said = [
        read_picks(entry.path).voxel_size_angstrom
        for entry in list_picks(root, run)
        if (entry.user, entry.session) == (user, session)
    ]
    said += [
        entry.voxel_size_angstrom
        for entry in list_segmentations(root, run)
        if (entry.user, entry.session) == (user, session)
    ]
    return next((size for size in said if size is not None), 1.0)


def _sizes(root: Path, runs: Sequence[str]) -> dict[str, Surroundings]:
    """Sizes of the tomograms that are there."""
    from tomoset.formats.copick import list_tomograms
    from tomoset.formats.ome_zarr import open_volume_zarr

    sizes = {}
    for run in runs if root.is_dir() else ():
        for entry in list_tomograms(root, run)[:1]:
            x, y, z = (float(n) for n in open_volume_zarr(entry.path)[1].size_angstrom_xyz)
            sizes[run] = Surroundings(size_angstrom_xyz=(x, y, z))
    return sizes
