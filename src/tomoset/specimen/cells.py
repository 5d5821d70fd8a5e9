"""Whole small cells: E. coli minicells, Pelagibacter, JCVI-syn3A."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

import numpy as np

from tomoset.errors import ParameterError
from tomoset.model import Filament, Scatterers
from tomoset.specimen.bilayer import OUTER_MEMBRANE, PHOSPHOLIPID
from tomoset.specimen.components import Component
from tomoset.specimen.envelopes import Content, Draft, Skin, between, within
from tomoset.specimen.peptidoglycan import THICKNESS_ANGSTROM, make_peptidoglycan
from tomoset.specimen.regions import Region
from tomoset.specimen.shapes import Ripples, Shape, random_ripples

__all__ = ["CELL_KINDS", "CellKind", "CellParams", "draft_cells"]

# Braun's lipoprotein, 83 Å long, hangs the wall below the outer membrane: 95 Å from mid-surface to middle in a
# periplasm of 180 Å, less where there is less room.
PEPTIDOGLYCAN_DEPTH_ANGSTROM, PEPTIDOGLYCAN_DEPTH_OF_PERIPLASM = 95.0, 0.53
LEAST_PERIPLASM_ANGSTROM = 140.0
INNER_RIPPLE_RMS_ANGSTROM = 6.0
NUCLEOID_RIPPLE = 0.2  # root mean square, of the room between nucleoid and membrane or axis
LEAST_NUCLEOID = 0.1  # radius of the smallest one, of the cell's
LARGEST_NUCLEOID = 0.6  # of the volume within the inner membrane
DENSEST_DNA = 0.42  # of the nucleoid, so that small cells keep room for ribosomes around it
DNA_ANGSTROM3_PER_BASE_PAIR = 3.4 * np.pi * 10.0**2
NUCLEOID_LOBES, NUCLEOID_TATTERS = (2, 3, 4, 5), (7, 10)  # degrees of its undulation
TATTERS_OF_RIPPLE = 0.3
LEAST_BOW = 1.6  # radius of the bend, in radii of the cell


@dataclass(frozen=True, slots=True, kw_only=True)
class CellKind:
    """What one kind of cell is, where the parameters do not say.

    Parameters
    ----------
    diameter_angstrom, length_angstrom, bend_deg : (2,) tuple of float
        Ranges that are drawn from evenly; ``length`` from pole to pole, zero for a sphere; ``bend`` is the angle that
        the axis turns through.
    gram_negative : bool
        Two membranes with a periplasm, or one.
    genome_base_pairs : int
    nucleoid_fraction : float
        Share of the volume within the inner membrane that the chromosome keeps to; 0 where it is everywhere.
    """

    diameter_angstrom: tuple[float, float]
    length_angstrom: tuple[float, float] = (0.0, 0.0)
    bend_deg: tuple[float, float] = (0.0, 0.0)
    gram_negative: bool
    genome_base_pairs: int
    nucleoid_fraction: float


CELL_KINDS: Mapping[str, CellKind] = {
    # Farley et al. 2016, J. Bacteriol. (diameter below 300 to 400 nm, full envelope, no chromosome).
    "minicell": CellKind(
        diameter_angstrom=(2500.0, 3900.0), gram_negative=True, genome_base_pairs=0, nucleoid_fraction=0.0
    ),
    # Rappé et al. 2002, Nature 418:630 (crescents, 0.37 to 0.89 µm long); Giovannoni et al. 2005 (genome of HTCC1062).
    "pelagibacter": CellKind(
        diameter_angstrom=(2200.0, 3000.0),
        length_angstrom=(4500.0, 8900.0),
        bend_deg=(30.0, 90.0),
        gram_negative=True,
        genome_base_pairs=1_308_759,
        nucleoid_fraction=0.3,
    ),
    # Hutchison et al. 2016; Breuer et al. 2019 (JCVI-syn3A: 543 kbp, spheres of some 400 nm, one membrane, no wall).
    "syn3a": CellKind(
        diameter_angstrom=(3800.0, 4200.0), gram_negative=False, genome_base_pairs=543_379, nucleoid_fraction=0.0
    ),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class CellParams:
    """Whole cells of one kind.

    Parameters
    ----------
    kind : str
        ``minicell`` (E. coli, spherical, no chromosome), ``pelagibacter`` (a crescent with a nucleoid; both with
        outer membrane, wall and inner membrane) or ``syn3a`` (a sphere with one membrane, no wall).
    count : int
        Cells in the slab; a single one lies at its centre, several are spread without overlap.
    diameter_angstrom : (2,) tuple of float, optional
        Least and largest diameter (width of a crescent), between the mid-surfaces of the outermost membrane, Å;
        None takes the kind's: 2500 to 3900, 2200 to 3000, 3800 to 4200 Å.
    length_angstrom : (2,) tuple of float, optional
        Least and largest length of a crescent from pole to pole, along its axis, Å; None takes the kind's, 4500 to
        8900.
    deformation : float
        Root mean square of the undulation, as a share of the radius; 0 to 0.08.
    periplasm_angstrom : float
        Distance between the mid-surfaces of outer and inner membrane, Å; 140 (10 nm between the lipids) to 400.
    peptidoglycan : bool
        Whether the periplasm holds the wall.
    genome_base_pairs : int, optional
        Of double-stranded DNA; None takes the kind's: none, 1 308 759, 543 379.
    nucleoid_fraction : float, optional
        Share of the volume within the inner membrane that the DNA keeps to, 0 (everywhere) to 0.6; None takes the
        kind's: 0, 0.3 (more in cells so small that DNA would fill over 42 % of it, at most 0.6), 0.
    components : tuple of Component
        What each cell holds in ``cytosol``, ``nucleoid``, ``periplasm`` and its membranes.

    Raises
    ------
    ParameterError
        If a value is out of range, or a component names a part that the kind does not have.
    """

    kind: str
    count: int = 1
    diameter_angstrom: tuple[float, float] | None = None
    length_angstrom: tuple[float, float] | None = None
    deformation: float = 0.02
    periplasm_angstrom: float = 180.0
    peptidoglycan: bool = True
    genome_base_pairs: int | None = None
    nucleoid_fraction: float | None = None
    components: tuple[Component, ...] = ()

    def __post_init__(self) -> None:
        """Refuse cells that cannot be."""
        if self.kind not in CELL_KINDS:
            raise ParameterError(f"cells: expected a kind ({', '.join(CELL_KINDS)}), found {self.kind!r}")
        if not self.count >= 0:
            raise ParameterError(f"cells: expected a count of zero or more, found {self.count}")
        self._check_sizes()
        if not 0 <= self.deformation <= 0.08:
            raise ParameterError(f"{self.kind}: expected a deformation of 0 to 0.08, found {self.deformation:g}")
        if not LEAST_PERIPLASM_ANGSTROM <= self.periplasm_angstrom <= 400:
            raise ParameterError(
                f"{self.kind}: expected a periplasm of {LEAST_PERIPLASM_ANGSTROM:g} to 400 Å from one membrane's "
                f"middle to the other's, found {self.periplasm_angstrom:g} Å"
            )
        if self.genome_base_pairs is not None and self.genome_base_pairs < 0:
            raise ParameterError(f"{self.kind}: expected base pairs of zero or more, found {self.genome_base_pairs}")
        if self.nucleoid_fraction is not None and not 0 <= self.nucleoid_fraction <= LARGEST_NUCLEOID:
            raise ParameterError(
                f"{self.kind}: expected a nucleoid of 0 to {LARGEST_NUCLEOID:g} of the volume, found "
                f"{self.nucleoid_fraction:g}"
            )
        self._check_compartments()

    def _check_sizes(self) -> None:
        low, high = self.diameters_angstrom
        if not 800 <= low <= high <= 2e4:
            raise ParameterError(
                f"{self.kind}: expected diameters of 800 Å or more, the least first, found {low:g} to {high:g} Å"
            )
        low, high = self.lengths_angstrom
        if CELL_KINDS[self.kind].length_angstrom[1] == 0 and high > 0:
            raise ParameterError(f"{self.kind}: expected no length, it is a sphere; give diameter_angstrom alone")
        if not 0 <= low <= high <= 1e5:
            raise ParameterError(
                f"{self.kind}: expected lengths of zero or more, the least first, found {low:g} to {high:g} Å"
            )

    def _check_compartments(self) -> None:
        for component in self.components:
            if component.compartment not in self.compartments:
                raise ParameterError(
                    f"{self.kind}: expected {component.species} in one of {', '.join(self.compartments)}, found "
                    f"{component.compartment!r}; correct its compartment"
                )

    @property
    def diameters_angstrom(self) -> tuple[float, float]:
        """Range of diameters, the kind's own where none is given."""
        return self.diameter_angstrom or CELL_KINDS[self.kind].diameter_angstrom

    @property
    def lengths_angstrom(self) -> tuple[float, float]:
        """Range of lengths, the kind's own where none is given."""
        return self.length_angstrom or CELL_KINDS[self.kind].length_angstrom

    @property
    def base_pairs(self) -> int:
        """Size of the genome."""
        return CELL_KINDS[self.kind].genome_base_pairs if self.genome_base_pairs is None else self.genome_base_pairs

    @property
    def nucleoid(self) -> float:
        """Share of the nucleoid; none without DNA."""
        share = CELL_KINDS[self.kind].nucleoid_fraction if self.nucleoid_fraction is None else self.nucleoid_fraction
        return share if self.base_pairs else 0.0

    @property
    def wall_depth_angstrom(self) -> float:
        """Depth of the wall's middle below the outer membrane's mid-surface."""
        return min(PEPTIDOGLYCAN_DEPTH_ANGSTROM, PEPTIDOGLYCAN_DEPTH_OF_PERIPLASM * self.periplasm_angstrom)

    @property
    def compartments(self) -> tuple[str, ...]:
        """Parts that this cell has: its membranes, outermost first, and what they enclose."""
        inside = ("nucleoid", "cytosol") if self.nucleoid else ("cytosol",)
        if CELL_KINDS[self.kind].gram_negative:
            return ("outer-membrane", "periplasm", "inner-membrane", *inside)
        return ("plasma-membrane", *inside)


def draft_cells(params: CellParams, rng: np.random.Generator) -> list[Draft]:
    """Cells of one kind, each about the origin."""
    return [_draft_cell(params, rng) for _ in range(params.count)]


def _draft_cell(params: CellParams, rng: np.random.Generator) -> Draft:
    shape = _draw_shape(params, rng)
    if not CELL_KINDS[params.kind].gram_negative:
        skins = [Skin(name="plasma-membrane", shape=shape, profile=PHOSPHOLIPID)]
    else:
        inner = shape.inset(params.periplasm_angstrom, random_ripples(INNER_RIPPLE_RMS_ANGSTROM, rng))
        skins = [
            Skin(name="outer-membrane", shape=shape, profile=OUTER_MEMBRANE),
            Skin(name="inner-membrane", shape=inner, profile=PHOSPHOLIPID),
        ]
    return Draft(
        kind=params.kind,
        skins=tuple(skins),
        components=params.components,
        compartments=partial(_compartments, params, _draw_nucleoid(params, skins[-1], rng)),
        contents=partial(_contents, params),
        lies_flat=shape.length_angstrom > 0,
    )


def _draw_shape(params: CellParams, rng: np.random.Generator) -> Shape:
    radius = float(rng.uniform(*params.diameters_angstrom)) / 2
    whole_length = float(rng.uniform(*params.lengths_angstrom))
    ripples = random_ripples(params.deformation * radius, rng)
    bend = np.deg2rad(float(rng.uniform(*CELL_KINDS[params.kind].bend_deg)))
    length = whole_length - 2 * radius
    if length <= 0:
        return Shape.sphere(radius, ripples)
    return Shape.crescent(radius, length, min(bend, length / (LEAST_BOW * radius)), ripples)


def _draw_nucleoid(params: CellParams, skin: Skin, rng: np.random.Generator) -> tuple[float, Ripples] | None:
    """Depth below the innermost membrane and undulation of the surface that bounds the chromosome."""
    from scipy import optimize

    if not params.nucleoid:
        return None
    cytosol = -skin.gap_angstrom
    volume = skin.shape.volume_angstrom3(cytosol)
    share = params.nucleoid
    if params.nucleoid_fraction is None:
        dna = params.base_pairs * DNA_ANGSTROM3_PER_BASE_PAIR
        share = min(max(share, dna / DENSEST_DNA / volume), LARGEST_NUCLEOID)
    target = share * volume
    radius = skin.shape.radius_angstrom

    def depth_of(shape: Shape) -> float:
        low, high = -cytosol, radius * (1 - LEAST_NUCLEOID)
        return float(optimize.brentq(lambda d: shape.volume_angstrom3(-d) - target, low, high, xtol=0.1))

    smooth = depth_of(skin.shape)
    room = min(radius - smooth, smooth + cytosol)
    ripples = random_ripples(NUCLEOID_RIPPLE * room, rng, degrees=NUCLEOID_LOBES)
    ripples += random_ripples(TATTERS_OF_RIPPLE * NUCLEOID_RIPPLE * room, rng, degrees=NUCLEOID_TATTERS)
    return depth_of(skin.shape.inset(0.0, ripples)), ripples


def _compartments(
    params: CellParams, nucleoid: tuple[float, Ripples] | None, skins: tuple[Skin, ...]
) -> dict[str, Region]:
    inner = skins[-1]
    inside = within(inner.shape, -inner.gap_angstrom)
    regions = {"cytosol": inside}
    if nucleoid is not None:
        depth, ripples = nucleoid
        regions["nucleoid"] = within(inner.shape.inset(depth, ripples))
        regions["cytosol"] = between(inside, regions["nucleoid"])
    if len(skins) > 1:
        outer = skins[0]
        levels = [-outer.gap_angstrom]
        if params.peptidoglycan:
            levels += [sign * THICKNESS_ANGSTROM / 2 - params.wall_depth_angstrom for sign in (1, -1)]
        kept_out = within(inner.shape, inner.gap_angstrom)
        regions["periplasm"] = between(within(outer.shape, *levels), kept_out)
    return regions


def _contents(
    params: CellParams, skins: tuple[Skin, ...], compartments: Mapping[str, Region], rng: np.random.Generator
) -> Content:
    scatterers: list[Scatterers] = []
    filaments: list[Filament] = []
    if len(skins) > 1 and params.peptidoglycan:
        scatterers.append(make_peptidoglycan(skins[0].shape.inset(params.wall_depth_angstrom), rng=rng))
    if params.base_pairs:
        from tomoset.specimen.nucleic_acid import make_dna

        home = "nucleoid" if "nucleoid" in compartments else "cytosol"
        filament, matter = make_dna(compartments[home], base_pairs=params.base_pairs, rng=rng, compartment=home)
        filaments.append(filament)
        scatterers.append(matter)
    return tuple(filaments), tuple(scatterers)
