"""What of a simulated run the views could show: how often each molecule was seen, what is cut, what the wedge hides."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tomoset.formats.atomic import atomic_path
from tomoset.geometry import Grid
from tomoset.microscope import MicroscopeParams
from tomoset.model import SeriesTruth
from tomoset.structures import Structure, hidden_in_wedge, molecule_flags, share_hidden_of_line

__all__ = ["save_truth_flags", "truth_flags"]


def truth_flags(
    truth: SeriesTruth, structures: Mapping[str, Structure], params: MicroscopeParams, grid: Grid
) -> dict[str, NDArray[Any]]:
    """Flags by the names of ``specimen.npz``'s arrays.

    Parameters
    ----------
    truth : SeriesTruth
    structures : mapping of str to Structure
        Of every species.
    params : MicroscopeParams
        Frames that the views are.
    grid : Grid
        Of the masks, whose border may cut a molecule.

    Returns
    -------
    dict of str to array
        For molecules i: ``views_i`` (n,) views whose frame holds the centre, ``cut_i`` (n,) whether the grid's border
        cuts it. For membrane i: ``hidden_i`` (n,) whether the missing wedge hides the patch about each vertex. For
        filament i: ``hidden_share_i`` (n - 1,) share of each piece's Fourier transform that lies in the wedge.
    """
    flags: dict[str, NDArray[Any]] = {}
    for i, molecules in enumerate(truth.specimen.molecules):
        flags[f"views_{i}"], flags[f"cut_{i}"] = molecule_flags(
            molecules.positions_angstrom_xyz,
            structures[molecules.species].radius_angstrom,
            truth.geometry,
            params.frame_shape_yx,
            params.pixel_size_angstrom,
            grid,
        )
    tilts = truth.geometry.y_tilt_deg
    if len(tilts) < 2:
        return flags  # one view has no wedge to speak of: it measures one plane
    first, last = float(tilts.min()), float(tilts.max())
    for i, membrane in enumerate(truth.specimen.membranes):
        flags[f"hidden_{i}"] = hidden_in_wedge(membrane.normals, first, last)
    for i, filament in enumerate(truth.specimen.filaments):
        flags[f"hidden_share_{i}"] = share_hidden_of_line(np.diff(filament.curve_angstrom_xyz, axis=0), first, last)
    return flags


def save_truth_flags(folder: Path, flags: Mapping[str, NDArray[Any]]) -> Path:
    """Write the flags as ``flags.npz`` into the folder of a run's truth."""
    path = folder / "flags.npz"
    with atomic_path(path) as temporary, temporary.open("wb") as stream:
        np.savez_compressed(stream, allow_pickle=False, **flags)
    return path
