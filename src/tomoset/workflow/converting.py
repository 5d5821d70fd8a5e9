"""Convert one file of picks or of an alignment into another program's format."""

from pathlib import Path

from tomoset.errors import InputMissingError, ParameterError
from tomoset.workflow.alignment_conversion import ALIGNMENT_TARGETS, convert_alignment, is_alignment
from tomoset.workflow.picks_conversion import convert_picks, is_picks

__all__ = ["convert_file"]


def convert_file(
    source: Path,
    target: Path,
    *,
    pixel_size_angstrom: float | None = None,
    image_size_xy: tuple[int, int] | None = None,
    tomogram: Path | None = None,
    name: str = "",
) -> str:
    """Convert picks or an alignment; the endings say from which format to which.

    Parameters
    ----------
    source : Path
        Alignment: ``.aln``, ``.xf`` with the ``.tlt`` of the same name beside it (and ``.xtilt`` and ``tilt.com``),
        Warp's ``.xml`` or ``.tomostar``, the data portal's ``.json``, or the star of one RELION-5 series.
        Picks: copick ``.json`` or RELION-5 particles star.
    target : Path
        Alignment: ``.aln``, ``.xf`` (writes ``.tlt`` and ``.xtilt`` too), ``.tomostar``, ``.xml`` or ``.json``. Picks:
        a ``.star``, or the folder of a copick project.
    pixel_size_angstrom : float, optional
        Of the tilt images.
    image_size_xy : tuple of int, optional
        Of the tilt images, where the source does not say it.
    tomogram : Path, optional
        OME-Zarr tomogram that the picks belong to.
    name : str
        Object's name for picks of a star.

    Returns
    -------
    str
        One sentence on what was done.

    Raises
    ------
    InputMissingError
        If the source is not there.
    ParameterError
        If the conversion is not one of these, or something it needs was not given.
    GeometryError
        If the target cannot hold what the source does.
    """
    if not source.is_file():
        raise InputMissingError(f"expected a file to convert, found none at {source}")
    if is_alignment(source):
        return convert_alignment(source, target, pixel_size_angstrom, image_size_xy)
    if is_picks(source):
        return convert_picks(source, target, pixel_size_angstrom, tomogram, name)
    raise ParameterError(
        f"{source.name}: expected an alignment (.aln, .xf, Warp .xml or .tomostar, portal .json, star of a RELION-5 "
        "series; to "
        f"{', '.join(ALIGNMENT_TARGETS)}) or picks (copick .json, RELION-5 particles star)"
    )
