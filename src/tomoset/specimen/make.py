"""The verb: amounts of known structures become a specimen."""

from collections.abc import Mapping

import numpy as np

from tomoset.errors import PackingError, ParameterError
from tomoset.model import CompositionRow, Molecules, Progress, Silent, Specimen
from tomoset.specimen.amounts import mg_per_ml_from_copies, requested
from tomoset.specimen.components import Component
from tomoset.specimen.packing import PackingBox, insert
from tomoset.specimen.params import SpecimenParams
from tomoset.specimen.poses import (
    PROTEIN_ANGSTROM3_PER_DALTON,
    PoseBank,
    make_pose_bank,
    scatterer_radius_angstrom,
)
from tomoset.structures import Structure

__all__ = ["make_specimen", "methods_text"]

DENSEST_RANDOM_FRACTION = 0.64  # random close packing of equal spheres


def make_specimen(
    run: str,
    params: SpecimenParams,
    *,
    size_xy_angstrom: tuple[float, float],
    structures: Mapping[str, Structure],
    rng: np.random.Generator,
    progress: Progress | None = None,
) -> Specimen:
    """Place the molecules of a recipe in a slab of ice, without overlap.

    Parameters
    ----------
    run : str
        Name of the tilt series it will become.
    params : SpecimenParams
        What to place, and in how thick an ice.
    size_xy_angstrom : (2,) tuple of float
        Lateral size of the slab, Å. Centres fill it evenly; a molecule at its edge reaches over it, and what lies at
        the opposite edge is kept clear of it, so that slabs can be laid side by side.
    structures : mapping of str to Structure
        The molecules by name.
    rng : numpy.random.Generator
        The same state gives the same specimen.
    progress : Progress, optional
        Told after each species.

    Returns
    -------
    Specimen
        Molecules and composition in the order of ``params.components``.

    Raises
    ------
    ParameterError
        If a species has no structure, or the slab has no area.
    PackingError
        If a species is larger than the ice, or (unless ``allow_short``) does not find room for all its copies.
    """
    progress = progress or Silent()
    size = (float(size_xy_angstrom[0]), float(size_xy_angstrom[1]), params.thickness_angstrom)
    if not (np.isfinite(size).all() and min(size) > 0):
        raise ParameterError(f"{run}: expected a slab of positive size in Å, found {size[0]:g} x {size[1]:g}")
    _check_known(params, structures)
    volume = size[0] * size[1] * size[2]
    asked = {c.species: requested(c, structures[c.species].mass_kda, volume) for c in params.components}
    _check_possible(run, params, structures, asked, volume)
    placed = _pack(run, params, size, structures, asked, rng, progress)
    rows = tuple(
        CompositionRow(
            species=name,
            mass_kda=structures[name].mass_kda,
            requested_mg_per_ml=asked[name][1],
            requested_copies=asked[name][0],
            placed_copies=len(placed[name]),
            placed_mg_per_ml=mg_per_ml_from_copies(len(placed[name]), structures[name].mass_kda, volume),
        )
        for name in asked
    )
    if not params.allow_short:
        _refuse_shortage(run, rows)
    return Specimen(run=run, size_angstrom_xyz=size, molecules=tuple(placed[name] for name in asked), composition=rows)


def methods_text(params: SpecimenParams) -> str:
    """One sentence for a methods section."""
    amounts = ", ".join(_amount_text(component) for component in params.components)
    return (
        f"Molecules ({amounts or 'none'}) were placed in {params.thickness_angstrom / 10:g} nm of vitreous ice by "
        "random sequential insertion on a voxel grid, the largest species first, in uniformly random orientations, "
        f"with surfaces of different molecules at least {params.clearance_angstrom:g} Å apart and "
        f"{params.margin_angstrom:g} Å from both surfaces."
    )


def _amount_text(component: Component) -> str:
    if component.mg_per_ml is not None:
        return f"{component.species} {component.mg_per_ml:g} mg/ml"
    return f"{component.species} {component.copies} copies"


def _check_known(params: SpecimenParams, structures: Mapping[str, Structure]) -> None:
    unknown = sorted({c.species for c in params.components} - set(structures))
    if unknown:
        raise ParameterError(
            f"expected species with a structure ({', '.join(sorted(structures)) or 'none is given'}), found "
            f"{', '.join(unknown)}; correct the name or add its structure"
        )


def _check_possible(
    run: str,
    params: SpecimenParams,
    structures: Mapping[str, Structure],
    asked: Mapping[str, tuple[int, float]],
    volume_angstrom3: float,
) -> None:
    """Refuse at once what no packing can hold, before time is spent on it."""
    mass_dalton = sum(copies * structures[name].mass_kda * 1e3 for name, (copies, _) in asked.items())
    fraction = mass_dalton * PROTEIN_ANGSTROM3_PER_DALTON / volume_angstrom3
    if fraction > DENSEST_RANDOM_FRACTION and not params.allow_short:
        total = sum(mg_per_ml for _, mg_per_ml in asked.values())
        raise PackingError(
            f"{run}: expected molecules that fill at most {DENSEST_RANDOM_FRACTION:.0%} of the ice, but {total:.4g} "
            f"mg/ml would fill {fraction:.0%}; lower the concentrations (cells hold 200 to 350 mg/ml)"
        )


def _pack(
    run: str,
    params: SpecimenParams,
    size_angstrom_xyz: tuple[float, float, float],
    structures: Mapping[str, Structure],
    asked: Mapping[str, tuple[int, float]],
    rng: np.random.Generator,
    progress: Progress,
) -> dict[str, Molecules]:
    inner = (*size_angstrom_xyz[:2], params.thickness_angstrom - 2 * params.margin_angstrom)
    box = PackingBox.empty(inner, params.packing_voxel_angstrom)
    banks: dict[str, PoseBank] = {}
    radii = {name: scatterer_radius_angstrom(structures[name]) for name, (copies, _) in asked.items() if copies}
    for name, (copies, _) in asked.items():
        if copies:
            # The other molecule is not known yet: any of them may come near.
            keep_off = params.clearance_angstrom + radii[name] + max(radii.values())
            _check_lateral(run, structures[name], size_angstrom_xyz, keep_off + 4 * params.packing_voxel_angstrom)
            banks[name] = make_pose_bank(
                structures[name],
                copies=copies,
                keep_off_angstrom=keep_off,
                voxel_angstrom=params.packing_voxel_angstrom,
                n_z=box.shape_zyx[0],
                rng=rng,
            )
            _check_height(run, structures[name], banks[name], params)
    placed = {name: _none_of(name) for name in asked}
    for done, name in enumerate(sorted(banks, key=lambda n: -banks[n].mean_volume_voxels)):
        placed[name] = insert(box, name, banks[name], asked[name][0], rng)
        progress.step("packing", done + 1, len(banks))
    return placed


def _none_of(species: str) -> Molecules:
    return Molecules(species=species, positions_angstrom_xyz=np.empty((0, 3)), rotations=np.empty((0, 3, 3)))


def _check_lateral(
    run: str, structure: Structure, size_angstrom_xyz: tuple[float, float, float], room_angstrom: float
) -> None:
    needed = 2 * structure.radius_angstrom + room_angstrom
    if needed > min(size_angstrom_xyz[:2]):
        raise PackingError(
            f"{run}: expected a slab of at least {needed:.0f} Å on each side for {structure.name} "
            f"({2 * structure.radius_angstrom:.0f} Å across), found {size_angstrom_xyz[0]:g} x "
            f"{size_angstrom_xyz[1]:g} Å"
        )


def _check_height(run: str, structure: Structure, bank: PoseBank, params: SpecimenParams) -> None:
    if not bank.raster.fits:
        raise PackingError(
            f"{run}: expected molecules smaller than the ice, but {structure.name} "
            f"({2 * structure.radius_angstrom:.0f} Å across) does not fit into {params.thickness_angstrom:g} Å with a "
            f"margin of {params.margin_angstrom:g} Å at both surfaces in any orientation; make the ice thicker or "
            "leave the species out"
        )


def _refuse_shortage(run: str, rows: tuple[CompositionRow, ...]) -> None:
    short = [row for row in rows if row.placed_copies < row.requested_copies]
    if not short:
        return
    listed = "; ".join(
        f"{row.species}: {row.requested_copies} asked ({row.requested_mg_per_ml:.4g} mg/ml), "
        f"{row.placed_copies} placed ({row.placed_mg_per_ml:.4g} mg/ml)"
        for row in short
    )
    total = sum(row.placed_mg_per_ml for row in rows)
    raise PackingError(
        f"{run}: not every molecule found room. {listed}. What was placed, {total:.4g} mg/ml in all, is what fits: ask "
        "for no more than that, thicken the ice, or set allow_short = true to go on with fewer"
    )
