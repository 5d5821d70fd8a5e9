"""Membranes: found by their shape, closed through the missing wedge, or segmented by a small network."""

from tomoset.annotation.membranes.find import find_membranes, membranes_methods_text
from tomoset.annotation.membranes.network import (
    MembraneCheckpoint,
    MembraneNetworkParams,
    membrane_network_methods_text,
    segment_membranes_with_network,
    train_membrane_network,
)
from tomoset.annotation.membranes.params import MembraneParams
from tomoset.annotation.membranes.profile import leaflet_angstrom_xyz

__all__ = [
    "MembraneCheckpoint",
    "MembraneNetworkParams",
    "MembraneParams",
    "find_membranes",
    "leaflet_angstrom_xyz",
    "membrane_network_methods_text",
    "membranes_methods_text",
    "segment_membranes_with_network",
    "train_membrane_network",
]
