"""Specimen to raw counted movies: tilt scheme, projection, optics, damage, motion, camera."""

from tomoset.microscope.field import field_of_view_size_xy_angstrom
from tomoset.microscope.imaging import image, methods_text
from tomoset.microscope.params import MicroscopeParams
from tomoset.microscope.scheme import acquisition_order, nominal_tilts_deg

__all__ = [
    "STAGE_VERSION",
    "MicroscopeParams",
    "acquisition_order",
    "field_of_view_size_xy_angstrom",
    "image",
    "methods_text",
    "nominal_tilts_deg",
]

STAGE_VERSION = "2"
