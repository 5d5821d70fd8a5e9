"""Built-in models of proteins without high symmetry: serum albumin, beta-amylase, thyroglobulin."""

from tomoset.structures.bead_models import Ellipsoid, assemble
from tomoset.structures.structure import Structure

__all__ = ["beta_amylase", "bsa", "thyroglobulin"]


def bsa() -> Structure:
    """Heart of three domains of two lobes each; moments of residues of chain A of PDB 4F5S.

    The frame is that of the principal axes: the long one along x, the thin one along z.
    """
    lobes = [  # first residue, share of the mass, centre, semi-axes, short axis, long axis
        (1, 0.1846, (9.4, -20.7, -10.1), (12.0, 16.7, 24.5), (0.05, 0.91, 0.42), (-0.90, 0.22, -0.39)),
        (108, 0.1553, (-3.2, -14.7, 9.7), (13.2, 13.9, 22.6), (-0.72, 0.65, 0.23), (-0.24, -0.55, 0.80)),
        (196, 0.1731, (16.4, 0.3, 4.9), (12.0, 16.8, 22.5), (0.92, -0.13, -0.38), (0.39, 0.12, 0.91)),
        (298, 0.1490, (16.7, 23.5, -1.2), (12.4, 15.6, 20.6), (-0.03, 0.89, 0.45), (-0.48, -0.41, 0.78)),
        (384, 0.1932, (-9.8, 11.2, -0.7), (13.5, 15.7, 23.2), (0.12, -0.97, 0.20), (-0.10, -0.21, -0.97)),
        (497, 0.1449, (-32.2, 2.7, -1.2), (13.0, 14.5, 21.9), (0.12, 0.52, 0.84), (-0.23, -0.81, 0.53)),
    ]
    parts = [
        Ellipsoid(
            mass_kda=66.4 * share,
            centre_xyz=centre,
            semi_axes=semi_axes,
            short_axis_xyz=short_axis,
            long_axis_xyz=long_axis,
            n_beads=15,
            on_lattice=True,
        )
        for _, share, centre, semi_axes, short_axis, long_axis in lobes
    ]
    source = (
        "bead model of bovine serum albumin, 66.4 kDa: three domains (residues 1-195, 196-383, 384-583) of two lobes, "
        "each lobe one ellipsoid (moments of chain A of PDB 4F5S)"
    )
    return assemble("bsa", "C1", parts, source)


def beta_amylase() -> Structure:
    """Four barrels in a flat square, each with a lobe at its outer face."""
    parts = [
        Ellipsoid(
            mass_kda=46.0,
            centre_xyz=(25.0, 24.0, 4.0),
            semi_axes=(23.0, 26.0, 27.0),
            short_axis_xyz=(0.75, -0.35, 0.56),
            long_axis_xyz=(0.42, 0.91, 0.0),
            n_beads=42,
            on_lattice=True,
        ),
        Ellipsoid(
            mass_kda=10.0,
            centre_xyz=(45.0, 14.0, 19.0),
            semi_axes=(12.5, 15.0, 20.0),
            short_axis_xyz=(0.75, -0.35, 0.56),
            long_axis_xyz=(0.42, 0.91, 0.0),
            n_beads=10,
            on_lattice=True,
        ),
    ]
    source = (
        "bead model of sweet potato beta-amylase, 4 x 56 kDa, point group D2: known are the mass, the symmetry and the "
        "fold of a subunit (a (beta/alpha)8 barrel with a C-terminal loop and a lobe of three long loops, PDB 1FA2); "
        "the flat square of four barrels and the size of the lobe are modelled, not taken from coordinates"
    )
    return assemble("beta-amylase", "D2", parts, source)


def thyroglobulin() -> Structure:
    """Two chains of five domains about the 2-fold axis.

    The domains are larger than their mass at 1.23 Å3/Da, by a third in volume, as the moments of real domains are; they
    are laid out so that they touch without piling up and fill the published outline.
    """
    domains = [  # kDa, centre, semi-axes, short axis, long axis, beads
        (95.0, (22.0, 22.0, 3.0), (26.5, 32.0, 44.2), (0.74, 0.30, 0.60), (0.61, -0.69, -0.39), 72),  # core
        (62.0, (32.0, -30.0, -26.0), (24.3, 28.7, 35.4), (0.22, 0.53, 0.82), (0.25, -0.84, 0.48), 48),  # carboxyl end
        (70.0, (78.0, -29.0, 9.0), (22.1, 28.7, 44.2), (0.62, -0.62, 0.49), (0.10, -0.55, -0.83), 54),  # flap
        (48.0, (98.0, 16.0, -12.0), (19.0, 23.0, 37.0), (-0.40, 0.90, -0.16), (-0.25, -0.28, -0.93), 38),  # arm
        (55.0, (56.0, 49.0, 27.0), (19.9, 25.4, 34.3), (-0.51, -0.22, 0.83), (0.85, 0.00, 0.52), 42),  # amino end
    ]
    parts = [
        Ellipsoid(
            mass_kda=mass_kda,
            centre_xyz=centre,
            semi_axes=semi_axes,
            short_axis_xyz=short_axis,
            long_axis_xyz=long_axis,
            n_beads=n_beads,
            spread_angstrom=5.2,
            on_lattice=True,
        )
        for mass_kda, centre, semi_axes, short_axis, long_axis, n_beads in domains
    ]
    source = (
        "bead model of the thyroglobulin dimer, 2 x 330 kDa with its sugars, point group C2: known are the mass, the "
        "symmetry, the outline of some 250 x 150 x 110 A and that each chain has an amino end, core, flap, arm and an "
        "esterase-like carboxyl end near the 2-fold axis (PDB 6SCJ); the places and shapes of these five are modelled, "
        "not taken from coordinates"
    )
    return assemble("thyroglobulin", "C2", parts, source)
