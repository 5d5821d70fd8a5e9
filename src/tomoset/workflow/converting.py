"""Convert labels or an alignment from one program's files into another's."""

from pathlib import Path

from tomoset.errors import InputMissingError, ParameterError
from tomoset.workflow.alignment_conversion import ALIGNMENT_TARGETS, convert_alignment, is_alignment
from tomoset.workflow.label_conversion import convert_labels, is_labels
from tomoset.workflow.label_exchange import ENDINGS, LabelRequest

__all__ = ["convert_file"]


def convert_file(  # noqa: PLR0913 - what the command line can say
    source: Path,
    target: Path,
    *,
    image_size_xy: tuple[int, int] | None = None,
    pixel_size_angstrom: float | None = None,
    tomogram: Path | None = None,
    name: str = "",
    run: str = "",
    user: str = "",
    session: str = "",
    radius_angstrom: float | None = None,
    first_voxel: int | None = None,
    source_format: str = "",
    target_format: str = "",
) -> str:
    """Convert labels or an alignment; endings and content say from which format to which.

    Parameters
    ----------
    source : Path
        Alignment: ``.aln``, ``.xf`` with the ``.tlt`` of the same name beside it (and ``.xtilt`` and ``tilt.com``),
        Warp's ``.xml`` or ``.tomostar``, the data portal's ``.json``, or the star of one RELION-5 series.
        Labels: any of ``label_exchange.ENDINGS``.
    target : Path
        Alignment: ``.aln``, ``.xf`` (writes ``.tlt`` and ``.xtilt`` too), ``.tomostar``, ``.xml`` or ``.json``.
        Labels: any of ``label_exchange.ENDINGS``.
    image_size_xy : tuple of int, optional
        Of the tilt images, where the source does not say it.
    pixel_size_angstrom : float, optional
        Of the tilt images.
    tomogram : Path, optional
        OME-Zarr or MRC tomogram that the labels belong to.
    name : str
        Class of labels whose file does not say it; of several classes the one to take; another name for a single one.
    run, user, session : str
        Of the labels, where the source does not say them or holds several.
    radius_angstrom : float, optional
        Of the class, for formats that draw spheres or boxes.
    first_voxel : {0, 1}, optional
        Where Dynamo, STOPGAP and TOM count from; see their files in :mod:`tomoset.formats`.
    source_format, target_format : str
        Keys of ``label_exchange.ENDINGS`` where endings and content leave it open.

    Returns
    -------
    str
        One line on what was done, and on everything that the target cannot hold.

    Raises
    ------
    InputMissingError
        If the source is not there.
    ParameterError
        If the conversion is not one of these, or something it needs was not given.
    GeometryError
        If the target cannot hold what the source does, or labels are of another tomogram.
    """
    if not source.exists():
        raise InputMissingError(f"expected a file to convert, found none at {source}")
    if source.is_file() and not source_format and is_alignment(source):
        return convert_alignment(source, target, pixel_size_angstrom, image_size_xy)
    if is_labels(source, source_format):
        ask = LabelRequest(
            tomogram=tomogram,
            name=name,
            run=run,
            user=user,
            session=session,
            pixel_size_angstrom=pixel_size_angstrom,
            radius_angstrom=radius_angstrom,
            first_voxel=first_voxel,
            source_format=source_format,
            target_format=target_format,
        )
        return convert_labels(source, target, ask)
    raise ParameterError(
        f"{source.name}: expected an alignment (.aln, .xf, Warp .xml or .tomostar, portal .json, star of a RELION-5 "
        f"series; to {', '.join(ALIGNMENT_TARGETS)}) or labels ("
        + ", ".join(f"{kind} {ending}" for kind, ending in ENDINGS.items())
        + ")"
    )
