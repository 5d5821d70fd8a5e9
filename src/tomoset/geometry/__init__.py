"""WHERE things are: grids, frames, rotations, point groups and the tilt geometry.

Nothing here knows files, physics or molecules. Conventions are quoted in ``docs/conventions.md``.
"""

from tomoset.geometry.fields import quadratic_terms
from tomoset.geometry.gauge import remove_gauge
from tomoset.geometry.grid import Grid, bin_volume, specimen_origin_index_zyx
from tomoset.geometry.image_orientation import N_ORIENTATIONS, orient_image, orientation_name
from tomoset.geometry.point_groups import PointGroup, point_group
from tomoset.geometry.rotation_sampling import sample_rotations
from tomoset.geometry.rotations import (
    angle_between_deg,
    check_rotations,
    matrices_from_quaternions,
    quaternions_from_matrices,
    random_rotations,
    rotation_about,
)
from tomoset.geometry.tilt_geometry import TiltGeometry

__all__ = [
    "N_ORIENTATIONS",
    "Grid",
    "PointGroup",
    "TiltGeometry",
    "angle_between_deg",
    "bin_volume",
    "check_rotations",
    "matrices_from_quaternions",
    "orient_image",
    "orientation_name",
    "point_group",
    "quadratic_terms",
    "quaternions_from_matrices",
    "random_rotations",
    "remove_gauge",
    "rotation_about",
    "sample_rotations",
    "specimen_origin_index_zyx",
]
