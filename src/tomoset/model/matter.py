"""Extended things in the ice: filaments, membranes, the ice's own shape, and matter as points of potential."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tomoset.errors import GeometryError

__all__ = ["BilayerProfile", "Filament", "IceLayer", "Membrane", "Scatterers"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Filament:
    """The axis of one filament; the subunits along it are ``Molecules`` whose ``filament_index`` names it.

    Parameters
    ----------
    species : str
        Of its subunits.
    curve_angstrom_xyz : (n, 3) array of float64
        Points along the axis from the minus to the plus end (the order is the polarity), specimen frame, Å.
    radius_angstrom : float
        Outer radius.
    compartment : str
        Where it lies.

    Raises
    ------
    GeometryError
        If it has fewer than two points.
    """

    species: str
    curve_angstrom_xyz: NDArray[np.float64]
    radius_angstrom: float
    compartment: str = "ice"

    def __post_init__(self) -> None:
        """Refuse a curve without length."""
        if self.curve_angstrom_xyz.ndim != 2 or self.curve_angstrom_xyz.shape[1] != 3 or len(self) < 2:
            raise GeometryError(
                f"filament of {self.species}: expected at least two points (n, 3), "
                f"found {self.curve_angstrom_xyz.shape}"
            )

    def __len__(self) -> int:
        """Number of points."""
        return len(self.curve_angstrom_xyz)

    @property
    def length_angstrom(self) -> float:
        """Length along the curve."""
        return float(np.linalg.norm(np.diff(self.curve_angstrom_xyz, axis=0), axis=1).sum())


@dataclass(frozen=True, slots=True, kw_only=True)
class BilayerProfile:
    """Potential across a membrane, relative to vitreous ice, as a sum of Gaussian layers.

    Parameters
    ----------
    name : str
        ``phospholipid``, ``outer-membrane`` …
    offsets_angstrom : tuple of float
        Height of each layer above the mid-surface, along the outward normal, Å.
    spreads_angstrom : tuple of float
        Standard deviation of each layer, Å.
    integrals_volt_angstrom : tuple of float
        Integral of each layer's potential along the normal, V Å.
    head_offset_angstrom : float
        Height of the head groups above the mid-surface (half the phosphate-phosphate distance): the leaflets' place.
    """

    name: str
    offsets_angstrom: tuple[float, ...]
    spreads_angstrom: tuple[float, ...]
    integrals_volt_angstrom: tuple[float, ...]
    head_offset_angstrom: float


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Membrane:
    """One closed membrane: a triangle mesh of the bilayer's mid-surface.

    Parameters
    ----------
    name : str
        Kind: ``liposome``, ``inner-membrane``, ``outer-membrane``, ``plasma-membrane``.
    body : int
        Number of the vesicle or cell it belongs to in the specimen: both membranes of one cell share it.
    vertices_angstrom_xyz : (n, 3) array of float64
        Specimen frame, Å.
    faces : (m, 3) array of int32
        Vertex indices, counter-clockwise seen from outside.
    normals : (n, 3) array of float64
        Outward unit normals at the vertices.
    profile : BilayerProfile
        Its potential.
    """

    name: str
    body: int
    vertices_angstrom_xyz: NDArray[np.float64]
    faces: NDArray[np.int32]
    normals: NDArray[np.float64]
    profile: BilayerProfile

    def leaflet_angstrom_xyz(self, side: int) -> NDArray[np.float64]:
        """Vertices of the outer (+1) or inner (-1) leaflet's head groups: (n, 3), Å."""
        return self.vertices_angstrom_xyz + side * self.profile.head_offset_angstrom * self.normals


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Scatterers:
    """Matter without a pose, as Gaussian points of potential: lipids, DNA, peptidoglycan, carbon, gold, ice crystals.

    Parameters
    ----------
    name : str
        What it is.
    positions_angstrom_xyz : (n, 3) array of float32
        Specimen frame, Å.
    strengths_volt_angstrom3 : (n,) array of float32
        Integral over space of each point's potential relative to vitreous ice, V Å³.
    spread_angstrom : float
        Standard deviation of every point's Gaussian, Å.
    absorptions_angstrom2 : (n,) array of float32 or None
        Integral over space of ``1/Λ(material) − 1/Λ(ice)``, Å²: what each point takes from the filtered beam beyond
        the ice it displaces; None for nothing (protein, lipid: their amplitude contrast says it).
    fades : bool
        Whether radiation damage fades it (organic matter does, carbon film and gold do not).
    """

    name: str
    positions_angstrom_xyz: NDArray[np.float32]
    strengths_volt_angstrom3: NDArray[np.float32]
    spread_angstrom: float
    absorptions_angstrom2: NDArray[np.float32] | None = None
    fades: bool = True

    def __post_init__(self) -> None:
        """Check lengths."""
        n = len(self.strengths_volt_angstrom3)
        absorptions = self.absorptions_angstrom2
        if self.positions_angstrom_xyz.shape != (n, 3) or (absorptions is not None and absorptions.shape != (n,)):
            raise GeometryError(f"scatterers {self.name}: positions, strengths and absorptions differ in number")

    def __len__(self) -> int:
        """Number of points."""
        return len(self.strengths_volt_angstrom3)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class IceLayer:
    """The two surfaces of ice that is not a plane slab.

    Parameters
    ----------
    bottom_angstrom_yx, top_angstrom_yx : (ny, nx) array of float32
        Heights z of the two surfaces, specimen frame, Å; top ≥ bottom, equal where there is no ice.
    spacing_angstrom : float
        Of the samples; sample (ny // 2, nx // 2) lies at the specimen's origin.
    """

    bottom_angstrom_yx: NDArray[np.float32]
    top_angstrom_yx: NDArray[np.float32]
    spacing_angstrom: float

    def __post_init__(self) -> None:
        """Refuse surfaces that cross."""
        if self.bottom_angstrom_yx.shape != self.top_angstrom_yx.shape or not self.spacing_angstrom > 0:
            raise GeometryError("ice: expected two surfaces of one shape and a positive spacing")
        if not bool((self.top_angstrom_yx >= self.bottom_angstrom_yx).all()):
            raise GeometryError("ice: expected a top nowhere below the bottom")

    @property
    def thickness_angstrom_yx(self) -> NDArray[np.float32]:
        """Thickness map (ny, nx), Å."""
        return self.top_angstrom_yx - self.bottom_angstrom_yx
