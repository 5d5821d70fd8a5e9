"""The verb: a recipe and known structures become a specimen."""

from collections.abc import Mapping, Sequence

import numpy as np

from tomoset.errors import PackingError, ParameterError
from tomoset.geometry import random_rotations
from tomoset.model import Filament, IceLayer, Progress, Scatterers, Silent, Specimen
from tomoset.specimen.amounts import COPIES_KDA_PER_MG_PER_ML_ANGSTROM3
from tomoset.specimen.bodies import place_bodies
from tomoset.specimen.compartments import Stock, embedded, fill_body, lay_filaments, placed_filaments, wanted_in
from tomoset.specimen.composition import Ledger, Placement, refuse_impossible, refuse_shortage
from tomoset.specimen.filling import Spacing, Surfaces, Wanted, fill
from tomoset.specimen.ice import make_ice, thickness_at
from tomoset.specimen.obstacles import make_obstacles
from tomoset.specimen.packing import PackingBox
from tomoset.specimen.params import SpecimenParams
from tomoset.specimen.poses import make_solid
from tomoset.specimen.regions import Body, Obstacle
from tomoset.specimen.requirements import required_species
from tomoset.structures import Structure

__all__ = ["make_specimen"]

ORIENTATIONS_TRIED = 256


def make_specimen(
    run: str,
    params: SpecimenParams,
    *,
    size_xy_angstrom: tuple[float, float],
    structures: Mapping[str, Structure],
    rng: np.random.Generator,
    progress: Progress | None = None,
) -> Specimen:
    """Fill a slab of ice with what a recipe asks for, without overlap.

    The ice gets its surfaces, then the film, gold and contamination; then come vesicles and cells, filaments, and in
    each compartment its molecules, the largest species first.

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
        The molecules by species: those of :func:`required_species`.
    rng : numpy.random.Generator
        The same state gives the same specimen.
    progress : Progress, optional
        Told after each species of each compartment.

    Returns
    -------
    Specimen
        Molecules and composition in the order of ``params.components``, then filaments, then what vesicles and cells
        hold.

    Raises
    ------
    ParameterError
        If a species has no structure, or the slab has no area.
    PackingError
        If something is larger than the ice, or (unless ``allow_short``) a species does not find room for all its
        copies.
    """
    size = (float(size_xy_angstrom[0]), float(size_xy_angstrom[1]), params.thickness_angstrom)
    if not (np.isfinite(size).all() and min(size) > 0):
        raise ParameterError(f"{run}: expected a slab of positive size in Å, found {size[0]:g} x {size[1]:g}")
    _check_known(params, structures)
    return _Maker(run, params, size, structures, rng, progress or Silent()).made()


def _check_known(params: SpecimenParams, structures: Mapping[str, Structure]) -> None:
    unknown = sorted({needed.species for needed in required_species(params)} - set(structures))
    if unknown:
        raise ParameterError(
            f"expected species with a structure ({', '.join(sorted(structures)) or 'none is given'}), found "
            f"{', '.join(unknown)}; correct the name or add its structure"
        )


class _Maker:
    """The steps of making one specimen, and what they share."""

    def __init__(
        self,
        run: str,
        params: SpecimenParams,
        size_angstrom_xyz: tuple[float, float, float],
        structures: Mapping[str, Structure],
        rng: np.random.Generator,
        progress: Progress,
    ) -> None:
        voxel = params.packing_voxel_angstrom
        species = [needed.species for needed in required_species(params)]
        solids = {name: make_solid(structures[name], voxel) for name in species}
        # The other molecule is not known yet: any of them may come near.
        largest = max((solid.ball_radius_angstrom for solid in solids.values()), default=0.0)
        spacing = Spacing(clearance_angstrom=params.clearance_angstrom, largest_ball_angstrom=largest)
        self._run, self._params, self._size = run, params, size_angstrom_xyz
        self._stock = Stock(structures=structures, solids=solids, spacing=spacing, voxel_angstrom=voxel)
        self._rng, self._progress = rng, progress
        self._filaments: list[Filament] = []
        self._scatterers: list[Scatterers] = []
        self._n_done, self._n_species = 0, 0

    def made(self) -> Specimen:
        """Take all steps."""
        params, size = self._params, self._size
        ice = make_ice(params.ice, params.thickness_angstrom, size[:2], self._rng)
        obstacles = make_obstacles(params, size, ice, self._rng)
        box, volume = self._box(ice, obstacles)
        bodies = self._bodies(box, ice)
        for body in bodies:
            box.mark_region(body.whole, grow_angstrom=self._stock.spacing.beside_others_angstrom)
            volume -= body.whole.volume_angstrom3
        if volume <= 0:
            raise PackingError(f"{self._run}: expected some ice to be left, but film, vesicles and cells fill it all")
        in_ice = [self._stock.wanted(component, volume) for component in params.components]
        in_bodies = [wanted_in(body, self._stock) for body in bodies]
        self._check_all(volume, in_ice, in_bodies)
        ledger = Ledger()
        laid = self._lay_filaments(box, volume)
        surfaces = Surfaces(
            thickness_angstrom=params.thickness_angstrom, margin_angstrom=params.margin_angstrom, ice=ice
        )
        spacing, solids = self._stock.spacing, self._stock.solids
        filled = fill(box, in_ice, solids, spacing, self._rng, surfaces=surfaces, told=self._tell)
        for placement in (*filled, *laid):
            ledger.add(placement)
        del box  # at a microscope's full field it is the largest thing of all
        for body, wanted in zip(bodies, in_bodies, strict=True):
            for placement in self._in_body(body, wanted):
                ledger.add(placement)
        return self._specimen(ledger, ice, obstacles, bodies)

    def _box(self, ice: IceLayer | None, obstacles: Sequence[Obstacle]) -> tuple[PackingBox, float]:
        """The slab between its margins without obstacles, and the volume of the ice without them."""
        params, size = self._params, self._size
        inner = (*size[:2], params.thickness_angstrom - 2 * params.margin_angstrom)
        box = PackingBox.empty(inner, params.packing_voxel_angstrom)
        if ice is not None:
            box.mark_beyond_ice(ice, params.margin_angstrom)
        volume = _volume_angstrom3(ice, size)
        for region in (region for obstacle in obstacles for region in obstacle.occupied):
            volume -= box.mark_region(region, grow_angstrom=self._stock.spacing.beside_others_angstrom)
        return box, volume

    def _bodies(self, box: PackingBox, ice: IceLayer | None) -> tuple[Body, ...]:
        params = self._params
        if not (params.liposomes or params.cells):
            return ()
        return place_bodies(
            box,
            params.liposomes,
            params.cells,
            size_angstrom_xyz=self._size,
            ice=ice,
            structures=self._stock.structures,
            clearance_angstrom=params.clearance_angstrom,
            rng=self._rng,
            progress=self._progress,
            contents_later=True,
        )

    def _check_all(
        self, volume_angstrom3: float, in_ice: Sequence[Wanted], in_bodies: Sequence[Mapping[str, Sequence[Wanted]]]
    ) -> None:
        """Refuse what cannot fit before any time is spent on it, and count the species to place."""
        compartments = [("ice", volume_angstrom3, list(in_ice))]
        compartments += [
            (name, wanted[0].volume_angstrom3, list(wanted)) for body in in_bodies for name, wanted in body.items()
        ]
        self._n_species = sum(item.copies > 0 for _, _, wanted in compartments for item in wanted)
        if not self._params.allow_short:
            for name, volume, wanted in compartments:
                mass = sum(item.copies * item.mass_kda for item in wanted)
                mass += self._filament_mass_kda(volume) if name == "ice" else 0.0
                refuse_impossible(self._run, name, mass, volume)
        for item in in_ice:
            if item.copies:
                self._check_size(item.component.species)

    def _filament_mass_kda(self, volume_angstrom3: float) -> float:
        """Mass of the filaments that the ice is to hold; of one that is longer than the slab only what fits."""
        mass = 0.0
        for item in self._params.filaments:
            repeat = self._stock.structures[item.species].repeat_angstrom
            if item.compartment != "ice" or repeat is None:
                continue
            each = min(item.length_angstrom, float(np.linalg.norm(self._size))) / repeat
            each *= self._stock.structures[item.species].mass_kda
            mass += (item.copies or 0) * each
            if item.mg_per_ml is not None:
                mass += item.mg_per_ml * volume_angstrom3 * COPIES_KDA_PER_MG_PER_ML_ANGSTROM3
        return mass

    def _check_size(self, species: str) -> None:
        """Refuse a molecule that is wider than the slab or higher than the ice in any orientation."""
        params, solid = self._params, self._stock.solids[species]
        structure = self._stock.structures[species]
        keep_off = self._stock.spacing.keep_off_angstrom(solid)
        needed = 2 * structure.radius_angstrom + keep_off + 4 * params.packing_voxel_angstrom
        if needed > min(self._size[:2]):
            raise PackingError(
                f"{self._run}: expected a slab of at least {needed:.0f} Å on each side for {structure.name} "
                f"({2 * structure.radius_angstrom:.0f} Å across), found {self._size[0]:g} x {self._size[1]:g} Å"
            )
        height = params.thickness_angstrom - 2 * params.margin_angstrom
        if 2 * solid.radius_angstrom < height:
            return
        rotations = random_rotations(ORIENTATIONS_TRIED, np.random.default_rng(0))
        if np.ptp(solid.points_angstrom_xyz @ rotations[:, 2].T, axis=0).min() > height:
            raise PackingError(
                f"{self._run}: expected molecules smaller than the ice, but {structure.name} "
                f"({2 * structure.radius_angstrom:.0f} Å across) does not fit into {params.thickness_angstrom:g} Å "
                f"with a margin of {params.margin_angstrom:g} Å at both surfaces in any orientation; make the ice "
                "thicker or leave the species out"
            )

    def _lay_filaments(self, box: PackingBox, volume_angstrom3: float) -> list[Placement]:
        """Filaments that float in the ice."""
        placements = []
        for item in self._params.filaments:
            if item.compartment != "ice":
                continue
            found = lay_filaments(box, item, self._stock, volume_angstrom3, len(self._filaments), self._rng)
            self._filaments.extend(found.filaments)
            placements.append(placed_filaments(found, item, self._stock, volume_angstrom3))
        return placements

    def _in_body(self, body: Body, wanted: Mapping[str, Sequence[Wanted]]) -> tuple[Placement, ...]:
        filled = fill_body(
            body,
            wanted,
            self._params.filaments,
            self._stock,
            self._rng,
            first_filament=len(self._filaments),
            told=self._tell,
        )
        self._filaments.extend(filled.filaments)
        self._scatterers.extend(filled.scatterers)
        return (*filled.placements, *embedded(body))

    def _tell(self) -> None:
        self._n_done += 1
        self._progress.step("packing", self._n_done, self._n_species)

    def _specimen(
        self, ledger: Ledger, ice: IceLayer | None, obstacles: Sequence[Obstacle], bodies: Sequence[Body]
    ) -> Specimen:
        rows = ledger.rows()
        if not self._params.allow_short:
            refuse_shortage(self._run, rows)
        matter = [part for obstacle in obstacles for part in obstacle.scatterers]
        matter += [part for body in bodies for part in body.scatterers] + self._scatterers
        return Specimen(
            run=self._run,
            size_angstrom_xyz=self._size,
            molecules=ledger.molecules(),
            composition=rows,
            filaments=tuple(self._filaments),
            membranes=tuple(membrane for body in bodies for membrane in body.membranes),
            scatterers=tuple(matter),
            ice=ice,
        )


def _volume_angstrom3(ice: IceLayer | None, size_angstrom_xyz: tuple[float, float, float]) -> float:
    """Volume of the ice, Å³: its thickness on a lattice of a two hundredth of the slab's sides."""
    x, y, z = size_angstrom_xyz
    if ice is None:
        return x * y * z
    steps = (np.arange(200) + 0.5) / 200 - 0.5
    xy = np.stack(np.meshgrid(steps * x, steps * y, indexing="ij"), axis=-1).reshape(-1, 2)
    return float(thickness_at(ice, xy).mean() * x * y)
