"""What changes the answer of the defocus estimate."""

from dataclasses import dataclass

from tomoset.errors import ParameterError

__all__ = ["CtfParams", "methods_text"]


@dataclass(frozen=True, slots=True, kw_only=True)
class CtfParams:
    """Settings of the CTF fit.

    Parameters
    ----------
    tile_angstrom : float
        Edge of the square tiles whose power spectra are averaged; they overlap by half. Wide enough that the Thon
        rings are resolved, narrow enough that the defocus hardly changes across one at high tilt.
    coarsest_angstrom, finest_angstrom : float
        Spacings between which Thon rings are fitted; along x and y never beyond 95 % of Nyquist, along the diagonals
        up to 1.3 times that.
    defocus_min_angstrom, defocus_max_angstrom : float
        Search range, positive = underfocus.
    nominal_defocus_angstrom : float or None
        Target defocus; narrows the search to ``± nominal_range_angstrom`` when given. Without it the targets that the
        microscope wrote are tried first, and given up when the whole range holds something clearly likelier.
    nominal_range_angstrom : float
        Half width of the search about the nominal defocus.
    max_astigmatism_angstrom : float
        Largest difference between the defocus of the two principal directions, of the series; a tilt's own may
        differ from it by some tens of Å. 0 fits none.
    thickness_angstrom : float or None
        Of the ice, where it is known: the rings of a slab fade as its heights spread. None takes it as thin.
    series_step_angstrom : float
        Defocus difference between neighbouring tilts that costs one unit of log-likelihood in the search.
    hand_threshold : float
        Log-likelihood by which a hand must beat both the other hand and the assumption of no gradient. On 40 sheets
        without a gradient or too faint to tell, a wrong hand won by 4.5 at most; on 20 simulated series of mixtures and
        cells the right one won by 110 and more (``benchmarks/science/ctf.py``).

    Raises
    ------
    ParameterError
        If a value is out of range.
    """

    tile_angstrom: float = 1280.0
    coarsest_angstrom: float = 40.0
    finest_angstrom: float = 7.0
    defocus_min_angstrom: float = 5000.0
    defocus_max_angstrom: float = 80000.0
    nominal_defocus_angstrom: float | None = None
    nominal_range_angstrom: float = 15000.0
    max_astigmatism_angstrom: float = 3000.0
    thickness_angstrom: float | None = None
    series_step_angstrom: float = 500.0
    hand_threshold: float = 10.0

    def __post_init__(self) -> None:
        """Refuse what cannot be fitted."""
        if not self.tile_angstrom > 4 * self.coarsest_angstrom:
            raise ParameterError(
                f"ctf: tile_angstrom must exceed four times coarsest_angstrom ({4 * self.coarsest_angstrom:g} Å), "
                f"found {self.tile_angstrom:g}; take larger tiles"
            )
        if not self.coarsest_angstrom > self.finest_angstrom > 0:
            raise ParameterError(
                "ctf: expected coarsest_angstrom > finest_angstrom > 0, found "
                f"{self.coarsest_angstrom:g} and {self.finest_angstrom:g}; exchange them"
            )
        if not 0 < self.defocus_min_angstrom < self.defocus_max_angstrom <= 5e5:
            raise ParameterError(
                "ctf: expected 0 < defocus_min_angstrom < defocus_max_angstrom ≤ 500000, found "
                f"{self.defocus_min_angstrom:g} and {self.defocus_max_angstrom:g}; underfocus is positive"
            )
        positive = {"nominal_range_angstrom", "series_step_angstrom", "hand_threshold"}
        for name in sorted(positive):
            if not getattr(self, name) > 0:
                raise ParameterError(f"ctf: {name} must be positive, found {getattr(self, name):g}")
        nominal = self.nominal_defocus_angstrom
        if nominal is not None and not self.defocus_min_angstrom <= nominal <= self.defocus_max_angstrom:
            raise ParameterError(
                f"ctf: nominal defocus {nominal:g} Å lies outside {self.defocus_min_angstrom:g} … "
                f"{self.defocus_max_angstrom:g} Å; check its unit and sign"
            )
        if self.thickness_angstrom is not None and not 0 <= self.thickness_angstrom <= 2e4:
            raise ParameterError(
                f"ctf: expected a thickness_angstrom between 0 and 20000, found {self.thickness_angstrom:g}; "
                "check its unit"
            )
        if not self.max_astigmatism_angstrom >= 0:
            raise ParameterError(
                f"ctf: max_astigmatism_angstrom must be ≥ 0, found {self.max_astigmatism_angstrom:g}; 0 fits none"
            )

    @property
    def search_range_angstrom(self) -> tuple[float, float]:
        """Smallest and largest defocus that is tried."""
        if self.nominal_defocus_angstrom is None:
            return self.defocus_min_angstrom, self.defocus_max_angstrom
        low = max(self.defocus_min_angstrom, self.nominal_defocus_angstrom - self.nominal_range_angstrom)
        high = min(self.defocus_max_angstrom, self.nominal_defocus_angstrom + self.nominal_range_angstrom)
        return low, high


def methods_text(params: CtfParams) -> str:
    """One sentence that says how the defocus was found, for a methods section."""
    slab = "" if params.thickness_angstrom is None else f" damped by a slab of {params.thickness_angstrom:g} Å,"
    return (
        f"Defocus was estimated from power spectra of half-overlapping {params.tile_angstrom:g} Å tiles between "
        f"{params.coarsest_angstrom:g} and {params.finest_angstrom:g} Å (at most the corners of the band), each tile "
        f"compared with CTF² at the defocus of its own height under the tilt,{slab} by maximum likelihood over the "
        "whole series, with one astigmatism and one inclination of the specimen's plane for all tilts, smooth positive "
        "background and signal for each, and a prior on each tilt's focus that the series itself gave; the sign of the "
        "defocus gradient was decided by the likelihood of the series."
    )
