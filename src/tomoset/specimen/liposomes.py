"""Liposomes: closed bilayers, some of them nested, of log-normal diameters."""

from dataclasses import dataclass

import numpy as np

from tomoset.errors import ParameterError
from tomoset.specimen.bilayer import PHOSPHOLIPID, outermost_angstrom
from tomoset.specimen.components import Component
from tomoset.specimen.envelopes import Draft, Skin, within
from tomoset.specimen.regions import Region
from tomoset.specimen.shapes import Shape, random_ripples

__all__ = ["LiposomeParams", "draft_liposomes"]

SMALLEST_DIAMETER_ANGSTROM = 300.0  # sonicated vesicles are hardly smaller: the bilayer resists
CUBIC_ANGSTROM_PER_CUBIC_MICROMETRE = 1e12
DRAWS_FOR_ONE_THAT_FITS = 50
RIPPLE_OF_INNER_LAMELLAE = 0.06  # root mean square, of the spacing between lamellae


@dataclass(frozen=True, slots=True, kw_only=True)
class LiposomeParams:
    """One population of liposomes of phospholipid.

    Parameters
    ----------
    per_cubic_micrometre : float, optional
        Liposomes in a cubic micrometre of ice, ≥ 0; either this or the count.
    count : int, optional
        Liposomes in the slab, ≥ 0.
    diameter_angstrom : float
        Mean diameter, between the mid-surfaces of the outermost membrane, Å. Those drawn too large for the ice (or
        smaller than 300 Å) are drawn again, so that thin ice holds smaller ones, as on a grid.
    diameter_spread : float
        Standard deviation of the (log-normal) diameters, as a share of the mean; 0 to 1.
    deformation : float
        Root mean square of the undulation, as a share of the radius; 0 to 0.12.
    multilamellar_fraction : float
        Share of liposomes with more than one membrane, 0 to 1.
    max_lamellae : int
        Most membranes of one of those, 2 to 8; fewer where there is no more room inside.
    lamella_spacing_angstrom : (2,) tuple of float
        Least and largest distance between the mid-surfaces of neighbouring membranes, Å, ≥ 90.
    components : tuple of Component
        What is inside (``compartment = "lumen"``) or in the membrane (``"liposome"``) of each of them.

    Raises
    ------
    ParameterError
        If both or neither of the amounts are given, or a value is out of range.
    """

    per_cubic_micrometre: float | None = None
    count: int | None = None
    diameter_angstrom: float = 900.0
    diameter_spread: float = 0.3
    deformation: float = 0.03
    multilamellar_fraction: float = 0.1
    max_lamellae: int = 3
    lamella_spacing_angstrom: tuple[float, float] = (140.0, 240.0)
    components: tuple[Component, ...] = ()

    def __post_init__(self) -> None:
        """Refuse liposomes that cannot be."""
        if (self.per_cubic_micrometre is None) == (self.count is None):
            raise ParameterError(
                "liposomes: expected either per_cubic_micrometre or count, found "
                f"{'neither' if self.count is None else 'both'}; keep one of them"
            )
        amount = self.count if self.count is not None else self.per_cubic_micrometre
        if amount is None or not (np.isfinite(amount) and amount >= 0):
            raise ParameterError(f"liposomes: expected an amount of zero or more, found {amount}")
        if not SMALLEST_DIAMETER_ANGSTROM <= self.diameter_angstrom <= 1e5:
            raise ParameterError(
                f"liposomes: expected a mean diameter of {SMALLEST_DIAMETER_ANGSTROM:g} Å or more, found "
                f"{self.diameter_angstrom:g} Å"
            )
        for name, value, most in (
            ("diameter_spread", self.diameter_spread, 1.0),
            ("deformation", self.deformation, 0.12),
            ("multilamellar_fraction", self.multilamellar_fraction, 1.0),
        ):
            if not 0 <= value <= most:
                raise ParameterError(f"liposomes: expected {name} between 0 and {most:g}, found {value:g}")
        if not 2 <= self.max_lamellae <= 8:
            raise ParameterError(f"liposomes: expected max_lamellae of 2 to 8, found {self.max_lamellae}")
        least, most = self.lamella_spacing_angstrom
        if not 90 <= least <= most:
            raise ParameterError(
                f"liposomes: expected a lamella spacing from 90 Å upwards, found {least:g} to {most:g} Å; two bilayers "
                "touch at some 50 Å"
            )
        _check_compartments(self.components, ("lumen", "liposome"), "liposomes")


def _check_compartments(components: tuple[Component, ...], known: tuple[str, ...], what: str) -> None:
    for component in components:
        if component.compartment not in known:
            raise ParameterError(
                f"{what}: expected {component.species} in one of {', '.join(known)}, found "
                f"{component.compartment!r}; correct its compartment"
            )


def draft_liposomes(
    params: LiposomeParams, *, volume_angstrom3: float, room_angstrom: float, rng: np.random.Generator
) -> list[Draft]:
    """Liposomes of one population, each about the origin.

    Parameters
    ----------
    params : LiposomeParams
    volume_angstrom3 : float
        Of the ice, for their number.
    room_angstrom : float
        Thickness of the ice that a liposome must fit into.
    rng : numpy.random.Generator

    Raises
    ------
    ParameterError
        If hardly any liposome of the population fits into the ice.
    """
    if params.count is not None:
        count = params.count
    else:
        count = round((params.per_cubic_micrometre or 0.0) * volume_angstrom3 / CUBIC_ANGSTROM_PER_CUBIC_MICROMETRE)
    return [_draft_liposome(params, _draw_diameter(params, room_angstrom, rng), rng) for _ in range(count)]


def _draw_diameter(params: LiposomeParams, room: float, rng: np.random.Generator) -> float:
    variance = np.log1p(params.diameter_spread**2)
    mean = np.log(params.diameter_angstrom) - variance / 2
    # Three standard deviations of the undulation, on either side, belong to the liposome too.
    largest = (room - 2 * outermost_angstrom(PHOSPHOLIPID)) / (1 + 3 * params.deformation)
    diameters = np.exp(mean + np.sqrt(variance) * rng.standard_normal(DRAWS_FOR_ONE_THAT_FITS))
    fitting = diameters[(diameters >= SMALLEST_DIAMETER_ANGSTROM) & (diameters <= largest)]
    if not len(fitting):
        raise ParameterError(
            f"liposomes: expected diameters that the ice can hold (up to {largest:.0f} Å here), but of "
            f"{DRAWS_FOR_ONE_THAT_FITS} drawn about a mean of {params.diameter_angstrom:g} Å none is; make the ice "
            "thicker or the liposomes smaller"
        )
    return float(fitting[0])


def _draft_liposome(params: LiposomeParams, diameter: float, rng: np.random.Generator) -> Draft:
    shape = Shape.sphere(diameter / 2, random_ripples(params.deformation * diameter / 2, rng))
    lamellae = 1
    if rng.random() < params.multilamellar_fraction:
        lamellae = int(rng.integers(2, params.max_lamellae + 1))
    skins = [Skin(name="liposome", shape=shape, profile=PHOSPHOLIPID)]
    for _ in range(1, lamellae):
        spacing = float(rng.uniform(*params.lamella_spacing_angstrom))
        if skins[-1].shape.reach_angstrom[0] - spacing < SMALLEST_DIAMETER_ANGSTROM / 2:
            break
        inner = skins[-1].shape.inset(spacing, random_ripples(RIPPLE_OF_INNER_LAMELLAE * spacing, rng))
        skins.append(Skin(name="liposome", shape=inner, profile=PHOSPHOLIPID))
    return Draft(kind="liposome", skins=tuple(skins), components=params.components, compartments=_lumen)


def _lumen(skins: tuple[Skin, ...]) -> dict[str, Region]:
    return {"lumen": within(skins[-1].shape, -skins[-1].gap_angstrom)}
