"""Labels follow the tomogram: from one reconstruction of a tilt series to another with a different geometry.

Two geometries of the same images differ by a rigid motion of the specimen (:mod:`tomoset.annotation.frames`) and by
what no rigid motion explains. A label's projections into the images through the source's geometry are rays in the
target's: where they meet best is the label's place there. How badly they meet says how sure that place is.
"""

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tomoset.annotation.frames import FrameFit, fit_specimen_frames
from tomoset.errors import GeometryError, ParameterError
from tomoset.geometry import Grid, TiltGeometry
from tomoset.model import IGNORE, InMemory, Labels, MembraneSurface, Picks, Segmentation

__all__ = ["TomogramFrame", "TransferParams", "carry_mask", "transfer_labels", "transfer_methods_text"]

Floats = NDArray[np.float64]

_LARGEST_ANGSTROM = 1e4
# Relative spread of the views' weights in what is seen of a particle: damage fades the contrast of 30 Å detail to 0.5
# over 100 e/Å² (Grant & Grigorieff 2015), and weighting by dose squares that.
_WEIGHT_SPREAD = 0.4
_MEDIAN_OF_RMS = 1.5382 / math.sqrt(3.0)  # of the length of a vector of three equal normal components
_SLAB_VOXELS = 1 << 23
_AT_ONCE = 1 << 15


@dataclass(frozen=True, slots=True, kw_only=True)
class TransferParams:
    """How labels are moved.

    Parameters
    ----------
    rigid_only : bool
        Whether to move all labels by one rigid motion; else each also follows the local disagreement of the
        geometries (bending, a field, a drift of single views).
    largest_error_angstrom : float
        Labels are refused when the error that remains is larger (rms, Å).

    Raises
    ------
    ParameterError
        If the limit is not positive.
    """

    rigid_only: bool = False
    largest_error_angstrom: float = 15.0

    def __post_init__(self) -> None:
        """Refuse a limit that is none."""
        if not 0 < self.largest_error_angstrom <= _LARGEST_ANGSTROM:
            raise ParameterError(
                f"transfer.largest_error_angstrom: expected 0 Å to {_LARGEST_ANGSTROM:g} Å, found "
                f"{self.largest_error_angstrom}"
            )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TomogramFrame:
    """All of a tomogram that labels' positions depend on.

    Parameters
    ----------
    run : str
    grid : Grid
    geometry : TiltGeometry
        Of all rows of the series.
    tilt_indices : tuple of int
        Rows that were used.
    """

    run: str
    grid: Grid
    geometry: TiltGeometry
    tilt_indices: tuple[int, ...]


def transfer_methods_text(params: TransferParams) -> str:
    """One citable sentence."""
    local = "" if params.rigid_only else ", and each to where its rays meet best in the target's geometry"
    return (
        "Labels were moved between reconstructions by the rigid motion of the specimen that best maps one projection "
        f"geometry to the other{local}; sets with more than {params.largest_error_angstrom:g} Å of remaining error "
        "(rms) were refused."
    )


def transfer_labels(labels: Labels, source: TomogramFrame, target: TomogramFrame, params: TransferParams) -> Labels:
    """Move everything that was labeled in one tomogram to another one of the same series.

    Parameters
    ----------
    labels : Labels
        Made in the source.
    source, target : TomogramFrame
        Two reconstructions of the same rows: other alignment, other binning, another program's geometry.
    params : TransferParams

    Returns
    -------
    Labels
        Picks whose centre lies outside the target are left out and counted (``outside_the_volume``); so are filaments
        and membranes all of whose points do. ``notes`` also hold ``transfer_error_angstrom``, the rms error of the
        positions that remains (and its median), the rms local correction, the rigid motion, the geometries' residual.

    Raises
    ------
    GeometryError
        If the two are not of one series, share fewer than three views, or the error that remains is above the limit.
    """
    _check_same_series(labels, source, target)
    rows = np.array(sorted(set(source.tilt_indices) & set(target.tilt_indices)), dtype=np.intp)
    if len(rows) < 3:
        raise GeometryError(
            f"{labels.run}: expected three or more views that both tomograms were made from, found {len(rows)}"
        )
    extent = np.minimum(source.grid.size_angstrom_xyz, target.grid.size_angstrom_xyz)
    fit = fit_specimen_frames(source.geometry.select(rows), target.geometry.select(rows), extent)
    move = _Move(source, target, rows, fit, params)
    error = move.error_angstrom(_all_points(labels))
    if not error.total <= params.largest_error_angstrom:
        raise GeometryError(
            f"{labels.run}: expected labels to keep their places to {params.largest_error_angstrom:g} Å, found "
            f"{error.total:.1f} Å (rms) that moving them leaves, because the two alignments disagree by "
            f"{fit.residual_angstrom:.1f} Å in the images; align better, or raise the limit if that is enough"
        )
    picks = tuple(_moved_picks(each, move) for each in labels.picks)
    inside = tuple(each.select(target.grid.contains(each.positions_angstrom_xyz)) for each in picks)
    filaments = [replace(f, points_angstrom_xyz=move.points(f.points_angstrom_xyz)) for f in labels.filaments]
    membranes = [_moved_membrane(each, move) for each in labels.membranes]
    kept_filaments = tuple(f for f in filaments if target.grid.contains(f.points_angstrom_xyz).any())
    kept_membranes = tuple(m for m in membranes if target.grid.contains(m.vertices_angstrom_xyz).any())
    lost = sum(map(len, picks)) - sum(map(len, inside))
    lost += len(filaments) - len(kept_filaments) + len(membranes) - len(kept_membranes)
    return replace(
        labels,
        voxel_size_angstrom=target.grid.voxel_size_angstrom,
        picks=inside,
        segmentations=tuple(carry_mask(each, source, target, fit) for each in labels.segmentations),
        filaments=kept_filaments,
        membranes=kept_membranes,
        method=f"{labels.method} {transfer_methods_text(params)}".strip(),
        notes=labels.notes | _notes(fit, error) | {"outside_the_volume": float(lost)},
    )


def _check_same_series(labels: Labels, source: TomogramFrame, target: TomogramFrame) -> None:
    if not labels.run == source.run == target.run:
        raise GeometryError(
            f"expected labels and tomograms of one series, found {labels.run}, {source.run} and {target.run}"
        )
    if source.geometry.n_tilts != target.geometry.n_tilts:
        raise GeometryError(
            f"{labels.run}: expected two geometries of the same rows, found {source.geometry.n_tilts} and "
            f"{target.geometry.n_tilts}; every tilt keeps its row, also where it was not used"
        )
    if abs(labels.voxel_size_angstrom / source.grid.voxel_size_angstrom - 1) > 1e-3:
        raise GeometryError(
            f"{labels.run}: expected labels of the source's {source.grid.voxel_size_angstrom:g} Å, found "
            f"{labels.voxel_size_angstrom:g} Å; name the tomogram that they were made in"
        )


@dataclass(frozen=True, slots=True)
class _Error:
    """What moving leaves, Å: rms and median over the labels, and the rms of the local disagreement."""

    total: float
    median: float
    local: float


@dataclass(frozen=True, slots=True, eq=False)
class _Move:
    """From the source's volume frame to the target's."""

    source: TomogramFrame
    target: TomogramFrame
    rows: NDArray[np.intp]
    fit: FrameFit
    params: TransferParams

    def points(self, positions_angstrom_xyz: ArrayLike) -> Floats:
        """Target positions (n, 3), Å."""
        rigid, local, _ = self._meet(positions_angstrom_xyz)
        return self.target.grid.volume_from_specimen(rigid if self.params.rigid_only else rigid + local)

    def error_angstrom(self, positions_angstrom_xyz: Floats) -> _Error:
        """What is not known of the places that :meth:`points` gives, rms over the labels."""
        if not len(positions_angstrom_xyz):
            return _Error(self.fit.residual_angstrom, self.fit.residual_angstrom, 0.0)
        _, local, variance = self._meet(positions_angstrom_xyz)
        squared = np.sum(local**2, axis=1)
        left = squared if self.params.rigid_only else np.zeros_like(squared)
        return _Error(
            total=math.sqrt(float(np.mean(left + variance))),
            median=math.sqrt(float(np.median(left + _MEDIAN_OF_RMS**2 * variance))),
            local=math.sqrt(float(np.mean(squared))),
        )

    def _meet(self, positions_angstrom_xyz: ArrayLike) -> tuple[Floats, Floats, Floats]:
        """:meth:`_meet_some` of any number of points, a bounded number at a time."""
        points = np.asarray(positions_angstrom_xyz, dtype=np.float64).reshape(-1, 3)
        parts = [self._meet_some(points[i : i + _AT_ONCE]) for i in range(0, max(1, len(points)), _AT_ONCE)]
        rigid, local, variance = (np.concatenate(each) for each in zip(*parts, strict=True))
        return rigid, local, variance

    def _meet_some(self, positions_angstrom_xyz: Floats) -> tuple[Floats, Floats, Floats]:
        """Rigidly moved positions, the corrections (n, 3) that make the rays meet, and their variances (n,), Å².

        The place where rays meet is a least-squares mean over views that weigh the same; in the tomogram some show
        more of a particle than others do, and its density meets elsewhere, by the weights' relative spread times the
        standard error of that mean.
        """
        points = self.source.grid.specimen_from_volume(positions_angstrom_xyz)
        seen = self.source.geometry.select(self.rows).project(points)
        target = self.target.geometry.select(self.rows)
        rigid = self.fit.apply(points)
        forward = target.image_from_specimen[:, :2].reshape(-1, 3)
        inverse = np.linalg.pinv(forward)
        local = np.zeros_like(rigid)
        for _ in range(3):  # a field or magnification makes the projection slightly non-linear
            left = seen - target.project(rigid + local)
            local = local + np.moveaxis(left, 1, 0).reshape(len(points), len(forward)) @ inverse.T
        left = seen - target.project(rigid + local)
        scatter = np.sum(left**2, axis=(0, 2)) / max(1, forward.shape[0] - 3)
        variance = scatter * _WEIGHT_SPREAD**2 * float(np.trace(inverse @ inverse.T))
        return rigid, local, np.asarray(variance, dtype=np.float64)


def _all_points(labels: Labels) -> Floats:
    parts = [np.zeros((0, 3))]
    parts += [p.positions_angstrom_xyz for p in labels.picks]
    parts += [f.points_angstrom_xyz for f in labels.filaments]
    parts += [m.vertices_angstrom_xyz for m in labels.membranes]
    return np.concatenate(parts)


def _moved_picks(picks: Picks, move: _Move) -> Picks:
    return replace(
        picks,
        positions_angstrom_xyz=move.points(picks.positions_angstrom_xyz),
        rotations=None if picks.rotations is None else move.fit.rotation @ picks.rotations,
    )


def _moved_membrane(membrane: MembraneSurface, move: _Move) -> MembraneSurface:
    return replace(
        membrane,
        vertices_angstrom_xyz=move.points(membrane.vertices_angstrom_xyz),
        normals=membrane.normals @ move.fit.rotation.T,
    )


def _notes(fit: FrameFit, error: _Error) -> dict[str, float]:
    turn = math.degrees(math.acos(min(1.0, max(-1.0, (float(np.trace(fit.rotation)) - 1) / 2))))
    return {
        "transfer_error_angstrom": error.total,
        "transfer_error_median_angstrom": error.median,
        "transfer_local_angstrom": error.local,
        "geometry_residual_angstrom": fit.residual_angstrom,
        "frame_turn_deg": turn,
        "frame_translation_angstrom": float(np.linalg.norm(fit.translation_angstrom_xyz)),
    }


def carry_mask(mask: Segmentation, source: TomogramFrame, target: TomogramFrame, fit: FrameFit) -> Segmentation:
    """Sample a mask on the target's grid by the rigid motion.

    Parameters
    ----------
    mask : Segmentation
        On a grid with the source's origin, of any voxel size.
    source, target : TomogramFrame
    fit : FrameFit
        From the source's to the target's specimen frame.

    Returns
    -------
    Segmentation
        Nearest values of classes and individuals, linear ones of probabilities. What the source's grid did not cover
        is ``IGNORE`` in a semantic mask and 0 in the others.
    """
    from scipy.ndimage import map_coordinates

    values = mask.mask_zyx.read()
    is_probability = mask.kind == "probability"
    outside = IGNORE if mask.kind == "semantic" else 0
    out = np.empty(target.grid.shape_zyx, dtype=values.dtype)
    nz, ny, nx = out.shape
    slab = max(1, _SLAB_VOXELS // (ny * nx))
    back = fit.rotation.T
    y, x = np.meshgrid(np.arange(ny), np.arange(nx), indexing="ij")
    for first in range(0, nz, slab):
        z = np.arange(first, min(first + slab, nz))
        index = np.stack(np.broadcast_arrays(z[:, None, None], y[None], x[None]), axis=-1)
        specimen = target.grid.specimen_from_volume(target.grid.position_angstrom_xyz(index))
        there = source.grid.volume_from_specimen((specimen - fit.translation_angstrom_xyz) @ back.T)
        at = np.moveaxis(there[..., ::-1], -1, 0) / mask.voxel_size_angstrom
        map_coordinates(
            values, at, out[first : first + slab], order=1 if is_probability else 0, mode="constant", cval=outside
        )
    return replace(mask, mask_zyx=InMemory(out), voxel_size_angstrom=target.grid.voxel_size_angstrom)
