"""What a methods section says of the specimen."""

from collections.abc import Sequence

from tomoset.specimen.cells import CellParams
from tomoset.specimen.components import Component
from tomoset.specimen.filaments import FilamentParams
from tomoset.specimen.liposomes import LiposomeParams
from tomoset.specimen.params import SpecimenParams
from tomoset.structures import GLOBULE

__all__ = ["methods_text"]

SPECIES_LISTED_AT_MOST = 8


def methods_text(params: SpecimenParams) -> str:
    """Sentences for a methods section: how molecules were placed, and all else that the specimen holds."""
    molecules = (
        f"Molecules ({_amounts(params.components)}) were placed in {params.thickness_angstrom / 10:g} nm of vitreous "
        "ice by random sequential insertion on a voxel grid, the largest species first, "
        f"{_orientations(params.components)}, with surfaces of different molecules at least "
        f"{params.clearance_angstrom:g} Å apart and {params.margin_angstrom:g} Å from both surfaces."
    )
    sentences = [molecules, *(_filament_sentence(item) for item in params.filaments)]
    sentences += [_liposome_sentence(item) for item in params.liposomes]
    sentences += [_cell_sentence(item) for item in params.cells]
    sentences += _ice_sentences(params)
    if _globules(params):
        sentences.append(
            f"{_globules(params)} species without a known structure were modelled as globules of their mass."
        )
    return " ".join(sentences)


def _amounts(components: Sequence[Component]) -> str:
    if len(components) > SPECIES_LISTED_AT_MOST:
        return f"{len(components)} species"
    return ", ".join(_amount(component) for component in components) or "none"


def _amount(item: Component | FilamentParams) -> str:
    if item.mg_per_ml is not None:
        return f"{item.species} {item.mg_per_ml:g} mg/ml"
    return f"{item.species} {item.copies} copies"


def _orientations(components: Sequence[Component]) -> str:
    adsorbed = [component for component in components if component.adsorbed_fraction]
    clustered = [component for component in components if component.cluster_size > 1]
    text = "in uniformly random orientations"
    if adsorbed:
        listed = ", ".join(
            f"{c.species}: {c.adsorbed_fraction:.0%}, von Mises-Fisher concentration {c.preferred_orientation:g}"
            for c in adsorbed
        )
        text += f", a share of the copies at the air-water interface ({listed})"
    if clustered:
        listed = ", ".join(f"{c.species}: {c.cluster_size:g} copies on average" for c in clustered)
        text += f", some in touching clusters ({listed})"
    return text


def _filament_sentence(item: FilamentParams) -> str:
    bundles = f" in bundles of {item.bundle_size:g} on average" if item.bundle_size > 1 else ""
    return (
        f"Filaments ({_amount(item)}, up to {item.length_angstrom / 10:g} nm long) lay in the {item.compartment} as "
        f"worm-like chains of persistence length {item.persistence_length_angstrom / 10:g} nm{bundles}."
    )


def _liposome_sentence(item: LiposomeParams) -> str:
    number = f"{item.count}" if item.count is not None else f"{item.per_cubic_micrometre:g} per µm³"
    held = f", holding {_amounts(item.components)}" if item.components else ""
    return (
        f"Liposomes ({number}, {item.multilamellar_fraction:.0%} of them multilamellar) had log-normal diameters of "
        f"{item.diameter_angstrom / 10:g} nm on average, with a relative spread of {item.diameter_spread:g}{held}."
    )


def _cell_sentence(item: CellParams) -> str:
    low, high = item.diameters_angstrom
    parts = ", ".join(item.compartments)
    dna = f" and {item.base_pairs} base pairs of DNA" if item.base_pairs else ""
    held = f"; it held {_amounts(item.components)}" if item.components else ""
    return f"{item.count} cells ({item.kind}) of {low / 10:g} to {high / 10:g} nm had {parts}{dna}{held}."


def _ice_sentences(params: SpecimenParams) -> list[str]:
    sentences = []
    ice = params.ice
    if not ice.is_flat:
        sentences.append(
            f"The ice thinned by {ice.wedge_angstrom_per_micrometre / 10:g} nm per µm along a wedge and by "
            f"{ice.meniscus_angstrom / 10:g} nm towards the middle of the hole."
        )
    if params.film is not None:
        sentences.append(
            f"{params.film.thickness_angstrom / 10:g} nm of amorphous carbon ({params.film.density_g_per_cm3:g} g/cm³) "
            f"lay around a hole of {ice.hole_radius_angstrom / 1e4:g} µm radius."
        )
    if params.gold is not None and params.gold.beads_per_square_micrometre:
        sentences.append(
            f"Gold beads of {params.gold.diameter_angstrom / 10:g} nm lay on both surfaces, "
            f"{params.gold.beads_per_square_micrometre:g} per µm²."
        )
    dirt = params.contamination
    if dirt is not None and (dirt.crystals_per_square_micrometre or dirt.ethane_per_square_micrometre):
        sentences.append(
            f"The surfaces carried {dirt.crystals_per_square_micrometre:g} ice crystals and "
            f"{dirt.ethane_per_square_micrometre:g} drops of ethane per µm²."
        )
    return sentences


def _globules(params: SpecimenParams) -> int:
    holders: tuple[LiposomeParams | CellParams, ...] = (*params.liposomes, *params.cells)
    components = (*params.components, *(component for holder in holders for component in holder.components))
    return len({component.species for component in components if component.structure == GLOBULE})
