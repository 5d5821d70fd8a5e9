"""What a methods section says of the specimen."""

from tomoset.specimen.components import Component
from tomoset.specimen.params import SpecimenParams

__all__ = ["methods_text"]


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
