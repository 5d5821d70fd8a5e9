"""Built-in models of the three large symmetric assemblies: apoferritin, 20S proteasome, PP7 virus-like particle."""

import numpy as np
from numpy.typing import NDArray

from tomoset.structures.bead_models import Ellipsoid, assemble
from tomoset.structures.structure import Structure

__all__ = ["apoferritin", "pp7_vlp", "proteasome"]

Floats = NDArray[np.float64]


def apoferritin() -> Structure:
    """24 four-helix bundles, their long axes oblique in the shell; moments of one subunit of PDB 2FHA."""
    subunit = Ellipsoid(
        mass_kda=20.0,
        centre_xyz=(40.0, 29.2, 10.1),
        semi_axes=(12.6, 16.5, 35.5),
        short_axis_xyz=(0.88, 0.45, 0.15),
        long_axis_xyz=(-0.46, 0.73, 0.51),
    )
    source = (
        "bead model: 24 subunits of 20 kDa as one ellipsoid each (moments of a subunit of PDB 2FHA), point group O, "
        "outer diameter 12 nm, cavity 8 nm"
    )
    return assemble("apoferritin", "O", [subunit], source)


def proteasome() -> Structure:
    """Rings of 7 alpha, 7 beta, 7 beta, 7 alpha; moments of one subunit of each kind of PDB 3J9I."""
    alpha = Ellipsoid(
        mass_kda=25.8,
        centre_xyz=(35.7, -2.5, 56.0),
        semi_axes=(17.4, 22.3, 27.5),
        short_axis_xyz=(0.36, 0.86, 0.38),
        long_axis_xyz=(-0.93, 0.35, 0.08),
    )
    beta = Ellipsoid(
        mass_kda=22.3,
        centre_xyz=(35.6, -11.7, 17.3),
        semi_axes=(15.3, 21.6, 26.1),
        short_axis_xyz=(-0.50, -0.72, -0.48),
        long_axis_xyz=(0.63, 0.08, -0.77),
    )
    source = (
        "bead model of the archaeal 20S: rings of 7 alpha (25.8 kDa), 7 beta, 7 beta (22.3 kDa) and 7 alpha subunits "
        "as one ellipsoid each (moments of PDB 3J9I), point group D7, 15 nm long, 11.5 nm wide, with its channel and "
        "chambers"
    )
    return assemble("proteasome", "D7", [alpha, beta], source)


def pp7_vlp() -> Structure:
    """A shell of 90 dimers on the edges of the T = 3 net: 60 between a 5-fold and a 3-fold, 30 across the 2-folds."""
    golden = (1 + np.sqrt(5.0)) / 2
    fivefold = np.array([0.0, 1.0, golden])
    threefold = np.array([1.0, 1.0, 1.0])
    above, below = np.array([0.0, 1 / golden, golden]), np.array([0.0, -1 / golden, golden])  # either side of a 2-fold
    subunits = [
        _coat_protein(fivefold, threefold),
        _coat_protein(threefold, fivefold),
        _coat_protein(above, below),
    ]
    source = (
        "bead model of the PP7 virus-like particle: 180 coat proteins of 13.9 kDa as one ellipsoid each, in 90 dimers "
        "on the edges of a T = 3 net, point group I, outer diameter 28 nm; a hollow shell (RNA that particles may hold "
        "is absent) that does not show the capsid's handedness"
    )
    return assemble("pp7-vlp", "I", subunits, source)


def _coat_protein(near: Floats, far: Floats) -> Ellipsoid:
    """Half of the dimer on the edge of the net between two vertices, on the side of ``near``.

    An edge is some 80 Å long at the shell's mean radius of 126 Å; its dimer has a quasi-2-fold at the middle, and each
    half reaches nearly to its vertex. The semi-axes hold 13.9 kDa at 1.23 Å3/Da in a shell 23 Å thick.
    """
    near, far = near / np.linalg.norm(near), far / np.linalg.norm(far)
    outwards = (near + far) / np.linalg.norm(near + far)
    along = (near - far) / np.linalg.norm(near - far)
    return Ellipsoid(
        mass_kda=13.9,
        centre_xyz=125.0 * outwards + 18.0 * along,
        semi_axes=(11.7, 17.5, 20.0),
        short_axis_xyz=outwards,
        long_axis_xyz=along,
    )
